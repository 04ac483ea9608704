"""`distillation.py` run as users run it: on-policy distillation from a teacher."""

import json

import pytest


@pytest.fixture
def distill(script, checkpoint, tmp_path):
    def distill(*argv, teacher=checkpoint):
        config = ["--config", "recipes/tiny/distillation/config_on_policy.yaml", "--model_name_or_path", checkpoint]
        config += ["--teacher_model_name_or_path", teacher]
        config += ["--dataset_params", '{"size": 64}', "--max_completion_length", 8]
        return script("distillation", *config, "--output_dir", tmp_path / "out", *argv)

    return distill


def test_loss_is_zero_when_the_student_equals_its_teacher(distill, tmp_path):
    outcome = distill("--max_steps", 2, "--per_device_train_batch_size", 8, "--logging_steps", 1, "--save_steps", 2)
    assert outcome.code == 0, outcome.err
    losses = [json.loads(line).get("loss") for line in (tmp_path / "out/log_history.jsonl").read_text().splitlines()]
    assert losses[0] == pytest.approx(0, abs=1e-5) and (tmp_path / "out/model.safetensors").is_file()


def test_dry_run_names_the_teacher(distill, checkpoint):
    outcome = distill("--dry_run", "true")
    assert outcome.code == 0 and "teacher" in outcome.out and "0.66M parameters" in outcome.out


def test_missing_teacher_is_an_error(distill):
    outcome = distill(teacher="outputs/no/teacher")
    assert outcome.code == 1 and "outputs/no/teacher" in outcome.err
