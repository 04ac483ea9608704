"""Estimates the peak memory of training on one device by arithmetic.

Weights, gradients and optimizer states are computed as for mixed precision (ZeRO, 1910.02054, §3.1), and activations
per transformer layer (Korthikanti et al. 2205.05198, §4), with constants fitted to simulations with fake tensors
(benchmarks/memory.py) and to measurements on a CPU (benchmarks/memory_on_cpu.py).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from trl import ModelConfig, RewardConfig

from open_r1.planning.model_shape import ModelShape


ADAPTER_PARAMETER_SHARE = 0.01  # parameters of an adapter, relative to those of the model
REPLICATED, SHARDED_OPTIMIZER, SHARDED_WEIGHTS = 0, 2, 3  # what `sharding` returns; the numbers are ZeRO's stages
# Bytes of a layer per token: per element of the hidden size, of the keys and of the inner size. Fitted to simulations
# of Qwen2's and Llama's layers with FlashAttention (benchmarks/memory.py), and for full precision to measurements.
# Under autocast, norms stay in full precision.
# What a layer keeps for the backward pass:
KEPT = {"full": (28.0, 8.0, 16.0), "autocast": (40.0, 2.0, 8.0), "half": (20.0, 2.0, 8.0)}
# What is in memory in the middle of a layer's backward pass, with the gradients of its activations:
IN_BACKWARD = {"full": (16.0, 8.0, 28.0), "autocast": (37.0, 2.0, 14.0), "half": (14.0, 2.0, 14.0)}
# TRL computes the logits in tiles of this many tokens and vocabulary entries. Without a fused kernel, as on a CPU,
# several copies of a tile are in memory.
TILE_TOKENS = 4096
TILE_VOCABULARY = 32768
TILES_ON_A_CPU = 10
# FSDP2 and ZeRO-3 gather the weights of the next layer while one is computed.
GATHERED_LAYERS = 2
# DeepSpeed reduces gradients in a buffer of `reduce_bucket_size` half-precision numbers; 5e8 by default.
DEEPSPEED_BUFFER = 2 * 5e8


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
    config = _read_config(accelerate_config)
    if config.get("distributed_type") == "FSDP":
        return SHARDED_WEIGHTS
    return _zero_options(config).get("stage", REPLICATED)


def is_offloaded(accelerate_config: str | None) -> bool:
    """Whether weights or optimizer states are kept on the CPU or on a disk."""
    config = _read_config(accelerate_config)
    if config.get("fsdp_config", {}).get("fsdp_offload_params", False):
        return True
    zero = _zero_options(config)
    devices = [zero.get(part, {}).get("device", "none") for part in ("offload_optimizer", "offload_param")]
    return devices != ["none", "none"]


def _read_config(accelerate_config: str | None) -> dict:
    if accelerate_config is None:
        return {}
    return yaml.safe_load(Path(accelerate_config).read_text())


def _zero_options(config: dict) -> dict:
    """The options of ZeRO in an accelerate config, in the layout of DeepSpeed's own config files."""
    if config.get("distributed_type") != "DEEPSPEED":
        return {}
    options = config.get("deepspeed_config", {})
    if "deepspeed_config_file" in options:
        return json.loads(Path(options["deepspeed_config_file"]).read_text()).get("zero_optimization", {})
    return {
        "stage": options.get("zero_stage", SHARDED_OPTIMIZER),  # accelerate's default
        "offload_optimizer": {"device": options.get("offload_optimizer_device", "none")},
        "offload_param": {"device": options.get("offload_param_device", "none")},
    }


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
    gathered = 0.0
    if share == SHARDED_WEIGHTS:
        gathered = _gathered_layers(shape, precision)
    peak = _gradients_and_activations(shape, model_args, args, tokens, share, precision, gradients)
    needs = {
        "weights": _weights(shape, model_args, args, processes, share, precision) + gathered,
        "optimizer": trained * _optimizer_bytes(precision) / slices,
        "gradients and activations": peak,
    }
    if share == SHARDED_OPTIMIZER:
        needs["DeepSpeed's buffer"] = DEEPSPEED_BUFFER
    if not engine:
        return needs
    if not args.vllm_enable_sleep_mode:
        return needs | {"vLLM": engine}
    temporary = gathered + peak - gradients
    return needs | {"vLLM, beyond training": max(0.0, engine - temporary)}


