"""Pushing checkpoints to the Hub while training goes on, each as a revision of its own; nothing that goes wrong there stops a run.

A checkpoint that is to be pushed is first linked into `<output_dir>/.push`, from where it goes once it is on the Hub, and its evaluation
started. So none is lost if the trainer removes it meanwhile, or if the run ends before the Hub is back: the next run pushes it.
"""

import logging
import os
import queue
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_utils import HubStrategy
from trl import ModelConfig

from open_r1.configs import RunArguments
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import stage_of
from open_r1.training.evaluations import Evaluations
from open_r1.utils.errors import RecipeError, RunStopped
from open_r1.utils.hub import HubError, push, require_repo
from open_r1.utils.stop_files import REASONS, STOP, write_stop_note


logger = logging.getLogger(__name__)

# Weights, tokenizer, card; not the optimizer's state, nor pickled arguments, which name this machine.
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
NOT_OF_THE_MODEL = ("trainer_state.json", "stopped.json", "*_results.json")
POLL = 0.2  # seconds
STAGED = ".push"  # folder of what is not on the Hub yet


def repo_of(script_args: RunArguments, args: TrainingArguments, model_args: ModelConfig) -> str | None:
    """Where on the Hub a run goes, made if it is not there. The trainer is told to push nothing: it would not know whether it arrived.

    Raises:
        RecipeError: If the Hub cannot be written to, or the options do not fit together.
    """
    if script_args.evaluation_recipe:
        if not args.push_to_hub:
            raise RecipeError(
                "evaluation_recipe: what is pushed is evaluated; set `push_to_hub: true`, or leave it out."
            )
        if model_args.use_peft:
            raise RecipeError(
                "evaluation_recipe: an adapter alone is pushed (`use_peft`), which merge_adapter.py makes a model to evaluate."
            )
        require_evaluation(script_args.evaluation_recipe, args)
    if not args.push_to_hub:
        return None
    if args.hub_strategy not in (HubStrategy.END, HubStrategy.EVERY_SAVE):
        told = "`every_save`: each checkpoint, as a revision, and the finished model; or `end`: that alone"
        raise RecipeError(f"hub_strategy: found {args.hub_strategy.value!r}; expected {told}.")
    args.push_to_hub = False
    name = args.hub_model_id or Path(args.output_dir).name
    if script_args.dry_run or args.process_index:
        return name
    return require_repo(name, args.hub_private_repo, args.hub_revision)


def require_evaluation(recipe: str, args: TrainingArguments):
    """Stops if a recipe cannot evaluate what a run pushes.

    Raises:
        RecipeError: Saying why.
    """
    if (stage := stage_of(Path(recipe))) != "evaluation":
        raise RecipeError(f"evaluation_recipe: {recipe} is for {stage}; expected one in a folder `eval`.")
    asked = ["--config", recipe, "--model_name_or_path", "pushed", "--output_dir", args.output_dir]
    evaluation, _ = RecipeParser("evaluation").parse(asked)
    if evaluation.backend == "server":
        raise RecipeError(
            "evaluation_recipe: with `backend: server` it would ask a server of another model; use transformers or vllm."
        )
    if args.hub_strategy == HubStrategy.END:
        raise RecipeError(
            "evaluation_recipe: checkpoints are evaluated, and `hub_strategy: end` pushes none; use `every_save`."
        )


def of_each(args: TrainingArguments) -> str:
    return ", and every checkpoint as a revision" if args.hub_strategy == HubStrategy.EVERY_SAVE else ""


def pushes_of(
    script_args: RunArguments, args: TrainingArguments, repo: str, card: Callable[[Path], None] = lambda folder: None
) -> "Pushes":
    """What pushes a run as its options say."""
    revision, each = args.hub_revision or "main", args.hub_strategy == HubStrategy.EVERY_SAVE
    evaluations = None
    if script_args.evaluation_recipe:
        evaluations = Evaluations(script_args.evaluation_recipe, args.output_dir, repo, script_args.evaluation_slurm)
    return Pushes(args.output_dir, repo, revision, each, card, evaluations)


