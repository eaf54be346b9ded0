"""Names and terms in a text: where one stands as a word of its own, and what stands in its place, with the particle that fits.

    put("나중에 수가 이야기해요.", {"수": "쑤엔"}).text    # 나중에 쑤엔이 이야기해요.

A word in Hangul has no syllable before it, and behind it a particle or a title, or none: 화성 stands in 화성에서, not in 화성인.
One syllable is often another word (이 is this, 수 is a way), so it counts as a name only before what surely follows names.
Nothing is found within addresses, nor within longer words in Latin letters.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from unicodedata import normalize

from avcore.errors import InputError
from text2unit.korean.particles import PAIR_OF, fitting
from text2unit.korean.signs import addresses_in
from text2unit.korean.tables import alternatives, tables
from text2unit.normalise import is_syllable, noun_reading

_LATIN = "A-Za-z0-9\u00c0-\u024f"
_PLAIN = (
    "에서는|에서도|에서만|에서|에게서|에게는|에게도|에게|에는|에도|에만|에|의|께서는|께서|께|한테서|한테는|한테|도|만|부터|까지|"
    "마저|조차|밖에|뿐|처럼|같이|같은|보다|마다|만큼|대로|하고|더러|씩|쯤"
)
"""Particles that have one form."""
_IS = r"입니다|입니까|인데|인가|인지|인(?=\s?(?:것|거|게|줄|듯|셈|만큼|이상))|일(?=\s?(?:것|거|수|때|뿐|텐데|테니|줄))|일까|일지|임"
"""Forms of 이다 that are the same behind all sounds."""
_SOFT = "나|나마|랑|란|라는|라고|라도|라면|라서|라|며|면|고|지만|지|죠|지요|니까|네요|군요|구나|거든|든|든지|야말로|야|다"
"""What 이 stands before behind a final consonant: 학교나 and 병원이나."""
_AFTER_NAMES = (
    "이|가|은|는|을|를|과|와|의|에게서|에게|한테서|한테|께서|께|도|만|처럼|보다|하고|이랑|랑|입니다|이에요|예요|이었다|였다|"
    "부터|까지|로|으로|뿐|밖에|조차|마저|이라고|이라는|이라면|이지만|인데"
)
_BOUND = re.compile(r"(?:가|는|도|밖에|조차)?\s+(?:있|없|만무)")
"""What stands behind 수 and 리 in 할 수 있다 and 그럴 리가 없다."""
_FINALS, _RIEUL = 28, 8


@dataclass(frozen=True)
class Replaced:
    """A text in which words were replaced."""

    text: str
    """NFC"""
    places: Mapping[str, int]
    """in how many places each word was replaced"""


class _Place(NamedTuple):
    start: int
    stop: int
    tail: re.Match[str] | None
    """what stands behind it in its own word"""
    word: str


def times_in(text: str, word: str) -> int:
    """Return how many times a word or term stands in a text as a word of its own."""
    return sum(1 for _ in _places(normalize("NFC", text), [word]))


def stands_in(text: str, word: str) -> bool:
    """Return whether a word or term stands in a text as a word of its own."""
    return any(True for _ in _places(normalize("NFC", text), [word]))


def put(text: str, words: Mapping[str, str]) -> Replaced:
    """Replace words in one pass, the longest first, each with the particle that fits what is put in.

    words: what is put in, by the word in its place; words are found in upper and lower case.
    """
    plain, done, at, counted = normalize("NFC", text), list[str](), 0, Counter[str]()
    for place in sorted(_places(plain, words)):
        new = words[place.word] + ("" if place.tail is None else _fitted(place.tail, words[place.word]))
        stop = place.stop if place.tail is None else place.tail.end()
        counted[place.word] += new != plain[place.start : stop]
        done += plain[at : place.start], new
        at = stop
    return Replaced("".join([*done, plain[at:]]), +counted)


def with_fitting_particles(text: str, noun: str) -> str:
    """Put 은/는, 이/가, 을/를, 과/와, 으로/로 and forms of 이다 behind a noun in the form that fits its pronunciation."""
    return put(text, {noun: noun}).text


# Where words stand


def _places(text: str, words: Iterable[str]) -> Iterator[_Place]:
    """Yield where words stand by themselves, those of longer words first; no two overlap."""
    folded = text.lower()
    there = sorted({word for word in words if word and word.lower() in folded}, key=lambda word: (-len(word), word))
    taken = bytearray(len(text))  # a mark for each letter, since a word may stand in a text thousands of times
    for start, stop in addresses_in(text) if there else ():
        taken[start:stop] = b"\1" * (stop - start)
    for word in there:
        for found in re.finditer(_edged(word), text, re.IGNORECASE):
            if any(taken[slice(*found.span())]):
                continue
            tail = _tail().match(text, found.end())
            if is_syllable(word[-1]) and not (tail and _is_word(text, found, tail)):
                continue
            taken[slice(*found.span())] = b"\1" * len(found[0])
            yield _Place(*found.span(), tail if tail and tail[0] else None, word)


def _edged(word: str) -> str:
    """Return a pattern of a word within no longer word of its own letters."""
    before = "가-힣" if is_syllable(word[0]) else _LATIN if re.match(f"[{_LATIN}]", word) else ""
    if len(word) == 1 and before:
        before = f"가-힣{_LATIN}"
    behind = _LATIN if re.search(f"[{_LATIN}]$", word) else ""
    return f"{f'(?<![{before}])' if before else ''}{re.escape(word)}{f'(?![{behind}])' if behind else ''}"


def _is_word(text: str, found: re.Match[str], tail: re.Match[str]) -> bool:
    """Return whether what ends in Hangul ends a word there. tail: what follows within its word."""
    last = text[found.end() - 1]
    if found.end() - found.start() > 1:
        # Without 이 these forms stand behind vowels alone: 서울고 is a school, 에밀리고 is "and it is Emily".
        return not (tail["soft"] == "" and _final(last))
    return _is_name(text, found)


def _is_name(text: str, found: re.Match[str]) -> bool:
    """Return whether a single syllable is a name, by what stands around it."""
    known, syllable, stop = tables(), found[0], found.end()
    if title := _title_apart().match(text, stop):
        return syllable not in known.determiners or title[0].strip()[0] in "씨님"
    before = text[max(found.start() - 2, 0) : found.start()]
    if before.endswith(" ") and _final(before.rstrip()[-1:]) == _RIEUL and _BOUND.match(text, stop):
        return False
    if not is_syllable(text[stop : stop + 1]):
        return syllable not in known.syllables
    particle = re.compile(rf"({_AFTER_NAMES})(?:는|은|도|만)?(?![가-힣])").match(text, stop)
    if particle is None or syllable + particle[1] in known.syllable_forms:
        return False
    pair = PAIR_OF.get(particle[1])
    return pair is None or fitting(pair, syllable) == particle[1]


@cache
def _tail() -> re.Pattern[str]:
    """Return a pattern of what stands behind a word in its own word: a title, then a particle or a form of 이다.

    called: 이 behind a Korean name, as in 민준이는.
    """
    return re.compile(
        rf"(?P<title>(?:{alternatives(tables().titles)})님?|들|측)?(?:"
        rf"(?P<pair>은|는|이|가|을|를|과|와)(?:커녕)?"
        rf"|(?P<way>으로|로)(?:서|써|부터)?(?:는|도|만|의|까지)?"
        rf"|(?P<polite>이에요|예요|에요)|(?P<past>이었|였)[가-힣]*"
        rf"|(?:{_PLAIN})(?:{_PLAIN}|은|는|이|을|의|로|요|이다|인)?|(?:{_IS})"
        rf"|(?P<soft>이?)(?:{_SOFT})"
        rf"|(?P<called>이)(?P<called_pair>가|는|를|와|로)|(?P<called_plain>이)(?:{_PLAIN})"
        rf")?요?(?![가-힣])"
    )


@cache
def _title_apart() -> re.Pattern[str]:
    """Return a pattern of a title behind a name, with or without a blank."""
    return re.compile(rf"\s?(?:{alternatives(tables().titles)})님?(?:{_AFTER_NAMES}|{_PLAIN})?(?![가-힣])")


def _final(syllable: str) -> int:
    """Return the number of a syllable's final consonant, 0 = none."""
    return (ord(syllable) - ord("가")) % _FINALS if is_syllable(syllable) else 0


# The particle behind them


def _fitted(tail: re.Match[str], noun: str) -> str:
    """Return what stood behind a word in the form that fits a noun in its place."""
    if tail["title"]:
        return tail[0]
    try:
        spoken = noun_reading(noun)
    except InputError:
        return tail[0]

    pairs = {
        "pair": PAIR_OF.get(tail["pair"] or "", ""), "way": "으로/로", "polite": "이에요/예요", "past": "이었/였", "soft": "이/",
        "called": "이/", "called_plain": "이/",
    }  # fmt: skip
    name = next((name for name in pairs if tail[name] is not None), "")
    if not name:
        return tail[0]
    new, rest = fitting(pairs[name], spoken), tail[0][len(tail[name]) :]
    if name == "called" and not new:  # 민준이는, but 민아는
        rest = fitting(PAIR_OF[tail["called_pair"]], spoken) + rest[1:]
    return new + rest
