"""Speed of our accuracy reward and TRL's on GRPO-sized batches, and of the language-consistency reward.

A batch has 64 prompts × 16 completions of about 1,500 tokens. Of 100 completions, 45 are correct (in various forms),
40 wrong, 13 malformed, and 2 are hang bombs: formulas that no computer algebra system can finish. A second batch has
correct answers instead of the bombs. Both graders get the same texts and golds in the same process, one after the
other. Golds for TRL are wrapped in `$…$`, without which it cannot judge half of them. Our grader caches verdicts
between batches, but each round here starts with an empty cache.

  python benchmarks/rewards.py             # about four minutes on two cores, most of it for TRL
  python benchmarks/rewards.py --rounds 5
"""

import argparse
import logging
import os
import random
import statistics
import time

from trl.rewards import accuracy_reward

from open_r1.grading import Grader
from open_r1.grading.notation import normalize_cached
from open_r1.grading.numerals import parse_rational
from open_r1.rewards.language import language_consistency


PROMPTS = 64
COMPLETIONS_PER_PROMPT = 16
THOUGHT_LENGTH = 5600  # characters, about 1,500 tokens
WARM_UP_TEXTS = 1024  # for the language-consistency reward

# Gold, two equal forms, two wrong answers. Placeholders such as <n> get different values for each prompt.
TASKS = [
    ("<n>", "<n>", "<n>.0", "<n+1>", "-<n>"),
    (r"\frac{<n>}{7}", r"\dfrac{<n>}7", r"\frac{<2n>}{14}", r"\frac7{<n>}", "<n/7>"),
    (r"<n>\sqrt{3}", r"\sqrt{<3n^2>}", r"<n>\sqrt3", r"3\sqrt{<n>}", r"\sqrt{<3n>}"),
    (
        r"(<n>, \frac{\pi}{2})",
        r"(<n>,\pi/2)",
        r"\left(<n>,\frac{\pi}{2}\right)",
        r"(\frac{\pi}{2},<n>)",
        r"(<n>,\pi)",
    ),
    ("x^2+<2n>x+<n^2>", "(x+<n>)^2", "<n^2>+<2n>x+x^2", "x^2+<n^2>", "(x-<n>)^2"),
    ("<n>", "<n>", r"\$<n>", "<n-1>", "<n>0"),
    ("<n>250", "<n>,250", "<n>250", "<n>25", "<n>520"),
    (r"-\frac{<n>}{2}", "-<n/2>", r"-\frac{<n>}2", r"\frac{<n>}2", "-<n>"),
    (
        r"(-\infty,<n>)\cup(<n+3>,\infty)",
        r"(-\infty,<n>)\cup(<n+3>,\infty)",
        r"x<<n> \text{ or } x><n+3>",
        "(<n>,<n+3>)",
        r"(-\infty,<n>]\cup[<n+3>,\infty)",
    ),
    ("<option>", "<option>", r"\text{(<option>)}", "<next option>", "<third option>"),
    (r"\frac{1}{<n>n+<n>}", r"\frac{1}{<n>(n+1)}", r"\frac1{<n>n+<n>}", r"\frac{1}{<n>n+1}", r"\frac{<n>}{n+1}"),
    ("<n>", "x=<n>", "<n>", "x=-<n>", "<n+2>"),
    ("<n>,-2", "-2,<n>", r"x=<n> \text{ or } x=-2", "<n>", "-<n>,2"),
    (r"<2n>\pi", r"<2n>\pi", r"<n>\cdot 2\pi", r"<4n>\pi", r"<n>\pi"),
    (
        r"\begin{pmatrix}1&<n>\\3&4\end{pmatrix}",
        r"\begin{pmatrix}1&<n>\\3&4\end{pmatrix}",
        r"\begin{bmatrix}1&<n>\\3&4\end{bmatrix}",
        r"\begin{pmatrix}1&3\\<n>&4\end{pmatrix}",
        r"\begin{pmatrix}1&<n>\\3&5\end{pmatrix}",
    ),
    ("e^{-<n>t}", r"\frac{1}{e^{<n>t}}", "e^{-<n>t}", "e^{<n>t}", "-<n>e^t"),
]
BOMBS = [
    "10^{10^{10}}",
    "9^{9^{9^9}}",
    "123456789!",
    r"\binom{10^9}{5\cdot 10^8}",
    r"\sum_{k=1}^{10^{12}} k^{k}",
    r"\prod_{k=1}^{10^{15}} k",
    "(1.0000001)^{10^{15}}",
]
SENTENCES = [
    "Let us write the condition as an equation and see what it gives.",
    r"We have $x^2 - {a}x + {b} = 0$, so the discriminant is ${a}^2 - 4\cdot {b}$.",
    "Hmm, wait. Let me check this step again, because the sign may be wrong.",
    r"Substituting $n = {a}$ gives $\frac{{a}}{{b}} + {b}$, which is not what we want.",
    "So the two cases are $t = {a}$ and $t = -{b}$.",
    "If the first term is {a} then the sum of the next {b} terms follows at once.",
    r"The area is $\frac{1}{2}\cdot {a}\cdot {b}$ by the usual formula.",
    "That cannot be right, since it has to be an integer; let me try another way.",
    "By symmetry the other angle has the same size, so it is enough to look at one of them.",
    "We can also factor: $({a}+x)({b}-x)$.",
]


