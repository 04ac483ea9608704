"""Reward models (DeepSeek-R1, §2.3.4): checks their pairs, and trains on labels instead of pairs."""

from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import logsigmoid
from transformers import PreTrainedTokenizerBase
from trl import RewardTrainer

from open_r1.data.training_text import as_text, check_texts, measure_texts


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
