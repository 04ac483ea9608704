"""User errors: each stops the script before any training, with one message and a non-zero exit status."""

import importlib.util
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ZERO


SECONDS = 15  # of CPU time, so that the tests also pass on a busy machine


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
    common = []
    if stage == "grpo":
        common = [*ZERO, "--model_name_or_path", checkpoint, "--output_dir", str(tmp_path / "out")]
    check_outcome(script(stage, *common, *argv), started, *says)


def test_typo_in_a_recipe(script, checkpoint, tmp_path):
    recipe = tmp_path / "typo.yaml"
    recipe.write_text("num_generation: 8\n")
    says = [str(recipe), "'num_generation'", "'num_generations'"]
    check_fails(script, checkpoint, tmp_path, "--config", recipe, says=says)


def test_missing_column(script, checkpoint, tmp_path, jsonl):
    data = jsonl({"question": "1+1", "answer": "2"})
    argv = ["--dataset_name", data, "--eval_strategy", "no", "--eval_on_start", "false"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["dataset_prompt_column", "'problem'", "question, answer"])
    argv += ["--dataset_prompt_column", "question"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["dataset_solution_column", "'solution'", "answer"])


def test_empty_data_set(script, checkpoint, tmp_path, jsonl):
    check_fails(script, checkpoint, tmp_path, "--dataset_name", jsonl(), says=["dataset", "is empty"])


def test_model_path_that_does_not_exist(script, checkpoint, tmp_path):
    for name in ("./no/such/model", "no-such/model"):
        argv = ["--model_name_or_path", name]
        check_fails(script, checkpoint, tmp_path, *argv, says=["model_name_or_path", name])


def test_missing_checkpoint_names_the_command_that_trains_it(script, checkpoint, tmp_path, monkeypatch):
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


def test_batch_size_that_num_generations_does_not_divide(script, checkpoint, tmp_path):
    argv = ["--per_device_train_batch_size", "10"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["num_generations (16)", "per_device_train_batch_size"])


def test_fewer_prompts_than_one_batch_needs(script, checkpoint, tmp_path, jsonl):
    data = jsonl({"problem": "1+1 = ?", "solution": "2"})
    argv = ["--dataset_name", data, "--eval_strategy", "no", "--eval_on_start", "false"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["1 prompts", "needs 16"])


@pytest.mark.parametrize("use_cpu", ["true", "false"])
def test_bf16_on_a_cpu(script, checkpoint, tmp_path, use_cpu):
    check_fails(script, checkpoint, tmp_path, "--bf16", "true", "--use_cpu", use_cpu, says=["bf16", "bf16: false"])


def test_output_folder_that_cannot_be_written(script, checkpoint, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "out", "/sys/out"):
        check_fails(script, checkpoint, tmp_path, "--output_dir", folder, says=["output_dir", "cannot write"])


def test_disk_that_is_full(script, checkpoint, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip(reason="mounting a small disk needs root")
    try:
        says = ["output_dir", "MB free", "one checkpoint takes"]
        check_fails(script, checkpoint, tmp_path, "--output_dir", disk / "out", says=says)
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("argv", "says"), [(["--report_to", "wandb"], "'wandb' is not installed"), (["--use_vllm", "true"], "vLLM")]
)
def test_package_that_is_not_installed(script, checkpoint, tmp_path, argv, says):
    if importlib.util.find_spec(argv[1] if argv[1] != "true" else "vllm"):
        pytest.skip(reason="the package is installed")
    check_fails(script, checkpoint, tmp_path, *argv, says=[argv[0][2:], says])


def test_unknown_reward(script, checkpoint, tmp_path):
    argv = ["--reward_funcs", "acuracy"]
    check_fails(script, checkpoint, tmp_path, *argv, says=["unknown reward 'acuracy'", "Did you mean 'accuracy'"])


