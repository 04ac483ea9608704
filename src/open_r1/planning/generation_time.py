"""Time of generation: bytes read over bandwidth, or operations over their rate, until the longest completion ends."""

import math

from open_r1.planning.gpus import GPU, Rates
from open_r1.planning.model_shape import ModelShape


GIB = 2**30
INTERVALS = 256  # of a completion's length, in each of which the time of a token is taken as constant
GPUS_PER_NODE = 8
WEIGHTS_SHARE = 0.6  # of an engine's memory that the weights may take; the rest is for the tokens' keys and values


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
    """Seconds until every engine has finished its completions, whose lengths fall off exponentially up to the longest.

    Args:
        shape (`ModelShape`): The model.
        gpu (`GPU`): The GPU.
        rates (`Rates`): What is assumed of it.
        gpus (`int`): GPUs of one engine.
        replicas (`int`): Engines.
        sequences (`float`): Completions, of all engines.
        mean_length (`float`): Tokens of a completion on average.
        longest (`int`): Tokens after which a completion is cut off.
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
    """GPUs of the smallest engine, a power of two, that has room for the weights."""
    gpus = 2 * shape.parameters / (WEIGHTS_SHARE * gpu.memory * GIB)
    return 2 ** max(0, math.ceil(math.log2(gpus)))


def _bytes_read(shape: ModelShape, batch: float, position: float) -> float:
    """Bytes read for the next token: weights that any of the batch passes through, and keys of all tokens before."""
    weights = shape.active
    if shape.experts:
        always_read = shape.active - shape.routed * shape.chosen / shape.experts
        chosen_by_none = (1 - shape.chosen / shape.experts) ** batch
        weights = always_read + shape.routed * (1 - chosen_by_none)
    keys = batch * position * shape.layers * shape.keys
    return 2 * weights + keys * 2
