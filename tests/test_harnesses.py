"""Other evaluation harnesses can evaluate our checkpoints; `make test-all` runs these in separate environments.

lighteval is not tested, since it downloads data from GitHub and the Hub when it starts, whatever the task.
"""

import os
import subprocess
from pathlib import Path

import pytest

from open_r1.data.tiny import problems


TASK = """
task: tiny_problems
dataset_path: json
dataset_kwargs: {data_files: {test: problems.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Q: {{problem}}\\nA: "
doc_to_target: "{{solution}}"
generation_kwargs: {until: ["</answer>"], do_sample: false, max_gen_toks: 8}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


@pytest.mark.skipif("LM_EVAL" not in os.environ, reason="needs lm-eval, which `make test-all` installs")
def test_lm_eval_evaluates_our_checkpoint(checkpoint, tmp_path):
    problems("test", 42, 8).to_json(tmp_path / "problems.jsonl")
    (tmp_path / "task.yaml").write_text(TASK.replace("problems.jsonl", str(tmp_path / "problems.jsonl")))
    venv = os.environ["LM_EVAL"].removesuffix("-lm-eval")
    args = f"--include_path {tmp_path} --device cpu"
    run = subprocess.run(
        ["make", "lm-eval", f"VENV={venv}", f"MODEL={Path(checkpoint)}", "TASKS=tiny_problems", f"ARGS={args}"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "|tiny_problems|" in run.stdout and "exact_match" in run.stdout
