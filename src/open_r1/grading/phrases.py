"""Patterns for phrases that state, withdraw, deny or hedge an answer, in English and Chinese.

`languages` has the phrases that state an answer in other languages.

Add new wordings here. All patterns match in linear time: repetitions are bounded, or the text after them cannot be
part of them.
"""

import re

from open_r1.grading.languages import CONCLUSIONS, STATED_IN_OTHER_LANGUAGES
from open_r1.grading.units import UNIT_NAMES


def _any_of(*phrases: str, others: str = "") -> re.Pattern:
    """A pattern for any of these English phrases (`…` is any ending of a word), or for the pattern `others`."""
    english = "|".join(phrases).replace("…", r"\w*")
    pattern = rf"\b(?:{english})\b"
    if others:
        pattern += f"|{others}"
    return re.compile(pattern, re.IGNORECASE)


# If a text has several answers: are they alternatives, or does the last one replace the others?

# An earlier answer is withdrawn.
WITHDRAWN = _any_of(
    "wait",
    "actually",
    "scratch that",
    "oops",
    "sorry",
    "correction",
    "mistake…",
    "wrong",
    "incorrect",
    "instead",
    "on second thought",
    "error",
    "invalid",
    "withdraw…",
    "retract…",
    "ignore",
    "discard…",
    "revis…",
    "redo…",
    "recheck…",
    "re-check…",
    "re-examin…",
    "should be",
    "should have been",
    "not right",
    "not correct",
    "not quite",
    "not valid",
    "rules? (?:it |that )?out",
    "ruled out",
    "let me re…",
    "let me fix",
    "let me correct",
    "let me double…",
    "i made",
    "i forgot",
    "i mis…",
    "corrected",
    "correcting this",
    "correcting that",
    "correct this",
    "correct that",
    others=r"\bno[,.!:]|更正|不对|错了|有误|修正|纠正|重新|应该是|应为|作废|不是",
)
# The new answer is only a guess.
GUESSED = re.compile(r"\b(?:maybe|perhaps|might|possibly)\b[^.\n]{0,25}$", re.IGNORECASE)
# Several answers are offered as alternatives.
OFFERED = _any_of(
    "or",
    "either",
    "alternativ…",
    "maybe",
    "perhaps",
    "another",
    "could be",
    "could also be",
    "might",
    "also",
    "both",
    "guess…",
    "hedg…",
    "one of",
    "if not",
    "otherwise",
    "candidate…",
    others=r"或|也可能|也许|可能|另一",
)
# Two boxes are alternatives if each of them comes after one of these.
PARALLEL = _any_of(
    "case…",
    "if",
    "option…",
    "method…",
    "approach…",
    "attempt…",
    "reading",
    "interpretation…",
    "odd",
    "even",
    "scenario…",
    "possib…",
    others=r"情况|若|如果|方法",
)
# Exception: the last box combines the others.
TOTAL = _any_of(
    "add",
    "adding",
    "total…",
    "sum…",
    "altogether",
    "combin…",
    "overall",
    "final",
    others=r"总共|一共|相加|合计|共有",
)
# The last box is the sum of the others.
SUMMED = _any_of("total…", "sum…", "altogether")
# The following text is derived from the text before.
STEP = _any_of(
    "step",
    "first…",
    "then",
    "next",
    "so",
    "hence",
    "therefore",
    "thus",
    "now",
    "using",
    "substitut…",
    "plug…",
    "we get",
    "we find",
    "we have",
    "we obtain",
    "we can",
    "we need",
    "we know",
    "we see",
    "we must",
    "final…",
    "give…",
    "giving",
    "yield…",
    "implies",
    "from this",
    "from here",
    "from which",
    "adding",
    "multipl…",
    "divid…",
    "subtract…",
    "combin…",
    "halv…",
    "doubl…",
    "squar…",
    "question asks",
    "of that",
    "which is what",
    "requested",
    "intermediate",
    "after",
    "second…",
    "last…",
    "it follows",
    "in total",
    "overall",
    "finish…",
    "part",
    others=r"因此|所以|于是|则|代入|然后|接着|最后|第[一二三]步|其次|从而|可得|得到|故",
)
NUMBERED_STEP = re.compile(
    r"\bstep\s*\d|\bfirst(?:ly)?\b|\bintermediate\b|\bauxiliary\b|第\s*[一二三四五\d]\s*步|首先", re.IGNORECASE
)
# The following text is called the answer.
ANSWER_WORD = _any_of(
    "answer",
    "solution is",
    others=r"答案",
)

