"""Loading tokenizers, and information about models without their weights."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerFast
from trl import ModelConfig

from open_r1.configs.recipes import find_producer
from open_r1.data import tiny
from open_r1.models.loading import check_round_trip, load_model_info, load_tokenizer
from open_r1.utils.errors import RecipeError


TEXT = "Q: (1+2)*3 = ?\nA: <think>a b</think>"


@pytest.fixture
def generic(checkpoint, tmp_path):
    """A Qwen2 model with a character tokenizer that is saved as a generic fast tokenizer."""
    core = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate(["<eos>", *sorted(set(TEXT))])}, unk_token="<eos>")
    )
    core.pre_tokenizer, core.decoder = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated"), decoders.Fuse()
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>").save_pretrained(tmp_path)
    return str(tmp_path)


def test_load_tokenizer_keeps_a_saved_tokenizer_unchanged(checkpoint, generic):
    """`AutoTokenizer` rebuilds a generic tokenizer from the model type and loses its white space."""
    for source, auto_keeps_text in ((checkpoint, True), (generic, False)):
        auto, ours = AutoTokenizer.from_pretrained(source), load_tokenizer(source)
        assert (auto.decode(auto(TEXT)["input_ids"]) == TEXT) == auto_keeps_text
        assert ours.decode(ours(TEXT)["input_ids"]) == TEXT


def test_round_trip_check_detects_lost_white_space(generic):
    check_round_trip(load_tokenizer(generic), [TEXT])
    with pytest.raises(RecipeError, match="the tokenizer changes the text"):
        check_round_trip(AutoTokenizer.from_pretrained(generic), [TEXT])


@pytest.fixture
def byte_level(tmp_path):
    """A tokenizer as R1-Distill-Llama's: byte-level like Llama 3's, but with Llama 2's class in its configuration."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    core.train_from_iterator([TEXT] * 4, trainer)

    def save(model_type: str, decoder=None) -> str:
        if decoder is not None:
            core.decoder = decoder
        core.save(str(tmp_path / "tokenizer.json"))
        config = {"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<eos>", "eos_token": "<eos>"}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        return str(tmp_path)

    return save


def loses_text(tokenizer) -> bool:
    return tokenizer.decode(tokenizer(TEXT, add_special_tokens=False)["input_ids"]) != TEXT


@pytest.mark.parametrize("decoder", [None, decoders.Sequence([decoders.ByteLevel(), decoders.Fuse()])])
def test_local_copies_of_distilled_llamas_keep_their_tokenizer(byte_level, decoder):
    source = byte_level("llama", decoder)
    assert loses_text(AutoTokenizer.from_pretrained(source)), "transformers takes it for Llama 2's"
    check_round_trip(load_tokenizer(source), [TEXT, "中文 mixed with English"])


def test_tokenizers_of_llama_2_keep_their_class(byte_level):
    source = byte_level("llama", decoders.Metaspace())
    assert isinstance(load_tokenizer(source), LlamaTokenizer)


def test_parameters_are_counted_without_weights(checkpoint):
    model, _ = tiny.base_model(seed=0)
    for name in (checkpoint, "open_r1.data.tiny:base_model"):
        info = load_model_info(ModelConfig(model_name_or_path=name), seed=0)
        assert info.parameters == model.num_parameters()


def test_find_producer_names_the_recipe_that_trains_a_checkpoint():
    recipe, command = find_producer("outputs/tiny/base")
    assert recipe["model_name_or_path"] == "open_r1.data.tiny:base_model"
    assert command == "accelerate launch src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml"
    assert find_producer("outputs/no/such/model") == (None, None)


@pytest.mark.parametrize("name", [None, "outputs/nowhere", "./nowhere", "no-such/model", "no.module:model"])
def test_missing_models_are_errors(name):
    with pytest.raises(RecipeError):
        load_model_info(ModelConfig(model_name_or_path=name), seed=0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("def build(size): pass", "got an unexpected keyword argument 'seed'|missing a required argument: 'size'"),
        ("def build(seed): return 'model'", "returned a str; expected a model and its tokenizer"),
        ("def build(seed): return 'model', 'tokenizer'", "returned a tuple; expected a model and its tokenizer"),
    ],
)
def test_functions_that_build_no_model_are_errors(tmp_path, function, message):
    path = tmp_path / "mine.py"
    path.write_text(function)
    with pytest.raises(RecipeError, match=f"model_name_or_path: .*mine.py:build ({message})"):
        load_model_info(ModelConfig(model_name_or_path=f"{path}:build"), seed=0)


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1\n"], ids=["empty", "LFS pointer"]
)
def test_weights_that_cannot_be_read_are_refused(checkpoint, tmp_path, content):
    shutil.copytree(checkpoint, tmp_path / "model")
    path = tmp_path / "model/model.safetensors"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=f"{path} cannot be read: .*download it again"):
        load_model_info(ModelConfig(model_name_or_path=str(tmp_path / "model")), seed=0)


def test_weights_in_fp8_without_their_configuration_are_refused(checkpoint, tmp_path):
    """As transformers saves a model that it has loaded from FP8."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    weights[name] = weights[name].to(torch.float8_e4m3fn)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RecipeError, match=f"{name} in .* is in FP8, but config.json has no quantization_config"):
        load_model_info(ModelConfig(model_name_or_path=str(tmp_path)), seed=0)


def test_tokens_without_an_embedding_are_refused(checkpoint, tmp_path):
    """Training would fail at the first one, with an IndexError from within the model."""
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    rows = len(tokenizer)
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer.save_pretrained(folder)
    says = rf"has {rows} embeddings, but its tokenizer has 2 more tokens, such as '<\|im_start\|>' \(id {rows}\)"
    with pytest.raises(RecipeError, match=says):
        load_model_info(ModelConfig(model_name_or_path=str(folder)), seed=0)
