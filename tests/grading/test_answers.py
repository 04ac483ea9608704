"""Extracting the final answer of a completion, and recognizing that it is not the only one.

The comment of each row says what it tests. `{F}` stands for the final answer of a text, `{S}` for another value in it.
"""

import pytest

from open_r1.grading import grade
from open_r1.grading.answers import extract_answer
from open_r1.utils.text import split_thought


# The final answer is {F}, whatever else the text mentions.
ANSWERS_FINAL = [
    (  # steps box
        "First we get \\boxed{{{S}}} for the auxiliary quantity.\n"
        "\n"
        "Using it in the second equation, the requested value is\n"
        "\\[\n"
        "\\boxed{{{F}}}\n"
        "\\]"
    ),
    (  # correction
        "So the answer would be \\boxed{{{S}}}.\n"
        "\n"
        "Wait, that's not right: I made an arithmetic slip in step 2. Redoing it, the correct answer is "
        "\\boxed{{{F}}}."
    ),
    (  # correction2
        "$$\\boxed{{{S}}}$$\n"
        "\n"
        "Hold on. Let me double check... the substitution was wrong, so I withdraw that. The corrected final "
        "answer is:\n"
        "\n"
        "$$\\boxed{{{F}}}$$"
    ),
    (  # think then box
        "<think>\n"
        "Maybe it is \\boxed{{{S}}}? Hmm, let me check again.\n"
        "</think>\n"
        "\n"
        "The final result is \\boxed{{{F}}}."
    ),
    (  # think prefilled
        "Okay, so I need to find the value. At first I think {S}. Let me verify.\n"
        "</think>\n"
        "\n"
        "**Solution**\n"
        "\n"
        "After working it out:\n"
        "\n"
        "\\boxed{{{F}}}"
    ),
    (  # two thinks
        "<think>The answer is \\boxed{{{S}}}.</think>\n"
        "<think>No, again: \\boxed{{{S}}}?</think>\n"
        "Answer: \\boxed{{{F}}}"
    ),
    "<think>\nTry {S} first; it fails.\n</think>\n<answer>\n{F}\n</answer>",  # answer tag
    "<think> we could have {S} </think>\n<answer> \\boxed{{{F}}} </answer>",  # answer tag box
    "<think>short</think><answer>${F}$</answer>",  # answer tag math
    "We compute the total step by step and check it.\n#### {F}",  # hash
    "Thus we are done.\n\n#### ${F}$",  # hash math
    (  # minerva
        "Simplifying the expression we find the value.\nFinal Answer: The final answer is ${F}$. I hope it is correct."
    ),
    "Let's think step by step. We combine the equations and simplify. The answer is ${F}$.",  # the answer is
    "We add them up and divide. So the answer is {F}.",  # the answer is plain
    "### Solution\n1. Set up.\n2. Solve.\n\n**Answer:** ${F}$",  # md answer
    "Working through the algebra carefully.\n\n**Final Answer**\n\n\\[ \\boxed{{{F}}} \\]",  # md final answer
    "We simplify and conclude.\n\n**Final Answer:** ${F}$",  # md final answer nobox
    (  # llama3
        "## Step 1: Understand the problem\n"
        "We need the value.\n"
        "\n"
        "## Step 2: Compute\n"
        "We substitute and simplify.\n"
        "\n"
        "The final answer is: $\\boxed{{{F}}}$"
    ),
    (  # qwen sympy output
        "```python\n"
        "from sympy import *\n"
        "print(solve())\n"
        "```\n"
        "```output\n"
        "{F}\n"
        "```\n"
        "The computation confirms the result. Therefore the answer is $\\boxed{{{F}}}$."
    ),
    (  # prose box
        "Hence, the number we were asked for is \\boxed{{{F}}}, which completes the proof. Note that this is "
        "consistent with the figure."
    ),
    (  # box then verify
        "\\boxed{{{F}}}\n\nVerification: substituting back satisfies the original equation, so the result holds."
    ),
    "The value is \\boxed{{{F}}}.\n\nFinal answer:\n\\boxed{{{F}}}",  # same box twice
    "The result is \\boxed{{{F}}}.\n\nFinal answer: \\boxed{{}}",  # empty box after
    (  # format mention first
        "I will put the final answer within \\boxed{{}}.\n"
        "\n"
        "Solving the equation gives the value below.\n"
        "\n"
        "\\boxed{{{F}}}"
    ),
    "解：由题意列方程，化简即可。\n故答案为：${F}$",  # zh answer
    "综上所述，最终答案是 \\boxed{{{F}}}。",  # zh answer2
    "经过计算，\n答案：{F}",  # zh answer3
    "On développe et on simplifie. La réponse finale est donc $\\boxed{{{F}}}$.",  # fr
    "Despejando obtenemos el resultado. Por lo tanto, la respuesta es \\boxed{{{F}}}.",  # es
    "Durch Einsetzen erhalten wir das Ergebnis. Die Antwort lautet $\\boxed{{{F}}}$.",  # de
    "Подставляя, получаем результат. Ответ: $\\boxed{{{F}}}$.",  # ru
    "計算すると、求める値が得られる。答えは $\\boxed{{{F}}}$ です。",  # ja
    "따라서 정답은 $\\boxed{{{F}}}$ 입니다.",  # ko
    "Therefore\n$$\n\\boxed{{\n{F}\n}}\n$$",  # fbox display
    "The answer: $\\boxed {{{F}}}$",  # box space
    "The answer is \\boxed{{${F}$}}.",  # box with dollar inside
    "Thus $\\boxed{{\\displaystyle {F}}}$.",  # box displaystyle
    "So, finally, $\\boxed{{{F}.}}$",  # box trailing dot
    "**The answer is $\\boxed{{{F}}}$**",  # box in bold
    "| step | value |\n|---|---|\n| result | $\\boxed{{{F}}}$ |",  # box in table
    "- Step one: set up the unknowns.\n- Step two: solve.\n- Answer: $\\boxed{{{F}}}$",  # box in list
    (  # alternative method rejected
        "One might guess \\boxed{{{S}}}, but this ignores the boundary condition and is incorrect. The correct "
        "value is \\boxed{{{F}}}."
    ),
    # hedged first
    "Hmm, I am not fully sure at the start, but the computation is solid. **Final Answer: \\boxed{{{F}}}**",
    (  # withdrawn two
        "Attempt 1 gives \\boxed{{{S}}}. This contradicts the constraint, so discard it.\n"
        "Attempt 2 satisfies every constraint. Final answer: \\boxed{{{F}}}"
    ),
    "We simplify:\n\n$${F}$$",  # lone formula
    "{F}",  # lone plain
    "${F}$",  # lone dollar
    "Answer: {F}",  # answer colon
    "FINAL ANSWER: {F}",  # final answer caps
    "Step 1.\r\nStep 2.\r\n\r\n\\boxed{{{F}}}\r\n",  # windows newlines
    "So the answer is $\\boxed{{{F}}}$.<|im_end|>",  # eos token
    "The answer is $\\boxed{{{F}}}$.</s>",  # eos token2
    "Answer: $\\boxed{{{F}}}$<|endoftext|>",  # eos endoftext
    "We have \\(\\boxed{{{F}}}\\).",  # box left paren
    (  # prose with other numbers
        "There are 17 cases, 5 of which vanish by parity; the remaining 12 contribute 3 each. The final answer "
        "is \\boxed{{{F}}}. (See also problem 8 from 2019.)"
    ),
]

