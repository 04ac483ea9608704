"""Pushes to a fake Hub server with the real client: failures, retries, and what is never uploaded."""

import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import huggingface_hub
import pytest
import yaml
from datasets import Dataset
from hub_server import TOKEN, Fault
from huggingface_hub import DatasetCard, ModelCard

from open_r1.training.hub_pushes import STAGING, HubPushes, Task
from open_r1.training.model_card import write_model_card
from open_r1.utils import hub as ours
from open_r1.utils.errors import RunStopped
from open_r1.utils.hub import HubError, push, require_repo


SFT = "--config recipes/tiny/sft/config_base.yaml --max_steps 4 --save_steps 2 --eval_strategy no".split()
PUSH = "--push_to_hub true --hub_model_id me/base".split()


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_run_pushes_each_checkpoint_as_a_revision_and_the_finished_model(hub, script, tmp_path, caplog):
    options = ["--save_total_limit", "2", "--hub_revision", "v1", "--output_dir", tmp_path / "base"]
    outcome = script("sft", *SFT, *PUSH, *options)
    assert outcome.code == 0, outcome.err
    assert hub.branches("me/base") == {
        "main": ["initial commit"],
        "v1": ["initial commit", "The finished model"],
        "v1-step-000000002": ["initial commit", "Checkpoint after 2 steps"],
        "v1-step-000000004": ["initial commit", "Checkpoint after 4 steps"],
    }
    finished, checkpoint = hub.files("me/base", "v1"), hub.files("me/base", "v1-step-000000002")
    for files in (finished, checkpoint):
        assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= set(files)
        for name in files:
            assert "optimizer" not in name and "/" not in name and not name.endswith((".bin", ".pt", ".pth"))
    assert finished["model.safetensors"] == (tmp_path / "base" / "model.safetensors").read_bytes()
    assert checkpoint["model.safetensors"] == (tmp_path / "base" / "checkpoint-2" / "model.safetensors").read_bytes()
    assert not any((tmp_path / "base" / STAGING).iterdir())
    assert TOKEN not in outcome.out + outcome.err + caplog.text
    everything = all_bytes(tmp_path) + b"".join(finished.values()) + b"".join(checkpoint.values())
    assert TOKEN.encode() not in everything
    card = ModelCard(finished["README.md"].decode())
    recipe = yaml.safe_load(card.text.split("```yaml")[1].split("```")[0])
    assert recipe["max_steps"] == 4 and recipe["hub_model_id"] == "me/base"
    assert card.data.tags == ["open-r1", "trl", "sft"]
    assert "open_r1.data.tiny" in card.text and "(commit " in card.text


def test_card_carries_the_metrics(tmp_path):
    recipe = {"model_name_or_path": "Qwen/Qwen2.5-1.5B", "dataset_name": "a/b", "seed": 7}
    log = [{"step": 0, "eval_rewards/accuracy/mean": 0.1}, {"eval_rewards/accuracy/mean": 0.75}]
    write_model_card(tmp_path, "zero", "grpo", recipe, "a/b", log, 4)
    card = ModelCard.load(tmp_path / "README.md")
    assert yaml.safe_load(card.text.split("```yaml")[1].split("```")[0]) == recipe
    assert card.data.base_model == "Qwen/Qwen2.5-1.5B"
    result = card.data.eval_results[0]
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("avg@4", 0.75, "a/b")


@pytest.mark.parametrize("fault", [
    Fault("POST .*/commit/", times=2, status=500),
    Fault("POST .*/commit/", times=2, status=429, headers={"Retry-After": "1"}),
    Fault("POST .*/preupload/", status=503),
    Fault("POST .*/branch/", status=502),
    Fault("PUT /store/", status=500),
    Fault("POST .*/batch", status=504),
], ids=lambda fault: f"{fault.path} {fault.status}")  # fmt: skip
def test_temporary_hub_failures_are_retried(hub, fault, checkpoint, tmp_path):
    require_repo("me/base", private=True)
    hub.faults = [fault]
    push(Path(checkpoint), "me/base", "v1")
    assert fault.times == 0 and "model.safetensors" in hub.files("me/base", "v1")


def test_request_is_retried_after_a_timeout(hub, checkpoint, monkeypatch):
    monkeypatch.setattr(ours, "TIMEOUT", httpx.Timeout(1))
    ours.limit_request_time()
    huggingface_hub.close_session()  # the next session uses this timeout
    require_repo("me/base", private=True)
    hub.faults = [Fault("POST .*/commit/", until=threading.Event())]
    push(Path(checkpoint), "me/base")
    assert "model.safetensors" in hub.files("me/base")


