"""The card of a data set (README.md, as the Hub shows it): what is in it, what was dropped and why, how to make it again."""

import json
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import yaml
from huggingface_hub import DatasetCard, DatasetCardData

from open_r1.data.load import require_all_shards
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


# Keys in which shards of one set may differ.
OF_A_SHARD = {"shard", "num_proc", "draw", "push_to_hub", "hub_dataset_id", "hub_private", "hub_revision"}


def write_dataset_card(folder: Path, shards: int) -> Path | None:
    """Writes the card once all shards are there; sums up their reports.

    Returns:
        `Path`: Its path, `None` while shards are missing.
    """
    reports = [json.loads(path.read_text()) for path in sorted(folder.glob(f"report-*-of-{shards:05}.json"))]
    if len(reports) < shards:
        return None
    require_all_shards(folder)
    _check_recipes(
        {
            path.stem: report["recipe"]
            for path, report in zip(sorted(folder.glob(f"report-*-of-{shards:05}.json")), reports, strict=True)
        }
    )
    configs = [{"config_name": "default", "data_files": [{"split": "train", "path": "train-*.parquet"}]}]
    if any(report["prompts"] for report in reports):
        configs.append({"config_name": "prompts", "data_files": [{"split": "train", "path": "prompts-*.parquet"}]})
    recipe = reports[0]["recipe"]
    card = DatasetCard.from_template(
        DatasetCardData(tags=["open-r1"], configs=configs),
        template_str=CARD,
        name=folder.name,
        builder=recipe["builder"],
        statistics="\n".join(_statistics([report["statistics"] for report in reports])),
        filters="\n".join(_filters([each for report in reports for each in report["filters"]])),
        examples="\n\n".join(map(_conversation, reports[0]["examples"])),
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
        versions=", ".join(
            [*version_and_commit(), *(f"{each} {version(each)}" for each in ("datasets", "datasketch"))]
        ),
    )
    card.save(folder / "README.md")
    return folder / "README.md"


def _check_recipes(recipes: dict[str, dict]):
    """Stops if shards were built by different recipes: together they would be no set.

    Raises:
        RecipeError: Naming the shards and the keys.
    """
    first, *others = recipes
    for other in others:
        one, two = (
            {key: value for key, value in recipes[name].items() if key not in OF_A_SHARD} for name in (first, other)
        )
        if differ := [key for key in one | two if one.get(key) != two.get(key)]:
            key = differ[0]
            raise RecipeError(
                f"shard: {first} and {other} were built otherwise: {key} is {one.get(key)!r} and {two.get(key)!r}. Build one of them again."
            )


def _statistics(shards: list[dict[str, dict]]) -> list[str]:
    sums: dict[str, list[float]] = {}
    for shard in shards:
        for domain, mean in shard.items():
            total = sums.setdefault(domain, [0, 0, 0])
            for i, value in enumerate((1, mean["tokens"], mean["rounds"])):
                total[i] += value * mean["rows"]
    ordered = sorted(sums, key=lambda domain: (domain == "all", domain))
    return [f"| {name} | {n:,} | {t / n:,.1f} | {r / n:.1f} |" for name in ordered for n, t, r in [sums[name]]]


def _filters(found: list[dict]) -> list[str]:
    """A table of the filters, then examples of what each dropped."""
    rows: Counter = Counter()
    reasons: dict[str, Counter] = {}
    examples: dict[str, list] = {}
    for each in found:
        rows[each["name"]] += each["rows"]
        reasons.setdefault(each["name"], Counter()).update(each["reasons"])
        examples.setdefault(each["name"], []).extend(each["examples"])
    lines = ["| filter | looked at | dropped | reasons |", "|---|---|---|---|"]
    for name, count in rows.items():
        told = ", ".join(f"{reason} {n:,}" for reason, n in reasons[name].most_common(5))
        lines.append(f"| {name} | {count:,} | {reasons[name].total():,} | {told} |")
    shown = [
        f"- {name}, {reason}: `{_one_line(text)}`" for name, some in examples.items() for reason, text in some[:3]
    ]
    return [*lines, "", *shown]


def _one_line(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _conversation(messages: list[dict]) -> str:
    shown = "\n".join(f"{turn['role']}: {turn['content'][:1500]}" for turn in messages)
    return f"~~~text\n{shown.replace('~~~', '~ ~ ~')}\n~~~"
