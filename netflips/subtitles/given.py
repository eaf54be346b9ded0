"""Subtitles that users bring, from any program: reads them and repairs what is wrong in them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from avcore.errors import InputError
from avcore.notes import Note, NoteKind, Translate, Values, ranges
from avcore.texts import read_foreign_text
from netflips.subtitles.formats import LEAST_S, SUBTITLE_SUFFIXES, expected_times, read_cues
from netflips.subtitles.mending import mend
from netflips.subtitles.sides import by_side
from text2unit.cleaning import left_out_note

SLACK_S = 0.05
"""How far a time may be after the end of the recording: clocks of tracks differ a little."""
_WHAT = "the subtitle file"
_MOST_BYTES = 8 << 20
_MOST_NUMBERS = 100
"""Most cues that a note names; a film may have thousands."""
_MOST_NAMES = 12
"""Most names before texts that it lists."""
TOO_LATE = "ended after the recording"
_BEFORE, _BEHIND, _UNTIMED = "before the recording", "after the recording", "without times that can be read"


def _put_right(values: Values, say: Translate) -> str:
    def counted(found: Mapping[str, Sequence[int]]) -> str:
        parts = []
        for what, numbers in found.items():
            count = values["counts"][what]
            shown = ranges(numbers) + (", ..." if count > len(numbers) else "")
            parts.append(say("{count} {what} ({numbers})", count=count, what=say(what), numbers=shown))
        return ", ".join(parts)

    parts = []
    if values["right"]:
        parts.append(
            say(
                "{right} of {total} cues was put right: {these}"
                if values["right"] == 1
                else "{right} of {total} cues were put right: {these}",
                these=counted(values["repairs"]),
            )
        )
    if values["lacking"]:
        parts.append(say("left out: {these}", these=counted(values["lacking"])))
    if values["words"]:
        parts.append(say("left out of what is said: {words}"))
    if values["speakers"]:
        names = (name if count == 1 else f"{name} ({count})" for name, count in values["speakers"].items())
        parts.append(say("speakers, who are not said: {names}", names=", ".join(names)))
    if values["said"]:
        parts.append(
            say(
                "said, as they may be no speakers: {names} (a speaker is written as [{first}]: ...)",
                names=", ".join(values["said"]),
                first=values["said"][0],
            )
        )
    if values["encoding"]:
        parts.append(say("read as {encoding}"))
    return f"{values['name']}: {'; '.join(parts)}"


_PUT_RIGHT = NoteKind("subtitles_put_right", _put_right)


@dataclass(frozen=True)
class GivenCue:
    """A subtitle."""

    number: int
    """in its file, from 1"""
    start_s: float
    """when it appears"""
    end_s: float
    """when it disappears"""
    text: str = ""
    """what is spoken in it, "" = only its time is given"""
    source_text: str = ""
    """the text in the source language, if the subtitles are in both languages and `text` is in the target language"""
    speaker: str = ""
    """as in `[SPEAKER_01]: Hello`, "" = not stated"""


@dataclass(frozen=True)
class GivenSubtitles:
    """Subtitles of a file, repaired."""

    path: Path
    """the file"""
    cues: tuple[GivenCue, ...]
    """in order, not overlapping"""
    total: int
    """how many cues the file has"""
    side: str = ""
    """of SIDES: whose language the texts are in, "" = unknown, or a target language that cannot be spoken here"""
    repairs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """numbers of the cues that were repaired, by what was wrong"""
    lacking: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """numbers of the cues that were left out, by the reason"""
    left_out: tuple[str, ...] = ()
    """what was left out of texts, as in `Cleaned.left_out`"""
    speakers: Mapping[str, int] = field(default_factory=dict)
    """names before a colon that are not said, with the number of their cues"""
    said: tuple[str, ...] = ()
    """words before a colon that come again and again, and are said, since they may be no names"""
    encoding: str = ""
    """of the file if it had to be guessed, "" = it had not"""

    def within(self, duration_s: float) -> "GivenSubtitles":
        """Return the cues that begin within a recording of a duration, none ending later. Raises InputError if there are none."""
        inside = [cue for cue in self.cues if cue.start_s <= duration_s - LEAST_S]
        late = [cue.number for cue in inside if cue.end_s > duration_s + SLACK_S]
        behind = [cue.number for cue in self.cues if cue.start_s > duration_s - LEAST_S]
        if not inside:
            found = f"the first at {self.cues[0].start_s:g} s"
            raise InputError("all subtitles lie behind the recording", path=self.path, expected=f"{duration_s:.3f} s", found=found)

        cues = tuple(replace(cue, end_s=min(cue.end_s, duration_s)) for cue in inside)
        repairs, lacking = _with(self.repairs, TOO_LATE, late), _with(self.lacking, _BEHIND, behind)
        return replace(self, cues=cues, repairs=repairs, lacking=lacking)

    def moved(self, seconds: float) -> "GivenSubtitles":
        """Return the same subtitles, later by so many seconds; those that would lie before the recording are left out."""
        cues = [replace(cue, start_s=max(cue.start_s + seconds, 0.0), end_s=cue.end_s + seconds) for cue in self.cues]
        early = [cue.number for cue in cues if cue.end_s < LEAST_S]
        if len(early) == len(cues):
            raise InputError("all subtitles lie before the recording", path=self.path, found=f"moved by {seconds:+.2f} s")
        inside = tuple(cue for cue in cues if cue.end_s >= LEAST_S)
        return replace(self, cues=inside, lacking=_with(self.lacking, _BEFORE, early))

    @property
    def note(self) -> Note | None:
        """Reports what was repaired and left out; None = nothing."""
        if not (self.repairs or self.lacking or self.left_out or self.speakers or self.said or self.encoding):
            return None
        both = (self.repairs, self.lacking)
        repairs, lacking = ({what: list(numbers[:_MOST_NUMBERS]) for what, numbers in one.items()} for one in both)
        counts = {what: len(numbers) for one in both for what, numbers in one.items()}
        right = len({number for numbers in self.repairs.values() for number in numbers})
        words = left_out_note(self.left_out).values["words"] if self.left_out else ""
        values = {"repairs": repairs, "lacking": lacking, "counts": counts, "right": right, "words": words}
        values |= {"speakers": dict(list(self.speakers.items())[:_MOST_NAMES]), "said": list(self.said[:_MOST_NAMES])}
        return _PUT_RIGHT(name=self.path.name, total=self.total, encoding=self.encoding, **values)


def is_subtitles(path: Path) -> bool:
    """Return whether a file's name ends as that of subtitles."""
    return path.suffix.lower() in SUBTITLE_SUFFIXES


