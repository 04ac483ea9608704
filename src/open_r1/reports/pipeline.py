"""Report on all stages and seeds of a pipeline: checkpoints, the paper's claims, training curves, corrected mistakes
and durations.

Writes `report.md`, `claims.json`, `checkpoints.png`, `dynamics.png` and, where a benchmark has budgets of tokens,
`test_time_compute.png`.
"""

from pathlib import Path

import pandas as pd
from rich.console import Console

from open_r1.configs import PaperClaim, PipelineArguments
from open_r1.pipelines.outdated import outdated_tasks
from open_r1.pipelines.tasks import Task, build_tasks_by_seed
from open_r1.reports.checkpoints import checkpoint_table, draw_checkpoints, is_main_measure, read_evaluations
from open_r1.reports.claims import (
    Results,
    check_claim,
    claims_to_json,
    describe_criterion,
    describe_measure,
    describe_result,
)
from open_r1.reports.dynamics import Runs, draw_dynamics, read_dynamics, repair_lines
from open_r1.reports.history import read_run
from open_r1.reports.token_budgets import token_budget_lines
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically
from open_r1.utils.markdown import markdown_table


def report(
    args: PipelineArguments,
    report_dir: Path,
    examples: int,
    dry_run: bool,
    console: Console,
    command: str,
) -> None:
    """Writes the report on a pipeline and prints a summary.

    Args:
        args (`PipelineArguments`): The pipeline.
        report_dir (`Path`): Output folder of the report.
        examples (`int`): Number of completions with corrected mistakes to show.
        dry_run (`bool`): Whether to only print what the report would contain.
        console (`Console`): Console to print to.
        command (`str`): The command that creates this report, to be shown in it.

    Raises:
        RecipeError: If a stage has not finished.
    """
    tasks_by_seed = build_tasks_by_seed(args)
    _require_finished(args, tasks_by_seed)
    if dry_run:
        size = f"{len(args.steps)} stages, {len(tasks_by_seed)} seeds, {len(args.claimed)} claims"
        console.print(f"{size} → {report_dir}", markup=False)
        return
    report_dir.mkdir(parents=True, exist_ok=True)
    outdated = _describe_outdated(args, tasks_by_seed)
    results = _check_claims(args.claimed, tasks_by_seed)
    write_text_atomically(report_dir / "claims.json", claims_to_json(results))
    evaluations = read_evaluations(tasks_by_seed)

    seeds = ", ".join(map(str, tasks_by_seed))
    lines = [
        f"# {args.recipe}",
        "",
        f"{len(args.steps)} stages, seeds {seeds}.",
        "",
        *_outdated_lines(outdated),
        *_checkpoint_lines(evaluations, args.recipe, report_dir),
        *_claim_lines(args.claimed, results),
        *token_budget_lines(tasks_by_seed, report_dir),
        *_dynamics_lines(tasks_by_seed, args.recipe, report_dir, examples),
        *_minutes_lines(tasks_by_seed),
        f"Made by `{command}`.",
        "",
    ]
    write_text_atomically(report_dir / "report.md", "\n".join(lines))

    summary = [
        *_summarize_checkpoints(evaluations),
        *_summarize_claims(args.claimed, results),
        *(f"the recipe has changed since: {reason}" for reason in outdated),
        f"Report: {report_dir / 'report.md'}",
    ]
    for line in summary:
        console.print(line, markup=False)


def _require_finished(args: PipelineArguments, tasks_by_seed: dict[int, list[Task]]) -> None:
    for tasks in tasks_by_seed.values():
        for task in tasks:
            if not task.state().get("finished"):
                raise RecipeError(
                    f"pipeline: {task.label} is not done; run python -m open_r1.pipeline --config {args.recipe}"
                )


def _describe_outdated(args: PipelineArguments, tasks_by_seed: dict[int, list[Task]]) -> list[str]:
    """Describes the stages whose recipes have changed since they ran."""
    outdated = []
    for seed, tasks in tasks_by_seed.items():
        for name, reason in outdated_tasks(tasks, args).items():
            outdated.append(f"{name} (seed {seed}): {reason}")
    return outdated


def _check_claims(claims: list[PaperClaim], tasks_by_seed: dict[int, list[Task]]) -> Results:
    results: Results = {}
    for claim in claims:
        results[claim.claim] = {}
        for seed, tasks in tasks_by_seed.items():
            results[claim.claim][seed] = check_claim(claim, tasks)
    return results


