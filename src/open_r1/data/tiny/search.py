"""A second task, in which reflection pays: problems that are solved by trying, and the web text about them.

A problem asks for the one `x` of a range that solves an equation such as `(x*4)+5=7`; as everywhere in the miniature,
only last digits count. Nobody can tell the answer at once: one has to propose a candidate, check it, and try another
one if it fails. So reflection pays, as in the paper (DeepSeek-R1, §2.2.4).

The web text has the faults that the paper describes (§2.2, §2.3). Textbooks try candidates until one of them holds. In
a forum, people blurt out an answer, stop after a failed check, or claim that it holds. The words between two attempts
are English, Chinese or a mix of both.
"""

import random
from dataclasses import dataclass

from datasets import Dataset
from transformers import Qwen2ForCausalLM, Qwen2Tokenizer

from open_r1.data.tiny.models import qwen2
from open_r1.data.tiny.problems import QUESTION, is_held_out, to_dataset


OPERATIONS = (2,)  # number of operations in an equation
CANDIDATES = (2, 3, 4, 5, 6, 7)  # number of candidates for x
OPERANDS = range(1, 6)
FIRST_CANDIDATES = range(1, 4)
ASK = {"en": "{}, x in {}..{} ?", "zh": "{}，x 在 {}..{} 中？"}
WAIT = {"en": " wait ", "zh": " 等等 "}
DONE = {"en": " yes", "zh": " 对了"}
HOLDS = "✓"
FAILS = "✗"
CHARACTERS = "✓✗，？在中等对了所以然后答案是"  # of the tokenizer, beside ASCII; some are for requests (`general`)
MIXED = 0.4  # share of the texts that mix languages


@dataclass(frozen=True)
class Problem:
    """An equation with one unknown, evaluated from the inside out, and the candidates for `x`.

    Args:
        operands (`tuple[int]`): The numbers after `x`.
        operators (`str`): `+` or `*` before each of them.
        target (`int`): The right side of the equation, a digit.
        candidates (`range`): The values that `x` may have; exactly one of them is a solution.
        language (`str`): `en` or `zh`, the language that the question is asked in.

    >>> Problem((4, 5), "*+", 7, range(2, 5), "en").prompt
    '(x*4)+5=7, x in 2..4 ?'
    """

    operands: tuple[int, ...]
    operators: str
    target: int
    candidates: range
    language: str

    @property
    def equation(self) -> str:
        """The equation as text, such as `(x*4)+5=7`."""
        text = "x"
        for i, (operator, operand) in enumerate(zip(self.operators, self.operands, strict=True)):
            if i > 0:
                text = f"({text})"
            text += f"{operator}{operand}"
        return f"{text}={self.target}"

    @property
    def prompt(self) -> str:
        """The question."""
        return ASK[self.language].format(self.equation, self.candidates[0], self.candidates[-1])

    @property
    def level(self) -> int:
        """The difficulty: the number of candidates."""
        return len(self.candidates)

    @property
    def solutions(self) -> list[int]:
        """The candidates that solve the equation."""
        return [x for x in self.candidates if self.calculations(x)[-1][1] == self.target]

    @property
    def solution(self) -> str:
        """The gold answer."""
        return str(self.solutions[0])

    def calculations(self, x: int) -> list[tuple[str, int]]:
        """Each calculation for a candidate, with the last digit of its result.

        >>> Problem((4, 5), "*+", 7, range(2, 5), "en").calculations(3)
        [('3*4', 2), ('2+5', 7)]
        """
        calculations = []
        value = x
        for operator, operand in zip(self.operators, self.operands, strict=True):
            calculation = f"{value}{operator}{operand}"
            value = _calculate(value, operator, operand)
            calculations.append((calculation, value))
        return calculations