# Text right before or after a value

# Right before a value: it is denied, as in `it is not 5`.
DENIED = re.compile(
    r"(?:\bnot|n't|\bnever|不是|\bdoubt (?:that )?(?:it|the answer) is)"
    r"(?: (?:be|equal to|equal|simply|just))?[\s:$\\(\[]*$",
    re.IGNORECASE,
)
# Right before a value: it is a bound.
BOUND = re.compile(
    r"\b(?:at (?:least|most)|(?:less|more|greater|fewer|smaller|larger) than|至少|至多)[\s$\\(]*$", re.IGNORECASE
)
# Right before a statement: it is false or hypothetical.
UNTRUE = re.compile(
    r"\b(?:false|untrue|not true|incorrect|wrong|doubt\w*|deny|denied|assume|suppose|contradiction|"
    r"(?:might|may|could|would) (?:think|say|guess|claim|believe)|tempted to (?:think|say)|whether|if|not sure|unsure|"
    r"(?:if (?:we|one|you) (?:\w+ )?(?:ignor|neglect|forg[eo]t|drop|skip|assum|pretend)"
    r"|if [^.\n]{0,30}\b(?:were|had|instead)\b|had|were)[^.\n]{0,60},)"
    r"(?: that)?(?: then)?(?: the)?(?:[^\w.!?。\n]*|:\s*)$",
    re.IGNORECASE,
)
# Right after a value: it is denied, as in `5 is wrong`.
DENIED_AFTER = re.compile(
    r"[\s$.)\]*}]*(?:"
    r"(?:is|was|seems|looks)\s+(?:\w+ly\s+)?"
    r"(?:wrong|incorrect|false|invalid|not\s+(?:\w+\s+)?(?:answer|right|correct|it)\b|impossible)"
    r"|(?:cannot be|can't be|could not be)\b|(?:does not|doesn't|did not) work"
    r"|or so\b|more or less\b|or thereabouts\b|give or take\b"
    r"|(?:wait|hmm+|oops|actually|no(?=[,.!]))\b[^.\n]{0,40}?"
    r"(?:wrong|incorrect|should be|actually\s+(?:it\s+is\s+)?\W?\d|\bis\s+\W?\d)"
    r"|不对|不正确|是错的)",
    re.IGNORECASE,
)
# Right after an answer: another value corrects it, or applies in another case.
CORRECTED = re.compile(
    r"[\s$.)\]*}]*(?:however|but|correction|wait|hmm+|actually|oops)\b.{0,120}?"
    r"(?:correct (?:value|answer)(?: is)?|should be|the answer is|so it is|correction:)"
    r"\s*\W{0,3}(?P<other>-?\d[\d./]*)"
    r"|[\s$.)\]*}]*(?:if|when|for)\b[^.\n]{1,60}?[,;]\s*(?:(?:and|or|but)\s+)?"
    r"\W{0,3}(?P<case>-?\d[\d./]{0,20})\W{0,3}\s?(?:if|when|for|otherwise)\b"
    r"|[\s$.)\]*}]*correction:\s*\W{0,3}(?P<at_once>-?\d[\d./]*)",
    re.IGNORECASE | re.DOTALL,
)
# Right before a value: another one is offered, as in `6 or 5`.
ALTERNATIVE_BEFORE = re.compile(r"(?P<other>[^\s,.;<>]{1,30}?)\s*,?\s+(?:or|或)\s+[^.\n]{0,12}$", re.IGNORECASE)
# Right after a value: another one is offered, as in `5, or maybe 6`.
ALTERNATIVE = re.compile(
    r"[\s$)\]*}]*[,;.，-]?\s*\(?\s*"
    r"(?:(?:but|i am not sure)[,;]?\s+)*"
    r"(?:,\s*(?=-?[\d.]+(?:,|\s+(?:or|and)\b))"  # 5, 6, or 7
    r"|and\s+(?=\$?-?\d[\d.]*\$?[\s.]*(?:$|\n))|"  # 5 and 6
    r"(?:\\text\s*\{\s*or\s*\}|or|alternatively|otherwise|it\s+might\s+be|might\s+be"
    r"|it\s+could\s+(?:also\s+)?be|it\s+may\s+be|maybe|perhaps|或者?是?|也可能是?)[,:\s]*)"
    r"(?:(?:maybe|perhaps|also|else|even|it\s+is|it\s+could\s+be|it\s+may\s+be|possibly)\s+)*"
    r"(?P<other>\$[^$\n]{1,60}\$|\\\(.{1,60}?\\\)|[^\s,;()。，；]{1,40})",
    re.IGNORECASE,
)

