"""How answers are stated in languages other than English and Chinese, which `phrases` knows better.

These are the other languages of the language-consistency reward. Add a wording to `LANGUAGES`.
"""

import re
from typing import NamedTuple


class Language(NamedTuple):
    """Words of a language around an answer, as patterns.

    Args:
        noun (`str`): What an answer is called.
        verb (`str`): What joins it to the value.
        adjective (`str`, *optional*, defaults to `""`): What may come after the noun.
        conclusion (`str`, *optional*, defaults to `""`): Words before a conclusion, such as `therefore`.
    """

    noun: str
    verb: str
    adjective: str = ""
    conclusion: str = ""


LANGUAGES = {
    "de": Language(
        noun=r"\b(?:End)?(?:antwort|ergebnis)|\bLösung",
        verb="ist|lautet|beträgt",
        conclusion="also|somit|daher|folglich|damit|deshalb",
    ),
    "es": Language(
        noun=r"\b(?:respuesta|resultado|solución)",
        verb="es|sería",
        adjective="final|correcta",
        conclusion="por lo tanto|por tanto|entonces|así que|luego|en conclusión",
    ),
    "fr": Language(
        noun=r"\b(?:réponse|résultat|solution)",
        verb="est|vaut",
        adjective="finale?|correcte",
        conclusion="donc|ainsi|alors|par conséquent|on a donc",
    ),
    "pt": Language(
        noun=r"\b(?:resposta|resultado|solução)",
        verb="é|seria",
        adjective="final|correta",
        conclusion="portanto|logo|assim|então",
    ),
    "it": Language(
        noun=r"\b(?:risposta|risultato|soluzione)",
        verb="è",
        adjective="finale|corretta",
        conclusion="quindi|dunque|pertanto|perciò",
    ),
    "ru": Language(
        noun=r"\b(?:ответ|результат|итог)",
        verb=r"равен|равно|это|[—–]|(?=[-*$(\d])",
        adjective=r"(?:на|к) [^.:\n\d]{1,40}?",
        conclusion="следовательно|таким образом|значит|итак|поэтому|отсюда",
    ),
    "ar": Language(
        noun="(?:ال)?(?:جواب|إجابة|اجابة|نتيجة|ناتج|حل)",
        verb="هو|هي",
        adjective="النهائية|النهائي|الصحيحة|الصحيح",
        conclusion="إذن|إذًا|لذلك|ومنه|وبالتالي",
    ),
    "hi": Language(noun="उत्तर|जवाब|परिणाम", verb="(?:है|हैं|होगा)|(?=[-*$(0-9०-९])", conclusion="अतः|इसलिए|अत:"),
    "ja": Language(noun="答え|解答|回答|正解", verb="は", conclusion="よって|したがって|ゆえに|従って"),
    "ko": Language(noun="정답|답|답변|답안|해답", verb="은|는", conclusion="따라서|그러므로|결국"),
}
WRITTEN_WITHOUT_BLANKS = ("ja", "ko")  # or with an ending that follows the value at once


def _statement(code: str, language: Language) -> str:
    """A pattern for `the answer is`, `the final answer:` and, in German, `is the answer`."""
    verb = language.verb
    if code not in WRITTEN_WITHOUT_BLANKS:
        verb = rf"(?:{verb})(?![^\W\d_])"
    adjective = rf"(?:[ \t]+(?:{language.adjective}))?" if language.adjective else ""
    conclusion = rf"(?:[ \t]+(?:{language.conclusion})\b)?"
    statement = rf"(?:{language.noun}){adjective}[ \t]*(?:(?:{verb}){conclusion}[ \t]*[:：]?|[:：])"
    if code == "de":
        inverted = rf"\b(?:{language.verb})[ \t]+(?:die|das)(?:[ \t]+\w{{1,15}})?[ \t]+(?:{language.noun})[ \t]*[:：]?"
        return f"{statement}|{inverted}"
    return statement


_STATEMENTS = "|".join(_statement(code, language) for code, language in LANGUAGES.items())
STATED_IN_OTHER_LANGUAGES = rf"(?:{_STATEMENTS})[ \t]*\**"
CONCLUSIONS = "|".join(language.conclusion for language in LANGUAGES.values())

ASCII_NOUN = re.compile(
    "antwort|ergebnis|respuesta|resultado|resposta|risposta|risultato|soluzione|solution (?:est|vaut)", re.IGNORECASE
)


def may_be_in_other_language(text: str) -> bool:
    """Whether a text may state an answer in one of these languages; most texts do not, and are searched faster.

    >>> may_be_in_other_language("Die Antwort ist 4"), may_be_in_other_language("The answer is 4")
    (True, False)
    """
    if not text.isascii():
        return True
    return ASCII_NOUN.search(text) is not None


# Around the value: the verb that ends the sentence, a word for an option, and a negation.
FINAL_VERB = re.compile(
    r"\s*(?:です|である|だ|となります|になります|となる|になる|입니다|이다|이에요|예요|है|हैं|होगा)?[\s.。।]*$"
)
OPTION_WORD = re.compile(
    r"^(?:(?:la|die|a|l')\s*)?(?:opción|option|opção|opzione|вариант|الخيار|विकल्प|選択肢|선택지)\s*(?=\(?[A-J]\b)",
    re.IGNORECASE,
)
IN_TOTAL = re.compile(
    r"^insgesamt\s+|[ ](?:en|au|no) total[ .]*$|[ ](?:insgesamt|in totale|всего)[ .]*$", re.IGNORECASE
)
# Right before a statement: it is hypothetical, as in `if the answer is`.
HYPOTHETICAL = re.compile(
    r"(?:\b(?:angenommen|wenn|falls|si|supongamos|supposons|suponha|supponiamo|если|предположим|допустим)\b"
    r"|\bse (?:a|la|il)$|もし|仮に|만약|إذا|لو|यदि|अगर|如果|假设|假如|若)[^.!?。:：\n]{0,25}$",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"(?<!\w)(?:nicht|kein\w*|pas|no|non|não|ни|не|ليست?|नहीं)(?!\w)|नहीं|では(?:ない|ありません)|じゃない|아니|아닙|않",
    re.IGNORECASE,
)
# Words after a number that are no unit: alternatives, approximations, bounds.
NOT_UNITS = set(
    "oder ou oppure или либо أو या "
    "ungefähr etwa zirka aproximadamente approximativement approssimativamente environ примерно приблизительно "
    "تقريبا تقريباً लगभग "
    "mehr weniger mindestens höchstens más menos mínimo máximo plus moins mais più meno больше меньше более менее "
    "أكثر أقل अधिक कम "
    "falsch incorrecta incorrecto fausse faux неверный неверно неправильно خاطئ गलत".split()
)
# A unit is a single word in these scripts; more words are the rest of a sentence.
WORDS_OF_OTHER_SCRIPTS = re.compile(r"[Ѐ-῿\u3040-ヿ가-힣][^»]*\s")
# The same within words that are written without blanks.
HEDGED = re.compile(
    "または|もしくは|또는|혹은|程度|くらい|ぐらい|ほど|約|정도|가량|쯤|以上|以下|未満|이상|이하|미만|초과"
)
