"""The report page of a pipeline: claims, the table of checkpoints, plots, corrected slips."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from open_r1.configs import Benchmark, PaperClaim, PipelineArguments
from open_r1.evals.measures import summarize
from open_r1.pipelines.outdated import task_inputs
from open_r1.pipelines.tasks import build_tasks
from open_r1.reports.claims import (
    ClaimResult,
    check_claim,
    claims_to_json,
    describe_measure,
    interval,
    require_known,
    resampled_means,
)
from open_r1.utils.errors import RecipeError


PROBLEMS = {"name": "problems", "dataset_name": "open_r1.data.tiny:problems", "reward_funcs": ["accuracy", "format"]}
PROBLEMS |= {"token_budgets": [8, 96], "forced_answer": "</think>"}
SLIP = "<think>3*7=2 wait 3*7=1</think><answer>1</answer>"


def evaluation(folder: Path, chance: float, mixed: float, seed: int):
    """Writes the output of `evaluation.py` for 60 problems with 4 samples each."""
    rng, rows = random.Random(seed), []
    for i in range(60):
        for _ in range(4):
            text = "so 所以" if rng.random() < mixed else "so"
            row = {"prompt_id": str(i), "prompt": str(i), "solution": "4", "level": i // 6}
            row |= {"completion": f"<think>{text}</think><answer>4</answer>"}
            row |= {"finish_reason": "stop", "completion_tokens": 9 + round(10 * chance * (i // 6))}
            rows.append(row | {"rewards/accuracy": float(rng.random() < chance), "rewards/format": 1.0})
    folder.mkdir(parents=True)
    scored = Dataset.from_list(rows)
    scored.to_parquet(str(folder / "problems.parquet"))
    for budget, budget_chance in ((8, chance / 2), (96, chance)):
        within = [float(rng.random() < budget_chance) for _ in rows]
        of_budget = scored.remove_columns("rewards/accuracy").add_column("rewards/accuracy", within)
        of_budget.to_parquet(str(folder / f"problems@{budget}.parquet"))
    results = {"problems": summarize(scored, Benchmark.parse(PROBLEMS))}
    (folder / "eval.json").write_text(json.dumps({"name": folder.name, "model": folder.name, "benchmarks": results}))


def rl_run(folder: Path, consistency: list[float]):
    """Writes the output of a GRPO run in which a slip is corrected at step 3."""
    (folder / "completions").mkdir(parents=True)
    log = []
    for step, share in enumerate(consistency):
        log.append(
            {"step": step, "reward": 1.0, "rewards/accuracy/mean": 0.5, "completions/mean_length": 9.0, "entropy": 0.1}
        )
        log.append({"step": step, "eval_reward": 1.0, "eval_rewards/language_consistency/mean": share})
        text = SLIP if step == 3 else "<think>3*7=1</think><answer>1</answer>"
        pd.DataFrame({"step": step, "prompt": ["Q: 3*7 = ?"], "completion": text, "accuracy": 1.0}).to_parquet(
            folder / "completions" / f"completions_{step:05d}.parquet"
        )
    (folder / "log_history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log))


CLAIMS = [
    {"claim": "better", "of": "zero", "versus": "base", "measure": "problems/accuracy", "least": 0.4},
    {"claim": "much better", "of": "zero", "versus": "base", "measure": "problems/accuracy", "least": 0.95},
    {"claim": "cleaner", "of": "base", "versus": "zero", "measure": "problems/language mixing", "most_ratio": 0.5},
    {"claim": "one language", "of": "zero", "measure": "language_consistency", "least": 0.98, "throughout": True},
]


@pytest.fixture
def done(tmp_path, monkeypatch):
    """A finished pipeline of two stages with two seeds; with the second seed, languages mix halfway through."""
    for name in ("recipes", "src"):
        (tmp_path / name).symlink_to(Path.cwd() / name)
    monkeypatch.chdir(tmp_path)
    zero = {"name": "zero", "config": "recipes/tiny/grpo/config_zero.yaml"}
    evaluate = {"name": "evaluation", "config": "recipes/tiny/eval/config_heldout.yaml", "needs": ["zero"]}
    evaluate |= {"set": {"models": ["outputs/tiny/base", "outputs/tiny/zero"], "benchmarks": [PROBLEMS]}}
    stages = [zero, evaluate]
    keys = {"output_dir": "outputs/tiny", "stages": stages, "seeds": [42, 1], "claims": CLAIMS}
    args = PipelineArguments(**keys)
    for seed in args.seeds:
        finished = {}
        for task in build_tasks(args, seed):
            if task.name == "zero":
                rl_run(task.output_dir, [0.99, 0.985, 0.99 if seed == 42 else 0.9, 0.995])
            else:
                evaluation(task.output_dir / "base", 0.2, 0.1, seed)
                evaluation(task.output_dir / "zero", 0.9, 0.6, seed)
            task.write_state({"made_of": task_inputs(task, finished), "finished": "now", "seconds": 60.0})
    Path("pipeline.yaml").write_text(json.dumps(keys))
    return args


def test_claims(done):
    results = {}
    for claim in done.claimed:
        results[claim.claim] = [check_claim(claim, build_tasks(done, seed)) for seed in done.seeds]
    for result in results["better"]:
        assert result.holds and result.sure and 0.6 < result.low < result.value < result.high
    assert not any(result.holds for result in results["much better"])
    assert all(result.holds and result.value < 0.4 for result in results["cleaner"])
    assert [result.holds for result in results["one language"]] == [True, False]
    assert results["one language"][1].value == 0.9


def test_equal_values_do_not_support_a_claim_of_more(done):
    """They do support a claim of "not less"."""
    same = {"claim": "more", "of": "zero", "versus": "zero", "measure": "problems/format"}
    assert not check_claim(PaperClaim.parse(same), build_tasks(done, 42)).holds
    assert check_claim(PaperClaim.parse(same | {"least": 0}), build_tasks(done, 42)).holds


def test_ratios_with_a_zero_denominator(done):
    """0 / 0 satisfies any upper limit; a positive value / 0 is infinite."""
    claim = {"claim": "x", "versus": "base", "most_ratio": 0.5}
    tasks = build_tasks(done, 42)
    for stage in ("base", "zero"):
        nothing_cut_off = PaperClaim.parse(claim | {"of": stage, "measure": "problems/cut off"})
        assert check_claim(nothing_cut_off, tasks) == ClaimResult(0.0, 0.0, 0.0, True, True)
    mixing = PaperClaim.parse(claim | {"of": "base", "measure": "problems/language mixing"})
    result = check_claim(mixing, tasks)
    assert result.value == result.low == result.high == 1.0 and not result.holds
    verdicts = {"x": {42: ClaimResult(float("inf"), 2.0, float("inf"), False, True)}}
    assert json.loads(claims_to_json(verdicts))["x"]["42"]["value"] is None


def test_ratios_with_a_lower_bound(done):
    tasks = build_tasks(done, 42)
    claim = {"claim": "longer", "of": "zero", "versus": "base", "measure": "problems/tokens"}
    longer = check_claim(PaperClaim.parse(claim | {"least_ratio": 2}), tasks)
    assert longer.holds and longer.sure and 2 < longer.low < longer.value < longer.high
    assert not check_claim(PaperClaim.parse(claim | {"least_ratio": 4}), tasks).holds


def test_two_measures_of_one_evaluation(done):
    """Within 96 tokens against 8: the accuracy is twice as high."""
    claim = {"claim": "x", "of": "zero", "versus": "zero", "measure": "problems@96/accuracy"}
    claim |= {"versus_measure": "problems@8/accuracy"}
    more = PaperClaim.parse(claim | {"least": 0.3})
    assert describe_measure(more) == "problems@96/accuracy, zero − problems@8/accuracy, zero"
    assert check_claim(more, build_tasks(done, 42)).holds
    at_most = check_claim(
        PaperClaim.parse(claim | {"of": "base", "versus": "base", "most": 0.3}), build_tasks(done, 42)
    )
    assert at_most.holds and at_most.sure and 0 < at_most.value < 0.2
    assert not check_claim(PaperClaim.parse(claim | {"most": 0.3}), build_tasks(done, 42)).holds


def test_the_same_questions_with_other_beginnings_of_completions(done):
    """Their ids differ, so problems are paired by their prompts."""
    task = build_tasks(done, 42)[1]
    benchmarks = []
    for number, name in enumerate(("edited", "unedited")):
        rows = []
        for i in range(40):
            row = {"prompt_id": f"{name}{i}", "prompt": [{"role": "user", "content": str(i)}], "solution": "4"}
            row |= {"completion": "", "finish_reason": "stop", "completion_tokens": 9}
            rows.append(row | {"rewards/accuracy": 1.0 - number})
        Dataset.from_list(rows).to_parquet(str(task.output_dir / "zero" / f"{name}.parquet"))
        benchmarks.append({"name": name, "dataset_name": "open_r1.data.tiny:problems"})
    task.keys["benchmarks"] = benchmarks
    claim = {"claim": "x", "of": "zero", "versus": "zero", "measure": "edited/accuracy", "least": 0.5}
    result = check_claim(PaperClaim.parse(claim | {"versus_measure": "unedited/accuracy"}), [task])
    assert result.holds and result.value == 1.0


def test_rank_correlation_with_a_column(done):
    claim = {"claim": "x", "of": "zero", "measure": "problems/tokens", "rank_correlation_with": "level", "least": 0.5}
    result = check_claim(PaperClaim.parse(claim), build_tasks(done, 42))
    assert result.holds and result.sure and result.value > 0.99
    accuracy = check_claim(PaperClaim.parse(claim | {"measure": "problems/accuracy"}), build_tasks(done, 42))
    assert not accuracy.holds and accuracy.low < 0 < accuracy.high
    with pytest.raises(RecipeError, match="rank_correlation_with is 'completion', which has '<think>so"):
        check_claim(PaperClaim.parse(claim | {"rank_correlation_with": "completion"}), build_tasks(done, 42))
    with pytest.raises(RecipeError, match="problems/format with level, zero is undefined"):
        check_claim(PaperClaim.parse(claim | {"measure": "problems/format"}), build_tasks(done, 42))
    with pytest.raises(RecipeError, match="no column 'levle'. Did you mean 'level'"):
        check_claim(PaperClaim.parse(claim | {"rank_correlation_with": "levle"}), build_tasks(done, 42))


def test_a_measure_that_rises_until_its_plateau(done):
    """What comes after the plateau has been reached does not count."""
    task = build_tasks(done, 42)[0]
    claim = PaperClaim.parse({"claim": "x", "of": "zero", "measure": "length", "rises": 10, "least": 0.8})
    plateau = [60, 61, 59, 60, 62, 58, 60, 61, 59, 60]
    for lengths, holds in (
        (list(range(15, 60, 4)) + plateau, True),
        ([20, 40, 21, 39, 22, 38, 23, 37, 24, 36, 25, 35] + plateau, False),
        ([15, 19, 23, 27, 31, 62, *range(39, 60, 4)] + plateau, True),  # a single high step
        ([20, 55, 56, 57, 58, 59] + plateau, False),  # at once
    ):
        entries = [{"step": step, "completions/mean_length": length} for step, length in enumerate(lengths)]
        text = "".join(json.dumps(entry) + "\n" for entry in entries)
        (task.output_dir / "log_history.jsonl").write_text(text)
        result = check_claim(claim, build_tasks(done, 42))
        assert result.holds is holds and result.low <= result.value <= result.high
    with pytest.raises(RecipeError, match="has logged no lenght"):
        claim.measure = "lenght"
        check_claim(claim, build_tasks(done, 42))


def test_intervals_cover_the_true_difference():
    """About 95% of the intervals contain the true difference of two biased coins."""
    rng, inside = random.Random(0), 0
    for _ in range(200):
        chances = [rng.random() for _ in range(80)]
        differences = [(rng.random() < min(1, p + 0.1)) - (rng.random() < p) for p in chances]
        low, high = interval(resampled_means(np.array(differences)))
        inside += low <= 0.1 - 0.005 <= high
    assert 0.88 < inside / 200 < 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": "zeor"}, "the pipeline has no 'zeor'. Did you mean 'zero'"),
        ({"measure": "problems/acuracy"}, "no measure 'acuracy'. Did you mean 'accuracy'"),
        ({"measure": "problem/accuracy"}, "no benchmark 'problem'. Did you mean 'problems'"),
    ],
)
def test_claims_about_unknown_things_are_refused(done, change, message):
    with pytest.raises(RecipeError, match=message):
        check_claim(PaperClaim.parse(CLAIMS[0] | change), build_tasks(done, 42))


def test_the_page(done, script):
    outcome = script("report", "--pipeline", "pipeline.yaml")
    assert outcome.code == 0, outcome.err
    for line in ("2 of 2 seeds: better", "0 of 2 seeds: much better", "1 of 2 seeds: one language"):
        assert line in outcome.out
    page = Path("outputs/tiny/report/report.md").read_text()
    assert "| | base | zero |" in page and "| problems: avg@4 | 0." in page and "NO" in page
    assert "| 42 | zero | 3 | 0.2500 |" in page and SLIP in page, "the slip at step 3 of 4"
    assert "| better | problems/accuracy, zero − base | ≥ 0.4 | yes: 0." in page, "a claim with measure and criterion"
    assert "Made by `python src/open_r1/report.py --pipeline pipeline.yaml`." in page
    assert "| problems | 8 tokens | 96 tokens |" in page and "problems@8" not in page
    for name in ("dynamics.png", "checkpoints.png", "test_time_compute.png"):
        assert Path("outputs/tiny/report", name).read_bytes().startswith(b"\x89PNG")
    assert json.loads(Path("outputs/tiny/report/claims.json").read_text())["better"]["42"]["holds"] is True


def test_single_seed_has_no_range(done, script):
    assert script("report", "--pipeline", "pipeline.yaml", "--seeds", 42).code == 0
    page = Path("outputs/tiny/report/report.md").read_text()
    table = page[: page.index("## ")]
    assert "| problems: avg@4 | 0." in table and "(0." not in table and "–" not in table


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"of": "zero", "measure": "problems/accuracy"}, "needs `versus`, `least` or `most`"),
        ({"of": "zero", "measure": "accuracy", "least": 1}, "such as problems/accuracy"),
        ({"of": "zero", "rises": 10, "least": 1}, "needs `of` and `measure`"),
        ({"of": "zero", "measure": "length", "rises": 10, "least": 1, "versus": "base"}, "are about one model"),
        ({"of": "zero", "measure": "length", "rises": 0, "least": 1}, "expected a positive number"),
        ({"of": "zero", "measure": "length", "rises": 10}, "needs `least`, or `most`"),
        (
            {"of": "zero", "measure": "a", "rises": 10, "throughout": True, "least": 1},
            "choose one of throughout, rises",
        ),
        ({"of": "zero", "measure": "a/b", "least": 1, "versus_measure": "a/c"}, "a versus_measure, but no `versus`"),
        ({"of": "zero", "measure": "a/b", "versus": "base", "versus_measure": "c"}, "expected `benchmark/measure`"),
        ({"of": "zero", "measure": "a/b", "least": 0, "most": 1}, "choose one of least, most"),
        (
            {"of": "zero", "measure": "problems/accuracy", "least": 1, "throughout": True},
            "such as language_consistency",
        ),
        ({"of": "zero", "measure": "accuracy", "versus": "base", "throughout": True}, "leave out versus"),
        (
            {"of": "zero", "measure": "a/b", "versus": "base", "least": 1, "most_ratio": 1},
            "choose one of least, most_ratio",
        ),
    ],
)
def test_incomplete_or_contradictory_claims_are_refused(claim, message):
    with pytest.raises(RecipeError, match=message):
        PaperClaim.parse({"claim": "it is so"} | claim)


def test_duplicate_names_are_refused(done):
    with pytest.raises(RecipeError, match="found 'better' twice"):
        PipelineArguments(output_dir="outputs/tiny", stages=done.stages, claims=[CLAIMS[0], CLAIMS[0]])
    again = {
        "name": "again",
        "config": "recipes/tiny/eval/config_heldout.yaml",
        "set": {"models": ["m/zero"], "output_dir": "e"},
    }
    args = PipelineArguments(output_dir="outputs/tiny", stages=[*done.stages, again])
    with pytest.raises(RecipeError, match="two evaluations write to folders called 'zero'"):
        require_known(PaperClaim.parse(CLAIMS[0]), build_tasks(args, 42))


def test_page_names_recipes_changed_after_the_run(done, script):
    keys = json.loads(Path("pipeline.yaml").read_text())
    keys["stages"][0]["set"] = {"max_steps": 7}
    Path("pipeline.yaml").write_text(json.dumps(keys))
    outcome = script("report", "--pipeline", "pipeline.yaml")
    assert outcome.code == 0 and "the recipe has changed since: zero (seed 42): max_steps: 30 → 7" in outcome.out
    assert "**The recipes have changed since**" in Path("outputs/tiny/report/report.md").read_text()


def test_pipelines_with_only_evaluation_or_only_training_have_a_page(done, script):
    keys = json.loads(Path("pipeline.yaml").read_text()) | {"claims": []}
    evaluation = keys["stages"][1] | {"needs": []}
    for stages, words, other in (
        ([evaluation], "| problems: avg@4 |", "## Stage after stage"),
        ([keys["stages"][0]], "## Stage after stage", "avg@4"),
    ):
        Path("part.yaml").write_text(json.dumps(keys | {"stages": stages}))
        assert script("report", "--pipeline", "part.yaml").code == 0
        page = Path("outputs/tiny/report/report.md").read_text()
        assert words in page and other not in page and "## Minutes" in page


def test_an_unfinished_pipeline_is_refused(done, script):
    build_tasks(done, 1)[1].write_state({})
    outcome = script("report", "--pipeline", "pipeline.yaml")
    message = "evaluation (seed 1) is not done; run python -m open_r1.pipeline --config pipeline.yaml"
    assert outcome.code == 1 and message in outcome.err
