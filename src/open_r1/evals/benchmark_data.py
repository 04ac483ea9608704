"""Builds the data sets of benchmarks that need more preparation than loading.

An entry of `open_r1.configs.benchmarks.BENCHMARKS` names such a function as its data set,
`open_r1.evals.benchmark_data:<function>`. It is called with `split`, `seed` and the entry's `dataset_params`, and
returns a `Dataset`. Every function has a parameter `dataset_name`, so that you can use your own copy of the original.
"""

import json
import random

import datasets
from datasets import Dataset

from open_r1.configs import DatasetSpec
from open_r1.data.load import load_split


LETTERS = "ABCD"
CHOICE_COLUMNS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def gpqa_diamond(
    split: str,
    seed: int,
    dataset_name: str = "Idavidrein/gpqa",
) -> Dataset:
    """GPQA-Diamond's questions with their four choices in random order.

    Args:
        split (`str`): Not used, since the data set has a single split.
        seed (`int`): Seed for the order of the choices.
        dataset_name (`str`, *optional*, defaults to `"Idavidrein/gpqa"`): The data set or a copy of it.

    Returns:
        `Dataset`: Columns `question`, `choices` and `answer` (the letter of the right choice).
    """
    rows = load_split(DatasetSpec(dataset_name, "gpqa_diamond"), seed)

    def shuffle_choices(row: dict, index: int) -> dict:
        rng = random.Random(f"{seed}/{index}")
        choices = [row[column].strip() for column in CHOICE_COLUMNS]
        order = rng.sample(range(4), 4)
        return {
            "question": row["Question"].strip(),
            "choices": [choices[position] for position in order],
            "answer": LETTERS[order.index(0)],
        }

    return rows.map(shuffle_choices, with_indices=True, remove_columns=rows.column_names)


def livecodebench(
    split: str,
    seed: int,
    since: str = "",
    until: str = "9",
    dataset_name: str = "lighteval/code_generation_lite",
    version: str = "release_v6",
) -> Dataset:
    """LiveCodeBench's problems with their tests, optionally only those of a date range.

    Args:
        split (`str`): `test`.
        seed (`int`): Not used.
        since (`str`, *optional*): First contest date to include, such as `2024-08-01`. Defaults to no limit.
        until (`str`, *optional*): First contest date to exclude. Defaults to no limit.
        dataset_name (`str`, *optional*, defaults to `"lighteval/code_generation_lite"`):
            The data set or a copy of it.
        version (`str`, *optional*, defaults to `"release_v6"`): Release of the data set.

    Returns:
        `Dataset`: The original columns, with `difficulty` renamed to `level`.
    """
    rows = load_split(DatasetSpec(dataset_name, version, split=split), seed)

    def is_in_date_range(date: object) -> bool:
        day = str(date)[:10]
        return since <= day < until

    rows = rows.filter(is_in_date_range, input_columns="contest_date")
    if "difficulty" in rows.column_names and "domain" not in rows.column_names:
        rows = rows.rename_column("difficulty", "level")
    return rows.cast_column("contest_date", datasets.Value("string"))


def codeforces(
    split: str,
    seed: int,
    dataset_name: str = "open-r1/codeforces",
) -> Dataset:
    """Codeforces problems that can be judged by comparing outputs.

    These are the problems whose official tests are complete, that have a single right output per test, and that use
    standard input and output. The data set has neither points nor standings, so the benchmark only measures the share
    of problems solved; for a rating, see `open_r1.evals.codeforces`.

    Args:
        split (`str`): `test` or `train`.
        seed (`int`): Not used.
        dataset_name (`str`, *optional*, defaults to `"open-r1/codeforces"`): The data set or a copy of it.

    Returns:
        `Dataset`: Columns `question_content`, `test_cases`, `contest_id` and `level`.
    """
    rows = load_split(DatasetSpec(dataset_name, "default", split=split), seed)
    rows = rows.filter(_has_one_output)
    return rows.map(_write_problem, remove_columns=rows.column_names)


def _has_one_output(row: dict) -> bool:
    """Whether the official tests of a Codeforces problem are complete and can be judged by comparing outputs."""
    if not row["official_tests_complete"] or row["input_mode"] != "stdio":
        return False
    return not row["generated_checker"] and not row["interaction_format"]


def _write_problem(row: dict) -> dict:
    """Formats a Codeforces problem as one text, as on its web page."""
    parts = [
        row["title"],
        row["description"],
        "Input",
        row["input_format"],
        "Output",
        row["output_format"],
    ]
    for number, example in enumerate(row["examples"] or [], 1):
        parts.append(f"Example {number}")
        parts.append(f"```input\n{example['input']}\n```")
        parts.append(f"```output\n{example['output']}\n```")
    if row["note"]:
        parts += ["Note", row["note"]]
    parts.append(f"Time limit: {row['time_limit']:g} s. Memory limit: {row['memory_limit']:g} MB.")
    tests = []
    for test in row["official_tests"]:
        tests.append({"input": test["input"], "output": test["output"]})
    return {
        "question_content": "\n\n".join(filter(None, parts)),
        "test_cases": json.dumps(tests),
        "contest_id": row["contest_id"],
        "level": row["rating"],
    }