# The text gives several answers, none, or an invalid one: the reward is 0 although the text contains {F}.
NO_SINGLE_ANSWER = [
    "The answer is either \\boxed{{{F}}} or \\boxed{{{S}}}.",  # either or
    "The answer is $\\boxed{{{F} \\text{{ or }} {S}}}$.",  # either or inbox
    "The answer is $\\boxed{{{F}, {S}}}$.",  # list in box
    "The answer is either ${F}$ or ${S}$.",  # either nobox
    "Answer 1: \\boxed{{{F}}}\nAnswer 2: \\boxed{{{S}}}\nOne of these must be correct.",  # boxes disagree
    "Final answer candidates: \\boxed{{{S}}}, \\boxed{{{F}}}.",  # boxes disagree rev
    "<answer>{S}</answer>\n<answer>{F}</answer>",  # two answer tags
    "<answer>\\boxed{{{F}}}</answer> <answer>\\boxed{{{S}}}</answer>",  # two answer tags2
    "<think>..</think>\nThe result is \\boxed{{{F}}}.\n<answer>{S}</answer>",  # tag box disagree
    "<think>\nWe get \\boxed{{{F}}}. Yes, the answer is {F}.\n</think>\n",  # only in think
    (  # only in think prose
        "<think>\nThe final answer is \\boxed{{{F}}}.\n</think>\n\nI have solved the problem above."
    ),
    "<think>\nOkay. So the value is \\boxed{{{F}}}. Let me double-check that by",  # unclosed think
    "<think>\nSolve. **Final Answer** \\boxed{{{F}}}",  # unclosed think final
    "<think> <answer>{F}</answer> </think>",  # answer tag in think
    "Simplifying, the final answer is \\boxed{{{F}",  # truncated box
    "Therefore $$\\boxed{{",  # truncated box2
    # no answer prose
    "We have looked at all the cases and the claim follows from symmetry. This completes the solution.",
    "I could not solve this problem. Sorry.",  # gave up
    "It could be \\boxed{{{S}}}. It could also be \\boxed{{{F}}}. I can't tell which.",  # guess hedge
    (  # depends
        "Depending on the interpretation, the answer is \\boxed{{{F}}} (first reading) or \\boxed{{{S}}} "
        "(second reading)."
    ),
    "答案是 \\boxed{{{F}}} 或 \\boxed{{{S}}}。",  # zh or
    "答案为 \\boxed{{{F} 或 {S}}}。",  # zh or inbox
    "La réponse est soit \\boxed{{{S}}}, soit \\boxed{{{F}}}.",  # fr ou
    "Some would say {F}, but that is a mistake. The answer is \\boxed{{{S}}}.",  # finalwrong mention right
    (  # withdraw right
        "We get \\boxed{{{F}}}.\nWait, this is wrong, I forgot a factor. The correct answer is \\boxed{{{S}}}."
    ),
    "The answer is \\boxed{{?}}",  # question box
    "The answer is \\boxed{{\\ldots}}",  # dots box
    "Hence the answer is \\boxed{{}}.",  # empty box
    "Therefore the final answer is \\boxed{{answer}}.",  # placeholder box
    "The final answer is \\boxed{{\\text{{solution}}}}.",  # placeholder text
    "\\boxed{{\\text{{a number}}}}",  # placeholder number
    "The answer is $\\boxed{{\\text{{not }} {F}}}$.",  # not box
    "The answer is $\\boxed{{\\neq {F}}}$.",  # neq box
    "So $\\boxed{{{F} = {S}}}$.",  # eq chain false
    (  # list of guesses
        "Possible answers:\n1. \\boxed{{{F}}}\n2. \\boxed{{{S}}}\n3. \\boxed{{0.123}}\n\nPick whichever fits."
    ),
    "The final answer is \\boxed{{{F}}}.\n\nThe final answer is \\boxed{{{S}}}.",  # answer then other
    "",  # empty
    "   \n\n\t",  # whitespace
    "</think>",  # only think close
    "<think>{F}</think><answer></answer>",  # tag empty
    "<think>{F}</think><answer>I don't know</answer>",  # tag idk
    "The answer is \\boxed{{{F}{F}}}.",  # concat
    "Please reason step by step, and put your final answer within \\boxed{{}}.",  # instruction echo
    "My answer: \\boxed{{{F} \\quad\\text{{or maybe}}\\quad {S}}}",  # slash alternatives
    "Answers: $\\boxed{{{S}}}$ and $\\boxed{{{F}}}$",  # and also
    "#### {F}\n#### {S}",  # hash two
    "Answer: {F}\nAnswer: {S}",  # answer line two
]

