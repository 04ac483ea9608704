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


def test_dry_run_names_the_objective(train):
    outcome = train("helpfulness", "--dry_run", "true")
    assert outcome.code == 0 and "pairs, by the final summary" in outcome.out
