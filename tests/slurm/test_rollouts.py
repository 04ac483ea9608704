"""Training and vLLM on separate nodes of one job (`make test-all` installs vLLM)."""

import importlib.util
import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM


HAS_VLLM = importlib.util.find_spec("vllm") is not None
pytestmark = pytest.mark.skipif(not HAS_VLLM, reason="needs vLLM, which `make test-all` installs")

SMALL = ["--dataset_params", '{"size": 64, "levels": [2]}']
SMALL += "--per_device_train_batch_size 16 --num_generations 8 --steps_per_generation 1 --max_steps 4".split()
SMALL += "--max_completion_length 8 --learning_rate 1e-3 --eval_strategy no --eval_on_start false".split()
SERVER = "--use_vllm true --vllm_mode server --vllm_nodes 1".split()
SERVER += ["--vllm_engine", "{enforce_eager: true, max_num_batched_tokens: 8192}"]
REWARDS = ["--reward_funcs", "accuracy", "format", "tests/slurm/weights_by_file.py:even"]


@pytest.fixture
def untied(checkpoint, tmp_path) -> str:
    """An untrained model whose output head does not share the weights of its embedding.

    For shared weights, vLLM keeps a packed copy on some CPUs, which reloading does not update.
    """
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    shutil.copytree(checkpoint, tmp_path / "untied")
    model.save_pretrained(tmp_path / "untied")
    return str(tmp_path / "untied")


def test_the_last_node_generates_and_the_first_one_trains(cluster, untied, tmp_path):
    argv = ["--nodes=2", "slurm/train.slurm", "--recipe", "recipes/tiny/grpo/config_zero.yaml"]
    job = cluster.sbatch(
        *argv, *SMALL, *SERVER, *REWARDS, "--model_name_or_path", untied, "--output_dir", tmp_path / "zero"
    )
    assert cluster.wait(job, "RUNNING") == "RUNNING", cluster.log(job)
    assert cluster.wait(job, seconds=500) == "COMPLETED", cluster.log(job)[-8000:]
    log = cluster.log(job)
    assert "--nodelist node2 " in log and "--nodelist node1 " in log, "one Slurm step for the server, one for training"
    assert log.count("POST /collective_rpc") == 4, "the weights are updated in each step"
    entries = [entry for entry in map(json.loads, (tmp_path / "zero/log_history.jsonl").open()) if "reward" in entry]
    # Trainer and server have the same weights in every step, so token probabilities differ only by rounding errors.
    differences = [entry["sampling/sampling_logp_difference/max"] for entry in entries]
    assert len(differences) == 4 and max(differences) < 1e-2, differences


def test_a_job_without_a_node_for_training_is_an_error(cluster):
    job = cluster.sbatch("slurm/train.slurm", "--recipe", "recipes/tiny/grpo/config_zero.yaml", *SERVER)
    assert cluster.wait(job) == "FAILED" and "sbatch --nodes 2" in cluster.log(job), cluster.log(job)
