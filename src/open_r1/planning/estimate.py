"""What a recipe needs on so many GPUs: memory, time, cost, and what holds it up; arithmetic from stated rates, nothing is run.

Memory follows the states of mixed precision (ZeRO, 1910.02054, §3.1) and the activations of a transformer layer (Korthikanti et al. 2205.05198, §4), with the
constants that fit what we measured (tests/planning/test_planning.py). Time is floating-point operations over a rate (6 a parameter and token: Kaplan et al.
2001.08361, §2.1) and, in generation, bytes read over bandwidth, step by step until the longest completion has ended.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml


if TYPE_CHECKING:
    from transformers import PreTrainedConfig
    from trl import ModelConfig

GIB = 2**30
PROMPT = 150  # tokens; those of the paper's mathematics problems are 122 on average (v2, B.3.1)


@dataclass
class GPU:
    """A device: dense bf16 TFLOP/s, GiB of memory and TB/s of bandwidth (the makers' data sheets), and dollars an hour."""

    tflops: float
    memory: float
    bandwidth: float
    price: float


# Prices change; $2 for an H800 is the paper's (v2, B.4.4).
GPUS = {
    "A100": GPU(312, 80, 2.0, 1.5),
    "H800": GPU(989, 80, 3.35, 2.0),
    "H100": GPU(989, 80, 3.35, 2.5),
    "H200": GPU(989, 141, 4.8, 3.0),
}


@dataclass
class Rates:
    """What is assumed, where nothing was measured.

    Args:
        training (`float`): Share of a device's operations that training makes use of.
        mixture (`float`): The same for a mixture of experts.
        reading (`float`): Share of the bandwidth that generation makes use of.
        per_layer (`float`): Seconds that a token takes in each layer beyond reading the weights: kernels, and the exchange within a node.
        all_to_all (`float`): Seconds that it takes in each layer of experts beyond that, if these are spread over nodes.
        sync (`float`): Bytes a second by which new weights come to a vLLM engine.
    """

    training: float = 0.4
    mixture: float = 0.3
    reading: float = 0.6
    per_layer: float = 5e-5
    all_to_all: float = 2e-4
    sync: float = 20e9


@dataclass
class Shape:
    """A model, in numbers.

    Args:
        parameters (`int`): All.
        active (`int`): Those that one token passes through.
        layers (`int`): Layers.
        width (`int`): Size of the hidden state.
        inner (`int`): Size of the feed-forward part that a token passes through.
        keys (`int`): Numbers that a layer keeps of each token for attention.
        vocabulary (`int`): Tokens.
        experts (`int`): Of a layer; 0 for a dense model.
        chosen (`int`): Of these, for each token.
    """

    parameters: int
    active: int
    layers: int
    width: int
    inner: int
    keys: int
    vocabulary: int
    experts: int = 0
    chosen: int = 0

    @classmethod
    def of(cls, config: "PreTrainedConfig", trust_remote_code: bool = False) -> "Shape":
        """Counts, on a model without weights."""
        from open_r1.models.loading import meta_model  # imports torch

        model = meta_model(config, trust_remote_code)
        text = config.get_text_config()
        experts = (
            getattr(text, "n_routed_experts", None) or getattr(text, "num_experts", None) or 0
        )  # DeepSeek's name, and Qwen's
        chosen = text.num_experts_per_tok if experts else 0
        spread = sum(weight.numel() for name, weight in model.named_parameters() if ".experts." in name)
        count = model.num_parameters()
        ordinary = getattr(text, "intermediate_size", None) or 4 * text.hidden_size  # GPT-2's has no name
        inner = (text.moe_intermediate_size * (chosen + 1)) if experts else ordinary
        if rank := getattr(text, "kv_lora_rank", None):  # multi-head latent attention keeps one small vector
            keys = rank + text.qk_rope_head_dim
        else:
            head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
            keys = 2 * head * (getattr(text, "num_key_value_heads", None) or text.num_attention_heads)
        active = count - spread + (spread * chosen // experts if experts else 0)
        return cls(
            count, active, text.num_hidden_layers, text.hidden_size, inner, keys, text.vocab_size, experts, chosen
        )


def sharding(accelerate_config: str | None) -> int:
    """What the processes share: 0 nothing, 2 gradients and the optimizer's state, 3 weights as well.

    >>> sharding("recipes/accelerate_configs/zero2.yaml"), sharding("recipes/accelerate_configs/fsdp2.yaml"), sharding(None)
    (2, 3, 0)
    """
    found = yaml.safe_load(Path(accelerate_config).read_text()) if accelerate_config else {}
    if found.get("distributed_type") == "FSDP":
        return 3
    return found.get("deepspeed_config", {}).get("zero_stage", 0)


# Bytes that a layer keeps of each token for the backward pass, for each number of the hidden size, of the keys and of the inner size; counted in
# Qwen2's layer. Under autocast norms stay in full precision.
KEPT = {"full": (28.0, 8.0, 16.0), "autocast": (38.6, 4.0, 9.5), "half": (18.0, 4.0, 8.0)}
TILE = (4096, 32768)  # tokens and vocabulary whose logits TRL's head has at once
TILES_ON_A_CPU = 10  # copies of them where there is no fused kernel


def training_memory(
    shape: Shape, model_args: "ModelConfig", args: Any, tokens: int, processes: int, share: int, engine: float = 0.0
) -> dict[str, float]:
    """Peak memory of training on one device by what takes it, in bytes.

    Args:
        shape (`Shape`): The model.
        model_args (`ModelConfig`): Whether an adapter is trained, and in which type.
        args (`TrainingArguments`): Precision, checkpointing, `beta`.
        tokens (`int`): Tokens in one forward pass on one device, padded.
        processes (`int`): Devices.
        share (`int`): As `sharding` says.
        engine (`float`, *optional*, defaults to 0): Bytes of vLLM on this device. Where it sleeps while the device trains, what that needs for a moment
            (gathered weights, activations) takes its place, and only what is beyond that counts.
    """
    half = args.bf16 or args.fp16
    value = 2 if half or model_args.dtype == "bfloat16" else 4
    weight = 2 if model_args.dtype == "bfloat16" or (half and share and not model_args.use_peft) else 4
    trained = shape.parameters * (0.01 if model_args.use_peft else 1.0)
    master = 4 if weight == 2 and share else 0  # DeepSpeed's copy in full precision
    slices = processes if share else 1
    quantized = 0.55 if getattr(model_args, "load_in_4bit", False) else 1.1 if model_args.load_in_8bit else None
    weights = shape.parameters * (quantized or weight) / (processes if share == 3 else 1)
    if getattr(args, "num_generations", 0) and args.beta and not model_args.use_peft:  # GRPO's reference model
        weights *= 2
    if half and not share and weight == 4:  # autocast keeps what it has cast
        weights += 2 * shape.parameters
    optimizer = trained * (master + 2 * (4 if master else weight)) / slices
    gradients = trained * weight / slices
    of_width, of_keys, of_inner = KEPT["full" if value == 4 else "autocast" if weight == 4 else "half"]
    layer = tokens * (of_width * shape.width + of_keys * shape.keys + of_inner * shape.inner)
    if model_args.use_peft:  # what dropout keeps before each adapter, and its mask
        layer += tokens * (6 * shape.width + shape.inner) * (value + (value if args.use_cpu else 1))
    kept = shape.layers * tokens * shape.width * value + layer if args.gradient_checkpointing else shape.layers * layer
    tile = min(tokens, TILE[0]) * min(shape.vocabulary, TILE[1]) * value
    head = tile * (TILES_ON_A_CPU if args.use_cpu else 1)
    gathered = 2 * shape.parameters / shape.layers * weight if share == 3 else 0.0
    # Gradients come as activations go: the peak is at the beginning or at the end of the backward pass.
    needs = {
        "weights": weights + gathered,
        "optimizer": optimizer,
        "gradients and activations": max(gradients + layer, kept + head),
    }
    if not engine:
        return needs
    passing = gathered + max(layer, kept + head - gradients) if args.vllm_enable_sleep_mode else 0.0
    return needs | {"vLLM, beyond training" if passing else "vLLM": max(0.0, engine - passing)}


def generation_seconds(
    shape: Shape, gpu: GPU, rates: Rates, gpus: int, replicas: int, sequences: float, mean: float, longest: int
) -> float:
    """Seconds until each engine has ended its completions, whose lengths fall off exponentially up to the longest.

    Args:
        gpus (`int`): Of one engine.
        replicas (`int`): Engines.
        sequences (`float`): Completions of all.
        mean (`float`): Tokens of a completion.
        longest (`int`): After which one is cut off.
    """
    each, steps = sequences / replicas, 256
    bandwidth = gpus * gpu.bandwidth * 1e12 * rates.reading
    dense = shape.active if not shape.experts else shape.active - _routed(shape) * shape.chosen / shape.experts
    fixed = shape.layers * (rates.per_layer + (rates.all_to_all if shape.experts and gpus > 8 else 0.0))
    total = 0.0
    for step in range(steps):
        position = (step + 0.5) * longest / steps
        alive = max(1.0, each * math.exp(-position / mean))
        touched = _routed(shape) * (1 - (1 - shape.chosen / shape.experts) ** alive) if shape.experts else 0.0
        read = 2 * (dense + touched) + alive * position * shape.layers * shape.keys * 2
        computed = 2 * shape.active * alive / (gpus * gpu.tflops * 1e12 * rates.training)
        total += (fixed + max(read / bandwidth, computed)) * longest / steps
        if each * math.exp(-position / mean) < 0.5:  # the last one has ended
            break
    return total


def _routed(shape: Shape) -> float:
    """Parameters of all experts."""
    return (shape.parameters - shape.active) / (1 - shape.chosen / shape.experts)


@dataclass
class Plan:
    """What a recipe needs.

    Args:
        memory (`dict[str, float]`): GiB of a training GPU, by what takes it.
        capacity (`float`): GiB that one has.
        tokens (`float`): Tokens of a step's sequences.
        seconds (`dict[str, float]`): Of a step, by what takes them.
        steps (`int`): Optimizer steps.
        gpus (`int`): GPUs, those that only generate among them.
        price (`float`): Dollars of a GPU's hour.
        assumed (`list[str]`): In words.
    """

    memory: dict[str, float]
    capacity: float
    tokens: float
    seconds: dict[str, float]
    steps: int
    gpus: int
    price: float
    assumed: list[str]

    @property
    def hours(self) -> float:
        """Hours of the whole run."""
        return self.steps * sum(self.seconds.values()) / 3600

    def __str__(self) -> str:
        took, most = sum(self.seconds.values()), max(self.seconds, key=self.seconds.__getitem__)
        memory = sum(self.memory.values())
        lines = [
            f"memory of a GPU that trains: {memory:,.1f} of {self.capacity:,.0f} GiB{'' if memory <= self.capacity else ': IT DOES NOT FIT'}"
        ]
        lines += [f"  {name:<26}{value:>10,.2f} GiB" for name, value in self.memory.items()]
        lines += [f"a step: {self.tokens:,.0f} tokens, {took:,.1f} s, {self.tokens / took:,.0f} tokens/s"]
        lines += [f"  {name:<26}{value:>10,.2f} s{value / took:>7.0%}" for name, value in self.seconds.items()]
        total = self.hours * self.gpus
        lines += [
            f"the run: {self.steps:,} steps, {self.hours:,.1f} hours on {self.gpus} GPUs = {total:,.0f} GPU hours, ${total * self.price:,.0f}"
        ]
        lines += [f"held up by {most}", "assumed:", *(f"  {line}" for line in self.assumed)]
        return "\n".join(lines)


@dataclass
class Work:
    """What a step has to do; of a recipe, its data and the user's guesses.

    Args:
        sequences (`int`): Of a step, over all devices.
        per_device (`int`): In one forward pass.
        prompt (`int`): Tokens of the longest prompt; 0 where sequences are not generated. On average they are not taken for longer than `PROMPT`.
        completion (`int`): Tokens of the longest completion, or of a whole sequence.
        mean (`float`): Tokens of a completion, or of a sequence, on average.
        steps (`int`): Optimizer steps.
        engines (`int`): GPUs of a vLLM engine; 0 if nothing is generated.
        generators (`int`): GPUs that only generate; 0 if those that train do.
        round (`int`): Steps whose completions are drawn together.
    """

    sequences: int
    per_device: int
    prompt: int
    completion: int
    mean: float
    steps: int
    engines: int = 0
    generators: int = 0
    round: int = 1


def plan(
    shape: Shape,
    model_args: "ModelConfig",
    args: Any,
    work: Work,
    gpu_name: str,
    gpus: int,
    share: int,
    rates: Rates | None = None,
) -> Plan:
    """Memory, time and cost.

    Args:
        shape (`Shape`): The model.
        model_args (`ModelConfig`): Its options.
        args (`TrainingArguments`): The trainer's.
        work (`Work`): What a step has to do.
        gpu_name (`str`): Key of `GPUS`.
        gpus (`int`): Those that train.
        share (`int`): As `sharding` says.
        rates (`Rates`, *optional*): What is assumed.
    """
    gpu, rates = GPUS[gpu_name], rates or Rates()
    colocated = work.engines and args.use_vllm and args.vllm_mode == "colocate"
    engine = args.vllm_gpu_memory_utilization * gpu.memory * GIB if colocated else 0.0
    memory = training_memory(
        shape, model_args, args, work.per_device * (work.prompt + work.completion), gpus, share, engine
    )
    memory = {name: value / GIB for name, value in memory.items()}
    passes = 6.0 if not model_args.use_peft else 4.0  # no gradients of frozen weights
    passes += 2.0 if args.gradient_checkpointing else 0.0
    share_of_peak = rates.mixture if shape.experts else rates.training
    length = min(work.prompt, PROMPT) + work.mean
    tokens = work.sequences * length

    def computing(factor: float) -> float:
        # Scores and values, 4 × width × the tokens before, a forward pass being twice what a parameter takes. Of lengths that fall off exponentially a
        # token sees `length` before it on average, of sequences that are all full half as many.
        attention = 2 * shape.layers * shape.width * length * (0.5 if work.mean == work.completion else 1.0)
        return tokens * factor * (shape.active + attention) / (gpus * gpu.tflops * 1e12 * share_of_peak)

    seconds = {}
    assumed = [
        f"{gpu_name}: {gpu.tflops:g} bf16 TFLOP/s, {gpu.memory:g} GiB, {gpu.bandwidth:g} TB/s, ${gpu.price:g} an hour; {share_of_peak:.0%} of the operations are used",
        f"sequences of {length:,.0f} tokens on average, {work.prompt + work.completion:,} at most",
    ]
    if work.engines:
        replicas = max(1, (work.generators or gpus) // work.engines)
        drawn = work.sequences * work.round / args.num_iterations  # each is trained on so many times
        took = generation_seconds(shape, gpu, rates, work.engines, replicas, drawn, work.mean, work.completion)
        where = f"on {work.generators} GPUs of their own, which wait while the others train, and these for them"
        assumed += [
            f"{replicas} engines of {work.engines}, {where if work.generators else 'on the GPUs that train, in turn'}; {drawn:,.0f} completions at once, lengths falling off exponentially",
            f"{rates.reading:.0%} of the bandwidth is used; {rates.per_layer * 1e6:g} µs a layer and token, {rates.all_to_all * 1e6:g} more for experts on several nodes",
        ]
        seconds["generation"] = took / work.round
        seconds["weights to vLLM"] = 2 * shape.parameters / work.engines / rates.sync / work.round
        seconds["log-probabilities"] = computing(2.0 * (1 + bool(args.beta)))
    seconds["training"] = computing(passes)
    return Plan(memory, gpu.memory, tokens, seconds, work.steps, gpus + work.generators, gpu.price, assumed)


def engine_of(shape: Shape, gpu: GPU) -> int:
    """GPUs of the smallest engine of which the weights take no more than 60%."""
    return 2 ** max(0, math.ceil(math.log2(2 * shape.parameters / (0.6 * gpu.memory * GIB))))