# Gold, completion, reward.
SINGLE = [
    ("18", "Janet's ducks lay 16 eggs. She eats 3 and uses 4, leaving 9. 9 * 2 = 18.\n#### 18", 1.0),  # stated
    (
        "18",
        "Janet's ducks lay 16 eggs per day. She eats 3 and bakes 4, so 16 - 3 - 4 = 9.\n#### 9",
        0.0,
    ),  # intermediate as final
    (
        "3",
        "It takes 2/2=<<2/2=1>>1 bolt of white fiber. So 2+1=<<2+1=3>>3 bolts.\n#### 3",
        1.0,
    ),  # calculator annotations
    (
        "70000",
        "The house is worth 200000, so the profit is 200000-130000=70000 dollars. The answer is $70,000.",
        1.0,
    ),  # money sign in prose
    ("260", "He runs 3*3=9 sprints. So he runs 9*60=540 meters.\n\nThe answer is 540.", 0.0),  # wrong
    ("624", "The answer is \\boxed{\\$624}.", 1.0),  # dollar inside box
    ("18", "She sells 9 eggs every day and so makes 18 in total while 16 were laid.", 0.0),  # number in prose only
    (
        "25",
        (
            "There are 25 students in the class, 10 of them boys, and the others girls, as the problem said at "
            "the beginning."
        ),
        0.0,
    ),  # number in prose only
    ("7", "As computed in step 7 of the plan, we now know everything that is needed.", 0.0),  # number in prose only
    ("12", "We considered 12 cases. In each, the claim is clear.", 0.0),  # number in prose only
    ("5", "Let x be the number. Then 2x + 5 = 15 is the equation to be solved.", 0.0),  # no answer
    ("2", "Since 2 is prime, the method applies to all the remaining cases and we are done.", 0.0),  # no answer
    ("100", "I estimate this at 100% confidence but cannot state the value.", 0.0),  # number in prose
    ("C", "A careful look shows that C is the midpoint of AB, and D lies on the circle.", 0.0),  # letter in prose
    ("A", "A careful analysis is needed before choosing an option.", 0.0),  # article, not answer
    (
        "B",
        "Let me evaluate each option.\n(A) is too small. (C) and (D) are too large.\n\nThe correct answer is (B).",
        1.0,
    ),  # stated letter
    ("B", "The correct answer is (A), because (B) is too large.", 0.0),  # wrong letter
    ("C", "The best answer is C) $\\frac{1}{2}$.", 1.0),  # letter with value
    ("D", "故选 D。", 1.0),  # Chinese mcq statement
    ("D", "故选：C", 0.0),  # wrong letter
    ("A", "因此，正确答案是 A。", 1.0),  # Chinese mcq statement
    ("A", "综上，选B.", 0.0),  # wrong letter
    ("C", "Answer: C", 1.0),  # stated
    ("C", "Answer: \\boxed{\\text{C}}", 1.0),  # boxed letter
    ("C", "**Answer: (C)**", 1.0),  # stated
    ("C", "The answer is A or C.", 0.0),  # two letters
    ("C", "\\boxed{A}\n\\boxed{B}\n\\boxed{C}\n\\boxed{D}", 0.0),  # all letters boxed
    ("B", "\\boxed{ABCD}", 0.0),  # all letters
    ("B", "\\boxed{\\text{B: } 0.5}", 1.0),  # letter with value
    ("\\text{(E)}", "So our answer is $\\boxed{\\textbf{(E)}\\ 2^{30}}$.", 1.0),  # AoPS style box
    ("\\text{(E)}", "So our answer is $\\boxed{\\textbf{(D)}\\ 2^{30}}$.", 0.0),  # wrong letter
    ("A", "<answer>A</answer>", 1.0),  # tag letter
    ("A", "<answer>Option A</answer>", 1.0),  # option prefix
    ("A", "<answer>The answer is (A).</answer>", 1.0),  # sentence in tag
    ("D", "<answer>A</answer>", 0.0),  # wrong letter
    (
        "AC",
        "The correct options are \\boxed{A} and \\boxed{C}.",
        1.0,
    ),  # gold has several parts; boxes give exactly them
    ("AC", "The correct options are \\boxed{A}, \\boxed{B} and \\boxed{C}.", 0.0),  # extra part
    ("BD", "\\boxed{BD}", 1.0),  # multi letters
    ("BD", "\\boxed{B}", 0.0),  # missing letter
    ("x=2 \\text{ or } x=3", "The solutions are \\boxed{x=2} and \\boxed{x=3}.", 1.0),  # boxes give exactly the parts
    ("x=2 \\text{ or } x=3", "The solutions are \\boxed{x=2} and \\boxed{x=4}.", 0.0),  # one part wrong
    ("\\{1,5\\}", "Thus $x=\\boxed{1}$ or $x=\\boxed{5}$.", 1.0),  # boxes give exactly the parts
    ("\\{1,5\\}", "Thus $x=\\boxed{1}$, $x=\\boxed{5}$ or $x=\\boxed{6}$.", 0.0),  # additional part
    ("a=2,b=-1", "We find $\\boxed{a=2}$ and $\\boxed{b=-1}$.", 1.0),  # boxes give exactly the parts
    ("a=2,b=-1", "We find $\\boxed{a=-1}$ and $\\boxed{b=2}$.", 0.0),  # swapped
    ("-4, 9", "Roots: $\\boxed{9}$, $\\boxed{-4}$", 1.0),  # boxes give exactly the parts
    ("-4, 9", "Roots: $\\boxed{9}$, $\\boxed{4}$", 0.0),  # sign
    ("7", "Roots: $\\boxed{7}$, $\\boxed{-4}$", 0.0),  # extra solution offered for single gold
    ("2\\sqrt{3}, -2\\sqrt{3}", "$\\boxed{2\\sqrt3}$ and $\\boxed{-2\\sqrt3}$", 1.0),  # boxes give exactly the parts
    ("1,2,3", "$\\boxed{1},\\boxed{2},\\boxed{3}$", 1.0),  # boxes give exactly the parts
    ("1,2,3", "$\\boxed{1},\\boxed{2}$", 0.0),  # part missing
    ("50", "\\boxed{0 \\le x \\le 100}", 0.0),  # range for single value
    ("5", "\\boxed{x > 4}", 0.0),  # range
    ("5", "\\boxed{[5,5.1]}", 0.0),  # range
    ("10", "The answer is between 9 and 11.", 0.0),  # range
    ("7", "\\boxed{6\\text{-}8}", 0.0),  # range
    ("7", "\\boxed{\\approx 7.3}", 0.0),  # not equal
    ("12", "\\boxed{x \\in \\mathbb{R}}", 0.0),  # everything
    ("3", "\\boxed{\\text{any number}}", 0.0),  # placeholder
    ("3", "\\boxed{\\text{any integer greater than } 2}", 0.0),  # placeholder
    ("4", "\\boxed{\\{1,2,3,4,5,6,7,8,9,10\\}}", 0.0),  # shotgun set
    ("4", "\\boxed{1,2,3,4}", 0.0),  # shotgun list
    ("4", "\\boxed{4\\pm 1}", 0.0),  # two values
    ("\\sqrt{2}", "\\boxed{\\pm\\sqrt{2}}", 0.0),  # two values
    ("9", "\\boxed{x}", 0.0),  # placeholder
    ("9", "\\boxed{n}", 0.0),  # placeholder
    ("9", "\\boxed{x = x}", 0.0),  # tautology
    ("9", "\\boxed{\\text{not } 8}", 0.0),  # negation
    ("9", "\\boxed{9 \\text{ or more}}", 0.0),  # open ended
    ("9", "\\boxed{\\text{at least } 9}", 0.0),  # bound, not value
    ("9", "\\boxed{< 10}", 0.0),  # bound
    ("9", "\\boxed{-}", 0.0),  # placeholder
    ("9", "\\boxed{N/A}", 0.0),  # placeholder
    ("9", "\\boxed{\\text{undefined}}", 0.0),  # not the value
    ("9", "\\boxed{9\\,?\\;10\\,?\\;11\\,?}", 0.0),  # several guesses
    ("9", "\\boxed{\\text{The correct answer}}", 0.0),  # placeholder
    ("9", "\\boxed{\\text{see above}}", 0.0),  # placeholder
    ("9", "\\boxed{\\infty}", 0.0),  # wrong
    ("9", "\\boxed{\\_\\_\\_}", 0.0),  # placeholder
    (
        "15",
        "<think>\nx\n</think>\n<answer>\nThe total is computed as follows: $3\\cdot 5=15$.\n\\boxed{15}\n</answer>",
        1.0,
    ),  # box inside tag
    ("15", "<think>\nx\n</think>\n<answer>\nThe final answer is 15.\n</answer>", 1.0),  # sentence inside tag
    (
        "15",
        "<think>\nx\n</think>\n<answer>\nFinal answer: $15$\n</answer>\nI hope this helps!",
        1.0,
    ),  # trailing chatter
    ("15", "<think>15</think><answer>14</answer>", 0.0),  # thought does not count
    ("15", "<answer>15</answer>\n<answer>15</answer>", 1.0),  # two equal answer blocks
    ("\\frac{15}{2}", "<answer>\\frac{15}{2}</answer>\n<answer>7.5</answer>", 1.0),  # two answer blocks that agree
    ("2\\pi", "<answer>\\( 2\\pi \\)</answer>", 1.0),  # inline math in tag
    ("2\\pi", "<answer>\\[ \\pi \\]</answer>", 0.0),  # wrong
    ("15", "<think>\nI'd use </think> once.\n</think>\n\\boxed{15}", 1.0),  # after the last close
    ("15", "\\boxed{15}\n</think>\n\\boxed{16}", 0.0),  # only after the last close
    ("15", "\\boxed{16}\n</think>\n\\boxed{15}", 1.0),  # only after the last close
    ("15", "<think>a</think>\\boxed{15}</think>", 0.0),  # after the last close there is nothing
    ("15", "<think>\\boxed{15}", 0.0),  # never closed
    ("042", "**Final Answer**\n\nThe requested value is $\\boxed{042}$.", 1.0),  # AIME
    (
        "\\frac{\\sqrt{6}}{3}",
        (
            "<think>\n"
            "Alright, so ... **Final Answer** \\boxed{\\frac{\\sqrt{6}}{3}}\n"
            "</think>\n"
            "\n"
            "To solve this, ... we find\n"
            "\n"
            "\\[\n"
            "\\boxed{\\dfrac{\\sqrt{6}}{3}}\n"
            "\\]"
        ),
        1.0,
    ),  # R1 style
    (
        "\\frac{\\sqrt{6}}{3}",
        (
            "<think>\n"
            "**Final Answer** \\boxed{\\frac{\\sqrt{6}}{3}}\n"
            "</think>\n"
            "\n"
            "we find\n"
            "\n"
            "\\[\n"
            "\\boxed{\\dfrac{\\sqrt{3}}{3}}\n"
            "\\]"
        ),
        0.0,
    ),  # final differs from thought
    (
        "13",
        "Thus the answer is thirteen candles? No wait, let me recount... The answer is $\\boxed{13}$.",
        1.0,
    ),  # correction then box
    ("\\frac{7}{10}", "Therefore, the probability is $P = \\frac{7}{10}$, i.e. \\boxed{0.7}", 1.0),  # decimal exact
    ("6", "$\\boxed{x = 6}$ and thus $x$ is 6", 1.0),  # label
    ("6", "$x = \\boxed{6}$", 1.0),  # label outside
    ("6", "$\\boxed{2 \\cdot 3} = \\boxed{6}$", 1.0),  # two equal boxes
    ("\\frac{1}{2}", "$\\boxed{\\frac{1}{2}} = \\boxed{0.5}$", 1.0),  # two equal boxes
    ("100", "The distance is $$d=\\boxed{100\\text{ m}}$$", 1.0),  # unit forgiven
    ("3", "Thus the minimum is $\\boxed{3}$, attained at $x=1$, $y=2$.", 1.0),  # remarks after box
    ("3", "Thus the minimum is attained at $x=3$ and equals $\\boxed{1}$.", 0.0),  # box is wrong
    ("11", "\\boxed{11} is the answer to part (b); recall that part (a) was 4.", 1.0),  # box in prose
    ("45", "The final answer is 45 degrees.", 1.0),  # unit forgiven
    ("45", "Final answer: **45**", 1.0),  # bold
    ("45", "**45**", 1.0),  # lone bold number
    ("45", "Answer = 45", 1.0),  # stated
    ("45", "The final answer is 54.", 0.0),  # digits swapped
    ("45", "The final answer is not 45.", 0.0),  # negated
    ("45", "The answer is definitely not \\boxed{45}.", 0.0),  # negated
    ("45", "The final answer can be found by a computation that I leave to the reader.", 0.0),  # no answer
    ("\\frac{4}{9}", "The final answer is 4/9.", 1.0),  # plain fraction
    ("\\frac{4}{9}", "The final answer is 4 / 9 .", 1.0),  # spaces
    ("x=7", "The solution is $x = 7$. The answer is 7.", 1.0),  # stated
    ("8\\sqrt{2}", "最后答案为：\n$$\\boxed{8\\sqrt{2}}$$", 1.0),  # Chinese
    ("8\\sqrt{2}", "所以，答案是 $8\\sqrt{2}$。", 1.0),  # Chinese stated
    ("8\\sqrt{2}", "所以，答案是 $2\\sqrt{8}$。", 0.0),  # wrong
    ("56", "答：一共有 \\boxed{56} 个苹果。", 1.0),  # Chinese box
    ("56", "答案：65", 0.0),  # wrong
    ("56", "La respuesta final es: $\\boxed{56}$", 1.0),  # Spanish
    ("56", "A resposta é \\boxed{65}.", 0.0),  # Portuguese wrong
    ("2.5", "La réponse est $\\boxed{\\dfrac{5}{2}}$.", 1.0),  # French
    ("2.5", "Die Antwort ist $\\boxed{\\frac{2}{5}}$.", 0.0),  # German wrong
    ("2.5", "الجواب النهائي هو \\boxed{2.5}", 1.0),  # Arabic
    ("2.5", "उत्तर: \\boxed{2.5}", 1.0),  # Hindi
]


