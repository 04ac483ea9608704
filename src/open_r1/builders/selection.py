"""Which completions of a prompt are kept, and which prompts are worth training on."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from datasets import Dataset

from open_r1.builders.decontamination import ngram_hashes, word_hashes
from open_r1.builders.verification import Correctness
from open_r1.data.filter_report import FilterReport
from open_r1.data.load import existing_columns
from open_r1.generation.completion_store import COMPLETION_COLUMNS


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
        if order != "drawn" and len(group) > max_per_prompt:
            group = _first_of_group(rows, group, max_per_prompt, order)
        kept += group[:max_per_prompt]
    return sorted(kept)


def _first_of_group(rows: Dataset, group: list[int], count: int, order: str) -> list[int]:
    """The rows of a prompt that come first, if its completions are compared with each other."""
    words = {}
    for row, completion in zip(group, rows[group]["completion"], strict=True):
        words[row] = word_hashes(completion)
    by_length = sorted(group, key=lambda row: len(words[row]))
    if order == "diverse":
        return _diverse_first(by_length, words, count)
    return by_length[:count]


def _diverse_first(rows: list[int], words: dict[int, np.ndarray], count: int) -> list[int]:
    """Farthest-point sampling: the first row, then always the one least similar to all chosen ones.

    Args:
        rows (`list[int]`): Rows of one prompt, the shortest completion first.
        words (`dict[int, np.ndarray]`): Hashes of the words of each row's completion.
        count (`int`): Rows to choose.
    """
    ngrams = {}
    for row in rows:
        ngrams[row] = set(ngram_hashes(words[row], NGRAM).tolist())
    chosen: list[int] = []
    candidates = list(rows)
    similarity = dict.fromkeys(rows, 0.0)  # of each row to the most similar chosen one
    while len(chosen) < count:
        farthest = min(candidates, key=lambda row: similarity[row])
        chosen.append(farthest)
        candidates.remove(farthest)
        for row in candidates:
            similarity[row] = max(similarity[row], _jaccard(ngrams[farthest], ngrams[row]))
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
) -> Dataset:
    """Selects the prompts that are answered correctly sometimes, but neither too seldom nor too often.

    Args:
        rows (`Dataset`): A row per completion, with `prompt_id`.
        correctness (`list[bool | None]`): Whether each completion is correct.
        min_pass_rate (`float`): Smallest share of correct completions.
        max_pass_rate (`float`): Largest share of correct completions.

    Returns:
        `Dataset`:
            A row per prompt, without the columns of completions, but with its share of correct completions as
            `pass_rate` and the number of its judged completions as `samples`.
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

    to_drop = existing_columns(rows, ["completion", *COMPLETION_COLUMNS, "pass_rate", "samples"])
    prompts = rows.select(kept).remove_columns(to_drop)
    return prompts.add_column("pass_rate", shares).add_column("samples", samples)