def unchecked_parts(shape: ModelShape, model_args: ModelConfig, args: Any, share: int) -> list[str]:
    """What the memory of a run depends on that no simulation or measurement has checked.

    Args:
        shape (`ModelShape`): Size of the model.
        model_args (`ModelConfig`): The model's arguments.
        args (`TrainingArguments`): The trainer's arguments.
        share (`int`): Return value of [`sharding`].
    """
    parts = []
    if shape.experts:
        parts.append("mixtures of experts")
    if share == SHARDED_OPTIMIZER:
        parts.append("ZeRO-2, which cannot be simulated")
    if model_args.load_in_4bit or model_args.load_in_8bit:
        parts.append("quantized weights")
    if model_args.use_peft:
        parts.append("adapters on a GPU")
    if getattr(args, "use_vllm", False) and args.vllm_mode == "colocate":
        parts.append("vLLM, which is assumed to use what the recipe allows")
    if isinstance(args, RewardConfig):
        parts.append("reward models")
    return parts


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
    return weights


def _gathered_layers(shape: ModelShape, precision: Precision) -> float:
    """Bytes of the weights that every process gathers, and of the gradients that are being reduced."""
    layer = (shape.parameters - shape.vocabulary * shape.width) / shape.layers * precision.activation
    return GATHERED_LAYERS * layer + max(layer, DEEPSPEED_BUFFER)


def _optimizer_bytes(precision: Precision) -> int:
    """Bytes of the optimizer state per parameter: AdamW's two moments and the master copy."""
    moment = 4 if precision.master else precision.weight
    return precision.master + 2 * moment


def _gradients_and_activations(
    shape: ModelShape,
    model_args: ModelConfig,
    args: Any,
    tokens: int,
    share: int,
    precision: Precision,
    gradients: float,
) -> float:
    """Bytes of gradients and activations at the peak of a step.

    Activations are freed during the backward pass while gradients are added, so that the peak is at its start or at
    its end. If a step has several backward passes, all gradients are there when the second one starts.
    """
    cast_weights = 0.0
    if precision.mode == "autocast" and not share:  # autocast caches the weights that it has cast
        cast_weights = 2.0 * shape.parameters
    kept_by_layer = _layer_activations(KEPT, shape, model_args, args, tokens, precision)
    in_backward = _layer_activations(IN_BACKWARD, shape, model_args, args, tokens, precision)
    head = _head_activations(shape, model_args, args, tokens, share, precision)
    if args.gradient_checkpointing:  # keeps the inputs of layers, and recomputes one layer at a time
        kept = shape.layers * tokens * shape.width * precision.activation
        at_start = kept + max(in_backward, head, cast_weights)
        at_end = in_backward
    else:
        kept = shape.layers * kept_by_layer + cast_weights
        at_start = kept + max(in_backward - kept_by_layer, head)
        at_end = in_backward
    if args.gradient_accumulation_steps > 1:
        return gradients + at_start
    return max(at_start, gradients + at_end)


def _layer_activations(
    table: dict[str, tuple[float, float, float]],
    shape: ModelShape,
    model_args: ModelConfig,
    args: Any,
    tokens: int,
    precision: Precision,
) -> float:
    """Bytes of a layer's activations, by `KEPT` or by `IN_BACKWARD`."""
    per_width, per_key, per_inner = table[precision.mode]
    per_token = per_width * shape.width + per_key * shape.keys + per_inner * shape.inner
    if model_args.use_peft:  # output and mask of the dropout before each adapter
        mask = precision.activation if args.use_cpu else 1
        per_token += (6 * shape.width + shape.inner) * (precision.activation + mask)
    return tokens * per_token


def _head_activations(
    shape: ModelShape, model_args: ModelConfig, args: Any, tokens: int, share: int, precision: Precision
) -> float:
    """Bytes of the logits that are in memory at a time, and of the head's gradients, which are float32 at first."""
    if isinstance(args, RewardConfig):  # its head has one output
        return 0.0
    tile = min(tokens, TILE_TOKENS) * min(shape.vocabulary, TILE_VOCABULARY) * precision.activation
    if args.use_cpu:
        tile *= TILES_ON_A_CPU
    bytes_per_gradient = 4
    if precision.weight == 2:  # and a copy in half precision
        bytes_per_gradient += 2
    count = tile + bytes_per_gradient * tokens * shape.width
    head = shape.vocabulary * shape.width
    if not model_args.use_peft:
        count += bytes_per_gradient * head
    if share == SHARDED_WEIGHTS:  # it is gathered
        count += precision.activation * head
    return count