def test_training_neither_waits_for_a_push_nor_keeps_its_checkpoint(hub, checkpoint, tmp_path):
    """While the Hub does not respond, the checkpoint is saved, linked, and deleted by the trainer."""
    require_repo("me/base", private=True)
    hub_responds = threading.Event()
    hub.faults = [Fault("POST .*/preupload/", until=hub_responds)]
    folder = tmp_path / "checkpoint-7"
    folder.mkdir()
    for path in Path(checkpoint).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())

    def write_card(folder):
        (folder / "README.md").write_text("# a card")

    pushes = HubPushes(str(tmp_path), "me/base", "main", True, write_card)
    pushes.start(0)
    pushes.on_save(None, SimpleNamespace(global_step=7, is_world_process_zero=True), None)
    assert pushes.pushed == [] and not hub_responds.is_set()
    for path in folder.iterdir():
        path.unlink()
    hub_responds.set()
    while pushes.has_left("push"):
        time.sleep(0.01)
    assert pushes.pushed == ["main-step-000000007"]
    pushed = hub.files("me/base", "main-step-000000007")
    assert pushed["model.safetensors"] == (Path(checkpoint) / "model.safetensors").read_bytes()


def test_failed_push_of_a_checkpoint_is_logged_and_retried_by_the_next_run(hub, script, tmp_path, caplog):
    argv = [*SFT, *PUSH, "--output_dir", tmp_path / "base"]
    hub.faults = [Fault("POST .*/commit/main-step-000000002", times=4)]
    outcome = script("sft", *argv)
    assert outcome.code == 0, outcome.err
    assert "main-step-000000002 is not on the Hub" in caplog.text and "training continues" in caplog.text
    assert hub.branches("me/base")["main"][-1] == "The finished model"
    assert script("sft", *argv).code == 0
    assert hub.branches("me/base")["main-step-000000002"][-1] == "Checkpoint after 2 steps"


def test_failed_push_of_the_finished_model_is_an_error_and_rerunning_pushes_it(hub, script, tmp_path):
    argv = [*SFT, *PUSH, "--hub_strategy", "end", "--output_dir", tmp_path / "base"]
    hub.faults = [Fault("POST .*/commit/main$", times=4)]
    outcome = script("sft", *argv)
    assert outcome.code == 1 and (tmp_path / "base" / "model.safetensors").is_file()
    assert "saved in" in outcome.err and "hf upload me/base" in outcome.err and "500" in outcome.err
    saved_at = (tmp_path / "base" / "model.safetensors").stat().st_mtime
    rerun = script("sft", *argv)
    assert rerun.code == 0 and (tmp_path / "base" / "model.safetensors").stat().st_mtime == saved_at
    assert list(hub.branches("me/base")) == ["main"]
    assert hub.files("me/base")["model.safetensors"] == (tmp_path / "base" / "model.safetensors").read_bytes()


def test_finished_run_waiting_for_the_hub_can_be_stopped(tmp_path):
    pushes = HubPushes(str(tmp_path), "me/base", "main", True, lambda folder: None)
    pushes.step = 8
    pushes.tasks.append(Task(8, "push"))  # no thread pushes it
    (tmp_path / "STOP").touch()
    with pytest.raises(RunStopped, match="the model is finished .* but not everything is pushed or evaluated"):
        pushes.finish()
    assert json.loads((tmp_path / "stopped.json").read_text())["step"] == 8, "so that the job is requeued"


