"""Problems with one right answer, and the web text in which people solve them.

The web text has the faults that the paper describes (DeepSeek-R1, §2.2 and §2.3): most documents give the answer at
once; some reason, with or without tags; some make a slip, say "wait" and repair it; and the connective words are
English, Chinese or a mix of both, in whatever language the question is.
"""

import random
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from datasets import Dataset


CONNECTIVES = {"en": (" so ", " then "), "zh": ("，所以", "，然后")}
WAIT = {"en": " wait ", "zh": "，等等，"}
QUESTION = "Q: {}\nA: "  # the same as recipes/prompts/tiny.jinja
LEVELS = (3, 4)
ASK = {"en": " = ?", "zh": " 等于几？"}


@dataclass(frozen=True)
class Problem:
    """A nested chain, `digits[0]` op `digits[1]` op …, evaluated from the inside out.

    Args:
        digits (`tuple[int]`): The operands, 1 to 9; their number is the level of difficulty.
        operators (`str`): `+` or `*` between each two operands.
        language (`str`): `en` or `zh`, the language that the question is asked in.

    >>> Problem((3, 7, 5), "*+", "en").prompt
    '(3*7)+5 = ?'
    """

    digits: tuple[int, ...]
    operators: str
    language: str

    @property
    def expression(self) -> str:
        """The chain as text, such as `((3*7)+5)*2`."""
        text = str(self.digits[0])
        for i, (operator, digit) in enumerate(zip(self.operators, self.digits[1:], strict=True)):
            if i > 0:
                text = f"({text})"
            text += f"{operator}{digit}"
        return text

    @property
    def level(self) -> int:
        """The difficulty: the number of operands."""
        return len(self.digits)

    @property
    def prompt(self) -> str:
        """The question."""
        return self.expression + ASK[self.language]

    @property
    def steps(self) -> list[tuple[str, int]]:
        """Each step with the last digit of its result.

        >>> Problem((3, 7, 5), "*+", "en").steps
        [('3*7', 1), ('1+5', 6)]
        """
        steps = []
        value = self.digits[0]
        for operator, digit in zip(self.operators, self.digits[1:], strict=True):
            expression = f"{value}{operator}{digit}"
            if operator == "*":
                value = value * digit % 10
            else:
                value = (value + digit) % 10
            steps.append((expression, value))
        return steps

    @property
    def solution(self) -> str:
        """The gold answer, one digit."""
        _, value = self.steps[-1]
        return str(value)


def problem(seed: int, split: str, index: int, levels: tuple[int, ...] = LEVELS) -> Problem:
    """The problem at `index` of a split; always the same for the same arguments.

    Args:
        seed (`int`): Seed of the data set.
        split (`str`): `train` or `test`; they share no expression, whatever the seeds.
        index (`int`): Row number, from 0.
        levels (`tuple[int]`, *optional*, defaults to `(3, 4)`): Numbers of operands to choose from.

    >>> problem(0, "train", 0) == problem(0, "train", 0)
    True
    """
    rng = random.Random(f"{seed}/{split}/{index}")
    while True:
        size = rng.choice(levels)
        digits = tuple(rng.randint(1, 9) for _ in range(size))
        operators = "".join(rng.choice("+*") for _ in range(size - 1))
        candidate = Problem(digits, operators, language=rng.choice(("en", "zh")))
        if is_held_out(candidate.expression) == (split == "test"):
            return candidate


def is_held_out(text: str, one_in: int = 8) -> bool:
    """Whether a problem or request belongs to `test`; its checksum says so for one in `one_in`."""
    return zlib.crc32(text.encode()) % one_in == 0


def trace(problem: Problem, rng: random.Random, slip: bool) -> str:
    """A step-by-step solution in English, Chinese or both.

    Args:
        problem (`Problem`): The problem.
        rng (`random.Random`): Chooses the words.
        slip (`bool`): Whether one step goes wrong and is repaired.
    """
    is_mixed = rng.random() < 0.5
    language = rng.choice(("en", "zh"))
    slip_at = None
    if slip:
        slip_at = rng.randrange(len(problem.steps))
    text = ""
    for i, (expression, value) in enumerate(problem.steps):
        if is_mixed:
            language = rng.choice(("en", "zh"))
        if i > 0:
            text += rng.choice(CONNECTIVES[language])
        if i == slip_at:
            wrong_value = (value + rng.randint(1, 9)) % 10
            text += f"{expression}={wrong_value}{WAIT[language]}"
        text += f"{expression}={value}"
    return text


def answer(problem: Problem, rng: random.Random, direct: float, untagged: float, slips: float) -> str:
    """What somebody on the web answers to a problem; the shares are those of `web_text`."""
    final = f"<answer>{problem.solution}</answer>"
    kind = rng.random()
    if kind < direct:
        return final
    thought = trace(problem, rng, slip=rng.random() < slips)
    if kind < direct + untagged:
        return thought
    return f"<think>{thought}</think>{final}"


def problems(split: str, seed: int, size: int = 4096, levels: list[int] = LEVELS) -> Dataset:
    """Problems with verifiable answers: columns `problem`, `solution`, `level` and `language`.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 4096): Number of problems.
        levels (`list[int]`, *optional*, defaults to `(3, 4)`): Numbers of operands to choose from.
    """
    return to_dataset(problem(seed, split, i, tuple(levels)) for i in range(size))


def to_dataset(problems: Iterable) -> Dataset:
    """The rows of problems: columns `problem`, `solution`, `level` and `language`.

    Args:
        problems (`Iterable`): Problems of a task, with the attributes `prompt`, `solution`, `level` and `language`.
    """
    rows = []
    for drawn in problems:
        rows.append(
            {
                "problem": drawn.prompt,
                "solution": drawn.solution,
                "level": drawn.level,
                "language": drawn.language,
            }
        )
    return Dataset.from_list(rows)


def web_text(
    split: str,
    seed: int,
    size: int = 9600,
    levels: list[int] = LEVELS,
    textbooks: float = 0.8,
    direct: float = 0.75,
    untagged: float = 0.05,
    slips: float = 0.1,
) -> Dataset:
    """Documents to pre-train the base model on: columns `prompt` and `completion` (TRL trains on completions alone).

    Textbooks, which reason every time, come first; then the forum, where most people answer without any reasoning.
    After training in this order the base model can think, but mostly does not.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 9600): Number of documents.
        levels (`list[int]`, *optional*): Numbers of operands.
        textbooks (`float`, *optional*, defaults to 0.8): Share of the documents, from the start, that are textbooks.
        direct (`float`, *optional*, defaults to 0.75): Share of the forum's answers that have no reasoning.
        untagged (`float`, *optional*, defaults to 0.05): Share of answers that reason without tags.
        slips (`float`, *optional*, defaults to 0.1): Share of the traces in which a slip is noticed and repaired.
    """
    rows = []
    for i in range(size):
        drawn = problem(seed, split, i, tuple(levels))
        rng = random.Random(f"text/{seed}/{split}/{i}")
        is_textbook = i < textbooks * size
        completion = answer(drawn, rng, 0.0 if is_textbook else direct, untagged, slips)
        rows.append({"prompt": QUESTION.format(drawn.prompt), "completion": completion})
    return Dataset.from_list(rows)
