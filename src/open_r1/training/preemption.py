"""Graceful stops: a run that is asked to stop saves a checkpoint, from which the same command continues.

A run stops on SIGTERM or SIGUSR1, on Ctrl-C (a second Ctrl-C quits at once), if there is a file `STOP` in its output
folder, or shortly before its Slurm job's time limit (`SLURM_JOB_END_TIME`). All processes agree on this after every
step. If each decided alone, as with transformers' `enable_jit_checkpoint`, they would stop after different steps and
wait for each other forever.

The exit status is 85, which tells a job or pipeline to continue the run later; after Ctrl-C it is 130, as for any
program that the user interrupts.
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

SECONDS_TO_SAVE = 60.0  # reserved for saving a checkpoint before a job's time limit
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def max_over_processes(value: int, device: torch.device) -> int:
    """The maximum of a value over all processes."""
    if not distributed.is_available() or not distributed.is_initialized():
        return value
    highest = torch.tensor(value, device=device)
    distributed.all_reduce(highest, op=distributed.ReduceOp.MAX)
    return int(highest)


class Preemption(TrainerCallback):
    """When asked to stop, saves a checkpoint and stops training as soon as possible.

    Args:
        output_dir (`str`): The run's output folder.
        steps_of_a_round (`int`): Steps per round of generation. Checkpoints are only written at the end of a round: a
            run that resumes in the middle of one would not have the completions of the run that was stopped.
    """

    def __init__(self, output_dir: str, steps_of_a_round: int):
        self.output_dir = Path(output_dir)
        self.steps_of_a_round = steps_of_a_round
        self.reason = ""  # why the run was stopped; empty until it is
        self.request = 0  # index of REASONS: the last signal that asked this process to stop
        self.job_ends = float(os.environ.get("SLURM_JOB_END_TIME", "inf"))  # seconds since 1970
        self.longest_round = 0.0  # seconds, including everything that happens in a round
        self.round_began = 0.0
        self.process = 0
        self.previous_handlers = {}

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Installs the signal handlers, and discards earlier requests to stop."""
        self.process = os.getpid()
        self.round_began = time.monotonic()
        self.previous_handlers = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        if state.is_world_process_zero:
            (self.output_dir / STOP).unlink(missing_ok=True)
            (self.output_dir / STOPPED).unlink(missing_ok=True)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Saves and stops if any process was asked to stop."""
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
        """Restores the signal handlers, and records why the run stopped."""
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
        """The reason for which this process wants to stop, as an index of `REASONS`."""
        # Only the main process looks at the clock and the disk.
        if self.request or not state.is_world_process_zero:
            return self.request
        if (self.output_dir / STOP).exists():
            return 2
        if time.time() + 1.5 * self.longest_round + SECONDS_TO_SAVE > self.job_ends:
            return 1
        return 0
