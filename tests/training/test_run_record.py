"""What a run that resumes says about changes since its checkpoint, and which changes it refuses."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import BASE, ZERO
from datasets import Dataset

from open_r1.configs.parser import RecipeParser
from open_r1.training.run_record import HARMLESS, RECORD, describe_rows, find_changes


SMALL_SFT = ["--dataset_params", '{"size": 64}', "--logging_steps", "1", "--warmup_steps", "0", "--report_to", "none"]
SMALL_GRPO = ["--per_device_train_batch_size", "16", "--num_generations", "8", "--max_completion_length", "8"]
SMALL_GRPO += ["--dataset_params", '{"size": 32}', "--eval_strategy", "no", "--eval_on_start", "false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of finished runs by stage; filled by the first test that needs one."""
    return tmp_path_factory.mktemp("trained"), {}


@pytest.fixture
def resume(script, checkpoint, trained, tmp_path, caplog):
    """Resumes a copy of a run of two steps, as a dry run or for two more steps."""
    caplog.set_level(logging.INFO)
    root, folders = trained

    def run(stage: str, *options: str, steps: int = 4, dry_run: bool = False, folder=tmp_path / "copy"):
        recipe = {
            "sft": [*BASE, *SMALL_SFT],
            "grpo": [*ZERO, *SMALL_GRPO, "--model_name_or_path", checkpoint],
        }[stage]
        recipe += ["--save_steps", "1", "--save_total_limit", "5", "--dry_run", str(dry_run).lower()]
        if stage not in folders:
            outcome = script(stage, *recipe, "--output_dir", root / stage, "--max_steps", 2, "--dry_run", "false")
            assert outcome.code == 0, outcome.err
            folders[stage] = root / stage
        if not folder.exists():
            shutil.copytree(folders[stage], folder)
        outcome = script(stage, *recipe, "--output_dir", folder, "--max_steps", steps, *map(str, options))
        outcome.out = " ".join(outcome.out.replace("│", " ").split())
        return outcome

    return run


def test_a_longer_run_resumes_and_says_so(resume, tmp_path, caplog):
    outcome = resume("sft")
    assert outcome.code == 0, outcome.err
    assert "since then, max_steps was 2 and is 4" in outcome.out
    assert "since then, max_steps was 2 and is 4" in caplog.text
    records = [json.loads((tmp_path / f"copy/checkpoint-{step}" / RECORD).read_text()) for step in (2, 4)]
    assert [record["options"]["max_steps"] for record in records] == [2, 4]
    assert RECORD in json.loads((tmp_path / "copy/checkpoint-4/manifest.json").read_text())


def test_an_unchanged_run_resumes_without_a_word(resume, tmp_path, caplog):
    assert "since then" not in resume("sft", steps=2, dry_run=True).out
    (tmp_path / "copy/train_results.json").unlink()
    shutil.rmtree(tmp_path / "copy/checkpoint-2")
    outcome = resume("sft", steps=2)
    assert outcome.code == 0 and "copy/checkpoint-1" in caplog.text
    assert "since then" not in outcome.out + caplog.text


@pytest.mark.parametrize(
    ("stage", "options", "message"),
    [
        ("grpo", ["--num_generations", 4], "num_generations was 8 and is 4"),
        ("grpo", ["--reward_funcs", "accuracy"], "reward_funcs was ['accuracy', 'format'] and is ['accuracy']"),
        ("grpo", ["--reward_funcs", "accuracy", "{name: format, weight: 0.5}"], "{'name': 'format', 'weight': 0.5}]"),
        ("grpo", ["--beta", "0.1"], "beta was 0.0 and is 0.1"),
        ("grpo", ["--loss_type", "dr_grpo"], "loss_type was"),
        ("grpo", ["--max_completion_length", 9], "max_completion_length was 8 and is 9"),
        ("grpo", ["--temperature", "0.7"], "temperature was 1.0 and is 0.7"),
        ("grpo", ["--dataset_params", '{"size": 48}'], "the training data was"),
        ("grpo", ["--per_device_train_batch_size", 32], "sequences per step was 16 and is 32"),
        ("sft", ["--dataset_params", '{"size": 48}'], "the training data was open_r1.data.tiny:"),
        ("sft", ["--learning_rate", "1e-3"], "learning_rate was"),
        ("sft", ["--lr_scheduler_type", "linear"], "lr_scheduler_type was"),
        ("sft", ["--seed", 5], "seed was"),
        ("sft", ["--use_peft", "true"], "use_peft was False and is True"),
        ("sft", ["--max_length", 32], "max_length was"),
    ],
)
def test_what_changes_the_meaning_of_a_run_is_refused(stage, options, message, resume):
    outcome = resume(stage, *options, dry_run=True)
    assert outcome.code == 1
    for words in ("holds a run of another kind", "checkpoint-2: ", message, "--resume_with_changes true"):
        assert words in outcome.err
    assert "max_steps was 2 and is 4" in outcome.err, "other changes are named too"


