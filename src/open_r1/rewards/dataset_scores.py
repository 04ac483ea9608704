"""A data set of completions, graded: what the command line, data builders and evaluation call."""

from collections import defaultdict

from datasets import Dataset
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from open_r1.rewards.checks import check_columns
from open_r1.rewards.composition import Composition
from open_r1.utils.errors import RecipeError


BATCH = 512  # completions; one batch overlaps its rewards and grades each distinct answer once


def score(
    dataset: Dataset, rewards: Composition, completion_column: str = "completion", progress: bool = True
) -> Dataset:
    """Adds a column `rewards/<name>` for each reward, as TRL names its metrics, and `reward`, their weighted sum.

    Args:
        dataset (`Dataset`): Completions, as text or messages, and the columns that the rewards need.
        rewards (`Composition`): The rewards.
        completion_column (`str`, *optional*, defaults to `"completion"`): Column that holds the completions.
        progress (`bool`, *optional*, defaults to `True`): Whether to show a progress bar.

    Raises:
        RecipeError: If a reward needs a column that is not there.
    """
    check_columns(rewards.rewards, dataset.column_names)
    names = {"prompt": "prompts"}  # TRL's name for the column
    for reward in rewards.rewards:
        if missing := reward.from_trainer - {names.get(name, name) for name in dataset.column_names}:
            raise RecipeError(
                f"reward {reward.label!r} needs {min(missing)}, which a trainer gives and this data set has no column of."
            )
    columns: dict[str, list] = defaultdict(list)
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
        for start in range(0, len(dataset), BATCH):
            batch = dataset[start : start + BATCH]
            completions = batch.pop(completion_column)
            rows = rewards.score(completions, **{names.get(name, name): values for name, values in batch.items()})
            for reward, row in zip(rewards.rewards, rows, strict=True):
                columns[f"rewards/{reward.label}"] += row
            columns["reward"] += [_total(values, rewards) for values in zip(*rows, strict=True)]
            bar.advance(task, len(completions))
    kept = dataset.remove_columns([name for name in columns if name in dataset.column_names])
    for name, values in columns.items():
        kept = kept.add_column(name, values)
    return kept


def table(
    scored: Dataset, rewards: Composition, domain_column: str = "domain"
) -> list[tuple[str, str, int, float | None, int]]:
    """Domain, reward, completions, mean over those judged and how many were not; all domains first."""
    domains = scored[domain_column] if domain_column in scored.column_names else [""] * len(scored)
    rows = []
    for reward in rewards.rewards:
        groups: dict[str, list[float | None]] = {"all": list(scored[f"rewards/{reward.label}"])}
        for domain, value in zip(domains, groups["all"], strict=True):
            if domain and (not reward.spec.domain or domain in reward.spec.domain):
                groups.setdefault(str(domain), []).append(value)
        for domain, values in groups.items():
            judged = [value for value in values if value is not None]
            mean = sum(judged) / len(judged) if judged else None
            rows.append((domain, reward.label, len(values), mean, len(values) - len(judged)))
    return rows


def _total(values: tuple[float | None, ...], rewards: Composition) -> float | None:
    """The sum that GRPO maximises; `None` where nothing was judged."""
    pairs = [
        (value, reward.spec.weight) for value, reward in zip(values, rewards.rewards, strict=True) if value is not None
    ]
    return sum(value * weight for value, weight in pairs) if pairs else None
