"""Loads data sets from wherever a recipe names them, and reports what is wrong with them before any model is loaded.

Start reading at `load_split`. `load_train_and_eval` is what the trainers call: it also finds the rows to evaluate on.
"""

import dataclasses
import inspect
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
from datasets import Dataset, DatasetDict, Features, Json, LargeList, List, Value
from datasets.features.features import FeatureType

from open_r1.configs import DatasetSpec, ScriptArguments
from open_r1.configs.recipes import find_producer
from open_r1.data.completions import missing_shards, read_completions, read_manifests
from open_r1.data.rows import describe_row
from open_r1.data.text_files import FORMATS, OPENERS, load_text_files, text_format
from open_r1.utils.digests import hash_texts
from open_r1.utils.errors import MissingInputError, RecipeError, did_you_mean
from open_r1.utils.files import atomic_path
from open_r1.utils.hub import go_offline_if_unreachable
from open_r1.utils.imports import import_object, is_function, is_path
from open_r1.utils.jsonl import encode_line


if TYPE_CHECKING:
    from transformers import TrainingArguments  # imports torch, which filters do without

MANY_ROWS = 50_000  # from here on, preparing the rows takes long enough to show a progress bar
FIRST_INEXACT_INTEGER = 2**53  # from here on, not every integer is a floating-point number
GOLD_TYPES = ("string", "large_string", "string_view", "bool", "int", "uint", "float", "null")
OPTIONAL_COLUMNS = ("solution", "domain")  # which a data set may lack
FILE_FORMATS = (*FORMATS, ".parquet")
# Settings of a folder that say which of its files to read. A card may have others, which say how, such as `sep`.
WHICH_FILES = ("name", "version", "data_dir", "data_files", "description")


class MissingSplitError(RecipeError):
    """The data set is there, but it does not have the split that was asked for."""


def load_split(spec: DatasetSpec, seed: int, limit: int | None = None, dry_run: bool = False) -> Dataset:
    """Loads one split of a data set.

    Args:
        spec (`DatasetSpec`):
            Data set and split. A function is called with `split` (`train` or `test`), `seed` and the spec's params.
        seed (`int`): Seed for a function that builds rows, unless the params have one.
        limit (`int`, *optional*): Keep only this many rows, the first ones.
        dry_run (`bool`, *optional*, defaults to `False`):
            Whether it is fine if another recipe has yet to make the data set.

    Returns:
        `Dataset`: The rows, with all of their columns under the data set's own names.

    Raises:
        MissingSplitError: If the data set has no such split.
        RecipeError: If there is no such data set, if it cannot be read, or if the split is empty.
    """
    if is_function(spec.name):
        dataset = _call_function(spec.name, {"split": spec.split, "seed": seed, **spec.params})
    else:
        splits = _load_all_splits(spec, dry_run)
        if spec.split not in splits:
            hint = did_you_mean(spec.split, splits)
            raise MissingSplitError(
                f"dataset {spec.name!r} has no split {spec.split!r}; it has: {', '.join(splits)}{hint}"
            )
        dataset = splits[spec.split]
    if limit is not None:
        dataset = first_rows(dataset, limit)
    if not len(dataset):
        raise RecipeError(f"dataset {spec.name!r}: split {spec.split!r} is empty.")
    return dataset


def load_train_and_eval(
    spec: DatasetSpec, args: ScriptArguments, training_args: "TrainingArguments"
) -> tuple[Dataset, Dataset | None]:
    """Loads what a run trains on and what it evaluates on.

    The rows to evaluate on are the data set's test split. If it has none, they are `eval_split_size` rows of the
    training split, drawn at random by the run's seed and never trained on.

    Args:
        spec (`DatasetSpec`): The data set; its split does not count.
        args (`ScriptArguments`): Names the two splits, `eval_split_size` and `max_eval_samples`.
        training_args (`TrainingArguments`): The seed, and whether the run evaluates.

    Returns:
        `tuple[Dataset, Dataset | None]`: Training and evaluation rows; `None` if the run does not evaluate.

    Raises:
        RecipeError: If the run would evaluate on what it trains on, or if there is nothing to evaluate on.
    """
    train_spec = spec.with_split(args.dataset_train_split)
    test_spec = spec.with_split(args.dataset_test_split)
    evaluates = training_args.eval_strategy != "no" or training_args.eval_on_start
    if evaluates and test_spec.split == train_spec.split:
        raise RecipeError(f"dataset_test_split: {test_spec.split!r} is what is trained on; name another split.")

    train_dataset = load_split(train_spec, training_args.seed, dry_run=args.dry_run)
    if not evaluates and args.eval_split_size is None:
        return train_dataset, None
    try:
        eval_dataset = load_split(test_spec, training_args.seed, dry_run=args.dry_run)
    except MissingSplitError as error:
        if args.eval_split_size is None:
            raise RecipeError(
                f"dataset_test_split: {error} Name one of its other splits to evaluate on, or hold out rows of "
                f"{train_spec.split!r} with `eval_split_size`, such as 0.05 for 5% of them."
            ) from error
        train_dataset, eval_dataset = _hold_out(train_dataset, args.eval_split_size, training_args.seed)
    if not evaluates:
        return train_dataset, None
    if args.max_eval_samples is not None:
        eval_dataset = first_rows(eval_dataset, args.max_eval_samples)
    return train_dataset, eval_dataset


