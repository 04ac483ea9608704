"""Half precision on a CPU: refused, unless the recipe allows bf16 and the CPU has instructions for it."""

import pytest

from open_r1.configs import parser
from open_r1.configs.parser import RecipeParser
from open_r1.training import checks
from open_r1.training.checks import check_precision
from open_r1.utils.errors import RecipeError
from open_r1.utils.hardware import cpu_computes_in_bf16


DATA = ["--dataset_name", "open_r1.data.tiny:web_text", "--output_dir", "unused"]


@pytest.fixture
def set_cpu(monkeypatch):
    """Pretends that the CPU has instructions for bf16, or that it has none."""

    def set_cpu(computes_in_bf16: bool) -> None:
        for module in (parser, checks):
            monkeypatch.setattr(module, "cpu_computes_in_bf16", lambda: computes_in_bf16)

    return set_cpu


def parse(*options: str):
    script_args, args, _ = RecipeParser("sft").parse([*DATA, "--use_cpu", "true", *options])
    return script_args, args


@pytest.mark.parametrize("computes_in_bf16", [True, False])
def test_bf16_on_cpu_goes_by_the_instructions_of_the_cpu(set_cpu, computes_in_bf16):
    set_cpu(computes_in_bf16)
    script_args, args = parse("--bf16_on_cpu", "true")
    assert args.bf16 is computes_in_bf16
    check_precision(script_args, args)


def test_bf16_false_takes_precedence(set_cpu):
    set_cpu(True)
    script_args, args = parse("--bf16_on_cpu", "true", "--bf16", "false")
    assert args.bf16 is False
    check_precision(script_args, args)


@pytest.mark.parametrize(
    ("computes_in_bf16", "options"),
    [
        (True, ["--bf16", "true"]),  # a recipe for GPUs
        (False, ["--bf16", "true"]),
        (False, ["--bf16", "true", "--bf16_on_cpu", "true"]),  # it would be emulated
        (True, ["--fp16", "true", "--bf16", "false", "--bf16_on_cpu", "true"]),
    ],
)
def test_half_precision_on_a_cpu_is_refused(set_cpu, computes_in_bf16, options):
    set_cpu(computes_in_bf16)
    script_args, args = parse(*options)
    with pytest.raises(RecipeError, match="set `bf16: false`"):
        check_precision(script_args, args)


def test_advice_names_bf16_on_cpu_only_where_it_helps(set_cpu):
    script_args, args = parse("--bf16", "true")
    set_cpu(True)
    with pytest.raises(RecipeError, match="bf16_on_cpu: true"):
        check_precision(script_args, args)
    set_cpu(False)
    with pytest.raises(RecipeError) as error:
        check_precision(script_args, args)
    assert "bf16_on_cpu" not in str(error.value)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_f": True}, False),
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({}, False),
    ],
)
def test_instructions_for_bf16(monkeypatch, capabilities, expected):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities)
    assert cpu_computes_in_bf16() is expected
