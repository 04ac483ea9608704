"""Which completions are right: by the rewards that training uses, and by a model where no reward can say (DeepSeek-R1, §2.3.3)."""

import hashlib
import json
import logging
import re
from collections import Counter
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
from open_r1.utils.text import conversation_text


logger = logging.getLogger(__name__)

CHUNK = 4096  # completions between two writes of verdicts
Verdicts = list[bool | None]


def verify(rows: Dataset, args: SelectionArguments, path: Path, progress: bool) -> Verdicts:
    """Whether each completion is right by `reward_funcs`; `None` where they cannot say.

    Verdicts are written to `path` as they come, so that a run that was stopped continues.

    Args:
        rows (`Dataset`): `prompt`, `completion` and the columns that the rewards need.
        args (`SelectionArguments`): `reward_funcs` and `min_reward`.
        path (`Path`): A JSONL file: what was verified, then a line a completion.
        progress (`bool`): Whether to show a bar.

    Raises:
        RecipeError: If a reward lacks its column.
    """
    rewards = Composition(args.rewards)
    check_columns(rewards.rewards, rows.column_names)
    kind = {
        "rewards": str(rewards),
        "params": [str(spec.params) for spec in args.rewards],
        "min_reward": args.min_reward,
    }
    kind |= {"rows": len(rows), "digest": _digest(rows, rewards)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(path.with_suffix(".lock")), path.open("a+") as stream:
        truncate_incomplete_line(path)
        lines = list(read_lines(path))
        if not lines or lines[0] != kind or len(lines) - 1 > len(rows):
            lines = [kind]
            stream.truncate(0)
            stream.write(json.dumps(kind) + "\n")
        verdicts: Verdicts = [line["right"] for line in lines[1:]]
        if len(verdicts) < len(rows):
            rewards.start()
        for start in range(len(verdicts), len(rows), CHUNK):
            scored = score_dataset(
                rows.select(range(start, min(start + CHUNK, len(rows)))), rewards, progress=progress
            )
            columns = [scored[f"rewards/{reward.label}"] for reward in rewards.rewards]
            new = [_right(values, args.min_reward) for values in zip(*columns, strict=True)]
            stream.writelines(json.dumps({"right": verdict}) + "\n" for verdict in new)
            stream.flush()
            verdicts += new
    return verdicts


def _digest(rows: Dataset, rewards: Composition) -> str:
    """One number for all that the verdicts depend on: completions in their order, what the rewards read beside them, files of one's own rewards."""
    wanted = {"prompt_id", "prompt", "completion", "solution", "domain", "language", "verification_info", "test_cases"}
    wanted |= {column for reward in rewards.rewards for column in reward.columns}
    digest = hashlib.sha256()
    for reward in rewards.rewards:
        file = Path(reward.spec.name.rpartition(":")[0])
        digest.update(file.read_bytes() if file.is_file() else b"")
    for batch in rows.select_columns([name for name in rows.column_names if name in wanted]).iter(1000):
        digest.update(json.dumps(batch, default=str).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _right(values: tuple[float | None, ...], least: float) -> bool | None:
    judged = [value for value in values if value is not None]
    return all(value >= least for value in judged) if judged else None


def judge_by_model(
    rows: Dataset, verdicts: Verdicts, recipe: str, folder: Path, here: bool, console: Console
) -> Verdicts:
    """Asks a model about the completions without a verdict, given the question, the gold and the final answer.

    Each distinct question of this kind is asked once; where the recipe draws several answers, most of them decide.

    Args:
        rows (`Dataset`): `prompt`, `solution` and `completion`.
        verdicts (`list[bool | None]`): Those of the rewards.
        recipe (`str`): A `generate` recipe whose template names `prompt`, `solution` and `answer`; see recipes/prompts/judge.jinja.
        folder (`Path`): For requests and answers.
        here (`bool`): Whether to ask in this process.
        console (`Console`): Says what happens.
    """
    if "solution" not in rows.column_names:
        raise RecipeError("judge: the data set has no column 'solution' for the judge_by_model to compare with.")
    asked: dict[tuple[str, str, str], list[int]] = {}
    for i, verdict in enumerate(verdicts):
        if verdict is None:
            row = rows[i]
            answer = (row["completion"] or "").rpartition("</think>")[2].strip()
            if answer and row["solution"]:
                asked.setdefault((conversation_text(row["prompt"]), str(row["solution"]), answer), []).append(i)
    if not asked:
        return verdicts
    requests = Dataset.from_list(
        [{"prompt": p, "solution": s, "answer": a, "key": str(n)} for n, (p, s, a) in enumerate(asked)]
    )
    votes: dict[int, Counter] = {}
    for row in answer_requests(recipe, requests, folder, here, console).iter(1):
        votes.setdefault(int(row["key"][0]), Counter())[read_verdict(row["completion"][0])] += 1
    decided = list(verdicts)
    for number, those in enumerate(asked.values()):
        [(verdict, _)] = votes[number].most_common(1)
        for i in those:
            decided[i] = verdict
    return decided


def read_verdict(text: str) -> bool | None:
    """What a judge says in its last `"correctness"`; `None` if it says nothing.

    >>> read_verdict('{"analysis": "Both are one half.", "correctness": "correct"}'), read_verdict("I cannot say.")
    (True, None)
    """
    found = re.findall(
        r'"correctness"\s*+:\s*+"?(correct|incorrect|true|false)\b', text.rpartition("</think>")[2], re.IGNORECASE
    )
    return found[-1].lower() in ("correct", "true") if found else None


def report_of(rows: Dataset, verdicts: Verdicts, name: str = "verification") -> FilterReport:
    """What verification drops."""
    report = FilterReport(name, len(rows))
    reasons = {False: "wrong", None: "not judged"}
    report.reasons = Counter(reasons[verdict] for verdict in verdicts if not verdict)
    for verdict, reason in reasons.items():
        at = next((i for i, found in enumerate(verdicts) if found is verdict), None)
        if at is not None:
            report.examples.append((reason, (rows[at]["completion"] or "")[:EXAMPLE_LENGTH]))
    logger.info("%s", report)
    return report
