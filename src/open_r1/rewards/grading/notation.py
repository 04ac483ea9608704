"""One notation for the many ways in which an answer is written: LaTeX, plain text, Unicode, Chinese, Markdown.

`normalize` turns all of them into spare LaTeX: no `$`, no `\\left`, one spelling for each sign, words set between « and ».
Regular expressions only, all of linear time; nothing is evaluated. What the signs mean is `equality`'s business.
"""

import re
import unicodedata
from functools import lru_cache

from open_r1.rewards.grading.brackets import closing
from open_r1.rewards.grading.numerals import han_number
from open_r1.rewards.grading.units import NAMES


LONGEST = 5000  # characters; a longer text is no final answer
DEEPEST = 30  # brackets within brackets
GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega".split()
FUNCTIONS = "arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh sin cos tan cot sec csc log ln lg exp min max gcd lcm det mod binom lim".split()
SIGNS = {
    **dict.fromkeys("−–—‐‑‒―﹣－➖", "-"),
    **dict.fromkeys("×·⋅∙•✕✖∗＊", "*"),
    **dict.fromkeys("÷∕⁄／", "/"),
    **dict.fromkeys("，、﹐､", ","),
    **dict.fromkeys("“”„\"‘’`$\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    **dict.fromkeys("º˚ᵒ", "°"),
    **{"′": "'", "″": "''", "√": r"\sqrt ", "∛": r"\sqrt[3] ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≦": r"\le "},
    **{"≧": r"\ge ", "≠": r"\ne ", "∥": r"\parallel ", "⊥": r"\perp ", "≡": r"\equiv ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset "},
    **{"±": r"\pm ", "∓": r"\mp ", "∠": r"\angle ", "△": r"\triangle ", "°": "°", "。": ".", "ℝ": r"\mathbb{R}", "⟨": "(", "⟩": ")"},
    **{"ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∖": r"\setminus ", "ϕ": r"\phi ", "∶": ":"},
    **{"㎡": "«m»^{2}", "㎥": "«m»^{3}"},
    **{"【": "", "】": "", "「": "", "」": "", "％": "%", "〖": "(", "〗": ")", "⇒": "=", "→": r"\to ", "⌊": r"\lfloor ", "⌋": r"\rfloor "},
    **{c: f"\\{unicodedata.name(c).split()[-1].lower()} " for c in "αβγδεζηθικμνξπρστφχψω"},
    "λ": r"\lambda ", "Δ": r"\Delta ", "Γ": r"\Gamma ", "Ω": r"\Omega ", "Σ": r"\Sigma ", "Θ": r"\Theta ", "Φ": r"\Phi ",
}  # fmt: skip
SIGNS = str.maketrans(SIGNS)
CURRENCY = re.compile(r"(\\\$|\\pounds|\\euro|US\$|[€£￥¥])\s*(\d(?:[\d.,]|\\!\s*|\{,\})*)?")
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
UP = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣ", "0123456789+-()nx")
DOWN = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₙ", "0123456789n")
ONE_BRACE = r"\s*\{([^{}]*)\}"


def _clock(match: re.Match) -> str:
    """`6:45 p.m.` as `18:45`."""
    return f"{int(match[1]) % 12 + 12 * (match[3] in 'pP')}:{match[2]}"


COMMANDS = [  # LaTeX's many names for one thing, in this order
    (r"\\(?:left|right|middle)\s*\.", ""),
    (r"\\(?:left|right|middle|displaystyle|textstyle|limits|nolimits|[bB]igg?[lrm]?)(?![a-zA-Z])", ""),
    (r"\\(?:dfrac|tfrac|cfrac)(?![a-zA-Z])", r"\\frac"),
    (r"\\[dt]binom(?![a-zA-Z])", r"\\binom"),
    (r"\{?,\}?\\!\s*", ","),
    (r"\{,\}", ","),
    (r"\\[ht]space\*?" + ONE_BRACE, " "),
    (r"(?<!\\)\\(?:[,;:! ]|(?:q?quad|thinspace|enspace|space)(?![a-zA-Z]))|(?<!\\)~", " "),
    (r"\\[hv]?phantom" + ONE_BRACE, ""),
    (r"\\([%#&_])", r"\1"),
    (r"(?:\{\s*\})?\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\(?:degree|textdegree)(?![a-zA-Z])|\\text\s*\{\s*°\s*\}", "°"),
    (r"\\(?:mathbf|mathit|boldsymbol|bm|pmb|mathcal|underline|color\s*\{[a-z]*\}|mathstrut|ensuremath)" + ONE_BRACE, r" \1 "),
    (r"\\(?:mathrm|mathsf|operatorname\*?|rm)\s*\{\s*([eid])\s*\}", r"{\1}"),
    (r"\\(?:boxed|fbox|framebox)" + ONE_BRACE, r"\1"),
    (r"\\(vec|hat|tilde|bar|overline|overrightarrow|widehat)\s+([a-zA-Z])(?![a-zA-Z])", r"\\\1{\2}"),
    (r"(?:\{\s*\})?_\{?(\d+)\}?\s*C_\{?(\d+)\}?(?!\w)|(?<![a-zA-Z\\])C\((\d+),\s*(\d+)\)", r"\\binom{\1\3}{\2\4}"),
    (r"(?<![a-zA-Z\\{])C_\{?(\d*[nmk]|\d+)\}?\^\{?(\d+|[nmk])\}?(?!\w)", r"\\binom{\1}{\2}"),
    (r"\\\{\s*\\begin\{array\}\s*\{[lcr|]*\}(.*)\\end\{array\}\s*$", r"\\begin{cases}\1\\end{cases}"),
    (r"(\d{1,2})\s*:\s*(\d\d)\s*[«{]?\s*([aApP])\.?\s?[mM]\.?(?![a-zA-Z])\s*[»}]?", _clock),
    (r"\bsq\.", "sq"),
    (r"(?<=\d)(?:st|nd|rd|th)(?![a-zA-Z])", ""),
    (r"(?<=[\d}])\s*\\Omega", "«ohm»"),
    (r"\bDNE\b", "«does not exist»"),
    (r"(?<=\d)\s*又\s*(?=[\d\\])", " "),
    (r"\\tag\*?" + ONE_BRACE, ""),
    (r"\\(?:leqslant|leq|le|leqq)(?![a-zA-Z])", r"\\le "),
    (r"\\(?:geqslant|geq|ge|geqq)(?![a-zA-Z])", r"\\ge "),
    (r"\\lt(?![a-zA-Z])", "<"),
    (r"\\gt(?![a-zA-Z])", ">"),
    (r"\\(?:neq|ne|not\s*=)(?![a-zA-Z])", r"\\ne "),
    (r"\\(?:cdot|times|ast|star)(?![a-zA-Z])", "*"),
    (r"\\div(?![a-zA-Z])", "/"),
    (r"\\lbrace(?![a-zA-Z])", r"\\{"),
    (r"\\rbrace(?![a-zA-Z])", r"\\}"),
    (r"\\(?:[lr]?vert|mid|lVert|rVert)(?![a-zA-Z])", "|"),
    (r"\\langle(?![a-zA-Z])|\\lparen(?![a-zA-Z])", "("),
    (r"\\rangle(?![a-zA-Z])|\\rparen(?![a-zA-Z])", ")"),
    (r"\\lbrack(?![a-zA-Z])", "["),
    (r"\\rbrack(?![a-zA-Z])", "]"),
    (r"\\colon(?![a-zA-Z])", ":"),
    (r"\\(?:ldots|dots|cdots|dotsc)(?![a-zA-Z])", "..."),
    (r"\\(?:varnothing|O)(?![a-zA-Z])|\\\{\s*\\\}|(?<![\w\\])\{\s*\}$", r"\\emptyset "),
    (r"\\(?:backslash)(?![a-zA-Z])", r"\\setminus "),
    (r"\\(?:mathbb|Bbb)\s*([A-Z])", r"\\mathbb{\1}"),
    (r"\\var(epsilon|theta|phi|rho|sigma|pi)(?![a-zA-Z])", r"\\\1"),
    (r"\\(?:implies|Rightarrow|iff|Leftrightarrow|longrightarrow|rightarrow)(?![a-zA-Z])", r"\\to "),
    (r"\\(?:lor|vee)(?![a-zA-Z])", " «or» "),
    (r"\\(?:land|wedge)(?![a-zA-Z])", " «and» "),
    (r"(?<!\\)\\[()\[\]]", ""),
    (r"\\log\s*_\s*(?:\{\s*e\s*\}|e(?![a-zA-Z]))", r"\\ln "),
    (r"\\(?:overline|bar|dot)\s*(\d)", r"\\overline{\1}"),
    (r"\\(?:bar|dot)\s*\{(\d+)\}", r"\\overline{\1}"),
]
COMMANDS = [(re.compile(pattern), new) for pattern, new in COMMANDS]
PLAIN = [  # what people and programs write instead of LaTeX
    (r"<=|=<", r"\\le "),
    (r">=|=>", r"\\ge "),
    (r"!=|<>", r"\\ne "),
    (r"==", "="),
    (r"\+\s*/\s*-|\+-(?=\s*[\d\\a-z])", r"\\pm "),
    (r"(?<![a-zA-Z\\«])(?:infinity|infty|inf|oo)(?![a-zA-Z»])", r"\\infty "),
    (r"(?<![a-zA-Z\\«])(sqrt|" + "|".join(GREEK) + r")(?![a-zA-Z»])", r"\\\1 "),
    (r"(?<![a-zA-Z\\«])(?:cbrt)(?![a-zA-Z])", r"\\sqrt[3] "),
    (r"(?<![a-zA-Z\\«])a(sin|cos|tan)(?![a-zA-Z])", r"\\arc\1 "),
    (r"(?<![a-zA-Z\\«])(" + "|".join(FUNCTIONS) + r")(?![a-zA-Z»])(?=\s*[\d(\\^_{a-z])", r"\\\1 "),
    (r"(?<![a-zA-Z\\])U(?=\s*[(\[])(?<=[)\]\s]U)", r"\\cup "),
    (r"(?<=[\w)}\]])\^\s*([+-]?\d+(?:\.\d+)?)(?!\w*\})", r"^{\1}"),
    (r"(?<=[\w)}\]])_(\d+)", r"_{\1}"),
    (r"(?<![\w.\\])(\d+(?:\.\d+)?)\s*[eE]([+-]?\d{1,3})(?![\w.])", r"\1*10^{\2}"),
    (r"\\(sin|cos|tan|cot|sec|csc)\s*\^\s*\{\s*-1\s*\}", r"\\arc\1 "),
    (r"\\sqrt\s*(\[[^\]]*\])?\s*(\d+(?:\.\d+)?|[a-zA-Z](?![a-zA-Z]))", r"\\sqrt\1{\2}"),
    (r"\\(sqrt|frac|binom)\s+", r"\\\1"),
]
PLAIN = [(re.compile(pattern), new) for pattern, new in PLAIN]
WORD = re.compile(r"«[^»]*»|\\[a-zA-Z]+|[㐀-鿿]+|(?<![a-zA-Z_^{\\])[a-zA-Z]{2,}(?:[-'][a-zA-Z]+)*")
SHORT_WORDS = set(
    "sq or and is are to of in on at by no not if as an the all any per cats dogs pens eggs cups odd yes both".split()
)


@lru_cache(maxsize=65536)
def normalize(text: str) -> str:
    """The spare notation of an answer; `""` if it is blank, or longer or deeper than any answer.

    >>> normalize(r"$\\left(\\dfrac12,\\; 3\\text{ cm}\\right)$."), normalize("x²＋√3 ≤ 2**10")
    ('(\\\\frac{1}{2}, 3«cm»)', 'x^{2}+\\\\sqrt{3}\\\\le 2^{10}')
    """
    if len(text) > LONGEST or _depth(text) > DEEPEST:
        return ""
    text = CURRENCY.sub(_currency, text)
    text = re.sub("[①-⑳]", lambda m: f"\\textcircled{{{ord(m[0]) - 0x245F}}}", text)
    text = re.sub(r"(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒])", _vulgar_fraction, text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣ]+", lambda m: "^{" + m[0].translate(UP) + "}", text)
    text = re.sub(r"[₀₁₂₃₄₅₆₇₈₉ₙ]+", lambda m: "_{" + m[0].translate(DOWN) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(SIGNS)).translate(SIGNS)
    text = re.sub(r"\\\\\s*\[-?[\d.]+\s*[a-z]{2}\]", r"\\\\", text)
    text = re.sub(
        r"(?<!\\)\\[()\[\]](?!\d)|\\begin\{(?:align|equation|gather)\*?\}|\\end\{(?:align|equation|gather)\*?\}", "", text
    )
    for _ in range(3):  # commands within commands
        before = text
        for pattern, new in COMMANDS:
            text = pattern.sub(new, text)
        text = _open_texts(text)
        if text == before:
            break
    text = _group_arguments(_group_fractions(re.sub(r"\*\*|\^\^", "^", text)))
    for pattern, new in PLAIN:
        text = pattern.sub(new, text)
    text = WORD.sub(_mark_word, text)
    text = re.sub(r"»\s*«", " ", text)
    text = re.sub(r"«\s*([^»]*?)\s*»", _tidy_word, text)
    text = re.sub(r"(?<![a-zA-Z])\s+|\s+(?![a-zA-Z\d(\\-])", " ", text)
    text = re.sub(r"\s*(\\(?:le|ge|ne|in|cup|cap|pm|mp|approx|equiv|to|setminus)(?![a-zA-Z])|[=<>+*/«»:;^])\s*", _tight, text)
    text = re.sub(r"\\frac\{(«[^{}]*»)\}\{(«[^{}]*»)\}", r"\1/\2", text)
    text = re.sub(r"«for all»\s*[a-z]$", "", ANNOUNCED.sub("", text))
    text = text if "mod" in text else re.sub(r"\\equiv(?![a-zA-Z])\s*", "=", text)
    return _strip(text)


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, abs(depth))
    return deepest


