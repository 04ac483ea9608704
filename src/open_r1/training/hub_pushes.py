"""Pushes checkpoints to the Hub during training, each as its own revision. A failed push never stops the run.

A checkpoint to be pushed is first linked into `<output_dir>/.push`, and removed from there once it is on the Hub and
its evaluation has been requested. So no checkpoint is lost if the trainer deletes it in the meantime, or if the run
ends while the Hub is unreachable: the next run pushes it.
"""

import logging
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transformers import TrainerCallback, TrainingArguments

from open_r1.configs import RunArguments
from open_r1.training.checkpoints import MANIFEST
from open_r1.training.evaluations import Evaluations
from open_r1.training.hub_options import pushes_checkpoints
from open_r1.utils.errors import RunStopped
from open_r1.utils.hub import HubError, push
from open_r1.utils.stop_files import REASONS, STOP, write_stop_note


logger = logging.getLogger(__name__)

# Weights, tokenizer and model card, but neither the optimizer's state nor pickled arguments, which name this machine.
MODEL_FILES = (
    "*.safetensors",
    "*.json",
    "*.jinja",
    "*.txt",
    "*.model",
    "README.md",
    "recipe.yaml",
    "log_history.jsonl",
)
NOT_OF_THE_MODEL = ("trainer_state.json", "stopped.json", "*_results.json", MANIFEST)
STAGING = ".push"  # folder for what is not on the Hub yet
POLL = 0.2  # seconds


@dataclass
class Task:
    """Work to do for a checkpoint: push it, or evaluate its revision."""

    step: int
    kind: str  # "push" or "evaluate"


