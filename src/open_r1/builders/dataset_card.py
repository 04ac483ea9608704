"""The card of a data set (README.md, as the Hub shows it): what is in it, what was dropped, how to make it again."""

import json
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml
from datasets import Dataset
from huggingface_hub import DatasetCard, DatasetCardData

from open_r1.data.filter_report import format_reasons
from open_r1.data.load import existing_columns, require_all_shards
from open_r1.utils.errors import RecipeError
from open_r1.utils.version import version_and_commit


CARD = """---
{{ card_data }}
---

# {{ name }}

Built by open_r1 (`python -m open_r1.builders.{{ builder }}`).

| domain | rows | tokens (mean) | rounds (mean) |
|---|---|---|---|
{{ statistics }}

## What was dropped

{{ filters }}

## Examples

{{ examples }}

## Recipe

```yaml
{{ recipe }}```

{{ versions }}
"""

# Keys in which the shards of a set may differ.
SHARD_KEYS = {"shard", "num_proc", "draw", "push_to_hub", "hub_dataset_id", "hub_private", "hub_revision"}
EXAMPLES_PER_FILTER = 3
MAX_EXAMPLE_LENGTH = 1500  # characters of a message


@dataclass
class DomainTotals:
    """Sums over the rows of a domain.

    Args:
        rows (`int`): Number of rows.
        tokens (`float`): Their tokens.
        rounds (`float`): Their rounds of conversation.
    """

    rows: int = 0
    tokens: float = 0
    rounds: float = 0

    def add(self, rows: int, tokens: float, rounds: float) -> None:
        """Adds rows, given their mean numbers of tokens and rounds."""
        self.rows += rows
        self.tokens += rows * tokens
        self.rounds += rows * rounds

    @property
    def means(self) -> dict[str, float]:
        """Number of rows, tokens and rounds per row."""
        return {"rows": self.rows, "tokens": self.tokens / self.rows, "rounds": self.rounds / self.rows}


def domain_statistics(rows: Dataset) -> dict[str, dict[str, float]]:
    """Rows, mean tokens and mean rounds of each domain, and of all: the columns of the paper's table of its SFT data.

    Args:
        rows (`Dataset`): `messages`, and if there are such columns, `domain` and `tokens` (or `completion_tokens`).
    """
    totals: dict[str, DomainTotals] = {}
    columns = existing_columns(rows, ("messages", "domain", "tokens", "completion_tokens"))
    for row in rows.select_columns(columns):
        tokens = row.get("tokens", row.get("completion_tokens")) or 0
        roles = [message["role"] for message in row["messages"]]
        domain = str(row.get("domain") or "all")
        for name in {domain, "all"}:
            totals.setdefault(name, DomainTotals()).add(rows=1, tokens=tokens, rounds=roles.count("user"))
    return {name: totals[name].means for name in sorted(totals)}


def write_dataset_card(folder: Path, shards: int) -> Path | None:
    """Writes the card of a set once the reports of all its shards are there.

    Args:
        folder (`Path`): The folder of the set.
        shards (`int`): How many shards it has.

    Returns:
        `Path | None`: The path of the card; `None` while shards are missing.

    Raises:
        RecipeError: If the shards were built by different recipes.
    """
    paths = sorted(folder.glob(f"report-*-of-{shards:05}.json"))
    if len(paths) < shards:
        return None
    require_all_shards(folder)
    reports = {path.stem: json.loads(path.read_text()) for path in paths}
    _require_same_recipe(reports)

    all_reports = list(reports.values())
    recipe = all_reports[0]["recipe"]
    examples = all_reports[0]["examples"]
    card = DatasetCard.from_template(
        DatasetCardData(tags=["open-r1"], configs=_configs(all_reports)),
        template_str=CARD,
        name=folder.name,
        builder=recipe["builder"],
        statistics=_statistics_table(all_reports),
        filters=_filters_section(all_reports),
        examples="\n\n".join(map(_format_conversation, examples)),
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        versions=_versions(),
    )
    card.save(folder / "README.md")
    return folder / "README.md"


def _versions() -> str:
    packages = [f"datasets {version('datasets')}", f"datasketch {version('datasketch')}"]
    return ", ".join([*version_and_commit(), *packages])


def _configs(reports: list[dict]) -> list[dict]:
    """The configurations of the data set: the set, and the prompts for reinforcement learning if there are some."""
    configs = [_config("default", "train-*.parquet")]
    if any(report["prompts"] for report in reports):
        configs.append(_config("prompts", "prompts-*.parquet"))
    return configs


def _config(name: str, files: str) -> dict:
    """A configuration of the data set, as the Hub reads it from the card."""
    return {"config_name": name, "data_files": [{"split": "train", "path": files}]}


def _require_same_recipe(reports: dict[str, dict]) -> None:
    """Stops if shards were built by different recipes, and so do not make one set.

    Args:
        reports (`dict[str, dict]`): The shards' reports by name.

    Raises:
        RecipeError: Naming two shards and a key.
    """
    first, *others = reports
    first_recipe = reports[first]["recipe"]
    for other in others:
        other_recipe = reports[other]["recipe"]
        for key in first_recipe | other_recipe:
            first_value = first_recipe.get(key)
            other_value = other_recipe.get(key)
            if key not in SHARD_KEYS and first_value != other_value:
                raise RecipeError(
                    f"shard: {first} and {other} were built by different recipes: {key} is {first_value!r} and "
                    f"{other_value!r}. Build one of them again."
                )


def _statistics_table(reports: list[dict]) -> str:
    """The statistics of all shards as the rows of a table, `all` last."""
    totals: dict[str, DomainTotals] = {}
    for report in reports:
        for domain, means in report["statistics"].items():
            totals.setdefault(domain, DomainTotals()).add(**means)

    domains = sorted(totals)
    if "all" in domains:
        domains.remove("all")
        domains.append("all")
    lines = []
    for domain in domains:
        means = totals[domain].means
        lines.append(f"| {domain} | {means['rows']:,} | {means['tokens']:,.1f} | {means['rounds']:.1f} |")
    return "\n".join(lines)


def _filters_section(reports: list[dict]) -> str:
    """A table of the filters of all shards, then examples of what each dropped."""
    rows: Counter = Counter()
    reasons: dict[str, Counter] = {}
    examples: dict[str, list] = {}
    for report in reports:
        for row_filter in report["filters"]:
            name = row_filter["name"]
            rows[name] += row_filter["rows"]
            reasons.setdefault(name, Counter()).update(row_filter["reasons"])
            examples.setdefault(name, []).extend(row_filter["examples"])

    lines = ["| filter | looked at | dropped | reasons |", "|---|---|---|---|"]
    for name, count in rows.items():
        lines.append(f"| {name} | {count:,} | {reasons[name].total():,} | {format_reasons(reasons[name])} |")
    lines.append("")
    for name, filter_examples in examples.items():
        for reason, text in filter_examples[:EXAMPLES_PER_FILTER]:
            lines.append(f"- {name}, {reason}: `{_one_line(text)}`")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _format_conversation(messages: list[dict]) -> str:
    """A conversation as a block of Markdown."""
    turns = [f"{message['role']}: {message['content'][:MAX_EXAMPLE_LENGTH]}" for message in messages]
    text = "\n".join(turns).replace("~~~", "~ ~ ~")
    return f"~~~text\n{text}\n~~~"
