"""The tables of `notation`: replacements for characters, commands and words. The order of the rows matters.

All patterns match in linear time: repetitions are not nested, and the text after a repetition cannot be part of it.
"""

import re
import unicodedata


BASIC_MULTILINGUAL_PLANE = 2**16  # code points
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
).split()
FUNCTIONS = (
    "arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh sin cos tan cot sec csc "
    "log ln lg exp min max gcd lcm det mod binom lim"
).split()


def _greek_commands() -> dict[str, str]:
    """`α` as `\\alpha `, `Δ` as `\\Delta `."""
    commands = {}
    for letter in "αβγδεζηθικμνξπρστφχψω":
        commands[letter] = f"\\{unicodedata.name(letter).split()[-1].lower()} "
    for letter in "ΔΓΩΣΘΦ":
        commands[letter] = f"\\{unicodedata.name(letter).split()[-1].capitalize()} "
    return commands


def _decimal_digits() -> dict[str, str]:
    """The digits of all scripts that are still written, `٧` as `7`."""
    digits = {}
    for code in range(128, BASIC_MULTILINGUAL_PLANE):
        if unicodedata.category(chr(code)) == "Nd":
            digits[chr(code)] = str(unicodedata.digit(chr(code)))
    return digits


# Single characters, except those that Unicode's NFKC handles (full-width letters and digits, ％, ∶).
CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑‒―﹣－➖", "-"),
        **dict.fromkeys("×·⋅∙•✕✖∗＊", "*"),
        **dict.fromkeys("÷∕⁄／", "/"),
        **dict.fromkeys("，、﹐､", ","),
        **dict.fromkeys('“”„"‘’`$\u200b\u200c\u200d\u2060\ufeff\u00ad【】「」', ""),
        **dict.fromkeys("✅✔✓☑🎉✨👍💯🏆🎯∎■\ufe0e\ufe0f", ""),  # decorations
        **_decimal_digits(),
        "٫": ".",
        "٬": ",",
        **dict.fromkeys("º˚ᵒ", "°"),
        **dict.fromkeys("⟨〖", "("),
        **dict.fromkeys("⟩〗", ")"),
        "′": "'",
        "″": "''",
        "。": ".",
        "∶": ":",
        "⇒": "=",
        "㎡": "«m»^{2}",
        "㎥": "«m»^{3}",
        "√": r"\sqrt ",
        "∛": r"\sqrt[3] ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≦": r"\le ",
        "≧": r"\ge ",
        "≠": r"\ne ",
        "≡": r"\equiv ",
        "≈": r"\approx ",
        "∈": r"\in ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∅": r"\emptyset ",
        "±": r"\pm ",
        "∓": r"\mp ",
        "∠": r"\angle ",
        "△": r"\triangle ",
        "∥": r"\parallel ",
        "⊥": r"\perp ",
        "→": r"\to ",
        "∖": r"\setminus ",
        "⌊": r"\lfloor ",
        "⌋": r"\rfloor ",
        "ℝ": r"\mathbb{R}",
        "ℤ": r"\mathbb{Z}",
        "ℕ": r"\mathbb{N}",
        "ℚ": r"\mathbb{Q}",
        "ℂ": r"\mathbb{C}",
        "ϕ": r"\phi ",
        "λ": r"\lambda ",  # Unicode calls it LAMDA
        **_greek_commands(),
    }
)
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣ", "0123456789+-()nx")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₙ", "0123456789n")
CURRENCIES = {
    "\\$": "dollar",
    "US$": "dollar",
    "€": "euro",
    "\\euro": "euro",
    "£": "pound",
    "\\pounds": "pound",
    "￥": "yuan",
    "¥": "yuan",
}

