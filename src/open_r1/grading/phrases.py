"""The phrases by which a text states, withdraws, denies or hedges an answer. One a line or a word, English and Chinese."""

import re


def _phrases(words: str, more: str = "") -> re.Pattern:
    """Any of some English words or phrases (`_` for blanks, `…` for any ending), or of some others as they stand."""
    english = [word.replace("_", " ").replace("…", r"\w*") for word in words.split()]
    return re.compile(r"\b(?:" + "|".join(english) + r")\b" + (f"|{more}" if more else ""), re.IGNORECASE)


# An answer given before is taken back.
WITHDRAWN = _phrases(
    "wait actually scratch_that oops sorry correction mistake… wrong incorrect instead on_second_thought error invalid withdraw… "
    "retract… ignore discard… revis… redo… recheck… re-check… re-examin… should_be should_have_been not_right not_correct not_quite "
    "not_valid let_me_re… let_me_fix let_me_correct let_me_double… i_made i_forgot i_mis… corrected correcting_this correcting_that "
    "correct_this correct_that",
    r"\bno[,.!:]|更正|不对|错了|有误|修正|纠正|重新|应该是|应为|作废|不是",
)
# What takes its place is a guess.
GUESSED = re.compile(r"\b(?:maybe|perhaps|might|possibly)\b[^.\n]{0,25}$", re.IGNORECASE)
# Several answers are offered side by side.
OFFERED = _phrases(
    "or either alternativ… maybe perhaps another could_be could_also_be might also both guess… hedg… one_of if_not otherwise candidate…",
    "或|也可能|也许|可能|另一",
)
# So are two boxes that both stand behind one of these.
PARALLEL = _phrases(
    "case… if option… method… approach… attempt… reading interpretation… odd even scenario… possib…",
    "情况|若|如果|方法",
)
TOTAL = _phrases("add adding total… sum… altogether combin… overall final", "总共|一共|相加|合计|共有")
# What comes next follows from what came before.
STEP = _phrases(
    "step first… then next so hence therefore thus now using substitut… plug… we_get we_find we_have we_obtain we_can we_need we_know "
    "we_see we_must final… give… giving yield… implies from_this from_here from_which adding multipl… divid… subtract… combin… "
    "intermediate after second… last… it_follows in_total overall finish… part",
    "因此|所以|于是|则|代入|然后|接着|最后|第[一二三]步|其次|从而|可得|得到|故",
)
NUMBERED_STEP = re.compile(
    r"\bstep\s*\d|\bfirst(?:ly)?\b|\bintermediate\b|\bauxiliary\b|第\s*[一二三四五\d]\s*步|首先", re.IGNORECASE
)
# This is said to be the answer.
CLAIMS = _phrases("answer solution_is", "答案")
# A value is denied: right before it, right behind it.
DENIED = re.compile(
    r"(?:\bnot|n't|\bnever|不是|\bdoubt (?:that )?(?:it|the answer) is)(?: (?:be|equal to|equal|simply|just))?[\s:$\\(\[]*$",
    re.IGNORECASE,
)
BOUND = re.compile(
    r"\b(?:at (?:least|most)|(?:less|more|greater|fewer|smaller|larger) than|至少|至多)[\s$\\(]*$", re.IGNORECASE
)
UNTRUE = re.compile(
    r"\b(?:false|untrue|not true|incorrect|wrong|doubt\w*|deny|denied|assume|suppose|contradiction|"
    r"(?:if (?:we|one|you) (?:\w+ )?(?:ignor|neglect|forg[eo]t|drop|skip|assum|pretend)|if [^.\n]{0,30}\b(?:were|had|instead)\b|had|were)[^.\n]{0,60},)"
    r"(?: that)?(?: then)?(?: the)?\W*$",
    re.IGNORECASE,
)
DENIED_BEHIND = re.compile(
    r"[\s$.)\]*}]*(?:"
    r"(?:is|was|seems|looks)\s+(?:\w+ly\s+)?(?:wrong|incorrect|false|invalid|not\s+(?:\w+\s+)?(?:answer|right|correct|it)\b|impossible)"
    r"|(?:cannot be|can't be|could not be)\b|(?:does not|doesn't|did not) work|or so\b|more or less\b|or thereabouts\b|give or take\b"
    r"|(?:wait|hmm+|oops|actually|no(?=[,.!]))\b[^.\n]{0,40}?(?:wrong|incorrect|should be|actually\s+(?:it\s+is\s+)?\W?\d|\bis\s+\W?\d)"
    r"|不对|不正确|是错的)",
    re.IGNORECASE,
)
# A value behind an answer that corrects it.
CORRECTED = re.compile(
    r"[\s$.)\]*}]*(?:however|but|correction|wait|hmm+|actually|oops)\b.{0,120}?"
    r"(?:correct (?:value|answer)(?: is)?|should be|the answer is|so it is|correction:)\s*\W{0,3}(?P<other>-?\d[\d./]*)"
    r"|[\s$.)\]*}]*(?:if|when|for)\b[^.\n]{1,60}?[,;]\s*(?:(?:and|or|but)\s+)?\W{0,3}(?P<case>-?\d[\d./]{0,20})\W{0,3}\s?(?:if|when|for|otherwise)\b"
    r"|[\s$.)\]*}]*correction:\s*\W{0,3}(?P<at_once>-?\d[\d./]*)",
    re.IGNORECASE | re.DOTALL,
)
# Another value is offered right before one.
ALTERNATIVE_BEFORE = re.compile(r"(?P<other>[^\s,.;<>]{1,30}?)\s*,?\s+(?:or|或)\s+[^.\n]{0,12}$", re.IGNORECASE)
# Another value is offered right behind one.
ALTERNATIVE = re.compile(
    r"[\s$)\]*}]*[,;.，-]?\s*\(?\s*(?:(?:but|i am not sure)[,;]?\s+)*(?:,\s*(?=-?[\d.]+(?:,|\s+(?:or|and)\b))|and\s+(?=\$?-?\d[\d.]*\$?[\s.]*(?:$|\n))|"
    r"(?:\\text\s*\{\s*or\s*\}|or|alternatively|otherwise|it\s+might\s+be|might\s+be|it\s+could\s+(?:also\s+)?be|it\s+may\s+be|maybe|perhaps|或者?是?|也可能是?)[,:\s]*)"
    r"(?:(?:maybe|perhaps|also|else|even|it\s+is|it\s+could\s+be|it\s+may\s+be|possibly)\s+)*"
    r"(?P<other>\$[^$\n]{1,60}\$|\\\(.{1,60}?\\\)|[^\s,;()。，；]{1,40})",
    re.IGNORECASE,
)
# What is boxed is only a part of a formula: `2\boxed{5}`, `x > \boxed{5}`, `\boxed{5} + 1`.
PART_BEFORE = re.compile(
    r"(?:\d\.?|(?<![a-zA-Z])[a-zA-Z]\(?|[\w)}]-|\d\s*-\s*|(?<=\S)(?<![-=])[^\S\n]*[<>≠≤≥]\s*|[+^]\s*|[\w)}]/|"
    r"\\(?:neq?|leq?|geq?|pm|times|cdot|lt|gt)\s*|(?:\\sqrt|\\frac|\^|\})\{|"
    r"\\(?:log|ln|lg|exp|(?:arc)?(?:sin|cos|tan|cot)|sqrt|sec|csc)\s*\(?|\((?:-?(?:\d{1,9}|[a-z]),\s?){1,5})$"
)
PART_BEHIND = re.compile(
    r"\s*(?:[+/]|-|\*(?!\*)|\\(?:times|cdot|pm|div)(?![a-zA-Z]))(?:\s*(?:\d|\\frac|\\sqrt)|[a-z](?![a-zA-Z]))|"
    r"\s*(?:[<>]|\\(?:leq?|geq?|neq?)(?![a-zA-Z]))\s*[\w\\]|\\(?:sqrt|frac|pi)(?![a-zA-Z])|[a-z](?![a-zA-Z])|\.\d|\s?:\s?\d|,\s?-?(?:\d{1,9}|[a-z])\s?(?:\)|,)|\s*!(?=[\s$.]*$|\$)"
)
SUFFIX = re.compile(
    r"\s*(?:\\?%|\^\s*(?:\{[^{}]*\}|\\circ|\w)|\\times\s*10\s*\^\s*\{?-?\d+\}?|\$?\s*(?:thousand|million|billion|万|亿)(?![a-zA-Z]))"
)

