"""Checks of SFT data: templates keep the thought, turns end with EOS, overlong rows are counted."""

import pytest
from datasets import Dataset
from trl import SFTConfig

from open_r1.data import tiny
from open_r1.data.training_text import check_training_text, drop_overlong, measure_rows
from open_r1.utils.errors import RecipeError


TURN = "{{ m.role }}: {{ m.content }}{{ eos_token if m.role == 'assistant' else '\n' }}"
CHAT = "{% for m in messages %}" + TURN + "{% endfor %}"
ROW = {
    "messages": [
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": "<think>easy</think><answer>2</answer>"},
    ]
}


def prepare(function, rows, template=CHAT, **kwargs):
    if isinstance(rows, dict):
        rows = [rows]
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = template
    args = SFTConfig(**{"output_dir": "unused"} | kwargs, use_cpu=True, bf16=False)
    return function(Dataset.from_list(rows), tokenizer, args)


def check(*args, **kwargs):
    prepare(check_training_text, *args, **kwargs)


def test_lengths_of_the_three_formats():
    # the four tags and EOS are one token each
    assert prepare(measure_rows, ROW) == [len("user: 1+1\nassistant: easy2") + 5]
    assert prepare(measure_rows, {"prompt": "1+1=", "completion": "2"}) == [6]
    assert prepare(measure_rows, {"text": "1+1=2"}) == [6]


def test_template_that_drops_the_thought_is_refused():
    """The templates of the distilled models and of Qwen3 drop it."""
    with pytest.raises(RecipeError, match="drops the thought"):
        check(ROW, CHAT.replace("m.content }}", "m.content.split('</think>')[-1] }}"))


def test_turn_that_does_not_end_with_eos_is_refused():
    with pytest.raises(RecipeError, match="never learn to stop"):
        check(ROW, CHAT.replace("eos_token if", "'' if"))


LENGTH = len("user: 1+1\nassistant: easy2") + 5


def conversation(question):
    return {"messages": [{"role": "user", "content": question}, *ROW["messages"][1:]]}


@pytest.mark.parametrize("packing", [False, True])
def test_rows_that_would_lose_their_answer_are_dropped(packing, caplog):
    """The overlong one is far behind the rows that are measured; the one of exactly `max_length` tokens stays."""
    rows = [conversation("1+1")] * 300 + [conversation("1+1+1")] + [conversation("2+2")]
    kept = prepare(drop_overlong, rows, max_length=LENGTH, packing=packing)
    assert kept.to_list() == rows[:300] + rows[301:]
    assert f"1 of 302 rows have more than max_length = {LENGTH} tokens and were dropped" in caplog.text


def test_measured_rows_are_found_in_the_cache_by_other_processes_and_runs():
    """`datasets` finds them by a fingerprint, which must not depend on options of the run or of the process."""
    rows = [conversation("1+1"), conversation("1+1+1")]
    fingerprints = set()
    for options in ({}, {"learning_rate": 0.5}, {"output_dir": "other"}):
        fingerprints.add(prepare(drop_overlong, rows, **{"max_length": LENGTH} | options)._fingerprint)
    assert len(fingerprints) == 1


def test_prompts_with_completions_are_dropped_as_conversations_are():
    texts = [{"prompt": "1+1=", "completion": "2"}, {"prompt": "1+1+1=", "completion": "3"}]
    assert prepare(drop_overlong, texts, max_length=6).to_list() == texts[:1]
    rows = []
    for question in ("1+1", "1+1+1"):
        messages = conversation(question)["messages"]
        rows.append({"prompt": messages[:1], "completion": messages[1:]})
    assert prepare(drop_overlong, rows, max_length=LENGTH).to_list() == rows[:1]


def test_text_for_pretraining_is_cut_off_and_counted(caplog):
    texts = [{"text": "1+1=2"}, {"text": "1+1+1=3"}]
    assert prepare(drop_overlong, texts, max_length=6).to_list() == texts
    assert "1 of 2 rows have more than max_length = 6 tokens, and will be cut off" in caplog.text


@pytest.mark.parametrize("options", [{"max_length": None}, {"packing": True, "packing_strategy": "wrapped"}])
def test_rows_that_are_not_cut_off_stay(options, caplog):
    options = {"max_length": 5} | options
    assert len(prepare(drop_overlong, ROW, **options)) == 1 and not caplog.text


def test_something_must_be_left():
    with pytest.raises(RecipeError, match="max_length: all 1 of 1 rows have more than"):
        prepare(drop_overlong, ROW, max_length=5)


def test_no_chat_template():
    with pytest.raises(RecipeError, match="no chat template"):
        check(ROW, template=None)


def test_every_row_is_written():
    """A template may refuse a conversation that comes late, such as one in which roles do not alternate."""
    refusing = CHAT + "{% if messages|length > 2 %}{{ raise_exception('two turns only') }}{% endif %}"
    late = {"messages": [*ROW["messages"], *ROW["messages"]]}
    with pytest.raises(
        RecipeError, match="dataset: row 301 of 301: .*the chat template fails: TemplateError: two turns only"
    ):
        check([*[ROW] * 300, late], refusing)


@pytest.mark.parametrize("expression, error", [("1 // 0", "ZeroDivisionError"), ("'' + 1", "TypeError")])
def test_template_that_fails_as_a_program_does(expression, error):
    with pytest.raises(RecipeError, match=f"row 1 of 1: .*the chat template fails: {error}: "):
        check(ROW, "{{ " + expression + " }}" + CHAT)


def test_text_outside_the_vocabulary_is_refused():
    with pytest.raises(RecipeError, match="the tokenizer changes the text"):
        check({"text": "café"})


def test_our_chatml_template_keeps_the_thought():
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = open("recipes/chat_templates/chatml.jinja").read()
    text = tokenizer.apply_chat_template(ROW["messages"], tokenize=False)
    answer = ROW["messages"][1]["content"]
    assert text == f"<|im_start|>user\n1+1<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"
    prompt = tokenizer.apply_chat_template(ROW["messages"][:1], tokenize=False, add_generation_prompt=True)
    assert text.startswith(prompt) and prompt.endswith("<|im_start|>assistant\n")
