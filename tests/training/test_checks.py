"""What is refused before any weights are loaded."""

import json
import shutil

import pytest
from conftest import BASE, ZERO
from transformers import BitsAndBytesConfig, Qwen2Config
from trl import ModelConfig

from open_r1.training.checks import check_quantization
from open_r1.utils.errors import RecipeError


FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
FOUR_BITS = {"quant_method": "bitsandbytes", "load_in_4bit": True}


def check(quantization, **options) -> None:
    config = Qwen2Config(quantization_config=quantization)
    check_quantization(config, ModelConfig(model_name_or_path="some/model", **options))


@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_base_in_fp8_is_refused_with_what_to_do(script, checkpoint, tmp_path, dry_run):
    model = tmp_path / "fp8"
    shutil.copytree(checkpoint, model)
    config = json.loads((model / "config.json").read_text()) | {"quantization_config": FP8}
    (model / "config.json").write_text(json.dumps(config))
    options = ["--model_name_or_path", model, "--output_dir", tmp_path / "out", "--dry_run", dry_run]
    outcome = script("sft", *BASE, *options)
    assert outcome.code == 1 and "quantized (fp8) and cannot be trained" in outcome.err
    assert "DeepSeek-V3-Base-bf16" in outcome.err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", ["fp8", "mxfp4", "fbgemm_fp8"])
def test_no_adapters_on_weights_that_do_not_take_them(method):
    with pytest.raises(RecipeError, match=f"quantized \\({method}\\), on which not even adapters"):
        check({"quant_method": method}, use_peft=True)
    with pytest.raises(RecipeError, match="cannot be trained. Name a copy in bfloat16") as error:
        check({"quant_method": method})
    assert "use_peft" not in str(error.value)


@pytest.mark.parametrize("quantization", [FOUR_BITS, BitsAndBytesConfig(load_in_4bit=True), {"quant_method": "gptq"}])
def test_adapters_on_4_bits(quantization):
    check(quantization, use_peft=True)
    with pytest.raises(RecipeError, match="or train an adapter on it: `use_peft: true`"):
        check(quantization)


def is_refused(quantization) -> bool:
    try:
        check(quantization)
    except RecipeError:
        return True
    return False


def test_only_quantized_weights_that_cannot_be_trained_are_refused():
    assert not is_refused(None)
    assert not is_refused({"quant_method": "bitnet"})
    assert is_refused({"quant_method": "gptq"})


@pytest.mark.parametrize(
    ("options", "message"), [(["--beta", "0"], "set `beta`"), (["--use_peft", "true"], "adapter")]
)
def test_no_synchronization_without_a_reference_model(script, checkpoint, tmp_path, options, message):
    argv = ["--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out", "--dry_run", "true"]
    argv += ["--beta", "0.1", "--sync_ref_model", "true", *options]
    outcome = script("grpo", *ZERO, *argv)
    assert outcome.code == 1 and "sync_ref_model: with" in outcome.err and message in outcome.err