def _tight(match: re.Match) -> str:
    sign = match[1]
    return sign + " " if sign[0] == "\\" else sign


def _vulgar_fraction(match: re.Match) -> str:
    top, bottom = unicodedata.normalize("NFKC", match[2]).split("⁄")
    return f"{match[1]}\\frac{{{top}}}{{{bottom}}}"


ANNOUNCED = re.compile(
    r"^«(?:so |thus |hence |therefore,? )?(?:the )?(?:final |correct |right |best )*(?:answer|option|choice|result|答案|正确答案)(?: is| equals|是|为)?»\s*:?",
    re.IGNORECASE,
)
TEXT = re.compile(r"\\(?:text(?:bf|rm|it|sf|tt|normal|up|sc)?|mathrm|mathsf|mbox|hbox|operatorname\*?|emph|rm|bf)\s*(?=\{)")


def _open_texts(text: str) -> str:
    """`\\text{…}` as words, or as plain text where it holds a whole answer with its numbers."""
    pieces, start = [], 0
    for match in TEXT.finditer(text):
        end = closing(text, match.end()) if match.start() >= start else None
        if not end:
            continue
        inner = text[match.end() + 1 : end]
        if inner.strip() in FUNCTIONS and inner.strip() != "min":  # minutes
            inner = f"\\{inner.strip()} "
        elif inner.strip().lower() in ("infinity", "infty"):
            inner = r"\infty "
        elif not re.search(r"[\d=+*^()$\\]|或|和", inner):
            inner = f"«{inner}»"
        pieces += [text[start : match.start()], " ", inner, " "]
        start = end + 1
    return "".join(pieces) + text[start:]


