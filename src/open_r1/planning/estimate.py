"""Estimates memory, time, cost and the bottleneck of a training run by arithmetic, without running anything.

Training time is the number of floating-point operations (6 per parameter and token: Kaplan et al. 2001.08361, §2.1)
divided by an assumed rate. Generation time comes from `generation_time`, memory from `memory`.
"""

from dataclasses import dataclass
from typing import Any

from trl import ModelConfig

from open_r1.planning.generation_time import GIB, generation_seconds
from open_r1.planning.gpus import GPUS, Rates
from open_r1.planning.memory import training_memory, unchecked_parts
from open_r1.planning.model_shape import ModelShape


MEAN_PROMPT = 150  # tokens; the average of the paper's math problems is 122 (v2, B.3.1)
BYTES_PER_WEIGHT = 2  # in vLLM
USABLE_MEMORY = 0.9  # share of a GPU's memory; the rest is for the CUDA context and for fragmentation
# Floating-point operations per parameter and token.
FORWARD = 2.0
FORWARD_AND_BACKWARD = 6.0
FORWARD_AND_BACKWARD_OF_AN_ADAPTER = 4.0  # no gradients for frozen weights


@dataclass
class Workload:
    """The work of a training run, from the recipe, its data and the user's estimates.

    Args:
        sequences (`int`): Number of sequences per step, over all devices.
        per_device (`int`): Number of sequences per forward pass.
        longest_prompt (`int`): Tokens in the longest prompt; 0 if nothing is generated.
        longest (`int`): Tokens in the longest completion or, if nothing is generated, in the longest sequence.
        mean_length (`float`): Average number of tokens in a completion or, if nothing is generated, in a sequence.
        steps (`int`): Number of optimizer steps.
        engine_gpus (`int`, *optional*, defaults to 0): GPUs per vLLM engine; 0 if nothing is generated.
        generating_gpus (`int`, *optional*, defaults to 0):
            GPUs that only generate; 0 if the training GPUs also generate.
        steps_of_a_round (`int`, *optional*, defaults to 1): Number of steps whose completions are generated together.
    """

    sequences: int
    per_device: int
    longest_prompt: int
    longest: int
    mean_length: float
    steps: int
    engine_gpus: int = 0
    generating_gpus: int = 0
    steps_of_a_round: int = 1

    @property
    def mean_sequence(self) -> float:
        """Average number of tokens in a sequence, including the prompt."""
        return min(self.longest_prompt, MEAN_PROMPT) + self.mean_length


@dataclass
class Plan:
    """The estimated memory, time and cost of a recipe.

    Args:
        memory (`dict[str, float]`): Breakdown of the memory used on a training GPU, in GiB.
        capacity (`float`): Memory of a GPU, in GiB.
        tokens (`float`): Number of tokens per step.
        seconds (`dict[str, float]`): Breakdown of the time of a step, in seconds.
        steps (`int`): Number of optimizer steps.
        gpus (`int`): Number of GPUs, including those that only generate.
        price (`float`): Price of a GPU in dollars per hour.
        assumptions (`list[str]`): Descriptions of the assumptions made.
        unchecked (`list[str]`): Parts of the memory that no simulation has checked.
        engine_memory (`float`, *optional*, defaults to 0): What the recipe allows vLLM on a training GPU, in GiB.
        engine_weights (`float`, *optional*, defaults to 0): What the weights need of it, in GiB.
    """

    memory: dict[str, float]
    capacity: float
    tokens: float
    seconds: dict[str, float]
    steps: int
    gpus: int
    price: float
    assumptions: list[str]
    unchecked: list[str]
    engine_memory: float = 0.0
    engine_weights: float = 0.0

    @property
    def step_seconds(self) -> float:
        """Seconds per step."""
        return sum(self.seconds.values())

    @property
    def hours(self) -> float:
        """Duration of the whole run in hours."""
        return self.steps * self.step_seconds / 3600

    @property
    def fits(self) -> bool:
        """Whether the memory suffices, with a margin for the CUDA context and for fragmentation."""
        return sum(self.memory.values()) <= USABLE_MEMORY * self.capacity and self.engine_fits

    @property
    def engine_fits(self) -> bool:
        """Whether vLLM has room for the weights, and some for the KV cache."""
        return self.engine_weights <= USABLE_MEMORY * self.engine_memory

    def __str__(self) -> str:
        memory = sum(self.memory.values())
        gpu_hours = self.hours * self.gpus
        verdict = ""
        if memory > self.capacity:
            verdict = ": does NOT fit"
        elif not self.fits:
            verdict = f": may not fit, since CUDA and fragmentation take about {1 - USABLE_MEMORY:.0%}"
        lines = [f"memory of a GPU that trains: {memory:,.1f} of {self.capacity:g} GiB{verdict}"]
        for name, gib in self.memory.items():
            lines.append(f"  {name:<26}{gib:>10,.2f} GiB")
        if not self.engine_fits:
            lines.append(
                f"  vllm_gpu_memory_utilization: allows {self.engine_memory:,.1f} GiB, too little for weights of "
                f"{self.engine_weights:,.1f} GiB and the KV cache"
            )
        if self.unchecked:
            lines.append(f"  not checked: {'; '.join(self.unchecked)}")
        tokens_per_second = self.tokens / self.step_seconds
        lines.append(
            f"a step: {self.tokens:,.0f} tokens, {self.step_seconds:,.1f} s, {tokens_per_second:,.0f} tokens/s"
        )
        for name, seconds in self.seconds.items():
            lines.append(f"  {name:<26}{seconds:>10,.2f} s{seconds / self.step_seconds:>7.0%}")
        lines.append(
            f"the run: {self.steps:,} steps, {self.hours:,.1f} hours on {self.gpus} GPUs "
            f"= {gpu_hours:,.0f} GPU hours, ${gpu_hours * self.price:,.0f}"
        )
        bottleneck = max(self.seconds, key=self.seconds.__getitem__)
        lines.append(f"bottleneck: {bottleneck}")
        lines.append("assumed:")
        for assumption in self.assumptions:
            lines.append(f"  {assumption}")
        return "\n".join(lines)


