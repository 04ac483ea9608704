"""Benchmarks that have to be brought into form: choices in an order drawn by lot, problems of the paper's dates.

Used by `open_r1.configs.evaluation.BENCHMARKS`, the names that recipes give them. The others are read as they are.
"""

import random

import datasets
from datasets import Dataset

from open_r1.configs import ScriptArguments
from open_r1.data import load_split


LETTERS = "ABCD"


def gpqa_diamond(split: str, seed: int, dataset_name: str = "Idavidrein/gpqa") -> Dataset:
    """GPQA-Diamond's questions with four choices: columns `question`, `choices`, `answer` (a letter).

    Args:
        split (`str`): Not used; there is one.
        seed (`int`): Of the order of the choices.
        dataset_name (`str`, *optional*): Another copy.
    """
    rows = load_split(ScriptArguments(dataset_name, "gpqa_diamond"), "train", seed)
    return rows.map(
        lambda row, i: _shuffled(row, random.Random(f"{seed}/{i}")), with_indices=True, remove_columns=rows.column_names
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
    since: str = "2024-08-01",
    until: str = "2025-02-01",
    dataset_name: str = "lighteval/code_generation_lite",
    version: str = "release_v5",
) -> Dataset:
    """LiveCodeBench's problems of the paper's dates, August 2024 to January 2025 (DeepSeek-R1, §3), with their tests.

    Args:
        split (`str`): `test`.
        seed (`int`): Not used.
        since (`str`, *optional*), until (`str`, *optional*): First day, and the day after the last.
        dataset_name (`str`, *optional*): Another copy.
        version (`str`, *optional*): Its release.
    """
    rows = load_split(ScriptArguments(dataset_name, version), split, seed)
    kept = rows.filter(lambda date: since <= str(date)[:10] < until, input_columns="contest_date")
    if "difficulty" in kept.column_names and "domain" not in kept.column_names:
        kept = kept.rename_column("difficulty", "level")
    return kept.cast_column("contest_date", datasets.Value("string"))
