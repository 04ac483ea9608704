"""The distillation mixture: proportions, thoughts, teachers and statistics; TRL trains on the result."""

import json
import re

import pytest
import yaml
from datasets import Dataset
from openai_server import Server

from open_r1.configs import DatasetSpec
from open_r1.data.load import load_split


THOUGHT = "<think>I look at both numbers and add the smaller one to the larger one.</think>"


def chat(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.fixture
def build(script, tmp_path):
    def build(sources, *argv, **keys):
        recipe = tmp_path / "config_mine.yaml"
        content = {"builder": "distill", "output_dir": str(tmp_path / "set"), "sources": sources} | keys
        recipe.write_text(yaml.safe_dump(content))
        outcome = script("distill", "--config", recipe, *argv)
        assert "Traceback" not in outcome.err
        return outcome

    return build


@pytest.fixture
def source(tmp_path):
    def source(name, rows, **options):
        Dataset.from_list(rows).to_json(tmp_path / f"{name}.jsonl")
        return {"dataset_name": str(tmp_path / f"{name}.jsonl")} | options

    return source


def reasoning(count):
    return [{"messages": chat(f"What is {n} + 1 ?", f"{THOUGHT}It is {n + 1}.")} for n in range(count)]


def greetings(count):
    return [{"messages": chat(f"hello number {n}", f"hi, {n}!")} for n in range(count)]


def mixture(tmp_path):
    return load_split(DatasetSpec(str(tmp_path / "set")), seed=0)


def test_proportions_follow_the_weights(build, source, tmp_path):
    sources = [
        source("math", reasoning(90), domain="math", weight=600),
        source("chat", greetings(20), domain="general", weight=200, thought=False),
    ]
    assert build(sources).code == 0
    rows = mixture(tmp_path)
    # the smaller source limits the number of rows
    assert rows["domain"].count("math") == 60 and rows["domain"].count("general") == 20
    assert rows["domain"][:60] != ["math"] * 60, "shuffled"
    assert set(rows.column_names) == {"messages", "domain", "source"}
    first = rows.to_list()
    assert build(sources, num_rows=40).code == 0
    assert len(mixture(tmp_path)) == 40
    assert build(sources).code == 0 and mixture(tmp_path).to_list() == first, "the same seed gives the same rows"


def test_more_rows_than_the_sources_have_is_an_error(build, source):
    sources = [source("math", reasoning(30), weight=3), source("chat", greetings(20), thought=False)]
    outcome = build(sources, num_rows=80)
    assert outcome.code == 1 and "would take 60 rows of" in outcome.err and "expected at most 40" in outcome.err


def test_answers_without_a_thought_get_an_empty_one(build, source, tmp_path):
    build([source("chat", greetings(3), thought=False)])
    assert {row["messages"][-1]["content"] for row in mixture(tmp_path)} == {
        f"<think>\n\n</think>\n\nhi, {n}!" for n in range(3)
    }


def test_answers_without_their_expected_thought_are_dropped_and_reported(build, source, tmp_path):
    rows = [*reasoning(3), {"messages": chat("What is 9 + 9 ?", "18")}, {"messages": chat("What is 1 + 8 ?", THOUGHT)}]
    rows += [{"messages": chat(" ", f"{THOUGHT}7")}]
    build([source("math", [*rows, rows[0]])])
    assert len(mixture(tmp_path)) == 3
    card = (tmp_path / "set/README.md").read_text()
    assert "no thought at the start 1, no summary 1" in card
    assert "empty | 7 | 1 | empty 1 |" in card and "duplicates | 4 | 1 |" in card


def test_prompt_and_completion_columns_may_have_any_name(build, source, tmp_path):
    rows = [{"query": "hello ?", "reply": f"{THOUGHT}hi"}]
    names = {"dataset_prompt_column": "query", "dataset_completion_column": "reply"}
    assert build([source("mine", rows, **names)]).code == 0
    assert mixture(tmp_path)[0]["messages"] == chat("hello ?", f"{THOUGHT}hi")
    assert "has the columns query, reply; expected `messages`, `conversations`, " in build([source("mine", rows)]).err


def test_columns_of_alpaca(build, source, tmp_path):
    rows = [{"instruction": "Greet them.", "input": "a cat", "output": f"{THOUGHT}hi", "system": "Be kind."}]
    assert build([source("mine", rows)]).code == 0
    assert mixture(tmp_path)[0]["messages"] == [
        {"role": "system", "content": "Be kind."},
        *chat("Greet them.\n\na cat", f"{THOUGHT}hi"),
    ]


@pytest.mark.parametrize("turns", [2, 4])
def test_calls_of_tools_are_refused(build, source, turns):
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "now", "arguments": "{}"}}]}
    messages = [*chat("When?", "")[:1], call, {"role": "tool", "content": "noon"}, *chat("", "At noon.")[1:]]
    outcome = build([source("mine", [{"messages": messages[:turns]}])])
    assert outcome.code == 1 and "row 1 of 1: the conversation has calls of tools" in outcome.err