# The box contains only a part of a formula.

# Right before a box: `2\boxed{5}`, `x > \boxed{5}`
PART_BEFORE = re.compile(
    r"(?:\d\.?|(?<![a-zA-Z])[a-zA-Z]\(?"  # a factor, a function
    r"|[\w)}]-|\d\s*-\s*"  # a difference
    r"|(?<=\S)(?<![-=])[^\S\n]*[<>≠≤≥]\s*|[+^]\s*|[\w)}]/|"  # a relation, a sum, a power, a quotient
    r"\\(?:neq?|leq?|geq?|pm|times|cdot|lt|gt)\s*|(?:\\sqrt|\\frac|\^|\})\{|"
    r"\\(?:log|ln|lg|exp|(?:arc)?(?:sin|cos|tan|cot)|sqrt|sec|csc)\s*\(?"
    r"|\((?:-?(?:\d{1,9}|[a-z]),\s?){1,5})$"  # a component of a point
)
# Right after a box: `\boxed{5} + 1`
PART_AFTER = re.compile(
    r"\s*(?:[+/]|-|\*(?!\*)|\\(?:times|cdot|pm|div)(?![a-zA-Z]))(?:\s*(?:\d|\\frac|\\sqrt)|[a-z](?![a-zA-Z]))|"
    r"\s*(?:[<>]|\\(?:leq?|geq?|neq?)(?![a-zA-Z]))\s*[\w\\]"  # a relation
    r"|\\(?:sqrt|frac|pi)(?![a-zA-Z])|[a-z](?![a-zA-Z])"  # a factor
    r"|\.\d|\s?:\s?\d"  # decimals, a ratio
    r"|,\s?-?(?:\d{1,9}|[a-z])\s?(?:\)|,)"  # a component of a point
    r"|\s*!(?=[\s$.]*$|\$)"  # a factorial
)
# Right after a box, and part of the answer: `\boxed{5}\%`
SUFFIX = re.compile(
    r"\s*(?:\\?%|\^\s*(?:\{[^{}]*\}|\\circ|\w)|\\times\s*10\s*\^\s*\{?-?\d+\}?"
    r"|\$?\s*(?:thousand|million|billion|万|亿)(?![a-zA-Z]))"
)

# An answer stated in words: `the final answer to the problem is …`, `#### …`, `故选 …`