def test_a_finished_run_of_another_kind_is_not_taken_for_this_one(resume):
    outcome = resume("grpo", "--num_generations", 4, steps=2)
    assert outcome.code == 1 and "num_generations was 8 and is 4" in outcome.err


def test_changes_can_be_accepted_once(resume, tmp_path, caplog):
    options = ["--num_generations", 4, "--reward_funcs", "accuracy"]
    outcome = resume("grpo", *options, "--resume_with_changes", "true", steps=3)
    assert outcome.code == 0, outcome.err
    assert "since then, num_generations was 8 and is 4" in caplog.text
    assert "resume_with_changes" not in (tmp_path / "copy/recipe.yaml").read_text()
    outcome = resume("grpo", *options, steps=4)
    assert outcome.code == 0, "the next checkpoint has the new record"


def test_what_does_not_change_the_meaning_is_accepted(resume):
    options = ["--per_device_train_batch_size", 8, "--gradient_accumulation_steps", 2, "--logging_steps", 5]
    options += ["--save_total_limit", 3, "--dataloader_num_workers", 1, "--show_completions_every", 0]
    options += ["--gradient_checkpointing", "true", "--reward_funcs", "{name: format, weight: 1}", "accuracy"]
    outcome = resume("grpo", *options, dry_run=True)
    assert outcome.code == 0, outcome.err
    for words in ("per_device_train_batch_size was 16 and is 8", "show_completions_every was 10 and is 0"):
        assert f"since then, {words}" in outcome.out


def test_the_same_rows_from_another_file_are_the_same_data(script, checkpoint, tmp_path):
    rows = [{"problem": f"1+{n}", "solution": str(n + 1)} for n in range(32)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "first.jsonl").write_text(text)
    (tmp_path / "second.jsonl").write_text(text)
    (tmp_path / "other.jsonl").write_text(text.replace('"solution": "7"', '"solution": "8"'))
    options = [*ZERO, *SMALL_GRPO, "--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out"]
    options += ["--dataset_params", "{}", "--save_steps", 1]
    assert script("grpo", *options, "--dataset_name", tmp_path / "first.jsonl", "--max_steps", 1).code == 0
    options += ["--max_steps", 2, "--dry_run", "true"]
    assert script("grpo", *options, "--dataset_name", tmp_path / "second.jsonl").code == 0
    outcome = script("grpo", *options, "--dataset_name", tmp_path / "other.jsonl")
    assert outcome.code == 1 and "the training data was" in outcome.err and "other.jsonl, 32 rows" in outcome.err


def test_a_reward_file_that_has_changed_is_named(script, checkpoint, tmp_path):
    reward = "def length(completions, **kwargs):\n    return [float(len(completion)) for completion in completions]\n"
    path = tmp_path / "mine.py"
    path.write_text(reward)
    options = [*ZERO, *SMALL_GRPO, "--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out"]
    options += ["--save_steps", 1, "--reward_funcs", f"{path}:length"]
    assert script("grpo", *options, "--max_steps", 1).code == 0
    path.write_text(reward + "# better\n")
    outcome = script("grpo", *options, "--max_steps", 2, "--dry_run", "true")
    assert outcome.code == 0 and "since then, digest of" in " ".join(outcome.out.replace("│", " ").split())


def test_a_checkpoint_without_a_record_is_resumed_with_a_warning(resume, tmp_path, caplog):
    resume("grpo", dry_run=True)
    for step in (1, 2):
        folder = tmp_path / f"copy/checkpoint-{step}"
        (folder / RECORD).unlink()
        (folder / "manifest.json").unlink()
    outcome = resume("grpo", "--num_generations", 4, steps=3)
    assert outcome.code == 0 and f"has no {RECORD}" in caplog.text


def test_a_run_may_start_from_the_checkpoint_of_another_kind_of_run(resume, tmp_path, trained, caplog):
    resume("grpo", dry_run=True)
    other = trained[1]["grpo"] / "checkpoint-2"
    options = ["--resume_from_checkpoint", other, "--num_generations", 4]
    (tmp_path / "new").mkdir()
    outcome = resume("grpo", *options, steps=3, folder=tmp_path / "new")
    assert outcome.code == 0, outcome.err
    assert "since then, num_generations was 8 and is 4" in caplog.text