def test_wrong_token_is_an_error_before_training(hub, script, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    outcome = script("sft", *SFT, *PUSH, "--output_dir", tmp_path / "base")
    assert outcome.code == 1 and "401" in outcome.err and "hf auth login" in outcome.err
    assert not (tmp_path / "base").exists()


def test_repository_of_another_user_is_an_error_before_training(hub, script, tmp_path):
    outcome = script(
        "sft", *SFT, "--push_to_hub", "true", "--hub_model_id", "you/base", "--output_dir", tmp_path / "base"
    )
    assert outcome.code == 1 and "403" in outcome.err and "you/base" in outcome.err
    assert not (tmp_path / "base").exists()


def test_pushing_offline_is_an_error_before_training(hub, script, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    outcome = script("sft", *SFT, *PUSH, "--output_dir", tmp_path / "base")
    assert outcome.code == 1 and "HF_HUB_OFFLINE" in outcome.err


def test_dry_run_creates_nothing_on_the_hub(hub, script, tmp_path):
    outcome = script("sft", *SFT, *PUSH, "--output_dir", tmp_path / "base", "--dry_run", "true")
    assert outcome.code == 0 and "me/base (main, and every checkpoint as a revision)" in outcome.out
    assert hub.repos == {} and hub.requests == []


@pytest.mark.parametrize("argv", [["--hub_token", "hf_x"], ["--hub-token=hf_x"]])
def test_token_on_a_command_line_is_refused(script, argv):
    outcome = script("sft", *SFT, *argv)
    assert outcome.code == 1 and "HF_TOKEN" in outcome.err and "hf_x" not in outcome.err


def test_strategy_that_pushes_optimizers_is_refused(hub, script, tmp_path):
    outcome = script("sft", *SFT, *PUSH, "--hub_strategy", "checkpoint", "--output_dir", tmp_path / "base")
    assert outcome.code == 1 and "hub_strategy: found 'checkpoint'; expected `every_save`" in outcome.err


def test_evaluation_of_each_pushed_revision(hub, script, problems, tmp_path):
    outcome = script(
        "sft", *SFT, "--save_steps", "4", *PUSH, "--evaluation_recipe", problems, "--output_dir", tmp_path / "base"
    )
    folder = tmp_path / "base" / "evaluations" / "step-4"
    assert outcome.code == 0, outcome.err
    assert (folder / "eval.json").is_file(), (folder / "log.txt").read_text()
    result = json.loads((folder / "eval.json").read_text())
    assert result["model"] == "me/base" and result["recipe"]["model_revision"] == "main-step-000000004"


@pytest.mark.parametrize(
    ("recipe", "argv", "message"),
    [
        ("tiny/sft/config_base.yaml", [], "is for sft; expected one in a folder `eval`"),
        ("DeepSeek-R1-Distill-Qwen-7B/eval/config_paper.yaml", [], "would ask a server of another model"),
        ("tiny/eval/config_heldout.yaml", ["--hub_strategy", "end"], "pushes none"),
        ("tiny/eval/config_heldout.yaml", ["--evaluation_slurm", "'"], "No closing quotation"),
        ("tiny/eval/config_heldout.yaml", ["--use_peft", "true"], "only the adapter is pushed"),
    ],
)
def test_invalid_evaluation_options_are_refused(script, tmp_path, recipe, argv, message):
    options = ["--evaluation_recipe", f"recipes/{recipe}", *argv, "--output_dir", tmp_path / "base"]
    outcome = script("sft", *SFT, *PUSH, *options)
    assert outcome.code == 1 and message in outcome.err


def test_evaluation_recipe_without_a_push_is_refused(script, tmp_path):
    argv = ["--evaluation_recipe", "recipes/tiny/eval/config_heldout.yaml"]
    outcome = script("sft", *SFT, *argv, "--output_dir", tmp_path / "base")
    assert outcome.code == 1 and "evaluation_recipe: only pushed revisions are evaluated" in outcome.err


def test_data_set_is_pushed_with_its_card(hub, script, tmp_path):
    rows = [
        {"prompt": f"What is {i} + 1?", "completion": f"<think>{i} + 1 is {i + 1}</think>It is {i + 1}."}
        for i in range(8)
    ]
    source = tmp_path / "rows.parquet"
    Dataset.from_list(rows).to_parquet(source)
    argv = ["--sources", json.dumps({"dataset_name": str(source)}), "--output_dir", tmp_path / "set"]
    argv += "--push_to_hub true --hub_dataset_id me/set --hub_revision v2 --min_language_share 0".split()
    outcome = script("distill", *argv)
    assert outcome.code == 0, outcome.err + outcome.out
    files = hub.files("me/set", "v2", "datasets")
    assert {"train-00000-of-00001.parquet", "README.md"} <= set(files)
    assert "What was dropped" in DatasetCard(files["README.md"].decode()).text
    assert TOKEN.encode() not in b"".join(files.values()) + all_bytes(tmp_path)


def test_push_deletes_weights_of_the_previous_model_only(hub, checkpoint, tmp_path):
    require_repo("me/base", private=True)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"a shard of a larger model")
    (tmp_path / "notes.txt").write_text("written by a user")
    push(tmp_path, "me/base")
    push(Path(checkpoint), "me/base")
    assert {"model.safetensors", "notes.txt"} <= set(hub.files("me/base"))
    assert "model-00001-of-00002.safetensors" not in hub.files("me/base")


def test_refused_push_is_not_retried(hub, checkpoint):
    require_repo("me/base", private=True)
    hub.faults = [Fault("POST .*/commit/", times=5, status=403)]
    with pytest.raises(HubError, match="403"):
        push(Path(checkpoint), "me/base")
    assert hub.faults[0].times == 4
