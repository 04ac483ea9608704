"""Which GPUs a recipe fits, for the table in recipes/README.md (`python src/open_r1/validate.py --table`)."""

import re
from argparse import Namespace
from pathlib import Path

from open_r1.configs.recipes import stage_of
from open_r1.planning.estimate import Plan
from open_r1.planning.recipe import STAGES, plan_recipe


# GPUs by size in GB: those that report the least memory, such as 22.5 GiB for 24 GB.
GPU_OF_SIZE = {24: "A10G", 48: "L40S", 80: "H100", 141: "H200"}
GPUS_PER_NODE = 8
LARGE_CLUSTER = 64  # nodes


def describe_fit(path: Path) -> str:
    """The smallest GPUs that a recipe fits, with as many of them as its first comments name.

    Args:
        path (`Path`): The recipe.

    Returns:
        `str`: Such as "80 GB"; with "not checked" if no simulation has checked the estimate, and "–" if there is none.
    """
    head = path.read_text().partition("\n\n")[0]
    if stage_of(path) not in STAGES or not re.search("GPUs? of|H800", head):
        return "–"
    largest = max(GPU_OF_SIZE)
    fit = f"none up to {largest} GB"
    for size, gpu in GPU_OF_SIZE.items():
        plan = _plan(path, head, gpu)
        if plan.fits:
            fit = f"{size} GB"
            break
    if plan.unchecked:
        fit += ", not checked"
    return fit


def _plan(path: Path, head: str, gpu: str) -> Plan:
    nodes, gpus = count_gpus(head)
    options = Namespace(recipe=str(path), nodes=nodes, gpus=gpus, gpu=gpu, mean_length=None, from_step=0, rows=1)
    return plan_recipe(options, [])


def count_gpus(head: str) -> tuple[int, int]:
    """Numbers of nodes, and of GPUs per node, in the first comments of a recipe.

    >>> count_gpus("# Hardware: 12 nodes of 8 GPUs of 80 GB, 8 with ZeRO-3, 4 with vLLM")
    (12, 8)
    >>> count_gpus("# Hardware: one GPU of 24 GB")
    (1, 1)
    >>> count_gpus("# Hardware: 4 GPUs of 48 GB, ZeRO-2")
    (1, 4)
    >>> count_gpus("# Hardware: the paper's 512 H800")
    (64, 8)
    """
    nodes = re.search(r"(one|\d+) nodes? of (\d+) GPUs", head)
    if nodes:
        return _read_number(nodes[1]), int(nodes[2])
    gpus = re.search(r"(one|\d+) GPUs? of", head)
    if gpus:
        return 1, _read_number(gpus[1])
    if "512 H800" in head:
        return LARGE_CLUSTER, GPUS_PER_NODE
    raise ValueError(f"no number of GPUs in {head!r}")


def _read_number(word: str) -> int:
    if word == "one":
        return 1
    return int(word)
