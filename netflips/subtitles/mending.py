"""Repairs subtitles: lines that are shown again, signs on the screen, impossible times, and text that is not spoken."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from netflips.subtitles.beside import SOURCE, TARGET
from netflips.subtitles.formats import Cue, reading_s
from netflips.subtitles.names import with_speakers
from netflips.subtitles.sides import side_of_line
from text2unit.cleaning import clean_text

LEAST_S = 0.04
"""Length of a frame, and of the shortest sound that has units."""
OVERLAPPED, UNSORTED, NO_LENGTH, REVERSED = "overlapped", "stood out of order", "had no length", "ended before it began"
REPEATED = "showed lines of the one before"
SILENT, ON_SCREEN = "with nothing to say", "that stand in the video"
_EPSILON_S = 1e-6
_TOGETHER_S = 0.3
"""Two cues that begin within it are joined: if they were cut apart, the first would have no time."""
_LONGEST_REVERSED_S = 15.0
"""Reversed times that are further apart are mistyped, not exchanged."""
_GROWING = 6
"""Least letters of a line that may grow within a word; a shorter one is a word of its own."""
_NUMBERED = re.compile(r"\[\d+\]")
"""A number in place of a text."""
_DASHES = re.compile(r"^[^\S\n]*[-\u2013\u2014]", re.MULTILINE)
_SIGNS = re.compile(
    r"sign|title|note|caption|typeset|screen|karaoke|song|lyric|^(?:op|ed|ts)\b|자막|화면|간판|노래|가사|제목", re.IGNORECASE
)
"""Names of styles for signs on the screen and songs."""
_SPEECH = re.compile(r"default|main|dialog|italic|^alt|top|overlap|flashback|thought|narrat|대사", re.IGNORECASE)
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


def mend(raw: Sequence[Cue], source: str, target: str) -> Mended:
    """Repair cues. source, target: languages of a dub.

    A cue with an empty text gives only its time; one with a text in which nothing is spoken is left out.
    """
    repairs: dict[str, list[int]] = {}
    turned = [_forwards(one, repairs) for one in raw]
    once, repeated = without_repeats(turned)
    repairs |= {REPEATED: repeated} if repeated else {}
    spoken, signs = _spoken(once, source, target)
    named, names = with_speakers(spoken)
    cleaned, silent, left_out = _cleaned(named)
    lacking = {what: numbers for what, numbers in ((SILENT, silent), (ON_SCREEN, signs)) if numbers}
    ordered = _in_order(cleaned, repairs, source, target)
    return Mended(ordered, {what: sorted(set(numbers)) for what, numbers in repairs.items() if numbers}, lacking, names + left_out)


def _forwards(one: Cue, repairs: dict[str, list[int]]) -> Cue:
    """Return a cue, with its times exchanged if it ends before it begins; `repairs` gets its number then."""
    if not LEAST_S < one.start_s - one.end_s <= _LONGEST_REVERSED_S:
        return one
    repairs.setdefault(REVERSED, []).append(one.number)
    return replace(one, start_s=one.end_s, end_s=one.start_s)


# Lines that are shown again


def without_repeats(cues: Sequence[Cue]) -> tuple[list[Cue], list[int]]:
    """Return rolling captions with each line once, and the numbers of the cues that lost lines.

    YouTube's automatic captions show a line again above the next, those of broadcasters roll up by two or three lines, live ones
    grow by words. Captions roll if most cues of the file do, or two in a row; otherwise what is written twice is spoken twice.
    """
    ordered = sorted(cues, key=lambda cue: (cue.start_s, cue.number))
    lines, before = [[row for line in one.text.split("\n") if (row := " ".join(line.split()))] for one in ordered], list[str]()
    known = list[tuple[int, str]]()
    rolls, adds = list[bool](), list[bool]()
    for one, rows in zip(ordered, lines, strict=True):
        shown, grown = _shown_again(before, rows)
        known.append((shown, grown))
        is_short = one.end_s - one.start_s < LEAST_S
        adds.append(shown > 0 and (bool(grown) or shown < len(rows)))
        rolls.append(adds[-1] or (shown > 0 and (shown < len(before) or is_short)))
        before = rows or before

    is_rolling = any(adds) and sum(rolls) * 2 > sum(map(bool, lines[1:]))
    found, changed = list[Cue](), list[int]()
    for place, (one, rows, (shown, grown)) in enumerate(zip(ordered, lines, known, strict=True)):
        beside = [other for other in (place - 1, place + 1) if rolls[other : other + 1] == [True]]
        is_in_run = rolls[place] and any(adds[place] or adds[other] for other in beside)
        if not shown or not (is_rolling or is_in_run):
            found.append(one)
            continue
        changed.append(one.number)
        if grown and found:  # the cue before gets the rest of its line
            end_s = one.end_s if shown == len(rows) else one.start_s
            found[-1] = replace(found[-1], text=found[-1].text.rstrip() + grown, end_s=max(end_s, found[-1].end_s))
        if shown < len(rows):
            found.append(replace(one, text="\n".join(rows[shown:])))
    return found, changed


def _shown_again(before: Sequence[str], rows: Sequence[str]) -> tuple[int, str]:
    """Return how many of a cue's first lines were the last ones of the cue before, and the text by which the last of them grew."""
    for count in range(min(len(before), len(rows)), 0, -1):
        *same, last = before[-count:]
        grown = rows[count - 1].removeprefix(last)
        is_same = list(rows[: count - 1]) == same and rows[count - 1].startswith(last)
        if is_same and not (grown[:1].isalnum() and len(last) < _GROWING):
            return count, grown
    return 0, ""


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
        self.starts = [one.start_s for one in cues]
        # The latest end so far: cues may overlap, and the one that began last need not end last.
        self.ends = list(accumulate((one.end_s for one in cues), max))

    def meet(self, one: Cue) -> bool:
        """Return whether somebody speaks while a cue is shown."""
        before = bisect_left(self.starts, one.end_s - LEAST_S)
        return before > 0 and self.ends[before - 1] > one.start_s + LEAST_S