# A box that is part of a larger formula or that the words around it deny, although {F} is in it.
TAKEN_APART = [
    r"$2\boxed{{{F}}}$",  # a factor
    r"$\boxed{{{F}}}^2$",
    r"$\boxed{{{F}}} \times 10^3$",
    r"$\boxed{{{F}}} + 1$",
    r"$x > \boxed{{{F}}}$",  # a bound
    r"$x \ne \boxed{{{F}}}$",
    r"The answer is not \boxed{{{F}}}.",
    r"\boxed{{{F}}} is wrong.",
    r"\boxed{{{F}}} is not the answer.",
    r"\boxed{{{F}}} Wait, it is wrong. It is {S}.",
    r"\boxed{{{F}}}. Hmm, actually it should be {S}.",
    r"The answer is \boxed{{{F}}} or ${S}$.",
    r"\boxed{{{F}}}, alternatively ${S}$.",
    r"\boxed{{{F}}}. But it could be ${S}$.",
    r"so \boxed{{{S}}}, so then \boxed{{{F}}}",  # filler words make no steps
    r"We find \boxed{{{S}}}. Then again we find \boxed{{{F}}}.",
    r"Case 1: we get \boxed{{{S}}}. Case 2: we get \boxed{{{F}}}.",
    r"If n is even, \boxed{{{S}}}. If n is odd, then we get \boxed{{{F}}}.",
    "Using method one, we get \\boxed{{{S}}}.\nUsing method two, we get \\boxed{{{F}}}.",
    r"$\boxed{{{S}}}$ is the first option, and $\boxed{{{F}}}$ is the second.",
    "<answer>{F}</answer> The answer is ${S}$.",  # a statement beside the block
    "The answer is ${S}$. <answer>{F}</answer>",
    "<answer>{F}</answer> or ${S}$",
    r"\boxed{{{S}}}<answer>\boxed{{{F}}}</answer>\boxed{{{F}}}",
    "The answer is ${F}$. Alternatively, ${S}$.",
    "The answer is ${F}$\n${S}$",
    "${S}$\n${F}$",  # lines of guesses
    "Is the answer ${F}$? I do not know.",
]

