"""The scores of a data set of completions: what `python -m open_r1.rewards`, data builders and evaluation call."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from datasets import Dataset
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from open_r1.rewards.checks import check_columns
from open_r1.rewards.composition import Composition, Scores
from open_r1.utils.errors import RecipeError


BATCH_SIZE = 512  # completions; within a batch, rewards overlap and each distinct answer is graded once
TRAINER_NAMES = {"prompt": "prompts"}  # columns that TRL passes to rewards under another name


class MeanScore(NamedTuple):
    """The mean of one reward over the completions of one domain.

    Args:
        domain (`str`): Value of the domain column, or `"all"`.
        reward (`str`): Name of the reward.
        completions (`int`): Completions that the reward applies to.
        mean (`float`, *optional*): Mean over the completions that were judged; `None` if there are none.
        unjudged (`int`): Completions that could not be judged.
    """

    domain: str
    reward: str
    completions: int
    mean: float | None
    unjudged: int


def score_dataset(
    dataset: Dataset,
    rewards: Composition,
    completion_column: str = "completion",
    progress: bool = True,
) -> Dataset:
    """Adds a column `rewards/<name>` per reward, as TRL names its metrics, and their weighted sum as `reward`.

    Args:
        dataset (`Dataset`): Completions, as text or messages, and the columns that the rewards need.
        rewards (`Composition`): The rewards.
        completion_column (`str`, *optional*, defaults to `"completion"`): Column that holds the completions.
        progress (`bool`, *optional*, defaults to `True`): Whether to show a progress bar.

    Returns:
        `Dataset`: The data set with the new columns; columns of the same names are replaced.

    Raises:
        RecipeError: If a reward needs a column that the data set does not have.
    """
    check_scorable(dataset.column_names, rewards)
    new_columns: dict[str, Scores] = defaultdict(list)
    for batch in _batches(dataset, progress):
        completions = batch.pop(completion_column)
        columns = {}
        for name, values in batch.items():
            columns[TRAINER_NAMES.get(name, name)] = values
        scores = rewards.score(completions, **columns)
        for reward, column in zip(rewards.rewards, scores, strict=True):
            new_columns[f"rewards/{reward.label}"] += column
        for row in zip(*scores, strict=True):
            new_columns["reward"].append(_weighted_sum(row, rewards))
    return _with_columns(dataset, new_columns)


def check_scorable(columns: list[str], rewards: Composition) -> None:
    """Stops if a data set lacks a column that a reward needs, or something that only a trainer passes to rewards.

    Args:
        columns (`list[str]`): Columns of the data set.
        rewards (`Composition`): The rewards.

    Raises:
        RecipeError: Naming the reward and the column.
    """
    check_columns(rewards.rewards, columns)
    available = {TRAINER_NAMES.get(name, name) for name in columns}
    for reward in rewards.rewards:
        missing = reward.trainer_columns - available
        if missing:
            raise RecipeError(
                f"reward {reward.label!r} needs {min(missing)!r}, which trainers pass to it, but the data set has no "
                "such column."
            )


def copy_scores(scored: Dataset, dataset: Dataset) -> Dataset:
    """Adds the scores of one data set to another with the same rows, such as the user's own with its own column names.

    Args:
        scored (`Dataset`): What `score_dataset` returned.
        dataset (`Dataset`): The same rows.
    """
    columns = {}
    for name in scored.column_names:
        if name == "reward" or name.startswith("rewards/"):
            columns[name] = list(scored[name])
    return _with_columns(dataset, columns)


def mean_scores(
    scored: Dataset,
    rewards: Composition,
    domain_column: str = "domain",
) -> list[MeanScore]:
    """The mean of each reward over all completions, and then by domain.

    Args:
        scored (`Dataset`): What `score_dataset` returned.
        rewards (`Composition`): The rewards that it was scored with.
        domain_column (`str`, *optional*, defaults to `"domain"`): Column of the domains, if there is one.
    """
    means = []
    for reward in rewards.rewards:
        scores = list(scored[f"rewards/{reward.label}"])
        means.append(_mean_score("all", reward.label, scores))
        if domain_column not in scored.column_names:
            continue
        by_domain: dict[str, Scores] = defaultdict(list)
        for domain, score in zip(scored[domain_column], scores, strict=True):
            if domain and (not reward.spec.domain or domain in reward.spec.domain):
                by_domain[str(domain)].append(score)
        for domain, values in by_domain.items():
            means.append(_mean_score(domain, reward.label, values))
    return means


def _batches(dataset: Dataset, progress: bool) -> Iterator[dict[str, list]]:
    """The rows of a data set in batches, with a progress bar."""
    bar = Progress(
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
        disable=not progress,
    )
    with bar:
        task = bar.add_task("", total=len(dataset))
        for start in range(0, len(dataset), BATCH_SIZE):
            yield dataset[start : start + BATCH_SIZE]
            bar.update(task, completed=min(start + BATCH_SIZE, len(dataset)))


def _with_columns(dataset: Dataset, columns: dict[str, Scores]) -> Dataset:
    """A data set with new columns, which replace those of the same names."""
    for name, values in columns.items():
        if name in dataset.column_names:
            dataset = dataset.remove_columns(name)
        dataset = dataset.add_column(name, values)
    return dataset


def _mean_score(
    domain: str,
    reward: str,
    scores: Scores,
) -> MeanScore:
    judged = [score for score in scores if score is not None]
    mean = None
    if judged:
        mean = sum(judged) / len(judged)
    return MeanScore(domain, reward, len(scores), mean, len(scores) - len(judged))


def _weighted_sum(scores: tuple[float | None, ...], rewards: Composition) -> float | None:
    """The sum that GRPO maximises; `None` if no reward could judge the completion."""
    total = None
    for score, reward in zip(scores, rewards.rewards, strict=True):
        if score is not None:
            total = (total or 0.0) + score * reward.spec.weight
    return total
