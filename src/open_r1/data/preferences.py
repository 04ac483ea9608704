"""What reward models learn from: pairs for helpfulness, labels for harmlessness (DeepSeek-R1, §2.3.4; v2, §3.1).

Helpfulness is learnt from pairs of which one answer is clearly better, judged by the final summaries alone;
harmlessness from answers that are labelled safe or unsafe, judged as a whole, thought included. Both become rows of
`chosen` and `rejected`, which TRL's RewardTrainer takes; for harmlessness these are a safe and an unsafe answer to any
two requests, each judged on its own.
"""

import logging
import random
import re
from itertools import cycle, islice
from typing import Any

from datasets import Dataset, Features, Json, List

from open_r1.configs import DatasetSpec, RewardModelScriptArguments
from open_r1.data.conversations import add_system_message, conversation_type, read_text_or_messages
from open_r1.data.filter_report import FilterReport
from open_r1.data.load import existing_columns, load_split, require_column
from open_r1.data.rows import InvalidRow, convert_rows, describe_row
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import split_thought


logger = logging.getLogger(__name__)

SAFE, UNSAFE = "safe", "unsafe"
SPEAKERS = re.compile(r"(?:^|\n\n)(Human|Assistant):")  # how HH-RLHF marks the turns of its dialogues


def to_pairs(rows: Dataset, args: RewardModelScriptArguments, seed: int) -> Dataset:
    """Makes rows with `chosen` and `rejected`, conversations that end with the judged part of an answer.

    Args:
        rows (`Dataset`):
            For helpfulness `chosen` and `rejected` (conversations, or answers beside a `prompt`), and with `min_gap`
            `score_chosen` and `score_rejected`; for harmlessness `messages` (or `prompt` and `completion`) and a
            `label`, `safe` or `unsafe`.
        args (`RewardModelScriptArguments`): The objective, `min_gap` and `balance_lengths`.
        seed (`int`): Seed of random choices.

    Raises:
        RecipeError: If a column is missing or nothing is left.
    """
    if args.objective == "helpfulness":
        pairs = _preference_pairs(rows, args, seed)
    else:
        pairs = _labelled_pairs(rows, args, seed)
    if not len(pairs):
        raise RecipeError(f"dataset_name: nothing is left of {args.dataset_name}; see the log for why.")
    return pairs


def _preference_pairs(rows: Dataset, args: RewardModelScriptArguments, seed: int) -> Dataset:
    """Pairs of summaries of which the chosen one is better; logs what was left out and why."""
    for column in ("chosen", "rejected"):
        require_column(rows, column, "dataset_name")

    rows, gap_report = _drop_narrow_gaps(rows, args.min_gap)

    def read_pair(row: dict) -> dict:
        return {
            "chosen": _judged_conversation(row, "chosen", args),
            "rejected": _judged_conversation(row, "rejected", args),
        }

    conversation = _conversation_type(rows, ["chosen", "rejected", "prompt"])
    pairs = convert_rows(
        rows,
        read_pair,
        "dataset",
        remove_columns=rows.column_names,
        features=Features({"chosen": conversation, "rejected": conversation}),
        description="Reading pairs",
    )
    pairs, choice_report = _drop_without_choice(pairs)
    balance_report = FilterReport("length balance", len(pairs))
    if args.balance_lengths:
        balanced = balance_by_length(_length_differences(pairs), seed)
        balance_report.reasons["of the more frequent order"] = len(pairs) - len(balanced)
        pairs = pairs.select(balanced)
    for report in (gap_report, choice_report, balance_report):
        logger.info("%s", report)
    return pairs


def _drop_narrow_gaps(rows: Dataset, min_gap: float) -> tuple[Dataset, FilterReport]:
    """Keeps the rows whose chosen answer scores higher than the rejected one by more than `min_gap`."""
    report = FilterReport("score gap", len(rows))
    if not min_gap:
        return rows, report
    for column in ("score_chosen", "score_rejected"):
        require_column(rows, column, "min_gap")
    kept = []
    for i, (better, worse) in enumerate(zip(rows["score_chosen"], rows["score_rejected"], strict=True)):
        try:
            gap = float(better) - float(worse)  # CSV files may have numbers as text
        except (TypeError, ValueError) as error:
            raise RecipeError(
                f"dataset: {describe_row(rows, i)}: found the scores {better!r} and {worse!r}; expected numbers."
            ) from error
        if gap > min_gap:
            kept.append(i)
    report.reasons[f"not above {min_gap:g}"] = len(rows) - len(kept)
    return rows.select(kept), report