def _summarize_checkpoints(evaluations: pd.DataFrame) -> list[str]:
    """The main measure of each benchmark for all checkpoints, in the order of the recipe."""
    lines = []
    for measure, values in evaluations.groupby("measure", sort=False):
        if is_main_measure(measure):
            means = values.groupby("checkpoint", sort=False)["value"].mean()
            checkpoints = [f"{name} {mean:.2f}" for name, mean in means.items()]
            lines.append(f"{measure}:  {', '.join(checkpoints)}")
    return lines


def _summarize_claims(claims: list[PaperClaim], results: Results) -> list[str]:
    lines = []
    for claim in claims:
        result_by_seed = results[claim.claim]
        held = sum(result.holds for result in result_by_seed.values())
        lines.append(f"{held} of {len(result_by_seed)} seeds: {claim.claim}")
        lines.append(f"    {describe_measure(claim)} {describe_criterion(claim)}")
        for seed, result in result_by_seed.items():
            lines.append(f"    seed {seed}: {describe_result(claim, result)}")
    return lines


def _outdated_lines(outdated: list[str]) -> list[str]:
    if not outdated:
        return []
    return [f"**The recipes have changed since**: {'; '.join(outdated)}.", ""]


def _checkpoint_lines(evaluations: pd.DataFrame, recipe: str, report_dir: Path) -> list[str]:
    """Report section with a table and a figure of all evaluated checkpoints; empty without evaluations."""
    if evaluations.empty:
        return []
    draw_checkpoints(evaluations, f"Checkpoints of {recipe}", report_dir / "checkpoints.png")
    explanation = "avg@k is the accuracy (0 to 1), or the mean score, over k completions per problem."
    if evaluations["seed"].nunique() > 1:
        explanation += " Mean over the seeds, with the lowest and the highest of them in brackets."
    return [explanation, "", checkpoint_table(evaluations), "", "![checkpoints](checkpoints.png)", ""]


def _claim_lines(claims: list[PaperClaim], results: Results) -> list[str]:
    """Report section on whether the claims hold; empty without claims."""
    if not claims:
        return []
    return [
        "## What the paper found, and whether it shows here",
        "",
        "A difference or ratio has its 95% interval over resampled problems, the same for both sides. For what must",
        "hold throughout training, the lowest and the highest evaluation are shown. *NO* means that it does not show",
        "here.",
        "",
        claim_table(claims, results),
        "",
    ]


def claim_table(claims: list[PaperClaim], results: Results) -> str:
    """Markdown table with one row per claim and one column per seed."""
    seeds = list(results[claims[0].claim])
    header = ["claim", "measure", "holds if", *(f"seed {seed}" for seed in seeds)]
    rows = []
    for claim in claims:
        row = [claim.claim, describe_measure(claim), describe_criterion(claim)]
        for seed in seeds:
            result = results[claim.claim][seed]
            row.append(describe_result(claim, result))
        rows.append(row)
    return markdown_table(header, rows)


def _dynamics_lines(tasks_by_seed: dict[int, list[Task]], recipe: str, report_dir: Path, examples: int) -> list[str]:
    """Report section with training curves and corrected mistakes of the GRPO stages; empty without such stages."""
    runs: Runs = {}
    for seed, tasks in tasks_by_seed.items():
        runs[seed] = {}
        for task in tasks:
            if (task.output_dir / "completions").is_dir():
                runs[seed][task.output_dir.name] = read_run(task.output_dir)
    if not all(runs.values()):
        return []
    title = f"Reinforcement learning in {recipe}: training prompts"
    draw_dynamics(read_dynamics(runs), title, report_dir / "dynamics.png")
    return [
        "## Stage after stage",
        "",
        "One line per seed, training prompts. In groups without signal, all completions have the same reward.",
        "",
        "![dynamics](dynamics.png)",
        "",
        *repair_lines(runs, examples),
    ]


def _minutes_lines(tasks_by_seed: dict[int, list[Task]]) -> list[str]:
    """Report section with the duration of each stage."""
    header = ["stage", *(f"seed {seed}" for seed in tasks_by_seed)]
    rows: dict[str, list[str]] = {}
    for tasks in tasks_by_seed.values():
        for task in tasks:
            row = rows.setdefault(task.name, [task.name])
            minutes = task.state()["seconds"] / 60
            row.append(f"{minutes:.1f}")
    table = markdown_table(header, rows.values())
    return ["## Minutes", "", "All attempts, including start-up.", "", table, ""]