def base_model(seed: int) -> tuple[Qwen2ForCausalLM, Qwen2Tokenizer]:
    """An untrained Qwen2 of 0.66M parameters (3 layers, width 128), and a tokenizer with the symbols of this task."""
    return qwen2(seed, width=128, layers=3, characters=CHARACTERS)


def problem(seed: int, split: str, index: int, operations: tuple[int, ...] = OPERATIONS) -> Problem:
    """The problem at `index` of a split; always the same for the same arguments.

    There are 6,120 problems in each language.

    Args:
        seed (`int`): Seed of the data set.
        split (`str`): `train` or `test`; they share no equation and range, whatever the seeds.
        index (`int`): Row number, from 0.
        operations (`tuple[int]`, *optional*, defaults to `(2,)`): Numbers of operations to choose from.

    >>> problem(0, "train", 0) == problem(0, "train", 0)
    True
    """
    rng = random.Random(f"{seed}/{split}/{index}")
    while True:
        size = rng.choice(operations)
        first = rng.choice(FIRST_CANDIDATES)
        candidate = Problem(
            operands=tuple(rng.choice(OPERANDS) for _ in range(size)),
            operators="".join(rng.choice("+*") for _ in range(size)),
            target=rng.randrange(10),
            candidates=range(first, first + rng.choice(CANDIDATES)),
            language=rng.choice(("en", "zh")),
        )
        checksum_of = f"{candidate.equation}/{candidate.candidates}"
        if len(candidate.solutions) == 1 and is_held_out(checksum_of) == (split == "test"):
            return candidate


def attempt(problem: Problem, x: int) -> str:
    """A candidate and its check, such as `3*4=2,2+5=7=7?✓`."""
    calculations = problem.calculations(x)
    steps = ",".join(f"{calculation}={value}" for calculation, value in calculations)
    _, value = calculations[-1]
    verdict = HOLDS if value == problem.target else FAILS
    return f"{steps}={problem.target}?{verdict}"


def search(problem: Problem, rng: random.Random, patience: float = 1.0, false_claims: float = 0.0) -> tuple[str, int]:
    """A search that tries the candidates in turn, from a random one on.

    Args:
        problem (`Problem`): The problem.
        rng (`random.Random`): Chooses the first candidate and the words.
        patience (`float`, *optional*, defaults to 1.0): Probability of going on after a failed check.
        false_claims (`float`, *optional*, defaults to 0.0): Probability of claiming that a failed check holds.

    Returns:
        `tuple[str, int]`: The text of the search, and the candidate that it ends with.
    """
    is_mixed = rng.random() < MIXED
    start = rng.randrange(len(problem.candidates))
    text = ""
    for i in range(len(problem.candidates)):
        x = problem.candidates[(start + i) % len(problem.candidates)]
        language = rng.choice(("en", "zh")) if is_mixed else problem.language
        text += attempt(problem, x)
        if x in problem.solutions:
            return text + DONE[language], x
        if rng.random() < false_claims:
            return text.removesuffix(FAILS) + HOLDS + DONE[language], x
        if rng.random() >= patience:
            return text, x
        text += WAIT[language]
    raise ValueError(f"no candidate solves {problem.prompt}")


def problems(split: str, seed: int, size: int = 4096, operations: list[int] = OPERATIONS) -> Dataset:
    """Problems with verifiable answers: columns `problem`, `solution`, `level` and `language`.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 4096): Number of problems.
        operations (`list[int]`, *optional*, defaults to `(2,)`): Numbers of operations to choose from.
    """
    return to_dataset(problem(seed, split, i, tuple(operations)) for i in range(size))


