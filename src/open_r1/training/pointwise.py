"""Reward models from labels instead of pairs: harmlessness (DeepSeek-R1, v2, §3.1), by the loss `-log σ(r_safe) - log σ(-r_unsafe)`."""

import torch
from torch.nn.functional import logsigmoid
from trl import RewardTrainer


class PointwiseTrainer(RewardTrainer):
    """Judges each answer for itself."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        _, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)  # for TRL's metrics
        loss = pointwise_loss(outputs.logits)
        return (loss, outputs) if return_outputs else loss


def pointwise_loss(logits: torch.Tensor) -> torch.Tensor:
    """`-log σ(r)` of safe answers and `-log σ(-r)` of unsafe ones, on average (v2, §3.1).

    Args:
        logits (`torch.Tensor`): Scores, shape (2 × pairs, 1), the safe answers first.
    """
    safe, unsafe = torch.chunk(logits.squeeze(-1), 2)
    return -torch.cat([logsigmoid(safe), logsigmoid(-unsafe)]).mean()
