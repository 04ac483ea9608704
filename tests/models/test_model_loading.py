"""Models and tokenizers, before weights are loaded."""

import shutil

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from trl import ModelConfig

from open_r1.configs.recipes import find_producer
from open_r1.data import tiny
from open_r1.models.loading import check_round_trip, load_model_info, load_tokenizer
from open_r1.utils.errors import RecipeError


TEXT = "Q: (1+2)*3 = ?\nA: <think>a b</think>"


@pytest.fixture
def generic(checkpoint, tmp_path):
    """A Qwen2 with a tokenizer of another kind, saved as a generic one."""
    core = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate(["<eos>", *sorted(set(TEXT))])}, unk_token="<eos>")
    )
    core.pre_tokenizer, core.decoder = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated"), decoders.Fuse()
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>").save_pretrained(tmp_path)
    return str(tmp_path)


def test_tokenizer_comes_back_as_it_was_saved(checkpoint, generic):
    """transformers' AutoTokenizer rebuilds some by the model type and loses the white space; ours, as any Qwen2's, it does not."""
    for source, told in ((checkpoint, TEXT), (generic, None)):
        auto, ours = AutoTokenizer.from_pretrained(source), load_tokenizer(source)
        assert (auto.decode(auto(TEXT)["input_ids"]) == TEXT) == (told is not None)
        assert ours.decode(ours(TEXT)["input_ids"]) == TEXT


def test_round_trip_check_sees_the_loss(generic):
    check_round_trip(load_tokenizer(generic), [TEXT])
    with pytest.raises(RecipeError, match="the tokenizer changes the text"):
        check_round_trip(AutoTokenizer.from_pretrained(generic), [TEXT])


def test_parameters_are_counted_without_weights(checkpoint):
    model, _ = tiny.base_model(seed=0)
    assert load_model_info(ModelConfig(model_name_or_path=checkpoint), seed=0).parameters == model.num_parameters()
    assert (
        load_model_info(ModelConfig(model_name_or_path="open_r1.data.tiny:base_model"), seed=0).parameters
        == model.num_parameters()
    )


def test_checkpoint_that_a_recipe_has_yet_to_make_is_drawn_from_that_recipe(tmp_path, monkeypatch):
    recipe, command = find_producer("outputs/tiny/base")
    assert recipe["model_name_or_path"] == "open_r1.data.tiny:base_model"
    assert command == "accelerate launch src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml"
    assert find_producer("outputs/nobody/makes/this") == (None, None)


@pytest.mark.parametrize("name", [None, "outputs/nowhere", "./nowhere", "nobody/nothing", "no.module:model"])
def test_models_that_are_not_there(name):
    with pytest.raises(RecipeError):
        load_model_info(ModelConfig(model_name_or_path=name), seed=0)
