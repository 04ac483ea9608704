"""`distillation.py` as its users run it: a student that learns from a teacher on its own completions."""

import json

import pytest


@pytest.fixture
def distil(script, checkpoint, tmp_path):
    def distil(*argv, teacher=checkpoint):
        config = ["--config", "recipes/tiny/distillation/config_on_policy.yaml", "--model_name_or_path", checkpoint]
        config += [
            "--teacher_model_name_or_path",
            teacher,
            "--dataset_params",
            '{"size": 64}',
            "--max_completion_length",
            8,
        ]
        return script("distillation", *config, "--output_dir", tmp_path / "out", *argv)

    return distil


def test_a_student_like_its_teacher_has_nothing_to_learn(distil, tmp_path):
    outcome = distil("--max_steps", 2, "--per_device_train_batch_size", 8, "--logging_steps", 1, "--save_steps", 2)
    assert outcome.code == 0, outcome.err
    losses = [json.loads(line).get("loss") for line in (tmp_path / "out/log_history.jsonl").read_text().splitlines()]
    assert losses[0] == pytest.approx(0, abs=1e-5) and (tmp_path / "out/model.safetensors").is_file()


def test_dry_run_names_the_teacher(distil, checkpoint):
    outcome = distil("--dry_run", "true")
    assert outcome.code == 0 and "teacher" in outcome.out and "0.66M parameters" in outcome.out


def test_a_teacher_that_is_not_there(distil):
    outcome = distil(teacher="outputs/nobody/teacher")
    assert outcome.code == 1 and "outputs/nobody/teacher" in outcome.err
