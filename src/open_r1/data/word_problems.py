"""Word problems for a small pre-trained model: a story in which a number of things changes, made from a seed.

The level of a problem is the number of steps that its solution takes. A model of 135M parameters gets most problems of
two steps wrong when it writes the whole calculation at once, and most of them right step by step: thinking pays.

- `problems`: questions with gold answers, for reinforcement learning and evaluation.
- `thoughts`: conversations in which the assistant thinks and then answers, for the cold start (DeepSeek-R1, §2.3.1).

A row is a pure function of seed, split and index. The checksum of a problem's expression decides whether it belongs to
`test`, whatever the seed and the story around it, so no calculation of `test` ever occurs in `train`.

Used by recipes as `dataset_name: open_r1.data.word_problems:problems`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from datasets import Dataset

from open_r1.data.tiny.problems import is_held_out
from open_r1.utils.errors import RecipeError


LEVELS = (2, 3)
LARGEST_NUMBER = 20
LARGEST_RESULT = 99
LARGEST_FACTOR = 9
PEOPLE = {
    "Tom": "he",
    "Ben": "he",
    "Max": "he",
    "Leo": "he",
    "Mia": "she",
    "Anna": "she",
    "Lucy": "she",
    "Kate": "she",
}
THINGS = ("apples", "books", "cards", "coins", "eggs", "pens", "shells", "stamps")
CONTAINERS = ("bags", "boxes", "jars", "baskets")
GAINS = ("buys {} more", "finds {} more", "gets {} more", "wins {} more")
LOSSES = ("gives away {}", "loses {}", "throws away {}", "drops {}")


@dataclass(frozen=True)
class Step:
    """A step of a story: an operation with a number, and the words for it.

    Args:
        operator (`str`): `+`, `-` or `*`.
        number (`int`): The right operand.
        words (`str`):
            What happens, such as `buys 8 more`; for `*`, the containers, each of which holds `number` things.
    """

    operator: str
    number: int
    words: str


@dataclass(frozen=True)
class WordProblem:
    """A story: somebody has a number of things, and the number changes step by step.

    Args:
        person (`str`): Who has them, one of `PEOPLE`.
        thing (`str`): What they are, in the plural.
        start (`int`): The first number: how many things there are, or how many containers.
        steps (`tuple[Step]`): What happens; only the first step may be a multiplication.

    >>> story = WordProblem("Tom", "apples", 14, (Step("+", 8, "buys 8 more"), Step("-", 5, "gives away 5")))
    >>> story.question
    'Tom has 14 apples. He buys 8 more. He gives away 5. How many apples does he have now?'
    >>> story.thought
    'He buys 8 more: 14+8=22. He gives away 5: 22-5=17.'
    >>> story.shortcut
    'Tom has 14+8-5=17 apples.'
    """

    person: str
    thing: str
    start: int
    steps: tuple[Step, ...]

    @property
    def expression(self) -> str:
        """The calculation, from left to right, such as `14+8-5`."""
        return str(self.start) + "".join(f"{step.operator}{step.number}" for step in self.steps)

    @property
    def results(self) -> list[int]:
        """The number of things after each step."""
        results = []
        value = self.start
        for step in self.steps:
            value = _apply(step.operator, value, step.number)
            results.append(value)
        return results

    @property
    def solution(self) -> str:
        """The gold answer, a number."""
        return str(self.results[-1])

    @property
    def question(self) -> str:
        """The story and what it asks."""
        sentences = [f"{self._beginning}."]
        for step in self._changes:
            sentences.append(f"{self._pronoun} {step.words}.")
        sentences.append(f"How many {self.thing} does {self._pronoun.lower()} have now?")
        return " ".join(sentences)

    @property
    def thought(self) -> str:
        """The solution step by step, each step with its calculation."""
        value = self.start
        sentences = []
        for step, result in zip(self.steps, self.results, strict=True):
            words = f"{self._pronoun} {step.words}"
            if step.operator == "*":
                words = self._beginning
            sentences.append(f"{words}: {value}{step.operator}{step.number}={result}.")
            value = result
        return " ".join(sentences)

    @property
    def shortcut(self) -> str:
        """The whole calculation at once, which a small model often gets wrong."""
        return f"{self.person} has {self.expression}={self.solution} {self.thing}."

    @property
    def _pronoun(self) -> str:
        return PEOPLE[self.person].capitalize()

    @property
    def _beginning(self) -> str:
        """How many things there are at first, in words."""
        first = self.steps[0]
        if first.operator == "*":
            return f"{self.person} has {self.start} {first.words} with {first.number} {self.thing} each"
        return f"{self.person} has {self.start} {self.thing}"

    @property
    def _changes(self) -> tuple[Step, ...]:
        """The steps that are told after the beginning."""
        if self.steps[0].operator == "*":
            return self.steps[1:]
        return self.steps


def word_problem(
    seed: int, split: str, index: int, levels: tuple[int, ...] = LEVELS, largest: int = LARGEST_NUMBER
) -> WordProblem:
    """The problem at `index` of a split; always the same for the same arguments.

    Args:
        seed (`int`): Seed of the data set.
        split (`str`): `train` or `test`; they share no expression, whatever the seeds.
        index (`int`): Row number, from 0.
        levels (`tuple[int]`, *optional*, defaults to `(2, 3)`): Numbers of steps to choose from.
        largest (`int`, *optional*, defaults to 20): Largest number in a story; results are at most 99.

    >>> word_problem(0, "train", 0) == word_problem(0, "train", 0)
    True
    """
    rng = random.Random(f"word problem/{seed}/{split}/{index}")
    while True:
        drawn = _draw(rng, rng.choice(levels), largest)
        if is_held_out(drawn.expression) == (split == "test"):
            return drawn


def problems(
    split: str, seed: int, size: int = 4096, levels: Sequence[int] = LEVELS, largest: int = LARGEST_NUMBER
) -> Dataset:
    """Word problems with verifiable answers: columns `problem`, `solution`, `level` and `language`.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 4096): Number of problems.
        levels (`Sequence[int]`, *optional*, defaults to `(2, 3)`): Numbers of steps to choose from.
        largest (`int`, *optional*, defaults to 20): Largest number in a story; results are at most 99.

    Raises:
        RecipeError: If the split, the size, the levels or the largest number cannot be used.
    """
    rows = []
    for drawn in _draw_all(split, seed, size, levels, largest):
        rows.append(
            {
                "problem": drawn.question,
                "solution": drawn.solution,
                "level": len(drawn.steps),
                "language": "en",
            }
        )
    return Dataset.from_list(rows)


def thoughts(
    split: str,
    seed: int,
    size: int = 320,
    levels: Sequence[int] = LEVELS,
    largest: int = LARGEST_NUMBER,
    shortcuts: float = 0.0,
) -> Dataset:
    """Solved word problems as conversations, for the cold start: columns `messages` and `level`.

    Takes the arguments of [`problems`], of which these are the solutions; 320 by default.

    Args:
        shortcuts (`float`, *optional*, defaults to 0):
            Share of thoughts that write the whole calculation at once, from 0 to 1. A model that is fine-tuned on both
            kinds chooses between them, and reinforcement learning finds out which one leads to right answers.
    """
    if not isinstance(shortcuts, int | float) or not 0 <= shortcuts <= 1:
        raise RecipeError(f"dataset_params: shortcuts: found {shortcuts!r}; expected a share from 0 to 1.")
    rng = random.Random(f"shortcuts/{seed}/{split}")
    rows = []
    for drawn in _draw_all(split, seed, size, levels, largest):
        thought = drawn.thought
        if rng.random() < shortcuts:
            thought = drawn.shortcut
        answer = f"<think>{thought}</think><answer>{drawn.solution}</answer>"
        messages = [{"role": "user", "content": drawn.question}, {"role": "assistant", "content": answer}]
        rows.append({"messages": messages, "level": len(drawn.steps)})
    return Dataset.from_list(rows)


def _draw_all(split: str, seed: int, size: int, levels: Sequence[int], largest: int) -> list[WordProblem]:
    """The first problems of a split; stops at an argument that cannot be used."""
    if split not in ("train", "test"):
        raise RecipeError(f"dataset_split: found {split!r}; word problems have the splits train and test.")
    if type(size) is not int or size < 1:
        raise RecipeError(f"dataset_params: size: found {size!r}; expected a whole number, at least 1.")
    if not _are_levels(levels):
        raise RecipeError(
            f"dataset_params: levels: found {levels!r}; expected a list of numbers of steps, such as [1, 2]."
        )
    if type(largest) is not int or not LARGEST_FACTOR < largest < LARGEST_RESULT:
        raise RecipeError(
            f"dataset_params: largest: found {largest!r}; expected a whole number from {LARGEST_FACTOR + 1} to "
            f"{LARGEST_RESULT - 1}."
        )
    return [word_problem(seed, split, index, tuple(levels), largest) for index in range(size)]


def _are_levels(levels: object) -> bool:
    """Whether this is a list of numbers of steps."""
    if not isinstance(levels, list | tuple) or not levels:
        return False
    return all(type(level) is int and level >= 1 for level in levels)


def _draw(rng: random.Random, level: int, largest: int) -> WordProblem:
    """A story of so many steps, in which the number of things stays between 1 and `LARGEST_RESULT`."""
    start = rng.randint(2, largest)
    steps = []
    value = start
    if rng.random() < 0.25:
        start = rng.randint(2, LARGEST_FACTOR)
        factor = rng.randint(2, LARGEST_FACTOR)
        steps.append(Step("*", factor, rng.choice(CONTAINERS)))
        value = start * factor
    while len(steps) < level:
        number = rng.randint(2, largest)
        operator = rng.choice("+-")
        result = _apply(operator, value, number)
        if 1 <= result <= LARGEST_RESULT:
            words = rng.choice(GAINS if operator == "+" else LOSSES).format(number)
            steps.append(Step(operator, number, words))
            value = result
    return WordProblem(rng.choice(tuple(PEOPLE)), rng.choice(THINGS), start, tuple(steps))


def _apply(operator: str, left: int, right: int) -> int:
    """The result of one step."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    return left * right