def make_plan(
    shape: ModelShape,
    model_args: ModelConfig,
    args: Any,
    workload: Workload,
    gpu_name: str,
    gpus: int,
    share: int,
    rates: Rates | None = None,
) -> Plan:
    """Estimates memory, time and cost.

    Args:
        shape (`ModelShape`): Size of the model.
        model_args (`ModelConfig`): The model's arguments.
        args (`TrainingArguments`): The trainer's arguments.
        workload (`Workload`): The work to do.
        gpu_name (`str`): Key of `GPUS`.
        gpus (`int`): Number of GPUs that train.
        share (`int`): Return value of `memory.sharding`.
        rates (`Rates`, *optional*): Assumed rates of the GPU.
    """
    gpu = GPUS[gpu_name]
    rates = rates or Rates()
    engine_memory = 0.0
    engine_weights = 0.0
    if workload.engine_gpus and args.use_vllm and args.vllm_mode == "colocate":
        engine_memory = args.vllm_gpu_memory_utilization * gpu.memory
        engine_weights = BYTES_PER_WEIGHT * shape.parameters / (args.vllm_tensor_parallel_size or 1) / GIB
    memory = _memory_in_gib(shape, model_args, args, workload, engine_memory, gpus, share)

    used_share = rates.mixture if shape.experts else rates.training
    operations_per_second = gpus * gpu.tflops * 1e12 * used_share
    tokens = workload.sequences * workload.mean_sequence
    seconds_per_operation = tokens * _effective_parameters(shape, workload) / operations_per_second
    assumptions = [
        f"{gpu_name}: {gpu.tflops:g} bf16 TFLOP/s, {gpu.memory:g} GiB, {gpu.bandwidth:g} TB/s, "
        f"${gpu.price:g} an hour; {used_share:.0%} of the operations are used",
        f"sequences of {workload.mean_sequence:,.0f} tokens on average, "
        f"{workload.longest_prompt + workload.longest:,} at most",
    ]
    seconds = {}
    if workload.engine_gpus:
        replicas = max(1, (workload.generating_gpus or gpus) // workload.engine_gpus)
        # Each completion is trained on `num_iterations` times.
        completions = workload.sequences * workload.steps_of_a_round / args.num_iterations
        generation = generation_seconds(
            shape, gpu, rates, workload.engine_gpus, replicas, completions, workload.mean_length, workload.longest
        )
        synchronization = BYTES_PER_WEIGHT * shape.parameters / workload.engine_gpus / rates.sync
        seconds["generation"] = generation / workload.steps_of_a_round
        seconds["weights to vLLM"] = synchronization / workload.steps_of_a_round
        forward_passes = 2 if args.beta else 1  # of the policy, and of the reference model
        seconds["log-probabilities"] = FORWARD * forward_passes * seconds_per_operation
        assumptions += _generation_assumptions(workload, rates, replicas, completions)
    seconds["training"] = _training_operations(model_args, args) * seconds_per_operation
    return Plan(
        memory=memory,
        capacity=gpu.memory,
        tokens=tokens,
        seconds=seconds,
        steps=workload.steps,
        gpus=gpus + workload.generating_gpus,
        price=gpu.price,
        assumptions=assumptions,
        unchecked=unchecked_parts(shape, model_args, args, share),
        engine_memory=engine_memory,
        engine_weights=engine_weights,
    )


def _memory_in_gib(
    shape: ModelShape,
    model_args: ModelConfig,
    args: Any,
    workload: Workload,
    engine_memory: float,
    gpus: int,
    share: int,
) -> dict[str, float]:
    tokens = workload.per_device * (workload.longest_prompt + workload.longest)
    needs = training_memory(shape, model_args, args, tokens, gpus, share, engine_memory * GIB)
    return {name: count / GIB for name, count in needs.items()}


def _effective_parameters(shape: ModelShape, workload: Workload) -> float:
    """The active parameters, plus the number of parameters that would cost as much as attention does."""
    # A forward pass takes 2 operations per parameter, plus 4 × width per previous token in each layer. If the lengths
    # are distributed exponentially, a token has on average as many previous tokens as the mean sequence is long; if
    # all sequences are full, half as many.
    all_are_full = workload.mean_length == workload.longest
    tokens_before = workload.mean_sequence
    if all_are_full:
        tokens_before *= 0.5
    return shape.active + 2 * shape.layers * shape.width * tokens_before


def _training_operations(model_args: ModelConfig, args: Any) -> float:
    """Floating-point operations of training per parameter and token."""
    operations = FORWARD_AND_BACKWARD
    if model_args.use_peft:
        operations = FORWARD_AND_BACKWARD_OF_AN_ADAPTER
    if args.gradient_checkpointing:
        operations += FORWARD
    return operations


def _generation_assumptions(workload: Workload, rates: Rates, replicas: int, completions: float) -> list[str]:
    place = "on the GPUs that train, in turn"
    if workload.generating_gpus:
        place = f"on {workload.generating_gpus} separate GPUs; these and the training GPUs wait for each other"
    return [
        f"{replicas} engines of {workload.engine_gpus}, {place}; {completions:,.0f} completions at once, "
        "exponentially distributed lengths",
        f"{rates.reading:.0%} of the bandwidth is used; {rates.per_layer * 1e6:g} µs a layer and token, "
        f"{rates.all_to_all * 1e6:g} more for experts on several nodes",
    ]
