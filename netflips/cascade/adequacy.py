"""Finds faults in the translation of a sentence, as far as its letters show them: what programs and language models often add,
lose or say in its place. Nothing here knows whether it is a good translation; translated back, it is compared with the original.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal

from avcore.errors import InputError
from avcore.words import KOREAN
from netflips.cascade.habits import as_compared, has_brackets, has_remark
from text2unit.korean.hanja import GLOSS
from text2unit.korean.signs import unreadable
from text2unit.script import script_of

AnswerFault = Literal["form", "talk", "signs", "letters", "same", "example"]
"""Why a translation must not be spoken. form: it is JSON, or a part of it. talk: it speaks of the request, or refuses it. signs: it
has brackets, or two translations in one. letters: it has some of another language. same: it was given for another sentence.
example: it is one that the model was shown."""
ANSWER_FAULTS: Mapping[str, str] = {
    "form": "it must be the translation alone, without JSON, keys or numbers of lines",
    "talk": "it must translate the line, and say nothing of the request",
    "signs": "it must be one wording, without brackets, slashes and notes",
    "letters": "it must be in the letters of its language alone",
    "same": "it is what you said for another line: translate this one",
    "example": "it is one of the examples: translate the line",
}
"""Why a translation is asked for once more, in words for the program or model that translates."""

_AS_WELL = {
    "loop": "it repeated itself",
    "too_long": "it is too long: say it shorter",
    "echo": "it was not in language '{language}'",
}
"""The same for faults that any text of a model may have."""


def why_again(fault: str | None, language: str) -> str:
    """Return why a translation into a language is asked for once more.

    fault: one of ANSWER_FAULTS, or a cause of `translation_fault`; None = there was no translation.
    """
    return {**_AS_WELL, **ANSWER_FAULTS}.get(fault or "", "there was no answer for this line").format(language=language)


def ask_for_hangul_names(names: Sequence[str]) -> str:
    """Return why a translation with names in Latin letters is asked for once more."""
    return f"write names in Hangul: {', '.join(names)}"


# Faults

_REFUSED = re.compile(
    r"(?:번역|답변|응답)[^.!?]{0,16}(?:수\s*(?:가\s*)?없|불가|못\s*(?:하|했|합|해)|어렵|않)|"
    r"(?:죄송|미안)[^.!?]{0,12}(?:번역|답변|요청|정보|내용|제공|도와)|^저는\s*(?:AI|인공지능|언어\s*모델)|AI\s*(?:언어\s*)?모델로서"
)
_OF_TASK = re.compile(r"번역|음절|직역|의역|글자\s*수|프롬프트|JSON|요청하신", re.IGNORECASE)
_OF_TASK_SOURCE = re.compile(r"translat|syllab|liter|prompt|json|letter|interpret|request|ask", re.IGNORECASE)
_JSON = re.compile(r"[{}]|\"\s*[:,]|\"?\b(?:lines|number|natural|short|full)\b\"?\s*[:]")
_TWO = re.compile(r"\s/\s|(?<=[가-힣])/(?=[가-힣])|\s\|\s|→|=>")
_FOREIGN = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff]{2,}|(?<![A-Za-z])(?:hundred|thousand|million|billion|trillion|percent)(?![A-Za-z])",
    re.IGNORECASE,
)
"""Chinese words, and the scales of English numbers, that would be read as Korean; single Hanja stand for names in the news."""
_HANJA = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_SORRY = re.compile(r"sorry|apolog|pardon|excuse|regret|afraid|unable|cannot|can't|couldn't", re.IGNORECASE)


def fault_in(text: str, source: str, language: str, earlier: Mapping[str, str], examples: Mapping[str, str]) -> AnswerFault | None:
    """Return why a translation, as `cleaned` returns it, must not be spoken; None = no fault is found.

    language: of the translation. earlier: the sentence of each earlier translation, by `as_compared` of the translation. examples:
    the same for those that the model was shown.
    """
    if _JSON.search(text) or (as_compared(source) and not as_compared(text)):
        return "form"
    is_refusal = _REFUSED.search(text) and not _SORRY.search(source)
    if is_refusal or (_OF_TASK.search(text) and not _OF_TASK_SOURCE.search(source)) or has_remark(text, source):
        return "talk"
    if (_TWO.search(text) and not re.search(r"[/|→=]", source)) or (has_brackets(text) and not has_brackets(source)):
        return "signs"

    if language == KOREAN and (any(unreadable(text)) or (_FOREIGN.search(GLOSS.sub("", text)) and not _HANJA.search(source))):
        return "letters"
    if (other := examples.get(as_compared(text))) is not None and as_compared(other) != as_compared(source):
        return "example"
    if (other := earlier.get(as_compared(text))) is not None and _is_other(other, source, text):
        return "same"
    return None


_LONG, _ALIKE = 8, 0.6
"""With this many letters or more, two sentences do not share a translation by chance, as they share 네 and 그렇죠; and how alike
two sources must be, 0 to 1, to share a longer one."""


def _is_other(one: str, other: str, text: str) -> bool:
    first, second = as_compared(one), as_compared(other)
    return len(as_compared(text)) >= _LONG and SequenceMatcher(None, first, second, autojunk=False).ratio() < _ALIKE


# Losses

_ASKS = re.compile(
    r"[?]|(?:까요?|나요|가요|은가|는가|던가|죠|지요|냐|니|래요|을래|ㄹ래|어때요?|어때|은지요?|는지요?|을지요?|네요)[.!…\s]*$|"
    r"누구|누가|언제|어디|무엇|무슨|뭐|뭘|왜|어떻게|어째서|얼마|몇|어느|어떤"
)


def is_no_question(source: str, text: str) -> bool:
    """Return whether a question became a statement in Korean. A translation that ends as a question may is taken for one."""
    return source.rstrip("\"'\u201d\u2019)] ").endswith("?") and not _ASKS.search(text)


_UNFINISHED = re.compile(r"(?:\u2026|\.\.|,|[가-힣]\s?[-\u2013\u2014])[\"'\u201d\u2019]*$|(?:지만|면서|거나|도록|느라|려고)[.!]?$")
_LONG_SOURCE, _LEAST_SHARE = 60, 0.15
"""A source of this many letters is longer than its Korean, of which each sign is a syllable, but not by more than this share. Of
7,100 Korean sentences of the demo, shortened as far as they can be, the least share is 0.14, of short sources."""


def is_half(source: str, text: str) -> bool:
    """Return whether a Korean text breaks off where its source does not, or is far too short for it."""
    if _UNFINISHED.search(text) and re.search(r"[.!?][\"'\u201d\u2019)]*$", source) and not source.endswith(".."):
        return len(as_compared(source)) > _LONG_SOURCE // 3
    length = len(as_compared(source))
    return length >= _LONG_SOURCE and len(as_compared(text)) < _LEAST_SHARE * length


def names_spelled_out(text: str, language: str) -> tuple[str, ...]:
    """Return the words of a translation that a voice would spell letter by letter, such as Marchetti in Korean: names that must be
    written in the letters of the language. Acronyms and words with a reading are not among them."""
    if language != KOREAN:
        return ()
    try:
        return script_of(text, language).spelled_out
    except InputError:  # reported where it is spoken
        return ()
