"""Runs a pipeline as Slurm jobs. The job of a stage starts when the jobs of the stages that it needs have succeeded.

A job runs `python -m open_r1.pipeline --only <stage>`, so a stage works the same there as on one machine: the same
command, the same check whether it is done, the same state files. The ids of the submitted jobs are stored next to the
states. When the pipeline is submitted again, a stage keeps its job if that is still pending or running.
"""

import json
from pathlib import Path

from rich.console import Console

from open_r1.cluster.slurm import job_state, run_slurm_command, submit_job
from open_r1.configs import PipelineArguments
from open_r1.pipelines.outdated import REQUESTED, OutdatedTask
from open_r1.pipelines.tasks import SLURM_LAUNCHER, Task, set_output_aside
from open_r1.utils.errors import split_shell_words
from open_r1.utils.files import write_text_atomically


SCRIPT = "slurm/pipeline.slurm"
ACTIVE_STATES = (
    "PENDING",
    "CONFIGURING",
    "RUNNING",
    "COMPLETING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "SUSPENDED",
    "SIGNALING",
    "STAGE_OUT",
)


def read_job_ids(home: Path) -> dict[str, str]:
    """The id of the last job of each stage.

    Args:
        home (`Path`): The folder with the states of a seed.
    """
    path = _job_ids_path(home)
    if not path.is_file():
        return {}
    return json.loads(path.read_text())


def submit_tasks(outdated: list[OutdatedTask], args: PipelineArguments, console: Console) -> None:
    """Submits the tasks that have to run, except those whose job is still pending or running.

    Args:
        outdated (`list[OutdatedTask]`): Tasks of all seeds, each after those that it needs.
        args (`PipelineArguments`): The pipeline.
        console (`Console`): Shows the jobs.
    """
    sbatch_options = {}
    for stage in args.steps:
        words = [*split_shell_words("slurm", args.slurm), *split_shell_words("slurm", stage.slurm)]
        sbatch_options[stage.name] = words
    jobs_of_seed: dict[int, dict[str, str]] = {seed: {} for seed in args.seeds}
    newly_submitted: dict[int, set[str]] = {seed: set() for seed in args.seeds}
    for task, reason in outdated:
        jobs = jobs_of_seed[task.seed]
        job = _active_job(task)
        if job is not None and not newly_submitted[task.seed].isdisjoint(task.needs):
            # It depends on a job that failed, so Slurm is about to cancel it.
            run_slurm_command("scancel", job)
            job = None
        if job is not None:
            action = "is under way"
        else:
            if reason == REQUESTED:
                _forget_output(task, console)
            after = [jobs[need] for need in task.needs if need in jobs]
            job = _submit_task(task, args, sbatch_options[task.name], after)
            newly_submitted[task.seed].add(task.name)
            action = f"submitted ({reason})"
        jobs[task.name] = job
        console.print(f"job {job}: {task.label} {action}", markup=False)


def describe_job(task: Task) -> str:
    """The last job of a task and its state, in parentheses; an empty string if it was never submitted."""
    job = read_job_ids(task.home).get(task.name)
    if job is None:
        return ""
    return f" (job {job}: {job_state(job) or 'ended'})"


def _active_job(task: Task) -> str | None:
    """The last job of a task, if it is pending or running."""
    job = read_job_ids(task.home).get(task.name)
    if job is not None and job_state(job) in ACTIVE_STATES:
        return job
    return None


def _submit_task(task: Task, args: PipelineArguments, sbatch_options: list[str], after: list[str]) -> str:
    """Submits a task that runs after other jobs, and records its job id."""
    name = task.name
    if task.seed != args.seeds[0]:
        name += f"-{task.seed}"
    options = [f"--job-name={name}", *sbatch_options]
    job = submit_job(SCRIPT, options, _pipeline_options(task, args), after)
    job_ids = read_job_ids(task.home)
    job_ids[task.name] = job
    write_text_atomically(_job_ids_path(task.home), json.dumps(job_ids, indent=1))
    return job


def _pipeline_options(task: Task, args: PipelineArguments) -> list[str]:
    """The options with which the job of a task starts the pipeline."""
    return [
        *("--config", args.recipe),
        *("--output_dir", args.output_dir),
        *("--seeds", str(task.seed)),
        *("--only", task.name),
        *("--launcher", SLURM_LAUNCHER),
    ]


def _forget_output(task: Task, console: Console) -> None:
    """Makes an up-to-date task look as if it had never run, so that its job runs it."""
    if task.output_dir.exists():
        set_output_aside(task, console)
    task.write_state({})


def _job_ids_path(home: Path) -> Path:
    return home / "jobs.json"