def _hold_out(dataset: Dataset, size: float, seed: int) -> tuple[Dataset, Dataset]:
    """Splits rows at random into those to train on and those to evaluate on; both stay in their order.

    Args:
        dataset (`Dataset`): The training split.
        size (`float`): What to evaluate on: a share below 1, or a number of rows.
        seed (`int`): Seed of the choice.

    Raises:
        RecipeError: If nothing would be left to train or to evaluate on.
    """
    count = int(size)
    if size < 1:
        count = round(size * len(dataset))
    if not 1 <= count < len(dataset):
        raise RecipeError(
            f"eval_split_size: found {size:g}, which is {count} of {len(dataset)} rows; leave at least one row to "
            "train on and one to evaluate on."
        )
    held_out = set(random.Random(f"eval_split/{seed}").sample(range(len(dataset)), count))
    train_rows = [i for i in range(len(dataset)) if i not in held_out]
    return dataset.select(train_rows), dataset.select(sorted(held_out))


def first_rows(dataset: Dataset, limit: int) -> Dataset:
    """The first `limit` rows, or all of them if there are fewer."""
    return dataset.select(range(min(limit, len(dataset))))


def existing_columns(dataset: Dataset, names: Iterable[str]) -> list[str]:
    """Those of some columns that a data set has, in its own order."""
    names = set(names)
    return [column for column in dataset.column_names if column in names]


def require_column(dataset: Dataset, column: str, option: str) -> None:
    """Stops if the data set lacks a column.

    Args:
        dataset (`Dataset`): The rows.
        column (`str`): Name of the column.
        option (`str`): The recipe's key that chooses it, for the error message.

    Raises:
        RecipeError: If there is no such column.
    """
    if column not in dataset.column_names:
        hint = did_you_mean(column, dataset.column_names)
        raise RecipeError(
            f"{option}: the data set has no column {column!r}; found: {', '.join(dataset.column_names)}{hint}"
        )


def require_exact_golds(dataset: Dataset, column: str, option: str) -> None:
    """Checks that gold answers are what was written, as far as one can tell.

    JSON and CSV files are read exactly, see `text_files`. In others, large integers may have become floating-point
    numbers long before, such as those of a column with gaps.

    Args:
        dataset (`Dataset`): The rows.
        column (`str`): Name of the column.
        option (`str`): The recipe's key that chooses it, for the error message.

    Raises:
        RecipeError: If a gold answer is not text, a number, a truth value or a list of those, or has lost digits.
    """
    type_name = _gold_type(dataset.features[column])
    if type_name is None:
        raise RecipeError(
            f"{option}: the column {column!r} has the type {dataset.features[column]}; expected text, numbers or "
            "lists of them. Gold answers within another column, such as the `ground_truth` of `reward_model`, need a "
            "column of their own."
        )
    if not type_name.startswith(("float", "json")):
        return
    for index, gold in enumerate(dataset[column]):
        for number in _floats_in(gold):
            if abs(number) >= FIRST_INEXACT_INTEGER:
                raise RecipeError(
                    f"{option}: {describe_row(dataset, index)}: the gold answer is the floating-point number "
                    f"{number!r}, which may have lost digits. Store it as text."
                )


def _floats_in(gold: Any) -> Iterator[float]:
    """The floating-point numbers of a gold answer, which may be a list."""
    if isinstance(gold, list):
        for item in gold:
            yield from _floats_in(item)
    elif isinstance(gold, float):
        yield gold


def _gold_type(feature: FeatureType) -> str | None:
    """The type of gold answers, or of the items of those that are lists; `None` if it is not one of answers."""
    if isinstance(feature, List | LargeList):
        return _gold_type(feature.feature)
    if isinstance(feature, Json):
        return "json"
    if isinstance(feature, Value) and feature.dtype.rstrip("0123456789") in GOLD_TYPES:
        return feature.dtype
    return None