# What may be around a box without changing the answer.
UNTOUCHED = [
    r"$-5+10=\boxed{{{F}}}$",
    r"> \boxed{{{F}}}",  # quoted
    r"- \boxed{{{F}}}",  # a list
    r"Answer -> \boxed{{{F}}}",
    r"<b>\boxed{{{F}}}</b>",
    "**Answer:** \\boxed{{{F}}}\n- done",
    r"\boxed{{{F}}}. Let me verify this: no error found.",
    r"$\boxed{{{F}}}$, where we used that $2 + 2 = 4$.",
    "Therefore the final answer is \\[\n{F}\n\\]",
    "<ANSWER>{F}</ANSWER>",
    r"<answer> </answer>\boxed{{{F}}}",
    "```\n{F}\n```",
    "The answer is ${F}$ (not 99).",
    "The answer is ${F}$, not 99.",
]

PAIRS = [("18", "18", "9"), (r"\frac{3}{8}", "0.375", r"\frac{5}{8}"), ("(4,7)", "(4,7)", "(7,4)")]


@pytest.mark.parametrize("template", ANSWERS_FINAL)
def test_the_final_answer_decides(template):
    for gold, right, wrong in PAIRS:
        assert grade(template.format(F=right, S=wrong), gold) == 1.0
        assert grade(template.format(F=wrong, S=right), gold) == 0.0


