"""`reward_model.py` run as users run it, for a few steps with each objective."""

import json
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from open_r1.training.reward_models import pointwise_loss


@pytest.fixture
def train(script, checkpoint, tmp_path):
    def train(objective, *argv):
        config = ["--config", f"recipes/tiny/reward_model/config_{objective}.yaml", "--model_name_or_path", checkpoint]
        return script("reward_model", *config, "--output_dir", tmp_path / "out", *argv)

    return train


@pytest.mark.parametrize("objective", ["helpfulness", "harmlessness"])
def test_learns_in_a_few_steps(train, tmp_path, objective):
    schedule = "--max_steps 20 --eval_steps 20 --save_steps 20 --logging_steps 5 --learning_rate 1e-3"
    outcome = train(objective, *schedule.split())
    assert outcome.code == 0, outcome.err
    log = [json.loads(line) for line in (tmp_path / "out/log_history.jsonl").read_text().splitlines()]
    [accuracy] = [entry["eval_accuracy"] for entry in log if "eval_accuracy" in entry]
    assert accuracy > 0.7, "held-out pairs are ranked correctly"
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").config.num_labels == 1
    template = Path("recipes/chat_templates/tiny_chat.jinja").read_text()
    assert (tmp_path / "out/chat_template.jinja").read_text() == template


def test_pointwise_loss_judges_each_answer_on_its_own():
    logits = torch.tensor([[2.0], [0.5], [-1.0], [3.0]])  # two safe answers, two unsafe ones
    safe = math.log1p(math.exp(-2)) + math.log1p(math.exp(-0.5))
    unsafe = math.log1p(math.exp(-1)) + math.log1p(math.exp(3))
    assert pointwise_loss(logits).item() == pytest.approx((safe + unsafe) / 4)


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_pairs_that_are_too_long_are_dropped_and_counted(train, tmp_path, caplog, dry_run):
    """TRL would drop them without a word."""
    rows = [{"prompt": "write 3 a", "chosen": "a" * count, "rejected": "b"} for count in (3, 3, 500, 3)]
    folder = tmp_path / "pairs"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--dataset_name", folder, "--dataset_params", "{}", "--min_gap", 0, "--balance_lengths", "false"]
    options += ["--max_steps", 1, "--dry_run", dry_run]
    outcome = train("helpfulness", *options, "--max_length", 100)
    assert outcome.code == 0, outcome.err
    assert "1 of 4 pairs have a text of more than max_length = 100 tokens and were dropped" in caplog.text
    assert "· 3 rows ·" in outcome.out and "held out      3 rows" in outcome.out
    outcome = train("helpfulness", *options, "--max_length", 5)
    assert outcome.code == 1 and "all 4 of 4 pairs have a text of more than max_length = 5 tokens" in outcome.err


def test_dry_run_names_the_objective(train):
    outcome = train("helpfulness", "--dry_run", "true")
    assert outcome.code == 0 and "pairs, by the final summary" in outcome.out
