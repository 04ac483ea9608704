"""The accuracy reward as trainers and builders call it; grading itself is tested in `tests/grading`."""

import os
import signal
import threading

import pytest

from open_r1.grading import Grader, grade
from open_r1.rewards.accuracy import accuracy
from open_r1.utils.workers import Workers


def test_one_reward_per_completion_in_order():
    assert accuracy(["<answer>1</answer>", "<answer>2</answer>"], ["1", "1"], level=[3, 3]) == [1.0, 0.0]


def test_counts_and_parsed_answers_are_logged():
    metrics, table = {}, {}
    rewards = accuracy(
        ["\\boxed{\\frac12}", "nothing\nat all", "\\boxed{3}"],
        ["0.5", "2", "see figure"],
        log_metric=metrics.__setitem__,
        log_extra=table.__setitem__,
    )
    assert rewards == [1.0, 0.0, None]
    assert metrics["accuracy/unjudged"] == pytest.approx(1 / 3) and metrics["accuracy/timeouts"] == 0
    assert metrics["accuracy/seconds"] > 0
    assert table == {"gold_parsed": ["0.5", "2", ""], "answer_parsed": ["\\frac{1}{2}", "", ""]}


def test_columns_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="found 2 completions and 1 golds"):
        accuracy(["1", "2"], ["1"])


def test_missing_completion_is_not_judged():
    assert accuracy([None, "\\boxed{1}"], ["1", "1"]) == [None, 1.0]


def test_messages_are_graded_like_text():
    """TRL's own scripts pass messages."""
    messages = [{"role": "assistant", "content": "<answer>4</answer>", "reasoning_content": "2+2"}]
    assert accuracy([messages, [{"role": "assistant", "content": "\\boxed{5}"}]], ["4", "4"]) == [1.0, 0.0]


def test_grades_outside_the_main_thread():
    """math-verify's timeouts use signals, which would raise there."""
    rewards = []
    thread = threading.Thread(target=lambda: rewards.append(grade("<answer>\\sqrt{49}</answer>", "7.0")))
    thread.start()
    thread.join()
    assert rewards == [1.0]


def test_outage_is_not_cached():
    grader = Grader(workers=1)
    try:
        broken = Workers("no.such:function", 1, 1.0)
        healthy, grader.workers = grader.workers, broken
        assert grader.grade_all(["\\boxed{\\sqrt{16}}"], ["4"])[0][0].reward is None
        broken.close()
        grader.workers = healthy
        assert grader.grade_all(["\\boxed{\\sqrt{16}}"], ["4"])[0][0].reward == 1.0
    finally:
        grader.workers.close()


def test_worker_killed_from_outside_is_replaced():
    grader = Grader(workers=1)
    try:
        assert grader.grade_all(["\\boxed{\\sqrt{4}}"], ["2"])[0][0].reward == 1.0
        (worker,) = grader.workers.pids()
        os.killpg(worker, signal.SIGKILL)
        assert grader.grade_all(["\\boxed{\\sqrt{9}}"], ["3"])[0][0].reward == 1.0
        assert grader.workers.pids() != [worker]
    finally:
        grader.workers.close()
