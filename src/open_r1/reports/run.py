"""A report on one run of reinforcement learning: plots, a table and completions before and after.

Reads `log_history.jsonl`, `completions/*.parquet`, `recipe.yaml` and `train_results.json`; writes `report.md` and `curves.png`. The measures
are those of the paper's figures 2 and 3 (accuracy and length against the step) and of its appendix C.2 (reflection words).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from rich.console import Console

from open_r1.configs import RewardSpec
from open_r1.evals.reflection import has_reflection
from open_r1.evals.results import consensus
from open_r1.rewards import text_of
from open_r1.rewards.language import mixes_languages
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically


LOG = "log_history.jsonl"
NEXT = "recipes/Qwen2.5-1.5B/grpo/config_zero.yaml"


@dataclass
class History:
    """What a run left behind.

    Args:
        train (`DataFrame`): One row a logged step, TRL's metric names.
        held_out (`DataFrame`): One row an evaluation, the same names with `eval_`.
        completions (`DataFrame`): Columns `step`, `prompt`, `completion` (text), a column a reward, `reflects` and `mixes`.
        recipe (`dict`): The keys that made the run.
        minutes (`float`): Training time, evaluations included.
    """

    train: pd.DataFrame
    held_out: pd.DataFrame
    completions: pd.DataFrame
    recipe: dict
    minutes: float


def read_log(run_dir: Path) -> pd.DataFrame:
    """What the trainer logged, a row an entry.

    Raises:
        RecipeError: If it is not the folder of a training run.
    """
    if not (run_dir / LOG).is_file():
        raise RecipeError(f"run_dir: {run_dir} has no {LOG}; expected the output_dir of a training run.")
    lines = (run_dir / LOG).read_text().split("\n")[:-1]  # what follows the last newline is being written
    return pd.DataFrame([json.loads(line) for line in lines])


def read_run(run_dir: Path) -> History:
    """Reads a run's folder.

    Raises:
        RecipeError: If it is not the folder of a GRPO run.
    """
    log = read_log(run_dir)
    tables = [pd.read_parquet(path) for path in sorted(run_dir.glob("completions/completions_*.parquet"))]
    if "reward" not in log or not tables:
        raise RecipeError(
            f"run_dir: {run_dir} is no GRPO run with `log_completions: true`; there is nothing to report."
        )
    completions = pd.concat(tables, ignore_index=True)
    completions = completions[completions["step"] <= log["step"].max()]  # a run before this one may have gone further
    completions["prompt"] = completions["prompt"].map(lambda p: text_of(p if isinstance(p, str) else list(p)))
    completions["completion"] = completions["completion"].map(lambda c: text_of(c if isinstance(c, str) else list(c)))
    if _thoughts_are_opened(completions["completion"]):
        completions["completion"] = "<think>" + completions["completion"]
    completions["reflects"] = completions["completion"].map(has_reflection)
    completions["mixes"] = completions["completion"].map(mixes_languages)
    held_out = log[log["eval_reward"].notna()] if "eval_reward" in log else log.iloc[:0]
    results = run_dir / "train_results.json"
    minutes = json.loads(results.read_text())["train_runtime"] / 60 if results.is_file() else float("nan")
    recipe = run_dir / "recipe.yaml"
    keys = yaml.safe_load(recipe.read_text()) if recipe.is_file() else {}
    return History(log[log["reward"].notna()], held_out, completions, keys, minutes)


def _thoughts_are_opened(texts: pd.Series) -> bool:
    """Whether the prompts end with `<think>`, as templates of distilled models have it: thoughts end, but none begins."""
    return texts.str.contains("</think>", regex=False).any() and not texts.str.contains("<think>", regex=False).any()


def consensus_by_step(history: History) -> pd.Series:
    """cons@k of the training prompts at each step, k being the size of a group; prompts without a verdict are left out."""
    rows = history.completions
    judged = rows[rows["accuracy"].notna()] if "accuracy" in rows else rows.iloc[:0]
    values = [
        (step, consensus(list(group["completion"]), list(group["accuracy"])))
        for (step, _), group in judged.groupby(["step", "prompt"])
    ]
    return pd.DataFrame(values, columns=["step", "value"]).groupby("step")["value"].mean()


def draw(history: History, path: Path):
    """Draws six curves against the step into one PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    train, held_out, k = history.train.set_index("step"), history.held_out.set_index("step"), _samples(history)
    by_step = history.completions.groupby("step")
    figure, axes = plt.subplots(2, 3, figsize=(12, 6), layout="constrained")
    panels = axes.flatten()

    def line(panel, values: pd.Series, label: str, **style):
        values = pd.to_numeric(values).dropna()
        panel.plot(values.index, values, label=label, **style)

    for name in [c for c in train if c.startswith("rewards/") and c.endswith("/mean")]:
        line(panels[0], train[name], name.split("/")[1])
    line(panels[0], train["reward"], "sum", color="black", linewidth=1)
    for panel, key in (
        (panels[1], "rewards/accuracy/mean"),
        (panels[2], "completions/mean_length"),
        (panels[3], "rewards/format/mean"),
    ):
        if key in train:
            line(panel, train[key], "training prompts", color="tab:blue", alpha=0.6)
        if f"eval_{key}" in held_out:
            line(panel, held_out[f"eval_{key}"], f"held out, avg@{k}", color="tab:red", marker="o")
    if len(agreed := consensus_by_step(history)):
        line(panels[1], agreed, "training prompts, majority of a group", color="tab:blue", linestyle=":")
    line(panels[4], by_step["reflects"].mean(), "share of completions", color="tab:green")
    line(panels[5], by_step["mixes"].mean(), "share of completions", color="tab:purple")
    titles = ("reward", "accuracy", "completion length (tokens)", "format", "reflection words", "language mixing")
    for panel, title in zip(panels, titles, strict=True):
        panel.set(title=title, xlabel="step", ylim=(0, None))
        panel.grid(alpha=0.3)
        if panel.lines:
            panel.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def before_after(history: History) -> pd.DataFrame:
    """The figures of the first and the last evaluation, or, without two of them, of the first and the last training step.

    Returns:
        `DataFrame`: Rows `accuracy`, `format` and `length`; columns `before` and `after`; `attrs["of"]` says of what.
    """
    names = {"accuracy": "rewards/accuracy/mean", "format": "rewards/format/mean", "length": "completions/mean_length"}
    held_out = len(history.held_out) > 1
    log, prefix = (history.held_out, "eval_") if held_out else (history.train, "")
    values = {name: log[prefix + key] for name, key in names.items() if prefix + key in log}
    rows = {name: (column.iloc[0], column.iloc[-1]) for name, column in values.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["before", "after"])
    table.attrs["of"] = f"held-out problems, avg@{_samples(history)}" if held_out else "training prompts"
    return table