def test_system_message_in_a_column_of_its_own(build, source, tmp_path):
    rows = [{"messages": chat("hello ?", f"{THOUGHT}hi"), "system": "Be kind."}]
    assert build([source("mine", rows)]).code == 0
    assert mixture(tmp_path)[0]["messages"] == [
        {"role": "system", "content": "Be kind."},
        *chat("hello ?", f"{THOUGHT}hi"),
    ]


def test_teacher_writes_new_answers_with_or_without_a_thought(build, source, tmp_path):
    first = {"role": "user", "content": "Tell me about cats."}
    conversation = [
        {"messages": [first, {"role": "assistant", "content": "They purr."}, *chat("And dogs, please?", "They bark.")]}
    ]
    unanswered = [{"messages": [{"role": "user", "content": "Who are you, if I may ask?"}]}]

    def reply(request):
        text = request["messages"][-1]["content"]
        if "And dogs" in text:
            assert "Tell me about cats." in text and "They purr." in text and "They bark." in text
            thought = "They want to know about dogs, after cats; I keep it short and kind."
            return f"<think>{thought}</think>Dogs bark and love people."
        if "Who are you" in text:
            return "<think>\n</think>I am an assistant."
        return "hello to you"

    teacher = tmp_path / "teacher.yaml"
    with Server(reply=reply) as server:
        recipe = {"model_name_or_path": "m", "backend": "server", "base_urls": [server.url]}
        recipe |= {"dataset_name": "x", "output_dir": "x", "user_template": "recipes/prompts/general.jinja"}
        teacher.write_text(yaml.safe_dump(recipe))
        taught = source("general", [*conversation, *unanswered, *greetings(1)], domain="general", teacher=str(teacher))
        assert build([taught]).code == 0 and len(server.requests) == 3
        assert build([taught]).code == 0 and len(server.requests) == 3, "answers are reused"
        assert build([taught | {"template": "recipes/prompts/writing.jinja"}]).code == 0 and len(server.requests) == 6
    answers = {row["messages"][-2]["content"]: row["messages"] for row in mixture(tmp_path)}
    assert answers["And dogs, please?"][:3] == conversation[0]["messages"][:3] and len(answers) == 3
    assert answers["And dogs, please?"][3]["content"].endswith("</think>Dogs bark and love people.")
    assert answers["Who are you, if I may ask?"][1]["content"] == "<think>\n</think>I am an assistant."
    assert answers["hello number 0"][1]["content"] == "<think>\n\n</think>\n\nhello to you"
    (report,) = (tmp_path / "set").glob("report-*")
    assert json.loads(report.read_text())["statistics"]["general"]["rounds"] == pytest.approx(4 / 3)


