"""What a run shows while it trains, in the terminal and in `log_history.jsonl`."""

import json
import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import ProgressCallback

from open_r1.utils.files import write_text_atomically
from open_r1.utils.text import conversation_text, text_of


logger = logging.getLogger(__name__)

# The metrics of TRL that are shown, and their names here.
METRICS = {
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "accuracy": "accuracy",  # of a reward model: chosen scored above rejected
    "reward": "reward",
    "rewards/accuracy/mean": "accuracy",
    "rewards/format/mean": "format",
    "completions/mean_length": "length",
}
MAX_SHOWN = 1000  # characters of a completion


class ProgressLog(ProgressCallback):
    """Shows the progress: a bar in a terminal, otherwise a line every half minute and for the last step.

    Held-out scores are always logged. At the end, the last ones are compared with the first.
    """

    SECONDS_BETWEEN_LINES = 30

    def __init__(self):
        super().__init__()
        self.last_line = -math.inf  # by time.monotonic()

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Opens the progress bar if there is a terminal."""
        if sys.stderr.isatty():
            super().on_train_begin(args, state, control, **kwargs)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Updates the progress bar."""
        if self.training_bar is not None:
            super().on_step_end(args, state, control, **kwargs)

    def on_prediction_step(self, args, state, control, **kwargs) -> None:
        """Does nothing, so that no second progress bar is opened."""

    def on_evaluate(self, args, state, control, **kwargs) -> None:
        """Does nothing, so that the progress bar is left as it is."""

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Shows metrics in the progress bar, or on a log line."""
        if not state.is_world_process_zero:
            return
        held_out_scores = select_metrics(logs, prefix="eval_")
        if held_out_scores:
            logger.info("step %d/%d  held out: %s", state.global_step, state.max_steps, _format(held_out_scores))
            return
        metrics = select_metrics(logs)
        if not metrics:
            return
        if self.training_bar is not None:
            self.training_bar.set_postfix({name: f"{value:.3g}" for name, value in metrics.items()})
        elif self._is_time_for_a_line() or state.global_step >= state.max_steps:
            self.last_line = time.monotonic()
            logger.info("step %d/%d  %s", state.global_step, state.max_steps, _format(metrics))

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Compares the last held-out scores with the first."""
        if self.training_bar is not None:
            super().on_train_end(args, state, control, **kwargs)
        if state.is_world_process_zero:
            comparison = compare_held_out_scores(state.log_history)
            if comparison:
                logger.info(comparison)

    def _is_time_for_a_line(self) -> bool:
        return time.monotonic() - self.last_line > self.SECONDS_BETWEEN_LINES


class ShowCompletions(TrainerCallback):
    """Logs a completion of the current batch every few steps, to show how the model learns to think.

    Args:
        trainer (`GRPOTrainer`): The trainer.
        every (`int`): Number of steps between two completions; the first step's is shown too. 0 for none.
    """

    def __init__(self, trainer: Trainer, every: int):
        self.trainer = trainer
        self.every = every

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Logs a completion if one is due."""
        if self.every == 0 or not state.is_world_process_zero:
            return
        if state.global_step == 1 or state.global_step % self.every == 0:
            self._show(state.global_step)

    def _show(self, step: int) -> None:
        batch = self.trainer._logs  # kept by TRL for its table of completions; there is no public access
        if not batch["completion"]:
            return
        prompt = conversation_text(batch["prompt"][0])
        completion = text_of(batch["completion"][0])
        given = {}
        for name, values in batch["rewards"].items():
            if values[0] is not None and not math.isnan(values[0]):
                given[name] = values[0]
        texts = f"{_indent(prompt[-MAX_SHOWN:])}\n{_indent(_shorten(completion))}"
        logger.info("step %d, a completion (%s):\n%s", step, _format(given), texts)


class LogHistory(TrainerCallback):
    """Writes what the trainer logs to `log_history.jsonl` at once. A resumed run continues the file.

    Args:
        output_dir (`str`): The run's output folder.
    """

    def __init__(self, output_dir: str):
        self.path = Path(output_dir) / "log_history.jsonl"

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Rewrites the file up to the checkpoint that the run resumes from."""
        if state.is_world_process_zero:
            lines = [json.dumps(entry) + "\n" for entry in state.log_history]
            write_text_atomically(self.path, "".join(lines))

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Appends what was logged."""
        if state.is_world_process_zero and state.log_history:
            with self.path.open("a") as file:
                file.write(json.dumps(state.log_history[-1]) + "\n")


def select_metrics(logs: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The metrics that are worth showing, by their short names.

    >>> select_metrics({"loss": 0.5, "eval_reward": 1.2, "eval_loss": 0.0, "grad_norm": 3.0}, prefix="eval_")
    {'reward': 1.2}
    """
    metrics = {}
    for key, name in METRICS.items():
        value = logs.get(prefix + key)
        if isinstance(value, int | float):
            metrics[name] = value
    if prefix and "reward" in metrics:
        metrics.pop("loss", None)  # meaningless for held-out completions
    return metrics


def compare_held_out_scores(log_history: list[dict[str, Any]]) -> str | None:
    """The first and the last held-out scores in one line; `None` with fewer than two evaluations.

    >>> compare_held_out_scores([{"step": 0, "eval_reward": 0.2}, {"step": 10, "eval_reward": 1.5}])
    'held out, step 0 → 10: reward 0.2 → 1.5'
    """
    evaluations = [entry for entry in log_history if select_metrics(entry, prefix="eval_")]
    if len(evaluations) < 2:
        return None
    first, last = evaluations[0], evaluations[-1]
    before, after = select_metrics(first, prefix="eval_"), select_metrics(last, prefix="eval_")
    changes = [f"{name} {before[name]:.3g} → {after[name]:.3g}" for name in before if name in after]
    return f"held out, step {first['step']} → {last['step']}: {', '.join(changes)}"


def _format(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in metrics.items())


def _shorten(text: str) -> str:
    """Cuts the middle out of a long text."""
    if len(text) <= MAX_SHOWN:
        return text
    half = MAX_SHOWN // 2
    return f"{text[:half]} […] {text[-half:]}"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
