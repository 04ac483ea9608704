"""Tied weights are not reported as missing; others are."""

import torch
from torch import nn

from open_r1.training.tied_weights import without_tied


class Model(nn.Module):
    def __init__(self, is_tied: bool):
        super().__init__()
        self.embed = nn.Embedding(3, 2)
        self.lm_head = nn.Linear(2, 3, bias=False)
        if is_tied:
            self.lm_head.weight = self.embed.weight
        else:
            self.lm_head.weight.data = torch.clone(self.embed.weight.data)


def test_only_a_weight_that_was_loaded_under_another_name_is_not_missing():
    assert without_tied(["lm_head.weight"], Model(is_tied=True)) == []
    assert without_tied(["lm_head.weight"], Model(is_tied=False)) == ["lm_head.weight"]
    both = ["embed.weight", "lm_head.weight"]
    assert without_tied(both, Model(is_tied=True)) == both
    assert without_tied(["lm_head.bias"], Model(is_tied=True)) == ["lm_head.bias"]
