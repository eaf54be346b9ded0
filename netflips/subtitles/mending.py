"""Repairs subtitles: signs on the screen, credits, impossible times, and text that is not spoken."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from netflips.subtitles.beside import SOURCE, TARGET
from netflips.subtitles.formats import LEAST_S, Cue, reading_s
from netflips.subtitles.names import taking_turns, with_speakers
from netflips.subtitles.repeats import joined_words, without_repeats
from netflips.subtitles.sides import side_of_line
from text2unit.cleaning import clean_text

OVERLAPPED, UNSORTED, NO_LENGTH, REVERSED = "overlapped", "stood out of order", "had no length", "ended before it began"
REPEATED, SINGLE_WORDS = "showed lines of the one before", "were single words of a sentence"
SILENT, ON_SCREEN, CREDITS = "with nothing to say", "that stand in the video", "that say who made the subtitles"
_EPSILON_S = 1e-6
_TOGETHER_S = 0.3
"""Two cues that begin within it are joined: if they were cut apart, the first would have no time."""
_LONGEST_REVERSED_S = 15.0
"""Reversed times that are further apart are mistyped, not exchanged."""
_NUMBERED = re.compile(r"\[\d+\]")
"""A number in place of a text."""
_DASHES = re.compile(r"^[^\S\n]*[-\u2013\u2014]", re.MULTILINE)
_SIGNS = re.compile(
    r"sign|title|note|caption|typeset|screen|karaoke|song|lyric|^(?:op|ed|ts)\b|자막|화면|간판|노래|가사|제목", re.IGNORECASE
)
"""Names of styles for signs on the screen and songs."""
_SPEECH = re.compile(r"default|main|dialog|italic|^alt|top|overlap|flashback|thought|narrat|대사", re.IGNORECASE)
_WORK = "subtitl|subs?|caption|transcri(?:pt|b)|translat|sync|resync|timing|timed|encod|ripp|correct"
_CREDITS = re.compile(
    rf"^\W*(?:{_WORK})\w*(?:[ ,&/]+(?:and |made |created |{_WORK})\w*)*[ ]?by[: ]+(?-i:[A-Z0-9@가-힣]|the [A-Z])"
    r"|^\W*downloaded from\b"
    r"|(?:opensubtitles|subscene|addic7ed|podnapisi|yifysubtitles|amara)\.(?:org|com|net)"
    r"|^\W*(?:support us and become vip|advertise your product or brand|please rate this subtitle|help other users to choose)"
    r"|^\W*(?:한글 ?)?(?:자막|싱크)(?:[ /·,]?(?:자막|싱크|제작|번역|수정|제공|편집|배포|및))*(?:자|팀)?\s*(?:[:\uff1a]|by\b)"
    r"|^\W*(?:번역|옮긴이|감수)\s*[:\uff1a]\s*(?:[가-힣]{2,4}|[\w.@-]+)$",
    re.IGNORECASE,
)
"""What makers of subtitles and their sites write into them."""
_MOST_WORDS = 12
"""Words of such a cue, at most."""
_LEAST_SPEECH, _SPEECH_SHARE = 3, 0.5
"""A style of another name is speech if it has at least so many cues, and at least this share of the main style's number."""


@dataclass
class Mended:
    """Repaired cues."""

    cues: list[Cue]
    """in order, not overlapping"""
    repairs: dict[str, list[int]] = field(default_factory=dict)
    """numbers of the cues that were repaired, by what was wrong"""
    lacking: dict[str, list[int]] = field(default_factory=dict)
    """numbers of the cues that were left out, by the reason"""
    left_out: list[str] = field(default_factory=list)
    """what was left out of texts, as in `Cleaned.left_out`"""
    speakers: dict[str, int] = field(default_factory=dict)
    """as `Named.speakers`"""
    said: tuple[str, ...] = ()
    """as `Named.said`"""


def mend(raw: Sequence[Cue], source: str, target: str, known: Collection[str] = ()) -> Mended:
    """Repair cues. source, target: languages of a dub. known: names of people who may speak.

    A cue with an empty text gives only its time; one with a text in which nothing is spoken is left out.
    """
    repairs: dict[str, list[int]] = {}
    turned = [_forwards(cue, repairs) for cue in raw]
    once, repeated = without_repeats(turned)
    repairs |= {REPEATED: repeated} if repeated else {}
    spoken, signs = _spoken(once, source, target)
    spoken, credits = _without_credits(spoken)
    spoken, words = joined_words(spoken)
    repairs |= {SINGLE_WORDS: words} if words else {}
    named = with_speakers(spoken, known)
    cleaned, silent, left_out = _cleaned(named.cues)
    lacking = {what: sorted(numbers) for what, numbers in ((SILENT, silent), (ON_SCREEN, signs), (CREDITS, credits)) if numbers}
    ordered = _in_order(cleaned, repairs, source, target)
    repairs = {what: sorted(set(numbers)) for what, numbers in repairs.items() if numbers}
    return Mended(ordered, repairs, lacking, left_out, named.speakers, named.said)


def _forwards(cue: Cue, repairs: dict[str, list[int]]) -> Cue:
    """Return a cue, with its times exchanged if it ends before it begins; `repairs` gets its number then."""
    if not LEAST_S < cue.start_s - cue.end_s <= _LONGEST_REVERSED_S:
        return cue
    repairs.setdefault(REVERSED, []).append(cue.number)
    return replace(cue, start_s=cue.end_s, end_s=cue.start_s)


# Signs on the screen


