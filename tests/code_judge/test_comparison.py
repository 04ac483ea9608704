"""Which outputs are accepted as equal to the expected one."""

import pytest

from open_r1.code_judge.comparison import same_output, same_result


OUTPUTS = [  # expected, output, tolerance, same
    ("3", "3\n", None, True),
    ("1 2\n3\n", "1 2 \r\n3\r\n\r\n", None, True),
    ("\n5", "5", None, True),  # Hugging Face's open-r1 rejects it
    ("\n5", "", None, False),  # Hugging Face's open-r1 accepts it
    ("1\n2\n3", "1", None, False),  # and this one too, since it compares with zip
    ("1\n2\n3", "1\n2\n3\n4", None, False),
    ("1 2 3", "1\n2\n3", None, False),
    ("1\n\n2", "1\n2", None, False),
    ("", "", None, True),
    ("", "\n", None, True),
    ("", "x", None, False),
    ("1  2", "1 2", None, True),
    ("1.0", "1", None, True),
    ("1e3", "1000", None, True),
    ("-0", "0", None, True),
    ("50000000000000001", "50000000000000000", None, False),  # equal as floats
    ("0.1", "0.10000000000000001", None, False),
    ("0101", "101", None, False),  # strings of digits rather than numbers
    ("0.5", ".5", None, True),
    (".5", "0.50", None, True),
    ("-0.5", "-.5", None, True),
    ("5", "+5", None, True),
    ("+0.5", ".5", None, True),
    ("5", "5.", None, True),
    ("1e+3", "+1000.0", None, True),
    ("0.5", ".51", None, False),
    ("5", "-5", None, False),
    ("-5", "+-5", None, False),
    ("5", "++5", None, False),
    ("5", "+05", None, False),
    ("5", "05", None, False),
    ("0", ".", None, False),
    ("0", "+", None, False),
    ("1.5", "1.5.", None, False),
    ("1000", "1_000", None, False),
    ("1000", "1,000", None, False),
    ("5", "\u0665", None, False),  # an Arabic digit
    ("0x5", "5", None, False),
    ("0.5", ".500001", 1e-3, True),
    ("8" * 6000, "8" * 6000, None, True),  # more digits than Python converts
    ("8" * 6000, "+" + "8" * 6000, None, True),
    ("8" * 6000, "8" * 5999 + "7", None, False),
    ("YES", "Yes", None, False),
    ("nan", "nan", None, True),
    ("1", "nan", 1.0, False),
    ("0.333333", "0.333334", 1e-5, True),
    ("0.333333", "0.3334", 1e-5, False),
    ("1000000", "1000001", 1e-5, True),  # relative
    ("abc", "abd", 1.0, False),
    ("1e9999", "1e9998", 1e-5, False),
    ("x\x00y", "x\x00y", None, True),
]


@pytest.mark.parametrize(("expected", "output", "tolerance", "same"), OUTPUTS)
def test_outputs(expected, output, tolerance, same):
    assert same_output(expected, output, tolerance) is same


RESULTS = [
    ("[1, 2]", "[1, 2]", None, True),
    ("[1, 2]", "[2, 1]", None, False),
    ("[1, 2]", "[1, 2, 3]", None, False),
    ("[1, 2]", "[1]", None, False),
    ("1", "1.0", None, True),
    ("1", "true", None, False),
    ("0", "false", None, False),
    ("0", "null", None, False),
    ('"1"', "1", None, False),
    ("null", "null", None, True),
    ('{"a": [1]}', '{"a": [1]}', None, True),
    ('{"a": [1]}', '{"a": [2]}', None, False),
    ('{"a": 1}', '{"a": 1, "b": 2}', None, False),
    ("50000000000000001", "50000000000000000", None, False),
    ("0.3", "0.30000000000000004", None, False),
    ("0.3", "0.30000000000000004", 1e-9, True),
    ("3", "", None, False),
    ("3", "3 3", None, False),
    ("3", "[" * 100_000, None, False),
    ("1", "NaN", 1.0, False),
    ("1e400", "1e400", None, True),
]


@pytest.mark.parametrize(("expected", "result", "tolerance", "same"), RESULTS)
def test_results(expected, result, tolerance, same):
    assert same_result(expected, result, tolerance) is same
