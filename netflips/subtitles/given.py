"""Subtitles that people bring, as any program wrote them: .srt, .vtt, .ass, .ssa and .smi, put right where they are not.

SubRip and WebVTT are read by blocks, SAMI by its SYNC tags and SubStation Alpha by its lines of dialogue: pysubs2 takes names of
WebVTT's cues and notes for text, drops a last line that is a number, knows neither SAMI's ends nor its languages, and takes minutes
for a long line of SubStation's codes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from itertools import pairwise
from pathlib import Path

from avcore.errors import InputError
from avcore.notes import Note, NoteKind, Say, Values, ranges
from avcore.texts import read_foreign_text
from netflips.subtitles.beside import SOURCE, TARGET
from text2unit.cleaning import clean_text, left_out_note
from text2unit.script import LANGUAGES

SUBTITLE_SUFFIXES = (".srt", ".vtt", ".ass", ".ssa", ".smi", ".sami")
LEAST_S = 0.04
"""A picture, and the shortest stretch of sound that has units."""
SLACK_S = 0.05
"""How far a time may lie behind the end of the recording: clocks of tracks differ by a little."""
_WHAT = "the subtitle file"
_MOST_BYTES = 8 << 20
_MOST_NUMBERS = 100
"""Of cues that a note names; a film's are thousands."""
_TOGETHER_S = 0.3
"""Two that begin within it are said together: cut apart, the first would have no time."""
_READING_S, _LETTER_S = 1.0, 0.08
"""How long a text without an end is shown, at the least and for each letter."""
_TIME = r"(?:(\d{1,6}):)?([0-5]?\d):([0-5]?\d)(?:[,.](\d{1,3}))?"
_TIMES = re.compile(rf"^{_TIME}\s*--?>\s*{_TIME}(?:\s.*)?$")
_ARROW = "-->"
_VTT_PARTS = re.compile(r"^(?:WEBVTT|NOTE|STYLE|REGION)\b")
_VTT_TAG = re.compile(r"</?(?:c|i|b|u|v|ruby|rt|lang)(?:[.\s][^<>]*)?>|<[\d:.]+>")
_ASS_TIME = r"\s*(\d{1,6}):(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_ASS_LINE = re.compile(rf"^Dialogue:[^,]*,{_ASS_TIME},{_ASS_TIME}\s*(?:,[^,]*){{6}},(.*)$")
_ASS_DRAWS = re.compile(r"\\p[1-9]")
_SAMI_PART = re.compile(r"<(/?)\s*([A-Za-z]+)([^<>]*)>|<![^<>]*>|([^<]+)|<")
_SAMI_START = re.compile(r"start\s*=\s*[\"']?\s*(-?\d{1,9})", re.IGNORECASE)
_SAMI_CLASS = re.compile(r"class\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_NUMBERED = re.compile(r"\[\d+\]")
"""A number in place of a text."""
_NAME = re.compile(r"^([A-Z][A-Z .'-]{0,19}|[^\W\d_][\w.'-]{0,15}(?: [^\W\d_][\w.'-]{0,15})?)\s?[:\uff1a]\s+(?=\S)")
_SPEAKER = re.compile(r"^\s*\[(?:([^\[\]\n:\uff1a]{1,60})\]\s?[:\uff1a]|(SPEAKER_\d{1,3})\])\s*")
"""As WhisperX and others write who speaks."""
_DASHES = re.compile(r"^[^\S\n]*[-\u2013\u2014]", re.MULTILINE)
_LATIN = "A-Za-z\u00c0-\u024f"
_LETTERS = {
    "ko": "\uac00-\ud7a3", "ja": "\u3041-\u30ff", "zh": "\u4e00-\u9fff",
    "el": "\u0370-\u03ff", "he": "\u0590-\u05ff", "hi": "\u0900-\u097f",
    **dict.fromkeys(("ru", "uk", "bg", "sr", "mk", "be"), "\u0400-\u04ff"), **dict.fromkeys(("ar", "fa", "ur"), "\u0600-\u06ff"),
    "th": "\u0e00-\u0e7f",
}  # fmt: skip
"""Letters by language; all others have Latin ones."""
OVERLAPPED, UNSORTED, NO_LENGTH, TOO_LATE = "overlapped", "stood out of order", "had no length", "ended after the recording"
_BEHIND, _UNTIMED, _SILENT = "after the recording", "without times that can be read", "with nothing to say"


def _put_right(values: Values, say: Say) -> str:
    def counted(found: Mapping[str, Sequence[int]]) -> str:
        told = []
        for what, numbers in found.items():
            count = values["counts"][what]
            shown = ranges(numbers) + (", ..." if count > len(numbers) else "")
            told.append(say("{count} {what} ({numbers})", count=count, what=say(what), numbers=shown))
        return ", ".join(told)

    said = []
    if values["right"]:
        said.append(
            say(
                "{right} of {total} cues was put right: {these}"
                if values["right"] == 1
                else "{right} of {total} cues were put right: {these}",
                these=counted(values["repairs"]),
            )
        )
    if values["lacking"]:
        said.append(say("left out: {these}", these=counted(values["lacking"])))
    if values["words"]:
        said.append(say("left out of what is said: {words}"))
    if values["encoding"]:
        said.append(say("read as {encoding}"))
    return f"{values['name']}: {'; '.join(said)}"


_PUT_RIGHT = NoteKind("subtitles_put_right", _put_right)


@dataclass(frozen=True)
class GivenCue:
    """A subtitle. number: in its file, from 1. start_s, end_s: seconds. text: what is said in it, "" = only its time is given.

    heard: the source's text, where the subtitles are in both languages and `text` is the target's. speaker: as in
    `[SPEAKER_01]: Hello`, "" = nobody says.
    """

    number: int
    start_s: float
    end_s: float
    text: str = ""
    heard: str = ""
    speaker: str = ""


@dataclass(frozen=True)
class GivenSubtitles:
    """cues: in order, none overlapping. total: how many the file has. side: whose texts they are, of SIDES, "" = nobody's here.

    repairs, lacking: numbers of the cues that were put right or left out, by what it was. left_out: of texts, as `Cleaned` has it.
    encoding: that was guessed, "" = none had to be.
    """

    path: Path
    cues: tuple[GivenCue, ...]
    total: int
    side: str = ""
    repairs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lacking: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    encoding: str = ""

    def within(self, duration_s: float) -> "GivenSubtitles":
        """The same for a recording of a length: none is longer than that. Raises InputError where none lies in it."""
        inside = [one for one in self.cues if one.start_s <= duration_s - LEAST_S]
        late = [one.number for one in inside if one.end_s > duration_s + SLACK_S]
        behind = [one.number for one in self.cues if one.start_s > duration_s - LEAST_S]
        if not inside:
            found = f"the first at {self.cues[0].start_s:g} s"
            raise InputError("all subtitles lie behind the recording", path=self.path, expected=f"{duration_s:.3f} s", found=found)
        cues = tuple(replace(one, end_s=min(one.end_s, duration_s)) for one in inside)
        repairs, lacking = _with(self.repairs, TOO_LATE, late), _with(self.lacking, _BEHIND, behind)
        return replace(self, cues=cues, repairs=repairs, lacking=lacking)

    @property
    def note(self) -> Note | None:
        """What was put right and left out; None = nothing."""
        if not (self.repairs or self.lacking or self.left_out or self.encoding):
            return None
        both = (self.repairs, self.lacking)
        repairs, lacking = ({what: list(numbers[:_MOST_NUMBERS]) for what, numbers in one.items()} for one in both)
        counts = {what: len(numbers) for one in both for what, numbers in one.items()}
        right = len({number for numbers in self.repairs.values() for number in numbers})
        words = left_out_note(self.left_out).values["words"] if self.left_out else ""
        values = {"repairs": repairs, "lacking": lacking, "counts": counts, "right": right, "words": words}
        return _PUT_RIGHT(name=self.path.name, total=self.total, encoding=self.encoding, **values)


def is_subtitles(path: Path) -> bool:
    """Return whether a file's name is that of subtitles."""
    return path.suffix.lower() in SUBTITLE_SUFFIXES


def read_subtitles(path: Path, source: str = "", target: str = "") -> GivenSubtitles:
    """Read subtitles. source, target: languages of a dub; by the letters of the texts they are what is heard or what is said.

    Of subtitles in both languages each line is one or the other.

    Raises InputError for a file that is too large or no text, or that holds no times.
    """
    text, encoding = read_foreign_text(path, _WHAT, most_bytes=_MOST_BYTES)
    ending = path.suffix.lower()
    untimed: list[int] = []
    if ending in (".smi", ".sami"):
        raw = _sami(text, source, target)
    else:
        raw = list(_substation(text, ending, untimed) if ending in (".ass", ".ssa") else _blocks(text, ending == ".vtt", untimed))
    total = len(raw) + len(untimed)
    if not raw:
        rows = ((number, row) for number, row in enumerate(text.split("\n"), 1) if "->" in row or row.startswith("Dialogue:"))
        raise InputError(
            "there are no subtitles with times in it",
            path=path,
            expected=_expected(ending),
            found=next((f"line {number}: {row.strip()[:60]}" for number, row in rows), None),  # which should have had times
            hint=None if "->" in text else "netflips say --text-path reads a text without times",
        )
    cleaned, silent, left_out = _cleaned(raw)
    cues, repairs = _in_order(cleaned or raw, source, target)
    side, cues = _by_side(cues, source, target)
    return GivenSubtitles(
        path, cues, total, side, repairs, _with(_with({}, _UNTIMED, untimed), _SILENT, silent), left_out, encoding
    )


def script_letters(language: str) -> str:
    """Return the letters of a language, as a regular expression's set has them."""
    return _LETTERS.get(language, _LATIN)


def side_of(texts: Iterable[str], source: str, target: str) -> str:
    """Return whose language texts are in by their letters: SOURCE, or TARGET where that can be spoken; "" = that cannot be told."""
    heard, said = _letters(" ".join(texts), source, target)
    if said > heard:
        return TARGET if target in LANGUAGES else ""
    return SOURCE if heard else ""


def _letters(text: str, source: str, target: str) -> tuple[int, int]:
    """How many letters of each language a text has, syllables twice; none where both are written in the same letters."""
    letters = [script_letters(language) for language in (source, target)]
    if not source or not target or letters[0] == letters[1]:
        return 0, 0
    heard, said = (len(re.findall(f"[{one}]", text)) * (1 if one == _LATIN else 2) for one in letters)
    return heard, said


def _side_of_line(line: str, source: str, target: str) -> str:
    """Return whose language a line is in. Names in Latin letters stand in lines of other letters, hardly the other way round."""
    heard, said = _letters(line, source, target)
    latin = [language not in _LETTERS for language in (source, target)]
    heard, said = heard * (1 + 2 * latin[1]), said * (1 + 2 * latin[0])
    return "" if heard == said else TARGET if said > heard else SOURCE


def _parts(text: str, source: str, target: str) -> dict[str, str]:
    """Return a cue's lines joined by whose they are; one without letters goes with the line before it, or behind."""
    lines = text.split("\n")
    sides = [_side_of_line(line, source, target) for line in lines]
    side, found = next(filter(None, sides), ""), dict[str, list[str]]()
    for line, own in zip(lines, sides, strict=True):
        side = own or side
        found.setdefault(side, []).append(line)
    return {side: " ".join(rows) for side, rows in found.items()}


def _by_side(cues: Sequence[GivenCue], source: str, target: str) -> tuple[str, tuple[GivenCue, ...]]:
    """Return whose texts they are, and the cues with their lines joined: by language, where most have lines of both."""
    parts = [_parts(one.text, source, target) for one in cues]
    num_both = sum({SOURCE, TARGET} <= one.keys() for one in parts)
    if not num_both or num_both * 2 < sum(any(one.values()) for one in parts):
        side = side_of((one.text for one in cues), source, target)
        return side, tuple(replace(one, text=one.text.replace("\n", " ")) for one in cues)
    side = TARGET if target in LANGUAGES else SOURCE
    heard = [one.get(SOURCE, "") if side == TARGET else "" for one in parts]
    return side, tuple(
        replace(cue, text=part.get(side, ""), heard=other) for cue, part, other in zip(cues, parts, heard, strict=True)
    )


# Formats


def _blocks(text: str, is_vtt: bool, untimed: list[int]) -> Iterator[GivenCue]:
    """Yield the cues of SubRip and WebVTT. What stands behind an empty line without a time belongs to the cue before."""
    number, times, lines = 0, None, list[str]()
    for block in re.split(r"\n[ \t]*\n", text.replace("\u2028", "\n")):
        rows = [row.strip() for row in block.split("\n") if row.strip()]
        if is_vtt and rows and _VTT_PARTS.match(rows[0]):
            rows = [] if not any(_ARROW in row for row in rows) else rows[1:]
        for place, row in enumerate(rows):
            if not _has_times(row):
                # Before times stands the cue's number or name, or a text of the cue before.
                may_be_name = (place == 0 and (is_vtt or row.isdigit())) or row == str(number + 1)
                is_name = may_be_name and place + 1 < len(rows) and _has_times(rows[place + 1])
                lines += [] if is_name else [row]
                continue
            if times is not None:
                yield GivenCue(number, *times, _joined(lines, is_vtt))
            number, lines, found = number + 1, [], _TIMES.match(row)
            times = None if found is None else (_seconds(found.groups()[:4]), _seconds(found.groups()[4:]))
            if times is None:
                untimed.append(number)
    if times is not None:
        yield GivenCue(number, *times, _joined(lines, is_vtt))


def _has_times(row: str) -> bool:
    return _ARROW in row or _TIMES.match(row) is not None


def _joined(lines: Sequence[str], is_vtt: bool) -> str:
    text = "\n".join(lines)
    return unescape(_VTT_TAG.sub("", text)) if is_vtt else re.sub(r"</?\s?[a-zA-Z][^<>\n]{0,200}>", "", text)


def _substation(text: str, ending: str, untimed: list[int]) -> Iterator[GivenCue]:
    """Yield the cues of SubStation Alpha: dialogue, no comments, no drawings."""
    number = 0
    for line in text.split("\n"):
        if not line.startswith("Dialogue:"):
            continue
        number += 1
        found = _ASS_LINE.match(line)
        if found is None:
            untimed.append(number)
            continue
        said, codes = _without_codes(found[9])
        if not _ASS_DRAWS.search(codes):
            yield GivenCue(number, _seconds(found.groups()[:4]), _seconds(found.groups()[4:8]), said)


def _without_codes(text: str) -> tuple[str, str]:
    """Return a text of SubStation Alpha without its override codes, its own line ends put in, and all the codes."""
    parts, codes, place = list[str](), list[str](), 0
    while (begin := text.find("{", place)) >= 0 and (end := text.find("}", begin)) >= 0:
        parts.append(text[place:begin])
        codes.append(text[begin:end])
        place = end + 1
    said = "".join([*parts, text[place:]]).replace("\\h", " ")
    return said.replace("\\n", "\n").replace("\\N", "\n"), "".join(codes)


def _sami(text: str, source: str, target: str) -> list[GivenCue]:
    """Return the cues of SAMI: each lasts until the next of its language. Of several languages, the one that is to be said, else
    heard."""
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
    sides = {name: side_of((said for _, said in rows), source, target) for name, rows in tracks.items()}
    wanted = sorted(tracks, key=lambda name: (sides[name] != TARGET, sides[name] != SOURCE, -len(tracks[name])))
    return _timed(tracks[wanted[0]]) if wanted else []


def _timed(rows: Sequence[tuple[float, str]]) -> list[GivenCue]:
    ordered = sorted(dict.fromkeys(rows), key=lambda row: row[0])
    starts = sorted({start for start, _ in rows})
    ends = dict(pairwise(starts))
    timed = [(start, ends.get(start, start + _reading_s(said)), said) for start, said in ordered if said]
    return [GivenCue(number, *row) for number, row in enumerate(timed, 1)]


# What is put right


def _cleaned(raw: Sequence[GivenCue]) -> tuple[list[GivenCue], list[int], tuple[str, ...]]:
    """The cues with what is said in them alone, the numbers of those in which nothing is, and what was left out."""
    names = Counter(found[1] for one in raw for line in one.text.split("\n") if (found := _NAME.match(line.lstrip("-\u2013 "))))
    cues, silent, left_out = list[GivenCue](), list[int](), list[str]()
    for one in raw:
        if _NUMBERED.fullmatch(one.text.strip()) or not one.text.strip():
            cues.append(replace(one, text=""))
            continue
        if named := _SPEAKER.match(one.text):
            one = replace(one, text=one.text[named.end() :], speaker=(named[1] or named[2]).strip())
        cleaned = clean_text(one.text, is_subtitle=True)
        lines = [_without_name(line, names) for line in cleaned.text.split("\n")]
        is_talk = len(_DASHES.findall(one.text)) > 1  # of several people, whose sentences end with their lines
        said = "\n".join(f"{line}." if is_talk and line[-1].isalnum() else line for line, _ in lines if line)
        left_out += [*cleaned.left_out, *(name for _, name in lines if name)]
        if any(map(str.isalnum, said)):
            cues.append(replace(one, text=said))
        else:
            silent.append(one.number)
    return cues, silent, tuple(left_out)


def _without_name(line: str, names: Mapping[str, int]) -> tuple[str, str]:
    """Return a line without the name of who says it: one in capitals, or one that stands before several lines."""
    found = _NAME.match(line)
    if found is None or not (names[found[1]] > 1 or (found[1].isupper() and len(found[1]) > 1)):
        return line, ""
    return line[found.end() :], found[0].strip()


def _in_order(raw: Sequence[GivenCue], source: str, target: str) -> tuple[tuple[GivenCue, ...], dict[str, tuple[int, ...]]]:
    """Cues by their times, each ended before the next begins, and what was put right; one of each language is nothing to put
    right."""
    repairs: dict[str, list[int]] = {UNSORTED: [], NO_LENGTH: [], OVERLAPPED: []}
    latest, cues = 0.0, list[GivenCue]()
    for one in raw:
        if one.start_s < latest:
            repairs[UNSORTED].append(one.number)
        latest = max(latest, one.start_s)
    for one in sorted(raw, key=lambda cue: (cue.start_s, cue.number)):
        if one.end_s - one.start_s < LEAST_S - 1e-6:
            repairs[NO_LENGTH].append(one.number)
            one = replace(one, end_s=one.start_s + _reading_s(one.text))
        before = cues[-1] if cues else None
        if before is None or before.end_s <= one.start_s + 1e-6:
            cues.append(one)
            continue
        is_together = one.start_s - before.start_s < _TOGETHER_S
        is_pair = is_together and {SOURCE, TARGET} == {_side_of_line(cue.text, source, target) for cue in (before, one)}
        if before.number not in repairs[NO_LENGTH] and not is_pair:
            repairs[OVERLAPPED].append(before.number)
        if not is_together:
            cues[-1] = replace(before, end_s=one.start_s)
            cues.append(one)
        else:
            text = before.text if one.text in before.text else f"{before.text}\n{one.text}".strip()
            cues[-1] = replace(before, end_s=max(before.end_s, one.end_s), text=text)
    return tuple(cues), {what: tuple(numbers) for what, numbers in repairs.items() if numbers}


def _reading_s(text: str) -> float:
    return max(_READING_S, _LETTER_S * len(text))


def _with(known: Mapping[str, tuple[int, ...]], what: str, numbers: Sequence[int]) -> dict[str, tuple[int, ...]]:
    return {**known, what: tuple(numbers)} if numbers else dict(known)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    return (hours * 60 + minutes) * 60 + seconds + int((parts[3] or "0").ljust(3, "0")) / 1000


def _expected(ending: str) -> str:
    if ending in (".smi", ".sami"):
        return "<SYNC Start=1500>"
    return "Dialogue: 0,0:00:01.50,0:00:04.25,..." if ending in (".ass", ".ssa") else "00:00:01,500 --> 00:00:04,250"
