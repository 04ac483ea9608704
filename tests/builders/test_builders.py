"""Cold start and rejection sampling, run as users run them: completions in; a data set, card and RL prompts out."""

import json
import re
from pathlib import Path

import datasets
import pytest
from datasets import Dataset
from openai_server import Server

from open_r1.builders.selection import choose_completions, select_completions
from open_r1.builders.verification import read_judgement
from open_r1.configs import DatasetSpec
from open_r1.configs.parser import RecipeParser
from open_r1.data.load import load_split
from open_r1.generation.completion_store import Completion, CompletionStore, Request
from open_r1.utils.files import file_lock


QUESTION = "What is {} plus {}? Please explain how you find it."
THOUGHT = "I add both numbers and then check the sum by counting up from the larger one."


def completion(answer, thought=THOUGHT):
    return f"<think>{thought}</think>The sum is \\boxed{{{answer}}}."


def row(number, sample, text, **columns):
    base = {
        "problem": QUESTION.format(number, 1),
        "prompt": f"Q: {number}",
        "completion": text,
        "solution": str(number + 1),
    }
    return (
        base | {"prompt_id": f"p{number}", "sample": sample, "finish_reason": "stop", "completion_tokens": 9} | columns
    )


ROWS = [
    row(1, 0, completion(2)),
    row(1, 1, completion(3)),
    row(1, 2, completion(2, THOUGHT + " One and one are two.")),
    row(1, 3, completion(2)),  # a duplicate
    row(2, 0, completion(3)),
    row(2, 1, completion(3, "I add both numbers 然后我检查一下这个结果是不是正确的 and then I am done.")),
    row(2, 2, completion(3, THOUGHT + "\n```python\n2 + 1\n```\n")),
    row(2, 3, completion(3, "word " * 700)),
    row(2, 4, completion(3, (THOUGHT + "\n\n") * 12)),
    row(2, 5, "<think>" + THOUGHT, finish_reason="length"),
    row(2, 6, "The sum is \\boxed{3}."),
    row(3, 0, completion(9)),
    row(3, 1, completion(8)),
    row(4, 0, completion(5), solution="see the figure"),
]


@pytest.fixture
def build(script, tmp_path):
    def build(builder="rejection_sampling", rows=ROWS, *argv, **options):
        path = tmp_path / "rows.jsonl"
        Dataset.from_list(rows).to_json(path)
        keys = {"dataset_name": path, "output_dir": tmp_path / "set", "dataset_prompt_column": "problem"} | options
        flags = []
        for key, value in keys.items():
            flags += [f"--{key}", *value] if isinstance(value, list) else [f"--{key}", value]
        outcome = script(builder, *flags, *argv)
        assert "Traceback" not in outcome.err
        return outcome

    return build


def load_set(folder, config="default"):
    return load_split(DatasetSpec(str(folder), config), seed=0)


def contents(folder):
    return [messages[-1]["content"] for messages in load_set(folder)["messages"]]


def dropped(folder):
    reports = [json.loads(path.read_text()) for path in folder.glob("report-*")]
    filters = [step for report in reports for step in report["filters"]]
    return {step["name"]: step["reasons"] for step in filters if step["reasons"]}


def test_correct_and_readable_completions_are_kept(build, tmp_path):
    outcome = build()
    assert outcome.code == 0, outcome.err
    rows = load_set(tmp_path / "set")
    assert [r["messages"] for r in rows] == [
        [{"role": "user", "content": QUESTION.format(n, 1)}, {"role": "assistant", "content": text}]
        for n, text in ((1, completion(2)), (1, completion(2, THOUGHT + " One and one are two.")), (2, completion(3)))
    ]
    # TRL would misread these columns
    assert not {"prompt", "completion", "finish_reason"} & set(rows.column_names)
    assert dropped(tmp_path / "set") == {
        "verification": {"wrong": 4, "not judged": 1},
        "unstructured": {"no thought at the start": 1},
        "code in the thought": {"code block": 1},
        "long paragraphs": {"long paragraph": 1},
        "repetition": {"repetition": 1},
        "mixed languages": {"mixed languages": 1},
        "duplicates": {"duplicate": 1},
    }


def test_card_lists_what_was_dropped_with_examples(build, tmp_path):
    build(dataset_train_split="train")
    card = (tmp_path / "set/README.md").read_text()
    assert "| all | 3 | 9.0 | 1.0 |" in card
    assert "| verification | 14 | 5 | wrong 4, not judged 1 |" in card
    assert "- mixed languages, mixed languages: `<think>I add both numbers 然后" in card
    assert f"assistant: {completion(2)}" in card and "builder: rejection_sampling" in card


