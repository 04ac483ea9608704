"""Training and vLLM on separate nodes of one job; `make test-all` runs this in an environment with vLLM."""

import importlib.util
import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM


pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM is not installed here; `make test-all` makes an environment that has it",
)

SMALL = [
    "--dataset_params",
    '{"size": 64, "levels": [2]}',
    "--per_device_train_batch_size",
    16,
    "--num_generations",
    8,
    "--max_steps",
    4,
]
SMALL += [
    "--steps_per_generation",
    1,
    "--max_completion_length",
    8,
    "--eval_strategy",
    "no",
    "--eval_on_start",
    "false",
    "--learning_rate",
    1e-3,
]
SERVER = [
    "--use_vllm",
    "true",
    "--vllm_mode",
    "server",
    "--vllm_nodes",
    1,
    "--vllm_engine",
    "{enforce_eager: true, max_num_batched_tokens: 8192}",
]
REWARDS = ["--reward_funcs", "accuracy", "format", "tests/slurm/weights_by_file.py:even"]


@pytest.fixture
def untied(checkpoint, tmp_path) -> str:
    """An untrained model whose head does not share the weights of its embedding.

    If it does, vLLM packs a copy of them on some CPUs, which reloading the weights does not update.
    """
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    shutil.copytree(checkpoint, tmp_path / "untied")
    model.save_pretrained(tmp_path / "untied")
    return str(tmp_path / "untied")


def test_the_last_node_generates_what_the_first_trains_on(cluster, untied, tmp_path):
    argv = [
        "--nodes=2",
        "slurm/train.slurm",
        "--recipe",
        "recipes/tiny/grpo/config_zero.yaml",
        *SMALL,
        *SERVER,
        *REWARDS,
    ]
    job = cluster.sbatch(*argv, "--model_name_or_path", untied, "--output_dir", tmp_path / "zero")
    assert cluster.wait(job, "RUNNING") == "RUNNING", cluster.log(job)
    assert cluster.wait(job, seconds=500) == "COMPLETED", cluster.log(job)[-8000:]
    log = cluster.log(job)
    assert "--nodelist node2 " in log and "--nodelist node1 " in log, "the step of the server, and that of the run"
    assert log.count("POST /collective_rpc") == 4, "new weights in each step"
    entries = [entry for entry in map(json.loads, (tmp_path / "zero/log_history.jsonl").open()) if "reward" in entry]
    # Both have the same weights in every step, so the probabilities of the tokens differ by rounding errors only.
    differences = [entry["sampling/sampling_logp_difference/max"] for entry in entries]
    assert len(differences) == 4 and max(differences) < 1e-2, differences


def test_a_job_without_a_node_for_training_is_an_error(cluster):
    job = cluster.sbatch("slurm/train.slurm", "--recipe", "recipes/tiny/grpo/config_zero.yaml", *SERVER)
    assert cluster.wait(job) == "FAILED" and "sbatch --nodes 2" in cluster.log(job), cluster.log(job)
