"""Runs the commands of smoke runs: several at once, each after those whose output it reads."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from outputs import describe_output
from reductions import SmokeRun
from results import FAILED, NOT_RUN, OK, Result
from rich.console import Console

from open_r1.pipelines.local_runner import PRELOADED_MODULES, run_command


TIMEOUT = 240  # seconds for one recipe; three times that for a pipeline
POLL = 0.05
PATIENCE = 10  # seconds
PRELOADED = [
    *PRELOADED_MODULES,
    "trl.trainer.sft_trainer",
    "trl.trainer.distillation_trainer",
    "open_r1.builders.run",
    "open_r1.builders.rows",
    "open_r1.builders.recipe_filters",
    "open_r1.builders.verification",
    "open_r1.training.rl_prompts",
    "open_r1.training.reward_probe",
]


class Smoke:
    """Runs commands at the same time, each after those that it needs.

    Args:
        runs (`list[SmokeRun]`): All runs.
        needs (`dict[str, list[SmokeRun]]`): The runs that each of them comes after, by its name.
        jobs (`int`): Number of runs at once.
        folder (`Path`): For logs.
        console (`Console`): Shows the progress.
    """

    def __init__(
        self, runs: list[SmokeRun], needs: dict[str, list[SmokeRun]], jobs: int, folder: Path, console: Console
    ):
        self.waiting = list(runs)
        self.jobs = jobs
        self.folder = folder
        self.console = console
        self.total = sum(1 + len(run.stages) for run in runs)
        self.needs = needs
        self.running: list[tuple[SmokeRun, multiprocessing.Process, float]] = []
        self.results: dict[str, Result] = {}
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)

    def run(self) -> list[Result]:
        """Runs everything, and returns the results in the order in which they came."""
        try:
            self._run()
        finally:  # nothing is still running unless this process was stopped
            for _, process, _ in self.running:
                end_process(process)
        return list(self.results.values())

    def _run(self) -> None:
        while self.waiting or self.running:
            self._start_ready_runs()
            time.sleep(POLL)
            for item in list(self.running):
                self._collect(*item)
            if self.waiting and not self.running and not self._start_ready_runs():
                raise RuntimeError(f"these recipes need each other: {[run.name for run in self.waiting]}")

    def log_of(self, run: SmokeRun) -> Path:
        """The file with the output of a run."""
        return self.folder / "logs" / f"{run.name.replace('/', '-')}.log"

    def _start_ready_runs(self) -> bool:
        started = False
        for run in list(self.waiting):
            needs = [self.results.get(need.name) for need in self.needs[run.name]]
            failed = [need for need in needs if need is not None and need.status != OK]
            if failed:
                self.waiting.remove(run)
                for unable in [run, *run.stages.values()]:
                    self._record(Result(unable, NOT_RUN, f"needs {failed[0].run.name}"))
                started = True
            elif None not in needs and len(self.running) < self.jobs:
                self.waiting.remove(run)
                self._start(run)
                started = True
        return started

    def _start(self, run: SmokeRun) -> None:
        log = self.log_of(run)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"$ python {' '.join(run.command)}\n")
        process = self.context.Process(
            target=run_command, args=(["python", *run.command], log, log.with_suffix(".lock"))
        )
        process.start()
        self.running.append((run, process, time.monotonic()))

    def _collect(self, run: SmokeRun, process: multiprocessing.Process, started: float) -> None:
        seconds = time.monotonic() - started
        timeout = TIMEOUT * (3 if run.stage == "pipeline" else 1)
        if process.exitcode is None and seconds < timeout:
            return
        self.running.remove((run, process, started))
        if process.exitcode is None:
            end_process(process)
            self._record(Result(run, FAILED, f"it still ran after {timeout} s", seconds))
        elif process.exitcode != 0:
            self._record(Result(run, FAILED, last_error(self.log_of(run)), seconds))
        else:
            self._record(check_output(run, seconds))
        for name, stage in run.stages.items():
            self._record(result_of_stage(run, name, stage))
        if not any(run in needed for needed in self.needs.values()):
            shutil.rmtree(run.output_dir, ignore_errors=True)  # hundreds of megabytes each

    def _record(self, result: Result) -> None:
        self.results[result.run.name] = result
        count = f"{len(self.results):3}/{self.total}"
        text = f"{count}  {result.status:7} {result.seconds:5.1f} s  {result.run.name}: {result.text}"
        self.console.print(text, markup=False)


def end_process(process: multiprocessing.Process) -> None:
    """Ends a run with all of its processes; a pipeline is given the time to end its stages."""
    process.terminate()
    process.join(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()


def last_error(log: Path) -> str:
    """The error at the end of a log."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error:") or "Error:" in line]
    return (errors or lines)[-1][:400] + f"  ({log})"


def result_of_stage(pipeline: SmokeRun, name: str, stage: SmokeRun) -> Result:
    """The result of one stage of a pipeline that has ended."""
    state = Path(pipeline.output_dir, ".pipeline", f"{name}.json")
    if not state.is_file():
        return Result(stage, NOT_RUN, "an earlier stage of its pipeline failed")
    content = json.loads(state.read_text())
    if "finished" not in content:
        return Result(stage, FAILED, last_error(state.with_suffix(".log")), content["seconds"])
    return check_output(stage, content["seconds"])


def check_output(run: SmokeRun, seconds: float) -> Result:
    """The result of a run that ended without an error."""
    try:
        return Result(run, OK, describe_output(run), seconds)
    except (AssertionError, OSError, ValueError, KeyError) as error:
        return Result(run, FAILED, f"its output: {type(error).__name__}: {error}", seconds)