def rename_columns(
    dataset: Dataset, columns: dict[str, str], names: dict[str, str] | None = None, where: str = ""
) -> Dataset:
    """Gives columns the names that our code and the rewards know, all at once, so that two may swap their names.

    A column that has one of these names already, and that is not renamed itself, is removed.

    Args:
        dataset (`Dataset`): The rows.
        columns (`dict[str, str]`): The data set's own column names by ours, as in `DatasetSpec.columns`.
        names (`dict[str, str]`, *optional*): The new names by ours; by default ours.
        where (`str`, *optional*, defaults to `""`): Beginning of error messages, if there are several data sets.

    Raises:
        RecipeError: If a column is missing, or if two options `dataset_<name>_column` name the same one.

    >>> rows = Dataset.from_dict({"solution": ["2+2?"], "answer": ["4"]})
    >>> rename_columns(rows, {"prompt": "solution", "solution": "answer"})[0]
    {'prompt': '2+2?', 'solution': '4'}
    """
    if names is None:
        names = {name: name for name in columns}
        columns = _drop_taken_defaults(columns)
    new_names: dict[str, str] = {}
    for name, column in columns.items():
        option = f"{where}dataset_{name}_column"
        new_name = names[name]
        if column in new_names:
            raise RecipeError(f"{option}: another option names the column {column!r}, too; name two different ones.")
        if column != new_name:
            require_column(dataset, column, option)
        if name == "solution" and column in dataset.column_names:
            require_exact_golds(dataset, column, option)
        new_names[column] = new_name
    replaced = set(new_names.values()) - set(new_names)
    dataset = dataset.remove_columns(existing_columns(dataset, replaced))
    existing = existing_columns(dataset, new_names)
    return dataset.rename_columns({column: new_names[column] for column in existing})


def _drop_taken_defaults(columns: dict[str, str]) -> dict[str, str]:
    """Leaves out optional columns of the default name if that is the name of another one, such as the questions."""
    chosen = [column for name, column in columns.items() if column != name]
    kept = {}
    for name, column in columns.items():
        is_default = column == name and name in OPTIONAL_COLUMNS
        if not is_default or column not in chosen:
            kept[name] = column
    return kept


def hide_short_progress_bars(dataset: Dataset) -> None:
    """Turns off the progress bars of `datasets` for what takes a few seconds only, and in log files."""
    if len(dataset) < MANY_ROWS or not sys.stderr.isatty():
        datasets.disable_progress_bars()


