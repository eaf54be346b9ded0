"""What is hardly words: laughs, hums and remarks; and laughs that voice activity detection joins to the speech beside them."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from avcore.contracts import Transcript, Word, of_words
from avcore.speech.voice_activity import STEP_RATE, SpeechActivity
from avcore.timeline import Interval, frame_at
from netflips.recognizers.language import UNSURE

_TIMES, _MANY_TIMES = 3, 5
"""A syllable of at most `_TIMES` letters that comes `_TIMES` times or more is a laugh ("Buh, buh, buh, buh"). Words that people do
repeat are one only from `_MANY_TIMES` on ("Yes, yes, yes, yes, yes, yes, yes, yes")."""
_REPEATED = frozenset(("no", "yes", "go", "bye", "hey", "wow", "now", "you", "so", "run", "hi", "yep", "one", "two", "ten", "why"))
_NO_WORD = re.compile(
    r"([^\W\d])\1{3,}|h[aeio]+h?|(?:h[aei])+h?|a?h+m+|m+(?:h+m+)?|u+[hm]+|a+h+|[하흐히헤]{2,}|[음흠]+|[ははフふへハ]{2,}",
    re.IGNORECASE,
)
_LAUGH = re.compile(r"a?(?:ha)+h?|(?:he){2,}h?|(?:hi){2,}|[하흐히헤]{2,}|[はふへハ]{2,}")
EDGE_S = 0.05
"""How exact times of words are."""
_LAUGH_S, _LONGEST_S, _APART_S, _SEARCHED_S = 0.8, 4.0, 0.5, 0.5
"""Least and greatest length of speech without words that is a laugh; how far from all others a short word stands that is heard in
one; and how far from the words beside it a laugh may begin or end."""
_SHORT_WORD = 3
"""Letters of a short word, at most."""
_DIP_DB, _AROUND_STEPS = 10.0, 16
"""By how much it is quieter beside a laugh than within half a second of it, and that time in steps of voice activity."""
_REMARK = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*")
"""What recognizers write for laughs, sighs and hummed sounds, and remarks as [laughs]."""


def is_no_words(text: str) -> bool:
    """Return whether a text is what recognizers write where nobody speaks: remarks, laughs, hums, one syllable again and again."""
    words = [word.casefold() for word in re.findall(r"\w+", _REMARK.sub(" ", text))]
    is_syllable = len(words) >= _TIMES and len(set(words)) == 1 and len(words[0]) <= _TIMES
    is_syllable = is_syllable and (words[0] not in _REPEATED or len(words) >= _MANY_TIMES)
    return is_syllable or all(_NO_WORD.fullmatch(word) for word in words)


def without_laughs(
    place: Interval, text: Transcript, activity: SpeechActivity, alone: Callable[[Interval], Transcript]
) -> list[tuple[Interval, Transcript | None]]:
    """Return a stretch of speech in parts with their words, None for a laugh.

    A short doubtful word in a laugh is none; it begins the sentence behind, if that begins in small letters. text: of the stretch,
    in times of the recording. alone: recognizes a part by itself.
    """
    words, strays = list[Word](), list[Word]()
    for number, word in enumerate(text.words):
        (strays if _is_stray(text, number, place) else [] if _LAUGH.fullmatch(plain(word)) else words).append(word)
    laughs = [] if text.has_loop else _laughs_in(place, text, words, activity, alone)
    if not words or not laughs:
        return [(place, text)]

    parts, at, used = list[tuple[Interval, Transcript | None]](), place.start_s, 0
    for first, last, count in [*laughs, _Laugh(place.end_s, place.end_s, len(words))]:
        if first > at:
            own = [*words[used:count], *(word for word in strays if at <= middle_of(word) < first)]
            said = (_within(word, at, first) for word in sorted(own, key=middle_of))
            parts.append((Interval(at, first), of_words(said, text.language)))
        if last > first:
            parts.append((Interval(first, last), None))
        begun = [word for word in strays if first <= middle_of(word) < last]
        if begun and count < len(words) and words[count].text[:1].islower():
            words[count] = words[count]._replace(text=f"{begun[-1].text} {words[count].text}")
        at, used = last, count
    return parts


class _Laugh(NamedTuple):
    """A laugh in a stretch of speech."""

    first: float
    """when it begins (s)"""
    last: float
    """when it ends (s)"""
    num_before: int
    """number of words before it"""


def _laughs_in(
    place: Interval, text: Transcript, words: list[Word], activity: SpeechActivity, alone: Callable[[Interval], Transcript]
) -> list[_Laugh]:
    """Return the laughs in a stretch. words: those that are neither heard in a laugh nor are its own."""
    edges, found = [place.start_s, *(edge for word in words for edge in (word.start_s, word.end_s)), place.end_s], list[_Laugh]()

    for count, (start, end) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        if not _LAUGH_S <= end - start <= _LONGEST_S:
            continue
        first, last = place
        if count:
            first = round(activity.quietest_s(start - EDGE_S, start + _SEARCHED_S), 3)
        if count < len(words):  # a doubtful short word may begin in the laugh
            until = words[count].end_s if _is_doubtful(words[count]) else end + EDGE_S
            last = round(activity.quietest_s(max(end - _SEARCHED_S, first), until), 3)

        is_heard = any(_LAUGH.fullmatch(plain(word)) and start <= middle_of(word) < end for word in text.words)
        if last - first < _LAUGH_S / 2 or not (is_heard or all(_is_dip(activity, edge) for edge in {first, last} - {*place})):
            continue  # a word that is drawn out has no quiet moment behind it
        said = None if is_heard else alone(Interval(first, last))
        if said is None or said.confidence < UNSURE or is_no_words(said.text):  # else words were skipped
            found.append(_Laugh(first, last, count))
    return found


def _is_stray(text: Transcript, number: int, place: Interval) -> bool:
    """Return whether a word of a stretch is short, doubtful, and apart from all others."""
    word, before_s, after_s = text.words[number], *place
    before_s = text.words[number - 1].end_s if number else before_s
    after_s = text.words[number + 1].start_s if number + 1 < len(text.words) else after_s
    return _is_doubtful(word) and min(word.start_s - before_s, after_s - word.end_s) >= _APART_S


def _is_doubtful(word: Word) -> bool:
    return word.confidence < UNSURE and len(plain(word)) <= _SHORT_WORD


def _is_dip(activity: SpeechActivity, time_s: float) -> bool:
    """Return whether it is quiet at a time, compared with a second around it."""
    levels, at = activity.levels, frame_at(time_s, STEP_RATE)
    around = levels[max(at - _AROUND_STEPS, 0) : at + _AROUND_STEPS]
    return bool(len(around) and levels[min(at, len(levels) - 1)] < np.median(around) - _DIP_DB)


def _within(word: Word, start_s: float, end_s: float) -> Word:
    """Return a word that begins and ends within a time."""
    return word._replace(start_s=min(max(word.start_s, start_s), end_s), end_s=min(max(word.end_s, start_s), end_s))


def plain(word: Word) -> str:
    """Return a word in small letters, without marks."""
    return "".join(filter(str.isalnum, word.text.casefold()))


def middle_of(word: Word) -> float:
    """Return the time (s) of its middle."""
    return (word.start_s + word.end_s) / 2
