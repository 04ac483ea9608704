"""Accuracy reward: is the final answer equal to the gold one? (DeepSeek-R1, §2.2.2)

What counts as equal is the policy of `open_r1.grading`, in its README.
"""

import time
from collections.abc import Callable

from open_r1.grading import shared_grader
from open_r1.utils.text import text_of


LOGGED_COUNTS = ("unjudged", "timeouts", "remembered")


def accuracy(
    completions: list,
    solution: list,
    log_metric: Callable | None = None,
    log_extra: Callable | None = None,
    **kwargs,
) -> list[float | None]:
    """Scores completions by their final answers.

    Args:
        completions (`list`):
            Completions as text, thoughts included, or as messages.
        solution (`list`):
            Gold answers, one per completion, in any style.
        log_metric (`Callable`, *optional*):
            TRL's function for metrics. It gets the seconds and the shares of the batch that are `unjudged`, had
            `timeouts` or were `remembered` from an earlier batch.
        log_extra (`Callable`, *optional*):
            TRL's function for columns of the table of completions. It gets gold and answer as understood.

    Returns:
        `list[float | None]`: 1.0 if the final answer equals the gold, 0.0 if not, `None` if that cannot be judged.

    >>> accuracy(["<think>2+2</think><answer>4</answer>", "<think>\\\\boxed{4}"], ["4", "4"])
    [1.0, 0.0]
    """
    start = time.monotonic()
    texts = [text_of(completion) for completion in completions]
    grades, counts = shared_grader().grade_all(texts, solution)
    if log_metric is not None:
        for name in LOGGED_COUNTS:
            log_metric(f"accuracy/{name}", counts[name] / max(1, len(grades)))
        log_metric("accuracy/seconds", time.monotonic() - start)
    if log_extra is not None:
        log_extra("gold_parsed", [grade.gold or "" for grade in grades])
        log_extra("answer_parsed", [grade.answer or "" for grade in grades])
    return [grade.reward for grade in grades]
