"""A run whose rows cannot be tokenized in time is stopped before it starts."""

from types import SimpleNamespace

import pytest

from open_r1.training.tokenizing_time import check_tokenizing_time
from open_r1.utils.errors import RecipeError


ALL = 800_000, [6_000, 6_800]  # rows and tokens of the distilled models' data set


def options(world_size: int = 8, dataset_num_proc: int | None = None, ddp_timeout: int = 1800) -> SimpleNamespace:
    return SimpleNamespace(world_size=world_size, dataset_num_proc=dataset_num_proc, ddp_timeout=ddp_timeout)


def test_tokenizing_that_outlives_the_other_processes_is_an_error():
    with pytest.raises(
        RecipeError, match="may take 24,576 s, and the other processes of the run wait for 1,800 s"
    ) as e:
        check_tokenizing_time(*ALL, options())
    assert "`dataset_num_proc: 14` or more" in str(e.value)


@pytest.mark.parametrize(
    ("enough", "too_little"),
    [
        ({"dataset_num_proc": 14}, {"dataset_num_proc": 13}),
        ({"ddp_timeout": 24_576}, {"ddp_timeout": 24_575}),
        ({"world_size": 1}, {"world_size": 2}),
        ({"rows": 58_000}, {"rows": 59_000}),
    ],
)
def test_tokenizing_is_fast_enough_with_little_more(enough, too_little):
    assert not is_refused(**enough)
    assert is_refused(**too_little)


def is_refused(rows: int = 800_000, **changes: int) -> bool:
    try:
        check_tokenizing_time(rows, ALL[1], options(**changes))
    except RecipeError:
        return True
    return False
