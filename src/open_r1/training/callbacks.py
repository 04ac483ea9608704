"""Callbacks of every training run: one calm progress line, the log on disk as it grows, and what a checkpoint says of its run."""

import json
import logging
import sys
import time
from pathlib import Path

from transformers import TrainerCallback
from transformers.trainer_callback import ProgressCallback

from open_r1.training.checkpoints import MARK
from open_r1.utils.files import write_text_atomically


logger = logging.getLogger(__name__)

# What the progress line shows, of what TRL logs.
SHOWN = {
    "loss": "loss",
    "mean_token_accuracy": "token accuracy",
    "reward": "reward",
    "rewards/accuracy/mean": "accuracy",
    "rewards/format/mean": "format",
    "completions/mean_length": "length",
}


class ProgressLine(ProgressCallback):
    """A progress bar with the few figures that tell how the run goes, or a line now and then where there is no terminal."""

    EVERY = 30  # seconds between lines in a log file

    def __init__(self):
        super().__init__()
        self.last = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        if sys.stderr.isatty():
            super().on_train_begin(args, state, control, **kwargs)

    def on_step_end(self, args, state, control, **kwargs):
        if self.training_bar is not None:
            super().on_step_end(args, state, control, **kwargs)

    def on_prediction_step(self, args, state, control, **kwargs):
        pass  # the line of the training bar is enough

    def on_evaluate(self, args, state, control, **kwargs):
        pass

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero:
            return
        shown = {name: f"{logs[key]:.3g}" for key, name in SHOWN.items() if isinstance(logs.get(key), int | float)}
        if self.training_bar is not None and shown:
            self.training_bar.set_postfix(shown)
        elif shown and time.monotonic() - self.last > self.EVERY:
            self.last = time.monotonic()
            figures = "  ".join(f"{name} {value}" for name, value in shown.items())
            logger.info("step %d/%d  %s", state.global_step, state.max_steps, figures)

    def on_train_end(self, args, state, control, **kwargs):
        if self.training_bar is not None:
            super().on_train_end(args, state, control, **kwargs)


class Processes(TrainerCallback):
    """Says in every checkpoint how many processes there were: each has a file of its own in it, of which none may be missing."""

    def on_train_begin(self, args, state, control, **kwargs):
        state.stateful_callbacks[MARK] = {"processes": args.world_size}


class LogHistory(TrainerCallback):
    """Keeps `log_history.jsonl` in step with what the trainer logged, also across a resume."""

    def __init__(self, output_dir: str):
        self.path = Path(output_dir) / "log_history.jsonl"

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero:  # what was logged after the checkpoint that we resume from is done again
            write_text_atomically(self.path, "".join(json.dumps(entry) + "\n" for entry in state.log_history))

    def on_log(self, args, state, control, logs=None, **kwargs):
        if state.is_world_process_zero and state.log_history:
            with self.path.open("a") as file:
                file.write(json.dumps(state.log_history[-1]) + "\n")
