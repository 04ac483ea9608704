"""Scores a data set of completions, for `python -m open_r1.rewards`, the data builders and evaluation."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from datasets import Dataset, Features, Value
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from open_r1.data.conversations import conversation_type, is_conversation, read_completion, read_text_or_messages
from open_r1.data.rows import convert_rows
from open_r1.rewards.checks import check_columns, unusable_reason
from open_r1.rewards.composition import Composition
from open_r1.rewards.registry import FROM_TRAINER
from open_r1.rewards.scores import Scores
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import prompt_messages


BATCH_SIZE = 512  # completions; within a batch, rewards run in parallel and each distinct answer is graded once
TRAINER_NAMES = {"prompt": "prompts"}  # columns that TRL passes to rewards under a different name
# Columns that rewards do not get: a trainer gives these names to other things than columns.
RESERVED = (FROM_TRAINER | {"self"}) - {"prompts", "completion_ids"}


class MeanScore(NamedTuple):
    """The mean of one reward over the completions of one domain.

    Args:
        domain (`str`): Value of the domain column, or `"all"`.
        reward (`str`): Name of the reward.
        completions (`int`): Number of completions, including those that could not be judged.
        mean (`float`, *optional*): Mean over the judged completions; `None` if there are none.
        unjudged (`int`): Number of completions that could not be judged.
    """

    domain: str
    reward: str
    completions: int
    mean: float | None
    unjudged: int


def read_completions(rows: Dataset) -> Dataset:
    """Completions as text, and prompts as text or messages; those that are null stay null.

    Args:
        rows (`Dataset`): A column `completion`, and perhaps `prompt`.

    Raises:
        RecipeError: If a row has anything else, such as several completions.
    """
    types = rows.features | {"completion": Value("string")}
    has_prompts = "prompt" in rows.column_names
    has_messages = has_prompts and any(is_conversation(prompt) for prompt in rows["prompt"])
    if has_messages:
        types["prompt"] = conversation_type(rows, "prompt")

    def read(row: dict) -> dict:
        new_columns = {"completion": read_completion(row["completion"])}
        if has_prompts and row["prompt"] is not None:
            prompt = read_text_or_messages(row["prompt"], "prompt")
            if has_messages:
                prompt = prompt_messages(prompt)
            new_columns["prompt"] = prompt
        return new_columns

    return convert_rows(
        rows, read, "dataset_completion_column", features=Features(types), description="Reading completions"
    )


def score_dataset(
    dataset: Dataset,
    rewards: Composition,
    completion_column: str = "completion",
    progress: bool = True,
) -> Dataset:
    """Adds a column `rewards/<name>` per reward, named like TRL's metrics, and their weighted sum as `reward`.

    Args:
        dataset (`Dataset`): Completions, as text or messages, and the columns that the rewards need.
        rewards (`Composition`): The rewards.
        completion_column (`str`, *optional*, defaults to `"completion"`): Column of the completions.
        progress (`bool`, *optional*, defaults to `True`): Whether to show a progress bar.

    Returns:
        `Dataset`: The data set with the new columns. Existing columns with the same names are replaced.

    Raises:
        RecipeError: If a reward needs a column that the data set does not have, or raises an exception in each call.
    """
    check_scorable(dataset.column_names, rewards)
    new_columns: dict[str, Scores] = defaultdict(list)
    for batch in _batches(dataset, progress):
        completions = batch.pop(completion_column)
        scores = rewards.score(completions, **_columns_as_in_training(batch))
        for reward, column in zip(rewards.rewards, scores, strict=True):
            new_columns[f"rewards/{reward.label}"] += column
        for row in zip(*scores, strict=True):
            new_columns["reward"].append(_weighted_sum(row, rewards))
    rewards.require_working()
    return _with_columns(dataset, new_columns)


def check_scorable(columns: list[str], rewards: Composition) -> None:
    """Checks that a data set has everything the rewards need, including arguments that a trainer would pass.

    Args:
        columns (`list[str]`): Columns of the data set.
        rewards (`Composition`): The rewards.

    Raises:
        RecipeError: If a column is missing.
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
    """Copies the score columns to another data set with the same rows, such as the user's with its own column names.

    Args:
        scored (`Dataset`): Return value of `score_dataset`.
        dataset (`Dataset`): A data set with the same rows.
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
    """The mean of each reward over all completions, and by domain.

    Args:
        scored (`Dataset`): Return value of `score_dataset`.
        rewards (`Composition`): The rewards used for scoring.
        domain_column (`str`, *optional*, defaults to `"domain"`): Column of the domains. It may be missing.
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


def unjudged_reasons(
    scored: Dataset,
    rewards: Composition,
    completion_column: str = "completion",
) -> Counter[tuple[str, str]]:
    """Why completions could not be judged.

    Args:
        scored (`Dataset`): Return value of `score_dataset`.
        rewards (`Composition`): The rewards used for scoring.
        completion_column (`str`, *optional*, defaults to `"completion"`): Column of the completions.

    Returns:
        `Counter[tuple[str, str]]`: The number of completions for each pair of a reward and a reason.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for reward in rewards.rewards:
        scores = scored[f"rewards/{reward.label}"]
        for number, score in enumerate(scores):
            if score is not None:
                continue
            row = scored[number]
            if reward.spec.domain and row["domain"] not in reward.spec.domain:
                continue
            reason = "there is no completion"
            if row[completion_column] is not None:
                reason = unusable_reason(reward, row)
            if reason is not None:
                counts[reward.label, reason] += 1
    return counts


def _batches(dataset: Dataset, progress: bool) -> Iterator[dict[str, list]]:
    """Iterates over a data set in batches, with a progress bar."""
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


def _columns_as_in_training(batch: dict[str, list]) -> dict[str, list]:
    """The columns of a batch under the names that TRL gives them."""
    columns = {}
    for name, values in batch.items():
        if name not in RESERVED and name not in TRAINER_NAMES:
            columns[name] = values
    for name, trainer_name in TRAINER_NAMES.items():
        if name in batch:
            columns[trainer_name] = batch[name]
    return columns


def _with_columns(dataset: Dataset, columns: dict[str, Scores]) -> Dataset:
    """Adds columns to a data set, replacing existing columns with the same names."""
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
    """The weighted sum that GRPO maximizes; `None` if no reward could judge the completion."""
    total = None
    for score, reward in zip(scores, rewards.rewards, strict=True):
        if score is not None:
            total = (total or 0.0) + score * reward.spec.weight
    return total
