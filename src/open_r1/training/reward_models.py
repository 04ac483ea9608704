"""Reward models (DeepSeek-R1, §2.3.4): checks their pairs, and trains on labels instead of pairs."""

import logging
from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import logsigmoid
from transformers import PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from open_r1.data.training_text import as_text, check_texts, fits_in, measure_texts
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)


def check_pairs(pairs: Dataset, tokenizer: PreTrainedTokenizerBase) -> int:
    """Checks that all pairs can be written, and measures the first ones.

    Returns:
        `int`: The length of the longest text, in tokens.

    Raises:
        RecipeError: If the chat template fails on a pair, with its number, or the tokenizer changes a text.
    """
    lengths = _check_and_measure(pairs, "chosen", tokenizer)
    lengths += _check_and_measure(pairs, "rejected", tokenizer)
    return max(lengths)


def drop_overlong_pairs(pairs: Dataset, tokenizer: PreTrainedTokenizerBase, args: RewardConfig) -> Dataset:
    """Drops the pairs that TRL would drop without a word, those of which one text is too long, and logs how many.

    Args:
        pairs (`Dataset`): From [`check_pairs`].
        tokenizer (`PreTrainedTokenizerBase`): With the chat template that will be used.
        args (`RewardConfig`): For `max_length` and `dataset_num_proc`.

    Raises:
        RecipeError: If no pair is short enough.
    """
    limit = args.max_length
    if limit is None:
        return pairs

    # `datasets` caches results by what this function refers to. `args` would be of one process, and of one run.
    def both_fit(pair: dict) -> bool:
        texts = [as_text(pair["chosen"], tokenizer), as_text(pair["rejected"], tokenizer)]
        return all(fits_in(limit, text, tokenizer, add_special_tokens=False) for text in texts)

    with args.main_process_first(desc="measuring pairs"):  # the others read its result from the cache
        kept = pairs.filter(both_fit, num_proc=args.dataset_num_proc, desc="Measuring pairs")
    dropped = len(pairs) - len(kept)
    if not dropped:
        return pairs
    found = f"{dropped:,} of {len(pairs):,} pairs have a text of more than max_length = {limit:,} tokens"
    if not len(kept):
        raise RecipeError(f"max_length: all {found}; none is left to train on.")
    logger.warning("%s and were dropped", found)
    return kept


def _check_and_measure(pairs: Dataset, column: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    def write(row: dict) -> str:
        return as_text(row[column], tokenizer)

    check_texts(pairs, write, tokenizer)
    return measure_texts(pairs, write, tokenizer)


class PointwiseTrainer(RewardTrainer):
    """Trains on each answer by itself, instead of on pairs (v2, §3.1)."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None) -> Any:
        """Computes the pointwise loss in place of the pairwise one."""
        _, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)  # for TRL's metrics
        loss = pointwise_loss(outputs.logits)
        return (loss, outputs) if return_outputs else loss


def pointwise_loss(logits: torch.Tensor) -> torch.Tensor:
    """Computes the mean of `-log σ(r)` over safe answers and `-log σ(-r)` over unsafe ones (v2, §3.1).

    Args:
        logits (`torch.Tensor`): Scores of shape (2 × pairs, 1), those of the safe answers first.

    Returns:
        `torch.Tensor`: The loss, a scalar.
    """
    safe, unsafe = torch.chunk(logits.squeeze(-1), 2)
    return -torch.cat([logsigmoid(safe), logsigmoid(-unsafe)]).mean()