def _drop_without_choice(pairs: Dataset) -> tuple[Dataset, FilterReport]:
    """Drops the pairs that teach nothing."""
    report = FilterReport("nothing to choose", len(pairs))
    kept = []
    for i, pair in enumerate(pairs):
        reason = _reason_to_drop(pair["chosen"], pair["rejected"])
        if reason is None:
            kept.append(i)
        else:
            report.reasons[reason] += 1
    return pairs.select(kept), report


def _reason_to_drop(chosen: list[dict], rejected: list[dict]) -> str | None:
    """Why a pair teaches nothing: nothing to judge, nothing to compare, or no difference."""
    if chosen[:-1] != rejected[:-1]:
        return "answers to different requests"
    if not chosen[-1]["content"]:
        return "the better one has no summary"
    if chosen == rejected:
        return "the same"
    return None


def balance_by_length(differences: list[int], seed: int) -> list[int]:
    """Chooses pairs so that the chosen answer is as often the longer as the shorter one.

    A reward model must not learn that long is good.

    Args:
        differences (`list[int]`): Length of the chosen minus length of the rejected answer of each pair.
        seed (`int`): Seed of the choice among pairs of the more frequent order.

    Returns:
        `list[int]`: The pairs to keep, in order.

    >>> balance_by_length([5, 7, 9, -3, 0], seed=0)
    [1, 3, 4]
    """
    longer = []
    shorter = []
    equal = []
    for i, difference in enumerate(differences):
        if difference > 0:
            longer.append(i)
        elif difference < 0:
            shorter.append(i)
        else:
            equal.append(i)
    count = min(len(longer), len(shorter))
    rng = random.Random(seed)
    return sorted(equal + rng.sample(longer, count) + rng.sample(shorter, count))


def _length_differences(pairs: Dataset) -> list[int]:
    """Length of the chosen minus length of the rejected answer of each pair, in characters."""
    differences = []
    for pair in pairs:
        chosen = pair["chosen"][-1]["content"]
        rejected = pair["rejected"][-1]["content"]
        differences.append(len(chosen) - len(rejected))
    return differences


def _labelled_pairs(rows: Dataset, args: RewardModelScriptArguments, seed: int) -> Dataset:
    """Pairs of a safe and an unsafe answer, in random order; answers of the rarer label occur several times."""
    safe_rows, unsafe_rows = _rows_by_label(rows, args.dataset_name)
    count = max(len(safe_rows), len(unsafe_rows))
    safe = _repeat_to(safe_rows, count)
    unsafe = _repeat_to(unsafe_rows, count)
    rng = random.Random(seed)
    rng.shuffle(safe)
    rng.shuffle(unsafe)

    column = "completion"
    if "messages" in rows.column_names:
        column = "messages"
    require_column(rows, column, "dataset_name")

    def read_judged(row: dict) -> dict:
        return {"judged": _judged_conversation(row, column, args)}

    conversations = convert_rows(
        rows,
        read_judged,
        "dataset",
        remove_columns=rows.column_names,
        features=Features({"judged": _conversation_type(rows, [column, "prompt"])}),
        description="Reading answers",
    )
    pairs = {"chosen": conversations.select(safe)["judged"], "rejected": conversations.select(unsafe)["judged"]}
    types = Features(dict.fromkeys(pairs, conversations.features["judged"]))
    return Dataset.from_dict(pairs, features=types)


def _rows_by_label(rows: Dataset, dataset_name: str) -> tuple[list[int], list[int]]:
    """The safe rows and the unsafe ones; stops if there is another label, or if one does not occur."""
    require_column(rows, "label", "dataset_name")
    rows_by_label: dict[str, list[int]] = {SAFE: [], UNSAFE: []}
    for i, label in enumerate(rows["label"]):
        if label not in (SAFE, UNSAFE):
            raise RecipeError(
                f"dataset: {describe_row(rows, i)}: found the label {label!r}; expected {SAFE} or {UNSAFE}."
            )
        rows_by_label[label].append(i)
    for label, labelled_rows in rows_by_label.items():
        if not labelled_rows:
            raise RecipeError(f"dataset_name: no row of {dataset_name} is labelled {label!r}.")
    return rows_by_label[SAFE], rows_by_label[UNSAFE]