_ANSWER = (
    r"(?:\b(?:final|correct|right|required|desired)[ \t]+)?"
    r"\b(?:answer|ans|solution|result|(?<=correct )(?:option|choice)|(?<=right )(?:option|choice)|(?<=best )(?:option|choice)|(?:required|desired|requested)[ \t]+[a-z]{3,20})s?\b"
    r"(?:[ \t]+(?:to|of|for|in)\b[^.:\n=]{0,80}?)?(?:,[^,.\n]{0,40},|[ \t]*\([^)\n]{0,30}\))?"
)
_IS = (
    r"[ \t]*(?:\**[ \t]*[:：=][ \t]*\**|(?<=[aA]ns)\.[ \t]+|(?<=nswer)[ \t]+-[ \t]+|[ \t]+(?:is|are|equals|must be|should be|would be|will be|comes? (?:out )?to(?: be)?|"
    r"turns out to be|therefore is)\b(?:[ \t]+(?:therefore|thus|simply|then|clearly|indeed|exactly|just|actually|obviously|equal to|obtained as)\b)*"
    r"[ \t]*[:：]?)"
)
_VALUE = r"\s{0,8}(?:\\\[|\$\$)?\s{0,8}(?=(?P<%s>[^\n]{1,400}))"
STATED = re.compile(
    r"####[ \t]*(?=(?P<hash>[^\n]{1,400}))"
    + rf"|{_ANSWER}{_IS}{_VALUE % 'said'}"
    + r"|(?P<first>\$[^$\n]{1,80}\$|(?<![\w.])-?\d[\d.,/]{0,30})[ \t]+(?:is|as)[ \t]+(?:the|our|my)[ \t]+(?:final |correct )?answer\b(?!\s*to\b)"
    + r"|\b(?:option|choice)[ \t]+(?P<option>\(?[A-J]\)?)[ \t]+is[ \t]+(?:the[ \t]+)?(?:correct|right|answer)\b(?!\s*\?)"
    + rf"|(?:答案|结果|答)(?:应该|应)?(?:是|为|等于|[:：])+[ \t]*[:：]?{_VALUE % 'chinese'}"
    + r"|(?:选(?!项)择?(?:是|为)?[ \t]*[:：]?|选项(?=\s*[A-J]\s*是?正确)|正确(?:选项|的)是?为?[:：]?)[ \t]*(?P<chosen>[(（]?[A-J][)）]?(?:[、, 或和]*[A-J])*)(?!\s*(?:不|错|是错))",
    re.IGNORECASE,
)
# A statement about something else than the question.
ELSEWHERE = re.compile(
    r"\bwould\b|\b(?:to|of|for)\b.*(?:\bpart\b|\bfirst\b|\bsecond\b|\bequation\b|\([a-c]\))", re.IGNORECASE
)
NO_VALUE = re.compile(r"(?:not|in the form|of the form|不是|obtained|given|found|as follows|below)\b", re.IGNORECASE)
SENTENCE = re.compile(r"(?:(?<!\d)\.|\.(?!\d)|[!?。！？；])(?=\s|$|[\"'*)])|。|；|，(?=所以|因为|故|即)|\n")
# What may follow a value in its sentence.
REMARK = re.compile(
    r"[,，]?\s*\b(?:because|since|as (?:we|shown|required|desired)|which|so that|where|who|hence|after|given|by the|i\.e\.|that is|according)\b.*$"
    r"|[,，]\s*(?:as|so|and (?:this|that|we|it)|with|if|but|not)\b.*$|\s*\(not\b[^)]*\)\s*$",
    re.DOTALL | re.IGNORECASE,
)
CONCLUSION = re.compile(
    r"^(?:therefore|thus|hence|so|finally|in conclusion|consequently|因此|所以|故|综上)[,，]?\s*(?:we (?:get|have|find|obtain)\s*)?[,:]?\s*",
    re.IGNORECASE,
)
NAMED_VALUE = re.compile(r"(?:\$|\\\()?\s*[a-zA-Z](?:_\w)?\s*=\s*[^=<>\n]{1,60}?(?:\$|\\\))?[.。]?")
