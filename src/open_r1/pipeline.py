"""Runs the stages of R1 one after another: what is done and unchanged is skipped, what was stopped continues (DeepSeek-R1, Figure 2 of v2).

A stage is an ordinary command, which is shown and can be given by hand. Its output goes to `<output_dir>/.pipeline/<stage>.log`.

Examples:

  # all of R1 in miniature
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml

  # the stages, what would run and why
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --dry_run true

  # one stage, if it is not done; one stage and all that depend on it, anew
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --only dev1
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --from dev1

  # each stage as a job of Slurm, with these options of sbatch; the same command again submits what has failed, and says how far it is
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --slurm "--time 1:00:00"
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --slurm "" --dry_run true

  # one more seed, in outputs/tiny-7
  python -m open_r1.pipeline --config recipes/tiny/pipeline.yaml --seeds 42 7
"""

import atexit
import fcntl
import json
import multiprocessing
import os
import runpy
import signal
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import yaml
from rich.console import Console

from open_r1.cluster.slurm import job_state
from open_r1.configs import PipelineArguments
from open_r1.configs.parser import RecipeParser, report_user_errors
from open_r1.pipelines.slurm_jobs import jobs_of, submit_all
from open_r1.pipelines.tasks import ASKED, LAUNCH, Task, all_tasks, made_of, outdated_tasks, program, put_aside
from open_r1.reports.claims import require_known
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import file_lock


LINES = 25  # of a log that is shown if a stage fails
POLL = 0.2  # seconds
# Forked from a server that has imported these, a stage need not import them itself (7 s); nothing is computed before the fork.
PRELOADED = [
    "open_r1.training.run",
    "open_r1.generation.driver",
    "open_r1.evals.results",
    "trl.trainer.grpo_trainer",
    "trl.trainer.reward_trainer",
]


