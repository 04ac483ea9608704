"""Simulated peak memory of training steps of large models beside the estimate of `python -m open_r1.plan`.

Forward and backward passes run on fake tensors, which have a size but no data, so that 70B parameters need no GPU.
PyTorch's memory tracker finds the peak. Sharded training runs on PyTorch's fake process group, with FSDP2 and the
wrapping of accelerate. What a GPU does differently is replaced: attention keeps what FlashAttention keeps, and the
logits are computed in tiles in place, as by TRL's Triton kernel.

Only models of a few layers are simulated, 2 and 4 or 12 and 16, and the peak of the whole model is extrapolated: all
terms are linear in the number of layers. `--whole` simulates all layers, which takes much longer. Not simulated:
DeepSpeed's buffers, vLLM, quantization, fragmentation of the GPU's memory.

    python benchmarks/memory.py
"""

import argparse
import multiprocessing
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed._tools.mem_tracker import MemTracker
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM, PreTrainedConfig
from transformers.masking_utils import flash_attention_mask
from trl import ModelConfig, SFTConfig
from trl.kernels import chunked_logprob
from trl.trainer.utils import add_fused_lm_head

from open_r1.planning.known_models import known_config
from open_r1.planning.memory import REPLICATED, SHARDED_WEIGHTS, training_memory
from open_r1.planning.model_shape import ModelShape


GIB = 2**30
HEADER = (
    "model                  weights   GPUs  tokens  checkpointing  accumulated  layers  simulated    planned  ratio"
)


@dataclass
class Case:
    """A training step to simulate.

    Args:
        model (`str`): Hub id of a model of the recipes.
        dtype (`str`): Type of the weights: `bfloat16`, or `float32` with autocast.
        gpus (`int`):
            Number of GPUs that the weights, gradients and optimizer states are sharded over; 1 for no shards.
        tokens (`int`): Number of tokens per forward pass.
        checkpointing (`bool`, *optional*, defaults to `True`): Whether activations are recomputed.
        accumulated (`int`, *optional*, defaults to 2): Number of forward and backward passes per step.
        few_layers (`tuple[int, int]`, *optional*, defaults to `(2, 4)`): Numbers of layers to extrapolate from.
    """

    model: str
    dtype: str
    gpus: int
    tokens: int
    checkpointing: bool = True
    accumulated: int = 2
    few_layers: tuple[int, int] = (2, 4)  # from where on the peak is at the same moment of the step

    @property
    def layers(self) -> int:
        """Number of layers of the whole model."""
        return known_config(self.model).num_hidden_layers

    def config(self, layers: int) -> PreTrainedConfig:
        """The model's configuration, with this number of layers and enough positions."""
        config = known_config(self.model)
        config.num_hidden_layers = layers
        config.max_position_embeddings = max(config.max_position_embeddings, self.tokens)
        return config


# The sequence lengths of the recipes for fine-tuning, and for the 1.5B those of GRPO, too.
CASES = [
    Case("Qwen/Qwen2.5-1.5B", "float32", 1, 16384),
    Case("Qwen/Qwen2.5-1.5B", "bfloat16", 1, 32768),
    Case("Qwen/Qwen2.5-1.5B", "float32", 1, 4096, checkpointing=False),
    Case("Qwen/Qwen2.5-7B", "bfloat16", 1, 32768),
    Case("Qwen/Qwen2.5-7B", "bfloat16", 1, 4096, accumulated=1, few_layers=(8, 12)),
    Case("Qwen/Qwen2.5-32B", "bfloat16", 1, 32768),
    Case("meta-llama/Llama-3.3-70B-Instruct", "bfloat16", 1, 32768),
    Case("Qwen/Qwen2.5-1.5B", "float32", 8, 32768, few_layers=(12, 16)),
    Case("Qwen/Qwen2.5-7B", "float32", 8, 32768, few_layers=(12, 16)),
    Case("Qwen/Qwen2.5-32B", "float32", 32, 32768, few_layers=(12, 16)),
    Case("meta-llama/Llama-3.3-70B-Instruct", "float32", 64, 32768, few_layers=(12, 16)),
]


