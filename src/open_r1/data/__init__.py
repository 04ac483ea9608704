"""Loading data sets, from wherever a recipe names them, with errors that come before any model is loaded."""

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
from datasets import Dataset, DatasetDict

from open_r1.configs import RecipeError, ScriptArguments, nearest
from open_r1.utils.hub import go_offline_if_unreachable
from open_r1.utils.imports import import_object, is_function, is_path


if TYPE_CHECKING:
    from transformers import TrainingArguments  # and with it torch, which filters do without

LARGE = 50_000  # rows from which preparing them takes long enough to show a progress bar
FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}


def load_split(args: ScriptArguments, split: str, seed: int, limit: int | None = None) -> Dataset:
    """One split of the recipe's data set.

    Args:
        args (`ScriptArguments`): Its `dataset_*` options.
        split (`str`): `train` or `test` for a function; any split that a file, folder or Hub data set has.
        seed (`int`): Seed for a function that builds rows, unless `dataset_params` has one.
        limit (`int`, *optional*): Keep the first so many rows.

    Raises:
        RecipeError: If there is no such data set or split, or if it is empty.
    """
    name = args.dataset_name
    if is_function(name):
        dataset = _build(name, {"split": split, "seed": seed, **(args.dataset_params or {})})
    else:
        found = _load_local(name) if is_path(name) else _load_hub(name, args.dataset_config)
        if split not in found:
            raise RecipeError(f"dataset {name!r} has no split {split!r}; it has: {', '.join(found)}{nearest(split, found)}")
        dataset = found[split]
    if limit is not None:
        dataset = dataset.select(range(min(limit, len(dataset))))
    if not len(dataset):
        raise RecipeError(f"dataset {name!r}: split {split!r} is empty.")
    if split == args.dataset_train_split and (len(dataset) < LARGE or not sys.stderr.isatty()):
        datasets.disable_progress_bars()  # a few seconds of work, or a log file
    return dataset


def load_held_out(args: ScriptArguments, training_args: "TrainingArguments") -> Dataset | None:
    """The split to evaluate on, `None` if the recipe does not evaluate."""
    if training_args.eval_strategy == "no" and not training_args.eval_on_start:
        return None
    if args.dataset_test_split == args.dataset_train_split:
        raise RecipeError(f"dataset_test_split: {args.dataset_test_split!r} is what is trained on; name another split.")
    return load_split(args, args.dataset_test_split, training_args.seed, args.max_eval_samples)


def require_column(dataset: Dataset, column: str, option: str):
    """Stops if the data set lacks a column, naming the option that chooses it."""
    if column not in dataset.column_names:
        raise RecipeError(
            f"{option}: the data set has no column {column!r}; found: {', '.join(dataset.column_names)}"
            f"{nearest(column, dataset.column_names)}"
        )


def _build(name: str, kwargs: dict) -> Dataset:
    function = import_object(name)
    try:
        inspect.signature(function).bind(**kwargs)
    except TypeError as error:
        takes = ", ".join(inspect.signature(function).parameters)
        raise RecipeError(f"dataset_params: {name} {error}; it takes: {takes}.") from error
    dataset = function(**kwargs)
    if not isinstance(dataset, Dataset):
        raise RecipeError(f"dataset_name: {name} gave a {type(dataset).__name__}; expected a datasets.Dataset.")
    return dataset


def _load_local(name: str) -> DatasetDict:
    """A saved folder, a folder of data files (`train.jsonl`, `test.jsonl`, …) or one file, which is all `train`."""
    path = Path(name).expanduser()
    if not path.exists():
        raise RecipeError(f"dataset_name: no file or folder {name!r} (looked in {Path.cwd()}).")
    if path.is_file() and path.suffix not in FORMATS:
        raise RecipeError(f"dataset_name: cannot read {name!r}; expected {', '.join(FORMATS)} or a folder.")
    if path.is_file() and not path.stat().st_size:
        raise RecipeError(f"dataset_name: {name} is empty.")
    try:
        if path.is_file():
            return datasets.load_dataset(FORMATS[path.suffix], data_files={"train": str(path)})
        if not (path / "state.json").is_file() and not (path / "dataset_dict.json").is_file():
            return datasets.load_dataset(str(path))
        saved = datasets.load_from_disk(str(path))
        return saved if isinstance(saved, DatasetDict) else DatasetDict({"train": saved})
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise RecipeError(f"dataset_name: cannot read {name!r}: {error.__cause__ or error}") from error


def _load_hub(name: str, config: str | None) -> DatasetDict:
    go_offline_if_unreachable()
    try:
        return datasets.load_dataset(name, config)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise RecipeError(
            f"dataset_name: cannot load {name!r}, which is no local file and could not be had from the Hub: {error}"
        ) from error