def write_report(history: History, report_dir: Path, run_dir: Path, examples: int):
    """Writes `report.md` beside the plots."""
    completions = history.completions
    first, last = (
        completions[completions["step"] == step] for step in (completions["step"].min(), completions["step"].max())
    )
    lines = [
        f"# {run_dir.name}: {history.recipe.get('model_name_or_path')} after {int(history.train['step'].max())} steps of GRPO",
        "",
        f"Rewards: {_reward_names(history)}. {_duration(history.minutes)}. Before and after: {before_after(history).attrs['of']}.",
        "",
        "![curves](curves.png)",
        "",
        "| | before | after |",
        "|---|---|---|",
        *(f"| {name} | {row.before:.3g} | {row.after:.3g} |" for name, row in before_after(history).iterrows()),
        *(
            f"| {label} (share of completions) | {first[name].mean():.3g} | {last[name].mean():.3g} |"
            for name, label in (("reflects", "reflection words"), ("mixes", "language mixing"))
        ),
        "",
    ]
    seen = set(last["prompt"])
    shared = [prompt for prompt in dict.fromkeys(first["prompt"]) if prompt in seen][:examples]
    lines += ["## The same prompts before and after", ""] if shared else []
    for prompt in shared:
        before, after = (table[table["prompt"] == prompt]["completion"].iloc[0] for table in (first, last))
        lines += [
            "```text",
            prompt.strip(),
            "",
            f"step {first['step'].iloc[0]}:  {before}",
            f"step {last['step'].iloc[0]}:  {after}",
            "```",
            "",
        ]
    write_text_atomically(report_dir / "report.md", "\n".join(lines))


def summary(history: History, report_dir: Path, run_dir: Path) -> str:
    """At most ten lines for the terminal."""
    table = before_after(history)
    rows = [f"  {name:10}{row.before:8.2f} → {row.after:.2f}" for name, row in table.iterrows()]
    base = Path(str(history.recipe.get("model_name_or_path"))) / "train_results.json"
    minutes = history.minutes + (json.loads(base.read_text())["train_runtime"] / 60 if base.is_file() else 0)
    return "\n".join(
        [
            f"{run_dir}: {table.attrs['of']}, before → after {int(history.train['step'].max())} steps of RL",
            *rows,
            f"{_duration(minutes)}. Report: {report_dir / 'report.md'}",
            "Next, the same on one 80 GB GPU (pip install -e '.[gpu]'):",
            f"  accelerate launch src/open_r1/grpo.py --config {NEXT}",
        ]
    )


def _duration(minutes: float) -> str:
    return "still training" if math.isnan(minutes) else f"{minutes:.1f} minutes of training"


def _reward_names(history: History) -> str:
    specs = [RewardSpec.parse(entry) for entry in history.recipe.get("reward_funcs", ["accuracy", "format"])]
    return ", ".join(spec.name if spec.weight == 1.0 else f"{spec.weight:g} × {spec.name}" for spec in specs)


def _samples(history: History) -> int:
    return history.recipe.get("num_generations_eval") or history.recipe.get("num_generations", 8)


def report(run_dir: Path, report_dir: Path, examples: int, dry_run: bool, console: Console):
    """Writes the report on a run and says the most important of it.

    Raises:
        RecipeError: If there is no run.
    """
    history = read_run(run_dir)
    if dry_run:
        console.print(
            f"{run_dir}: {len(history.train)} steps, {len(history.completions):,} completions → {report_dir}",
            markup=False,
        )
        return
    report_dir.mkdir(parents=True, exist_ok=True)
    draw(history, report_dir / "curves.png")
    write_report(history, report_dir, run_dir, examples)
    console.print(summary(history, report_dir, run_dir), markup=False)
