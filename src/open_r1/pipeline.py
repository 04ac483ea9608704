"""Runs a pipeline, such as all stages of R1 (DeepSeek-R1, Figure 2 of v2).

Stages that are done and unchanged are skipped, and a stage that was stopped continues. Each stage is an ordinary
command, which is shown and can be run by hand. Its output goes to `<output_dir>/.pipeline/<stage>.log`. Ctrl-C stops
the running stages; training saves a checkpoint first.

Examples:

  # all of R1 in miniature
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml

  # show all stages, which of them would run, and why
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --dry_run true

  # one stage, unless it is done; one stage again, with all that depend on it
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --only dev1
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --from dev1

  # each stage as a Slurm job, with these options of sbatch; running the command again resubmits what has failed
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --slurm "--time 1:00:00"
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --slurm "" --dry_run true

  # one more seed, in outputs/tiny-7
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --seeds 42 7
"""

import time
from contextlib import ExitStack

from rich.console import Console

from open_r1.configs import PipelineArguments
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.pipelines.local_runner import LocalRunner
from open_r1.pipelines.outdated import all_outdated_tasks, finish_times, outdated_tasks
from open_r1.pipelines.slurm_jobs import describe_job, submit_tasks
from open_r1.pipelines.tasks import SLURM_LAUNCHER, Task, build_tasks_by_seed
from open_r1.reports.claims import require_known
from open_r1.utils.files import file_lock


def main() -> None:
    """Runs what is out of date in a pipeline."""
    (args,) = parse_command_line("pipeline", __doc__)
    console = Console(soft_wrap=True, highlight=False)
    tasks_by_seed = build_tasks_by_seed(args)
    for claim in args.claimed:
        require_known(claim, tasks_by_seed[args.seeds[0]])
    if args.dry_run:
        show(tasks_by_seed, args, console)
        return
    with ExitStack() as locks:
        for seed in args.seeds:
            args.home(seed).mkdir(parents=True, exist_ok=True)
            # Slurm jobs of the same pipeline run at the same time, so there only each stage is locked.
            if args.launcher != SLURM_LAUNCHER:
                locks.enter_context(file_lock(args.home(seed) / "pipeline.lock"))
        run(tasks_by_seed, args, console)


def run(tasks_by_seed: dict[int, list[Task]], args: PipelineArguments, console: Console) -> None:
    """Runs or submits the outdated tasks."""
    started = time.monotonic()
    outdated = all_outdated_tasks(tasks_by_seed, args)
    is_slurm_job = args.launcher == SLURM_LAUNCHER
    if args.slurm is not None and not is_slurm_job:
        submit_tasks(outdated, args, console)
        return
    LocalRunner(outdated, finish_times(tasks_by_seed, outdated), args.jobs, console).run()
    minutes = (time.monotonic() - started) / 60
    summary = f"{args.recipe}: {len(outdated)} stages run in {minutes:,.1f} minutes"
    if not args.only and not args.from_stage:
        summary += "; all is done"
    console.print(summary, markup=False)


def show(tasks_by_seed: dict[int, list[Task]], args: PipelineArguments, console: Console) -> None:
    """Prints all tasks: what each needs, whether and why it runs, its last job, and its command."""
    for seed, tasks in tasks_by_seed.items():
        reasons = outdated_tasks(tasks, args)
        console.print(
            f"seed {seed}: {len(reasons)} of {len(tasks)} stages to run, into {args.root(seed)}", markup=False
        )
        for number, task in enumerate(tasks, 1):
            line = f"{number:3} {task.name}"
            if task.needs:
                line += f" ← {', '.join(task.needs)}"
            line += f": run, {reasons[task.name]}" if task.name in reasons else ": done"
            if args.slurm is not None:
                line += describe_job(task)
            console.print(f"{line}\n      {task}", markup=False)


if __name__ == "__main__":
    with report_user_errors():
        main()