def _currency(match: re.Match) -> str:
    """`\\$18` as `18«dollar»`."""
    number = (match[2] or "").rstrip(".,")
    return f"{number}«{CURRENCIES[match[1]]}»{match[2][len(number) :]}" if number else ""


def _group_fractions(text: str) -> str:
    """`\\frac12` as `\\frac{1}{2}`, whatever the arguments are."""
    pieces, start = [], 0
    for match in re.finditer(r"\\(?:frac|binom)(?![a-zA-Z])", text):
        if match.start() < start:
            continue
        at, arguments = match.end(), []
        for _ in range(2):
            token = re.compile(r"\s*(\{|\d|[a-zA-Z]|\\[a-zA-Z]+(?:\{\w*\})?)").match(text, at)
            end = token and (closing(text, token.start(1)) if token[1] == "{" else token.end() - 1)
            if not end:
                break
            inner = text[token.start(1) : end + 1]
            arguments.append(inner[1:-1] if token[1] == "{" else inner)
            at = end + 1
        if len(arguments) == 2:
            inner = "".join("{" + _group_fractions(argument) + "}" for argument in arguments)
            pieces += [text[start : match.start()], match[0], inner]
            start = at
    return "".join(pieces) + text[start:]


def _group_arguments(text: str) -> str:
    """`sqrt(…)` and `^(…)` with the braces that LaTeX wants, for parentheses within parentheses too."""
    for _ in range(20):
        match = re.search(r"(?:(?:\\?sqrt|\\?cbrt|√)\s*(?:\[\d+\]\s*)?|\^\s*)\(", text)
        end = match and closing(text, match.end() - 1)
        if not end:
            break
        head = match[0][:-1].strip()
        head = r"\sqrt[3]" if "cbrt" in head else r"\sqrt" + head.rpartition("sqrt")[2] if "sqrt" in head else "^"
        text = f"{text[: match.start()]}{head}{{{text[match.end() : end]}}}{text[end + 1 :]}"
    return text


