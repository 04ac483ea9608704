"""The embedded task: everything a miniature R1 needs, made from a seed, nothing downloaded.

The task is the last digit of a nested chain such as `((3*7)+5)*2`. Answering at once is hard for a small model, step by step
is easy, so thinking pays, as in the paper. All intermediate results are last digits too: `3*7=1 so 1+5=6 so 6*2=2`.

The base model is pre-trained on "web text" that has the faults the paper tells of (DeepSeek-R1, §2.2 and §2.3): most documents
blurt out the answer; some reason, with or without tags; some slip, say "wait" and repair; and the connective words are
English, Chinese or a mix of both, whatever the language of the question. What it simplifies: one task, one token per
character (the four tags are one token each), 0.66M parameters.

A row is a pure function of (seed, split, index). A problem belongs to the held-out split if its checksum says so, whatever
the seed, so no problem of `test` can ever occur in `train`.

Used by recipes as `dataset_name: open_r1.data.tiny:problems` and `model_name_or_path: open_r1.data.tiny:base_model`.
"""

import random
import zlib
from dataclasses import dataclass

from datasets import Dataset
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer, set_seed
from transformers.convert_slow_tokenizer import bytes_to_unicode


HELD_OUT = 8  # one problem in so many is held out
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
CHINESE = "等于几？，所以然后对重新算一遍答案是"
CONNECTIVES = {"en": (" so ", " then "), "zh": ("，所以", "，然后")}
WAIT = {"en": " wait ", "zh": "，等等，"}
WORDS = {"so": "所以", "then": "然后", "is": "是", "answer": "答案"}
QUESTION = "Q: {}\nA: "  # recipes/chat_templates/tiny.jinja says the same
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
        if (zlib.crc32(drawn.expression.encode()) % HELD_OUT == 0) == (split == "test"):
            return drawn


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


def chat(split: str, seed: int, size: int = 256) -> Dataset:
    """Requests without anything to reason about, in the paper's four kinds (§2.3.3): columns `messages` and `domain`, none twice.

    There are some 500; a request is held out if its checksum says so.
    """
    letters, pairs = "abcdefghijklmnopqrstuvwxyz", [(one, other) for one in WORDS for other in WORDS]
    kinds = {
        "writing": [(f"write {count} {letter}", letter * count) for count in range(2, 10) for letter in letters],
        "factual": [(f"what is after {one} ?", other) for one, other in zip(letters, letters[1:], strict=False)]
        + [(f"what is before {other} ?", one) for one, other in zip(letters, letters[1:], strict=False)],
        "self-cognition": [
            (f"{hello}{ask}", "I am tiny") for hello in ("", "hi ", "hello ") for ask in ("who are you ?", "your name ?")
        ],
        "translation": [(f"{one} {other} in Chinese ?", WORDS[one] + WORDS[other]) for one, other in pairs],
    }
    rows = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": reply}], "domain": domain}
        for domain, requests in kinds.items()
        for question, reply in requests
        if (zlib.crc32(question.encode()) % HELD_OUT == 0) == (split == "test")
    ]
    random.Random(f"chat/{seed}/{split}").shuffle(rows)
    return Dataset.from_list(rows[:size])


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
        rows.append({"prompt": QUESTION.format(drawn.prompt), "completion": answer(drawn, rng, blurted, untagged, slips)})
    return Dataset.from_list(rows)


def tokenizer() -> Qwen2Tokenizer:
    """One token per character: printable ASCII, newline and the Chinese characters used; the tags are one token each.

    A byte-level BPE like any Qwen2's, so that whatever loads a Qwen2 (vLLM, for one) loads this: its merges only put the bytes of
    a Chinese character together.
    """
    symbols = bytes_to_unicode()
    characters = [symbols[i] for i in [*range(32, 127), 10]]
    vocab = {token: i for i, token in enumerate(["<pad>", "<eos>", "<unk>", *TAGS, *characters])}
    merges = []
    for character in sorted(set(CHINESE)):
        first, *rest = (symbols[byte] for byte in character.encode())
        for symbol in rest:
            merges.append((first, symbol))
            first += symbol
    for token in [part for pair in merges for part in (*pair, "".join(pair))]:
        vocab.setdefault(token, len(vocab))
    words = Qwen2Tokenizer(
        vocab, list(dict.fromkeys(merges)), unk_token="<unk>", eos_token="<eos>", pad_token="<pad>", padding_side="left"
    )
    words.add_tokens(TAGS)
    return words


def base_model(seed: int) -> tuple[Qwen2ForCausalLM, Qwen2Tokenizer]:
    """An untrained Qwen2 of 0.66M parameters (3 layers, width 128) and its tokenizer."""
    words = tokenizer()
    set_seed(seed)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(words),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=256,
            initializer_range=0.09,  # 128 ** -0.5; with Qwen2's 0.02 so narrow a model learns three times slower
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = words.eos_token_id, words.pad_token_id
    return model, words
