"""What reward models learn from: pairs for helpfulness, labels for harmlessness (DeepSeek-R1, §2.3.4; v2, §3.1).

Helpfulness is learnt from pairs of which one answer is clearly better, judged by the final summaries alone; harmlessness from answers
that are labelled safe or unsafe, judged as a whole, thought included. Both become rows of `chosen` and `rejected`, which TRL's
RewardTrainer takes; for harmlessness these are a safe and an unsafe answer to whatever requests, each judged for itself.
"""

import logging
import random
from collections import Counter

from datasets import Dataset

from open_r1.configs import DatasetSpec, RewardModelScriptArguments
from open_r1.data.filter_report import FilterReport
from open_r1.data.load import load_split, require_column
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import split_thought, text_of


logger = logging.getLogger(__name__)

SCORES = ("score_chosen", "score_rejected")
LABELS = ("safe", "unsafe")


def to_pairs(rows: Dataset, args: RewardModelScriptArguments, seed: int) -> Dataset:
    """Rows with `chosen` and `rejected`, conversations that end with the judged part of an answer.

    Args:
        rows (`Dataset`): For helpfulness `chosen` and `rejected` (conversations, or answers beside a `prompt`), and with `min_gap` their
            scores; for harmlessness `messages` (or `prompt` and `completion`) and a `label`, `safe` or `unsafe`.
        args (`RewardModelScriptArguments`): What is judged.
        seed (`int`): Seed of what is chosen by lot.

    Raises:
        RecipeError: If a column is missing or nothing is left.
    """
    pairs = _preferred(rows, args, seed) if args.objective == "helpfulness" else _labelled(rows, args, seed)
    if not len(pairs):
        raise RecipeError(f"dataset_name: nothing is left of {args.dataset_name}; see the log for why.")
    return pairs


def _preferred(rows: Dataset, args: RewardModelScriptArguments, seed: int) -> Dataset:
    for name in ("chosen", "rejected", *(SCORES if args.min_gap else ())):
        require_column(rows, name, "min_gap" if name in SCORES else "dataset_name")
    reports = [FilterReport("score gap", len(rows)), FilterReport("length balance", 0)]
    if args.min_gap:
        gaps = [better - worse for better, worse in zip(*(rows[name] for name in SCORES), strict=True)]
        rows = rows.select([i for i, gap in enumerate(gaps) if gap > args.min_gap])
        reports[0].reasons = Counter({f"not above {args.min_gap:g}": len(gaps) - len(rows)})
    pairs = rows.map(lambda row: {name: judged_part(turns_of(row, name), args) for name in ("chosen", "rejected")})
    pairs = pairs.select_columns(["chosen", "rejected"])
    told = [_without_choice(row["chosen"], row["rejected"]) for row in pairs]
    reports.insert(1, FilterReport("nothing to choose", len(pairs), Counter(reason for reason in told if reason)))
    pairs = pairs.select([i for i, reason in enumerate(told) if not reason])
    reports[2].rows = len(pairs)
    if args.balance_lengths:
        kept = balanced([_length(row["chosen"]) - _length(row["rejected"]) for row in pairs], seed)
        reports[2].reasons = Counter({"of the more frequent order": len(pairs) - len(kept)})
        pairs = pairs.select(kept)
    for report in reports:
        logger.info("%s", report)
    return pairs


def _without_choice(chosen: list[dict], rejected: list[dict]) -> str | None:
    """Why a pair teaches nothing: the better answer is cut off before what is judged, or both are the same."""
    if not chosen[-1]["content"]:
        return "the better one has no summary"
    return "the same" if chosen == rejected else None


def balanced(differences: list[int], seed: int) -> list[int]:
    """The pairs to keep so that the chosen answer is as often the longer as the shorter one: a model must not learn that long is good.

    >>> balanced([5, 7, 9, -3, 0], seed=0)
    [1, 3, 4]
    """
    longer = [i for i, difference in enumerate(differences) if difference > 0]
    shorter = [i for i, difference in enumerate(differences) if difference < 0]
    count = min(len(longer), len(shorter))
    rng = random.Random(seed)
    dropped = set(longer + shorter) - {*rng.sample(longer, count), *rng.sample(shorter, count)}
    return [i for i in range(len(differences)) if i not in dropped]


def _labelled(rows: Dataset, args: RewardModelScriptArguments, seed: int) -> Dataset:
    require_column(rows, "label", "dataset_name")
    if unknown := set(rows["label"]) - set(LABELS):
        raise RecipeError(f"dataset_name: found the label {min(map(str, unknown))!r}; expected {' or '.join(LABELS)}.")
    of_label = {label: [i for i, found in enumerate(rows["label"]) if found == label] for label in LABELS}
    if empty := [label for label in LABELS if not of_label[label]]:
        raise RecipeError(f"dataset_name: no row of {args.dataset_name} is labelled {empty[0]!r}.")
    rng, count = random.Random(seed), max(map(len, of_label.values()))
    # Every answer occurs; those of the rarer label as often as it takes.
    drawn = {label: [some[i % len(some)] for i in range(count)] for label, some in of_label.items()}
    for some in drawn.values():
        rng.shuffle(some)
    conversations = rows.map(
        lambda row: {"judged": judged_part(turns_of(row, "messages" if "messages" in row else "completion"), args)},
        remove_columns=rows.column_names,
    )
    return Dataset.from_dict(
        {
            name: conversations.select(drawn[label])["judged"]
            for name, label in (("chosen", "safe"), ("rejected", "unsafe"))
        }
    )


def turns_of(row: dict, column: str) -> list[dict]:
    """A conversation that ends with an answer: the column itself, or the prompt and the column."""
    turns = row[column]
    turns = [{"role": "assistant", "content": turns}] if isinstance(turns, str) else turns
    before = row.get("prompt") or []
    before = [{"role": "user", "content": before}] if isinstance(before, str) else before
    return [*before, *turns] if turns[0]["role"] == "assistant" else turns


def judged_part(turns: list[dict], args: RewardModelScriptArguments) -> list[dict]:
    """A conversation with what is judged of its last turn: the summary for helpfulness, all of it for harmlessness."""
    answer = text_of(turns[-1:]) or ""
    if args.objective == "helpfulness":
        answer = (split_thought(answer).answer or "").strip()
    return [*turns[:-1], {"role": "assistant", "content": answer}]


def _length(turns: list[dict]) -> int:
    return len(turns[-1]["content"])


def beavertails(split: str, seed: int, dataset_name: str = "PKU-Alignment/BeaverTails", size: str = "330k") -> Dataset:
    """BeaverTails' answers as `messages` with a `label`; a public stand-in for the paper's 106,000 labelled answers.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Of what is used for evaluation.
        dataset_name (`str`, *optional*): Another copy.
        size (`str`, *optional*): `330k` or `30k`.
    """
    rows = load_split(DatasetSpec(dataset_name, split=f"{size}_{split}"), seed)

    def row_of(row: dict) -> dict:
        asked, said = {"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["response"]}
        return {"messages": [asked, said], "label": LABELS[0] if row["is_safe"] else LABELS[1]}

    return rows.map(row_of, remove_columns=rows.column_names)


def beavertails_prompts(
    split: str, seed: int, dataset_name: str = "PKU-Alignment/BeaverTails", size: str = "30k"
) -> Dataset:
    """The requests of BeaverTails that somebody answered unsafely, each once: `prompt`."""
    rows = load_split(DatasetSpec(dataset_name, split=f"{size}_{split}"), seed)
    asked = dict.fromkeys(row["prompt"] for row in rows if not row["is_safe"])
    return Dataset.from_dict({"prompt": list(asked)})
