"""Accuracy: is the final answer equal to the gold one? (DeepSeek-R1, §2.2.2) The grader is `open_r1.grading`."""

import time
from collections.abc import Callable

from open_r1.grading.grader import shared_grader
from open_r1.utils.text import text_of


def accuracy(
    completions: list,
    solution: list,
    log_metric: Callable | None = None,
    log_extra: Callable | None = None,
    **kwargs,
) -> list[float | None]:
    """1.0 if the final answer equals the gold, 0.0 if not, `None` if the gold says nothing or the judge failed.

    Args:
        completions (`list`): Completions as text, thoughts included, or as messages.
        solution (`list`): Gold answers, one per completion, in any style.
        log_metric (`Callable`, *optional*): TRL's; gets shares of the batch (`unjudged`, `timeouts`, `remembered`) and seconds.
        log_extra (`Callable`, *optional*): TRL's; gets gold and answer as understood, for the table of completions.

    >>> accuracy(["<think>2+2</think><answer>4</answer>", "<think>\\\\boxed{4}"], ["4", "4"])
    [1.0, 0.0]
    """
    started, grader = time.monotonic(), shared_grader()
    grades, counts = grader.grade_all([text_of(completion) for completion in completions], solution)
    if log_metric is not None:
        for name in ("unjudged", "timeouts", "remembered"):
            log_metric(f"accuracy/{name}", counts[name] / max(1, len(grades)))
        log_metric("accuracy/seconds", time.monotonic() - started)
    if log_extra is not None:
        log_extra("gold_parsed", [grade.gold or "" for grade in grades])
        log_extra("answer_parsed", [grade.answer or "" for grade in grades])
    return [grade.reward for grade in grades]
