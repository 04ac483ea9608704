"""On a real cluster, checkpoints of a run are pushed to a Hub and evaluated by other jobs."""

import json


def test_a_pushed_checkpoint_is_evaluated_by_another_job(cluster, hub, problems, tmp_path):
    argv = "--recipe recipes/tiny/sft/config_base.yaml --max_steps 4 --save_steps 4 --eval_strategy no".split()
    argv += ["--push_to_hub", "true", "--hub_model_id", "me/base", "--evaluation_recipe", problems]
    argv += ["--evaluation_slurm=--job-name=judge"]
    job = cluster.sbatch("slurm/train.slurm", *argv, "--output_dir", tmp_path / "base")
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    folder = tmp_path / "base" / "evaluations" / "step-4"
    evaluation = (folder / "job.txt").read_text().strip()
    assert cluster.wait(evaluation) == "COMPLETED", cluster.log(evaluation)
    assert cluster.about(evaluation)["JobName"] == "judge"
    result = json.loads((folder / "eval.json").read_text())
    assert result["model"] == "me/base" and result["recipe"]["model_revision"] == "main-step-000000004"