def fill_in(template: str, n: int) -> str:
    """Fills a number into the gold or an answer of a task."""
    values = {
        "<n>": n,
        "<2n>": 2 * n,
        "<3n>": 3 * n,
        "<4n>": 4 * n,
        "<n^2>": n * n,
        "<3n^2>": 3 * n * n,
        "<n-1>": n - 1,
        "<n+1>": n + 1,
        "<n+2>": n + 2,
        "<n+3>": n + 3,
        "<n/2>": n / 2,
        "<n/7>": f"{n / 7:.2f}",
        "<option>": "ABCDE"[n % 5],
        "<next option>": "ABCDE"[(n + 1) % 5],
        "<third option>": "ABCDE"[(n + 2) % 5],
    }
    for placeholder, value in values.items():
        template = template.replace(placeholder, str(value))
    return template


def make_thought(rng: random.Random) -> str:
    """About 1,500 tokens of mathematical prose."""
    sentences = []
    length = 0
    while length < THOUGHT_LENGTH:
        sentence = rng.choice(SENTENCES)
        sentence = sentence.replace("{a}", str(rng.randint(2, 99))).replace("{b}", str(rng.randint(2, 99)))
        sentences.append(sentence)
        length += len(sentence) + 1
    return " ".join(sentences)


def make_ending(rng: random.Random, kind: float, bombs: bool, right: list[str], wrong: list[str]) -> str:
    """The end of the thought and the answer; `kind` selects a bomb or a correct, wrong or malformed answer."""
    if kind < 0.02 and bombs:
        answer = rng.choice(BOMBS)
    elif kind < 0.47:
        answer = rng.choice(right)
    elif kind < 0.87:
        if rng.random() < 0.5:
            answer = rng.choice(wrong)
        else:
            answer = f"\\frac{{{rng.randint(1, 99)}}}{{{rng.randint(2, 99)}}}"
    else:
        malformed = [
            f" So it is \\boxed{{{right[0]}}}",
            "</think>\nThe answer is $\\boxed{\\frac{1}{",
            "</think>\nI do not know.",
        ]
        return rng.choice(malformed)
    return f"</think>\nThe answer is $\\boxed{{{answer}}}$."


