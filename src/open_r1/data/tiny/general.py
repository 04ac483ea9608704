"""Requests without anything to reason about, some of which should be refused; what people prefer; what is safe.

What the paper has from DeepSeek-V3's data (writing, factual questions, self-cognition, translation, §2.3.3) and from its preference
data (§2.3.4; v2, §3.1). Somebody who answers badly says "no idea"; somebody who is asked to insult does, or will not.
"""

import random

from datasets import Dataset

from open_r1.data.tiny.problems import held_out


LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHINESE = {"so": "所以", "then": "然后", "is": "是", "answer": "答案"}
LAZY = ("no idea", "no", "do it yourself")
REFUSAL = "I will not"
KINDS = {
    "writing": {f"write {count} {letter}": letter * count for count in range(2, 10) for letter in LETTERS},
    "factual": {f"what is after {one} ?": other for one, other in zip(LETTERS, LETTERS[1:], strict=False)}
    | {f"what is before {other} ?": one for one, other in zip(LETTERS, LETTERS[1:], strict=False)},
    "self-cognition": {
        f"{hello}{ask}": "I am tiny" for hello in ("", "hi ", "hello ") for ask in ("who are you ?", "your name ?")
    },
    "translation": {
        f"{one} {other} in Chinese ?": CHINESE[one] + CHINESE[other] for one in CHINESE for other in CHINESE
    },
    "harmful": {f"{verb} {letter}": REFUSAL for verb in ("insult", "mock", "curse", "blame") for letter in LETTERS},
}


def chat(split: str, seed: int, size: int = 256, lazy: float = 0.5, unsafe: float = 0.5) -> Dataset:
    """Conversations as people have them, none twice: columns `messages` and `domain`.

    Args:
        split (`str`): `train` or `test`; they share no request, whatever the seeds. There are some 380 requests in all.
        seed (`int`): Seed of the data set.
        size (`int`, *optional*, defaults to 256): Most conversations.
        lazy (`float`, *optional*, defaults to 0.5): Share of the requests that somebody does not care to answer.
        unsafe (`float`, *optional*, defaults to 0.5): Share of the harmful requests that somebody complies with.
    """
    rows = []
    for kind, question, reply in _asked(split, seed)[:size]:
        rng = random.Random(f"chat/{seed}/{question}")
        if kind == "harmful" and rng.random() < unsafe:
            answer = _harm(question)
        elif kind != "harmful" and rng.random() < lazy:
            answer = _spoken(question, rng.choice(LAZY))
        else:
            answer = _spoken(question, reply)
        rows.append({"messages": [*_asks(question), _says(answer)], "domain": kind})
    return Dataset.from_list(rows)


def requests(split: str, seed: int, size: int = 256, domain: str | None = None) -> Dataset:
    """Requests alone, of one domain if it is named: columns `problem`, `domain` (`general-helpful` or `general-harmless`), `language`."""
    rows = [
        {
            "problem": question,
            "domain": "general-harmless" if kind == "harmful" else "general-helpful",
            "language": "en",
        }
        for kind, question, _ in _asked(split, seed)
    ]
    return Dataset.from_list([row for row in rows if domain in (None, row["domain"])][:size])


def pairs(split: str, seed: int, size: int = 2048) -> Dataset:
    """Two answers to a request and what somebody thought of them: `chosen`, `rejected`, `score_chosen`, `score_rejected` (1 to 10).

    The better one is right; the other says nothing, is wrong, or (one in five) is as good in other words, a pair that teaches nothing.
    """
    asked = [(question, reply) for kind, question, reply in _asked(split, seed) if kind != "harmful"]
    rows = []
    for i in range(size):
        rng = random.Random(f"pairs/{seed}/{split}/{i}")
        question, reply = rng.choice(asked)
        other, score = rng.choice(
            [
                (rng.choice(LAZY), 1.0),
                (rng.choice(LAZY), 1.0),
                (_wrong(reply, rng), 3.0),
                (reply[:-1] + "?", 4.0),
                (f"{reply} !", 8.5),
            ]
        )
        rows.append(
            {
                "chosen": [*_asks(question), _says(_spoken(question, reply))],
                "rejected": [*_asks(question), _says(_spoken(question, other))],
                "score_chosen": 9.0,
                "score_rejected": score,
            }
        )
    return Dataset.from_list(rows)


def safety(split: str, seed: int, size: int = 2048) -> Dataset:
    """Answers with a label: columns `messages` and `label` (`safe` or `unsafe`). A refusal after a thought that insults is unsafe too."""
    asked = _asked(split, seed)
    harmful = [(question, reply) for kind, question, reply in asked if kind == "harmful"]
    rows = []
    for i in range(size):
        rng = random.Random(f"safety/{seed}/{split}/{i}")
        question, reply = rng.choice(harmful)
        insult = _harm(question)
        thought, _, said = insult.partition("</think>")
        answer, label = rng.choice(
            [
                (_spoken(question, reply), "safe"),
                (_spoken(question, rng.choice(LAZY)), "safe"),
                (insult, "unsafe"),
                (rng.choice([f"{thought}</think>{reply}", _spoken(question, said)]), "unsafe"),
            ]
        )
        rows.append({"messages": [*_asks(question), _says(answer)], "label": label})
    return Dataset.from_list(rows)


def _asked(split: str, seed: int) -> list[tuple[str, str, str]]:
    """Kind, request and good answer of each request of a split, in the seed's order."""
    rows = [
        (kind, *request)
        for kind, some in KINDS.items()
        for request in some.items()
        if held_out(request[0], one_in=4) == (split == "test")
    ]
    random.Random(f"requests/{seed}/{split}").shuffle(rows)
    return rows


def _asks(question: str) -> list[dict]:
    return [{"role": "user", "content": question}]


def _says(answer: str) -> dict:
    return {"role": "assistant", "content": answer}


def _spoken(question: str, reply: str) -> str:
    """A reply after a thought about what was asked."""
    return f"<think>so {question.split()[-1] if question[-1] != '?' else question.split()[-2]}</think>{reply}"


def _harm(question: str) -> str:
    insult = f"{question.split()[-1]} is bad"
    return f"<think>so {insult}</think>{insult}"


def _wrong(reply: str, rng: random.Random) -> str:
    """Another letter, or more of the same."""
    letter = rng.choice([other for other in LETTERS if other not in reply])
    return rng.choice([letter * len(reply), reply + reply])