class _FlashAttention(torch.autograd.Function):
    """Allocates what FlashAttention-2 allocates."""

    @staticmethod
    def forward(ctx, query, key, value):
        output = torch.empty_like(query)
        log_sum_exp = torch.empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, output, log_sum_exp)
        return output

    @staticmethod
    def backward(ctx, gradient):
        query, key, value, *_ = ctx.saved_tensors
        accumulator = torch.empty_like(query, dtype=torch.float32)  # of the query's gradient
        key_gradients = torch.empty_like(query)  # for each query head, before those of a group are added
        value_gradients = torch.empty_like(query)
        del accumulator, key_gradients, value_gradients
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def simulated_attention(module, query, key, value, attention_mask, **kwargs):
    """Stands for FlashAttention in transformers' interface of attention functions."""
    output = _FlashAttention.apply(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return output, None


def imitate_gpu() -> None:
    """Replaces what allocates other memory on a CPU than on a GPU."""
    # The name must not contain "flash", which transformers would look for on the Hub.
    AttentionInterface.register("simulated", simulated_attention)
    AttentionMaskInterface.register("simulated", flash_attention_mask)
    # These work in place on a GPU; without Triton they make several copies of a tile of logits.
    for name in ("_forward_tile", "_backward_tile", "_addmm_fp32"):
        setattr(chunked_logprob, name, lambda *args, **kwargs: None)


def shard(model: torch.nn.Module, mesh: DeviceMesh) -> None:
    """Shards a model in units: each layer, the embeddings, and the head.

    They are accelerate's (`fsdp2_prepare_model` in accelerate/utils/fsdp_utils.py), except that the head's unit is the
    root, whose gradients are reduced at the end: the tracker needs units whose forward is called.
    """
    half = torch.bfloat16
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=half, output_dtype=half)
    options = {"mesh": mesh, "mp_policy": policy}
    for layer in model.model.layers:
        fully_shard(layer, **options)
    if not model.config.tie_word_embeddings:
        fully_shard(model.model.embed_tokens, **options)
    fully_shard(model, **options)  # the last norm and the head


def simulate(case: Case, layers: int) -> float:
    """Peak memory of a training step in bytes, on one device, of a model with this number of layers."""
    imitate_gpu()
    if case.gpus > 1:
        dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=case.gpus)
        mesh = dist.init_device_mesh("cpu", (case.gpus,))
    with FakeTensorMode(allow_non_fake_inputs=True):
        dtype = getattr(torch, case.dtype)
        model = AutoModelForCausalLM.from_config(case.config(layers), dtype=dtype, attn_implementation="simulated")
        model.train()
        if case.checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        add_fused_lm_head(model)
        if case.gpus > 1:
            shard(model, mesh)
        optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
        _forward_and_backward(model, case)
        optimizer.step()  # makes the optimizer states
        optimizer.zero_grad()
        if case.gpus > 1:
            tracker = FSDPMemTracker(model, optimizer)
        else:
            tracker = MemTracker()
            tracker.track_external(model, optimizer)
        with tracker:
            for _ in range(case.accumulated):
                _forward_and_backward(model, case)
                tracker.reset_mod_stats()
    peak = tracker.get_tracker_snapshot("peak")
    return float(sum(device["Total"] for device in peak.values()))


def _forward_and_backward(model: torch.nn.Module, case: Case) -> None:
    tokens = torch.zeros(1, case.tokens, dtype=torch.long)
    positions = torch.arange(case.tokens)[None]
    with torch.autocast("cpu", torch.bfloat16, enabled=case.dtype == "float32" and case.gpus == 1):
        output = model(input_ids=tokens, position_ids=positions, labels=tokens, fused_lm_head=True)
    output.loss.backward()


def estimate(case: Case, layers: int) -> float:
    """The plan's figure for the same step, in bytes."""
    args = SFTConfig(
        "unused",
        bf16=True,
        use_cpu=True,  # so that no GPU is needed to make the arguments
        gradient_checkpointing=case.checkpointing,
        gradient_accumulation_steps=case.accumulated,
    )
    args.use_cpu = False
    share = SHARDED_WEIGHTS if case.gpus > 1 else REPLICATED
    shape = ModelShape.from_config(case.config(layers))
    model_args = ModelConfig(dtype=case.dtype)
    return sum(training_memory(shape, model_args, args, case.tokens, case.gpus, share).values())


def compare(case: Case, whole: bool = False) -> dict[str, float]:
    """Simulates a case, each number of layers in its own process.

    Args:
        case (`Case`): The training step.
        whole (`bool`, *optional*, defaults to `False`): Whether to simulate all layers instead of extrapolating.

    Returns:
        `dict[str, float]`: Bytes as simulated and as planned.
    """
    if whole:
        simulated = _simulate_in_process(case, case.layers)
    else:
        few, more = case.few_layers
        peak_of_few = _simulate_in_process(case, few)
        per_layer = (_simulate_in_process(case, more) - peak_of_few) / (more - few)
        simulated = peak_of_few + (case.layers - few) * per_layer
    return {"simulated": simulated, "planned": estimate(case, case.layers)}


def _simulate_in_process(case: Case, layers: int) -> float:
    """Simulates in a forked process, since a process can join one process group and imitate a GPU only for good."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(simulate, (case, layers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="Simulate all layers instead of extrapolating.")
    args = parser.parse_args()
    print(HEADER)
    for case in CASES:
        result = compare(case, args.whole)
        simulated = result["simulated"] / GIB
        planned = result["planned"] / GIB
        name = case.model.rpartition("/")[2]
        layers = "all" if args.whole else "{}, {}".format(*case.few_layers)
        options = f"{str(case.checkpointing):<13}  {case.accumulated:>11}  {layers:>6}"
        sizes = f"{simulated:5.1f} GiB  {planned:5.1f} GiB"
        print(
            f"{name:<22} {case.dtype:<9} {case.gpus:>4} {case.tokens:>7}  {options}  {sizes}  "
            f"{planned / simulated:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
