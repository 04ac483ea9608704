"""Keeps count of the exceptions that a reward raises, and explains the first exception and the first `None`.

One exception does not stop a run: the completions of its batch are not judged. A reward that has raised one in each of
its calls so far is broken, and stops the run.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from open_r1.rewards.scores import Scores
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import shorten


logger = logging.getLogger(__name__)

MAX_FAILED_CALLS = 3  # a reward that has failed in its first three calls stops the run
SECONDS_TO_SEARCH = 5  # how long to look for the completion that raises the exception
MAX_SHOWN = 300  # characters of a completion or a column


@dataclass
class CallCount:
    """The calls of one reward.

    Args:
        label (`str`): Name of the reward.
        calls (`int`, *optional*, defaults to 0): Number of batches that it was called for.
        failed (`int`, *optional*, defaults to 0): Number of them for which it raised an exception.
        has_explained_none (`bool`, *optional*, defaults to `False`): Whether its first `None` has been logged.
    """

    label: str
    calls: int = 0
    failed: int = 0
    has_explained_none: bool = False

    @property
    def always_failed(self) -> bool:
        """Whether the reward has been called, and raised an exception each time."""
        return 0 < self.calls == self.failed

    def add_success(self) -> None:
        """Counts a call that returned."""
        self.calls += 1

    def add_failure(
        self,
        error: BaseException,
        completions: list,
        step: int | None,
        score_one: Callable[[int], object],
    ) -> None:
        """Counts a call that raised an exception. The first one is logged with its traceback.

        Args:
            error (`BaseException`): What the call raised.
            completions (`list`): The completions that it was called with.
            step (`int`, *optional*): Step of the run.
            score_one (`Callable`): Calls the reward with a single completion, by its index.

        Raises:
            RecipeError: If the first calls have all failed.
        """
        self.calls += 1
        self.failed += 1
        when = "" if step is None else f" at step {step}"
        effect = f"its {len(completions)} completions of this batch are not judged and do not train"
        if self.failed == 1:
            culprit = _find_culprit(completions, score_one)
            logger.error("reward %r failed%s; %s%s", self.label, when, effect, culprit, exc_info=error)
        else:
            logger.warning("reward %r failed%s; %s: %r", self.label, when, effect, error)
        if self.always_failed and self.calls >= MAX_FAILED_CALLS:
            raise RecipeError(self.describe(error)) from error

    def explain_none(self, scores: Scores, completions: list, columns: dict[str, list], step: int | None) -> None:
        """Logs the first completions that the reward could not judge. Later ones are only counted, as metrics.

        Args:
            scores (`list[float | None]`): What the reward returned.
            completions (`list`): The completions that it was called with.
            columns (`dict[str, list]`): The columns that it judges them by.
            step (`int`, *optional*): Step of the run.
        """
        if self.has_explained_none or None not in scores:
            return
        self.has_explained_none = True
        row = scores.index(None)
        example = [shorten(repr(completions[row]), MAX_SHOWN)]
        for name, values in columns.items():
            example.append(f"{name} {shorten(repr(values[row]), MAX_SHOWN)}")
        when = "" if step is None else f" at step {step}"
        logger.warning(
            "reward %r returned None or NaN for %d of %d completions%s: they are not judged and do not train; later "
            "ones are counted in rewards/%s/none. The first: %s",
            self.label,
            scores.count(None),
            len(scores),
            when,
            self.label,
            ", ".join(example),
        )

    def describe(self, error: BaseException | None = None) -> str:
        """The error message for a reward that has always failed."""
        last = "" if error is None else f", last {type(error).__name__}: {error}"
        return (
            f"reward_funcs: {self.label!r} raised an exception in all of its calls ({self.calls}){last}. The "
            "traceback of the first one is in the log. Return None for a completion that cannot be judged."
        )


def _find_culprit(completions: list, score_one: Callable[[int], object]) -> str:
    """Describes the first completion for which the reward fails alone. Empty if none is found in time."""
    deadline = time.monotonic() + SECONDS_TO_SEARCH
    for index, completion in enumerate(completions):
        if time.monotonic() > deadline:
            return ""
        try:
            score_one(index)
        except (Exception, SystemExit):  # the one that is being looked for, whatever it is
            shown = shorten(repr(completion), MAX_SHOWN)
            return f". It fails for completion {index + 1} of {len(completions)}: {shown}"
    return ""
