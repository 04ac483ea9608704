"""Stopping in time: a run that is asked to stop saves a checkpoint, from which the same command continues.

It is asked by SIGTERM or SIGUSR1, by Ctrl-C (a second Ctrl-C quits at once), by a file `STOP` in its output folder, or
by the end of its Slurm job's time (`SLURM_JOB_END_TIME`). All processes agree on it after every step. If each decided
alone, as with transformers' `enable_jit_checkpoint`, they would stop after different steps and wait for each other
forever.

The exit status is 85, on which a job or pipeline goes on later; after Ctrl-C it is 130, as for any program that the
user has interrupted.
"""

import logging
import os
import signal
import time
from pathlib import Path

import torch
from torch import distributed
from transformers import TrainerCallback

from open_r1.utils.stop_files import INTERRUPTED, REASONS, STOP, STOPPED, write_stop_note


logger = logging.getLogger(__name__)

SECONDS_TO_SAVE = 60.0  # kept for a checkpoint before the end of a job's time
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def max_over_processes(value: int, device: torch.device) -> int:
    """The highest value that any process has."""
    if not distributed.is_available() or not distributed.is_initialized():
        return value
    highest = torch.tensor(value, device=device)
    distributed.all_reduce(highest, op=distributed.ReduceOp.MAX)
    return int(highest)


class Preemption(TrainerCallback):
    """Stops training, with a checkpoint, as soon as possible after it is asked to.

    Args:
        output_dir (`str`): The run's output folder.
        steps_of_a_round (`int`): Steps per round of generation. Checkpoints are only written at the end of a round: a
            run that resumes in the middle of one would not have the completions of the run that was stopped.
    """

    def __init__(self, output_dir: str, steps_of_a_round: int):
        self.output_dir = Path(output_dir)
        self.steps_of_a_round = steps_of_a_round
        self.reason = ""  # why the run was stopped, once it is
        self.request = 0  # index of REASONS; what this process was asked by a signal
        self.job_ends = float(os.environ.get("SLURM_JOB_END_TIME", "inf"))  # seconds since 1970
        self.longest_round = 0.0  # seconds, with everything that happens in a round
        self.round_began = 0.0
        self.process = 0
        self.previous_handlers = {}

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Listens to signals, and forgets earlier requests to stop."""
        self.process = os.getpid()
        self.round_began = time.monotonic()
        self.previous_handlers = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        if state.is_world_process_zero:
            (self.output_dir / STOP).unlink(missing_ok=True)
            (self.output_dir / STOPPED).unlink(missing_ok=True)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Saves and stops if any process was asked to."""
        if state.global_step % self.steps_of_a_round != 0 or state.global_step >= state.max_steps:
            return
        now = time.monotonic()
        self.longest_round = max(self.longest_round, now - self.round_began)
        self.round_began = now
        request = max_over_processes(self._find_request(state), args.device)
        if request:
            self.reason = REASONS[request]
            control.should_save = True
            control.should_training_stop = True

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Restores the signal handlers, and writes down why the run stopped."""
        for number, handler in self.previous_handlers.items():
            signal.signal(number, handler)
        if self.reason and state.is_world_process_zero:
            write_stop_note(self.output_dir, state.global_step, self.reason)

    def _on_signal(self, number: int, frame) -> None:
        if os.getpid() != self.process:  # a worker that was forked from this process
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        name = signal.Signals(number).name
        if name == INTERRUPTED:
            if REASONS[self.request] == INTERRUPTED:
                raise KeyboardInterrupt
            os.write(2, b"\nstopping with a checkpoint after this step; Ctrl-C again quits at once\n")  # signal-safe
        self.request = REASONS.index(name)

    def _find_request(self, state) -> int:
        """Why this process would stop, as an index of `REASONS`."""
        # Only the main process looks at the clock and the disk.
        if self.request or not state.is_world_process_zero:
            return self.request
        if (self.output_dir / STOP).exists():
            return 2
        if time.time() + 1.5 * self.longest_round + SECONDS_TO_SAVE > self.job_ends:
            return 1
        return 0