def _spoken(cues: Sequence[Cue], source: str, target: str) -> tuple[list[Cue], list[int]]:
    """Return the cues that are spoken, and the numbers of those that are signs.

    Signs are texts at a place in the frame, or of another style, while somebody speaks. If all cues have a place, all are spoken.
    """
    styles = Counter(one.style for one in cues if not one.is_placed)
    if not styles or (len(styles) == 1 and not any(one.is_placed for one in cues)):
        return list(cues), []
    main = max(styles, key=lambda style: (_SIGNS.search(style) is None, styles[style]))
    talk = defaultdict[str, list[Cue]](list)
    for one in sorted(cues, key=lambda cue: cue.start_s):
        if one.style == main and not one.is_placed:
            talk[side_of_line(one.text, source, target)].append(one)

    spans = {side: _Spans(found) for side, found in talk.items()}
    speech = {style for style, count in styles.items() if _is_speech(style, count, styles[main])} | {main}

    def is_sign(one: Cue) -> bool:
        if one.speaker or (not one.is_placed and one.style in speech):
            return False
        if one.is_placed and one.style not in speech:
            return True
        own = spans.get(side_of_line(one.text, source, target))  # a cue in another language is a translation, no sign
        return own is not None and own.meet(one)

    signs = {one.number for one in cues if is_sign(one)}
    return [one for one in cues if one.number not in signs], sorted(signs)


class _Spans:
    """The times of cues, which are in order, in which somebody speaks."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        self.starts = [cue.start_s for cue in cues]
        # The latest end so far: cues may overlap, and the one that began last need not end last.
        self.ends = list(accumulate((cue.end_s for cue in cues), max))

    def meet(self, cue: Cue) -> bool:
        """Return whether somebody speaks while a cue is shown."""
        before = bisect_left(self.starts, cue.end_s - LEAST_S)
        return before > 0 and self.ends[before - 1] > cue.start_s + LEAST_S


def _is_speech(style: str, count: int, usual: int) -> bool:
    """Return whether a style is one of speech, by its name or its number of cues. usual: cues of the main style."""
    if _SIGNS.search(style):
        return False
    return bool(_SPEECH.search(style)) or (count >= _LEAST_SPEECH and count >= _SPEECH_SHARE * usual)


# Text that is not spoken, and times


def _without_credits(cues: Sequence[Cue]) -> tuple[list[Cue], list[int]]:
    """Return cues without those that say who made the subtitles or where they are from, and the numbers of these."""
    texts = {cue.number: cue.text.split() for cue in cues}
    made = {number for number, words in texts.items() if len(words) <= _MOST_WORDS and _CREDITS.search(" ".join(words))}
    return [cue for cue in cues if cue.number not in made], sorted(made)


def _cleaned(raw: Sequence[Cue]) -> tuple[list[Cue], list[int], list[str]]:
    """Return cues with only what is spoken in them, the numbers of those in which nothing is spoken, and what was left out."""
    cues, silent, left_out = list[Cue](), list[int](), list[str]()
    for cue in raw:
        if _NUMBERED.fullmatch(cue.text.strip()) or not cue.text.strip():
            cues.append(replace(cue, text=""))
            continue
        cleaned = clean_text(cue.text, is_subtitle=True)
        is_talk = len(_DASHES.findall(cue.text)) > 1  # several people speak: the sentence of each ends with its line

        lines = filter(None, cleaned.text.split("\n"))
        text = "\n".join(f"{line}." if is_talk and line[-1].isalnum() else line for line in lines)
        left_out += cleaned.left_out
        if any(map(str.isalnum, text)):
            cues.append(replace(cue, text=text))
        else:
            silent.append(cue.number)
    return cues, silent, left_out


def _in_order(raw: Sequence[Cue], repairs: dict[str, list[int]], source: str, target: str) -> list[Cue]:
    """Return cues in order of time, each ended before the next begins; `repairs` gets the numbers of those that were repaired.

    Cues that begin together are joined. If they are a pair of both languages, that is no repair.
    """
    unsorted, no_length, overlapped = (repairs.setdefault(what, []) for what in (UNSORTED, NO_LENGTH, OVERLAPPED))
    latest, cues = 0.0, list[Cue]()
    for one in sorted(raw, key=lambda cue: cue.number):
        if one.start_s < latest and one.number not in repairs.get(REVERSED, ()):
            unsorted.append(one.number)
        latest = max(latest, one.start_s)

    for one in sorted(raw, key=lambda cue: (cue.start_s, cue.number)):
        if one.end_s - one.start_s < LEAST_S - _EPSILON_S:
            no_length.append(one.number)
            one = replace(one, end_s=one.start_s + reading_s(one.text))
        before = cues[-1] if cues else None
        if before is None or before.end_s <= one.start_s + _EPSILON_S:
            cues.append(one)
            continue

        is_together = one.start_s - before.start_s < _TOGETHER_S
        is_dialogue = is_together and one.speaker != before.speaker and bool(one.speaker and before.speaker)
        is_pair = (
            not is_dialogue
            and is_together
            and {SOURCE, TARGET} == {side_of_line(cue.text, source, target) for cue in (before, one)}
        )
        if before.number not in no_length and not is_pair:
            overlapped.append(before.number)
        if not is_together:
            cues[-1] = replace(before, end_s=one.start_s)
            cues.append(one)
        elif is_dialogue:  # one after the other
            whole = replace(before, end_s=max(before.end_s, one.end_s))
            turns = taking_turns(whole, [(cue.speaker, cue.text) for cue in (before, one)])
            cues[-1:] = [replace(turn, number=cue.number) for turn, cue in zip(turns, (before, one), strict=True)]
        else:
            text = before.text if one.text in before.text else f"{before.text}\n{one.text}".strip()
            cues[-1] = replace(before, end_s=max(before.end_s, one.end_s), text=text)
    return cues
