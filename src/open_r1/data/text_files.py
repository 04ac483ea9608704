"""Reads JSON and CSV files so that each value is the one in the file.

The readers of `datasets` choose the types of columns by the beginning of a file, and convert what comes later or does
not fit: of the texts in a column with a single number among them, `"007"` becomes 7; large integers lose digits, and
dates become points in time. Prompts, gold answers and test cases have to stay as they are. Hence all rows are read
first to find the type of each column, and again to write them to the cache of `datasets`, as an Arrow file.

Values of one type make a column of that type. A column in which types differ is stored as JSON, value by value. What a
64-bit number cannot hold exactly becomes text. In CSV files, a column is one of numbers if all of its cells are
written as Python writes numbers, and one of text otherwise; an empty cell is null.
"""

import bz2
import csv
import gzip
import json
import lzma
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import datasets
import pyarrow as pa
from datasets import Dataset, Features, Json, List, Value
from datasets.arrow_writer import ArrowWriter
from datasets.utils import tqdm as progress_bar
from datasets.utils.json import ujson_loads

from open_r1.utils.digests import hash_texts
from open_r1.utils.errors import RecipeError


FORMATS = {".jsonl": "json", ".json": "json", ".csv": "csv"}
OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # by the suffix after that of the format
CACHE_VERSION = "1"  # changes with what is written to the cache
BATCH_SIZE = 1000  # rows
INT64 = range(-(2**63), 2**63)
SHORT_NUMBER = 17  # characters; shorter numbers without an exponent never lose digits
INTEGER = re.compile(r"-?(?:0|[1-9]\d*)")
MIXED = "mixed"  # the type of a column that is stored as JSON

# The type of a column: None (only nulls so far), a name of `Value`, MIXED, [type of the items], or types by key.
ColumnType = Any


def text_format(path: Path) -> str | None:
    """The format of a file that is read here, `json` or `csv`; `None` for other files.

    >>> text_format(Path("train.jsonl")), text_format(Path("train.csv.gz")), text_format(Path("train.parquet"))
    ('json', 'csv', None)
    """
    suffix = path.suffix
    if suffix in OPENERS:
        suffix = Path(path.stem).suffix
    return FORMATS.get(suffix)


