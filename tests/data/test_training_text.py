"""Checks of SFT data: templates keep the thought, turns end with EOS, overlong rows are counted."""

import pytest
from datasets import Dataset
from trl import SFTConfig

from open_r1.data import tiny
from open_r1.data.training_text import check_training_text
from open_r1.utils.errors import RecipeError


TURN = "{{ m.role }}: {{ m.content }}{{ eos_token if m.role == 'assistant' else '\n' }}"
CHAT = "{% for m in messages %}" + TURN + "{% endfor %}"
ROW = {
    "messages": [
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": "<think>easy</think><answer>2</answer>"},
    ]
}


def check(rows, template=CHAT, **kwargs):
    if isinstance(rows, dict):
        rows = [rows]
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = template
    args = SFTConfig(output_dir="unused", use_cpu=True, bf16=False, **kwargs)
    return check_training_text(Dataset.from_list(rows), tokenizer, args)


def test_lengths_of_the_three_formats():
    assert check(ROW) == [len("user: 1+1\nassistant: easy2") + 5]  # the four tags and EOS are one token each
    assert check({"prompt": "1+1=", "completion": "2"}) == [6]
    assert check({"text": "1+1=2"}) == [6]


def test_template_that_drops_the_thought_is_refused():
    """The templates of the distilled models and of Qwen3 drop it."""
    with pytest.raises(RecipeError, match="drops the thought"):
        check(ROW, CHAT.replace("m.content }}", "m.content.split('</think>')[-1] }}"))


def test_turn_that_does_not_end_with_eos_is_refused():
    with pytest.raises(RecipeError, match="never learn to stop"):
        check(ROW, CHAT.replace("eos_token if", "'' if"))


def test_overlong_rows_are_counted(caplog):
    check({"text": "1+1=2"}, max_length=5)
    assert "1 of 1 rows have more than max_length = 5 tokens" in caplog.text


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
