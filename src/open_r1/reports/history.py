"""Reads the output folder of a GRPO run for reports.

The files are `log_history.jsonl`, `completions/*.parquet`, `recipe.yaml` and `train_results.json`.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from open_r1.evals.measures import consensus
from open_r1.evals.reflection import has_reflection
from open_r1.rewards.language import mixes_languages
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import CLOSE, OPEN, text_of


LOG_FILE = "log_history.jsonl"
RESULTS_FILE = "train_results.json"
REWARD_MEAN = re.compile(r"rewards/(.+)/mean")
ACCURACY = "rewards/accuracy/mean"
LENGTH = "completions/mean_length"


@dataclass
class History:
    """The logs and completions of a run.

    Args:
        train (`DataFrame`): One row per logged training step, indexed by step, with TRL's metric names.
        held_out (`DataFrame`): One row per evaluation, indexed by step, with TRL's metric names prefixed by `eval_`.
        completions (`DataFrame`):
            Logged completions, with columns `step`, `prompt`, `completion` (as text), one per reward, `reflects` (has
            a word of reflection) and `mixes` (mixes languages).
        recipe (`dict`): The recipe keys of the run.
        minutes (`float`): Training time of all attempts, including evaluations.
        is_finished (`bool`): Whether training has finished.
    """

    train: pd.DataFrame
    held_out: pd.DataFrame
    completions: pd.DataFrame
    recipe: dict
    minutes: float
    is_finished: bool

    @property
    def steps(self) -> int:
        """The number of the last step."""
        return int(self.train.index.max())

    @property
    def eval_samples(self) -> int:
        """The number of completions per held-out problem (k in avg@k)."""
        return self.recipe.get("num_generations_eval") or self.recipe.get("num_generations", 8)

    def reward_names(self) -> list[str]:
        """The rewards that were logged, `accuracy` and `format` first."""
        names = []
        for column in self.train:
            match = REWARD_MEAN.fullmatch(column)
            if match:
                names.append(match[1])
        for name in ("format", "accuracy"):
            if name in names:
                names.remove(name)
                names.insert(0, name)
        return names


def read_log(run_dir: Path) -> pd.DataFrame:
    """Reads the trainer's log, with one row per entry.

    Raises:
        RecipeError: If the folder is not that of a training run.
    """
    path = run_dir / LOG_FILE
    if not path.is_file():
        raise RecipeError(f"run_dir: {run_dir} has no {LOG_FILE}; expected the output_dir of a training run.")
    lines = path.read_text().split("\n")[:-1]  # text after the last newline may be an incomplete entry
    return pd.DataFrame([json.loads(line) for line in lines])


def read_run(run_dir: Path) -> History:
    """Reads the folder of a GRPO run.

    Raises:
        RecipeError: If the folder is not that of a GRPO run with logged completions.
    """
    log = read_log(run_dir)
    completions = _read_completions(run_dir)
    if "reward" not in log or completions is None:
        raise RecipeError(f"run_dir: {run_dir} is not a GRPO run with `log_completions: true`; nothing to report.")
    # Drop completions of an earlier run in the same folder that reached a later step.
    completions = completions[completions["step"] <= log["step"].max()].copy()
    completions["reflects"] = completions["completion"].map(has_reflection)
    completions["mixes"] = completions["completion"].map(mixes_languages)
    recipe = {}
    if (run_dir / "recipe.yaml").is_file():
        recipe = yaml.safe_load((run_dir / "recipe.yaml").read_text())
    last_attempt = read_train_runtime(run_dir)
    by_step = log.set_index("step")
    held_out = by_step.iloc[:0]
    if "eval_reward" in log:
        held_out = by_step[by_step["eval_reward"].notna()]
    return History(
        train=by_step[by_step["reward"].notna()],
        held_out=held_out,
        completions=completions,
        recipe=recipe,
        minutes=max(_logged_seconds(log), last_attempt or 0.0) / 60,
        is_finished=last_attempt is not None,
    )


def read_train_runtime(run_dir: Path) -> float | None:
    """Duration of the last attempt of a training run in seconds; `None` if training has not finished."""
    path = run_dir / RESULTS_FILE
    if not path.is_file():
        return None
    return json.loads(path.read_text())["train_runtime"]


def _logged_seconds(log: pd.DataFrame) -> float:
    """Duration of all steps and evaluations, over all attempts. The trainer only reports that of the last attempt."""
    seconds = 0.0
    if "step_time" in log:
        steps = log[log["step_time"].notna()]
        number_of_steps = steps["step"].diff().fillna(steps["step"])
        step_seconds = steps["step_time"] * number_of_steps  # since the logged value is the mean since the last entry
        seconds += float(step_seconds.sum())
    if "eval_runtime" in log:
        seconds += float(log["eval_runtime"].sum())
    return seconds


def _read_completions(run_dir: Path) -> pd.DataFrame | None:
    tables = [pd.read_parquet(path) for path in sorted(run_dir.glob("completions/completions_*.parquet"))]
    if not tables:
        return None
    completions = pd.concat(tables, ignore_index=True)
    completions["prompt"] = completions["prompt"].map(_to_text)
    texts = completions["completion"].map(_to_text)
    if _prompts_open_thoughts(texts):
        texts = OPEN + texts
    completions["completion"] = texts
    return completions


def _to_text(messages) -> str:
    """Converts a logged prompt or completion to text. Messages come from parquet as an array."""
    if isinstance(messages, str):
        return messages
    return text_of(list(messages))


def _prompts_open_thoughts(texts: pd.Series) -> bool:
    """Whether the prompts end with `<think>`, as with the templates of distilled models.

    In that case, completions have closing tags but no opening tags.
    """
    ends = texts.str.contains(CLOSE, regex=False).any()
    begins = texts.str.contains(OPEN, regex=False).any()
    return bool(ends and not begins)


def consensus_by_step(history: History) -> pd.Series:
    """cons@k of the training prompts by step, where k is the group size. Unjudged completions are left out."""
    completions = history.completions
    if "accuracy" not in completions:
        return pd.Series(dtype=float)
    judged = completions[completions["accuracy"].notna()]
    rows = []
    for (step, _), group in judged.groupby(["step", "prompt"]):
        texts = list(group["completion"])
        scores = list(group["accuracy"])
        rows.append((step, consensus(texts, scores)))
    by_prompt = pd.DataFrame(rows, columns=["step", "value"])
    return by_prompt.groupby("step")["value"].mean()