class Pushes(TrainerCallback):
    """Pushes every checkpoint as the revision `<revision>-step-<step>`, in a thread, in order.

    Args:
        output_dir (`str`): The run's folder.
        name (`str`): The repository's full name.
        revision (`str`): Of the finished model.
        each (`bool`): Whether checkpoints are pushed, or the finished model alone.
        card (`Callable[[Path], None]`): Writes the model card into a folder.
        evaluations (`Evaluations`, *optional*): Evaluates what is on the Hub.
    """

    def __init__(
        self,
        output_dir: str,
        name: str,
        revision: str,
        each: bool,
        card: Callable[[Path], None],
        evaluations: Evaluations | None = None,
    ):
        self.folder, self.name, self.revision, self.each = Path(output_dir), name, revision, each
        self.card, self.evaluations = card, evaluations
        self.waiting: queue.Queue[int] = queue.Queue()
        self.lost: dict[str, str] = {}  # revisions that are not on the Hub, and why
        self.pushed: list[str] = []
        self.away = False  # whether the last push failed
        self.step = 0

    def start(self, step: int):
        """Starts the thread, with what an earlier run has left; what was saved after the step from which this run goes on is made again."""
        self.step = step
        (self.folder / STOP).unlink(missing_ok=True)
        for left in (self.folder / STAGED).glob("*"):
            if not left.name.isdecimal() or int(left.name) > step:
                shutil.rmtree(left)
        for left in sorted((self.folder / STAGED).glob("*"), key=lambda path: int(path.name)):
            self.waiting.put(int(left.name))
        threading.Thread(target=self._work, daemon=True).start()

    def on_save(self, args, state, control, **kwargs):
        self.step = state.global_step
        checkpoint = self.folder / f"checkpoint-{state.global_step}"
        if not (self.each and state.is_world_process_zero and checkpoint.is_dir()):
            return
        try:
            stage(checkpoint, self._staged(state.global_step), self.card)
        except Exception as error:  # whatever it is, training goes on
            self._lose(self.name_of(state.global_step), str(error))
        else:
            self.waiting.put(state.global_step)

    def name_of(self, step: int) -> str:
        """The revision of a checkpoint. The digits keep revisions in order where they are sorted as text.

        >>> Pushes("out", "me/model", "main", True, lambda folder: None).name_of(40)
        'main-step-000000040'
        """
        return f"{self.revision}-step-{step:09d}"

    def finish(self):
        """Pushes the finished model after all checkpoints.

        Raises:
            HubError: If the Hub does not take it; checkpoints that it did not take are only told of.
            Stopped: If it was asked to end before all was there.
        """
        stop = {
            sign: lambda number, _: self._stop(signal.Signals(number).name)
            for sign in (signal.SIGTERM, signal.SIGUSR1)
        }
        before = {sign: signal.signal(sign, handler) for sign, handler in stop.items()}
        try:
            self._finish()
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)

    def _finish(self):
        if self.waiting.unfinished_tasks:
            logger.info("pushing what is left to %s", self.name)
        self._wait_for(self.waiting)
        for revision, why in self.lost.items():
            logger.error("%s is not on the Hub: %s", revision, why)
        finished = self.folder / STAGED / "finished"
        try:
            stage(self.folder, finished)
            push(finished, self.name, self.revision, message="The finished model")
        except (HubError, OSError) as error:
            by_hand = shlex.join(["hf", "upload", self.name, str(finished), "--revision", self.revision])
            again = (
                "The same command pushes it again, and so does"
                if any(self.folder.glob("checkpoint-*"))
                else "Push it by"
            )
            raise HubError(
                f"the model is finished and saved in {self.folder}, but it is not on the Hub: {error}\n{again}\n  {by_hand}"
            ) from error
        shutil.rmtree(finished)
        also = f" and {len(self.pushed)} checkpoints" if self.pushed else ""
        again = f", but {len(self.lost)} not; the same command tries again" if self.lost else ""
        logger.info("pushed to %s (%s)%s%s", self.name, self.revision, also, again)
        if self.evaluations and (count := self.evaluations.waiting.unfinished_tasks):
            logger.info("waiting for %d evaluations", count)
            self._wait_for(self.evaluations.waiting)

    def _wait_for(self, tasks: queue.Queue):
        while tasks.unfinished_tasks:
            if (self.folder / STOP).exists():
                self._stop(REASONS[2])
            time.sleep(POLL)

    def _stop(self, reason: str):
        write_stop_note(self.folder, self.step, reason)
        raise RunStopped(
            f"the model is finished and saved in {self.folder}, but not all is pushed or evaluated ({reason})"
        )

    def _staged(self, step: int) -> Path:
        return self.folder / STAGED / str(step)

    def _work(self):
        while True:
            step = self.waiting.get()
            try:
                self._push(step)
            except Exception as error:  # whatever it is, training goes on
                self._lose(self.name_of(step), f"{type(error).__name__}: {error}")
            self.waiting.task_done()

    def _push(self, step: int):
        revision, waits = (
            self.name_of(step),
            () if self.away else None,
        )  # a Hub that is away is not waited for each time
        self.away = True
        try:
            push(self._staged(step), self.name, revision, message=f"Checkpoint after {step} steps", waits=waits)
        except HubError as error:
            self._lose(revision, str(error))
            return
        self.away = False
        self.pushed.append(revision)
        if self.evaluations:  # before it is forgotten that it was pushed
            self.evaluations.start(revision, step)
        shutil.rmtree(self._staged(step))

    def _lose(self, revision: str, why: str):
        self.lost[revision] = why
        logger.error("%s is not on the Hub: %s; training goes on", revision, why)


def stage(model: Path, folder: Path, card: Callable[[Path], None] | None = None):
    """Links the files of a model into a folder, with a card if it has none.

    Raises:
        OSError: If it has no weights that the Hub could show, or there is no room for it.
    """
    part = folder.with_name(f"{folder.name}.part")
    for old in (part, folder):
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    paths = [path for pattern in MODEL_FILES for path in model.glob(pattern)]
    if not any(path.suffix == ".safetensors" for path in paths):
        raise OSError(f"{model} has no *.safetensors")
    for path in paths:
        if not any(path.match(other) for other in NOT_OF_THE_MODEL) and not (card and path.name == "README.md"):
            link(path, part / path.name)
    if card:  # instead of PEFT's
        card(part)
    part.rename(folder)


def link(path: Path, other: Path):
    try:
        os.link(path, other)
    except OSError:  # a file system without links
        shutil.copyfile(path, other)
