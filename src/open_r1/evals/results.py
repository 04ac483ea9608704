"""From completions to what is said about a model: scores, their statistics, and the tables that put them beside others'.

`eval.json` of an evaluation holds, for each benchmark, `avg@k`, `pass@k` and `cons@k` (of the problems with k samples that could be judged), the means of the other rewards, length, and the shares
that are cut off, mix languages or have words of reflection; each an `Estimate` as a mapping.
"""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

import yaml
from datasets import Dataset

from open_r1.configs import Benchmark
from open_r1.evals.codeforces import rating
from open_r1.evals.reflection import has_reflection
from open_r1.evals.statistics import Estimate, Z, avg_at_k, cons_at_k, majority, pass_at_k
from open_r1.grading import shared_grader
from open_r1.grading.answers import extract_answer
from open_r1.grading.equality import equal_at_once
from open_r1.rewards.language import mixes_languages
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.text import text_of


KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
FILE = "eval.json"


def columns_of(scored: Dataset, benchmark: Benchmark) -> dict[str, list]:
    """What is measured of each completion, by name: the rewards first, as the benchmark has them; `None` where one could not judge."""
    texts = [text_of(completion) or "" for completion in scored["completion"]]
    return {reward.label: list(scored[f"rewards/{reward.label}"]) for reward in benchmark.rewards} | {
        "cut off": [float(reason == "length") for reason in scored["finish_reason"]],
        "language mixing": [float(mixes_languages(text)) for text in texts],
        "reflection": [float(has_reflection(text)) for text in texts],
        "tokens": [float(count) for count in scored["completion_tokens"]],
    }


def statistics_of(scored: Dataset, benchmark: Benchmark) -> dict[str, dict]:
    """What is said about a benchmark's completions.

    Args:
        scored (`Dataset`): `prompt_id`, `completion`, `finish_reason`, `completion_tokens`, a column `rewards/<name>` a reward, and `solution`.
        benchmark (`Benchmark`): Its first reward says what is right; a score below 1 is not.

    Raises:
        RecipeError: If no completion could be judged.
    """
    columns = {name: by_problem(scored, values) for name, values in columns_of(scored, benchmark).items()}
    first = next(iter(columns))
    scores = columns.pop(first)
    if not scores:
        raise RecipeError(f"benchmarks: {benchmark.name}: no completion could be judged by {first!r}.")
    most = max(map(len, scores))  # samples a problem; some may not be judged
    found = {f"avg@{most}": avg_at_k(scores)}
    if {score for some in scores for score in some} <= {0.0, 1.0} and most > 1:
        found |= {f"pass@{k}": pass_at_k([some for some in scores if len(some) >= k], k) for k in KS if 1 < k <= most}
        if first == "accuracy":
            found[f"cons@{most}"] = cons_at_k([votes for votes in votes_of(scored, first) if len(votes) == most], most)
    found |= {name: avg_at_k(some) for name, some in columns.items() if some}
    if benchmark.standings:
        found["rating"] = rating(scored, scored[f"rewards/{first}"], benchmark.standings)
    unjudged = sum(score is None for score in scored[f"rewards/{first}"])
    return {name: value.to_dict() for name, value in found.items()} | {"unjudged": unjudged}


def by_problem(rows: Dataset, values: list) -> list[list]:
    """A column's values problem by problem, without those that are `None`."""
    problems: dict[str, list] = defaultdict(list)
    for name, value in zip(rows["prompt_id"], values, strict=True):
        if value is not None:
            problems[name].append(value)
    return list(problems.values())


def votes_of(scored: Dataset, reward: str) -> list[list[tuple[str | None, float]]]:
    """Answers and scores problem by problem; answers that are equal, as the grader sees it, are the same text."""
    grades, _ = shared_grader().grade_all([text_of(text) for text in scored["completion"]], scored["solution"])
    pairs = [
        None if score is None else (grade.answer, score)
        for grade, score in zip(grades, scored[f"rewards/{reward}"], strict=True)
    ]
    return [_merged(problem) for problem in by_problem(scored, pairs)]


