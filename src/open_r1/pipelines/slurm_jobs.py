"""A pipeline as jobs of Slurm: each stage is one, which starts when those that it needs have ended well.

A job runs `python -m open_r1.pipeline --only <stage>`, so that what a stage is, whether it is done and what is kept of it is the same as on one
machine. The jobs that were submitted are kept beside the stages' states: submitted again, a stage whose job waits or runs keeps it.
"""

import json
from pathlib import Path

from rich.console import Console

from open_r1.cluster.slurm import job_state, run_slurm_command, submit_job
from open_r1.configs import PipelineArguments
from open_r1.pipelines.tasks import ASKED, LAUNCH, Task, put_aside
from open_r1.utils.errors import split_shell_words
from open_r1.utils.files import write_text_atomically


SCRIPT = "slurm/pipeline.slurm"
UNDER_WAY = (
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


def path_of(home: Path) -> Path:
    """Where the jobs of a seed are kept."""
    return home / "jobs.json"


def jobs_of(home: Path) -> dict[str, str]:
    """The last job of each stage."""
    return json.loads(path_of(home).read_text()) if path_of(home).is_file() else {}


def submit_all(waiting: list[tuple[Task, str]], args: PipelineArguments, console: Console):
    """Submits what is to run, and leaves alone what has been submitted and has not ended.

    Args:
        waiting (`list[tuple[Task, str]]`): Tasks of all seeds, each after those that it needs, and why they run.
        args (`PipelineArguments`): The pipeline.
    """
    options = {
        step.name: [*split_shell_words("slurm", args.slurm), *split_shell_words("slurm", step.slurm)]
        for step in args.steps
    }
    submitted: dict[tuple[str, int], str] = {}
    anew: set[tuple[str, int]] = set()
    for task, why in waiting:
        jobs = jobs_of(task.home)
        job, kept = jobs.get(task.name), False
        if job and job_state(job) in UNDER_WAY:
            kept = not any((need, task.seed) in anew for need in task.needs)
            if not kept:  # it waits for a job that has failed, and is about to be cancelled
                run_slurm_command("scancel", job)
        if not kept:
            anew.add((task.name, task.seed))
            if why == ASKED:  # the job is to find that it was never run
                start_anew(task, console)
            after = [submitted[need, task.seed] for need in task.needs if (need, task.seed) in submitted]
            name = f"--job-name={task.name}{'' if task.seed == args.seeds[0] else f'-{task.seed}'}"
            job = submit_job(SCRIPT, [name, *options[task.name]], told(task, args), after)
            write_text_atomically(path_of(task.home), json.dumps(jobs | {task.name: job}, indent=1))
        submitted[task.name, task.seed] = job
        how = "is under way" if kept else f"submitted ({why})"
        console.print(f"job {job}: {task.name} (seed {task.seed}) {how}", markup=False)


def told(task: Task, args: PipelineArguments) -> list[str]:
    """What the job of a stage tells the pipeline."""
    where = ["--config", args.recipe, "--output_dir", args.output_dir, "--seeds", str(task.seed)]
    return [*where, "--only", task.name, "--launcher", LAUNCH]


def start_anew(task: Task, console: Console):
    if task.output_dir.exists():
        put_aside(task.output_dir, console)
    task.write_state({})
