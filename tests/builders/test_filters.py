"""What each filter drops, keeps and reports."""

import random

import pytest
from datasets import Dataset

from open_r1.builders.decontamination import ProblemIndex
from open_r1.builders.filters import (
    CodeInThought,
    Contaminated,
    CutOff,
    Duplicates,
    Length,
    LongParagraphs,
    MixedLanguages,
    NearDuplicates,
    Repetition,
)
from open_r1.builders.run_filters import run_filters


WORDS = "sum product number triangle circle angle side root even odd prime factor".split()
WORDS += "of the and is then so we find that equals half twice".split()
PROBLEM = "How many positive integers less than one hundred have exactly three divisors and an odd sum of digits?"


def prose(seed, words=200):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words))


def apply(filters, **columns):
    rows = Dataset.from_dict(columns)
    kept, reports = run_filters(rows, filters)
    return kept, reports


@pytest.mark.parametrize(
    ("tested", "good", "bad"),
    [
        (Length(min_words=3, max_words=6), ["a b c", "a b c d e f"], ["", "a b", "a b c d e f g"]),
        (LongParagraphs(max_characters=50), ["short\n\nshort too", "x" * 50], ["x" * 51, "short\n\n" + "x" * 51]),
        (
            CodeInThought(),
            ["<think>a</think>```python\n1\n```", "<think>use `x` here</think>b"],
            ["<think>a\n```python\n1\n```\nb</think>c", "<think>\n  ~~~\n1</think>"],
        ),
        (
            Repetition(),
            [prose(1), prose(2, 30), ""],
            ["wait, let me check that again. " * 40, prose(3, 100) + " " + prose(3, 100)],
        ),
        (
            MixedLanguages(prompt_column=None),
            [
                "<think>We add both numbers and divide the result by two.</think>4",
                "<think>我们先把两个数相加，然后再除以二就得到答案。</think>4",
                "<think>4</think>4",
            ],
            ["<think>We add both numbers 然后我们再把结果除以二 and then check 结果是不是正确的。</think>4"],
        ),
        (
            Contaminated(column="completion", problems=ProblemIndex({"quiz": [PROBLEM]})),
            [prose(4), "How many integers have three divisors?"],
            [PROBLEM, f"Let us see. {PROBLEM.upper()} Think!"],
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_filter_drops_bad_and_keeps_good_completions(tested, good, bad):
    mixed = good + bad
    random.Random(0).shuffle(mixed)
    kept, (report,) = apply([tested], completion=mixed)
    assert sorted(kept["completion"]) == sorted(good)
    assert report.dropped == len(bad) and report.rows == len(good) + len(bad)
    assert len(report.examples) == min(3, len(bad)) and all(reason for reason, _ in report.examples)


def test_mixed_languages_compares_with_the_language_of_the_prompt():
    thought = "<think>We add both numbers and divide the result by two, then check it.</think>4"
    kept, _ = apply(
        [MixedLanguages()], prompt=["What is the mean of 3 and 5?", "三和五的平均数是多少？"], completion=[thought] * 2
    )
    assert kept["prompt"] == ["What is the mean of 3 and 5?"]


def test_completions_cut_off_by_the_length_limit_are_dropped():
    kept, (report,) = apply([CutOff()], finish_reason=["stop", "length", "stop"], completion=["a", "b", "c"])
    assert kept["completion"] == ["a", "c"] and str(report) == "cut off: 1 of 3 dropped (33.3%): cut off 1"


def test_duplicates_keep_the_first():
    kept, (report,) = apply(
        [Duplicates()], prompt=["What is 1 + 1?", "what is  1+1", "What is 1 + 2?", "What is 1 + 1?"], n=[0, 1, 2, 3]
    )
    assert kept["n"] == [0, 2] and report.dropped == 2


def test_near_duplicates():
    texts = [prose(seed) for seed in range(20)]
    changed = [text.replace(text.split()[50], "other", 1) for text in texts]  # one of 200 words
    half = [" ".join(text.split()[:100]) + " " + prose(seed + 100, 100) for seed, text in enumerate(texts)]
    kept, (report,) = apply([NearDuplicates()], prompt=texts + changed + half)
    assert set(kept["prompt"]) == set(texts + half) and report.dropped == 20
    assert "near duplicate" in str(report)


def test_filters_run_in_order_with_several_processes():
    rows = Dataset.from_dict(
        {"prompt": [prose(i % 1000, 12) for i in range(2000)], "completion": ["x"] * 1900 + [""] * 100}
    )
    kept, reports = run_filters(rows, [Duplicates(), Length()], num_proc=2)
    assert [report.dropped for report in reports] == [1000, 0] and len(kept) == 1000
    assert [report.rows for report in reports] == [2000, 1000]


def test_empty_texts_and_messages():
    messages = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>a</think>b"}]] * 2
    kept, _ = apply([Length(), Repetition(), CodeInThought(), Duplicates("completion")], completion=messages)
    assert len(kept) == 1
    assert len(apply([NearDuplicates(), Duplicates()], prompt=["", "", "a"])[0]) == 2


def test_user_defined_filter():
    class Odd:
        name = "odd"

        def __call__(self, rows):
            return ["odd" if n % 2 else None for n in rows["n"]]

    kept, (report,) = apply([Odd()], n=list(range(5)))
    assert kept["n"] == [0, 2, 4] and str(report) == "odd: 2 of 5 dropped (40.0%): odd 2"


def test_first_batch_without_dropped_rows_does_not_fix_the_column_type():
    """Each process writes its reasons in batches, and the first batch may contain only `None`."""
    texts = ["fine"] * 1500 + ["", *["fine"] * 20]
    kept, [report] = run_filters(Dataset.from_dict({"completion": texts}), [Length()], num_proc=2)
    assert len(kept) == 1520 and report.reasons == {"too short": 1}
