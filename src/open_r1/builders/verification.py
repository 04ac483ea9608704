"""Which completions are correct: by the rewards of training, or by a model where they cannot tell (§2.3.3)."""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset
from rich.console import Console

from open_r1.configs import SelectionArguments
from open_r1.data.filter_report import EXAMPLE_LENGTH, FilterReport
from open_r1.data.load import existing_columns
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
# What a model is asked to say.
JUDGEMENT = re.compile(r'"correctness"\s*+:\s*+"?(correct|incorrect|true|false)\b', re.IGNORECASE)


class Question(NamedTuple):
    """What a model is asked about a completion; the template of its recipe names these.

    Args:
        prompt (`str`): The problem.
        solution (`str`): The gold answer.
        answer (`str`): The completion's answer, without its thought.
    """

    prompt: str
    solution: str
    answer: str


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
        correctness = _read_progress(path, header, len(rows))
        if correctness is None:
            correctness = []
            stream.truncate(0)
            stream.write(json.dumps(header) + "\n")
        if len(correctness) < len(rows):
            rewards.start()
        for start in range(len(correctness), len(rows), CHUNK):
            chunk = rows.select(range(start, min(start + CHUNK, len(rows))))
            for is_correct in _verify_chunk(chunk, rewards, args.min_reward, progress):
                correctness.append(is_correct)
                stream.write(json.dumps({"right": is_correct}) + "\n")
            stream.flush()
    return correctness


def _read_progress(path: Path, header: dict, row_count: int) -> Correctness | None:
    """What an earlier run has found of the same rows; `None` if there was none."""
    truncate_incomplete_line(path)
    lines = read_lines(path)
    if next(lines, None) != header:
        return None
    correctness = [line["right"] for line in lines]
    if len(correctness) > row_count:
        return None
    return correctness


def _verify_chunk(rows: Dataset, rewards: Composition, min_reward: float, progress: bool) -> Correctness:
    """Verifies some completions."""
    scored = score_dataset(rows, rewards, progress=progress)
    columns = [scored[f"rewards/{reward.label}"] for reward in rewards.rewards]
    return [_is_correct(values, min_reward) for values in zip(*columns, strict=True)]


def _digest(rows: Dataset, rewards: Composition) -> str:
    """A hash of all that correctness depends on: the rows as the rewards read them, and the user's own rewards."""
    digest = hashlib.sha256()
    read_columns = set(VERIFIED_COLUMNS)
    for reward in rewards.rewards:
        read_columns.update(reward.columns)
        file = Path(reward.spec.name.rpartition(":")[0])
        if file.is_file():
            digest.update(file.read_bytes())
    for batch in rows.select_columns(existing_columns(rows, read_columns)).iter(1000):
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
    questions: dict[Question, list[int]] = {}  # with the rows that they are about
    for i, is_correct in enumerate(correctness):
        if is_correct is not None:
            continue
        row = rows[i]
        answer = split_thought(row["completion"] or "").answer or ""
        if not answer.strip():
            completed[i] = False
        elif row["solution"]:
            question = Question(conversation_text(row["prompt"]), str(row["solution"]), answer.strip())
            questions.setdefault(question, []).append(i)
    if not questions:
        return completed

    requests = []
    for number, question in enumerate(questions):
        requests.append({**question._asdict(), "key": str(number)})
    judgements = answer_requests(recipe, Dataset.from_list(requests), folder, in_process, console)
    verdicts = _majority_verdicts(judgements)
    for number, asked_rows in enumerate(questions.values()):
        for i in asked_rows:
            completed[i] = verdicts[str(number)]
    return completed


def _majority_verdicts(judgements: Dataset) -> dict[str, bool | None]:
    """The most frequent verdict on each question, by its `key`."""
    votes: dict[str, Counter[bool | None]] = {}
    for judgement in judgements:
        counts = votes.setdefault(judgement["key"], Counter())
        counts[read_judgement(judgement["completion"])] += 1
    verdicts = {}
    for key, counts in votes.items():
        [(verdict, _)] = counts.most_common(1)
        verdicts[key] = verdict
    return verdicts


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
