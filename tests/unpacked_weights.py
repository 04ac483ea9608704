"""Keeps vLLM from packing weights on the CPU; loaded as the file of a reward.

On CPUs with AVX-512, vLLM replaces the weights of linear layers by packed ones when it loads a model, and TRL cannot
update those. On a GPU, vLLM does not pack weights.
"""

from vllm import _custom_ops


_custom_ops._supports_onednn = False


def nothing(completions, **kwargs) -> list[float]:
    return [0.0] * len(completions)