def test_prompts_for_rl_have_a_pass_rate_in_the_given_range(build, tmp_path):
    build(min_pass_rate=0.5, max_pass_rate=0.8)
    prompts = load_set(tmp_path / "set", "prompts")
    assert [(r["prompt"], r["pass_rate"], r["samples"]) for r in prompts] == [(QUESTION.format(1, 1), 0.75, 4)]
    assert "completion" not in prompts.column_names and prompts["solution"][0] == "2"


def test_max_per_prompt_limits_the_completions_of_each_prompt(build, tmp_path):
    build(max_per_prompt=1, choose="shortest")
    assert contents(tmp_path / "set") == [completion(2), completion(3)]


def test_choosing_shortest_diverse_or_random_completions():
    texts = ["a b c d e f", "a b c d", "x y z u v w q", "a b c d e"]
    rows = Dataset.from_dict({"prompt_id": ["p"] * 4 + ["q"], "completion": [*texts, "k"]})
    assert choose_completions(rows, 2, "shortest") == [1, 3, 4]
    assert choose_completions(rows, 2, "diverse") == [1, 2, 4]
    assert choose_completions(rows, 2, "drawn") == [0, 1, 4]
    assert select_completions(rows, None, "shortest", reports=[])["completion"] == [*texts, "k"]


def test_reads_the_output_of_generate(build, tmp_path):
    kind = {"model": "m", "sampling": {"temperature": 1.0}, "prompts_digest": "x"}
    questions = Dataset.from_dict(
        {"prompt": ["Q: 1", "Q: 2"], "problem": ["1 + 1?", "2 + 1?"], "solution": ["2", "3"]}
    )
    with CompletionStore(tmp_path / "drawn", 0, 1, kind) as store:
        store.write_prompts({"prompt_id": f"p{i}", **r} for i, r in enumerate(questions))
        store.add([(Request(f"p{i}", 0, "", 0), Completion(completion(2), "stop", 3, 4)) for i in range(2)])
        store.write_manifest(["p0", "p1"], 1, questions.features.to_dict())
    assert build(dataset_name=tmp_path / "drawn").code == 0
    (only,) = load_set(tmp_path / "set")
    assert only["messages"][0]["content"] == "1 + 1?" and only["completion_tokens"] == 4


def test_thought_opened_by_the_prompt_is_completed(build, tmp_path):
    rows = [row(1, 0, completion(2).removeprefix("<think>"))]
    build("rejection_sampling", rows, thought_opened="true")
    assert contents(tmp_path / "set") == [completion(2)]


def test_verdicts_survive_an_interruption(build, tmp_path, monkeypatch):
    (tmp_path / "counting.py").write_text(
        "def counting(completions, **kwargs):\n"
        f"    open({str(tmp_path / 'seen')!r}, 'a').write('x' * len(completions))\n"
        "    return [1.0] * len(completions)\n"
    )
    monkeypatch.setattr("open_r1.builders.verification.CHUNK", 4)
    reward = {"reward_funcs": f"{tmp_path}/counting.py:counting"}
    build(**reward)
    (verdicts,) = tmp_path.rglob("verdicts.jsonl")
    complete = contents(tmp_path / "set")
    lines = verdicts.read_bytes()
    verdicts.write_bytes(lines[: len(lines) - 30])  # an incomplete last line
    (tmp_path / "seen").unlink()
    build(**reward)
    assert 0 < len((tmp_path / "seen").read_text()) <= 4 and contents(tmp_path / "set") == complete
    (tmp_path / "seen").unlink()
    build(min_reward=0.5, **reward)
    assert len((tmp_path / "seen").read_text()) == len(ROWS), "a different recipe needs new verdicts"


JUDGE = "model_name_or_path: m\nbackend: server\nbase_urls: [{}]\nuser_template: recipes/prompts/{}.jinja\n{}"


def recipe(tmp_path, server, template, extra=""):
    path = tmp_path / "generate.yaml"
    path.write_text("dataset_name: none\noutput_dir: none\n" + JUDGE.format(server.url, template, extra))
    return path