@pytest.mark.parametrize("template", NO_SINGLE_ANSWER)
def test_several_answers_or_none_are_wrong(template):
    for gold, right, wrong in PAIRS:
        assert grade(template.format(F=right, S=wrong), gold) == 0.0


@pytest.mark.parametrize("template", TAKEN_APART)
def test_context_of_an_answer_counts(template):
    for gold, right, wrong in PAIRS:
        assert grade(template.format(F=right, S=wrong), gold) == 0.0


@pytest.mark.parametrize("template", UNTOUCHED)
def test_harmless_context_changes_nothing(template):
    for gold, right, wrong in PAIRS:
        assert grade(template.format(F=right, S=wrong), gold) == 1.0


ON_THE_WAY = [  # gold, completion: other values are steps on the way to the answer, or about something else
    ("4", "So $x=\\boxed{4}$.\n\nCheck: plugging $x=4$ back in, the result is 16, which matches."),
    ("12", "第一步的结果是24。第二步除以2，答案是 $\\boxed{12}$。"),
    ("7", "The answer is $\\frac{3}{4}$, so $m+n = \\boxed{7}$."),  # as AIME asks
    ("7", "Thus the probability is $\\boxed{\\frac34}$, and therefore $m+n=3+4=\\boxed{7}$."),
    ("12", "So $x=\\boxed{3}$. Therefore, $4x=4\\cdot3=\\boxed{12}$."),
    ("12", "The general formula is $\\boxed{a_n=3n}$. Therefore $a_4=\\boxed{12}$."),
    (
        "7",
        (
            "**Case 1:** $\\boxed{3}$ ways.\n"
            "\n"
            "**Case 2:** $\\boxed{4}$ ways.\n"
            "\n"
            "Adding the cases, the total number of ways is $\\boxed{7}$."
        ),
    ),
    ("12", "The answer to part (a) is $24$. The answer to part (b) is $\\boxed{12}$."),
    ("12", "$\\boxed{12}$\n\nNote that if the marbles were distinct, the answer would be 24."),
    ("B", "选项A：$1+1=3$，错误；\n选项B：正确；\n选项C：错误。\n故选：B"),
    ("4", "The answer, therefore, is clearly 4."),
    ("2,3", "First root: $\\boxed2$\n\nSecond root: $\\boxed3$"),
    ("B", "因此，答案是选项 **B**。"),
    ("7", "Answer: $\\frac{3}{4}$, so $m+n=7$.\n\n$\\boxed{7}$"),
    ("5", "5 is the answer."),
    ("5", "So $5$ is our answer."),
    ("5", "Hence, the required number is $5$."),
    ("5", "So, $x+y = 5$."),
    ("4", "Ans. 4"),
    ("2,3", "The roots are 2 and 3"),
    ("12", "答：一共有12个。"),
]

