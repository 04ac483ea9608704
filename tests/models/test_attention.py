"""The attention implementation of a recipe is checked before the model is loaded."""

import logging

import pytest
from transformers.modeling_flash_attention_utils import FLASH_ATTENTION_COMPATIBILITY_MATRIX

from open_r1.models import attention
from open_r1.models.attention import check_attention
from open_r1.utils.errors import RecipeError


KERNEL = "kernels-community/flash-attn2"


@pytest.fixture
def installed(monkeypatch):
    """Sets which versions of FlashAttention are installed, and whether `kernels` is."""

    def install(*versions: int, kernels: bool = False) -> None:
        for version, package in FLASH_ATTENTION_COMPATIBILITY_MATRIX.items():
            is_installed = version in versions
            monkeypatch.setitem(package, "general_availability_check", lambda is_installed=is_installed: is_installed)
        monkeypatch.setattr(attention, "is_kernels_available", lambda: kernels)

    return install


@pytest.mark.parametrize("implementation", [None, "sdpa", "eager", "flex_attention", "paged|sdpa", "paged|eager"])
@pytest.mark.parametrize("on_cpu", [True, False])
def test_implementations_of_torch_need_nothing(installed, implementation, on_cpu, caplog):
    installed()
    with caplog.at_level(logging.INFO):
        check_attention(implementation, on_cpu)
    assert not caplog.messages


@pytest.mark.parametrize("version", [2, 3, 4])
def test_installed_flash_attention_is_not_loaded_from_the_hub(installed, version, caplog):
    installed(version, kernels=True)
    with caplog.at_level(logging.INFO):
        check_attention(f"flash_attention_{version}", on_cpu=False)
        check_attention(f"paged|flash_attention_{version}", on_cpu=False)
    assert not caplog.messages


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("version", "package"), [(2, "flash-attn --no-build-isolation"), (3, "flash-attn-3"), (4, "flash-attn-4")]
)
def test_missing_flash_attention_is_an_error(installed, version, package, dry_run):
    installed(*{2, 3, 4} - {version})
    with pytest.raises(RecipeError, match="is not installed") as error:
        check_attention(f"flash_attention_{version}", on_cpu=False, dry_run=dry_run)
    for words in (f"pip install {package} ", "'trl[kernels]'", "attn_implementation: sdpa"):
        assert words in str(error.value)


def test_fallback_is_named(installed, caplog):
    installed(kernels=True)
    with caplog.at_level(logging.INFO):
        check_attention("flash_attention_2", on_cpu=False)
    assert "transformers loads kernels-community/flash-attn2 from the Hub instead" in caplog.text


def test_kernels_of_the_hub_need_a_package(installed):
    installed(2)
    with pytest.raises(
        RecipeError, match=r"kernels-community/flash-attn2' is not installed; pip install 'trl\[kernels\]'"
    ):
        check_attention(KERNEL, on_cpu=False)
    installed(kernels=True)
    check_attention(KERNEL, on_cpu=False)


@pytest.mark.parametrize("implementation", ["flash_attention_2", "paged|flash_attention_2", KERNEL])
def test_without_a_gpu_only_a_dry_run_passes(installed, implementation, caplog):
    installed(2, kernels=True)
    with pytest.raises(RecipeError, match="needs a GPU, and there is none here; set `attn_implementation: sdpa`"):
        check_attention(implementation, on_cpu=True)
    with caplog.at_level(logging.INFO):
        check_attention(implementation, on_cpu=True, dry_run=True)
    assert "needs a GPU, where pip install" in caplog.text


@pytest.mark.parametrize("implementation", ["flash_attention2", "flash_attn_2", "flash_attention_5", "spda", "sdpa "])
@pytest.mark.parametrize("dry_run", [True, False])
def test_unknown_implementations_are_an_error(installed, implementation, dry_run):
    installed(2, 3, 4, kernels=True)
    with pytest.raises(RecipeError, match="attn_implementation: found"):
        check_attention(implementation, on_cpu=True, dry_run=dry_run)
