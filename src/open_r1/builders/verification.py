"""Which completions are correct: by the rewards of training, or by a model where they cannot tell (§2.3.3)."""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from datasets import Dataset
from rich.console import Console

from open_r1.configs import SelectionArguments
from open_r1.data.filter_report import EXAMPLE_LENGTH, FilterReport
from open_r1.generation.driver import answer_requests
from open_r1.rewards import Composition
from open_r1.rewards.checks import check_columns
from open_r1.rewards.dataset_scores import score_dataset
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import file_lock
from open_r1.utils.jsonl import read_lines, truncate_incomplete_line
from open_r1.utils.text import conversation_text, split_thought


logger = logging.getLogger(__name__)

CHUNK = 4096  # completions that are verified between two writes
Correctness = list[bool | None]  # of each completion; None where nothing can tell
# What rewards may read beside their own columns.
VERIFIED_COLUMNS = (
    "prompt_id",
    "prompt",
    "completion",
    "solution",
    "domain",
    "language",
    "verification_info",
    "test_cases",
)
JUDGEMENT = re.compile(r'"correctness"\s*+:\s*+"?(correct|incorrect|true|false)\b', re.IGNORECASE)


def verify(rows: Dataset, args: SelectionArguments, path: Path, progress: bool) -> Correctness:
    """Verifies completions by `reward_funcs`.

    Results are written to `path` as they come, so that a run that was stopped continues there.

    Args:
        rows (`Dataset`): `prompt`, `completion` and the columns that the rewards need.
        args (`SelectionArguments`): `reward_funcs` and `min_reward`.
        path (`Path`): A JSONL file: a header that says what was verified, then a line per completion.
        progress (`bool`): Whether to show a progress bar.

    Returns:
        `list[bool | None]`: Whether each completion is correct; `None` where the rewards cannot tell.

    Raises:
        RecipeError: If a reward lacks its column.
    """
    rewards = Composition(args.rewards)
    check_columns(rewards.rewards, rows.column_names)
    header = {
        "rewards": str(rewards),
        "params": [str(spec.params) for spec in args.rewards],
        "min_reward": args.min_reward,
        "rows": len(rows),
        "digest": _digest(rows, rewards),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(path.with_suffix(".lock")), path.open("a+") as stream:
        truncate_incomplete_line(path)
        lines = list(read_lines(path))
        continues = bool(lines) and lines[0] == header and len(lines) - 1 <= len(rows)
        if not continues:
            lines = [header]
            stream.truncate(0)
            stream.write(json.dumps(header) + "\n")
        correctness: Correctness = [line["right"] for line in lines[1:]]

        if len(correctness) < len(rows):
            rewards.start()
        for start in range(len(correctness), len(rows), CHUNK):
            chunk = rows.select(range(start, min(start + CHUNK, len(rows))))
            scored = score_dataset(chunk, rewards, progress=progress)
            columns = [scored[f"rewards/{reward.label}"] for reward in rewards.rewards]
            for values in zip(*columns, strict=True):
                is_correct = _is_correct(values, args.min_reward)
                correctness.append(is_correct)
                stream.write(json.dumps({"right": is_correct}) + "\n")
            stream.flush()
    return correctness


def _digest(rows: Dataset, rewards: Composition) -> str:
    """A hash of all that correctness depends on: the rows as the rewards read them, and the user's own rewards."""
    digest = hashlib.sha256()
    read_columns = set(VERIFIED_COLUMNS)
    for reward in rewards.rewards:
        read_columns.update(reward.columns)
        file = Path(reward.spec.name.rpartition(":")[0])
        if file.is_file():
            digest.update(file.read_bytes())
    rows = rows.select_columns([name for name in rows.column_names if name in read_columns])
    for batch in rows.iter(1000):
        digest.update(json.dumps(batch, default=str).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _is_correct(values: Iterable[float | None], min_reward: float) -> bool | None:
    """Whether all rewards that can tell give at least `min_reward`; `None` if none of them can."""
    judged = [value for value in values if value is not None]
    if not judged:
        return None
    return all(value >= min_reward for value in judged)


def judge_by_model(
    rows: Dataset, correctness: Correctness, recipe: str, folder: Path, in_process: bool, console: Console
) -> Correctness:
    """Asks a model about the completions that no reward could judge, given question, gold and final answer.

    Each distinct question of this kind is asked once; where the recipe generates several judgements, the most frequent
    one counts. A completion without an answer, such as one whose thought is never closed, is wrong; the model is not
    asked.

    Args:
        rows (`Dataset`): `prompt`, `solution` and `completion`.
        correctness (`list[bool | None]`): What the rewards say.
        recipe (`str`):
            A `generate` recipe whose template names `prompt`, `solution` and `answer`; see
            recipes/prompts/judge.jinja.
        folder (`Path`): For requests and judgements.
        in_process (`bool`): Whether to ask the model in this process.
        console (`Console`): Shows what happens.

    Returns:
        `list[bool | None]`: `correctness`, completed; `None` where the model cannot tell either.

    Raises:
        RecipeError: If there is no column `solution`, or if judgements are missing.
    """
    if "solution" not in rows.column_names:
        raise RecipeError("judge: the data set has no column 'solution' for the judge to compare with.")
    completed = list(correctness)
    questions: dict[tuple[str, str, str], list[int]] = {}  # with the rows that they are about
    for i, is_correct in enumerate(correctness):
        if is_correct is not None:
            continue
        row = rows[i]
        answer = split_thought(row["completion"] or "").answer or ""
        if not answer.strip():
            completed[i] = False
        elif row["solution"]:
            question = (conversation_text(row["prompt"]), str(row["solution"]), answer.strip())
            questions.setdefault(question, []).append(i)
    if not questions:
        return completed

    requests = []
    for number, (prompt, solution, answer) in enumerate(questions):
        requests.append({"prompt": prompt, "solution": solution, "answer": answer, "key": str(number)})
    votes: list[Counter[bool | None]] = [Counter() for _ in requests]
    for judgement in answer_requests(recipe, Dataset.from_list(requests), folder, in_process, console):
        votes[int(judgement["key"])][read_judgement(judgement["completion"])] += 1
    for counts, asked_rows in zip(votes, questions.values(), strict=True):
        [(is_correct, _)] = counts.most_common(1)
        for i in asked_rows:
            completed[i] = is_correct
    return completed


def read_judgement(completion: str) -> bool | None:
    """What a model says in the last `"correctness"` of its answer; `None` if it does not say.

    >>> read_judgement('{"analysis": "Both are one half.", "correctness": "correct"}'), read_judgement("I cannot say.")
    (True, None)
    """
    answer = split_thought(completion).answer or ""
    judgements = JUDGEMENT.findall(answer)
    if not judgements:
        return None
    return judgements[-1].lower() in ("correct", "true")


def keep_correct(rows: Dataset, correctness: Correctness) -> Dataset:
    """The rows whose completion is correct."""
    return rows.select([i for i, is_correct in enumerate(correctness) if is_correct])


def verification_report(rows: Dataset, correctness: Correctness, name: str = "verification") -> FilterReport:
    """What verification drops, logged too.

    Args:
        rows (`Dataset`): Rows with `completion`.
        correctness (`list[bool | None]`): Whether each completion is correct.
        name (`str`, *optional*, defaults to `"verification"`): Name of the step.
    """
    report = FilterReport(name, len(rows))
    first_rows: dict[str, int] = {}
    for i, is_correct in enumerate(correctness):
        if is_correct:
            continue
        reason = "not judged" if is_correct is None else "wrong"
        report.reasons[reason] += 1
        first_rows.setdefault(reason, i)
    for reason in ("wrong", "not judged"):
        if reason in first_rows:
            completion = rows[first_rows[reason]]["completion"] or ""
            report.examples.append((reason, completion[:EXAMPLE_LENGTH]))
    logger.info("%s", report)
    return report
