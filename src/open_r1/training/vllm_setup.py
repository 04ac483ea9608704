"""Prepares TRL's trainers to generate rollouts with vLLM.

When transformers loads a mixture of experts, it merges the experts of a layer into single weights, which it splits
when it saves the model. TRL sends the merged weights to vLLM, whose loader of DeepSeek-V3 only knows the names in
checkpoints.
"""

import re
from collections.abc import Iterator

import torch
from accelerate.utils import is_peft_model
from transformers.core_model_loading import revert_weight_conversion
from trl import DistillationConfig, GRPOConfig
from trl.generation.vllm_generation import VLLMGeneration

from open_r1.cluster.rollout_client import use_seeded_client
from open_r1.configs import RolloutArguments


MERGED_EXPERTS = re.compile(r"\.experts\.\D")  # in checkpoints, the number of an expert comes next
ITER_NAMED_PARAMS = VLLMGeneration._iter_named_params


def set_up_vllm(script_args: RolloutArguments, args: GRPOConfig | DistillationConfig) -> None:
    """Prepares TRL's trainers to generate with vLLM.

    Args:
        script_args (`RolloutArguments`): Our options of the run.
        args (`GRPOConfig` or `DistillationConfig`): TRL's options, which are changed.
    """
    args.vllm_max_model_length = script_args.length_for_vllm(args)
    use_seeded_client()
    VLLMGeneration._iter_named_params = iter_weights_of_checkpoint


def iter_weights_of_checkpoint(generation: VLLMGeneration) -> Iterator[tuple[str, torch.Tensor]]:
    """Iterates over the weights of a model as TRL does, with the experts of each layer one by one.

    Args:
        generation (`VLLMGeneration`): TRL's interface to vLLM, which holds the model.

    Yields:
        `tuple[str, torch.Tensor]`: Name in a checkpoint, and value.
    """
    model = generation.model
    if is_peft_model(model):
        model = model.get_base_model()
    for name, weight in ITER_NAMED_PARAMS(generation):
        if MERGED_EXPERTS.search(name):
            yield from revert_weight_conversion(model, {name: weight}).items()
        else:
            yield name, weight