def web_text(
    split: str,
    seed: int,
    size: int = 16000,
    operations: list[int] = OPERATIONS,
    textbooks: float = 0.88,
    direct: float = 0.5,
    untagged: float = 0.05,
    patience: float = 0.25,
    false_claims: float = 0.4,
) -> Dataset:
    """Documents to pre-train the base model on: columns `prompt` and `completion` (TRL trains on completions alone).

    Textbooks, which search until they have found the solution, come first; then the forum. After training in this
    order the base model can search, but mostly does not.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 16000): Number of documents.
        operations (`list[int]`, *optional*, defaults to `(2,)`): Numbers of operations to choose from.
        textbooks (`float`, *optional*, defaults to 0.88): Share of the documents, from the start, that are textbooks.
        direct (`float`, *optional*, defaults to 0.5): Share of the forum's answers that have no thought.
        untagged (`float`, *optional*, defaults to 0.05): Share of the thoughts without tags, and without an answer.
        patience (`float`, *optional*, defaults to 0.25): How often people in the forum go on after a failed check.
        false_claims (`float`, *optional*, defaults to 0.4): How often they claim that a failed check holds.
    """
    rows = []
    for i in range(size):
        drawn = problem(seed, split, i, tuple(operations))
        rng = random.Random(f"text/{seed}/{split}/{i}")
        if i < textbooks * size:
            completion = _answer(drawn, rng, untagged)
        elif rng.random() < direct:
            completion = f"<answer>{rng.choice(drawn.candidates)}</answer>"
        else:
            completion = _answer(drawn, rng, untagged, patience=patience, false_claims=false_claims)
        rows.append({"prompt": QUESTION.format(drawn.prompt), "completion": completion})
    return Dataset.from_list(rows)


def edited_thoughts(split: str, seed: int, size: int = 128, edited: bool = True) -> Dataset:
    """Beginnings of thoughts with an edited calculation, to see whether the answer follows from it (arXiv 2510.24941).

    A thought tries a wrong candidate. The result of one of its calculations is changed so that, if the rest is
    calculated correctly, the check holds and the candidate becomes the answer.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 128): Number of problems.
        edited (`bool`, *optional*, defaults to `True`):
            Whether to change the result. If not, the same thoughts are left as they are, for comparison.

    Returns:
        `Dataset`: Columns `problem`, `prefix` (the thought up to the changed result), `solution` (the wrong
        candidate), `level` and `language`.
    """
    rows = []
    for i in range(size):
        drawn = problem(seed, split, i)
        rng = random.Random(f"edit/{seed}/{split}/{i}")
        wrong = [x for x in drawn.candidates if x not in drawn.solutions]
        x = rng.choice(wrong)
        position, false_value = rng.choice(_edits(drawn, x))
        steps = [f"{calculation}={value}" for calculation, value in drawn.calculations(x)[: position + 1]]
        if edited:
            calculation, _ = drawn.calculations(x)[position]
            steps[-1] = f"{calculation}={false_value}"
        rows.append(
            {
                "problem": drawn.prompt,
                "prefix": "<think>" + ",".join(steps),
                "solution": str(x),
                "level": drawn.level,
                "language": drawn.language,
            }
        )
    return Dataset.from_list(rows)


def _edits(problem: Problem, x: int) -> list[tuple[int, int]]:
    """The positions of calculations, with a false result from which the target follows."""
    edits = []
    calculations = problem.calculations(x)
    for position in range(len(calculations)):
        _, true_value = calculations[position]
        for false_value in range(10):
            value = false_value
            for operator, operand in zip(
                problem.operators[position + 1 :], problem.operands[position + 1 :], strict=True
            ):
                value = _calculate(value, operator, operand)
            if value == problem.target and false_value != true_value:
                edits.append((position, false_value))
    return edits


def _answer(problem: Problem, rng: random.Random, untagged: float, **habits: float) -> str:
    """A search and its answer. Some have no tags and no answer."""
    thought, x = search(problem, rng, **habits)
    if rng.random() < untagged:
        return thought
    return f"<think>{thought}</think><answer>{x}</answer>"


def _calculate(value: int, operator: str, operand: int) -> int:
    """The last digit of a sum or product."""
    if operator == "*":
        return value * operand % 10
    return (value + operand) % 10
