"""Loading data sets, from wherever a recipe names them, with errors that come before any model is loaded."""

import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
from datasets import Dataset, DatasetDict, Features, Value

from open_r1.configs import ScriptArguments
from open_r1.data.completions import read_completions, read_manifests
from open_r1.utils.errors import MissingInputError, RecipeError, did_you_mean
from open_r1.utils.files import atomic_path
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
        if is_path(name) and not Path(name).expanduser().exists():
            _raise_missing(name, args.dry_run)
        found = _load_local(name, args.dataset_config) if is_path(name) else _load_hub(name, args.dataset_config)
        if split not in found:
            raise RecipeError(
                f"dataset {name!r} has no split {split!r}; it has: {', '.join(found)}{did_you_mean(split, found)}"
            )
        dataset = found[split]
    if limit is not None:
        dataset = dataset.select(range(min(limit, len(dataset))))
    if not len(dataset):
        raise RecipeError(f"dataset {name!r}: split {split!r} is empty.")
    if split == args.dataset_train_split and (len(dataset) < LARGE or not sys.stderr.isatty()):
        datasets.disable_progress_bars()  # a few seconds of work, or a log file
    return dataset


def evaluates(args: "TrainingArguments") -> bool:
    """Whether a run evaluates while it trains."""
    return args.eval_strategy != "no" or args.eval_on_start


def require_held_out(args: ScriptArguments, training_args: "TrainingArguments"):
    """Stops if a run would evaluate on what it trains on."""
    if evaluates(training_args) and args.dataset_test_split == args.dataset_train_split:
        raise RecipeError(
            f"dataset_test_split: {args.dataset_test_split!r} is what is trained on; name another split."
        )


def load_held_out(args: ScriptArguments, training_args: "TrainingArguments") -> Dataset | None:
    """The split to evaluate on, `None` if the recipe does not evaluate."""
    require_held_out(args, training_args)
    if not evaluates(training_args):
        return None
    return load_split(args, args.dataset_test_split, training_args.seed, args.max_eval_samples)


def require_column(dataset: Dataset, column: str, option: str):
    """Stops if the data set lacks a column, naming the option that chooses it."""
    if column not in dataset.column_names:
        raise RecipeError(
            f"{option}: the data set has no column {column!r}; found: {', '.join(dataset.column_names)}"
            f"{did_you_mean(column, dataset.column_names)}"
        )


def rename_columns(dataset: Dataset, args: ScriptArguments, names: Iterable[str]) -> Dataset:
    """Columns under the names that rewards know, from those that `dataset_<name>_column` chooses; what had that name goes."""
    for name in names:
        column = getattr(args, f"dataset_{name}_column")
        if column != name:
            require_column(dataset, column, f"dataset_{name}_column")
            dataset = dataset.remove_columns([name] if name in dataset.column_names else []).rename_column(
                column, name
            )
    return dataset


def write_rows(rows: Dataset, path: Path):
    """Writes a .jsonl or .parquet file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        (Dataset.to_parquet if path.suffix == ".parquet" else Dataset.to_json)(rows, str(part))


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


def _raise_missing(name: str, dry_run: bool):
    from open_r1.configs.recipes import find_producer  # knows all stages, and so imports TRL and torch

    _, command = find_producer(name)
    if command:
        raise MissingInputError("dataset_name", name, command, dry_run)
    raise RecipeError(f"dataset_name: no file or folder {name!r} (looked in {Path.cwd()}).")


def _load_local(name: str, config: str | None) -> DatasetDict:
    """A folder of completions, a saved folder, a folder of data files (`train.jsonl`, …) or one file; the first and last are `train`."""
    path = Path(name).expanduser()
    if path.is_file() and path.suffix not in FORMATS:
        raise RecipeError(f"dataset_name: cannot read {name!r}; expected {', '.join(FORMATS)} or a folder.")
    if path.is_file() and not path.stat().st_size:
        raise RecipeError(f"dataset_name: {name} is empty.")
    require_all_shards(path)
    if any(path.glob("manifest-*.json")):
        return DatasetDict({"train": _load_completions(path)})
    try:
        if path.is_file():
            return datasets.load_dataset(FORMATS[path.suffix], data_files={"train": str(path)})
        if not (path / "state.json").is_file() and not (path / "dataset_dict.json").is_file():
            cache = Path(
                datasets.config.HF_DATASETS_CACHE, "folders", folder_fingerprint(path)
            )  # or a card hides that files have changed
            return datasets.load_dataset(str(path), config, cache_dir=str(cache))
        saved = datasets.load_from_disk(str(path))
        return saved if isinstance(saved, DatasetDict) else DatasetDict({"train": saved})
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise RecipeError(f"dataset_name: cannot read {name!r}: {error.__cause__ or error}") from error


def folder_fingerprint(folder: Path) -> str:
    """A digest of the names, sizes and times of a folder's files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    told = " ".join(f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)
    return hashlib.sha256(f"{folder.resolve()} {told}".encode()).hexdigest()[:16]


def require_all_shards(folder: Path):
    """Stops if a data set that several processes have built, a shard each, lacks one."""
    names = (
        [path.stem.removeprefix("report-") for path in folder.glob("report-*-of-*.json")] if folder.is_dir() else []
    )
    for count in {name.rpartition("-")[2] for name in names}:
        missing = [name for i in range(int(count)) if (name := f"{i:05}-of-{count}") not in names]
        if missing:
            raise RecipeError(f"{folder}: not complete, build these shards: {', '.join(missing)}.")


def _load_completions(folder: Path) -> Dataset:
    """What `generate.py` wrote: a row a completion, with its prompt's columns. Read once, kept in the cache until a file changes."""
    features = Features.from_dict(read_manifests(folder)[0]["features"])
    features |= dict.fromkeys(("prompt_id", "completion", "finish_reason", "model"), Value("string"))
    features |= dict.fromkeys(("sample", "seed", "prompt_tokens", "completion_tokens"), Value("int64"))
    return Dataset.from_generator(
        _rows_of,
        features=Features(features),
        gen_kwargs={"folder": str(folder), "names": tuple(features), "state": folder_fingerprint(folder)},
    )


def _rows_of(folder: str, names: tuple[str, ...], state: str) -> Iterator[dict]:
    for row in read_completions(Path(folder)):
        yield {name: row.get(name) for name in names}


def _load_hub(name: str, config: str | None) -> DatasetDict:
    go_offline_if_unreachable()
    try:
        return datasets.load_dataset(name, config)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise RecipeError(
            f"dataset_name: cannot load {name!r}, which is no local file and could not be had from the Hub: {error}"
        ) from error
