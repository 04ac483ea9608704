"""Runs the tasks of a pipeline on this machine, several at once, each as soon as the stages that it needs are done."""

import atexit
import fcntl
import json
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import yaml
from rich.console import Console

from open_r1.pipelines.outdated import REQUESTED, OutdatedTask, task_inputs
from open_r1.pipelines.tasks import Task, find_program, require_gpus, set_output_aside
from open_r1.utils.errors import RecipeError


SHOWN_LOG_LINES = 25  # at the end of a failed stage's log
POLL = 0.2  # seconds
# Imported once, by the server that stages are forked from, which saves 7 s per stage. Nothing is computed before the
# fork.
PRELOADED_MODULES = [
    "open_r1.training.run",
    "open_r1.generation.backends",
    "open_r1.generation.driver",
    "open_r1.evals.run_benchmarks",
    "trl.trainer.grpo_trainer",
    "trl.trainer.reward_trainer",
]


class LocalRunner:
    """Runs tasks in processes.

    Args:
        waiting (`list[OutdatedTask]`): Tasks that have to run, in order.
        finished (`dict[int, dict[str, str]]`): Finish times of the stages that are up to date, by seed.
        jobs (`int`): Number of tasks to run at once.
        console (`Console`): Shows the progress.
    """

    def __init__(self, waiting: list[OutdatedTask], finished: dict[int, dict[str, str]], jobs: int, console: Console):
        self.waiting = list(waiting)
        self.finished = finished
        self.jobs = jobs
        self.console = console
        self.total = len(waiting)
        self.unfinished: dict[int, set[str]] = defaultdict(set)
        for task, _ in waiting:
            self.unfinished[task.seed].add(task.name)
        self.running: list[StageProcess] = []
        self.failed: StageProcess | None = None

    def run(self) -> None:
        """Runs all tasks. Ctrl-C and SIGTERM stop the running stages, which save checkpoints first.

        Raises:
            RecipeError: If a task fails, in which case others that are already running finish first, or if its
                launcher needs more GPUs than there are.
        """
        import torch  # takes seconds, and a mistake in the command line is reported at once

        for task, _ in self.waiting:
            require_gpus(task, torch.cuda.device_count())
        signal.signal(signal.SIGTERM, _exit_on_sigterm)
        signal.signal(signal.SIGUSR1, self._forward_warning)
        try:
            while self.running or (self.waiting and not self.failed):
                self._start_ready_tasks()
                time.sleep(POLL)
                self._collect_ended_tasks()
        finally:  # tasks are only still running after Ctrl-C or SIGTERM
            self._stop_running_tasks()
        if self.failed:
            raise RecipeError(_failure_message(self.failed))

    def _forward_warning(self, *_: object) -> None:
        for process in self.running:
            process.warn()

    def _start_ready_tasks(self) -> None:
        for item in list(self.waiting):
            if self.failed or len(self.running) >= self.jobs:
                return
            if self._is_ready(item.task):
                self.waiting.remove(item)
                self._start_task(item.task, item.reason)

    def _start_task(self, task: Task, reason: str) -> None:
        self._print(f"{_clock()}  {task.label} starts: {reason}\n  {task}")
        process = StageProcess(task, reason, self.finished[task.seed], self.console)
        self.running.append(process)

    def _is_ready(self, task: Task) -> bool:
        """Whether everything that a task needs is done."""
        return self.unfinished[task.seed].isdisjoint(task.needs)

    def _collect_ended_tasks(self) -> None:
        for process in list(self.running):
            if process.exitcode is None:
                continue
            self.running.remove(process)
            if process.exitcode != 0:
                process.record_time()
                self.failed = self.failed or process
                continue
            task = process.task
            self.finished[task.seed][task.name] = process.record_success()
            self.unfinished[task.seed].remove(task.name)
            done = self.total - len(self.waiting) - len(self.running)
            self._print(f"{_clock()}  {task.label} done in {process.seconds:,.0f} s, {done} of {self.total}")

    def _stop_running_tasks(self) -> None:
        """Stops the running tasks and waits while they save checkpoints. A second Ctrl-C ends the wait."""
        if not self.running:
            return
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm may send it more than once
        for process in self.running:
            self._print(
                f"{_clock()}  stopping {process.task.label}, which may save a checkpoint; Ctrl-C again kills it"
            )
            process.terminate()
        try:
            for process in self.running:
                process.wait()
        finally:
            for process in self.running:
                process.kill()
                process.record_time()

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False)