def _mark_word(match: re.Match) -> str:
    """Words between « and »; what may be a product of variables (`xy`, `mgh`) stays."""
    word = match[0]
    if word[0] in "«\\":
        return word
    if "\u3400" <= word[0] <= "\u9fff":
        counted = re.match(r"([零一二两三四五六七八九十百千点]+)(.+)$", word)
        if counted and counted[2] in NAMES and (value := han_number(counted[1])) is not None:
            return f"{value}«{counted[2]}»"
        value = han_number(word)
        return f" «{word}» " if value is None else str(value)
    lower = word.lower()
    unit = (word in NAMES or (len(word) > 2 and lower in NAMES)) and re.search(
        r"[\d)}\]]\s*$", match.string[max(0, match.start() - 3) : match.start()]
    )
    if (
        lower in SHORT_WORDS
        or unit
        or (len(word) >= 4 and re.search(r"[aeiouy]", lower) and not (word.isupper() and len(word) < 6))
    ):
        return f" «{word}» "
    return word


def _tidy_word(match: re.Match) -> str:
    inner = match[1].strip(" .")
    return f"«{inner}»" if re.search(r"[^\W\d_]{2}|[㐀-鿿]|^[a-zA-Z]$", inner) and not re.search(r"[\\{}=]", inner) else inner


def _strip(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = re.sub(r"(?<=»)!$", "", text.strip().strip(":;,*。").strip())
        text = text[:-1] if text.endswith(".") and not text.endswith("...") else text
        if text.startswith("{") and closing(text, 0) == len(text) - 1:
            text = text[1:-1]
    return text