def load_text_files(paths: list[Path]) -> Dataset:
    """Loads JSON or CSV files as one data set; from the cache, unless one of them has changed.

    Args:
        paths (`list[Path]`): The files, all of one format, whose rows follow one another.

    Raises:
        RecipeError: If a file cannot be read, with the line.
    """
    descriptions = [CACHE_VERSION]
    for path in paths:
        status = path.stat()
        descriptions.append(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")
    cache = Path(datasets.config.HF_DATASETS_CACHE, "text_files", f"{hash_texts(descriptions)}.arrow")
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_suffix(f".{os.getpid()}")  # other processes may write the same
        try:
            _write_arrow_file(paths, part)
            os.replace(part, cache)
        except RecursionError as error:
            raise RecipeError(f"dataset_name: cannot read {_names(paths)}: a value is nested too deeply.") from error
        finally:
            part.unlink(missing_ok=True)
    return Dataset.from_file(str(cache))


def _names(paths: list[Path]) -> str:
    return ", ".join(f"'{path}'" for path in paths)


def _write_arrow_file(paths: list[Path], target: Path) -> None:
    is_csv = text_format(paths[0]) == "csv"
    types: dict[str, ColumnType] = {}
    for row in _read_files(paths, "Finding types"):
        for name, value in row.items():
            known = types.get(name)
            if is_csv:
                types[name] = _merge_cells(known, value)
            else:
                types[name] = _merge(known, _type_of(value))
    if not types:
        raise RecipeError(f"dataset_name: {_names(paths)} has no rows.")
    _check_names(types)
    features = Features({name: _to_feature(column_type) for name, column_type in types.items()})
    with ArrowWriter(path=str(target), features=features) as writer:
        for batch in _in_batches(_read_files(paths, "Reading rows")):
            columns = {}
            for name, column_type in types.items():
                values = [_convert(row.get(name), column_type, is_csv) for row in batch]
                columns[name] = _to_array(values, column_type, name)
            writer.write_table(pa.table(columns))
        writer.finalize()


def _read_files(paths: list[Path], description: str) -> Iterator[dict[str, Any]]:
    """The rows of all files, with a progress bar in a terminal."""
    for path in paths:
        read = _read_csv if text_format(path) == "csv" else _read_json
        rows = progress_bar(read(path), desc=f"{description} of {path.name}", disable=not sys.stderr.isatty())
        try:
            yield from rows
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:  # a compressed file that is damaged
            raise RecipeError(f"dataset_name: cannot read '{path}': {error}.") from error


def _open(path: Path) -> TextIO:
    """Opens a file as text, decompressed, with its line breaks as they are."""
    open_file = OPENERS.get(path.suffix, open)
    return open_file(path, "rt", encoding="utf-8-sig", newline="")


def _in_batches(rows: Iterable[dict]) -> Iterator[list[dict]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_SIZE:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_json(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON lines, or of one with a list of objects."""
    with _open(path) as file:
        try:
            beginning = file.read(1000)
            file.seek(0)
            if beginning.lstrip().startswith("["):
                for number, value in enumerate(_parse(file.read()), start=1):
                    yield _to_row(value, path, f"item {number}")
                return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _to_row(_parse_line(line, path, number), path, f"line {number}")
        except UnicodeDecodeError as error:
            raise RecipeError(f"dataset_name: cannot read '{path}': it is not UTF-8 ({error}).") from error
        except ValueError as error:
            if isinstance(error, RecipeError):
                raise
            raise RecipeError(f"dataset_name: cannot read '{path}': {error}.") from error


def _parse_line(line: str, path: Path, number: int) -> Any:
    try:
        return _parse(line)
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            f"dataset_name: cannot read '{path}': line {number} is not JSON ({error}). Expected one row per line, or "
            "a list of rows."
        ) from error


def _to_row(value: Any, path: Path, position: str) -> dict[str, Any]:
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise RecipeError(
            f"dataset_name: cannot read '{path}': {position}: found {type(value).__name__}; expected a row, with its "
            "values by column."
        )
    return {name: _without_inexact_numbers(item) for name, item in value.items()}


class InexactNumber(str):
    """A number as it is written in a file, which no 64-bit number equals."""


def _parse(text: str) -> Any:
    return json.loads(text, parse_int=_parse_integer, parse_float=_parse_float, parse_constant=float)


def _parse_integer(text: str) -> int | InexactNumber:
    if len(text) < SHORT_NUMBER:
        return int(text)
    if len(text) > 20 or int(text) not in INT64:
        return InexactNumber(text)
    return int(text)


def _parse_float(text: str) -> float | InexactNumber:
    number = float(text)
    is_short = len(text) < SHORT_NUMBER and "e" not in text.lower()
    if is_short or Decimal(repr(number)) == Decimal(text):
        return number
    return InexactNumber(text)


def _without_inexact_numbers(value: Any) -> Any:
    """Such a number as text; a list or an object that has one as JSON text, which keeps it a number."""
    if isinstance(value, InexactNumber):
        return str(value)
    if isinstance(value, dict | list) and _has_inexact_number(value):
        return _dump(value)
    return value


def _has_inexact_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_inexact_number(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_inexact_number(item) for item in value)
    return isinstance(value, InexactNumber)


def _dump(value: Any) -> str:
    """JSON text in which inexact numbers are written as they were."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_dump(item) for item in value) + "]"
    if isinstance(value, InexactNumber):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _read_csv(path: Path) -> Iterator[dict[str, str | None]]:
    """The rows of a CSV file, all cells as text."""
    csv.field_size_limit(sys.maxsize)
    with _open(path) as file:
        reader = csv.reader(file)
        try:
            rows = (cells for cells in reader if cells)  # blank lines have none
            names = next(rows, [])
            _require_unique(names, path)
            for cells in rows:
                if len(cells) != len(names):
                    raise RecipeError(
                        f"dataset_name: cannot read '{path}': line {reader.line_num} has {len(cells)} cells; expected "
                        f"{len(names)}, as in the first line."
                    )
                yield {name: cell or None for name, cell in zip(names, cells, strict=True)}
        except (UnicodeDecodeError, csv.Error) as error:
            raise RecipeError(f"dataset_name: cannot read '{path}': {error}.") from error


def _check_names(types: ColumnType) -> None:
    """Stops at a name of a column, or of a key in it, that Arrow cannot store."""
    if isinstance(types, list):
        _check_names(types[0])
    if not isinstance(types, dict):
        return
    for name, inner_types in types.items():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise RecipeError(f"dataset_name: the name {name!r} is not valid Unicode: {error}.") from error
        if "\0" in name:
            raise RecipeError(f"dataset_name: the name {name!r} has a null character; remove it.")
        _check_names(inner_types)


def _require_unique(names: list[str], path: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"dataset_name: cannot read '{path}': the column {name!r} occurs twice.")


def _type_of(value: Any) -> ColumnType:
    if value is None:
        return None
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, list):
        item_type = None
        for item in value:
            item_type = _merge(item_type, _type_of(item))
        return _list_of(item_type)
    return _object_of({key: _type_of(item) for key, item in value.items()})


def _list_of(item_type: ColumnType) -> ColumnType:
    return MIXED if item_type == MIXED else [item_type]


def _object_of(types: dict[str, ColumnType]) -> ColumnType:
    """The type of objects; Arrow has none without keys."""
    if not types or MIXED in types.values():
        return MIXED
    return types


def _merge(first: ColumnType, second: ColumnType) -> ColumnType:
    """The type that holds the values of two types exactly."""
    if first is None or first == second:
        return second
    if second is None:
        return first
    if isinstance(first, list) and isinstance(second, list):
        return _list_of(_merge(first[0], second[0]))
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return _object_of({key: _merge(first[key], second[key]) for key in first})
    return MIXED


def _merge_cells(known: ColumnType, cell: str | None) -> ColumnType:
    """The type of a CSV column, given that of the cells before."""
    if cell is None:
        return known
    cell_type = "string"
    if INTEGER.fullmatch(cell) and len(cell) < SHORT_NUMBER:
        cell_type = "int64"
    elif cell[-1].isdigit() and _is_written_as_float(cell):
        cell_type = "float64"
    if known in (None, cell_type):
        return cell_type
    return "string"


def _is_written_as_float(cell: str) -> bool:
    try:
        return repr(float(cell)) == cell
    except ValueError:
        return False


def _to_feature(column_type: ColumnType) -> Any:
    if column_type is None:
        return Value("null")
    if column_type == MIXED:
        return Json()
    if isinstance(column_type, list):
        return List(_to_feature(column_type[0]))
    if isinstance(column_type, dict):
        return {key: _to_feature(item_type) for key, item_type in column_type.items()}
    return Value(column_type)


def _convert(value: Any, column_type: ColumnType, is_csv: bool) -> Any:
    """A value as Arrow stores it."""
    if value is None:
        return None
    if is_csv:
        converters = {"int64": int, "float64": float, "string": str}
        return converters[column_type](value)
    if column_type == MIXED:
        return to_json(value)
    if isinstance(column_type, list):
        return [_convert(item, column_type[0], is_csv) for item in value]
    if isinstance(column_type, dict):
        return {key: _convert(value[key], item_type, is_csv) for key, item_type in column_type.items()}
    return value


def to_json(value: Any) -> str:
    """JSON text that `datasets` reads as the value, or, if its parser changes a number, as the value's JSON text."""
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return text
    try:
        is_exact = ujson_loads(text) == value
    except ValueError:
        is_exact = False
    if not is_exact:
        return json.dumps(text, ensure_ascii=False)
    return text


def _to_array(values: list, column_type: ColumnType, name: str) -> pa.Array:
    try:
        return pa.array(values, type=_to_arrow_type(column_type))
    except UnicodeEncodeError as error:
        raise RecipeError(
            f"dataset_name: the column {name!r} has text that is not valid Unicode, half of a surrogate pair: {error}."
        ) from error


def _to_arrow_type(column_type: ColumnType) -> pa.DataType:
    """The type in which values are handed to `datasets`, which takes JSON as text."""
    if column_type is None:
        return pa.null()
    if column_type == MIXED:
        return pa.string()
    if isinstance(column_type, list):
        return pa.list_(_to_arrow_type(column_type[0]))
    if isinstance(column_type, dict):
        return pa.struct({key: _to_arrow_type(item_type) for key, item_type in column_type.items()})
    return pa.type_for_alias(column_type)
