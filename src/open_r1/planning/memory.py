"""Estimates the peak memory of training on one device by arithmetic.

Weights, gradients and optimizer states are computed as for mixed precision (ZeRO, 1910.02054, §3.1), and activations
per transformer layer (Korthikanti et al. 2205.05198, §4), with constants fitted to measurements (see
tests/planning/test_planning.py).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from trl import ModelConfig

from open_r1.planning.model_shape import ModelShape


ADAPTER_PARAMETER_SHARE = 0.01  # parameters of an adapter, relative to those of the model
REPLICATED, SHARDED_OPTIMIZER, SHARDED_WEIGHTS = 0, 2, 3  # what `sharding` returns; the numbers are ZeRO's stages
# Bytes that a layer keeps per token for the backward pass, per element of the hidden size, of the keys and of the
# inner size; counted in Qwen2's layer. Under autocast, norms stay in full precision.
KEPT = {"full": (28.0, 8.0, 16.0), "autocast": (38.6, 4.0, 9.5), "half": (18.0, 4.0, 8.0)}
# TRL computes the logits in tiles of this many tokens and vocabulary entries. Without a fused kernel, as on a CPU,
# several copies of a tile are in memory.
TILE_TOKENS = 4096
TILE_VOCABULARY = 32768
TILES_ON_A_CPU = 10


@dataclass
class Precision:
    """Bytes per number in a training run.

    Args:
        weight (`int`): Bytes per weight, and per gradient.
        master (`int`): Bytes per weight of DeepSpeed's full-precision master copy; 0 if there is none.
        activation (`int`): Bytes per activation.
        mode (`str`): Key of `KEPT`.
    """

    weight: int
    master: int
    activation: int
    mode: str

    @classmethod
    def from_args(cls, model_args: ModelConfig, args: Any, share: int) -> "Precision":
        """The precision that results from a run's arguments; `share` is the return value of [`sharding`]."""
        mixed = args.bf16 or args.fp16
        half_weights = model_args.dtype == "bfloat16"
        if mixed and share and not model_args.use_peft:
            half_weights = True  # DeepSpeed and FSDP cast the weights
        if not mixed and model_args.dtype != "bfloat16":
            return cls(weight=4, master=0, activation=4, mode="full")
        if not half_weights:
            return cls(weight=4, master=0, activation=2, mode="autocast")
        return cls(weight=2, master=4 if share else 0, activation=2, mode="half")


def sharding(accelerate_config: str | None) -> int:
    """What is sharded across processes: 0 for nothing, 2 for gradients and optimizer states, 3 for weights, too.

    >>> [sharding(f"recipes/accelerate_configs/{name}.yaml") for name in ("ddp", "zero2", "fsdp2")]
    [0, 2, 3]
    """
    if accelerate_config is None:
        return REPLICATED
    config = yaml.safe_load(Path(accelerate_config).read_text())
    if config.get("distributed_type") == "FSDP":
        return SHARDED_WEIGHTS
    return config.get("deepspeed_config", {}).get("zero_stage", REPLICATED)


def training_memory(
    shape: ModelShape,
    model_args: ModelConfig,
    args: Any,
    tokens: int,
    processes: int,
    share: int,
    engine: float = 0.0,
) -> dict[str, float]:
    """Breakdown of the peak memory of training on one device, in bytes.

    Args:
        shape (`ModelShape`): Size of the model.
        model_args (`ModelConfig`): The model's arguments, such as whether to train an adapter, and the dtype.
        args (`TrainingArguments`): The trainer's arguments.
        tokens (`int`): Number of tokens per forward pass on a device, including padding.
        processes (`int`): Number of devices.
        share (`int`): Return value of [`sharding`].
        engine (`float`, *optional*, defaults to 0):
            Bytes used by vLLM on this device. If vLLM sleeps during training, only the part that exceeds gathered
            weights and activations counts, since these only exist while it sleeps.

    Returns:
        `dict[str, float]`: Bytes by name.
    """
    precision = Precision.from_args(model_args, args, share)
    trained = shape.parameters
    if model_args.use_peft:
        trained *= ADAPTER_PARAMETER_SHARE
    slices = processes if share else 1
    gradients = trained * precision.weight / slices
    gathered = 0.0  # every process gathers the weights of two layers at a time
    if share == SHARDED_WEIGHTS:
        gathered = 2 * shape.parameters / shape.layers * precision.weight

    layer = _layer_activations(shape, model_args, args, tokens, precision)
    kept = shape.layers * layer
    if args.gradient_checkpointing:  # keeps the input of each layer, and all activations of one layer at a time
        kept = shape.layers * tokens * shape.width * precision.activation + layer
    head = _head_activations(shape, args, tokens, precision)
    needs = {
        "weights": _weights(shape, model_args, args, processes, share, precision) + gathered,
        "optimizer": trained * _optimizer_bytes(precision) / slices,
        # During the backward pass, gradients are added while activations are freed: the peak is at its start or end.
        "gradients and activations": max(gradients + layer, kept + head),
    }
    if not engine:
        return needs
    if not args.vllm_enable_sleep_mode:
        return needs | {"vLLM": engine}
    temporary = gathered + max(layer, kept + head - gradients)
    return needs | {"vLLM, beyond training": max(0.0, engine - temporary)}


def _weights(
    shape: ModelShape, model_args: ModelConfig, args: Any, processes: int, share: int, precision: Precision
) -> float:
    bytes_per_weight = precision.weight
    if model_args.load_in_4bit:
        bytes_per_weight = 0.55  # including the scales of the blocks
    elif model_args.load_in_8bit:
        bytes_per_weight = 1.1
    weights = shape.parameters * bytes_per_weight
    if share == SHARDED_WEIGHTS:
        weights /= processes
    has_reference_model = getattr(args, "num_generations", 0) and args.beta and not model_args.use_peft  # GRPO's
    if has_reference_model:
        weights *= 2
    if precision.mode == "autocast" and not share:  # autocast caches the weights that it has cast
        weights += 2 * shape.parameters
    return weights


def _optimizer_bytes(precision: Precision) -> int:
    """Bytes of the optimizer state per parameter: AdamW's two moments and the master copy."""
    moment = 4 if precision.master else precision.weight
    return precision.master + 2 * moment


def _layer_activations(
    shape: ModelShape, model_args: ModelConfig, args: Any, tokens: int, precision: Precision
) -> float:
    """Bytes of the activations that one layer keeps for the backward pass."""
    per_width, per_key, per_inner = KEPT[precision.mode]
    per_token = per_width * shape.width + per_key * shape.keys + per_inner * shape.inner
    if model_args.use_peft:  # output and mask of the dropout before each adapter
        mask = precision.activation if args.use_cpu else 1
        per_token += (6 * shape.width + shape.inner) * (precision.activation + mask)
    return tokens * per_token


def _head_activations(shape: ModelShape, args: Any, tokens: int, precision: Precision) -> float:
    """Bytes of the logits that are in memory at a time."""
    tile = min(tokens, TILE_TOKENS) * min(shape.vocabulary, TILE_VOCABULARY) * precision.activation
    if args.use_cpu:
        tile *= TILES_ON_A_CPU
    return tile
