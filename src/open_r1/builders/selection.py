"""Which completions of a prompt are kept, and which prompts are worth training on."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from datasets import Dataset

from open_r1.builders.decontamination import ngram_hashes, word_hashes
from open_r1.builders.verification import Correctness
from open_r1.data.filter_report import FilterReport


NGRAM = 3  # words


def select_completions(rows: Dataset, max_per_prompt: int | None, order: str, reports: list[FilterReport]) -> Dataset:
    """Keeps at most `max_per_prompt` completions of each prompt, and appends a report on the others to `reports`.

    Args:
        rows (`Dataset`): Rows with `prompt_id` and `completion`.
        max_per_prompt (`int`, *optional*): `None` keeps all, and reports nothing.
        order (`str`): See `choose_completions`.
        reports (`list[FilterReport]`): What the builder's steps have dropped so far.
    """
    if max_per_prompt is None:
        return rows
    kept = choose_completions(rows, max_per_prompt, order)
    reasons = Counter({f"beyond the {max_per_prompt} {order}": len(rows) - len(kept)})
    reports.append(FilterReport("max per prompt", len(rows), reasons))
    return rows.select(kept)


def choose_completions(rows: Dataset, max_per_prompt: int, order: str) -> list[int]:
    """The numbers of the rows to keep, in the order of the rows.

    Args:
        rows (`Dataset`): Rows with `prompt_id` and `completion`.
        max_per_prompt (`int`): Completions per prompt.
        order (`str`):
            Which completions of a prompt come first: `shortest` in words; `diverse`, that is the shortest, then always
            the one least similar to those chosen so far, by the Jaccard similarity of word 3-grams; or `drawn`, in the
            order in which they were generated.
    """
    rows_by_prompt: dict[str, list[int]] = {}
    for i, prompt_id in enumerate(rows["prompt_id"]):
        rows_by_prompt.setdefault(prompt_id, []).append(i)

    kept: list[int] = []
    for group in rows_by_prompt.values():
        if order == "drawn" or len(group) <= max_per_prompt:
            kept += group[:max_per_prompt]
            continue
        words = [word_hashes(completion) for completion in rows[group]["completion"]]
        by_length = np.argsort([len(completion) for completion in words], kind="stable").tolist()
        if order == "shortest":
            chosen = by_length[:max_per_prompt]
        else:
            ngrams = [set(ngram_hashes(words[i], NGRAM).tolist()) for i in by_length]
            chosen = [by_length[i] for i in _choose_diverse(ngrams, max_per_prompt)]
        kept += [group[i] for i in chosen]
    return sorted(kept)


def _choose_diverse(ngrams: list[set[int]], count: int) -> list[int]:
    """Farthest-point sampling: the first text, then always the one least similar to all chosen ones.

    Args:
        ngrams (`list[set[int]]`): The n-grams of each text.
        count (`int`): Texts to choose.
    """
    chosen = [0]
    similarity = [_jaccard(ngrams[0], other) for other in ngrams]  # of each text to the most similar chosen one
    while len(chosen) < count:
        candidates = [i for i in range(len(ngrams)) if i not in chosen]
        farthest = min(candidates, key=lambda i: similarity[i])
        chosen.append(farthest)
        for i, other in enumerate(ngrams):
            similarity[i] = max(similarity[i], _jaccard(ngrams[farthest], other))
    return chosen


def _jaccard(ngrams: set[int], other_ngrams: set[int]) -> float:
    """Share of the n-grams of two texts that they have in common."""
    union = len(ngrams | other_ngrams)
    if not union:
        return 1.0
    return len(ngrams & other_ngrams) / union


def pass_rates(prompt_ids: Iterable[str], correctness: Correctness) -> dict[str, tuple[int, int]]:
    """Number of correct and of judged completions of each prompt.

    >>> pass_rates(["a", "a", "b", "a"], [True, False, None, True])
    {'a': (2, 3), 'b': (0, 0)}
    """
    rates: dict[str, tuple[int, int]] = {}
    for prompt_id, is_correct in zip(prompt_ids, correctness, strict=True):
        correct, judged = rates.get(prompt_id, (0, 0))
        if is_correct is not None:
            judged += 1
        if is_correct:
            correct += 1
        rates[prompt_id] = (correct, judged)
    return rates


def select_prompts(
    rows: Dataset,
    correctness: Correctness,
    min_pass_rate: float,
    max_pass_rate: float,
    completion_columns: Iterable[str],
) -> Dataset:
    """Selects the prompts that are answered correctly sometimes, but neither too seldom nor too often.

    Args:
        rows (`Dataset`): A row per completion, with `prompt_id`.
        correctness (`list[bool | None]`): Whether each completion is correct.
        min_pass_rate (`float`): Smallest share of correct completions.
        max_pass_rate (`float`): Largest share of correct completions.
        completion_columns (`Iterable[str]`): Columns that belong to a completion, not to its prompt; they are removed.

    Returns:
        `Dataset`:
            A row per prompt, with its share of correct completions as `pass_rate` and the number of its judged
            completions as `samples`.
    """
    rates = pass_rates(rows["prompt_id"], correctness)
    first_rows: dict[str, int] = {}
    for i, prompt_id in enumerate(rows["prompt_id"]):
        first_rows.setdefault(prompt_id, i)

    kept = []
    shares = []
    samples = []
    for prompt_id, row in first_rows.items():
        correct, judged = rates[prompt_id]
        if judged and min_pass_rate <= correct / judged <= max_pass_rate:
            kept.append(row)
            shares.append(correct / judged)
            samples.append(judged)

    replaced = {*completion_columns, "pass_rate", "samples"}
    prompts = rows.select(kept).remove_columns([name for name in rows.column_names if name in replaced])
    return prompts.add_column("pass_rate", shares).add_column("samples", samples)
