"""Estimates the time of generation, limited by memory bandwidth or compute, until the longest completion ends."""

import math

from open_r1.planning.gpus import GPU, Rates
from open_r1.planning.model_shape import ModelShape


GIB = 2**30
INTERVALS = 256  # into which the length is divided; the time per token is treated as constant in each of them
GPUS_PER_NODE = 8
WEIGHTS_SHARE = 0.6  # share of an engine's memory that the weights may use; the rest is for the KV cache


def generation_seconds(
    shape: ModelShape,
    gpu: GPU,
    rates: Rates,
    gpus: int,
    replicas: int,
    sequences: float,
    mean_length: float,
    longest: int,
) -> float:
    """Seconds until all engines have finished. Completion lengths are assumed to be exponential, cut off at `longest`.

    Args:
        shape (`ModelShape`): Size of the model.
        gpu (`GPU`): The GPU.
        rates (`Rates`): Assumed rates of the GPU.
        gpus (`int`): Number of GPUs per engine.
        replicas (`int`): Number of engines.
        sequences (`float`): Number of completions over all engines.
        mean_length (`float`): Average number of tokens in a completion.
        longest (`int`): Number of tokens at which a completion is cut off.
    """
    bytes_per_second = gpus * gpu.bandwidth * 1e12 * rates.reading
    operations_per_second = gpus * gpu.tflops * 1e12 * rates.training
    fixed_seconds = rates.per_layer
    if shape.experts and gpus > GPUS_PER_NODE:
        fixed_seconds += rates.all_to_all
    fixed_seconds *= shape.layers

    total = 0.0
    for interval in range(INTERVALS):
        position = (interval + 0.5) * longest / INTERVALS
        unfinished = sequences / replicas * math.exp(-position / mean_length)
        batch = max(1.0, unfinished)
        read_seconds = _bytes_read(shape, batch, position) / bytes_per_second
        compute_seconds = 2 * shape.active * batch / operations_per_second
        total += (fixed_seconds + max(read_seconds, compute_seconds)) * longest / INTERVALS
        if unfinished < 0.5:  # the last completion has ended
            break
    return total


def smallest_engine(shape: ModelShape, gpu: GPU) -> int:
    """Number of GPUs of the smallest engine with room for the weights; a power of two."""
    gpus = 2 * shape.parameters / (WEIGHTS_SHARE * gpu.memory * GIB)
    return 2 ** max(0, math.ceil(math.log2(gpus)))


def _bytes_read(shape: ModelShape, batch: float, position: float) -> float:
    """Bytes read to generate the next token of a batch: all weights that it uses, and the KV cache."""
    weights = shape.active
    if shape.experts:
        always_read = shape.active - shape.routed * shape.chosen / shape.experts
        chosen_by_none = (1 - shape.chosen / shape.experts) ** batch
        weights = always_read + shape.routed * (1 - chosen_by_none)
    keys = batch * position * shape.layers * shape.keys
    return 2 * weights + keys * 2
