"""Our accuracy reward beside TRL's `accuracy_reward`, on one batch as GRPO makes it, and the language-consistency reward alone.

The batch: 64 prompts × 16 completions of about 1,500 tokens; of 100 completions 45 are right (in various forms), 40 wrong, 13
malformed and 2 hang bombs, formulas that no computer algebra finishes. Then the same with wrong answers for the bombs. Both
graders get the same texts and golds in the same process, one after the other; TRL's golds are wrapped in `$…$`, without which
it judges half of them not at all. Ours remembers verdicts from batch to batch; here each round starts with nothing remembered.

  python benchmarks/rewards.py             # about four minutes on two cores, most of them TRL's
  python benchmarks/rewards.py --rounds 5
"""

import argparse
import logging
import os
import random
import statistics
import time

from trl.rewards import accuracy_reward

from open_r1.grading.grader import Grader
from open_r1.grading.notation import normalize_cached
from open_r1.grading.numerals import parse_rational
from open_r1.rewards.language import language_consistency


# Gold, two equal forms, two wrong answers, for a number that differs from prompt to prompt.
GOLDS = [
    lambda n: (f"{n}", f"{n}", f"{n}.0", f"{n + 1}", f"-{n}"),
    lambda n: (f"\\frac{{{n}}}{{7}}", f"\\dfrac{{{n}}}7", f"\\frac{{{2 * n}}}{{14}}", f"\\frac7{{{n}}}", f"{n / 7:.2f}"),
    lambda n: (f"{n}\\sqrt{{3}}", f"\\sqrt{{{3 * n * n}}}", f"{n}\\sqrt3", f"3\\sqrt{{{n}}}", f"\\sqrt{{{3 * n}}}"),
    lambda n: (f"({n}, \\frac{{\\pi}}{{2}})", f"({n},\\pi/2)", f"\\left({n},\\frac{{\\pi}}{{2}}\\right)", f"(\\frac{{\\pi}}{{2}},{n})", f"({n},\\pi)"),
    lambda n: (f"x^2+{2 * n}x+{n * n}", f"(x+{n})^2", f"{n * n}+{2 * n}x+x^2", f"x^2+{n * n}", f"(x-{n})^2"),
    lambda n: (f"{n}", f"{n}", f"\\${n}", f"{n - 1}", f"{n}0"),
    lambda n: (f"{n}250", f"{n},250", f"{n}250", f"{n}25", f"{n}520"),
    lambda n: (f"-\\frac{{{n}}}{{2}}", f"-{n / 2}", f"-\\frac{{{n}}}2", f"\\frac{{{n}}}2", f"-{n}"),
    lambda n: (f"(-\\infty,{n})\\cup({n + 3},\\infty)", f"(-\\infty,{n})\\cup({n + 3},\\infty)", f"x<{n} \\text{{ or }} x>{n + 3}", f"({n},{n + 3})", f"(-\\infty,{n}]\\cup[{n + 3},\\infty)"),
    lambda n: ("ABCDE"[n % 5], "ABCDE"[n % 5], f"\\text{{({'ABCDE'[n % 5]})}}", "ABCDE"[(n + 1) % 5], "ABCDE"[(n + 2) % 5]),
    lambda n: (f"\\frac{{1}}{{{n}n+{n}}}", f"\\frac{{1}}{{{n}(n+1)}}", f"\\frac1{{{n}n+{n}}}", f"\\frac{{1}}{{{n}n+1}}", f"\\frac{{{n}}}{{n+1}}"),
    lambda n: (f"{n}", f"x={n}", f"{n}", f"x=-{n}", f"{n + 2}"),
    lambda n: (f"{n},-2", f"-2,{n}", f"x={n} \\text{{ or }} x=-2", f"{n}", f"-{n},2"),
    lambda n: (f"{2 * n}\\pi", f"{2 * n}\\pi", f"{n}\\cdot 2\\pi", f"{4 * n}\\pi", f"{n}\\pi"),
    lambda n: (f"\\begin{{pmatrix}}1&{n}\\\\3&4\\end{{pmatrix}}", f"\\begin{{pmatrix}}1&{n}\\\\3&4\\end{{pmatrix}}", f"\\begin{{bmatrix}}1&{n}\\\\3&4\\end{{bmatrix}}", f"\\begin{{pmatrix}}1&3\\\\{n}&4\\end{{pmatrix}}", f"\\begin{{pmatrix}}1&{n}\\\\3&5\\end{{pmatrix}}"),
    lambda n: (f"e^{{-{n}t}}", f"\\frac{{1}}{{e^{{{n}t}}}}", f"e^{{-{n}t}}", f"e^{{{n}t}}", f"-{n}e^t"),
]  # fmt: skip
BOMBS = [
    "10^{10^{10}}", "9^{9^{9^9}}", "123456789!", "\\binom{10^9}{5\\cdot 10^8}", "\\sum_{k=1}^{10^{12}} k^{k}",
    "\\prod_{k=1}^{10^{15}} k", "(1.0000001)^{10^{15}}",
]  # fmt: skip
SENTENCES = [
    "Let us write the condition as an equation and see what it gives.", "We have $x^2 - {a}x + {b} = 0$, so the discriminant is ${a}^2 - 4\\cdot {b}$.",
    "Hmm, wait. Let me check this step again, because the sign may be wrong.", "Substituting $n = {a}$ gives $\\frac{{a}}{{b}} + {b}$, which is not what we want.",
    "So the two cases are $t = {a}$ and $t = -{b}$.", "If the first term is {a} then the sum of the next {b} terms follows at once.",
    "The area is $\\frac{1}{2}\\cdot {a}\\cdot {b}$ by the usual formula.", "That cannot be right, since it has to be an integer; let me try another way.",
    "By symmetry the other angle has the same size, so it is enough to look at one of them.", "We can also factor: $({a}+x)({b}-x)$.",
]  # fmt: skip


