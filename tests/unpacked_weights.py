"""On a CPU that oneDNN knows well (AVX-512) vLLM packs the weights of linear layers as it loads, and forgets them as they were; TRL could not put new ones in
their place. Where this is read, as the file of a reward, vLLM keeps them. On a GPU it does so by itself."""

from vllm import _custom_ops


_custom_ops._supports_onednn = False


def nothing(completions, **kwargs) -> list[float]:
    return [0.0] * len(completions)