OFFERED_BESIDE = [  # gold, completion: another value is offered as the answer, too
    ("7", "The answer is 6 or \\boxed{7}."),
    ("7", "The answer is \\boxed{7}, 6, or 5."),
    ("7", "The answers are \\boxed{7} and 6."),
    ("12", "\\boxed{12}\n\nHowever, the correct value is 6."),
    ("12", "\\boxed{12}\n\nCorrection: 24."),
    ("12", "\\boxed{12}, but I am not sure; might be 24."),
    ("12", "$\\boxed{12}$ cannot be the answer."),
    ("12", "at least $\\boxed{12}$"),
    ("12", "$\\boxed{12}<x$"),
    ("7", "The answer is \\boxed{7} million."),
    ("7", "$\\boxed7\\sqrt2$"),
    ("12", "$10 - \\boxed{12}$"),
    ("12", "$\\sqrt{\\boxed{12}}$"),
    ("5:00", "\\boxed{6:00}"),
    ("12", "$\\log\\boxed{12}$"),
    ("12", "$(\\boxed{12},5)$"),
    ("12", "The triple is $(5, \\boxed{12}, 13)$."),
    ("12", "$\\boxed{12} : 5$"),
    ("12", "\\boxed{12} or so"),
    ("12", "\\boxed{12} if unordered, 24 if ordered."),
    ("7", "$x=\\boxed{7}$, $x=6$"),
    ("7", "If we ignore the constraint, the answer is 7."),
    ("7", "The answer is $6$. No wait, maybe the answer is $7$."),
    ("(C)", "\\boxed{\\text{(C)}}\n\n\\boxed{\\text{(B)}}"),
]


@pytest.mark.parametrize(
    ("gold", "completion", "reward"), [(*row, 1.0) for row in ON_THE_WAY] + [(*row, 0.0) for row in OFFERED_BESIDE]
)
def test_other_values_in_the_text(gold, completion, reward):
    assert grade(completion, gold) == reward


def test_a_sign_before_the_box_belongs_to_it():
    assert grade(r"$-\boxed{5}$", "-5") == 1.0 and grade(r"$-\boxed{5}$", "5") == 0.0
    assert grade(r"\boxed{5}\%", "5%") == 1.0


@pytest.mark.parametrize(
    "text",
    ["Option C is the incorrect one", "It is false that option C is correct", "Option C is correct? No.", "选项C不正确",
     "The answer is C? Not sure, maybe D", "选C或D"],
)  # fmt: skip
def test_options_denied_or_doubted(text):
    assert grade(text, "C") == 0.0


@pytest.mark.parametrize(("gold", "completion", "reward"), SINGLE)
def test_texts_as_models_write_them(gold, completion, reward):
    assert grade(completion, gold) == reward