def write_rows(rows: Dataset, path: Path) -> None:
    """Writes rows to a .jsonl or .parquet file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        if path.suffix == ".parquet":
            rows.to_parquet(str(part))
        else:
            with part.open("wb") as file:  # Dataset.to_json would write `</think>` as `<\/think>`
                for row in rows:
                    file.write(encode_line(row))


def _call_function(name: str, kwargs: dict) -> Dataset:
    """Calls a function that builds a data set, after a check of its arguments."""
    function = import_object(name)
    try:
        inspect.signature(function).bind(**kwargs)
    except TypeError as error:
        parameters = ", ".join(inspect.signature(function).parameters)
        raise RecipeError(f"dataset_params: {name} {error}; it takes: {parameters}.") from error
    dataset = function(**kwargs)
    if not isinstance(dataset, Dataset):
        raise RecipeError(f"dataset_name: {name} returned a {type(dataset).__name__}; expected a datasets.Dataset.")
    return dataset


def _load_all_splits(spec: DatasetSpec, dry_run: bool) -> DatasetDict:
    """Loads a file, a folder or a Hub data set."""
    if not is_path(spec.name):
        return _load_from_hub(spec.name, spec.config)
    path = Path(spec.name).expanduser()
    if not path.exists():
        _raise_missing(spec.name, dry_run)
    if path.is_file():
        return _load_file(path)
    return _load_folder(path, spec.config)


def _raise_missing(name: str, dry_run: bool) -> None:
    """Explains that there is no such file or folder, with the command that makes it if a recipe does."""
    _, command = find_producer(name)
    if command:
        raise MissingInputError("dataset_name", name, command, dry_run)
    raise RecipeError(f"dataset_name: no file or folder {name!r} (looked in {Path.cwd()}).")


def _load_file(path: Path) -> DatasetDict:
    """Loads one file as the split `train`."""
    if path.suffix != ".parquet" and text_format(path) is None:
        raise RecipeError(
            f"dataset_name: cannot read '{path}'; expected {', '.join(FILE_FORMATS)} (JSON and CSV also compressed: "
            f"{', '.join(OPENERS)}) or a folder."
        )
    if not path.stat().st_size:
        raise RecipeError(f"dataset_name: {path} is empty.")
    if text_format(path):
        return DatasetDict({"train": load_text_files([path])})
    try:
        return datasets.load_dataset("parquet", data_files={"train": str(path)})
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise RecipeError(f"dataset_name: cannot read '{path}': {error.__cause__ or error}") from error


def _load_folder(folder: Path, config: str | None) -> DatasetDict:
    """Loads completions of `generate.py`, what `save_to_disk` wrote, or data files such as `train.jsonl`."""
    require_all_shards(folder)
    if any(folder.glob("manifest-*.json")):
        return DatasetDict({"train": _load_completions(folder)})
    was_saved_to_disk = (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()
    try:
        if was_saved_to_disk:
            saved = datasets.load_from_disk(str(folder))
            if isinstance(saved, Dataset):
                return DatasetDict({"train": saved})
            return saved
        # If a card names the files, datasets does not notice that they have changed; hence a cache for each state.
        cache = Path(datasets.config.HF_DATASETS_CACHE, "folders", folder_fingerprint(folder))
        builder = datasets.load_dataset_builder(str(folder), config, cache_dir=str(cache))
        splits = _find_text_files(builder)
        if splits:
            return DatasetDict({split: load_text_files(paths) for split, paths in splits.items()})
        return datasets.load_dataset(str(folder), config, cache_dir=str(cache))
    except RecipeError:
        raise
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise RecipeError(f"dataset_name: cannot read '{folder}': {error.__cause__ or error}") from error


def _find_text_files(builder: datasets.DatasetBuilder) -> dict[str, list[Path]]:
    """The JSON or CSV files of a folder, by split; nothing if it has other files, or a card that says how to read."""
    if builder.info.features is not None or _says_how_to_read(builder.config):
        return {}
    splits = {}
    formats = set()
    for split, names in (builder.config.data_files or {}).items():
        splits[str(split)] = [Path(name) for name in names]
        formats.update(text_format(path) for path in splits[str(split)])
    if len(formats) == 1 and None not in formats:
        return splits
    return {}


def _says_how_to_read(config: datasets.BuilderConfig) -> bool:
    """Whether a folder's card sets how its files are read, such as `sep: ";"`."""
    default = type(config)()
    for field in dataclasses.fields(config):
        if field.name not in WHICH_FILES and getattr(config, field.name) != getattr(default, field.name):
            return True
    return False


def _load_from_hub(name: str, config: str | None) -> DatasetDict:
    go_offline_if_unreachable()
    try:
        return datasets.load_dataset(name, config)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise RecipeError(
            f"dataset_name: {name!r} is not a local file and could not be loaded from the Hub: {error}"
        ) from error


def folder_fingerprint(folder: Path) -> str:
    """A digest of the names, sizes and modification times of a folder's files."""
    descriptions = [str(folder.resolve())]
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            descriptions.append(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}")
    return hash_texts(descriptions)


def require_all_shards(folder: Path) -> None:
    """Stops if a builder's data set, of which several processes build a shard each, is not complete.

    Raises:
        RecipeError: Naming the missing shards.
    """
    shards = [path.stem.removeprefix("report-") for path in folder.glob("report-*-of-*.json")]
    missing = missing_shards(shards)
    if missing:
        raise RecipeError(f"{folder}: not complete, build these shards: {', '.join(missing)}.")


def _load_completions(folder: Path) -> Dataset:
    """Loads what `generate.py` wrote: a row per completion, with its prompt's columns; cached until a file changes."""
    features = Features.from_dict(read_manifests(folder)[0]["features"])
    features |= dict.fromkeys(("prompt_id", "completion", "finish_reason", "model"), Value("string"))
    features |= dict.fromkeys(("sample", "seed", "prompt_tokens", "completion_tokens"), Value("int64"))
    return Dataset.from_generator(
        _completion_rows,
        features=Features(features),
        gen_kwargs={"folder": str(folder), "columns": tuple(features), "fingerprint": folder_fingerprint(folder)},
    )


def _completion_rows(folder: str, columns: tuple[str, ...], fingerprint: str) -> Iterator[dict]:
    """The rows of a folder of completions; `fingerprint` only tells datasets' cache when to read them again."""
    for row in read_completions(Path(folder)):
        yield {column: row.get(column) for column in columns}