def test_neither_prompt_template_nor_chat_template(script, checkpoint, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(open(ZERO[1]).read().replace("prompt_template:", "#"))
    says = [str(recipe), "no chat template", "prompt_template"]
    check_fails(script, checkpoint, tmp_path, "--config", recipe, says=says)


def test_no_arguments_at_all(script, checkpoint, tmp_path):
    says = [
        "dataset_name: missing",
        "No recipe was given; name one with --config, such as recipes/tiny/sft/config_base.yaml.",
    ]
    check_fails(script, checkpoint, tmp_path, says=says, stage="sft")


@pytest.mark.parametrize("stage, argv, says", [
    ("grpo", [ZERO[1]], f"found {ZERO[1]!r} without an option before it; a recipe is named by `--config {ZERO[1]}`"),
    ("grpo", ["--config", "recipes/tiny/sft/config_base.yaml"],
     "this is a recipe for sft, not for grpo; run it with "
     "`python src/open_r1/sft.py --config recipes/tiny/sft/config_base.yaml`"),
    ("distill", ["--config", "recipes/tiny/data/config_cold_start.yaml"],
     "this is a recipe for cold_start, not for distill; run it with `python -m open_r1.builders.cold_start --config"),
    ("generate", ["--config", "recipes/tiny/pipeline.yaml"],
     "unknown key 'seeds'. Did you mean 'seed'? It is a key of pipeline, report."),
    ("grpo", ["--config=tiny/grpo/config_zero.yaml"], "Did you mean recipes/tiny/grpo/config_zero.yaml"),
    ("grpo", ["--config", "nowhere.yaml"], "nowhere.yaml: there is no such recipe (looked in "),
    ("grpo", ["--config"], "--config: found nothing after it; expected the path of a recipe"),
    ("generate", ["--lora_r", "8"], "unknown option '--lora_r'"),
    ("grpo", [*ZERO, "--seed", "many"], "argument --seed: found 'many'; expected int"),
    ("grpo", [*ZERO, "--dtype", "half"], "argument --dtype: found 'half'; expected one of auto, bfloat16"),
])  # fmt: skip
def test_wrong_command_lines(script, stage, argv, says):
    outcome = script(stage, *argv)
    assert outcome.code == 1 and says in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize("argv, says", [
    ([*ZERO, "--num_generation", "8"], "error: command line: unknown option '--num_generation'"),
    (["--config", "missing.yaml"], "error: missing.yaml: there is no such recipe"),
    ([*ZERO, "--learning_rate", "fast"], "argument --learning_rate: found 'fast'; expected float"),
    ([*ZERO, "--reward_funcs", "format", "format"], "reward_funcs: found the names"),
    (["--help"], ""),
    (["--help_all"], ""),
])  # fmt: skip
def test_command_line_is_checked_before_torch_is_imported(argv, says):
    program = (
        "import runpy, sys\n"
        "try: runpy.run_path('src/open_r1/grpo.py', run_name='__main__')\n"
        "finally: sys.stderr.write('torch is imported' if 'torch' in sys.modules else 'without torch')"
    )
    run = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True)
    assert run.stderr.endswith("without torch") and says in run.stderr


def test_help_shows_our_options_first(script):
    short = script("grpo", "--help").out
    assert short.startswith("usage: python src/open_r1/grpo.py --config RECIPE [--key value ...]")
    ours, theirs = ("--config RECIPE", "--dry_run", "--reward_funcs"), ("--learning_rate", "--lora_r")
    assert all(option in short for option in ours) and not any(f"  {option}" in short for option in theirs)
    assert "All options of GRPOConfig and ModelConfig may be set, too: --help_all" in short
    everything = script("grpo", "--help_all").out
    assert all(option in everything for option in (*ours, *theirs))
    assert everything.index("--reward_funcs") < everything.index("--learning_rate")


def test_help_has_no_options_of_other_stages(script):
    assert "lora" not in script("generate", "--help").out
    evaluation = script("evaluation", "--help").out
    assert "--benchmarks" in evaluation and "--dataset_name" not in evaluation and "lora" not in evaluation
    assert "rain on" not in script("merge", "--help").out.replace("read, and to train on", "")


def test_recipes_find_their_files_from_any_folder(script, checkpoint, tmp_path, monkeypatch):
    recipe, grpo = Path(ZERO[1]).resolve(), Path("src/open_r1/grpo.py").resolve()
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, grpo, "--config", recipe, "--model_name_or_path", checkpoint, "--dry_run", "true"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not (tmp_path / "outputs").exists() and "outputs/tiny/zero" in run.stdout


def test_error_in_a_real_process(tmp_path):
    """Like the tests above, but including the time for imports."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "src/open_r1/grpo.py", *ZERO, "--learning_rat", "1"]
    run = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < SECONDS
    assert run.returncode == 1 and "Traceback" not in run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("error: command line: unknown option '--learning_rat'")
