"""Subtitles that people bring, as any program wrote them, put right where they are not: what each says, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from avcore.errors import InputError
from avcore.notes import Note, NoteKind, Translate, Values, ranges
from avcore.texts import read_foreign_text
from netflips.subtitles.formats import SUBTITLE_SUFFIXES, expected_times, read_cues
from netflips.subtitles.mending import LEAST_S, mend
from netflips.subtitles.sides import by_side
from text2unit.cleaning import left_out_note

SLACK_S = 0.05
"""How far a time may lie behind the end of the recording: clocks of tracks differ by a little."""
_WHAT = "the subtitle file"
_MOST_BYTES = 8 << 20
_MOST_NUMBERS = 100
"""Of cues that a note names; a film's are thousands."""
TOO_LATE = "ended after the recording"
_BEHIND, _UNTIMED = "after the recording", "without times that can be read"


def _put_right(values: Values, say: Translate) -> str:
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
    raw, untimed = read_cues(text, ending, source, target)
    if not raw:
        rows = ((number, row) for number, row in enumerate(text.split("\n"), 1) if "->" in row or row.startswith("Dialogue:"))
        raise InputError(
            "there are no subtitles with times in it",
            path=path,
            expected=expected_times(ending),
            found=next((f"line {number}: {row.strip()[:60]}" for number, row in rows), None),  # which should have had times
            hint=None if "->" in text else "netflips say --text-path reads a text without times",
        )
    found = mend(raw, source, target)
    side, texts = by_side([one.text for one in found.cues], source, target)
    cues = tuple(
        GivenCue(one.number, one.start_s, one.end_s, said, heard, one.speaker)
        for one, (said, heard) in zip(found.cues, texts, strict=True)
    )
    repairs, lacking = ({what: tuple(numbers) for what, numbers in one.items()} for one in (found.repairs, found.lacking))
    lacking = _with({}, _UNTIMED, untimed) | lacking
    return GivenSubtitles(path, cues, len(raw) + len(untimed), side, repairs, lacking, tuple(found.left_out), encoding)


def _with(known: Mapping[str, tuple[int, ...]], what: str, numbers: Sequence[int]) -> dict[str, tuple[int, ...]]:
    return {**known, what: tuple(numbers)} if numbers else dict(known)