class StageProcess:
    """The process of a task, started on creation.

    Args:
        task (`Task`): The task.
        reason (`str`): Why it runs.
        finished (`dict[str, str]`): Finish times of the stages before it.
        console (`Console`): Shows what happens.
    """

    def __init__(self, task: Task, reason: str, finished: dict[str, str], console: Console):
        self.task = task
        task.home.mkdir(parents=True, exist_ok=True)
        _wait_for_earlier_process(task, console)
        self.started = time.monotonic()
        self.inputs = task_inputs(task, finished)
        previous = task.state()
        if _has_other_output(task, reason, previous, self.inputs):
            set_output_aside(task, console)
            previous = {}
        self.earlier_seconds = _seconds_of_earlier_attempts(task, previous)
        self._write_state(self.earlier_seconds, started=time.time())
        with task.log.open("a") as log:
            log.write(f"\n$ {task}\n")
        self.process = self._start()

    @property
    def exitcode(self) -> int | None:
        """Its exit status, negative if a signal ended it; `None` while it runs."""
        return self.process.exitcode

    @property
    def seconds(self) -> float:
        """Time since it started."""
        return time.monotonic() - self.started

    def record_success(self) -> str:
        """Records that the task is done.

        Returns:
            `str`: The time at which it finished.
        """
        now = datetime.now(UTC).isoformat()
        made = sorted(path.name for path in self.task.output_dir.iterdir() if path.is_file())
        self._write_state(self._total_seconds(), finished=now, made=made)
        return now

    def record_time(self) -> None:
        """Records how long it has run so far."""
        self._write_state(self._total_seconds())

    def warn(self) -> None:
        """Sends SIGUSR1, which warns it that its time limit is near."""
        with suppress(ProcessLookupError):  # it has ended
            os.kill(self.process.pid, signal.SIGUSR1)

    def terminate(self) -> None:
        """Asks it and its child processes to stop."""
        self._signal_group(signal.SIGTERM)

    def kill(self) -> None:
        """Kills it and its child processes."""
        self._signal_group(signal.SIGKILL)
        self.process.join()

    def wait(self) -> None:
        """Waits until it exits."""
        self.process.join()

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:  # it has exited, or has not called `setsid` yet
            self.process.kill()

    def _start(self) -> multiprocessing.Process:
        # The launcher of a Slurm job only needs modules that this process has imported, so a plain fork is enough.
        # Imported libraries ask torch for GPUs. If torch then asks CUDA, CUDA fails in all forks; NVML does not.
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
        context = multiprocessing.get_context("fork" if self.task.runs_in_slurm_job else "forkserver")
        if not self.task.runs_in_slurm_job:
            context.set_forkserver_preload(PRELOADED_MODULES)
        process = context.Process(target=run_command, args=(self.task.command, self.task.log, self.task.lock))
        process.start()
        return process

    def _total_seconds(self) -> float:
        return round(self.earlier_seconds + self.seconds, 1)

    def _write_state(self, seconds: float, **more: object) -> None:
        self.task.write_state({"made_of": self.inputs, "seconds": seconds, **more})


def run_command(command: list[str], log: Path, lock: Path) -> None:
    """Runs the command of a task in this process.

    The lock of the task is held until the process exits, even if the pipeline is killed before that.

    Args:
        command (`list[str]`): The command. If it starts with `python`, this interpreter runs it.
        log (`Path`): File for its output.
        lock (`Path`): File to lock.
    """
    os.setsid()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until the script installs its own handler
    lock_descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock_descriptor, fcntl.LOCK_EX)
    os.set_inheritable(lock_descriptor, True)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
    if command[0] != "python":
        os.execv(find_program(command[0]), command)
    try:
        if command[1] == "-m":
            sys.argv = command[2:]
            runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command[1:]
            runpy.run_path(command[1], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing skips them when a process exits


def _wait_for_earlier_process(task: Task, console: Console) -> None:
    """Waits for a process of this task that a killed pipeline left behind."""
    with task.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"{task.label} is still running, started by a pipeline that was killed; waiting for it"
            console.print(message, markup=False)
            fcntl.flock(lock, fcntl.LOCK_EX)


def _has_other_output(task: Task, reason: str, previous: dict, inputs: dict) -> bool:
    """Whether a task's output folder holds something that the task must not continue from."""
    if not task.output_dir.exists():
        return False
    if reason == REQUESTED:
        return True
    if previous:
        return previous["made_of"] != inputs
    return _is_of_other_run(task)


def _is_of_other_run(task: Task) -> bool:
    """Whether the output folder of a task that has never run is that of a manual training run with other keys."""
    path = task.output_dir / "recipe.yaml"
    if not path.is_file():
        return False
    recipe = yaml.safe_load(path.read_text())
    return json.loads(json.dumps(recipe, default=str)) != task.keys


def _seconds_of_earlier_attempts(task: Task, previous: dict) -> float:
    """The time that stopped attempts took; an attempt that was killed counts up to the last line of its log."""
    seconds = previous.get("seconds", 0.0)
    if "started" in previous:
        seconds += max(0.0, task.log.stat().st_mtime - previous["started"])
    return seconds


def _failure_message(failed: StageProcess) -> str:
    task = failed.task
    last_lines = task.log.read_text(errors="replace").rstrip().splitlines()[-SHOWN_LOG_LINES:]
    excerpt = "\n".join(f"  {line}" for line in last_lines)
    if task.runs_in_slurm_job:
        advice = (
            "Slurm cancels the jobs of the stages that need it. Fix the error and submit the pipeline again; "
            "stages that are done are skipped."
        )
    else:
        advice = f"The same command continues the pipeline; the stage alone is\n  {task}"
    return f"{task.label} failed with status {failed.exitcode}. The end of {task.log}:\n\n{excerpt}\n\n{advice}"


def _exit_on_sigterm(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def _clock() -> str:
    return time.strftime("%H:%M:%S")
