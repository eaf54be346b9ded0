"""Reads the cues of subtitle files as they are: .srt, .vtt, .ttml, .ass, .ssa and .smi.

SubRip and WebVTT are read by blocks, SAMI by its SYNC tags, SubStation Alpha by its lines of dialogue. pysubs2 is not used: it
reads names of WebVTT's cues and notes as text, drops a last line that is a number, knows neither SAMI's ends nor its languages, and
needs minutes for a long line of SubStation's codes.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from itertools import accumulate, pairwise
from xml.etree import ElementTree as ET

import numpy as np

from netflips.subtitles.beside import SOURCE, TARGET
from netflips.subtitles.sides import side_of
from netflips.subtitles.ttml import TTML

SAMI, SUBSTATION = (".smi", ".sami"), (".ass", ".ssa")
TIMED_TEXT = (TTML, ".dfxp")
SUBTITLE_SUFFIXES = (".srt", ".vtt", *TIMED_TEXT, *SUBSTATION, *SAMI)
LEAST_S = 0.04
"""Length of a frame, and of the shortest sound that has units."""
_READING_S, _LETTER_S = 1.0, 0.08
"""How long a text without an end is shown: at least, and for each character."""
_TIME = r"(?:(\d{1,6}):)?([0-5]?\d):([0-5]?\d)(?:[,.](\d{1,3}))?"
_TIMES = re.compile(rf"^{_TIME}\s*--?>\s*{_TIME}(?:\s.*)?$")
_ARROW = "-->"
_VTT_PARTS = re.compile(r"^(?:WEBVTT|NOTE|STYLE|REGION)\b")
_VTT_TAG = re.compile(r"</?(?:c|i|b|u|v|ruby|rt|lang)(?:[.\s][^<>]*)?>|<[\d:.]+>")
_VTT_TIME = re.compile(r"<\d[\d:.]*>")
_TAG = re.compile(r"</?\s?[a-zA-Z][^<>\n]{0,200}>")
"""Bounded, so that the time of reading grows with the length of the file only."""
_BREAKS, _BLANK = (re.compile(rf"(?<![A-Za-z]:)\\{one}") for one in ("[Nn]", "h"))
"""Codes of SubStation Alpha for line ends and a blank, which other programs leave in other formats; `C:\\new` has none."""
_VTT_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]{1,60})>")
_ASS_TIME = re.compile(r"\s*(\d{1,6}):(\d{1,2}):(\d{1,2})[.,](\d{1,3})\s*")
_ASS_FIELDS: tuple[str, ...] = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
"""Fields of a line of dialogue, if no Format line names others."""
_ASS_DRAWS = re.compile(r"\\p[1-9]")
_PLACED = re.compile(r"\\(?:pos|move)\s*\(")
"""Codes that put a text at a place in the frame."""
_SAMI_PART = re.compile(r"<(/?)\s*([A-Za-z]+)([^<>]*)>|<![^<>]*>|([^<]+)|<")
_SAMI_START = re.compile(r"start\s*=\s*[\"']?\s*(-?\d{1,9})", re.IGNORECASE)
_TTML_CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d)(?:(\.\d{1,9})|:(\d{1,3}))?")
_TTML_OFFSET = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(h|m|s|ms|f|t)")
_BREAK = "\0"
"""A line break of TTML, a sign that XML cannot hold."""
_READINGS = ("text", "textContainer", "delimiter")
"""Parts of TTML's ruby that say how its base is read."""
_SAMI_CLASS = re.compile(r"class\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Cue:
    """A subtitle as it is in its file."""

    number: int
    """in the file, from 1"""
    start_s: float
    """when it appears"""
    end_s: float
    """when it disappears"""
    text: str = ""
    """lines, with line feeds between them"""
    speaker: str = ""
    """from the format's field for it, "" = not stated"""
    style: str = ""
    """of SubStation Alpha"""
    is_placed: bool = False
    """whether codes put it at a place in the frame"""
    marks: tuple[int, ...] = ()
    """where in the text marks begin and end, as of the word that is just spoken; without those around all of it"""


def read_cues(text: str, ending: str, source: str, target: str) -> tuple[list[Cue], list[int]]:
    """Return the cues of a file, and the numbers of those without readable times.

    text: of the file. ending: of its name, in small letters. source, target: languages of a dub; a SAMI file may have both.
    """
    untimed: list[int] = []
    if ending in SAMI:
        return _sami(text, source, target), untimed
    if ending in TIMED_TEXT:
        return list(_timed_text(text, untimed)), untimed
    found = _substation(text, untimed) if ending in SUBSTATION else _blocks(text, ending == ".vtt", untimed)
    return list(found), untimed


def expected_times(ending: str) -> str:
    """Return how a format writes times, for messages."""
    if ending in SAMI:
        return "<SYNC Start=1500>"
    if ending in TIMED_TEXT:
        return '<p begin="00:00:01.500" end="00:00:04.250">'
    return "Dialogue: 0,0:00:01.50,0:00:04.25,..." if ending in SUBSTATION else "00:00:01,500 --> 00:00:04,250"


def reading_s(text: str) -> float:
    """Return how long a text without an end is shown (s)."""
    return max(_READING_S, _LETTER_S * len(text))


# SubRip and WebVTT


def _blocks(text: str, is_vtt: bool, untimed: list[int]) -> Iterator[Cue]:
    """Yield the cues of SubRip and WebVTT. A block without times belongs to the cue before it. untimed: gets the numbers of cues
    without readable times."""
    number, times, lines = 0, None, list[str]()
    for block in re.split(r"\n[ \t]*\n", text.replace("\u2028", "\n")):
        rows = [row.strip() for row in block.split("\n") if row.strip()]
        if is_vtt and rows and _VTT_PARTS.match(rows[0]):
            # A header without a blank line behind it has the first cue in its block.
            rows = [] if not any(_ARROW in row for row in rows) else rows[1:]
        for place, row in enumerate(rows):
            if not _has_times(row):
                # The row before times is the cue's number or name, or else text of the cue before.
                may_be_name = (place == 0 and (is_vtt or row.isdigit())) or row == str(number + 1)
                is_name = may_be_name and place + 1 < len(rows) and _has_times(rows[place + 1])
                lines += [] if is_name else [row]
                continue

            if times is not None:
                yield _cue(number, times, lines, is_vtt)
            number, lines, found = number + 1, [], _TIMES.match(row)
            times = None if found is None else (_seconds(found.groups()[:4]), _seconds(found.groups()[4:]))
            if times is None:
                untimed.append(number)
    if times is not None:
        yield _cue(number, times, lines, is_vtt)


def _has_times(row: str) -> bool:
    return _ARROW in row or _TIMES.match(row) is not None


def _cue(number: int, times: tuple[float, float], lines: Sequence[str], is_vtt: bool) -> Cue:
    text, speaker = "\n".join(lines), ""
    if is_vtt:
        voices = {found.strip() for found in _VTT_VOICE.findall(text)}
        speaker = voices.pop() if len(voices) == 1 else ""
        text = _VTT_VOICE.sub(r"\n[\1]: ", text).strip() if voices else text
        tag, marks = _VTT_TAG, () if _VTT_TIME.search(text) else _marks(text, _VTT_TAG)
    else:
        tag, marks = _TAG, _marks(text, _TAG)
    plain = tag.sub("", text)
    plain = _BREAKS.sub("\n", _BLANK.sub(" ", unescape(plain) if is_vtt else plain))
    return Cue(number, *times, plain, speaker, is_placed=_PLACED.search(plain) is not None, marks=marks)


def _marks(text: str, tag: re.Pattern[str]) -> tuple[int, ...]:
    """Return where the tags of a text stand in it without them, except at its begin and its end."""
    places, before = list[int](), 0
    for found in tag.finditer(text):
        places.append(found.start() - before)
        before += len(found[0])
    return tuple(place for place in dict.fromkeys(places) if 0 < place < len(text) - before)


# SubStation Alpha


def _substation(text: str, untimed: list[int]) -> Iterator[Cue]:
    """Yield the cues of SubStation Alpha: its dialogue, without comments and drawings. untimed: gets the numbers of cues without
    readable times."""
    number, is_events, names = 0, False, _ASS_FIELDS
    for line in text.split("\n"):
        if line.startswith("["):
            is_events = line.strip().lower() == "[events]"
        elif is_events and line.startswith("Format:"):
            names = tuple(name.strip().lower() for name in line.partition(":")[2].split(","))
            names = names if {"start", "end", "text"} <= set(names) else _ASS_FIELDS

        if not line.startswith("Dialogue:"):
            continue
        number += 1
        row = _fields(line.partition(":")[2], names)
        times = [_ASS_TIME.fullmatch(row.get(name, "")) for name in ("start", "end")]
        if times[0] is None or times[1] is None:
            untimed.append(number)
            continue

        text, codes, marks = _without_codes(row["text"])
        if not _ASS_DRAWS.search(codes):
            start, end = _seconds(times[0].groups()), _seconds(times[1].groups())
            is_placed = _PLACED.search(codes) is not None
            name, style = row.get("name", "").strip(), row.get("style", "").strip("* ")
            yield Cue(number, start, end, text, name, style, is_placed, marks)


def _fields(line: str, names: Sequence[str]) -> dict[str, str]:
    """Return the fields of a line of dialogue by name, empty if there are too few. Only the text may have commas."""
    parts, place = line.split(","), names.index("text")
    behind = len(names) - 1 - place
    if len(parts) < len(names):
        return {}
    end = len(parts) - behind
    return dict(zip(names, [*parts[:place], ",".join(parts[place:end]), *parts[end:]], strict=True))


def _without_codes(text: str) -> tuple[str, str, tuple[int, ...]]:
    """Return a text of SubStation Alpha without override codes and with line feeds for its line breaks, all the codes, and where
    they stood in the text, as `Cue.marks`."""
    parts, codes, place = list[str](), list[str](), 0
    # By `find`, in linear time: a regular expression takes minutes for a long line of braces that never close.
    while (begin := text.find("{", place)) >= 0 and (end := text.find("}", begin)) >= 0:
        parts.append(text[place:begin])
        codes.append(text[begin:end])
        place = end + 1

    ends = list(accumulate(map(len, parts)))
    marks = tuple(at for at in dict.fromkeys(ends) if 0 < at < ends[-1] + len(text) - place)
    plain = "".join([*parts, text[place:]]).replace("\\h", " ")
    return plain.replace("\\n", "\n").replace("\\N", "\n"), "".join(codes), marks


# SAMI


def _sami(text: str, source: str, target: str) -> list[Cue]:
    """Return the cues of SAMI; each lasts until the next of its language. If there are several languages, those of the target are
    taken, else of the source."""
    tracks: dict[str, list[tuple[float, str]]] = {}
    start, name, parts = None, "", list[str]()

    def close() -> None:
        if start is not None:
            tracks.setdefault(name, []).append((start, unescape("".join(parts)).replace("\u00a0", " ").strip()))
        parts.clear()

    for found in _SAMI_PART.finditer(text):
        tag = (found[2] or "").lower()
        if tag in ("sync", "p", "body", "sami"):
            if tag != "p" or found[1] or "".join(parts).strip():
                close()
            if tag == "sync" and not found[1] and (time := _SAMI_START.search(found[3])):
                start = max(int(time[1]), 0) / 1000
            elif tag in ("body", "sami") or (tag == "sync" and not found[1]):
                start = None
            if tag == "p" and not found[1]:
                named = _SAMI_CLASS.search(found[3])
                name = named[1].lower() if named else ""
        elif tag == "br":
            parts.append("\n")
        elif found[4] and start is not None:
            parts.append(re.sub(r"\s+", " ", found[4]))
    close()

    sides = {name: side_of((text for _, text in rows), source, target) for name, rows in tracks.items()}
    wanted = sorted(tracks, key=lambda name: (sides[name] != TARGET, sides[name] != SOURCE, -len(tracks[name])))
    rows = tracks[wanted[0]] if wanted else []
    ordered = sorted(dict.fromkeys(rows), key=lambda row: row[0])
    starts = sorted({start for start, _ in rows})
    ends = dict(pairwise(starts))
    timed = [(start, ends.get(start, start + reading_s(text)), text) for start, text in ordered if text]
    return [Cue(number, *row) for number, row in enumerate(timed, 1)]


# TTML


def _timed_text(text: str, untimed: list[int]) -> Iterator[Cue]:
    """Yield the paragraphs of TTML as cues. untimed: gets the numbers of cues without readable times."""
    try:
        root = ET.fromstring("" if "<!DOCTYPE" in text else text)  # entities may grow without an end
    except ET.ParseError:
        return
    for one in root.iter():  # drafts of TTML have other namespaces
        one.tag = one.tag.rpartition("}")[2]
        one.attrib = {name.rpartition("}")[2]: value for name, value in one.attrib.items()}
    seconds, number = _units_of_time(root.attrib), 0
    left = [(root, _times_within((0.0, math.inf), root.attrib, seconds))]
    while left:  # not by recursion: elements may be nested deeply
        one, times = left.pop()
        inner = list(_timed_parts(one, times, seconds))
        has_spans = one.tag == "p" and not math.isfinite(sum(times)) and any(part.tag == "span" for part, _ in inner)
        if one.tag not in ("p", "span") or has_spans:
            left += reversed(inner)
        elif said := _text_of(one):
            number += 1
            if math.isfinite(sum(times)):
                yield Cue(number, *times, said)
            else:
                untimed.append(number)


def _timed_parts(
    one: ET.Element, times: tuple[float, float], seconds: Mapping[str, float]
) -> Iterator[tuple[ET.Element, tuple[float, float]]]:
    """Yield the elements in an element with their times: one after the other in a sequence, else each counted from its beginning.

    Of a paragraph, only the spans with times of their own.
    """
    around = times
    for part in one:
        if one.tag == "p" and not {"begin", "end", "dur"} & part.attrib.keys():
            continue
        own = _times_within(around, part.attrib, seconds)
        yield part, own
        if one.get("timeContainer") == "seq":
            around = own[1], times[1]


def _times_within(around: tuple[float, float], facts: Mapping[str, str], seconds: Mapping[str, float]) -> tuple[float, float]:
    """Return start and end (s) of an element, which are counted from the start of the one around it. Not a number: unreadable."""
    start_s = around[0] + _time(facts.get("begin", "0s"), seconds)
    origins = {"end": around[0], "dur": start_s}
    ends = [origin + _time(facts[name], seconds) for name, origin in origins.items() if name in facts]
    return start_s, float(np.min([around[1], *ends]))  # not `min`, which may leave out what is not a number


def _text_of(paragraph: ET.Element) -> str:
    for one in list(paragraph.iter()):
        if one.tag not in ("p", "span") or one.get("ruby") in _READINGS:  # such as metadata
            tail = one.tail
            one.clear()
            one.text, one.tail = _BREAK if one.tag == "br" else "", tail
    lines = (" ".join(line.split()) for line in "".join(paragraph.itertext()).split(_BREAK))
    return "\n".join(filter(None, lines))


def _units_of_time(facts: Mapping[str, str]) -> dict[str, float]:
    """Return the seconds of each unit of time by a file's facts; without those that are counted by a rate that cannot be read."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    with suppress(ValueError, ZeroDivisionError):
        above, below = re.split(r"[\s:]+", facts.get("frameRateMultiplier", "1 1"))  # in drafts of TTML "1000:1001"
        rate = float(facts.get("frameRate", 30)) * float(above) / float(below)
        units |= {"f": 1 / rate, "t": 1 / float(facts.get("tickRate", rate if "frameRate" in facts else 1))}
    return units


def _time(text: str, seconds: Mapping[str, float]) -> float:
    """Return a time in seconds, not a number for one that cannot be read."""
    if found := _TTML_CLOCK.fullmatch(text.strip()):
        whole = (int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])
        return float(f"{whole}{found[4] or ''}") + (int(found[5]) * seconds.get("f", math.nan) if found[5] else 0)
    found = _TTML_OFFSET.fullmatch(text.strip())
    return float(found[1]) * seconds.get(found[2], math.nan) if found else math.nan


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    # A fraction has one to three digits: .5 is 500 ms.
    return (hours * 60 + minutes) * 60 + seconds + int((parts[3] or "0").ljust(3, "0")) / 1000