def make_batch(seed: int, bombs: bool) -> tuple[list[str], list[str]]:
    """The completions and golds of one batch."""
    rng = random.Random(seed)
    completions = []
    golds = []
    for prompt in range(PROMPTS):
        n = rng.randint(2, 97)
        gold, *answers = [fill_in(template, n) for template in TASKS[prompt % len(TASKS)]]
        for _ in range(COMPLETIONS_PER_PROMPT):
            thought = make_thought(rng)
            kind = rng.random()
            ending = make_ending(rng, kind, bombs, right=answers[:2], wrong=answers[2:])
            completions.append(f"<think>{thought}{ending}")
            golds.append(gold)
    return completions, golds


def time_ours(completions: list[str], golds: list[str], grader: Grader) -> float:
    start = time.perf_counter()
    grader.grade_all(completions, golds)
    return time.perf_counter() - start


def fresh_grader() -> Grader:
    """A grader with warm workers, as during training, and an empty cache."""
    normalize_cached.cache_clear()
    parse_rational.cache_clear()
    grader = Grader(workers=len(os.sched_getaffinity(0)))
    completions = [f"\\boxed{{\\sqrt{{{n}}}+x}}" for n in range(100)]
    golds = [f"\\sqrt{{{n}}}-x" for n in range(100)]
    grader.grade_all(completions, golds)
    return grader


def time_round(seed: int, bombs: bool) -> float:
    """Seconds that our grader needs for one batch."""
    grader = fresh_grader()
    completions, golds = make_batch(seed, bombs)
    seconds = time_ours(completions, golds, grader)
    grader.workers.close()
    return seconds


def times_of_trl(completions: list[str], golds: list[str]) -> list[float]:
    """Seconds that TRL's reward needs for each completion."""
    times = []
    for completion, gold in zip(completions, golds, strict=True):
        start = time.perf_counter()
        accuracy_reward([[{"role": "assistant", "content": completion}]], [f"${gold}$"])
        times.append(time.perf_counter() - start)
    return times


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    median = ordered[len(ordered) // 2]
    slow = ordered[int(len(ordered) * 0.99)]
    return f"p50 {1000 * median:.2f} ms, p99 {1000 * slow:.1f} ms per completion"


def compare_accuracy_rewards(bombs: bool, rounds: int) -> None:
    """Prints the times of TRL's reward and ours."""
    completions, golds = make_batch(0, bombs)
    trl = times_of_trl(completions, golds)
    ours = [time_round(seed, bombs) for seed in range(rounds)]
    grader = fresh_grader()
    single = [time_ours([completion], [gold], grader) for completion, gold in zip(completions, golds, strict=True)]
    grader.workers.close()
    median = statistics.median(ours)
    all_rounds = ", ".join(f"{seconds:.2f}" for seconds in ours)
    print(f"  TRL accuracy_reward  {sum(trl):8.2f} s   {percentiles(trl)}")
    print(f"  open_r1 accuracy     {median:8.2f} s   {percentiles(single)}   (rounds {all_rounds})")
    print(f"  ratio                {sum(trl) / median:8.1f}")


def time_language_consistency() -> None:
    """Prints the number of thoughts per second that the language-consistency reward judges."""
    texts = []
    for seed in range(4):
        completions, _ = make_batch(seed, bombs=False)
        texts += completions
    language_consistency(texts[:WARM_UP_TEXTS], language=["en"] * WARM_UP_TEXTS)
    timed = texts[WARM_UP_TEXTS:]
    start = time.process_time()
    language_consistency(timed, language=["en"] * len(timed))
    seconds = time.process_time() - start
    print(f"language_consistency: {len(timed) / seconds:,.0f} thoughts per second on one core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="Number of batches for our reward, of which the median is reported (TRL gets one batch).",
    )
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # math-verify logs one for each timeout
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores; {PROMPTS} prompts × {COMPLETIONS_PER_PROMPT} completions of about 1,500 tokens")
    print("with 2% hang bombs:")
    compare_accuracy_rewards(True, args.rounds)
    print("without bombs:")
    compare_accuracy_rewards(False, args.rounds)
    time_language_consistency()


if __name__ == "__main__":
    main()