def test_model_judges_what_rewards_cannot(build, tmp_path):
    rows = [
        row(n, i, completion(f"\\text{{{color}}}"), solution="see the figure")
        for n, i, color in ((1, 0, "red"), (1, 1, "red"), (1, 2, "blue"), (2, 0, "dunno"), (3, 0, "red"))
    ]

    def reply(request):
        text = request["messages"][-1]["content"]
        color = re.search(r"\\text\{(\w+)\}", text)[1]
        assert "see the figure" in text and THOUGHT not in text, "the gold and the final answer, not the thought"
        judgements = {"red": '{"analysis": "fits", "correctness": "correct"}', "blue": '{"correctness": "incorrect"}'}
        return judgements.get(color, "hm")

    with Server(reply=reply) as server:
        outcome = build("rejection_sampling", [*rows, *ROWS[:2]], judge=recipe(tmp_path, server, "judge"))
        assert outcome.code == 0, outcome.err
        assert len(server.requests) == 4, "identical requests are sent once"
    assert dropped(tmp_path / "set")["verification"] == {"wrong": 2, "not judged": 1}
    assert len(contents(tmp_path / "set")) == 3, "one of the two red answers to prompt 1 is a duplicate"


def test_unclosed_thought_is_wrong_without_asking_the_judge(build, tmp_path):
    unclosed = row(1, 0, f"<think>{THOUGHT} So it is \\text{{red}}.", solution="see the figure")
    rows = [unclosed, row(1, 1, completion("\\text{red}"), solution="see the figure")]
    with Server(reply=lambda request: '{"correctness": "correct"}') as server:
        outcome = build("rejection_sampling", rows, judge=recipe(tmp_path, server, "judge"))
        assert outcome.code == 0, outcome.err
        assert len(server.requests) == 1
    assert dropped(tmp_path / "set")["verification"] == {"wrong": 1}
    prompts = load_set(tmp_path / "set", "prompts")
    assert prompts["pass_rate"] == [0.5] and prompts["samples"] == [2]


def test_judgement_is_not_read_from_the_thought_of_the_judge():
    assert read_judgement('<think>It may be "correctness": "correct" after all') is None
    assert read_judgement('<think>"correctness": "correct"?</think>{"correctness": "incorrect"}') is False


def test_judge_requests_can_be_generated_separately_in_shards(build, script, tmp_path):
    rows = [row(n, 0, completion(f"\\text{{a{n}}}"), solution="see the figure") for n in range(5)]
    with Server(reply=lambda request: '{"correctness": "correct"}') as server:
        judge = recipe(tmp_path, server, "judge")
        outcome = build("rejection_sampling", rows, judge=judge, draw="false")
        assert outcome.code == 1 and not server.requests
        command = re.search(r"python src/open_r1/generate.py (.*)", outcome.err)[1].split()
        for part in range(2):
            assert script("generate", *command, "--shard", f"{part}/2").code == 0
        assert build("rejection_sampling", rows, judge=judge, draw="false").code == 0
        assert len(contents(tmp_path / "set")) == 5 and len(server.requests) == 5
        outcome = build("rejection_sampling", rows[:4], judge=judge, draw="false")
        assert outcome.code == 1 and "4 requests are in" in outcome.err, "the requests have changed"


def test_unavailable_judge_is_an_error_and_nothing_is_written(build, tmp_path):
    rows = [row(1, 0, completion("red"), solution="see the figure")]
    with Server(troubles=[400] * 9) as server:
        outcome = build("rejection_sampling", rows, judge=recipe(tmp_path, server, "judge", "attempts: 1\n"))
    assert outcome.code == 1 and "1 of the requests" in outcome.err and not list(tmp_path.glob("set/*.parquet"))


def test_shards_build_the_same_set(build, tmp_path):
    build(output_dir=tmp_path / "unsharded")
    for part in range(3):
        outcome = build(output_dir=tmp_path / "parts", shard=f"{part}/3")
        assert outcome.code in (0, 1)
        assert (tmp_path / "parts/README.md").exists() == (part == 2)
        if part == 0:
            assert "not complete, build these shards" in build(dataset_name=tmp_path / "parts").err
    assert sorted(contents(tmp_path / "parts")) == sorted(contents(tmp_path / "unsharded"))
    assert "| verification | 14 | 5 |" in (tmp_path / "parts/README.md").read_text()


def test_changing_the_number_of_shards_is_refused(build, tmp_path):
    assert build().code == 0
    outcome = build(shard="0/2")
    assert outcome.code == 1 and "another number of shards (report-00000-of-00001.json)" in outcome.err
    assert build().code == 0


