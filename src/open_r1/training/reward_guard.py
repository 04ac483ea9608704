"""Fails a run of reinforcement learning whose rewards do not work, however short it is.

Without a judgement, all advantages are 0: the run would end as if it had trained, with the model that it started from.
In a long run, `max_unjudged` finds this much earlier.
"""

import logging

from accelerate.utils import gather_object
from transformers import TrainerCallback

from open_r1.rewards import Composition
from open_r1.training.preemption import max_over_processes
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)


class RewardGuard(TrainerCallback):
    """Raises an error at the end of the training if no completion was judged, or if a reward has always failed.

    Until a completion has been judged, no checkpoint is written: nothing has been learnt, and a run that resumes there
    would skip these steps once the reward is repaired. Evaluations do not count.

    Args:
        rewards (`Composition`): The recipe's rewards.
    """

    def __init__(self, rewards: Composition):
        self.rewards = rewards
        self.seen = 0
        self.judged = 0
        self.seen_before_step = 0
        self.judged_before_step = 0
        self.has_judged = False  # the same in all processes

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        """Remembers the counts before the step, which evaluations have changed."""
        self.seen_before_step = self.rewards.seen
        self.judged_before_step = self.rewards.judged

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Counts the completions of the step, and skips a checkpoint if none was ever judged."""
        self.seen += self.rewards.seen - self.seen_before_step
        self.judged += self.rewards.judged - self.judged_before_step
        self._skip_useless_checkpoint(args, state, control)

    def on_epoch_end(self, args, state, control, **kwargs) -> None:
        """Skips a checkpoint if no completion was ever judged."""
        self._skip_useless_checkpoint(args, state, control)

    def on_train_end(self, args, state, control, **kwargs) -> None:
        """Checks a run that has come to its end; one that was stopped goes on later."""
        if state.global_step < state.max_steps:
            return
        rewards = self.rewards.rewards
        counts = [self.seen, self.judged]
        for reward in rewards:
            counts += [reward.calls.calls, reward.calls.failed]
        counts_of_processes = gather_object([counts])
        seen, judged, *calls = (sum(values) for values in zip(*counts_of_processes, strict=True))
        for reward, called, failed in zip(rewards, calls[0::2], calls[1::2], strict=True):
            if 0 < called == failed:
                raise RecipeError(reward.calls.describe())
        if seen and not judged:
            raise RecipeError(
                f"reward_funcs: none of the {seen:,} completions of this run could be judged; the model has not "
                "learnt anything and is not saved. The reasons that rewards give are in the log, once each."
            )

    def _skip_useless_checkpoint(self, args, state, control) -> None:
        if self.has_judged or not control.should_save:
            return
        self.has_judged = max_over_processes(int(self.judged > 0), args.device) > 0
        if not self.has_judged:
            control.should_save = False
            logger.warning(
                "step %d: no completion has been judged yet, so there is nothing to save", state.global_step
            )
