"""Of the completions of a prompt, which ones to keep; of the prompts, which ones are worth training on."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from datasets import Dataset

from open_r1.builders.decontamination import grams, word_hashes
from open_r1.builders.verification import Verdicts
from open_r1.data.filter_report import FilterReport


SHINGLE = 3  # words


def chosen(rows: Dataset, most: int | None, how: str, reports: list[FilterReport]) -> Dataset:
    """The rows to keep, at most so many of each prompt; what goes is reported. See `choose`."""
    kept = choose(rows, most, how)
    if most is not None:
        reports.append(
            FilterReport("max per prompt", len(rows), Counter({f"beyond the {most} {how}": len(rows) - len(kept)}))
        )
    return rows.select(kept)


def choose(rows: Dataset, most: int | None, how: str) -> list[int]:
    """Numbers of the rows to keep, in order: at most so many of each prompt.

    Args:
        rows (`Dataset`): `prompt_id` and `completion`.
        most (`int`, *optional*): Rows of one prompt; `None` keeps all.
        how (`str`): `shortest` (in words) first, `diverse` (the shortest, then always the one least like those chosen, by the
            Jaccard similarity of word 3-grams), or as they were `drawn`.
    """
    if most is None:
        return list(range(len(rows)))
    groups: dict[str, list[int]] = {}
    for i, prompt_id in enumerate(rows["prompt_id"]):
        groups.setdefault(prompt_id, []).append(i)
    chosen: list[int] = []
    for group in groups.values():
        if how == "drawn" or len(group) <= most:
            chosen += group[:most]
            continue
        words = [word_hashes(text) for text in rows[group]["completion"]]
        order = np.argsort([len(each) for each in words], kind="stable").tolist()
        picked = (
            order[:most]
            if how == "shortest"
            else _diverse([set(grams(words[i], SHINGLE).tolist()) for i in order], most, order)
        )
        chosen += [group[i] for i in picked]
    return sorted(chosen)


def _diverse(sets: list[set[int]], most: int, order: list[int]) -> list[int]:
    """Farthest point first; `sets` are in the order of `order`, the shortest first."""
    picked, nearest = [0], [_alike(sets[0], other) for other in sets]
    while len(picked) < most:
        best = min((i for i in range(len(sets)) if i not in picked), key=nearest.__getitem__)
        picked.append(best)
        nearest = [max(old, _alike(sets[best], other)) for old, other in zip(nearest, sets, strict=True)]
    return [order[i] for i in picked]


def _alike(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def pass_rates(prompt_ids: Iterable[str], verdicts: Verdicts) -> dict[str, tuple[int, int]]:
    """Right and judged completions of each prompt.

    >>> pass_rates(["a", "a", "b", "a"], [True, False, None, True])
    {'a': (2, 3), 'b': (0, 0)}
    """
    rates: dict[str, tuple[int, int]] = {}
    for prompt_id, verdict in zip(prompt_ids, verdicts, strict=True):
        right, judged = rates.get(prompt_id, (0, 0))
        rates[prompt_id] = (right + (verdict is True), judged + (verdict is not None))
    return rates


def prompts_between(rows: Dataset, verdicts: Verdicts, least: float, most: float, drop: set[str]) -> Dataset:
    """A row a prompt whose share of right completions is from `least` to `most`, with that share as `pass_rate`.

    Args:
        rows (`Dataset`): A row a completion, with `prompt_id`.
        verdicts (`list[bool | None]`): One a row.
        least (`float`): Smallest share.
        most (`float`): Largest share.
        drop (`set[str]`): Columns that belong to a completion, not to the prompt.
    """
    rates = pass_rates(rows["prompt_id"], verdicts)
    first: dict[str, int] = {}
    for i, prompt_id in enumerate(rows["prompt_id"]):
        first.setdefault(prompt_id, i)
    kept = {
        name: at for name, at in first.items() if rates[name][1] and least <= rates[name][0] / rates[name][1] <= most
    }
    prompts = rows.select(list(kept.values())).remove_columns([name for name in rows.column_names if name in drop])
    for column, values in (
        ("pass_rate", [rates[name][0] / rates[name][1] for name in kept]),
        ("samples", [rates[name][1] for name in kept]),
    ):
        prompts = prompts.remove_columns([column] if column in prompts.column_names else []).add_column(column, values)
    return prompts
