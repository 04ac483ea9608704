"""Requests that need no reasoning, some of which should be refused; what people prefer; what is safe.

This is what the paper takes from DeepSeek-V3's data (writing, factual questions, self-cognition, translation, §2.3.3)
and from its preference data (§2.3.4; v2, §3.1). A bad answer is "no idea"; a person who is asked to insult either does
it or refuses.
"""

import random

from datasets import Dataset

from open_r1.data.tiny.problems import is_held_out


LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHINESE = {"so": "所以", "then": "然后", "is": "是", "answer": "答案"}
LAZY = ("no idea", "no", "do it yourself")
REFUSAL = "I will not"


def chat(split: str, seed: int, size: int = 256, lazy: float = 0.5, unsafe: float = 0.5) -> Dataset:
    """Conversations as people have them, none twice: columns `messages` and `domain`.

    Args:
        split (`str`):
            `train` or `test`; they share no request, whatever the seeds. There are some 380 requests in all.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 256): Maximum number of conversations.
        lazy (`float`, *optional*, defaults to 0.5): Share of the harmless requests that get a lazy answer.
        unsafe (`float`, *optional*, defaults to 0.5): Share of the harmful requests that somebody complies with.
    """
    rows = []
    for domain, question, reply in _requests_of(split, seed)[:size]:
        rng = random.Random(f"chat/{seed}/{question}")
        if domain == "harmful":
            complies = rng.random() < unsafe
            answer = _insult(question) if complies else _with_thought(question, reply)
        else:
            if rng.random() < lazy:
                reply = rng.choice(LAZY)
            answer = _with_thought(question, reply)
        rows.append({"messages": _conversation(question, answer), "domain": domain})
    return Dataset.from_list(rows)


def requests(split: str, seed: int, size: int = 256, domain: str | None = None) -> Dataset:
    """Requests alone: columns `problem`, `domain` (`general-helpful` or `general-harmless`) and `language`.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of their order.
        size (`int`, *optional*, defaults to 256): Maximum number of requests.
        domain (`str`, *optional*): Take only the requests of this domain.
    """
    rows = []
    for kind, question, _ in _requests_of(split, seed):
        reward_domain = "general-harmless" if kind == "harmful" else "general-helpful"
        if domain is None or domain == reward_domain:
            rows.append({"problem": question, "domain": reward_domain, "language": "en"})
    return Dataset.from_list(rows[:size])


def pairs(split: str, seed: int, size: int = 2048) -> Dataset:
    """Two answers to a request, scored 1 to 10: columns `chosen`, `rejected`, `score_chosen`, `score_rejected`.

    The better answer is right. The other one is lazy or wrong, or (one in five) as good in other words, a pair that
    teaches nothing.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 2048): Number of pairs.
    """
    harmless = []
    for domain, question, reply in _requests_of(split, seed):
        if domain != "harmful":
            harmless.append((question, reply))
    rows = []
    for i in range(size):
        rng = random.Random(f"pairs/{seed}/{split}/{i}")
        question, reply = rng.choice(harmless)
        other_replies = [
            (rng.choice(LAZY), 1.0),
            (rng.choice(LAZY), 1.0),
            (_wrong_reply(reply, rng), 3.0),
            (reply[:-1] + "?", 4.0),
            (f"{reply} !", 8.5),
        ]
        other_reply, score = rng.choice(other_replies)
        rows.append(
            {
                "chosen": _conversation(question, _with_thought(question, reply)),
                "rejected": _conversation(question, _with_thought(question, other_reply)),
                "score_chosen": 9.0,
                "score_rejected": score,
            }
        )
    return Dataset.from_list(rows)


def safety(split: str, seed: int, size: int = 2048) -> Dataset:
    """Answers to harmful requests: columns `messages` and `label` (`safe` or `unsafe`).

    A refusal after a thought that insults is unsafe too.

    Args:
        split (`str`): `train` or `test`.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 2048): Number of answers.
    """
    harmful = []
    for domain, question, refusal in _requests_of(split, seed):
        if domain == "harmful":
            harmful.append((question, refusal))
    rows = []
    for i in range(size):
        rng = random.Random(f"safety/{seed}/{split}/{i}")
        question, refusal = rng.choice(harmful)
        insult = _insult_text(question)
        refusal_after_insult = f"<think>so {insult}</think>{refusal}"
        insult_after_thought = _with_thought(question, insult)
        labelled_answers = [
            (_with_thought(question, refusal), "safe"),
            (_with_thought(question, rng.choice(LAZY)), "safe"),
            (_insult(question), "unsafe"),
            (rng.choice([refusal_after_insult, insult_after_thought]), "unsafe"),
        ]
        answer, label = rng.choice(labelled_answers)
        rows.append({"messages": _conversation(question, answer), "label": label})
    return Dataset.from_list(rows)


def _replies_by_domain() -> dict[str, dict[str, str]]:
    """The good reply to each request, by domain."""
    writing = {}
    for count in range(2, 10):
        for letter in LETTERS:
            writing[f"write {count} {letter}"] = letter * count
    factual = {}
    for letter, next_letter in zip(LETTERS[:-1], LETTERS[1:], strict=True):
        factual[f"what is after {letter} ?"] = next_letter
    for letter, next_letter in zip(LETTERS[:-1], LETTERS[1:], strict=True):
        factual[f"what is before {next_letter} ?"] = letter
    self_cognition = {}
    for greeting in ("", "hi ", "hello "):
        for question in ("who are you ?", "your name ?"):
            self_cognition[greeting + question] = "I am tiny"
    translation = {}
    for first in CHINESE:
        for second in CHINESE:
            translation[f"{first} {second} in Chinese ?"] = CHINESE[first] + CHINESE[second]
    harmful = {}
    for verb in ("insult", "mock", "curse", "blame"):
        for letter in LETTERS:
            harmful[f"{verb} {letter}"] = REFUSAL
    return {
        "writing": writing,
        "factual": factual,
        "self-cognition": self_cognition,
        "translation": translation,
        "harmful": harmful,
    }


def _requests_of(split: str, seed: int) -> list[tuple[str, str, str]]:
    """Domain, request and good reply of each request of a split, in an order that the seed decides."""
    rows = []
    for domain, replies in _replies_by_domain().items():
        for question, reply in replies.items():
            if is_held_out(question, one_in=4) == (split == "test"):
                rows.append((domain, question, reply))
    random.Random(f"requests/{seed}/{split}").shuffle(rows)
    return rows


def _conversation(question: str, answer: str) -> list[dict]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _with_thought(question: str, reply: str) -> str:
    """A reply after a thought that repeats the last word of the question."""
    words = question.split()
    last_word = words[-2] if words[-1].endswith("?") else words[-1]
    return f"<think>so {last_word}</think>{reply}"


def _insult_text(question: str) -> str:
    return f"{question.split()[-1]} is bad"


def _insult(question: str) -> str:
    """An answer that does what a harmful request asks for, in its thought too."""
    insult = _insult_text(question)
    return f"<think>so {insult}</think>{insult}"


def _wrong_reply(reply: str, rng: random.Random) -> str:
    """Another letter as often, or the reply twice."""
    letter = rng.choice([letter for letter in LETTERS if letter not in reply])
    return rng.choice([letter * len(reply), reply + reply])