def _repeat_to(items: list[int], count: int) -> list[int]:
    """`count` items: all of them, from the start again as often as needed."""
    return list(islice(cycle(items), count))


def _conversation_type(rows: Dataset, columns: list[str]) -> List:
    """How conversations made of some columns are stored: as JSON if one of them has calls of tools."""
    types = [conversation_type(rows, column) for column in existing_columns(rows, columns)]
    if List(Json()) in types:
        return List(Json())
    return types[0]


def _judged_conversation(row: dict, column: str, args: RewardModelScriptArguments) -> list[dict]:
    """A conversation that ends with what is judged: the summary for helpfulness, the whole answer for harmlessness."""
    messages = _read_conversation(row, column)
    answer = messages[-1]["content"]
    if args.objective == "helpfulness":
        summary = split_thought(answer).answer or ""
        answer = summary.strip()
    return [*messages[:-1], {"role": "assistant", "content": answer}]


def _read_conversation(row: dict, column: str) -> list[dict]:
    """A conversation that ends with an answer: the column itself, or the row's prompt and the column."""
    value = row[column]
    if isinstance(value, str) and "prompt" not in row:
        value = read_dialogue(value)
    messages = _as_messages(value, column, "assistant")
    if messages[-1]["role"] != "assistant":
        raise InvalidRow(f"{column}: ends with a message of the {messages[-1]['role']}; expected the assistant")
    system = []
    if messages[0]["role"] == "system":
        system = messages[:1]
    answers = messages[len(system) :]
    if answers[0]["role"] != "assistant":
        return add_system_message(messages, row)
    if "prompt" not in row:
        raise InvalidRow(f"{column}: found an answer alone; expected a conversation, or a column `prompt` beside it")
    prompt = add_system_message(_as_messages(row["prompt"], "prompt", "user"), row)
    if system:
        prompt = add_system_message(prompt, {"system": system[0]["content"]})
    return [*prompt, *answers]


def _as_messages(value: Any, column: str, role: str) -> list[dict]:
    """The messages of a column; text is one message of a role."""
    value = read_text_or_messages(value, column)
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    return value


def read_dialogue(text: str) -> str | list[dict]:
    """A dialogue as HH-RLHF has it, as messages; any other text as it is.

    >>> read_dialogue("\\n\\nHuman: 2+2?\\n\\nAssistant: 4")
    [{'role': 'user', 'content': '2+2?'}, {'role': 'assistant', 'content': '4'}]
    """
    before, *pieces = SPEAKERS.split(text)
    if before.strip() or not pieces or pieces[0] != "Human":
        return text
    messages = []
    for speaker, content in zip(pieces[::2], pieces[1::2], strict=True):
        role = "user" if speaker == "Human" else "assistant"
        messages.append({"role": role, "content": content.strip()})
    return messages


def beavertails(split: str, seed: int, dataset_name: str = "PKU-Alignment/BeaverTails", size: str = "330k") -> Dataset:
    """BeaverTails' answers as `messages` with a `label`; a public stand-in for the paper's 106,000 labelled answers.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Not used.
        dataset_name (`str`, *optional*): Another copy.
        size (`str`, *optional*, defaults to `"330k"`): `330k` or `30k`.
    """
    rows = load_split(DatasetSpec(dataset_name, split=f"{size}_{split}"), seed)

    def to_labelled_messages(row: dict) -> dict:
        messages = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["response"]}]
        return {"messages": messages, "label": SAFE if row["is_safe"] else UNSAFE}

    return rows.map(to_labelled_messages, remove_columns=rows.column_names)


def beavertails_prompts(
    split: str, seed: int, dataset_name: str = "PKU-Alignment/BeaverTails", size: str = "30k"
) -> Dataset:
    """The requests of BeaverTails that somebody answered unsafely, each once: column `prompt`.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Not used.
        dataset_name (`str`, *optional*): Another copy.
        size (`str`, *optional*, defaults to `"30k"`): `330k` or `30k`.
    """
    rows = load_split(DatasetSpec(dataset_name, split=f"{size}_{split}"), seed)
    prompts: dict[str, None] = {}  # in order, each once
    for row in rows:
        if not row["is_safe"]:
            prompts[row["prompt"]] = None
    return Dataset.from_dict({"prompt": list(prompts)})