def test_the_checkpoint_of_another_stage_is_refused(resume, script, tmp_path, checkpoint):
    resume("sft", dry_run=True)
    recipe = [*ZERO, *SMALL_GRPO, "--model_name_or_path", checkpoint, "--dry_run", "true"]
    outcome = script("grpo", *recipe, "--output_dir", tmp_path / "copy")
    assert outcome.code == 1 and "the stage was sft and is grpo" in outcome.err


def test_every_row_of_a_small_data_set_counts():
    rows = [f"{n}+1" for n in range(5000)]
    digests = {describe_rows(Dataset.from_dict({"prompt": rows}), is_mixture=False)["digest"]}
    for index in (0, 1234, 4999):
        changed = [*rows[:index], "?", *rows[index + 1 :]]
        digests.add(describe_rows(Dataset.from_dict({"prompt": changed}), is_mixture=False)["digest"])
    assert len(digests) == 4


def test_weights_and_rows_of_a_mixture_are_part_of_its_meaning(script, checkpoint, tmp_path):
    for name in ("sums", "products", "late"):
        rows = [{"problem": f"{name} {n}", "solution": str(n)} for n in range(32)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = yaml.safe_load(Path(ZERO[1]).read_text())
    for key in ("dataset_name", "dataset_params"):
        recipe.pop(key, None)
    recipe["sources"] = [
        {"dataset_name": str(tmp_path / "sums.jsonl"), "weight": 3},
        {"dataset_name": str(tmp_path / "products.jsonl")},
        {"dataset_name": str(tmp_path / "late.jsonl"), "from_step": 1000},
    ]
    path = tmp_path / "grpo/config_mixture.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(recipe))
    options = ["--config", path, *SMALL_GRPO[:6], *SMALL_GRPO[8:], "--model_name_or_path", checkpoint]
    options += ["--output_dir", tmp_path / "out", "--save_steps", 1]
    outcome = script("grpo", *options, "--max_steps", 2)
    assert outcome.code == 0, outcome.err
    outcome = script("grpo", *options, "--max_steps", 4)
    assert outcome.code == 0, outcome.err
    recipe["sources"][0]["weight"] = 1
    path.write_text(yaml.safe_dump(recipe))
    outcome = script("grpo", *options, "--max_steps", 4)
    assert outcome.code == 1 and "sources was [{'dataset_name':" in outcome.err and "'weight': 3" in outcome.err
    recipe["sources"][0]["weight"] = 3
    path.write_text(yaml.safe_dump(recipe))
    late = tmp_path / "late.jsonl"
    late.write_text(late.read_text().replace("late 31", "late 32"))
    outcome = script("grpo", *options, "--max_steps", 4)
    assert outcome.code == 1 and "the training data was a mixture, 96 rows" in outcome.err
    assert "sources was" not in outcome.err


def test_a_longer_mixture_is_the_same_data():
    """The rows of a run are a selection of those of all sources; the last two of these are for later steps."""
    sources = Dataset.from_dict({"prompt": list("abcdef")})
    short = describe_rows(sources.select([1, 0]), is_mixture=True)
    long = describe_rows(sources.select([1, 0, 3, 2]), is_mixture=True)
    record = {"stage": "grpo", "set_options": [], "options": {}, "batches": {}, "weights": None, "chat_template": None}
    record |= {"reward_files": {}}
    assert find_changes(record | {"data": short}, record | {"data": long}) == []
    others = [
        describe_rows(sources.select([1, 2, 3]), is_mixture=True),
        describe_rows(Dataset.from_dict({"prompt": list("abcdeX")}).select([1, 0]), is_mixture=True),
        describe_rows(Dataset.from_dict({"prompt": list("abcdefg")}).select([1, 0]), is_mixture=True),
    ]
    for other in others:
        [change] = find_changes(record | {"data": short}, record | {"data": other})
        assert change.name == "the training data" and "a mixture, 6 rows" in str(change)
    del short["sources"]  # by an earlier version
    assert find_changes(record | {"data": short}, record | {"data": long}) == []


def test_only_options_of_trainers_are_harmless():
    options = set()
    for stage in ("sft", "grpo", "reward_model", "distillation"):
        options |= set(RecipeParser(stage).options)
    assert HARMLESS < options
    for name in ("vllm_importance_sampling_cap", "vllm_structured_outputs_regex", "learning_rate", "sources"):
        assert name not in HARMLESS
