"""Finding slips that the model notices and corrects, without false positives."""

import pytest

from open_r1.evals.reflection import find_repair


@pytest.mark.parametrize(
    "text",
    [
        "10*100=1,000. Let me check: 10*100=1000",
        "2+3=5, check 2+3=5.0",
        "7/2=7/2 but 7/2=3.5",
        "3*7=21 wait 3*8=24",
        "3*7=21 so 3*7=22",
    ],
)
def test_equal_values_other_products_and_changes_without_doubt_are_not_repairs(text):
    assert find_repair(text) is None


@pytest.mark.parametrize("text", ["2*600=1,100. Wait, 2*600=1,200", "1/3=0.3, but 1/3=1/3", "4+4=9，等等，4+4=8"])
def test_repairs(text):
    assert find_repair(text) is not None