def read_subtitles(path: Path, source: str = "", target: str = "", people: Collection[str] = ()) -> GivenSubtitles:
    """Read subtitles, and repair what is wrong in them.

    source, target: languages of a dub. The letters of the texts decide which of them they are in; of subtitles in both, each line
    is in one. people: names of those who may speak. Raises InputError for a file that is too large, is no text, has no times, or
    nothing that is spoken.
    """
    text, encoding = read_foreign_text(path, _WHAT, most_bytes=_MOST_BYTES)
    ending = path.suffix.lower()
    raw, untimed = read_cues(text, ending, source, target)
    if not raw:
        rows = ((number, row) for number, row in enumerate(text.split("\n"), 1) if "->" in row or row.startswith("Dialogue:"))
        raise InputError(
            "there are no subtitles with times in it",
            path=path,
            expected=expected_times(ending),
            found=next((f"line {number}: {row.strip()[:60]}" for number, row in rows), None),  # a line that should have times
            hint=None if "->" in text else "netflips say --text-path reads a text without times",
        )

    found = mend(raw, source, target, people)
    if not found.cues:
        raise InputError(
            "nothing is spoken in the subtitles",
            path=path,
            expected="words",
            found=" ".join(raw[0].text.split())[:60],
            hint="cues without a text give their times alone",
        )
    side, texts = by_side([cue.text for cue in found.cues], source, target)
    cues = tuple(
        GivenCue(cue.number, cue.start_s, cue.end_s, spoken, source, cue.speaker)
        for cue, (spoken, source) in zip(found.cues, texts, strict=True)
    )
    repairs, lacking = ({what: tuple(numbers) for what, numbers in one.items()} for one in (found.repairs, found.lacking))
    lacking = _with({}, _UNTIMED, untimed) | lacking
    return GivenSubtitles(
        path, cues, len(raw) + len(untimed), side, repairs, lacking, tuple(found.left_out), found.speakers, found.said, encoding
    )


def _with(known: Mapping[str, tuple[int, ...]], what: str, numbers: Sequence[int]) -> dict[str, tuple[int, ...]]:
    return {**known, what: tuple(numbers)} if numbers else dict(known)
