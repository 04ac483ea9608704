"""The results of evaluations: `eval.json`, and tables that compare them with each other and with the paper's scores.

`eval.json` contains the return value of `measures.summarize` for each benchmark. Accuracies are from 0 to 1, in the
file and in tables; the percentages in `published.yaml` are converted when it is read.
"""

import json
import math
from functools import cache
from pathlib import Path

import yaml

from open_r1.evals.statistics import Estimate, Z
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.files import write_text_atomically


FILE = "eval.json"
# The measures shown in tables, and the suffix of the benchmark's name in `published.yaml` for each of them.
SHOWN_MEASURES = {"avg": "", "cons": "_cons", "rating": "_rating"}
MISSING = "–"


@cache
def published_scores() -> dict[str, dict[str, float]]:
    """The paper's scores by model and benchmark, with accuracies from 0 to 1."""
    percentages = yaml.safe_load(Path(__file__).with_name("published.yaml").read_text())
    scores: dict[str, dict[str, float]] = {}
    for model, figures in percentages.items():
        scores[model] = {}
        for benchmark, figure in figures.items():
            if not benchmark.endswith("_rating"):
                figure = figure / 100
            scores[model][benchmark] = figure
    return scores


def require_published(models: list[str]) -> None:
    """Checks that the paper has scores of the given models.

    Raises:
        RecipeError: If a model is unknown.
    """
    known = published_scores()
    for model in models:
        if model not in known:
            raise RecipeError(f"published: found {model!r}{did_you_mean(model, known)} There are {', '.join(known)}.")


def write_evaluation(
    folder: Path,
    evaluation: dict,
    published: list[str],
) -> None:
    """Writes `eval.json`, and `README.md` with the table of results.

    Args:
        folder (`Path`): The folder of the evaluation.
        evaluation (`dict`):
            `name`, `model`, `benchmarks` (return values of `summarize`, by benchmark) and `recipe`.
        published (`list[str]`): Models of the paper to add to the table.
    """
    write_text_atomically(folder / FILE, json.dumps(evaluation, indent=1, default=str))
    lines = [
        f"# {evaluation['model']}",
        "",
        "Accuracies from 0 to 1, with 95% intervals over problems.",
        "",
        comparison_table([evaluation], published),
        "",
    ]
    unjudged = []
    for name, summary in evaluation["benchmarks"].items():
        if summary["unjudged"]:
            unjudged.append(f"{name} {summary['unjudged']:,}")
    if unjudged:
        lines += [f"Completions that could not be judged, and do not count: {', '.join(unjudged)}.", ""]
    write_text_atomically(folder / "README.md", "\n".join(lines))


def read_evaluation(folder: str | Path) -> dict:
    """Reads an evaluation's `eval.json`.

    Args:
        folder (`str` or `Path`): The folder of the evaluation.

    Raises:
        RecipeError: If the file does not exist or is not the result of an evaluation.
    """
    path = Path(folder, FILE)
    try:
        evaluation = json.loads(path.read_text())
        if not isinstance(evaluation["benchmarks"], dict):
            raise TypeError("benchmarks is not a mapping")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"{path} is not the result of an evaluation: {error!r}; evaluation.py writes it.") from error
    return evaluation


def shown_measures(evaluation: dict, benchmark: str) -> dict[str, tuple[str, Estimate]]:
    """The measures of a benchmark that tables show: avg@k and, if the evaluation has them, cons@k and the rating.

    Args:
        evaluation (`dict`): Return value of `read_evaluation`.
        benchmark (`str`): Name of the benchmark.

    Returns:
        `dict[str, tuple[str, Estimate]]`:
            Full name and estimate of each measure, by kind (`avg`, `cons` or `rating`).
    """
    measures = {}
    for name, value in evaluation["benchmarks"].get(benchmark, {}).items():
        kind = name.partition("@")[0]
        if kind in SHOWN_MEASURES:
            measures[kind] = (name, Estimate(**value))
    return measures


def comparison_table(evaluations: list[dict], published: list[str]) -> str:
    """Compares evaluations and models of the paper in a Markdown table.

    For a single evaluation, the table also has the difference to the first model of the paper. The interval of the
    difference only includes sampling noise, since the problems are the same. The paper does not report its sampling
    noise, which is assumed to be as large as ours.

    Args:
        evaluations (`list[dict]`): Return values of `read_evaluation`.
        published (`list[str]`): Models of the paper.

    Raises:
        RecipeError: If the paper has no scores of a model.
    """
    require_published(published)
    has_difference = len(evaluations) == 1 and len(published) > 0
    names = [evaluation["name"] for evaluation in evaluations]
    header = ["benchmark", "measure", *names, *published]
    if has_difference:
        header.append("difference")
    lines = [_table_row(header), "|" + "---|" * len(header)]
    for benchmark in _benchmark_names(evaluations):
        measures = [shown_measures(evaluation, benchmark) for evaluation in evaluations]
        for kind, suffix in SHOWN_MEASURES.items():
            cells = _measure_cells(kind, measures)
            if not cells:
                continue
            for model in published:
                score = published_scores()[model].get(benchmark + suffix)
                cells.append(_format_published(score, kind))
            if has_difference:
                _, estimate = measures[0][kind]
                score = published_scores()[published[0]].get(benchmark + suffix)
                cells.append(_format_difference(estimate, score, kind))
            lines.append(_table_row([benchmark, *cells]))
    return "\n".join(lines)


def _measure_cells(kind: str, measures: list[dict[str, tuple[str, Estimate]]]) -> list[str]:
    """Full name of a measure and its estimate in each evaluation; empty if no evaluation has the measure."""
    full_name = None
    cells = []
    for by_kind in measures:
        if kind in by_kind:
            name, estimate = by_kind[kind]
            full_name = full_name or name
            cells.append(_format_estimate(estimate, kind))
        else:
            cells.append(MISSING)
    if full_name is None:
        return []
    return [full_name, *cells]


def _table_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _benchmark_names(evaluations: list[dict]) -> list[str]:
    """The distinct benchmarks of all evaluations, in order of first appearance."""
    names: dict[str, None] = {}
    for evaluation in evaluations:
        names.update(dict.fromkeys(evaluation["benchmarks"]))
    return list(names)


def _format_estimate(estimate: Estimate, kind: str) -> str:
    if kind == "rating":
        return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"
    return str(estimate)


def _format_published(score: float | None, kind: str) -> str:
    if score is None:
        return MISSING
    if kind == "rating":
        return f"{score:g}"
    return f"{score:.3f}"


def _format_difference(
    estimate: Estimate,
    published: float | None,
    kind: str,
) -> str:
    """The difference to the paper's score, with half the width of its 95% interval."""
    if published is None:
        return MISSING
    difference = estimate.value - published
    half_interval = Z * math.sqrt(2) * estimate.noise
    if kind == "rating":
        return f"{difference:+.1f} ± {half_interval:.1f}"
    return f"{difference:+.3f} ± {half_interval:.3f}"
