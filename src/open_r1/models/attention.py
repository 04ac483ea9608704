"""Checks that the attention implementation of a recipe exists on this machine, before any weights are loaded."""

import logging

import torch
from transformers.modeling_flash_attention_utils import (
    FLASH_ATTENTION_COMPATIBILITY_MATRIX,
    FLASH_ATTN_KERNEL_FALLBACK,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import is_kernels_available

from open_r1.utils.errors import RecipeError, did_you_mean


logger = logging.getLogger(__name__)

# The package of each version of FlashAttention, and what `pip install` needs.
FLASH_ATTENTION_PACKAGES = {
    2: "flash-attn --no-build-isolation",
    3: "flash-attn-3",
    4: "flash-attn-4",
}


def check_attention(implementation: str | None, on_cpu: bool, dry_run: bool = False) -> None:
    """Stops if the attention implementation is unknown, or needs a package or a GPU that this machine does not have.

    transformers would only notice while it builds the model. If FlashAttention is not installed, but the package
    `kernels` is, transformers loads a build of it from the Hub, which is logged here.

    Args:
        implementation (`str`, *optional*): `attn_implementation` of the recipe; by default SDPA.
        on_cpu (`bool`): Whether the model runs on the CPU.
        dry_run (`bool`, *optional*, defaults to `False`): Whether nothing will run. A recipe for GPUs can then be
            checked on any machine, and what its GPUs need is logged.

    Raises:
        RecipeError: With what to install or to set.
    """
    if implementation is None:
        return
    name = implementation.removeprefix("paged|")
    known = ["eager", *ALL_ATTENTION_FUNCTIONS.valid_keys()]
    is_kernel = "/" in name
    if implementation not in known and not is_kernel:
        raise RecipeError(f"attn_implementation: found {implementation!r}{did_you_mean(implementation, known)}")
    if not is_kernel and name not in FLASH_ATTN_KERNEL_FALLBACK:
        return
    if on_cpu and dry_run:
        logger.info("attn_implementation: %s needs a GPU, where %s", implementation, _what_it_needs(name))
        return
    if on_cpu:
        raise RecipeError(
            f"attn_implementation: {implementation} needs a GPU, and there is none here; "
            "set `attn_implementation: sdpa`."
        )
    if is_kernel or not _is_installed(name):
        _check_kernels(implementation, name)


def runs_on_cpu() -> bool:
    """Whether models run on the CPU because there is no accelerator."""
    return not torch.accelerator.is_available()


def _check_kernels(implementation: str, name: str) -> None:
    """Checks that transformers can load an implementation from the Hub, and logs which."""
    if not is_kernels_available():
        raise RecipeError(
            f"attn_implementation: {implementation!r} is not installed; {_what_it_needs(name)}. "
            "Without it, set `attn_implementation: sdpa`, which also keeps packed rows apart."
        )
    if name in FLASH_ATTN_KERNEL_FALLBACK:
        logger.info(
            "attn_implementation: %s is not installed; transformers loads %s from the Hub instead",
            implementation,
            FLASH_ATTN_KERNEL_FALLBACK[name],
        )


def _is_installed(name: str) -> bool:
    version = _version(name)
    return FLASH_ATTENTION_COMPATIBILITY_MATRIX[version]["general_availability_check"]()


def _what_it_needs(name: str) -> str:
    """What to install for an implementation."""
    from_the_hub = "pip install 'trl[kernels]' loads a build from the Hub"
    if name not in FLASH_ATTN_KERNEL_FALLBACK:
        return from_the_hub
    return f"pip install {FLASH_ATTENTION_PACKAGES[_version(name)]} installs it, or {from_the_hub}"


def _version(name: str) -> int:
    """The version of FlashAttention in a name such as `flash_attention_2`."""
    return int(name.rpartition("_")[2])
