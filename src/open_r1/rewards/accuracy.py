"""Accuracy reward: whether the final answer equals the gold answer (DeepSeek-R1, §2.2.2).

The README of `open_r1.grading` defines what counts as equal.
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
    """Scores completions by whether their final answer is right.

    Args:
        completions (`list`):
            Completions as text, thoughts included, or as messages.
        solution (`list`):
            Gold answers, one per completion, in any format.
        log_metric (`Callable`, *optional*):
            TRL's function for logging metrics. Used for the grading time in seconds and for the counts `unjudged`,
            `timeouts` and `remembered` (from earlier batches), each divided by the batch size.
        log_extra (`Callable`, *optional*):
            TRL's function for adding columns to the table of completions. Used for the parsed golds and answers.

    Returns:
        `list[float | None]`: 1.0 if the final answer equals the gold, 0.0 if not, `None` if it cannot be judged.

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
