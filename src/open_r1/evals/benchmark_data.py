"""Benchmarks that have to be brought into form: choices in an order drawn by lot, problems of the paper's dates.

Used by `open_r1.configs.evaluation.BENCHMARKS`, the names that recipes give them. The others are read as they are.
"""

import json
import random

import datasets
from datasets import Dataset

from open_r1.configs import DatasetSpec
from open_r1.data.load import load_split


LETTERS = "ABCD"


def gpqa_diamond(split: str, seed: int, dataset_name: str = "Idavidrein/gpqa") -> Dataset:
    """GPQA-Diamond's questions with four choices: columns `question`, `choices`, `answer` (a letter).

    Args:
        split (`str`): Not used; there is one.
        seed (`int`): Of the order of the choices.
        dataset_name (`str`, *optional*): Another copy.
    """
    rows = load_split(DatasetSpec(dataset_name, "gpqa_diamond"), seed)
    return rows.map(
        lambda row, i: _shuffled(row, random.Random(f"{seed}/{i}")),
        with_indices=True,
        remove_columns=rows.column_names,
    )


def _shuffled(row: dict, rng: random.Random) -> dict:
    choices = [row["Correct Answer"], *(row[f"Incorrect Answer {n}"] for n in (1, 2, 3))]
    order = rng.sample(range(4), 4)
    return {
        "question": row["Question"].strip(),
        "choices": [choices[i].strip() for i in order],
        "answer": LETTERS[order.index(0)],
    }


def livecodebench(
    split: str,
    seed: int,
    since: str = "",
    until: str = "9",
    dataset_name: str = "lighteval/code_generation_lite",
    version: str = "release_v6",
) -> Dataset:
    """LiveCodeBench's problems, with their tests; all of them, or those of some dates.

    Args:
        split (`str`): `test`.
        seed (`int`): Not used.
        since (`str`, *optional*), until (`str`, *optional*): First day, such as `2024-08-01`, and the day after the last.
        dataset_name (`str`, *optional*): Another copy.
        version (`str`, *optional*): Its release.
    """
    rows = load_split(DatasetSpec(dataset_name, version, split=split), seed)
    kept = rows.filter(lambda date: since <= str(date)[:10] < until, input_columns="contest_date")
    if "difficulty" in kept.column_names and "domain" not in kept.column_names:
        kept = kept.rename_column("difficulty", "level")
    return kept.cast_column("contest_date", datasets.Value("string"))


def codeforces(split: str, seed: int, dataset_name: str = "open-r1/codeforces") -> Dataset:
    """Codeforces problems that outputs alone can judge: all tests known, one right output for each, from standard input to standard output.

    The set has neither points nor standings, so it gives the share solved; for a rating see `open_r1.evals.codeforces`.

    Args:
        split (`str`): `test` or `train`.
        seed (`int`): Not used.
        dataset_name (`str`, *optional*): Another copy.
    """
    rows = load_split(DatasetSpec(dataset_name, "default", split=split), seed)
    rows = rows.filter(
        lambda row: (
            row["official_tests_complete"]
            and row["input_mode"] == "stdio"
            and not row["generated_checker"]
            and not row["interaction_format"]
        )
    )
    return rows.map(_stated, remove_columns=rows.column_names)


def _stated(row: dict) -> dict:
    """A problem in one text, as on its page."""
    parts = [row["title"], row["description"], "Input", row["input_format"], "Output", row["output_format"]]
    for number, example in enumerate(row["examples"] or [], 1):
        parts += [f"Example {number}", f"```input\n{example['input']}\n```", f"```output\n{example['output']}\n```"]
    parts += ["Note", row["note"]] if row["note"] else []
    limits = f"Time limit: {row['time_limit']:g} s. Memory limit: {row['memory_limit']:g} MB."
    return {
        "question_content": "\n\n".join([*(part for part in parts if part), limits]),
        "test_cases": json.dumps(
            [{"input": test["input"], "output": test["output"]} for test in row["official_tests"]]
        ),
        "contest_id": row["contest_id"],
        "level": row["rating"],
    }
