"""JSON and CSV files are read value by value as they are, whatever else is in a column."""

import bz2
import gzip
import json
import lzma

import pytest
from datasets import Features, Json, List, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from open_r1.configs import DatasetSpec
from open_r1.data import text_files
from open_r1.data.load import load_split
from open_r1.utils.errors import RecipeError


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5) | st.text(max_size=6)
SCALARS |= st.floats(allow_nan=False, allow_infinity=False)
SCALARS |= st.sampled_from(["007", "[1]", "null", "{}", '"x"', "1e5", "NaN"])
KEYS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=3)
VALUES = st.recursive(
    SCALARS, lambda items: st.lists(items, max_size=3) | st.dictionaries(KEYS, items, max_size=3), max_leaves=8
)


def read(path):
    return load_split(DatasetSpec(str(path)), seed=0)


def read_json(tmp_path, *lines):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return read(path)


def read_column(tmp_path, *values):
    """The values of a column, given as they are written in JSON."""
    return read_json(tmp_path, *(f'{{"a": {value}}}' for value in values))["a"][:]


@pytest.mark.parametrize(
    "values",
    [
        ['"007"', "7", '"1.50"', '"true"', '"null"', '"1e5"', '"NaN"'],
        ['"[1, 2]"', "[1, 2]", '"{}"', "{}", '"\\"quoted\\""', '"a\\nb"'],
        ["1", "2.5", "3.0", "true", "false", "null"],
        ['"2024-01-31"', '"2024-02-01 10:00:00"'],
        ["[3]", "[1.5]", "[[]]"],
        ['{"x": 1}', '{"x": 1, "y": null}', '{"x": [1.0]}'],
        ['[{"c": "4"}]', '[{"c": [{"type": "text", "text": "4"}]}]', '[{"c": "[1]"}]'],
        ["9007199254740993", "9223372036854775807", "-9223372036854775808"],
        ["0.1", "1e-7", "123456.789012345"],
        ['"日本"', '"𝔸"', '"</think>"'],
        ["{}", "{}"],
        ["null", "null"],
        ["[]", "[]"],
    ],
    ids=str,
)
def test_values_are_those_of_the_file(tmp_path, values):
    expected = [json.loads(value) for value in values]
    result = read_column(tmp_path, *values)
    assert result == expected and [type(value) for value in result] == [type(value) for value in expected]


def test_one_type_makes_a_typed_column(tmp_path):
    row = {"s": "x", "i": 1, "f": 1.5, "b": True, "m": [{"role": "user", "content": "x"}], "n": None, "x": 1}
    rows = read_json(tmp_path, json.dumps(row), json.dumps(row | {"x": "1"}))
    assert rows.features == Features(
        {
            "s": Value("string"),
            "i": Value("int64"),
            "f": Value("float64"),
            "b": Value("bool"),
            "m": List({"role": Value("string"), "content": Value("string")}),
            "n": Value("null"),
            "x": Json(),
        }
    )


def test_an_odd_row_at_the_end_of_a_large_file_changes_no_other(tmp_path):
    """The reader of `datasets` decides types by the first 10 MB, and rewrites all texts of a block with another."""
    rows = [{"a": r"\frac{1}{2} 007", "pad": "x" * 3000}] * 5000
    for odd in ("4", "[1]", '{"b": 1}', "null"):
        values = read_json(tmp_path, *map(json.dumps, rows), f'{{"a": {odd}}}')["a"][:]
        assert set(values[:-1]) == {r"\frac{1}{2} 007"} and values[-1] == json.loads(odd)


@pytest.mark.parametrize(
    "number, text",
    [
        ("12345678901234567890123", "12345678901234567890123"),
        ("9223372036854775808", "9223372036854775808"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("1e400", "1e400"),
        ("1e-400", "1e-400"),
        ("9" * 5000, "9" * 5000),
        ("[1, 12345678901234567890123]", "[1, 12345678901234567890123]"),
        ('{"x": 0.1234567890123456789}', '{"x": 0.1234567890123456789}'),
    ],
)
def test_numbers_that_are_too_long_become_text(tmp_path, number, text):
    assert read_column(tmp_path, number, number) == [text, text]
    assert read_column(tmp_path, number, "1")[0] == text


def test_rows_may_lack_columns(tmp_path):
    rows = read_json(tmp_path, '{"a": 1}', "", '{"b": "x"}', '{"a": 2, "c": []}')
    assert rows.to_list() == [
        {"a": 1, "b": None, "c": None},
        {"a": None, "b": "x", "c": None},
        {"a": 2, "b": None, "c": []},
    ]


def test_list_of_rows_and_byte_order_mark(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"a": "007"}, {"a": "x"}], indent=1), encoding="utf-8-sig")
    assert read(path)["a"][:] == ["007", "x"]
    (tmp_path / "rows.jsonl").write_text('{"a": "007"}\r\n{"a": "x"}\r\n', encoding="utf-8-sig")
    assert read(tmp_path / "rows.jsonl")["a"][:] == ["007", "x"]