def test_statistics_count_tokens_with_the_recipes_template(build, source, tmp_path, checkpoint):
    template = {"chat_template_path": "recipes/chat_templates/tiny_chat.jinja"}
    build([source("math", reasoning(3), domain="math")], model_name_or_path=checkpoint, **template)
    rows = mixture(tmp_path)
    turns = rows[0]["messages"]
    characters = len(re.sub(r"</?think>|</?answer>", "t", f"Q: {turns[0]['content']}\nA: {turns[1]['content']}"))
    assert rows[0]["tokens"] == characters + 1, "one token per character, and EOS"
    assert f"| math | 3 | {characters + 1:.1f} | 1.0 |" in (tmp_path / "set/README.md").read_text()


def test_template_that_drops_the_thought_is_refused(build, source, tmp_path, checkpoint):
    (tmp_path / "bad.jinja").write_text("{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}")
    model = {"model_name_or_path": checkpoint, "chat_template_path": str(tmp_path / "bad.jinja")}
    outcome = build([source("math", reasoning(3))], **model)
    assert outcome.code == 1 and "drops the thought" in outcome.err


def test_sft_trains_on_the_set(build, source, tmp_path, script, checkpoint):
    build([source("math", reasoning(16), domain="math")])
    argv = ["--model_name_or_path", checkpoint, "--dataset_name", tmp_path / "set", "--output_dir", tmp_path / "model"]
    argv += ["--chat_template_path", "recipes/chat_templates/tiny_chat.jinja", "--assistant_only_loss", "true"]
    argv += ["--use_cpu", "true", "--bf16", "false", "--max_steps", "2", "--report_to", "none", "--logging_steps", "1"]
    outcome = script("sft", *argv)
    assert outcome.code == 0 and (tmp_path / "model/model.safetensors").exists(), outcome.err


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "sources: missing"),
        ([{"weight": 1}], "expected a mapping with a dataset_name"),
        ([{"dataset_name": "x", "wieght": 1}], "unknown key 'wieght'. Did you mean 'weight'?"),
        ([{"dataset_name": "x", "weight": 0}], "weight of 'x' is 0; expected a positive number"),
        ([{"dataset_name": "x", "teacher": "no.yaml"}], "teacher of 'x': no file 'no.yaml'"),
        ([{"dataset_name": "x", "template": "recipes/prompts/writing.jinja"}], "has a template, but no teacher"),
        ([{"dataset_name": "outputs/no/such/file.jsonl"}], "no file or folder"),
    ],
)
def test_errors_end_with_one_message(build, sources, message):
    outcome = build(sources)
    assert outcome.code == 1 and message in outcome.err


def test_empty_result_is_an_error(build, source):
    outcome = build([source("plain", greetings(3))])
    assert outcome.code == 1 and "nothing is left of" in outcome.err and "no thought" in outcome.err


def test_dry_run_shows_the_sources(build, source, tmp_path):
    outcome = build([source("math", reasoning(3), domain="math", weight=3)], "--dry_run", "true")
    assert outcome.code == 0 and "3 rows" in outcome.out and "math, weight 3" in outcome.out
    assert not (tmp_path / "set").exists()


def test_rows_beyond_a_sources_share_are_reported(build, source, tmp_path):
    build([source("math", reasoning(9), weight=1), source("more", reasoning(20)[10:14], weight=1)])
    report = json.loads((tmp_path / "set/report-00000-of-00001.json").read_text())
    [math] = [step for step in report["filters"] if step["name"].endswith("math.jsonl: weight")]
    assert math["rows"] == 9 and math["reasons"] == {"more than its share": 5}


def test_null_prompt_is_dropped_and_reported(build, source):
    rows = [{"prompt": None, "completion": "hello"}, {"prompt": "hi", "completion": "hello"}]
    outcome = build([source("plain", rows, thought=False)])
    assert outcome.code == 0 and "1 rows in" in outcome.out
