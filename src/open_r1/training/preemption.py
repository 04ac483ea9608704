"""Stopping in time: a run that is asked to end saves a checkpoint when its step is done, and the same command goes on from there.

It is asked by SIGTERM or SIGUSR1, by a file `STOP` in its output folder, or by the end of its job's time, which Slurm gives in
`SLURM_JOB_END_TIME`. After every step all processes agree on it. If each decided alone, as with transformers' `enable_jit_checkpoint`, they would
stop after different steps and wait for each other for ever.
"""

import logging
import os
import signal
import time
from pathlib import Path

import torch
from torch import distributed
from transformers import TrainerCallback

from open_r1.utils.stop_files import REASONS, STOP, STOPPED, write_stop_note


logger = logging.getLogger(__name__)

MARGIN = 60.0  # seconds for a save, and for whatever comes late, before the end of a job's time


def highest(value: int, device: torch.device) -> int:
    """The highest number that any process has."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    everyone = torch.tensor(value, device=device)
    distributed.all_reduce(everyone, op=distributed.ReduceOp.MAX)
    return int(everyone)


class Preemption(TrainerCallback):
    """Ends training, with a checkpoint, at the first good moment after it was asked to.

    Args:
        output_dir (`str`): The run's folder.
        steps_of_a_round (`int`): Steps after which a checkpoint may be written, such that a run continued from it is the run that was not stopped.
    """

    def __init__(self, output_dir: str, steps_of_a_round: int):
        self.folder, self.steps_of_a_round = Path(output_dir), steps_of_a_round
        self.reason = ""  # why the run has been stopped, once it has
        self.asked = 0  # index of REASONS, in this process
        self.end = float(os.environ.get("SLURM_JOB_END_TIME", "inf"))  # seconds since 1970
        self.longest = 0.0  # seconds of a round, with all that happens in it
        self.since, self.process, self.before = 0.0, 0, {}

    def on_train_begin(self, args, state, control, **kwargs):
        self.process, self.since = os.getpid(), time.monotonic()
        self.before = {sign: signal.signal(sign, self._hear) for sign in (signal.SIGTERM, signal.SIGUSR1)}
        if state.is_world_process_zero:
            for name in (STOP, STOPPED):
                (self.folder / name).unlink(missing_ok=True)

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step % self.steps_of_a_round or state.global_step >= state.max_steps:
            return
        now = time.monotonic()
        self.longest, self.since = max(self.longest, now - self.since), now
        if why := highest(self._wish(state), args.device):
            self.reason = REASONS[why]
            control.should_save = control.should_training_stop = True

    def on_train_end(self, args, state, control, **kwargs):
        for sign, handler in self.before.items():
            signal.signal(sign, handler)
        if self.reason and state.is_world_process_zero:
            write_stop_note(self.folder, state.global_step, self.reason)

    def _hear(self, number: int, frame):
        if os.getpid() != self.process:  # a worker that was forked from this process
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.asked = REASONS.index(signal.Signals(number).name)

    def _wish(self, state) -> int:
        """Why this process would stop, as an index of `REASONS`. Clock and disk are looked at by one process only."""
        if self.asked or not state.is_world_process_zero:
            return self.asked
        if (self.folder / STOP).exists():
            return 2
        return int(time.time() + 1.5 * self.longest + MARGIN > self.end)
