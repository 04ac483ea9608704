"""Goes over all rows of a data set, and names the first one that cannot be used."""

from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset, Features
from datasets.utils import tqdm as progress_bar

from open_r1.utils.errors import RecipeError


class InvalidRow(ValueError):
    """A row that cannot be used. The message says why; `convert_rows` adds which row it is."""

    index: int | None = None


def convert_rows(
    dataset: Dataset,
    convert: Callable[[dict], dict],
    key: str,
    remove_columns: Sequence[str] = (),
    features: Features | None = None,
    num_proc: int | None = None,
    description: str | None = None,
) -> Dataset:
    """Applies a function to every row.

    Args:
        dataset (`Dataset`): The rows.
        convert (`Callable`): Takes a row and returns its new columns; raises `InvalidRow` if it cannot.
        key (`str`): The recipe's key that chooses what is read, for the error message.
        remove_columns (`Sequence[str]`, *optional*): Columns to drop.
        features (`Features`, *optional*): Types of all resulting columns; by default those of the first rows.
        num_proc (`int`, *optional*): Number of processes.
        description (`str`, *optional*): Text of the progress bar.

    Raises:
        RecipeError: If a row cannot be used, with its number.
    """

    def convert_row(row: dict, index: int) -> dict:
        try:
            return convert(row)
        except InvalidRow as error:
            error.index = index
            raise

    try:
        return dataset.map(
            convert_row,
            with_indices=True,
            remove_columns=list(remove_columns),
            features=features,
            num_proc=num_proc,
            desc=description,
        )
    except InvalidRow as error:
        raise RecipeError(f"{key}: {describe_row(dataset, error.index)}: {error}.") from error


def check_rows(dataset: Dataset, check: Callable[[dict], Any], key: str) -> None:
    """Calls a function with every row, to see that none of them is refused; shows a progress bar.

    Args:
        dataset (`Dataset`): The rows.
        check (`Callable`): Takes a row and raises `InvalidRow` if it cannot be used. What it returns is ignored.
        key (`str`): The recipe's key that chooses what is read, for the error message.

    Raises:
        RecipeError: If a row cannot be used, with its number.
    """
    for index, row in enumerate(progress_bar(dataset, desc="Checking rows")):
        try:
            check(row)
        except InvalidRow as error:
            raise RecipeError(f"{key}: {describe_row(dataset, index)}: {error}.") from error


def describe_row(dataset: Dataset, index: int) -> str:
    """Which row of the loaded data set a row is, counted from 1, even if some rows were selected since.

    >>> describe_row(Dataset.from_dict({"a": [10, 20, 30]}).select([2, 0]), 0)
    'row 3 of 3'
    """
    selected = dataset._indices  # `datasets` has no public name for it
    if selected is not None:
        index = selected.column(0)[index].as_py()
    return f"row {index + 1} of {dataset.data.num_rows}"