def batch(seed: int, bombs: bool) -> tuple[list[str], list[str]]:
    """Completions and golds."""
    draw = random.Random(seed)
    completions, golds = [], []
    for prompt in range(64):
        gold, *forms = GOLDS[prompt % len(GOLDS)](draw.randint(2, 97))
        for _ in range(16):
            thought, length = [], 0
            while length < 5600:
                sentence = (
                    draw.choice(SENTENCES)
                    .replace("{a}", str(draw.randint(2, 99)))
                    .replace("{b}", str(draw.randint(2, 99)))
                )
                thought.append(sentence)
                length += len(sentence) + 1
            kind, text = draw.random(), " ".join(thought)
            if kind < 0.02 and bombs:
                end = f"</think>\nThe answer is $\\boxed{{{draw.choice(BOMBS)}}}$."
            elif kind < 0.47:
                end = f"</think>\nThe answer is $\\boxed{{{draw.choice(forms[:2])}}}$."
            elif kind < 0.87:
                wrong = (
                    draw.choice(forms[2:])
                    if draw.random() < 0.5
                    else f"\\frac{{{draw.randint(1, 99)}}}{{{draw.randint(2, 99)}}}"
                )
                end = f"</think>\nThe answer is $\\boxed{{{wrong}}}$."
            else:
                end = draw.choice(
                    [
                        f" So it is \\boxed{{{forms[0]}}}",
                        "</think>\nThe answer is $\\boxed{\\frac{1}{",
                        "</think>\nI do not know.",
                    ]
                )
            completions.append(f"<think>{text}{end}")
            golds.append(gold)
    return completions, golds


def time_of_ours(completions: list[str], golds: list[str], grader: Grader) -> float:
    start = time.perf_counter()
    grader.grade_all(completions, golds)
    return time.perf_counter() - start


def fresh_grader() -> Grader:
    """Warm workers, as in a run, and nothing remembered."""
    for function in (normalize_cached, parse_rational):
        function.cache_clear()
    grader = Grader(workers=len(os.sched_getaffinity(0)))
    grader.grade_all([f"\\boxed{{\\sqrt{{{n}}}+x}}" for n in range(100)], [f"\\sqrt{{{n}}}-x" for n in range(100)])
    return grader


def one_round(seed: int, bombs: bool) -> float:
    grader = fresh_grader()
    seconds = time_of_ours(*batch(seed, bombs), grader)
    grader.workers.close()
    return seconds


def times_of_trl(completions: list[str], golds: list[str]) -> list[float]:
    times = []
    for completion, gold in zip(completions, golds, strict=True):
        start = time.perf_counter()
        accuracy_reward([[{"role": "assistant", "content": completion}]], [f"${gold}$"])
        times.append(time.perf_counter() - start)
    return times


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    return f"p50 {1000 * ordered[len(ordered) // 2]:.2f} ms, p99 {1000 * ordered[int(len(ordered) * 0.99)]:.1f} ms an item"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="batches of ours, of which the median counts (TRL: one)")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # math-verify's own, one a deadline
    print(f"{len(os.sched_getaffinity(0))} cores; 64 prompts × 16 completions of about 1,500 tokens")
    for name, bombs in (("with 2% hang bombs", True), ("without bombs", False)):
        completions, golds = batch(0, bombs)
        theirs = times_of_trl(completions, golds)
        ours = [one_round(seed, bombs) for seed in range(args.rounds)]
        grader = fresh_grader()
        single = [time_of_ours([c], [g], grader) for c, g in zip(completions, golds, strict=True)]
        grader.workers.close()
        median = statistics.median(ours)
        print(f"{name}:")
        print(f"  TRL accuracy_reward  {sum(theirs):8.2f} s   {percentiles(theirs)}")
        print(
            f"  open_r1 accuracy     {median:8.2f} s   {percentiles(single)}   (rounds {', '.join(f'{t:.2f}' for t in ours)})"
        )
        print(f"  ratio                {sum(theirs) / median:8.1f}")
    texts = [completion for seed in range(4) for completion in batch(seed, False)[0]]
    language_consistency(texts[:1024], language=["en"] * 1024)
    start = time.process_time()
    language_consistency(texts[1024:], language=["en"] * (len(texts) - 1024))
    print(
        f"language_consistency: {(len(texts) - 1024) / (time.process_time() - start):,.0f} thoughts a second on one core"
    )


if __name__ == "__main__":
    main()
