"""Problems with one right answer, and the web text in which people solve them.

The web text has the faults the paper tells of (DeepSeek-R1, §2.2 and §2.3): most documents blurt out the answer; some reason, with or
without tags; some slip, say "wait" and repair; and the connective words are English, Chinese or a mix of both, whatever the language
of the question.
"""

import random
import zlib
from dataclasses import dataclass

from datasets import Dataset


CONNECTIVES = {"en": (" so ", " then "), "zh": ("，所以", "，然后")}
WAIT = {"en": " wait ", "zh": "，等等，"}
QUESTION = "Q: {}\nA: "  # recipes/prompts/tiny.jinja says the same
LEVELS = (3, 4)
ASK = {"en": " = ?", "zh": " 等于几？"}


@dataclass(frozen=True)
class Problem:
    """A nested chain: `digits[0]` op `digits[1]` op …, evaluated from the inside out.

    Args:
        digits (`tuple[int]`): The operands, 1 to 9; their number is the level of difficulty.
        operators (`str`): One of `+*` between each two operands.
        language (`str`): `en` or `zh`, the language the question is asked in.
    """

    digits: tuple[int, ...]
    operators: str
    language: str

    @property
    def expression(self) -> str:
        """The chain as text, such as `((3*7)+5)*2`."""
        text = str(self.digits[0])
        for i, (operator, digit) in enumerate(zip(self.operators, self.digits[1:], strict=True)):
            text = f"({text}){operator}{digit}" if i else f"{text}{operator}{digit}"
        return text

    @property
    def prompt(self) -> str:
        return self.expression + ASK[self.language]

    @property
    def steps(self) -> list[tuple[str, int]]:
        """Each step as (`3*7`, last digit of the result)."""
        steps, value = [], self.digits[0]
        for operator, digit in zip(self.operators, self.digits[1:], strict=True):
            left, value = f"{value}{operator}{digit}", (value * digit if operator == "*" else value + digit) % 10
            steps.append((left, value))
        return steps

    @property
    def solution(self) -> str:
        """The gold answer, one digit."""
        return str(self.steps[-1][1])


def problem(seed: int, split: str, index: int, levels: tuple[int, ...] = LEVELS) -> Problem:
    """The problem at `index` of a split: always the same for the same arguments.

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
        drawn = Problem(digits, "".join(rng.choice("+*") for _ in range(size - 1)), rng.choice(("en", "zh")))
        if held_out(drawn.expression) == (split == "test"):
            return drawn


def held_out(text: str, one_in: int = 8) -> bool:
    """Whether a problem or request belongs to `test`: one in so many does, by its checksum."""
    return zlib.crc32(text.encode()) % one_in == 0


def trace(problem: Problem, rng: random.Random, slip: bool) -> str:
    """A step-by-step solution in English, Chinese or both; with `slip`, one step goes wrong and is repaired."""
    mixed, language = rng.random() < 0.5, rng.choice(("en", "zh"))
    slip_at = rng.randrange(len(problem.steps)) if slip else -1
    text = ""
    for i, (left, value) in enumerate(problem.steps):
        language = rng.choice(("en", "zh")) if mixed else language
        text += rng.choice(CONNECTIVES[language]) if i else ""
        if i == slip_at:
            text += f"{left}={(value + rng.randint(1, 9)) % 10}{WAIT[language]}"
        text += f"{left}={value}"
    return text


def answer(problem: Problem, rng: random.Random, direct: float, untagged: float, slips: float) -> str:
    """What somebody on the web answers to a problem; the shares are those of `web_text`."""
    kind, final = rng.random(), f"<answer>{problem.solution}</answer>"
    if kind < direct:
        return final
    thought = trace(problem, rng, slip=rng.random() < slips)
    return thought if kind < direct + untagged else f"<think>{thought}</think>{final}"


def problems(split: str, seed: int, size: int = 4096, levels: list[int] = LEVELS) -> Dataset:
    """Problems with verifiable answers: columns `problem`, `solution`, `level` and `language`."""
    rows = (problem(seed, split, i, tuple(levels)) for i in range(size))
    return Dataset.from_list(
        [{"problem": p.prompt, "solution": p.solution, "level": len(p.digits), "language": p.language} for p in rows]
    )


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
    """Documents to pre-train the base model on: columns `prompt` and `completion` (TRL trains on the completion alone).

    Textbooks, which reason every time, come first; then the forum, where most people blurt out an answer. Read in this order
    the base model can think, but mostly does not.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 9600): Number of documents.
        levels (`list[int]`, *optional*): Numbers of operands.
        textbooks (`float`, *optional*, defaults to 0.8): Share of the documents, from the start, that are textbooks.
        direct (`float`, *optional*, defaults to 0.75): Share of the forum's answers that come without any reasoning.
        untagged (`float`, *optional*, defaults to 0.05): Share of answers that reason without tags.
        slips (`float`, *optional*, defaults to 0.1): Share of the traces in which a slip is noticed and repaired.
    """
    rows = []
    for i in range(size):
        drawn, rng = problem(seed, split, i, tuple(levels)), random.Random(f"text/{seed}/{split}/{i}")
        blurted = direct if i >= textbooks * size else 0.0
        rows.append(
            {"prompt": QUESTION.format(drawn.prompt), "completion": answer(drawn, rng, blurted, untagged, slips)}
        )
    return Dataset.from_list(rows)
