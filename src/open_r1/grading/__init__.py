"""The grader of mathematical answers: `grade(completion, gold)`. The README of this folder describes its policy.

    completion ─► answers (phrases) ─┐
                                     ├─► notation (spelling, numerals) ─► equality ─► algebra, in a worker
    gold ───────► golds ─────────────┘                                    (structure, real_sets, units, words, letters)

>>> from open_r1.grading import grade
>>> grade(r"<think>One half.</think>The answer is $\\boxed{\\frac12}$.", "0.5")
1.0
"""

from open_r1.grading.grader import Grade, Grader, grade, shared_grader, usable_gold


__all__ = ["Grade", "Grader", "grade", "shared_grader", "usable_gold"]