def _is_speech(style: str, count: int, usual: int) -> bool:
    """Return whether a style is one of speech, by its name or its number of cues. usual: cues of the main style."""
    if _SIGNS.search(style):
        return False
    return bool(_SPEECH.search(style)) or (count >= _LEAST_SPEECH and count >= _SPEECH_SHARE * usual)


# Text that is not spoken, and times


def _cleaned(raw: Sequence[Cue]) -> tuple[list[Cue], list[int], list[str]]:
    """Return cues with only what is spoken in them, the numbers of those in which nothing is spoken, and what was left out."""
    cues, silent, left_out = list[Cue](), list[int](), list[str]()
    for one in raw:
        if _NUMBERED.fullmatch(one.text.strip()) or not one.text.strip():
            cues.append(replace(one, text=""))
            continue
        cleaned = clean_text(one.text, is_subtitle=True)
        is_talk = len(_DASHES.findall(one.text)) > 1  # several people speak: the sentence of each ends with its line

        lines = filter(None, cleaned.text.split("\n"))
        text = "\n".join(f"{line}." if is_talk and line[-1].isalnum() else line for line in lines)
        left_out += cleaned.left_out
        if any(map(str.isalnum, text)):
            cues.append(replace(one, text=text))
        else:
            silent.append(one.number)
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
        is_pair = is_together and {SOURCE, TARGET} == {side_of_line(cue.text, source, target) for cue in (before, one)}
        if before.number not in no_length and not is_pair:
            overlapped.append(before.number)
        if not is_together:
            cues[-1] = replace(before, end_s=one.start_s)
            cues.append(one)
        else:
            text = before.text if one.text in before.text else f"{before.text}\n{one.text}".strip()
            cues[-1] = replace(before, end_s=max(before.end_s, one.end_s), text=text)
    return cues