# Replacements for LaTeX commands, and the commands that they replace.
_COMMANDS = [
    (
        "",
        "bf it sf tt em displaystyle textstyle limits nolimits mathstrut "
        "big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm Bigm",
    ),
    (" ", "quad qquad thinspace enspace space"),
    ("\\frac", "dfrac tfrac cfrac"),
    ("\\binom", "dbinom tbinom"),
    ("\\le ", "leqslant leq leqq le"),
    ("\\ge ", "geqslant geq geqq ge"),
    ("\\ne ", "neq ne"),
    ("<", "lt"),
    (">", "gt"),
    ("*", "cdot times ast star"),
    ("/", "div"),
    ("\\{", "lbrace"),
    ("\\}", "rbrace"),
    ("|", "vert lvert rvert mid lVert rVert"),
    ("(", "langle lparen"),
    (")", "rangle rparen"),
    ("[", "lbrack"),
    ("]", "rbrack"),
    (":", "colon"),
    ("...", "ldots dots cdots dotsc"),
    ("\\emptyset ", "varnothing O"),
    ("\\setminus ", "backslash"),
    ("", "checkmark blacksquare qed qedsymbol"),
    ("\\to ", "implies Rightarrow iff Leftrightarrow longrightarrow rightarrow"),
    (" «or» ", "lor vee"),
    (" «and» ", "land wedge"),
    ("°", "degree textdegree"),
    ("\\epsilon", "varepsilon"),
    ("\\theta", "vartheta"),
    ("\\phi", "varphi"),
    ("\\rho", "varrho"),
    ("\\sigma", "varsigma"),
    ("\\pi", "varpi"),
]
COMMAND_SPELLINGS: dict[str, str] = {}
for _spelling, _names in _COMMANDS:
    for _name in _names.split():
        COMMAND_SPELLINGS[f"\\{_name}"] = _spelling

_GROUP = r"\s*\{([^{}]*)\}"


def _spell_clock(match: re.Match) -> str:
    """`6:45 p.m.` as `18:45`."""
    hour = int(match[1]) % 12
    if match[3] in "pP":
        hour += 12
    return f"{hour}:{match[2]}"


def _compile(rows: list[tuple]) -> list[tuple]:
    return [(re.compile(pattern), replacement) for pattern, replacement in rows]


# Replacements in LaTeX: pattern and replacement.
LATEX_SPELLINGS = _compile(
    [
        # layout
        (r"\\(?:left|right|middle)(?![a-zA-Z])(?:\s*\.(?!\d))?", ""),  # `\right.` draws no bracket
        (r"(?<![\^_}\w])\\(?:tiny|small|large|Large|LARGE|huge|Huge)(?![a-zA-Z])|(?<!\\)\\\s*$", ""),
        (r"\\(?:textcolor|colorbox)\s*\{[\w!]*\}\s*\{([^{}]*)\}", r"\1"),
        (r"\{([:=<>+])\}", r"\1"),  # 3{:}4
        (r"\{?,\}?\\!\s*|\{,\}", ","),  # 1,\!000 and 1{,}000
        (r"(?<!\\)\\[,;:! ]|(?<!\\)~|\\[ht]space\*?" + _GROUP, " "),
        (r"\\[hv]?phantom" + _GROUP, ""),
        (r"\\tag\*?" + _GROUP, ""),
        (r"\\([%#&_])", r"\1"),
        (r"(?:\{\s*\})?\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\text\s*\{\s*°\s*\}", "°"),
        # fonts and boxes
        (r"\\(?:mathbf|mathit|boldsymbol|bm|pmb|mathcal|underline|color\s*\{[a-z]*\}|ensuremath)" + _GROUP, r" \1 "),
        (r"\\(?:mathrm|mathsf|operatorname\*?|rm)\s*\{\s*([eid])\s*\}", r"{\1}"),
        (r"\\(?:boxed|fbox|framebox)" + _GROUP, r"\1"),
        # accents and signs
        (r"\\(vec|hat|tilde|bar|overline|overrightarrow|widehat)\s+([a-zA-Z])(?![a-zA-Z])", r"\\\1{\2}"),
        (r"\\(?:overline|bar|dot)\s*(\d)|\\(?:bar|dot)\s*\{(\d+)\}", r"\\overline{\1\2}"),  # recurring decimals
        (r"\\not\s*=", r"\\ne "),
        (r"\\(?:mathbb|Bbb)\s*([A-Z])", r"\\mathbb{\1}"),
        (r"\\\{\s*\\\}|(?<![\w\\])\{\s*\}$", r"\\emptyset "),
        (r"\\\{\s*\\begin\{array\}\s*\{[lcr|]*\}(.*)\\end\{array\}\s*$", r"\\begin{cases}\1\\end{cases}"),
        (r"\\log\s*_\s*(?:\{\s*e\s*\}|e(?![a-zA-Z]))", r"\\ln "),
        # binomials: {}_{10}C_{3}, C(10,3), C_{10}^{3}
        (
            r"(?:\{\s*\})?[_^]\{?(\d+)\}?\s*C_\{?(\d+)\}?(?!\w)|(?<![a-zA-Z\\])C\((\d+),\s*(\d+)\)",
            r"\\binom{\1\3}{\2\4}",
        ),
        (r"(?<![a-zA-Z\\{])C_\{?(\d*[nmk]|\d+)\}?\^\{?(\d+|[nmk])\}?(?!\w)", r"\\binom{\1}{\2}"),
        # permutations: {}_{5}P_{3}, A_{5}^{3}
        (r"(?:\{\s*\})?[_^]\{?(\d+)\}?\s*P_\{?(\d+)\}?(?!\w)", r"(\\frac{\1!}{(\1-\2)!})"),
        (r"(?<![a-zA-Z\\{])[AP]_\{?(\d+)\}?\^\{?(\d+)\}?(?!\w)", r"(\\frac{\1!}{(\1-\2)!})"),
        # words beside numbers
        (r"^\s*(\d+)\s*(?:\\text\s*\{\s*|\\ )?(?:in|out\s+of)(?:\s*\}|\\ )?\s*(\d+)\s*$", r"\\frac{\1}{\2}"),  # 1 in 3
        (r"(\d{1,2})\s*:\s*(\d\d)\s*[«{]\s*([aApP])\.?\s?[mM]\.?\s*[»}]", _spell_clock),
        (r"(\d{1,2})\s*:\s*(\d\d)\s*([aApP])\.?\s?[mM]\.?(?![a-zA-Z])", _spell_clock),
        (r"(?<=\d)(?:st|nd|rd|th)(?![a-zA-Z])", ""),  # June 20th
        (r"负\s*(?=[\d\\一二三四五六七八九十两])", "-"),
        (r"(?<=\d)\s*又\s*(?=[\d\\])", " "),  # 2又1/3
        (r"(?<=[\d}])\s*\\Omega", "«ohm»"),
        (r"\bsq\.", "sq"),
        (r"(?<=[\d}])\s*(?:\\text\s*\{\s*)?\bper\s?cent\b(?:\s*\})?", "%"),
        (r"(?<=\d)_\{\((\d+)\)\}", r"_{\1}"),
        (r"\bDNE\b", "«does not exist»"),
        (r"(?<!\\)\\[()\[\]]", ""),
    ]
)

