"""Reward models (DeepSeek-R1, §2.3.4): checks their pairs, and trains on labels instead of pairs."""

from typing import Any

import torch
from datasets import Dataset
from torch.nn.functional import logsigmoid
from transformers import PreTrainedTokenizerBase
from trl import RewardTrainer

from open_r1.data.conversations import as_text
from open_r1.models.loading import check_round_trip


SAMPLE = 256  # number of pairs whose length is measured
ROUND_TRIPS = 8  # number of texts with which the tokenizer is checked


def check_and_measure(pairs: Dataset, tokenizer: PreTrainedTokenizerBase) -> int:
    """Checks that the tokenizer does not change the texts of the first pairs, and measures their length.

    Returns:
        `int`: The length of the longest text, in tokens.

    Raises:
        RecipeError: If the tokenizer changes a text.
    """
    texts = []
    for row in pairs.select(range(min(SAMPLE, len(pairs)))):
        texts.append(as_text(row["chosen"], tokenizer))
        texts.append(as_text(row["rejected"], tokenizer))
    check_round_trip(tokenizer, texts[:ROUND_TRIPS])
    return max(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"])


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