@pytest.mark.parametrize(
    "cells, values",
    [
        (["00501", "1"], ["00501", "1"]),
        (["1.50", "2"], ["1.50", "2"]),
        (["5", "", "-3"], [5, None, -3]),
        (["0.5", "2.25"], [0.5, 2.25]),
        (["9007199254740993", ""], [9007199254740993, None]),
        (["12345678901234567890123"], ["12345678901234567890123"]),
        (["0.12345678901234567890123"], ["0.12345678901234567890123"]),
        (["NA", "None", "nan", "x"], ["NA", "None", "nan", "x"]),
        (["TRUE", "False"], ["TRUE", "False"]),
        (["1e5", "+5", "1_000", " 7"], ["1e5", "+5", "1_000", " 7"]),
        (['"a, ""b""\nc"', "2024-01-31"], ['a, "b"\nc', "2024-01-31"]),
    ],
    ids=str,
)
def test_cells_of_csv(tmp_path, cells, values):
    path = tmp_path / "rows.csv"
    path.write_text("id,a\n" + "".join(f"x,{cell}\n" for cell in cells))
    assert read(path)["a"][:] == values


@pytest.mark.parametrize(
    "name, content, says",
    [
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("a.jsonl", '{"a": 1}\n5\n', "line 2: found int; expected a row"),
        ("a.json", '[{"a": 1}, [1]]', "item 2: found list; expected a row"),
        ("a.json", '[{"a": 1}', "cannot read"),
        ("a.jsonl", '{"a": "\\ud83d"}\n', "the column 'a' has text that is not valid Unicode"),
        ("a.csv", "a,b\n1,2\n1\n", "line 3 has 1 cells; expected 2"),
        ("a.csv", "a,a\n1,2\n", "the column 'a' occurs twice"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "\n\n", "has no rows"),
        ("a.csv", "\ufeff", "has no rows"),
        ("a.jsonl", '{"a": ' + "[" * 900 + "]" * 900 + "}\n", "nested too deeply"),
        ("a.json", "[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("a.jsonl", '{"a": {"\\ud83d": 1}}\n', "not valid Unicode"),
        ("a.jsonl", '{"a\\u0000": 1}\n', "null character"),
        ("a.jsonl.gz", '{"a": 1}\n', "[Nn]ot a gzipped file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(RecipeError, match=f"dataset_name: .*{says}"):
        read(tmp_path / name)


def test_files_of_a_folder_are_read_together_and_splits_apart(tmp_path):
    (tmp_path / "train-0.jsonl").write_text('{"a": "007"}\n')
    (tmp_path / "train-1.jsonl").write_text('{"a": 7}\n')
    (tmp_path / "test.jsonl").write_text('{"a": [1]}\n')
    assert load_split(DatasetSpec(str(tmp_path)), seed=0)["a"][:] == ["007", 7]
    assert load_split(DatasetSpec(str(tmp_path), split="test"), seed=0)["a"][:] == [[1]]


def test_folder_with_an_empty_file(tmp_path):
    (tmp_path / "train.csv").touch()
    with pytest.raises(RecipeError, match="^dataset_name: '.*train.csv' has no rows"):
        read(tmp_path)


def test_blank_lines_of_csv_are_left_out(tmp_path):
    (tmp_path / "rows.csv").write_text("\na,b\n\n1,2\n")
    assert read(tmp_path / "rows.csv")[:] == {"a": [1], "b": [2]}


@pytest.mark.parametrize("compress, suffix", [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")])
def test_compressed_files(tmp_path, compress, suffix):
    path = tmp_path / f"train.jsonl.{suffix}"
    path.write_bytes(compress(b'{"a": "007"}\n{"a": 7}\n'))
    assert read(path)["a"][:] == read(tmp_path)["a"][:] == ["007", 7]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecipeError, match="dataset_name: cannot read"):
        read(path)


def test_files_of_a_folder_may_be_json_and_json_lines(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"a": "007"}\n{"a": 12345678901234567890123}\n')
    (tmp_path / "test.json").write_text('[{"a": 1}]')
    assert read(tmp_path)["a"][:] == ["007", "12345678901234567890123"]


@pytest.mark.parametrize(
    "name, content, option", [("a.csv", "x;y\n1;2\n", "sep: ';'"), ("a.json", '{"d": [{"x": 1, "y": 2}]}', "field: d")]
)
def test_card_that_says_how_to_read(tmp_path, name, content, option):
    (tmp_path / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files: {name}\n  {option}\n---\n"
    )
    (tmp_path / name).write_text(content)
    assert read(tmp_path)[:] == {"x": [1], "y": [2]}


def test_changed_files_are_read_again_and_others_from_the_cache(tmp_path, monkeypatch):
    assert read_column(tmp_path, "1") == [1]
    monkeypatch.setattr(text_files, "_write_arrow_file", lambda *_: pytest.fail("read again"))
    assert read(tmp_path / "rows.jsonl")["a"][:] == [1]
    monkeypatch.undo()
    assert read_column(tmp_path, "1", "2") == [1, 2]


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b c", "", "é"]), VALUES, min_size=1), min_size=1, max_size=5))
def test_any_json(tmp_path, rows):
    """A value that the parser of `datasets` cannot hold comes as JSON text."""
    columns = set().union(*rows)
    for row, result in zip(rows, read_json(tmp_path, *map(json.dumps, rows)), strict=True):
        for name in columns:
            value = result[name]
            if json.dumps(value) != json.dumps(row.get(name)):
                value = json.loads(value)
            assert json.dumps(value) == json.dumps(row.get(name))
