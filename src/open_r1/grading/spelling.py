"""The tables of `notation`: replacements for characters, commands and words. The order of the rows matters.

All patterns match in linear time: repetitions are not nested, and the text after a repetition cannot be part of it.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple


BASIC_MULTILINGUAL_PLANE = 2**16  # code points
# Ranges of emoji and other marks, as code points.
DECORATIONS = [
    (0x25A0, 0x25A1),
    (0x2600, 0x2653),
    (0x2668, 0x27BF),
    (0x2B50, 0x2B50),
    (0x1F300, 0x1FAFF),
]
MEANINGFUL_MARKS = "✗✘❌❎❓❔❗⛔🚫👎🤔🤷🙅➕➖➗"
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
).split()
MONTHS = "January February March April May June July August September October November December".split()
FUNCTIONS = (
    "arcsin arccos arctan arccot arcsec arccsc arsinh arcosh artanh arcsinh arccosh arctanh "
    "sinh cosh tanh coth sech csch sin cos tan cot sec csc "
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


def _decorations() -> str:
    """Emoji and other marks that only decorate an answer, unlike signs, and marks that reject or question it."""
    decorations = []
    for first, last in DECORATIONS:
        for code in range(first, last + 1):
            if unicodedata.category(chr(code)) == "So" and chr(code) not in MEANINGFUL_MARKS:
                decorations.append(chr(code))
    return "".join(decorations)


# Single characters, except those that Unicode's NFKC handles (full-width letters and digits, ％, ∶). Rows after the
# first one take precedence over it: ✕ and ✖ are signs, though they are among the decorations.
CHARACTERS = str.maketrans(
    {
        **dict.fromkeys(_decorations() + "∎\ufe0e\ufe0f", ""),
        **dict.fromkeys("−–—‐‑‒―﹣－➖", "-"),
        **dict.fromkeys("÷∕⁄／", "/"),
        **dict.fromkeys("，、﹐､", ","),
        **dict.fromkeys('“”„"‘’`$\u200b\u200c\u200d\u2060\ufeff\u00ad【】「」', ""),
        **dict.fromkeys("×·⋅∙•✕✖∗＊", "*"),
        **_decimal_digits(),
        "٪": "%",
        "٫": ".",
        "٬": "",  # separates thousands
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
        "⌈": r"\lceil ",
        "⌉": r"\rceil ",
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
    "\\textdollar": "dollar",
    "US\\$": "dollar",
    "US$": "dollar",
    "USD": "dollar",
    "€": "euro",
    "\\euro": "euro",
    "£": "pound",
    "\\pounds": "pound",
    "￥": "yuan",
    "¥": "yuan",
    "₹": "rupee",
    "₩": "won",
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
    ("\\cup ", "bigcup"),
    ("\\cap ", "bigcap"),
    ("[", "lbrack"),
    ("]", "rbrack"),
    (":", "colon"),
    ("...", "ldots dots cdots dotsc"),
    ("\\emptyset ", "varnothing O"),
    ("\\setminus ", "backslash"),
    ("", "checkmark square blacksquare Box qed qedsymbol"),
    ("\\Rightarrow ", "implies Rightarrow iff Leftrightarrow Longrightarrow Longleftrightarrow"),
    ("\\to ", "longrightarrow rightarrow"),
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
_NESTED_GROUP = r"\s*\{((?:[^{}]|\{[^{}]*\})*)\}"


def _spell_clock(match: re.Match) -> str:
    """`6:45 p.m.` as `6:45«pm»`."""
    hour, minute, half = match.groups()
    time = str(int(hour))
    if minute:
        time += f":{minute}"
    return f"{time}«{half.lower()}m»"


def _spell_degrees(match: re.Match) -> str:
    """`1°30'` as `(\\frac{5400}{3600})°`."""
    degrees, minutes, seconds = match.groups()
    in_seconds = 3600 * int(degrees) + 60 * int(minutes) + int(seconds or 0)
    return f"(\\frac{{{in_seconds}}}{{3600}})°"


def _spell_month(match: re.Match) -> str:
    """`Mar.` as `March`."""
    return next(month for month in MONTHS if month.startswith(match[1][:3]))


def _join_digits(match: re.Match) -> str:
    """`0.000 067` as `0.000067`."""
    return match[0].replace(" ", "")


def _spell_open_interval(match: re.Match) -> str:
    """`]0, 1[` as `(0, 1)`."""
    opening = "(" if match[0].startswith("]") else match[0][0]
    closing = ")" if match[0].endswith("[") else match[0][-1]
    return f"{opening}{match[0][1:-1]}{closing}"


class Spelling(NamedTuple):
    """A replacement in answers.

    Args:
        pattern (`re.Pattern`): What is replaced.
        replacement (`str | Callable`): By what.
        needed (`str`, *optional*, defaults to `""`): Text without which the pattern cannot match, so as to skip it.
    """

    pattern: re.Pattern
    replacement: str | Callable[[re.Match], str]
    needed: str = ""


def _compile(rows: list[tuple]) -> list[Spelling]:
    spellings = []
    for pattern, *others in rows:
        spellings.append(Spelling(re.compile(pattern), *others))
    return spellings


# Replacements in LaTeX.
LATEX_SPELLINGS = _compile(
    [
        # layout
        (r"(\\mathbb\{[RZ]\})\s*\\\s+\\?\{([^{}]*)\}", r"\1\\setminus \\{\2\\}", "mathbb"),  # ℝ \ {0}
        (r"\\(?:left|right|middle)(?![a-zA-Z])(?:\s*\.(?!\d))?", ""),  # `\right.` draws no bracket
        (r"(?<![\^_}\w])\\(?:tiny|small|large|Large|LARGE|huge|Huge)(?![a-zA-Z])|(?<!\\)\\\s*$", ""),
        (r"\\(?:textcolor|colorbox)\s*\{[\w!]*\}\s*\{([^{}]*)\}", r"\1", "color"),
        (r"\{([:=<>+])\}", r"\1"),  # 3{:}4
        (r"\{?,\}?\\!\s*|\{,\}", ","),  # 1,\!000 and 1{,}000
        (r"(?<!\\)\\[,;:! ]|(?<!\\)~|\\[ht]space\*?" + _GROUP, " "),
        (r"\\[hv]?phantom" + _GROUP, "", "phantom"),
        (r"\\tag\*?" + _GROUP, "", "tag"),
        (r"\\([%#&_])", r"\1"),
        (r"(?:\{\s*\})?\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\text\s*\{\s*°\s*\}", "°"),
        # fonts and boxes
        (
            r"\\(?:mathbf|mathit|boldsymbol|bm|pmb|mathcal|underline|color\s*\{[a-z]*\}|ensuremath)" + _NESTED_GROUP,
            r" \1 ",
        ),
        (r"\\(?:mathrm|mathsf|operatorname\*?|rm)\s*\{\s*([eid])\s*\}", r"{\1}"),
        (r"\\color\s*\{[\w!]*\}", "", "color"),
        (r"\\(?:boxed|fbox|framebox)" + _GROUP, r"\1", "box"),
        # accents and signs
        (r"\\(vec|hat|tilde|bar|overline|overrightarrow|widehat)\s+([a-zA-Z])(?![a-zA-Z])", r"\\\1{\2}"),
        (r"\\(?:hat|vec|widehat)\s*\{\s*\\?([ijk])(?:math)?\s*\}", r" \1 "),  # unit vectors
        (r"\\dot\s*\{?(\d)\}?(\d*)\\dot\s*\{?(\d)\}?", r"\\overline{\1\2\3}", "dot"),
        (r"\\(?:overline|bar|dot)\s*(\d)|\\(?:bar|dot)\s*\{(\d+)\}", r"\\overline{\1\2}"),  # recurring decimals
        (r"\\not\s*(?:=|\\equiv(?![a-zA-Z]))", r"\\ne ", "not"),
        (r"\\(?:mathbb|Bbb)\s*([A-Z])", r"\\mathbb{\1}"),
        (r"\\\{\s*\\\}|(?<![\w\\])\{\s*\}$", r"\\emptyset "),
        (r"\\\{\s*\\begin\{array\}\s*\{[lcr|]*\}(.*)\\end\{array\}\s*$", r"\\begin{cases}\1\\end{cases}", "array"),
        (r"\\log\s*_\s*(?:\{\s*e\s*\}|e(?![a-zA-Z]))", r"\\ln ", "log"),
        # binomials: {10 \choose 3}, {}_{10}C_{3}, C(10,3), C_{10}^{3}
        (r"\{([^{}\\]{1,40})\\choose(?![a-zA-Z])([^{}\\]{1,40})\}", r"\\binom{\1}{\2}", "choose"),
        (
            r"(?:\{\s*\})?[_^]\{?(\d+)\}?\s*C_\{?(\d+)\}?(?!\w)|(?<![a-zA-Z\\])C\((\d+),\s*(\d+)\)",
            r"\\binom{\1\3}{\2\4}",
        ),
        (r"(?<![a-zA-Z\\{])C_\{?(\d*[nmk]|\d+)\}?\^\{?(\d+|[nmk])\}?(?!\w)", r"\\binom{\1}{\2}", "C_"),
        # permutations: {}_{5}P_{3}, A_{5}^{3}
        (r"(?:\{\s*\})?[_^]\{?(\d+)\}?\s*P_\{?(\d+)\}?(?!\w)", r"(\\frac{\1!}{(\1-\2)!})", "P_"),
        (r"(?<![a-zA-Z\\{])[AP]_\{?(\d+)\}?\^\{?(\d+)\}?(?!\w)", r"(\\frac{\1!}{(\1-\2)!})"),
        # words beside numbers
        (r"^\s*(\d+)\s*(?:\\text\s*\{\s*|\\ )?(?:in|out\s+of)(?:\s*\}|\\ )?\s*(\d+)\s*$", r"\\frac{\1}{\2}"),  # 1 in 3
        # clock times: 6:45 p.m., 6 PM, 06:45
        (r"(?<![\d:.])(\d{1,2})(?:\s*:\s*(\d\d))?\s*[«{]\s*([aApP])\.?\s?[mM]\.?\s*[»}]", _spell_clock),
        (r"(?<![\d:.])(\d{1,2})\s*:\s*(\d\d)\s*([aApP])\.?\s?[mM]\.?(?![a-zA-Z])", _spell_clock, ":"),
        (r"(?<![\d:.])(\d{1,2})()\s*([aApP])(?:\.\s?[mM]\.?|[mM])\s*$", _spell_clock),
        (r"^\s*0(\d\s*:\s*\d\d)\s*$", r"\1", ":"),
        (r"(?:\\text\s*\{\s*)?(?:at\s+)?(?:12(?::00)?\s*(?:\\text\s*\{\s*)?)?\bnoon\b(?:\s*\})?", "12:00«pm»", "noon"),
        (r"(?<=\d)(?:st|nd|rd|th)(?![a-zA-Z])", ""),  # June 20th
        (r"负\s*(?=[\d\\一二三四五六七八九十两])", "-", "负"),
        (r"(?<=\d)\s*又\s*(?=[\d\\])", " ", "又"),  # 2又1/3
        (r"(\d+)\s*°\s*(\d{1,2})\s*'(?:\s*(\d{1,2})\s*'')?", _spell_degrees, "°"),
        (r"(\d)\s*\\text\s*\{?\s*:\s*\}?", r"\1:", ":"),
        # r cis θ, a complex number
        (
            r"\\?(?:operatorname|text|mathrm)?\s*\{?\s*\bcis\s*\}?\s*"
            r"(\([^()]{1,30}\)|[\d.]+\s*°|\\frac\{[^{}]*\}\{[^{}]*\}|\\pi)",
            r"(\\cos(\1)+i\\sin(\1))",
            "cis",
        ),
        (r"^(\d+(?:\.\d+)?)\s*''$", r"\1«in»", "''"),
        (r"(?<=[\d}])\s*\\Omega", "«ohm»", "Omega"),
        (r"\bsq\.", "sq", "sq."),
        (
            r"(?<=[\d}])\s*(?:\\text\s*\{\s*)?\bper\s?cent\b"
            r"(?:\s+(?:increase|decrease|discount|profit|loss))?(?:\s*\})?",
            "%",
            "cent",
        ),
        (r"(?<=\d)_\{\((\d+)\)\}", r"_{\1}", "_{("),
        # 1 und 2, 1 и 2, 1と2
        (r"(?<=[\d})])(?:\s+(?:und|et|y|и|و|और)\s+|\s*[と와과]\s*)(?=[-\d\\(])", "«and»"),
        (r"\bDNE\b", "«does not exist»", "DNE"),
        (r"(?<!\\)\\[()\[\]]", ""),
    ]
)

# Replacements for plain text that people and programs write instead of LaTeX.
PLAIN_SPELLINGS = _compile(
    [
        (r"(?<=[\d}])\s*min(?=\s*\()", "«min»", "min"),  # minutes
        (r"(?<![\d.])\d{1,3}(?: \d{3})*\.\d{3}(?: \d{1,3})+$", _join_digits, "."),  # 0.000 067
        (r"\b(Jan|Feb|Mar|Apr|Aug|Sep|Sept|Oct|Nov|Dec)\.?(?=\s*\d)", _spell_month),
        (r"(?<![\d:.])(\d{1,2})\s*o'?clock\b", r"\1:00", "clock"),
        # relations
        (r"<=|=<", r"\\le "),
        (r">=|=>", r"\\ge "),
        (r"(?<![\d)])!=|<>", r"\\ne "),  # but 3!=6
        (r"==", "="),
        (r"\+\s*/\s*-|\+-(?=\s*[\d\\a-z])", r"\\pm "),
        # names without a backslash
        (r"(?<![a-zA-Z\\«])(?:infinity|infty|inf|oo)(?![a-zA-Z»])", r"\\infty "),
        (r"(?<![a-zA-Z\\«])(sqrt|" + "|".join(GREEK) + r")(?![a-zA-Z»])", r"\\\1 "),
        (r"(?<![a-zA-Z\\«])(?:cbrt)(?![a-zA-Z])", r"\\sqrt[3] ", "cbrt"),
        (r"(?<![a-zA-Z\\«])a(sin|cos|tan)(?![a-zA-Z])", r"\\arc\1 "),
        (r"(?<![a-zA-Z\\])log(2|10)(?=\()", r"\\log_{\1}", "log"),
        (r"(?<![a-zA-Z\\«])(" + "|".join(FUNCTIONS) + r")(?![a-zA-Z»])(?=\s*[\d(\\^_{a-z])", r"\\\1 "),
        (r"(?<![a-zA-Z\\«])a(sinh|cosh|tanh)(?![a-zA-Z])", r"\\ar\1 ", "h"),
        (r"^(?:[a-z]+\.)?(?:Matrix|matrix|array)\((\[.*\])\)$", r"\1", "["),  # np.array([1, 2])
        (r"(?<![a-zA-Z\\])U(?=\s*[(\[])(?<=[)\]\s]U)", r"\\cup ", "U"),  # (0, 1) U (2, 3)
        (r"(?<![\w.,])(\d+)[.,](\d*)\((\d+)\)$", r"\1.\2\\overline{\3}", "("),  # 0.1(6), a recurring decimal
        (r"(\d)[\u0304\u0305\u0307](?:(\d)[\u0304\u0305\u0307])?", r"\\overline{\1\2}"),  # digits with a line above
        # 0.1666... and 0.272727..., where the last digits occur several times
        (
            r"(?<![\w.])(\d{0,9}\.\d{0,9}?)(?:([1-9])\2{2,}|(?!00)(\d\d)\3{2,}|(?!00)(\d{3,8}?)\4+)\.\.\.$",
            r"\1\\overline{\2\3\4}",
            "...",
        ),
        # the j of engineers and of Python: 2-j, 2-1j, 1j
        (r"^(\(?-?[\d.]+\s*[+-]\s*[\d.]*|-?[\d.]+)j(\)?)$", r"\1i\2", "j"),
        (r"(\d)\s*x\s*(?=10\s*\^)", r"\1*", "10"),  # 1.5x10^3
        # sets without backslashes, French brackets
        (r"(\\cup|\\setminus)\s*\{([^{}]*)\}", r"\1 \\{\2\\}", "\\"),
        (r"^\{([^{}]*)\}(?=\s*\\cup)", r"\\{\1\\}", "cup"),
        (r"(?:(?:(?<![\w}])|(?<=\\cup))\]|\[)[^\[\]()]{1,60}[,;][^\[\]()]{1,60}[\[\]]", _spell_open_interval),
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

_ALL = r"(?:(?:for|the set of|all|any|every|each|the|is|are|can be|may be) )+"


def _real_numbers(adjective: str = "") -> str:
    """A pattern for `all positive real numbers`, for example."""
    return (
        rf"(?i:[a-z]?«{_ALL}{adjective}real (?:number|value)s?(?: of)?»[a-z]?"  # all real values of x
        rf"|«(?:{_ALL})?{adjective}(?:real numbers|reals)»"
        rf"|«{_ALL}{adjective}real»[a-z])"  # all real x
    )


# Replacements for whole answers that name a set of numbers.
SET_SPELLINGS = _compile(
    [
        (_real_numbers() + "|«全体实数»|«实数集»", r"\\mathbb{R}"),
        (_real_numbers("positive ") + r"|\\mathbb\{R\}(?:[_^]\{?\+\}?|_\{?>0\}?)", r"(0,\\infty)"),
        (_real_numbers("negative ") + r"|\\mathbb\{R\}(?:[_^]\{?-\}?|_\{?<0\}?)", r"(-\\infty,0)"),
        (_real_numbers("non-?negative "), r"[0,\\infty)"),
        (_real_numbers("non-?zero "), r"\\mathbb{R}\\setminus \\{0\\}"),
        (rf"(?i:«(?:{_ALL})?integers»)", r"\\mathbb{Z}"),
        (
            rf"(?i:«(?:{_ALL})?positive integers?»[a-z]?)|\\mathbb\{{Z\}}(?:[_^]\{{?\+\}}?|_\{{>0\}})",
            r"\\mathbb{Z}^{+}",
        ),
        (
            rf"(?i:«{_ALL}(?:real numbers|reals) (?:except|other than|but)(?: for)?»)(?:x=)?(.+)",
            r"\\mathbb{R}\\setminus \\{\1\\}",
        ),
    ]
)
