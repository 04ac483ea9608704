"""Options read from the source code of TRL and transformers equal those of the real dataclasses."""

import subprocess
import sys

import pytest
import trl

from open_r1.configs.command_line import CommandLine, convert
from open_r1.configs.options import LIBRARY_CLASSES, Option, item_type, options_of
from open_r1.configs.stages import STAGES
from open_r1.utils.errors import RecipeError


TRL_CLASSES = [name for name, (package, _) in LIBRARY_CLASSES.items() if package == "trl" and name != "_BaseConfig"]


@pytest.mark.parametrize("name", TRL_CLASSES)
def test_options_read_from_source_equal_those_of_the_dataclass(name):
    read, real = options_of(name), options_of(getattr(trl, name))
    assert list(read) == list(real)
    for key, option in real.items():
        if key == "parallelism_config":  # an object, which a recipe cannot express
            continue
        assert read[key].types == option.types, key
        assert item_type(read[key].hint) == item_type(option.hint), key
        assert read[key].help == option.help, key
        assert read[key].aliases == option.aliases, key
        if key not in ("log_level", "log_level_replica"):  # computed; checked when the dataclass is created
            assert read[key].choices == option.choices, key
        if key not in ("optim", "include_for_metrics"):  # computed; only shown in the help
            assert read[key].default == option.default, key


@pytest.mark.parametrize("stage", STAGES)
def test_reading_options_does_not_import_torch(stage):
    program = f"import sys; from open_r1.configs.parser import RecipeParser; RecipeParser({stage!r}); "
    program += "print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stderr


@pytest.mark.parametrize("hint, text, value", [
    (int, "3", 3),
    (int | None, "-1", -1),
    (float, "1e-5", 1e-5),
    (bool, "False", False),
    (bool | None, "yes", True),
    (int | str | None, "auto", "auto"),
    (int | str | None, "8", 8),  # `pad_to_multiple_of`
    (dict[str, bool] | None, "{rope: true}", {"rope": True}),
    (dict | str | None, "{a: 1}", "{a: 1}"),  # the dataclass parses it
    (list[int], "3", 3),
    (str, "true", "true"),
])  # fmt: skip
def test_arguments_are_converted_to_the_type_of_their_option(hint, text, value):
    assert convert(Option("key", hint), text) == value


@pytest.mark.parametrize("hint, text, says", [
    (int, "x", "key: found 'x'; expected int."),
    (float | None, "fast", "key: found 'fast'; expected float."),
    (bool, "2", "key: found '2'; expected bool."),
    (list[int], "a", "key: found 'a'; expected int."),
])  # fmt: skip
def test_arguments_of_the_wrong_type_are_refused(hint, text, says):
    with pytest.raises(RecipeError) as error:
        convert(Option("key", hint), text)
    assert str(error.value) == says


def test_choices():
    option = STAGES["sft"].options()["dtype"]
    assert convert(option, "bfloat16") == "bfloat16"
    with pytest.raises(RecipeError, match="dtype: found 'half'; expected one of auto, bfloat16, float16, float32"):
        convert(option, "half")


def test_spellings_of_an_option():
    command_line = CommandLine(STAGES["grpo"].options(), "grpo")
    words = ["--learning-rate=3e-4", "--bf16", "--no_log_completions", "--reward_funcs", "accuracy", "format"]
    if "log_completions" not in command_line.read(["--log_completions"]):
        raise AssertionError
    with pytest.raises(RecipeError, match="unknown option '--no_log_completions'"):  # False by default
        command_line.read(words)
    words[2] = "--no-gradient-checkpointing"
    assert command_line.read(words) == {
        "learning_rate": 3e-4,
        "bf16": True,
        "gradient_checkpointing": False,
        "reward_funcs": ["accuracy", "format"],
    }


def test_stages_have_only_options_that_they_use():
    for stage in ("generate", "evaluation"):
        assert "model_name_or_path" in STAGES[stage].options()
        assert not {name for name in STAGES[stage].options() if "lora" in name or "load_in" in name}
    assert "lora_r" in STAGES["grpo"].options()