def run_command(command: list[str], log: Path, lock: Path):
    """Runs a stage's command in this process, which holds its lock until it ends, also if the pipeline is killed meanwhile."""
    os.setsid()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until there is something that can do as it says
    held = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    os.set_inheritable(held, True)
    for stream, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, log, os.O_WRONLY | os.O_APPEND),
        (2, log, os.O_WRONLY | os.O_APPEND),
    ):
        os.dup2(os.open(path, flags), stream)
    if command[0] != "python":
        os.execv(program(command[0]), command)
    sys.argv = command[2:] if command[1] == "-m" else command[1:]
    try:
        if command[1] == "-m":
            runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(command[1], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # which processes of multiprocessing leave out


class Running:
    """A task's process."""

    def __init__(self, task: Task, why: str, done: dict[str, str], console: Console):
        self.task = task
        task.home.mkdir(parents=True, exist_ok=True)
        with (task.home / f"{task.name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                console.print(f"{label(task)} is still at work for a pipeline that was killed; waiting", markup=False)
                fcntl.flock(lock, fcntl.LOCK_EX)
        self.started, self.made_of, before = time.monotonic(), made_of(task, done), task.state()
        other = is_other(task) if not before else before["made_of"] != self.made_of
        if (other or why == ASKED) and task.output_dir.exists():
            put_aside(task.output_dir, console)
            before = {}
        self.before = before.get("seconds", 0.0)  # of attempts that were stopped
        if "started" in before:  # and of one that was killed, up to its last line
            self.before += max(0.0, task.log.stat().st_mtime - before["started"])
        task.write_state({"made_of": self.made_of, "seconds": self.before, "started": time.time()})
        with task.log.open("a") as log:
            log.write(f"\n$ {task}\n")
        self.in_job = (
            "open_r1.cluster.launch" in task.command
        )  # one stage, whose launcher needs no more than what is imported here
        context = multiprocessing.get_context("fork" if self.in_job else "forkserver")
        if not self.in_job:
            context.set_forkserver_preload(PRELOADED)
        self.process = context.Process(
            target=run_command, args=(task.command, task.log, task.home / f"{task.name}.lock")
        )
        self.process.start()

    def finish(self) -> str:
        """Writes down that it is done; returns when."""
        now = datetime.now(UTC).isoformat()
        made = sorted(path.name for path in self.task.output_dir.iterdir() if path.is_file())
        self.note(finished=now, made=made)
        return now

    def note(self, **more):
        """Writes down what it has taken so far."""
        seconds = round(self.before + time.monotonic() - self.started, 1)
        self.task.write_state({"made_of": self.made_of, "seconds": seconds, **more})

    def stop(self):
        """Asks the process and its children to end, and waits until they have."""
        # In a job it is Slurm that has no more patience: KillWait, or the partition's GraceTime.
        for sign, patience in ((signal.SIGTERM, None if self.in_job else 30), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.process.pid, sign)
            except ProcessLookupError:  # it has ended, or not yet begun
                self.process.kill()
            self.process.join(patience)
        self.note()


def is_other(task: Task) -> bool:
    """Whether the folder of a stage that the pipeline has never run is that of a training run by hand with other keys."""
    recipe = task.output_dir / "recipe.yaml"
    return recipe.is_file() and json.loads(json.dumps(yaml.safe_load(recipe.read_text()), default=str)) != task.keys


def label(task: Task) -> str:
    return f"{task.name} (seed {task.seed})"


class Schedule:
    """Tasks on their way: so many at once, each when what it needs is done.

    Args:
        waiting (`list[tuple[Task, str]]`): Tasks in order, and why they run.
        done (`dict[int, dict[str, str]]`): When each stage of each seed ended.
        jobs (`int`): Processes at once.
        console (`Console`): Says what happens.
    """

    def __init__(self, waiting: list[tuple[Task, str]], done: dict[int, dict[str, str]], jobs: int, console: Console):
        self.waiting, self.done, self.jobs, self.console = waiting, done, jobs, console
        self.total, self.running, self.failed = len(waiting), [], None

    def run(self):
        """Runs all.

        Raises:
            RecipeError: If one fails; those beside it are let finish first.
        """
        signal.signal(signal.SIGUSR1, lambda *_: [os.kill(each.process.pid, signal.SIGUSR1) for each in self.running])
        try:
            while self.running or (self.waiting and not self.failed):
                self._start()
                time.sleep(POLL)
                self._collect()
        finally:  # Ctrl-C, or SIGTERM
            for each in self.running:
                each.stop()
        if self.failed:
            raise RecipeError(_account(self.failed))

    def _start(self):
        for item in list(self.waiting):
            task, why = item
            unfinished = {(other.name, other.seed) for other, _ in self.waiting} | {
                (each.task.name, each.task.seed) for each in self.running
            }
            if (
                len(self.running) < self.jobs
                and not self.failed
                and not any((need, task.seed) in unfinished for need in task.needs)
            ):
                self.waiting.remove(item)
                self.console.print(f"{clock()}  {label(task)}: {why}\n  {task}", markup=False)
                self.running.append(Running(task, why, self.done[task.seed], self.console))

    def _collect(self):
        for each in [each for each in self.running if each.process.exitcode is not None]:
            self.running.remove(each)
            if each.process.exitcode:
                each.note()
                self.failed = self.failed or each
                continue
            task = each.task
            self.done[task.seed][task.name] = each.finish()
            left = self.total - len(self.waiting) - len(self.running)
            self.console.print(
                f"{clock()}  {label(task)} done in {time.monotonic() - each.started:,.0f} s, {left} of {self.total}",
                markup=False,
            )


def _account(failed: Running) -> str:
    task = failed.task
    lines = task.log.read_text(errors="replace").rstrip().splitlines()[-LINES:]
    told = "\n".join(f"  {line}" for line in lines)
    again = f"The same command continues here; the stage alone is\n  {task}"
    if "open_r1.cluster.launch" in task.command:
        again = "Slurm cancels the jobs of the stages that need it; submit the pipeline again when it is mended, what is done is skipped."
    return f"{label(task)} failed with status {failed.process.exitcode}. The end of {task.log}:\n\n{told}\n\n{again}"


def clock() -> str:
    return time.strftime("%H:%M:%S")


def show(tasks: list[Task], reasons: dict[str, str], console: Console, with_jobs: bool):
    """Prints a seed's stages: what each needs, whether and why it runs, its last job, and its command."""
    for number, task in enumerate(tasks, 1):
        needs = f" ← {', '.join(task.needs)}" if task.needs else ""
        job = jobs_of(task.home).get(task.name) if with_jobs else None
        told = f" (job {job}: {job_state(job) or 'ended'})" if job else ""
        what = f"run, {reasons[task.name]}" if task.name in reasons else "done"
        console.print(f"{number:3} {task.name}{needs}: {what}{told}", markup=False)
        console.print(f"      {task}", markup=False)


def main():
    (args,) = RecipeParser("pipeline", __doc__).parse()
    console = Console(soft_wrap=True, highlight=False)
    seeds = all_tasks(args)
    for claim in args.claimed:
        require_known(claim, next(iter(seeds.values())))
    if args.dry_run:
        run(args, seeds, console)
        return
    with ExitStack() as stack:
        for seed in seeds:
            args.home(seed).mkdir(parents=True, exist_ok=True)
            if args.launcher == LAUNCH:  # one of several jobs at work; a stage has a lock of its own
                continue
            stack.enter_context(file_lock(args.home(seed) / "pipeline.lock"))
        run(args, seeds, console)


def run(args: PipelineArguments, seeds: dict[int, list[Task]], console: Console):
    """Runs what has to, or in a dry run shows it."""
    waiting, done = [], {}
    for seed, tasks in seeds.items():
        reasons = outdated_tasks(tasks, args)
        done[seed] = {
            task.name: task.state()["finished"]
            for task in tasks
            if task.name not in reasons and task.state().get("finished")
        }
        waiting += [(number, task, reasons[task.name]) for number, task in enumerate(tasks) if task.name in reasons]
        if args.dry_run:
            console.print(
                f"seed {seed}: {len(reasons)} of {len(tasks)} stages to run, into {args.root(seed)}", markup=False
            )
            show(tasks, reasons, console, args.slurm is not None)
    if args.dry_run:
        return
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    in_step = sorted(
        waiting, key=lambda item: item[0]
    )  # all seeds at the same pace, so that none is left alone at the end
    tasks = [(task, why) for _, task, why in in_step]
    if args.slurm is not None and args.launcher != LAUNCH:  # with that it is a job itself
        submit_all(tasks, args, console)
        return
    Schedule(tasks, done, args.jobs, console).run()
    console.print(
        f"{args.recipe}: {len(waiting)} stages run in {(time.monotonic() - started) / 60:,.1f} minutes"
        f"{'' if args.only or args.from_stage else '; all is done'}",
        markup=False,
    )


if __name__ == "__main__":
    with report_user_errors():
        main()