class HubPushes(TrainerCallback):
    """Pushes every checkpoint as the revision `<revision>-step-<step>`, and evaluates it if the recipe asks for it.

    One thread does both. Pushes come first, in order. At most one evaluation runs at a time, in its own process, so
    that it does not delay the next push.

    Args:
        output_dir (`str`): The run's output folder.
        repo (`str`): The repository's full name.
        revision (`str`): The branch of the finished model.
        each_checkpoint (`bool`): Whether to push checkpoints, or only the finished model.
        write_card (`Callable[[Path], None]`): Writes the model card into a folder.
        evaluations (`Evaluations`, *optional*): Evaluates pushed revisions.
    """

    def __init__(
        self,
        output_dir: str,
        repo: str,
        revision: str,
        each_checkpoint: bool,
        write_card: Callable[[Path], None],
        evaluations: Evaluations | None = None,
    ):
        self.output_dir = Path(output_dir)
        self.repo = repo
        self.revision = revision
        self.each_checkpoint = each_checkpoint
        self.write_card = write_card
        self.evaluations = evaluations
        self.tasks: list[Task] = []  # any thread appends, only the worker removes
        self.running: tuple[Task, subprocess.Popen] | None = None  # the current evaluation
        self.pushed: list[str] = []  # revisions
        self.failed: dict[str, str] = {}  # revisions that are not on the Hub, and why
        self.hub_is_down = False  # whether the last push failed
        self.step = 0

    @classmethod
    def from_args(
        cls,
        script_args: RunArguments,
        args: TrainingArguments,
        repo: str,
        write_card: Callable[[Path], None],
    ) -> "HubPushes":
        """Builds the callback from a run's options."""
        evaluations = None
        if script_args.evaluation_recipe:
            evaluations = Evaluations(
                script_args.evaluation_recipe, args.output_dir, repo, script_args.evaluation_slurm
            )
        return cls(
            args.output_dir, repo, args.hub_revision or "main", pushes_checkpoints(args), write_card, evaluations
        )

    def start(self, step: int) -> None:
        """Starts the worker thread, beginning with what an earlier run left to do.

        Args:
            step (`int`): The step from which this run resumes. Later checkpoints that are staged are dropped, since
                this run will produce them again.
        """
        self.step = step
        (self.output_dir / STOP).unlink(missing_ok=True)
        left_over = []
        for folder in (self.output_dir / STAGING).glob("*"):
            if folder.name.isdecimal() and int(folder.name) <= step:
                left_over.append(int(folder.name))
            else:
                shutil.rmtree(folder)
        for left_over_step in sorted(left_over):
            self.tasks.append(Task(left_over_step, "push"))
        if self.evaluations:
            for requested_step in self.evaluations.requested_steps():
                self.tasks.append(Task(requested_step, "evaluate"))
        threading.Thread(target=self._work, daemon=True).start()

    def on_save(self, args, state, control, **kwargs) -> None:
        """Stages the checkpoint, which the worker then pushes."""
        self.step = state.global_step
        checkpoint = self.output_dir / f"checkpoint-{self.step}"
        if not self.each_checkpoint or not state.is_world_process_zero or not checkpoint.is_dir():
            return
        try:
            stage(checkpoint, self._staged(self.step), self.write_card)
        except Exception as error:  # no failure here may stop the training
            self._report_failure(self.revision_of(self.step), str(error))
        else:
            self.tasks.append(Task(self.step, "push"))

    def revision_of(self, step: int) -> str:
        """The revision of a checkpoint. Leading zeros keep revisions in order when they are sorted as text.

        >>> HubPushes("out", "me/model", "main", True, lambda folder: None).revision_of(40)
        'main-step-000000040'
        """
        return f"{self.revision}-step-{step:09d}"

    def has_left(self, kind: str) -> bool:
        """Whether any tasks of a kind are waiting or running."""
        return any(task.kind == kind for task in list(self.tasks))

    def finish(self) -> None:
        """Pushes the finished model after all checkpoints, and waits for the evaluations.

        Raises:
            HubError: If the finished model cannot be pushed. Checkpoints that failed are only logged.
            RunStopped: If the run is asked to stop while it waits.
        """
        with self._stopped_by_signals():
            if self.has_left("push"):
                logger.info("pushing the remaining checkpoints to %s", self.repo)
            self._wait_for("push")
            for revision, reason in self.failed.items():
                logger.error("%s is not on the Hub: %s", revision, reason)
            self._push_finished_model()
            if self.has_left("evaluate"):
                logger.info("waiting for the evaluations")
            self._wait_for("evaluate")

    def _push_finished_model(self) -> None:
        staged = self.output_dir / STAGING / "finished"
        try:
            stage(self.output_dir, staged)
            push(staged, self.repo, self.revision, message="The finished model")
        except (HubError, OSError) as error:
            upload = shlex.join(["hf", "upload", self.repo, str(staged), "--revision", self.revision])
            advice = "Push it by"
            if any(self.output_dir.glob("checkpoint-*")):
                advice = "The same command pushes it again, and so does"
            raise HubError(
                f"the model is finished and saved in {self.output_dir}, but it is not on the Hub: {error}\n"
                f"{advice}\n  {upload}"
            ) from error
        shutil.rmtree(staged)
        logger.info("pushed the finished model to %s (%s)", self.repo, self.revision)
        if self.pushed or self.failed:
            logger.info("%d checkpoints are pushed as revisions, %d are not", len(self.pushed), len(self.failed))
        if self.failed:
            logger.info("the same command pushes the missing checkpoints again")

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        """Makes SIGTERM and SIGUSR1 stop the run within this context."""

        def stop(number: int, frame) -> None:
            self._stop(signal.Signals(number).name)

        previous = {sign: signal.signal(sign, stop) for sign in (signal.SIGTERM, signal.SIGUSR1)}
        try:
            yield
        finally:
            for sign, handler in previous.items():
                signal.signal(sign, handler)

    def _wait_for(self, kind: str) -> None:
        while self.has_left(kind):
            if (self.output_dir / STOP).exists():
                self._stop(REASONS[2])
            time.sleep(POLL)

    def _stop(self, reason: str) -> None:
        write_stop_note(self.output_dir, self.step, reason)
        raise RunStopped(
            f"the model is finished and saved in {self.output_dir}, "
            f"but not everything is pushed or evaluated ({reason})"
        )

    def _work(self) -> None:
        """The worker thread: one push at a time, and at most one evaluation alongside."""
        while True:
            self._collect_evaluation()
            task = self._next_task()
            if task is None:
                time.sleep(POLL)
            elif task.kind == "push":
                self._push(task)
            else:
                self._start_evaluation(task)

    def _next_task(self) -> Task | None:
        """The first push; if there is none, the first evaluation, unless one is running."""
        for task in list(self.tasks):
            if task.kind == "push":
                return task
        if self.tasks and self.running is None:
            return self.tasks[0]
        return None

    def _push(self, task: Task) -> None:
        revision, staged = self.revision_of(task.step), self._staged(task.step)
        attempts = 1 if self.hub_is_down else None  # no long retries for every single checkpoint
        self.hub_is_down = True
        try:
            push(staged, self.repo, revision, message=f"Checkpoint after {task.step} steps", attempts=attempts)
            self.hub_is_down = False
            self.pushed.append(revision)
            if self.evaluations:  # request it first: once the staged files are gone, nothing else records the task
                self.evaluations.request(task.step, revision)
                self.tasks.append(Task(task.step, "evaluate"))
            shutil.rmtree(staged)
        except HubError as error:
            self._report_failure(revision, str(error))
        except Exception as error:  # no failure here may stop the thread
            self._report_failure(revision, f"{type(error).__name__}: {error}")
        self.tasks.remove(task)

    def _start_evaluation(self, task: Task) -> None:
        process = None
        try:
            process = self.evaluations.start(task.step)
        except Exception as error:  # no failure here may stop the thread
            logger.error("step %d is not evaluated: %s", task.step, error)
        if process is None:
            self.tasks.remove(task)
        else:
            self.running = (task, process)

    def _collect_evaluation(self) -> None:
        """Reports the running evaluation if it has ended."""
        if self.running is None:
            return
        task, process = self.running
        if process.poll() is not None:
            self.evaluations.report(task.step, process)
            self.running = None
            self.tasks.remove(task)

    def _staged(self, step: int) -> Path:
        return self.output_dir / STAGING / str(step)

    def _report_failure(self, revision: str, reason: str) -> None:
        self.failed[revision] = reason
        logger.error("%s is not on the Hub: %s; training continues", revision, reason)


def stage(model: Path, folder: Path, write_card: Callable[[Path], None] | None = None) -> None:
    """Links the files of a model into a folder to push.

    Args:
        model (`Path`): The model's folder.
        folder (`Path`): The folder to push, which only appears once it is complete.
        write_card (`Callable[[Path], None]`, *optional*): Writes the model card. With `None`, the model's own is
            pushed.

    Raises:
        OSError: If the model has no *.safetensors, or there is no room for the files.
    """
    incomplete = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(incomplete, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    incomplete.mkdir(parents=True)
    if not any(model.glob("*.safetensors")):
        raise OSError(f"{model} has no *.safetensors")
    for pattern in MODEL_FILES:
        for path in model.glob(pattern):
            if not any(path.match(excluded) for excluded in NOT_OF_THE_MODEL):
                _link_or_copy(path, incomplete / path.name)
    if write_card:
        (incomplete / "README.md").unlink(missing_ok=True)  # PEFT's own card
        write_card(incomplete)
    incomplete.rename(folder)


def _link_or_copy(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except OSError:  # a file system without links
        shutil.copyfile(path, copy)