# A value of 72 stated in another language, or in a sentence.
STATED_OTHERWISE = [
    "Ответ: 72", "Окончательный ответ: **72**", "Réponse : 72", "La réponse est 72.", "**Réponse finale :** 72",
    "Respuesta: 72", "La respuesta es 72.", "Respuesta final: 72", "Antwort: 72", "Die Antwort ist 72.",
    "Das Ergebnis beträgt 72 cm.", "정답: 72", "답은 72입니다.", "최종 답: 72", "答え: 72", "答えは72です。",
    "最終的な答えは72になります。", "الجواب: ٧٢", "الإجابة النهائية هي 72", "उत्तर: ७२", "उत्तर 72 है।",
    "The answer is 72, altogether.", "**Final Answer:** 72 ✅", "<answer>72 ✅</answer>", "<answer>Ann sold 72 clips.</answer>",
    "<answer>There are 72 apples.</answer>", "<answer>He earned $72 in total.</answer>", "The answer is 72 ∎",
    r"\boxed{72} and so $\boxed",
    # other phrasings
    "Also ist die Antwort 72.", "Daher beträgt das Ergebnis 72.", "x\n\nSomit ist x = 72.", "La réponse est donc 72.",
    "x\n\nEntonces x = 72.", "Итак, ответ 72.", "Ответ на задачу: 72.", "x\n\nСледовательно, x = 72.", "正解は72です。",
    "x\n\nよって x = 72", "최종 답변: 72", "따라서 답은 72이다.", "الناتج هو 72.", "परिणाम 72 है।", "उत्तर है: 72",
    # with a unit
    "Ответ: 72 клипа", "Respuesta: 72 años", "答えは72個です。", "답은 72명입니다.", "उत्तर: 72 किताबें", "La réponse est 72 au total.",
    # sentences in a block
    "<answer>In total, Ann sold **72** clips.</answer>", "<answer>The value of x is 72.</answer>",
    "<answer>The speed is 72 miles per hour.</answer>", "<answer>James runs 72 meters a week.</answer>",
    "<answer>Natalia sold 72 clips altogether in April and May.</answer>", "The answer is: Ann sold 72 clips.",
    # remarks, arrows, headings
    "The answer is 72, of course.", "The answer is 72 (see above).", "The answer is 72; this completes the proof.",
    "The answer is 72 for this problem.", "Final Answer → 72", "### Answer\n**72 clips**", r"\textbf{Answer: 72}",
    "<b>Answer:</b> 72", "---\n**72**\n---", "The answer to the first part is 24. The answer is 72.",
    # formulas in sentences, abbreviations, steps, a box without content
    "<answer>The area is $72$.</answer>", "<answer>The sum of the two numbers is 72.</answer>", "$x=72$ is the only solution.",
    "<answer>He has to pay $72.</answer>", "The answer is 72 minutes (i.e. 4320 seconds).",
    r"The answer is $\boxed{72}$. Once more: $\boxed{", "The answer is 72. (27 is the answer with swapped digits.)",
    r"\boxed{144}. Halving it as the question asks: \boxed{72}", r"$\color{blue}{\boxed{72}}$", r"So the answer is $\boxed{72$.",
    r"There are \boxed{144} pairs. Wait, I counted each pair twice. The correct answer is 72.", "答：需要72分钟。",
    r"The rows are \boxed{30}. Then the columns are \boxed{42}. The total is \boxed{72}.",
    r"We could guess \boxed{8}, but checking the constraint rules it out. Final: \boxed{72}",
]  # fmt: skip
NOT_STATED = [
    "Ответ не 72", "La réponse n'est pas 72.", "La respuesta no es 72", "Die Antwort ist nicht 72", "답은 72가 아닙니다",
    "答えは72ではない", "答えは72ではありません。", "उत्तर 72 नहीं है", "Ответ: 71. Ответ: 72", "Antwort: 71\nAntwort: 72",
    "Die Antwort ist 72 oder 73", "respuesta: 72 o 73", "Ответ: 73", "答えは73です。",
    "<answer>Ann sold at least 72 clips.</answer>", "<answer>Ann did not sell 72 clips.</answer>",
    "<answer>Ann sold 72 or 73 clips.</answer>", "<answer>Ann sold twice 72 clips.</answer>",
    "<answer>It is the square root of 72.</answer>", "<answer>It costs 72 per hour.</answer>",
    "<answer>Ann sold 72 clips in 3 days.</answer>", "<answer>She has 71 apples left.</answer>",
    # hypothetical, approximate, a bound
    "Angenommen, die Antwort ist 72.", "Supongamos que la respuesta es 72.", "Supposons que la réponse est 72.",
    "Предположим, что ответ 72.", "假设答案是72", "もし答えは72なら矛盾する。", "만약 답은 72라면 모순이다.", "Ответ: примерно 72",
    "La respuesta es 72 aproximadamente.", "Réponse : 72 environ", "답은 72개 정도입니다.", "答えは72個以上です。", "उत्तर: 72 से अधिक",
    "الجواب: 72 أو أكثر", "La respuesta es 73, no 72.", "Ответ 72 неверный.", "La respuesta es 72 veces 2.", "Ist die Antwort 72?",
    # sentences in a block
    "<answer>Ann may have sold 72 clips.</answer>", "<answer>Nobody sold 72 clips.</answer>",
    "<answer>Ann sold all but 72 clips.</answer>", "<answer>Ann failed to sell 72 clips.</answer>",
    "<answer>Half of the total is 72.</answer>", "<answer>It is close to 72.</answer>", "<answer>x divides 72.</answer>",
    "<answer>The number ends with 72.</answer>", "<answer>The sum would be 72.</answer>", "<answer>We considered 72 cases.</answer>",
    # withdrawn or doubted
    "Answer: 72\n\nActually, that is incorrect.\n\nAnswer: 96", "One might think the answer is 72, but it is 96.",
    "I am not sure whether the answer is 72.", "72 isn't the answer.", "The answer is 72, not.", "不选72", "Ann sold 72 clips.",
    # formulas in sentences, abbreviations, steps, a box that is cut off
    "<answer>The area is not $72$.</answer>", "<answer>The area is $72$ or $73$.</answer>", "The area is $72$.",
    "<answer>Two numbers are 72.</answer>", "$x=72$ is the only solution of the first equation.",
    "The answer is 72 minutes (i.e. 4321 seconds).", r"The answer is $\boxed{72}$. Once more: $\boxed{7",
    r"\boxed{72}. Doubling it as the question asks: \boxed{144}", r"$\sqrt{\boxed{72}}$", r"So the answer is $\boxed{7",
    r"There are \boxed{72} pairs. Wait, I counted each pair twice. The correct answer is 36.",
    r"There are \boxed{144} pairs. The correct answer is 72.", r"So the answer is $\boxed{72",
]  # fmt: skip


@pytest.mark.parametrize("completion", STATED_OTHERWISE)
def test_answers_stated_in_other_languages_and_in_sentences(completion):
    assert grade(completion, "72") == 1.0


@pytest.mark.parametrize("completion", NOT_STATED)
def test_answers_denied_or_doubted_in_other_languages_and_in_sentences(completion):
    assert grade(completion, "72") == 0.0


def test_a_sentence_may_say_that_there_is_no_solution():
    assert grade("Both roots are extraneous. The equation has no solution.", r"\text{no solution}") == 1.0
    assert grade("There is no real solution.", r"\emptyset") == 1.0
    assert grade("If a = 0, the equation has no solution. Else it has one.", r"\text{no solution}") == 0.0
    assert grade("The equation has no solution.\n\n$x = 5$", r"\text{no solution}") == 0.0


def test_only_the_part_after_the_last_thought_counts():
    assert split_thought("<think>a</think>b<think>c</think>d").answer == "d"
    assert split_thought("<think>a</think>b<think>c").answer is None
    assert split_thought("opened in the prompt</think>d").answer == "d"


def test_steps_and_withdrawn_boxes_do_not_compete():
    assert extract_answer(r"Step 1: $r=\boxed{3}$. Then the area is $\boxed{9\pi}$.").other_answers == []
    assert extract_answer(r"\boxed{3}. Wait, that is wrong. \boxed{4}").other_answers == []
    assert extract_answer(r"\boxed{3}, \boxed{4}").other_answers == ["3"]