_ANSWER = (
    r"(?:\b(?:final|correct|right|required|desired)[ \t]+)?"
    r"\b(?:answer|ans|solution|result"
    r"|(?<=correct )(?:option|choice)|(?<=right )(?:option|choice)|(?<=best )(?:option|choice)"
    r"|(?:required|desired|requested)[ \t]+[a-z]{3,20})s?\b"
    r"(?:[ \t]+(?:to|of|for|in)\b[^.:\n=]{0,80}?)?"  # to the problem
    r"(?:,[^,.\n]{0,40},|[ \t]*\([^)\n]{0,30}\))?"  # , therefore,
)
_IS = (
    r"[ \t]*(?:[*_]*[ \t]*(?:[:：]|=>?|-+>|[→➡⇒]\ufe0f?|[—–](?=[ \t]*[*$\\\d]))[ \t]*[*_]*"
    r"|(?<=[aA]ns)\.[ \t]+|(?<=nswer)[ \t]+-[ \t]+"
    r"|[ \t]+(?:is|are|equals|must be|should be|would be|will be|comes? (?:out )?to(?: be)?|"
    r"turns out to be|therefore is)\b"
    r"(?:[ \t]+(?:therefore|thus|simply|then|clearly|indeed|exactly|just|actually|obviously"
    r"|equal to|obtained as)\b)*"
    r"[ \t]*[:：]?)"
)
_VALUE = r"\s{0,8}(?:\\\[|\$\$)?\s{0,8}(?=(?P<%s>[^\n]{1,400}))"
# The name of the matching group tells how the answer is stated.
_STATED = (
    r"####[ \t]*(?=(?P<hash>[^\n]{1,400}))"
    + rf"|{_ANSWER}{_IS}{_VALUE % 'said'}"
    # a heading, and the answer in the last line
    + r"|(?:#[ \t]*|\*\*)(?:final )?answer:?\**[ \t]*\n\s*(?=(?P<headed>[*$\\(-]{0,4}\d[^\n]{0,60})\s*$)"
    + r"|(?P<first>\$[^$\n]{1,80}\$|(?<![\w.])-?\d[\d.,/]{0,30})"
    r"[ \t]+(?:is|as)[ \t]+(?:the|our|my)[ \t]+(?:(?:final |correct |only )?answer|only (?:real )?solution)\b"
    r"(?!\s*(?:to|of|for|if|when|with)\b)" + r"|\b(?:option|choice)[ \t]+(?P<option>\(?[A-J]\)?)"
    r"[ \t]+is[ \t]+(?:the[ \t]+)?(?:correct|right|answer)\b(?!\s*\?)"
    + rf"|(?:答案|结果|答)(?:应该|应)?(?:是|为|等于|[:：])+[ \t]*[:：]?{_VALUE % 'chinese'}"
    + r"|(?:(?<!不)选(?!项)择?(?:是|为)?[ \t]*[:：]?|选项(?=\s*[A-J]\s*是?正确)|正确(?:选项|的)是?为?[:：]?)"
    r"[ \t]*(?P<chosen>[(（]?[A-J][)）]?(?:[、, 或和]*[A-J])*)(?!\s*(?:不|错|是错))"
)
STATED = re.compile(_STATED, re.IGNORECASE)
STATED_IN_ANY_LANGUAGE = re.compile(f"{_STATED}|{STATED_IN_OTHER_LANGUAGES}{_VALUE % 'other_language'}", re.IGNORECASE)
# A statement about something other than the question.
ELSEWHERE = re.compile(
    r"\bwould\b|\b(?:to|of|for)\b.*(?:\bpart\b|\bfirst\b|\bsecond\b|\bequation\b|\([a-c]\))", re.IGNORECASE
)
# The statement does not give a value.
NO_VALUE = re.compile(r"(?:not|in the form|of the form|不是|obtained|given|found|as follows|below)\b", re.IGNORECASE)
# The end of a sentence.
SENTENCE_END = re.compile(
    r"(?:(?<!i\.e)(?<!e\.g)(?:(?<!\d)\.|\.(?!\d))|[!?。！？；])(?=\s|$|[\"'*)])|。|；|，(?=所以|因为|故|即)|\n"
)
# Text that may follow a value in its sentence.
_ASIDE = (
    r"altogether|in total|in all|overall|all told|exactly|precisely|respectively|naturally|obviously|clearly|indeed"
    r"|quite simply|of course|then|done|I (?:believe|think)|thank(?:s| you)[^.\n]*|to be (?:exact|precise)"
    r"|obtained\b.*|(?:and )?this (?:completes|proves|concludes|finishes|ends)\b.*"
)
REMARK = re.compile(
    r"\s*\((?:because|since|as|see|checked|verified|which|not)\b[^)]*\)\s*$"
    r"|[,，]?\s*\b(?:because|since|as (?:we|you|shown|required|desired|claimed|computed|expected|above)|which|so that"
    r"|where|who|hence|after|given|by the|i\.e\.|that is|according)\b.*$"
    rf"|\s*[,，;；—–]\s*(?:{_ASIDE})\s*$"
    r"|[,，]\s*(?:as|so|and (?:this|that|we|it)|with|if|but|not[ ])\b.*$"
    r"|\s+for this (?:problem|question)\s*$",
    re.DOTALL | re.IGNORECASE,
)
# Text that may come before a value in the last line of a text.
CONCLUSION = re.compile(
    r"^(?:(?:therefore|thus|hence|so|finally|in conclusion|consequently)\b|因此|所以|故|综上"
    rf"|(?:{CONCLUSIONS})(?:[ ](?:ist|est|é|è)\b)?)[,，、]?"
    r"\s*(?:we (?:get|have|find|obtain)\s*)?[,:]?\s*",
    re.IGNORECASE,
)
# A sentence that gives one number: `Ann sold 72 clips.`, `In total, the area is 72 square meters.`
_LEAD = (
    r"(?:(?:so|thus|therefore|hence|then|finally|altogether|overall|in total|in all|in conclusion|as a result),?[ ])?"
)
_VERB = (
    r"(?:[a-z]{2,12}ed|[a-z]{1,12}s|have|had|sold|made|paid|got|get|spent|took|gave|ran|read|wrote|bought|ate|drank"
    r"|drove|won|found|find|left|lost|kept|were|are|need|to[ ][a-z]{2,12}|(?:will|can|must)[ ][a-z]{2,12})"
)
_BEFORE_NUMBER = r"(?:a total of|exactly|only|just|now|equal to|altogether|all|(?:his|her|their)(?:[ ]own)?)"
_UNIT = "|".join(name for name in UNIT_NAMES if name.isalpha() and len(name) > 1 and name != "in")
SENTENCE_WITH_VALUE = re.compile(
    rf"{_LEAD}(?:[a-z'’]{{1,20}}[ ]){{1,7}}?{_VERB}[ ](?:{_BEFORE_NUMBER}[ ])?"
    r"(?P<value>\$[^$\n]{1,60}\$|-?\d{0,9}\\[dt]?frac\{\d+\}\{\d+\}|\\?\$?-?\d[\d.,/]{0,20}%?\$?"
    rf"(?:[ ](?:square|cubic))?(?:[ ](?:{_UNIT})\b(?:[ ]per[ ](?:{_UNIT})\b|/[a-z]{{1,3}})?)?)"
    r"(?:[ ][a-z]{1,15}){0,8}",
    re.IGNORECASE,
)
DECORATED_END = " .!✅✔✓☑🎉∎\ufe0f"  # characters
# What makes the number of a sentence another one than the answer.
QUALIFIED = _any_of(
    *"not no never or either neither if perhaps instead wrong incorrect nobody nothing none fail…".split(),
    *"tried tries try considered checked examined looked wanted hoped planned expected guess… estimat…".split(),
    *"suppos… assum… seem… believ… maybe might would could but except without".split(),
    "may have",
    "may be",
    *"about around roughly nearly almost approximately over under above below up".split(),
    *"more less fewer than least most each every until before after another other".split(),
    *"exceed… divid… approach… tend… uses add… subtract… multipl…".split(),
    *"half halves third… quarter… percent times twice double… triple… minus plus modulo remainder".split(),
    *"step page equation case cases question chapter".split(),
    *"one ten eleven twelve dozen… hundred… thousand… million…".split(),
    r"(?<!the )(?<!these )(?<!all )(?:two|three|four|five|six|seven|eight|nine)",
    others=r"n['’]t\b|(?<!miles )(?<!meters )(?<!kilometers )(?<!feet )\bper\b",
)
# A line whose last sentence says that there is no solution.
NO_SOLUTION = re.compile(
    r"(?:^|[.!]\s)[^.!?]{0,60}\b(?:has|have|there (?:is|are))[ ]no[ ](?:real[ ])?solutions?[.!]?$", re.IGNORECASE
)
# A line that consists only of `x = 5`.
NAMED_VALUE = re.compile(r"(?:\$|\\\()?\s*[a-zA-Z](?:_\w)?\s*=\s*[^=<>\n]{1,60}?(?:\$|\\\))?[.。]?")
