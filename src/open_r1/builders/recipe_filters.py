"""The filters that a builder's recipe asks for, and the benchmarks that it must not contain."""

import dataclasses
from pathlib import Path

from open_r1.builders.decontamination import ProblemIndex
from open_r1.builders.filters import (
    CodeInThought,
    Contaminated,
    CutOff,
    Empty,
    LongParagraphs,
    MixedLanguages,
    Repetition,
    Unstructured,
)
from open_r1.configs import BENCHMARKS, Benchmark, BuilderArguments, DatasetSpec
from open_r1.data.load import load_split
from open_r1.utils.errors import RecipeError
from open_r1.utils.imports import DATA_SUFFIXES


def filters_from_recipe(args: BuilderArguments, columns: list[str], empty_thought: bool = False) -> list:
    """The filters that a recipe asks for, fast ones first.

    Args:
        args (`BuilderArguments`): The recipe.
        columns (`list[str]`): Columns of the rows.
        empty_thought (`bool`, *optional*, defaults to `False`): Whether a thought may be empty.
    """
    filters: list = [Empty("prompt")]
    if "finish_reason" in columns:
        filters.append(CutOff())
    filters.append(Unstructured(empty_thought=empty_thought))
    if args.drop_code_in_thought:
        filters.append(CodeInThought())
    if args.max_paragraph:
        filters.append(LongParagraphs(max_characters=args.max_paragraph))
    if args.max_repetition < 1:
        filters.append(Repetition(max_share=args.max_repetition))
    if args.decontaminate:
        filters.append(Contaminated("prompt", load_problems(args.decontaminate)))
    if args.min_language_share:
        filters.append(MixedLanguages(min_share=args.min_language_share, min_words=args.fewest_words))
    return filters


def require_benchmarks(names: list[str]) -> None:
    """Stops if one of `decontaminate` is neither a known benchmark nor a file with a column.

    Raises:
        RecipeError: With the names of known benchmarks.
    """
    for name in names:
        path, _, column = name.rpartition(":")
        is_file = path.endswith(DATA_SUFFIXES) and Path(path).is_file()
        if name not in BENCHMARKS and not (is_file and column):
            raise RecipeError(
                f"decontaminate: found {name!r}; expected {', '.join(BENCHMARKS)}, or an existing file and its "
                "column, `held_out.jsonl:problem`."
            )


def load_problems(names: list[str]) -> ProblemIndex:
    """Loads the problems that must not be trained on.

    Args:
        names (`list[str]`): Known benchmarks, and files with their column, such as `held_out.jsonl:problem`.

    Raises:
        RecipeError: If a data set cannot be loaded or lacks its column.
    """
    problems = {}
    for name in names:
        if name in BENCHMARKS:
            # Without its params: all problems, not only those that an evaluation asks.
            spec = dataclasses.replace(Benchmark.parse(name).dataset, params={})
        else:
            path, _, file_column = name.rpartition(":")
            spec = DatasetSpec(path, columns={"prompt": file_column})
        rows = load_split(spec, seed=0)
        column = spec.columns["prompt"]
        if column not in rows.column_names:
            raise RecipeError(f"decontaminate: {name}: no column {column!r}; found: {', '.join(rows.column_names)}.")
        problems[name] = [text for text in rows[column] if text]
    return ProblemIndex(problems)