def _merged(votes: list[tuple[str | None, float]]) -> list[tuple[str | None, float]]:
    """Votes with one text for all right answers, and one for wrong ones that are equal."""
    seen: list[str] = []
    merged = []
    for answer, score in votes:
        if answer is None or score >= 1:
            merged.append((answer and "(right)", score))
            continue
        same = next((other for other in seen if other == answer or equal_at_once(other, answer)), None)
        if same is None:
            seen.append(answer)
        merged.append((same or answer, score))
    return merged


def consensus(texts: list[str], scores: list[float]) -> float:
    """cons@k of one problem whose k completions have been scored.

    >>> consensus(["<answer>4</answer>", "<answer>5</answer>", "<answer>5</answer>"], [1, 0, 0])
    0.0
    """
    readings = [None if score >= 1 else extract_answer(text) for text, score in zip(texts, scores, strict=True)]
    pairs = zip(readings, scores, strict=True)
    return majority(
        _merged([("(right)" if score >= 1 else reading and reading.answer, score) for reading, score in pairs])
    )


@cache
def published() -> dict[str, dict[str, float]]:
    """The paper's figures, by model and benchmark."""
    return yaml.safe_load(Path(__file__).with_name("published.yaml").read_text())


def require_published(names: list[str]):
    """Stops if the paper has no such model."""
    for name in names:
        if name not in published():
            raise RecipeError(
                f"published: found {name!r}{did_you_mean(name, published())} There are {', '.join(published())}."
            )


def read(folder: str) -> dict:
    """An evaluation's `eval.json`.

    Raises:
        RecipeError: If it is not one.
    """
    try:
        found = json.loads(Path(folder, FILE).read_text())
        return found | {"benchmarks": found["benchmarks"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"{folder}/{FILE} is no evaluation: {error!r}; make it by evaluation.py.") from error


MEASURES = {
    "avg": "",
    "cons": "_cons",
    "rating": "_rating",
}  # what a table shows, and how the paper's figures are called


def main_measures(evaluation: dict, benchmark: str) -> dict[str, tuple[str, Estimate]]:
    """avg@k, and if there are votes or standings cons@k or a rating: by kind, the whole name and the estimate."""
    results = evaluation["benchmarks"].get(benchmark, {})
    kinds = {name: name.partition("@")[0] for name in results}
    return {kind: (name, Estimate(**results[name])) for name, kind in kinds.items() if kind in MEASURES}


def table(evaluations: list[dict], models: list[str]) -> str:
    """Evaluations and models of the paper side by side, in Markdown; with one of each, the difference too.

    The interval of a difference counts the noise of the samples only, since the problems are the same; the paper's own noise, of which it says
    nothing, is taken to be as large as ours.
    """
    require_published(models)
    one = len(evaluations) == 1 and len(models) > 0
    head = ["benchmark", "measure", *(each["name"] for each in evaluations), *models, *(["difference"] if one else [])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for benchmark in dict.fromkeys(name for each in evaluations for name in each["benchmarks"]):
        found = [main_measures(each, benchmark) for each in evaluations]
        for kind in [kind for kind in MEASURES if any(kind in measures for measures in found)]:
            ours = [measures.get(kind, (None, None)) for measures in found]
            theirs = [published()[model].get(benchmark + MEASURES[kind]) for model in models]
            scale = 1 if kind == "rating" else 100
            cells = [
                benchmark,
                next(name for name, _ in ours if name),
                *(_shown(value, scale) for _, value in ours),
                *("–" if value is None else f"{value:g}" for value in theirs),
                *([_difference(ours[0][1], theirs[0], scale)] if one else []),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(value: Estimate | None, scale: int) -> str:
    return "–" if value is None else f"{scale * value.value:.1f} [{scale * value.low:.1f}, {scale * value.high:.1f}]"


def _difference(ours: Estimate, theirs: float | None, scale: int) -> str:
    if theirs is None:
        return "–"
    half = scale * Z * (2**0.5) * ours.noise
    return f"{scale * ours.value - theirs:+.1f} ± {half:.1f}"