def test_contaminated_prompts_are_dropped(build, tmp_path):
    Dataset.from_dict({"text": [QUESTION.format(2, 1)]}).to_json(tmp_path / "held_out.jsonl")
    assert build(decontaminate=f"{tmp_path}/held_out.jsonl:text").code == 0
    assert dropped(tmp_path / "set")["contaminated"] and set(contents(tmp_path / "set")) == {
        completion(2),
        completion(2, THOUGHT + " One and one are two."),
    }


@pytest.mark.parametrize("builder", ["rejection_sampling", "cold_start"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choose": "longest"}, "choose: found 'longest'"),
        ({"max_per_prompt": 0}, "max_per_prompt"),
        ({"min_language_share": 2}, "min_language_share: found 2.0; expected 0 to 1"),
        ({"dataset_prompt_column": "problm"}, "dataset_prompt_column: the data set has no column 'problm'"),
        ({"dataset_solution_column": "answer"}, "dataset_solution_column"),
        ({"decontaminate": "aime2024"}, "decontaminate: found 'aime2024'; expected aime24"),
        ({"reward_funcs": "acuracy"}, "acuracy"),
        ({"shard": "1/1"}, "shard: found '1/1'"),
        ({"push_to_hub": "true"}, "hub_dataset_id: missing"),
        ({"dataset_name": "outputs/no/such/folder"}, "no file or folder"),
        ({"dataset_name": "outputs/tiny/generate/nothing.jsonl"}, "no file or folder"),
        ({"chat_template_path": "no.jinja"}, "chat_template_path: no file 'no.jinja'"),
        ({"min_reward": 3.0}, "nothing is left"),
    ],
)
def test_errors_end_with_one_message(build, builder, options, message):
    outcome = build(builder, **options)
    assert outcome.code == 1 and message in outcome.err


def test_recipe_of_another_builder_is_refused(script):
    outcome = script("cold_start", "--config", "recipes/tiny/data/config_rejection.yaml")
    assert outcome.code == 1 and "python -m open_r1.builders.rejection_sampling" in outcome.err


def test_dry_run_shows_the_plan_and_writes_nothing(build, tmp_path):
    with Server() as server:
        outcome = build("rejection_sampling", ROWS, "--dry_run", "true", judge=recipe(tmp_path, server, "judge"))
    assert outcome.code == 0 and "14 rows" in outcome.out and "asks m (server)" in outcome.out
    assert not (tmp_path / "set").exists()


def test_cold_start_rewrites_correct_completions_and_verifies_the_result(build, tmp_path):
    calls = []

    def reply(request):
        text = request["messages"][-1]["content"]
        calls.append(text)
        answer = 9 if QUESTION.format(2, 1) in text else 2  # the rewritten answer to question 2 is wrong
        return f"<think>Let me add the two numbers, slowly, one after the other.</think>In short: \\boxed{{{answer}}}"

    mixed = row(1, 4, completion(2, "First 我们把两个数相加然后再检查一下 and that is it, I think."))
    with Server(reply=reply) as server:
        outcome = build("cold_start", [*ROWS, mixed], rewriter=recipe(tmp_path, server, "rewrite"), max_per_prompt=2)
    assert outcome.code == 0, outcome.err
    assert len(calls) == 4, "two completions of each prompt with a correct answer"
    assert all("boxed{" in call for call in calls)
    (only,) = load_set(tmp_path / "set")
    assert only["messages"][0]["content"] == QUESTION.format(1, 1)
    assert only["messages"][1]["content"].startswith("<think>Let me add the two numbers") and only["prompt_id"] == "p1"
    assert dropped(tmp_path / "set")["verification"] == {"wrong": 2}


def test_cold_start_without_a_rewriter(build, tmp_path):
    assert build("cold_start").code == 0
    assert len(contents(tmp_path / "set")) == 3


def test_every_prompt_template_is_used():
    """Every template in recipes/prompts is named by a recipe, a builder or a benchmark."""
    used = " ".join(p.read_text() for p in [*Path("recipes").glob("*/*/*.yaml"), *Path("src/open_r1").glob("*/*.py")])
    for path in Path("recipes/prompts").glob("*.jinja"):
        assert path.name in used, path


def test_merge_checks_and_writes_one_file(build, script, tmp_path):
    build()
    outcome = script("merge", "--dataset_name", tmp_path / "set", "--output_path", tmp_path / "one.parquet")
    assert outcome.code == 0 and "is complete: 3 rows" in outcome.out
    assert len(datasets.load_dataset("parquet", data_files=str(tmp_path / "one.parquet"))["train"]) == 3
    assert script("merge", "--dataset_name", tmp_path / "set", "--output_path", "x.csv").code == 1
    RecipeParser("merge").parse(["--dataset_name", "x"])


