"""What users do wrong: each ends at once, before any training, with one message and a status that is not zero."""

import importlib.util
import json
import resource
import subprocess
import sys
import time

import pytest
from conftest import ZERO


SECONDS = 15  # of processor time, so that a busy machine does not fail the tests


def check_outcome(outcome, started, *says):
    assert time.process_time() - started < SECONDS
    assert outcome.code == 1
    assert outcome.err.count("error: ") == 1 and "Traceback" not in outcome.err
    for words in says:
        assert words in outcome.err
    assert "step 1" not in outcome.err


@pytest.fixture
def jsonl(tmp_path):
    def write(*rows: dict) -> str:
        path = tmp_path / "data.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write


def check_fails(script, checkpoint, tmp_path, *argv, says=(), stage="grpo"):
    started = time.process_time()
    common = (
        [*ZERO, "--model_name_or_path", checkpoint, "--output_dir", str(tmp_path / "out")] if stage == "grpo" else []
    )
    check_outcome(script(stage, *common, *argv), started, *says)


def test_typo_in_a_recipe(script, checkpoint, tmp_path):
    recipe = tmp_path / "typo.yaml"
    recipe.write_text("num_generation: 8\n")
    check_fails(
        script, checkpoint, tmp_path, "--config", recipe, says=[str(recipe), "'num_generation'", "'num_generations'"]
    )


def test_missing_column(script, checkpoint, tmp_path, jsonl):
    data = jsonl({"question": "1+1", "answer": "2"})
    argv = ["--dataset_name", data, "--eval_strategy", "no", "--eval_on_start", "false"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["dataset_prompt_column", "'problem'", "question, answer"])
    argv += ["--dataset_prompt_column", "question"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["dataset_solution_column", "'solution'", "answer"])


def test_empty_data_set(script, checkpoint, tmp_path, jsonl):
    check_fails(script, checkpoint, tmp_path, "--dataset_name", jsonl(), says=["dataset", "is empty"])


def test_model_path_that_does_not_exist(script, checkpoint, tmp_path):
    check_fails(
        script,
        checkpoint,
        tmp_path,
        "--model_name_or_path",
        "./no/such/model",
        says=["model_name_or_path", "./no/such/model"],
    )
    check_fails(
        script,
        checkpoint,
        tmp_path,
        "--model_name_or_path",
        "no-such/model",
        says=["model_name_or_path", "no-such/model"],
    )


def test_checkpoint_that_is_not_made_yet_names_the_command_that_makes_it(script, checkpoint, tmp_path, monkeypatch):
    (tmp_path / "recipes").symlink_to(tmp_path.cwd() / "recipes")
    (tmp_path / "src").symlink_to(tmp_path.cwd() / "src")
    monkeypatch.chdir(tmp_path)  # a fresh clone, without outputs
    started = time.process_time()
    says = ["outputs/tiny/base", "accelerate launch src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml"]
    check_outcome(script("grpo", *ZERO), started, *says)


def test_golds_that_do_not_parse(script, checkpoint, tmp_path, jsonl):
    data = jsonl(*[{"problem": "1+1 = ?", "solution": ""}] * 20)
    argv = ["--dataset_name", data, "--eval_strategy", "no", "--eval_on_start", "false"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["cannot parse 20 of 20 golds", "max_unusable_golds"])


def test_batch_that_generations_do_not_divide(script, checkpoint, tmp_path):
    argv = ["--per_device_train_batch_size", "10"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["num_generations (16)", "per_device_train_batch_size"])


def test_fewer_prompts_than_a_batch(script, checkpoint, tmp_path, jsonl):
    data = jsonl({"problem": "1+1 = ?", "solution": "2"})
    argv = ["--dataset_name", data, "--eval_strategy", "no", "--eval_on_start", "false"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["1 prompts", "wants 16"])


@pytest.mark.parametrize("use_cpu", ["true", "false"])
def test_bf16_on_a_cpu(script, checkpoint, tmp_path, use_cpu):
    check_fails(script, checkpoint, tmp_path, "--bf16", "true", "--use_cpu", use_cpu, says=["bf16", "bf16: false"])


def test_output_folder_that_cannot_be_written(script, checkpoint, tmp_path):
    (tmp_path / "file").write_text("")
    check_fails(
        script, checkpoint, tmp_path, "--output_dir", tmp_path / "file" / "out", says=["output_dir", "cannot write"]
    )
    check_fails(script, checkpoint, tmp_path, "--output_dir", "/sys/out", says=["output_dir", "cannot write"])


def test_output_folder_that_is_full(script, checkpoint, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip(reason="mounting a small disk needs root")
    try:
        check_fails(
            script,
            checkpoint,
            tmp_path,
            "--output_dir",
            disk / "out",
            says=["output_dir", "MB free", "one checkpoint takes"],
        )
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("argv", "says"), [(["--report_to", "wandb"], "'wandb' is not installed"), (["--use_vllm", "true"], "vLLM")]
)
def test_package_that_is_not_installed(script, checkpoint, tmp_path, argv, says):
    if importlib.util.find_spec(argv[1] if argv[1] != "true" else "vllm"):
        pytest.skip(reason="it is installed here")
    check_fails(script, checkpoint, tmp_path, *argv, says=[argv[0][2:], says])


def test_unknown_reward(script, checkpoint, tmp_path):
    argv = ["--reward_funcs", "acuracy"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["unknown reward 'acuracy'", "Did you mean 'accuracy'"])


def test_neither_prompt_template_nor_chat_template(script, checkpoint, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(open(ZERO[1]).read().replace("prompt_template:", "#"))
    check_fails(
        script, checkpoint, tmp_path, "--config", recipe, says=[str(recipe), "no chat template", "prompt_template"]
    )


def test_no_arguments_at_all(script, checkpoint, tmp_path):
    check_fails(script, checkpoint, tmp_path, says=["dataset_name: missing"], stage="sft")


def test_a_real_process_ends_the_same_way(tmp_path):
    """As the tests above, without the imports already paid for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "src/open_r1/grpo.py", *ZERO, "--learning_rat", "1"]
    run = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < SECONDS
    assert run.returncode == 1 and "Traceback" not in run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("error: recipes/tiny/grpo/config_zero.yaml: unknown option '--learning_rat'")