# Replacements for plain text that people and programs write instead of LaTeX.
PLAIN_SPELLINGS = _compile(
    [
        # relations
        (r"<=|=<", r"\\le "),
        (r">=|=>", r"\\ge "),
        (r"!=|<>", r"\\ne "),
        (r"==", "="),
        (r"\+\s*/\s*-|\+-(?=\s*[\d\\a-z])", r"\\pm "),
        # names without a backslash
        (r"(?<![a-zA-Z\\«])(?:infinity|infty|inf|oo)(?![a-zA-Z»])", r"\\infty "),
        (r"(?<![a-zA-Z\\«])(sqrt|" + "|".join(GREEK) + r")(?![a-zA-Z»])", r"\\\1 "),
        (r"(?<![a-zA-Z\\«])(?:cbrt)(?![a-zA-Z])", r"\\sqrt[3] "),
        (r"(?<![a-zA-Z\\«])a(sin|cos|tan)(?![a-zA-Z])", r"\\arc\1 "),
        (r"(?<![a-zA-Z\\«])(" + "|".join(FUNCTIONS) + r")(?![a-zA-Z»])(?=\s*[\d(\\^_{a-z])", r"\\\1 "),
        (r"(?<![a-zA-Z\\])U(?=\s*[(\[])(?<=[)\]\s]U)", r"\\cup "),  # (0, 1) U (2, 3)
        (r"(?<![\w.])(\d+\.\d*)\((\d+)\)$", r"\1\\overline{\2}"),  # 0.1(6), a recurring decimal
        (r"(?<=\d)j(?![a-zA-Z])", "i"),  # Python's 2-1j
        # powers and indices
        (r"(?<=[\w)}\]])\^\s*([+-]?\d+(?:\.\d+)?)(?!\w*\})", r"^{\1}"),
        (r"(?<=[\w)}\]])_(\d+)", r"_{\1}"),
        (r"(?<![\w.\\])(\d+(?:\.\d+)?)\s*[eE]([+-]?\d{1,3})(?![\w.])", r"\1*10^{\2}"),  # 1.5e3
        (r"\\(sin|cos|tan|cot|sec|csc)\s*\^\s*\{\s*-1\s*\}", r"\\arc\1 "),
        # arguments without braces
        (r"\\sqrt\s*(\[[^\]]*\])?\s*(\d+(?:\.\d+)?|[a-zA-Z](?![a-zA-Z]))", r"\\sqrt\1{\2}"),
        (r"\\(sqrt|frac|binom)\s+", r"\\\1"),
    ]
)