def test_changed_golds_are_verified_again(build):
    assert build().code == 0
    wrong = [row | {"solution": "999"} for row in ROWS]
    outcome = build(rows=wrong)
    assert outcome.code == 1 and "nothing is left" in outcome.err


def test_edited_user_reward_verifies_again(build, tmp_path):
    reward = tmp_path / "mine.py"
    text = "def right(completions, **kwargs):\n    return [{} for _ in completions]\n"
    reward.write_text(text.format("1.0"))
    assert build(reward_funcs=f"{reward}:right").code == 0
    reward.write_text(
        text.format("0.00")
    )  # a different size, since Python's cache of bytecode checks only size and whole seconds
    assert "nothing is left" in build(reward_funcs=f"{reward}:right").err


def test_concurrent_build_is_refused_and_surplus_verdicts_are_ignored(build, tmp_path):
    assert build().code == 0
    work = tmp_path / "set/.work/00000-of-00001"
    with (work / "verdicts.jsonl").open("a") as stream:
        stream.write('{"right": true}\n')
    assert build().code == 0 and len((work / "verdicts.jsonl").read_text().splitlines()) == len(ROWS) + 1
    with file_lock(work / "verdicts.lock"):
        outcome = build()
    assert outcome.code == 1 and "another process writes there" in outcome.err


def test_shards_of_different_recipes_are_refused(build):
    build(shard="0/2")
    outcome = build(shard="1/2", max_per_prompt=1)
    assert outcome.code == 1 and "were built by different recipes: max_per_prompt is None and 1" in outcome.err


def test_report_accounts_for_all_dropped_rows(build, tmp_path):
    build(max_per_prompt=1)
    report = json.loads((tmp_path / "set/report-00000-of-00001.json").read_text())
    dropped = sum(sum(step["reasons"].values()) for step in report["filters"])
    kept = datasets.load_dataset("parquet", data_files=str(tmp_path / "set/train-00000-of-00001.parquet"))["train"]
    assert len(ROWS) - dropped == len(kept) and "beyond the 1 shortest" in json.dumps(report["filters"])


def test_missing_or_numeric_prompt_ids(build, tmp_path):
    for value in (None, 0):
        rows = [
            row(number, sample, completion(number + 1, f"{THOUGHT} {sample}"))
            for number in (1, 2)
            for sample in (0, 1)
        ]
        rows = [row | {"prompt_id": value if value is None else int(row["solution"])} for row in rows]
        build(rows=rows, output_dir=tmp_path / f"set-{value}", max_per_prompt=1)
        path = tmp_path / f"set-{value}/train-00000-of-00001.parquet"
        written = datasets.load_dataset("parquet", data_files=str(path))["train"]
        assert len(written) == 2 and len(set(written["prompt_id"])) == 2


def test_completion_of_several_turns_is_refused(build):
    """Joined, its turns would be one answer that nobody gave."""
    first, second = {"role": "assistant", "content": "Which sum?"}, {"role": "assistant", "content": completion(2)}
    turns = [first, {"role": "user", "content": "1 plus 1"}, second]
    outcome = build(rows=[row(1, 0, [second]), row(1, 1, turns)])
    assert outcome.code == 1
    assert "row 2 of 2: found a completion of several turns (assistant, user, assistant)" in outcome.err


def test_prompt_ends_before_the_answer(build, tmp_path):
    question = {"role": "user", "content": QUESTION.format(1, 1)}
    answered = [question, {"role": "assistant", "content": "Three."}]
    assert build(rows=[row(1, 0, completion(2)) | {"problem": answered}]).code == 0
    [messages] = load_set(tmp_path / "set")["messages"]
    assert messages == [question, {"role": "assistant", "content": completion(2)}]


def test_nothing_correct_to_rewrite_is_an_error(build):
    wrong = [row | {"solution": "999"} for row in ROWS]
    outcome = build("cold_start", wrong, rewriter="recipes/DeepSeek-R1/generate/config_rewrite.yaml")
    assert outcome.code == 1 and "nothing is left of" in outcome.err and "to rewrite" in outcome.err


def test_card_declares_no_rl_prompts_when_there_are_none(build, tmp_path):
    build(min_pass_rate=0.95, max_pass_rate=0.99)
    assert "config_name: prompts" not in (tmp_path / "set/README.md").read_text()
