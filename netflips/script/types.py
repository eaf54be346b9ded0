"""The script of a dub: who says what and when, what is said instead, and what became of it (as a file: `netflips.script.files`).

Times are seconds, lengths of units steps of 20 ms. `""`, 0 and None: nothing is known, where a field does not say otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, NamedTuple, get_args

from av2unit.modality_selection import reason_words
from avcore.contracts import Transcript, Word
from avcore.domain import Stretch
from avcore.notes import GroupedNote, Note, grouped, sentence
from avcore.timeline import SAMPLE_RATE, units_to_seconds
from avcore.units import Units
from netflips.quality_estimation import QualityEstimate

FORMAT = "netflips-script-2"
SPEAKER = "speaker 1"
"""The name of the only speaker."""
_DIGITS = 6
"""Sums of seconds are rounded to so many digits, so that they are the steps that they are made of."""
PACE, _NEARLY = (0.9, 1.1), 0.005
"""How much faster than by itself speech is spoken: within these it fits."""
_WHOLE = 0.999
"""Speech at this share of its natural length is not spoken faster."""

Schedule = Literal["own", "ping_pong", "hold", "still", "sound"]
"""Which time of the media a time of the output shows. own: the same; ping_pong: frames are played forwards and backwards; hold: its
last frame is held; still: one picture; sound: there is no picture."""
WrittenBy = Literal["person", "subtitles", "reader", "recognizer", "cascade"]
"""reader: read off units; recognizer: from a speech recognizer; cascade: translated as text."""


@dataclass(frozen=True)
class TimeSpan:
    """From when to when (s)."""

    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class UnitList:
    """Units. ids: int [U]; durations: int [U] in steps, None = not predicted yet. vocabulary: its fingerprint."""

    ids: tuple[int, ...] = ()
    durations: tuple[int, ...] | None = None
    vocabulary: str = ""

    @classmethod
    def of(cls, units: Units) -> "UnitList":
        """The same as plain numbers."""
        durations = None if units.durations is None else tuple(units.durations.tolist())
        return cls(tuple(units.ids.tolist()), durations, units.vocabulary)

    @property
    def seconds(self) -> float:
        """How long they last; 0 where no durations are known."""
        return float(units_to_seconds(sum(self.durations or ())))


@dataclass(frozen=True)
class Text:
    """What is said, as text. words: with times from the utterance's beginning, where they are known. has_loop: a recognizer wrote a
    stretch again and again, which was left out."""

    text: str
    language: str = ""
    by: WrittenBy = "person"
    words: tuple[Word, ...] = ()
    has_loop: bool = False

    @property
    def is_by_person(self) -> bool:
        """Whether a person wrote it, or changed what was read or recognised: its words say something else then."""
        words = " ".join(word.text for word in self.words).split()
        return self.by in ("person", "subtitles") or self.text.split() != words

    @property
    def confidence(self) -> float | None:
        """Mean over the words, 0 to 1; None where a person wrote it or there are none."""
        if self.by not in ("reader", "recognizer") or not self.words:
            return None
        return round(self.transcript.confidence, 4)

    @property
    def transcript(self) -> Transcript:
        """The same as a transcript."""
        return Transcript(self.text, self.language, self.words, self.has_loop)


@dataclass(frozen=True)
class Media:
    """The video or sound that is dubbed; told, never computed with. path: as given. digest: of its content. audio_track,
    video_track: that were read, None = those that a player plays and shows."""

    path: str = ""
    digest: str = ""
    duration_s: float = 0.0
    sound_s: float = 0.0
    picture_s: float = 0.0
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    is_variable_rate: bool = False
    audio_rate: int = 0
    audio_channels: int = 0
    audio_track: int | None = None
    video_track: int | None = None

    @property
    def sound_rate(self) -> int:
        """The rate of a dub's sound in Hz."""
        return self.audio_rate or SAMPLE_RATE


@dataclass(frozen=True)
class VoiceFile:
    """A voice of a file, beside the script."""

    file: str
    digest: str = ""


@dataclass(frozen=True)
class SpeakerOf:
    """Who speaks. voice: own, neutral, one by name, or of a file. face: auto, largest, none, or the N-th from the left. level: of
    speech, for a program that translates; "" = not said. pitch_hz: that the dub speaks at, None = not measured, or the voice has
    none to set. rate: how fast, 1 = as is usual in the language, above 1 = faster; None = not measured.
    """

    name: str
    voice: str | VoiceFile = "own"
    face: str | int = "auto"
    level: Literal["", "polite", "plain", "존댓말", "반말", "해요체", "합니다체", "해체"] = ""
    pitch_hz: float | None = None
    rate: float | None = None


class Agreement(NamedTuple):
    """Of lips and sound. share: of their steps that agree; usual: where they belong together. lips_sure: how sure (mean
    log-probability) the encoder is of lips that could not be judged; known_sure: from what on it knows them."""

    share: float
    usual: float | None = None
    lips_sure: float | None = None
    known_sure: float | None = None


@dataclass(frozen=True)
class SourceUnits:
    """What the unit encoder hears in an utterance. modalities: that the units are taken from; reason: a code that says why.
    confidence: mean log-probability of a unit. rest: the unit of silence. weakest, nearest: of the score and the likeness. known:
    share of the steps that are like the encoder's domain, None = not said.
    """

    units: UnitList = UnitList()
    modalities: str = ""
    confidence: float | None = None
    rest: int | None = None
    weakest: Stretch | None = None
    nearest: Stretch | None = None
    reason: str = ""
    agreement: Agreement | None = None
    known: float | None = None


@dataclass(frozen=True)
class FaceTrackSummary:
    """A face that was followed. first, last: its pictures at 25 fps, from the utterance's first. mean_box: x1, y1, x2, y2 in
    pixels. evidence: how much it looks like saying what is heard (1.6 for a talker, about 0 for a listener)."""

    number: int
    shot: int
    first: int
    last: int
    mean_box: tuple[float, float, float, float]
    evidence: float | None = None
    is_chosen: bool = False


@dataclass(frozen=True)
class FaceQuality:
    """Of the face that is drawn: in how many of the pictures it is, its height in pixels, how sharp, how far turned away."""

    share_of_pictures: float = 0.0
    height_px: float | None = None
    sharpness: float | None = None
    max_yaw: float | None = None
    max_pitch: float | None = None


@dataclass(frozen=True)
class SeenFaces:
    """Who is seen. evidence: of the face that is drawn. absent: why nobody is drawn."""

    tracks: tuple[FaceTrackSummary, ...] = ()
    evidence: float | None = None
    quality: FaceQuality | None = None
    absent: Literal["", "no_face", "out_of_sight", "not_wanted"] = ""


@dataclass(frozen=True)
class TranslatedUnits:
    """Said instead: units of the unit translator. score: mean log-probability. reading: the units read as text. of: what was heard,
    as text, "" = it was not read; another one is corrected."""

    kind: ClassVar = "translated"
    units: UnitList = UnitList()
    score: float | None = None
    is_truncated: bool = False
    weakest: Stretch | None = None
    reading: Text | None = None
    of: str = ""

    @property
    def seconds(self) -> float | None:
        """Its length by itself, None = it was not predicted."""
        return None if self.units.durations is None else self.units.seconds


class TranslatedFrom(NamedTuple):
    """of: the source text that was translated. text: what became of it; another one is a person's. score: mean log-probability.
    glossary: its terms that were put in, by the word of the original. back: what the whole sentence says translated back, None = it
    was not."""

    of: str
    text: str = ""
    score: float | None = None
    glossary: Mapping[str, str] = MappingProxyType({})
    back: str | None = None


@dataclass(frozen=True)
class WrittenText:
    """Said instead: a text. translation: where the cascade translated it. said_by: a program or a file that speaks it,
    "" = the text-to-unit model. seconds: its length by itself, as it was predicted. take: of a program, from 0."""

    kind: ClassVar = "written"
    text: str
    by: WrittenBy = "person"
    translation: TranslatedFrom | None = None
    spoken_by: str = ""
    seconds: float | None = None
    take: int = 0

    @property
    def is_translated(self) -> bool:
        """Whether the cascade translated it, and nobody changed it since."""
        return self.by == "cascade" and (self.translation is None or self.text == self.translation.text)


@dataclass(frozen=True)
class SpokenSound:
    """Said instead: speech that somebody has. file: beside the script. to_s: None = up to its end. keep_sound: it is heard as it
    is, and not said again in the speaker's voice."""

    kind: ClassVar = "spoken"
    file: str
    digest: str = ""
    from_s: float = 0.0
    to_s: float | None = None
    keep_sound: bool = False
    reading: Text | None = None


@dataclass(frozen=True)
class GivenUnits:
    """Said instead: units of a file, or those that were heard."""

    kind: ClassVar = "given"
    units: UnitList = UnitList()
    by: Literal["file", "source"] = "file"
    reading: Text | None = None


@dataclass(frozen=True)
class KeptOriginal:
    """Nothing is said instead, since a person asked for that."""

    kind: ClassVar = "kept"


Target = TranslatedUnits | WrittenText | SpokenSound | GivenUnits | KeptOriginal
TARGETS: tuple[type[Target], ...] = (TranslatedUnits, WrittenText, SpokenSound, GivenUnits, KeptOriginal)


class Slot(NamedTuple):
    """The time that an utterance has. length_s: of the original; pause_s: how far into the pause behind it."""

    length_s: float
    pause_s: float = 0.0


@dataclass(frozen=True)
class TimeFit:
    """How the new speech was fitted. output: where it is in the result. units: how many. natural_s: its length by itself;
    spoken_s: as spoken. overrun_s: what fits neither slot nor pause; held_s: for how long the picture is held for it; cut_s: what
    is left out. slot: None = it takes as long as it takes. durations: of the units as spoken, in steps; fewer where some are left
    out.
    """

    output: TimeSpan
    units: int = 0
    natural_s: float = 0.0
    spoken_s: float = 0.0
    overrun_s: float = 0.0
    held_s: float = 0.0
    cut_s: float = 0.0
    slot: Slot | None = None
    durations: tuple[int, ...] = ()

    @property
    def factor(self) -> float | None:
        """Length as spoken, what is left out included, by the length by itself; None where it is not fitted."""
        return None if self.slot is None or not self.natural_s else (self.spoken_s + self.cut_s) / self.natural_s

    @property
    def slack_s(self) -> float:
        """Silence that is left of the original's length."""
        return 0.0 if self.slot is None else round(max(self.slot.length_s - self.spoken_s, 0.0), _DIGITS)

    @property
    def in_pause_s(self) -> float:
        """How much is spoken in the pause behind the original."""
        if self.slot is None:
            return 0.0
        return round(max(self.spoken_s - self.slot.length_s - (self.overrun_s if self.held_s else 0.0), 0.0), _DIGITS)

    @property
    def pace(self) -> float | None:
        """How much faster than by itself it is spoken, 1 = as it is; None where it is not fitted."""
        return None if self.factor is None else 1 / self.factor

    @property
    def too_long_s(self) -> float:
        """By how much it is longer by itself than it is spoken; 0 for what hardly is."""
        if self.pace is None or self.pace <= PACE[1] + _NEARLY:
            return 0.0
        return round(self.natural_s - self.spoken_s, _DIGITS)

    @property
    def is_hurried(self) -> bool:
        """Whether it is spoken faster than the pace allows."""
        return self.overrun_s > 0 and not self.held_s and (self.factor or 0.0) < _WHOLE  # what is heard as it is, is cut


@dataclass(frozen=True)
class DrawnPictures:
    """pictures: of the utterance's time; drawn: those with a new mouth. left: how many stay as they are, by the code of why."""

    pictures: int = 0
    drawn: int = 0
    left: Mapping[str, int] = field(default_factory=dict)


Fault = Literal["unheard", "misheard", "missing", "repeated", "voice", "hurried", "slow", "clicks", "leak", "open_lips"]
"""What a check may find: nothing or little of the text is heard, a word of it is not, or more than it is; it is another's voice; it
is too fast or cut, or slower than 0.9 of its pace; it clicks; the original is heard under it; lips stay open where b, m and p close
them."""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)


class Attempt(NamedTuple):
    """One time that an utterance was spoken, and what was measured of it (`netflips.dubbing.check`). None: it was not measured."""

    how: Literal["first", "candidate", "alternative", "slower"] = "first"
    """first: as planned; candidate: another translation; alternative: spoken again by a program; slower: given more time"""
    text: str = ""
    """the text to be spoken"""
    transcript: str | None = None
    """what a speech recognizer made of it"""
    right: float | None = None
    """share of the text's characters in the transcript, 0 to 1"""
    own_voice: float | None = None
    """cosine of its voice to the voice that it should have"""
    other_voice: float | None = None
    """cosine of its voice to the nearest other speaker"""
    pace: float | None = None
    """as `TimeFit.pace`"""
    clicks: int | None = None
    """clicks in its sound"""
    leak: float | None = None
    """level of the original voice under it, as a share of the original's level"""
    closed: float | None = None
    """share of b, m and p at which the lips close"""
    is_dry: bool = False
    """whether the background is left out behind it, because the original voice leaked"""
    faults: tuple[Fault, ...] = ()
    """what is wrong with it"""
    is_taken: bool = True
    """whether the dub has this attempt"""


@dataclass(frozen=True)
class Utterance:
    """Speech that is dubbed in one piece."""

    number: int = 0
    """from 1, in the order of the recording"""
    place: TimeSpan = TimeSpan(0.0, 0.0)
    """where it is in the media"""
    speaker: str = ""
    """name of its speaker"""
    source_units: SourceUnits | None = None
    """units of the original speech or lips"""
    text: Text | None = None
    """the original as text"""
    seen: SeenFaces | None = None
    """faces while it is spoken"""
    target: Target | None = None
    """what is spoken instead"""
    alternatives: tuple[Target, ...] = ()
    """other translations, which a dub does not use by itself"""
    units: UnitList | None = None
    """units of the target, with natural durations"""
    fit: TimeFit | None = None
    """its place in the output; None: it was left alone, or is not in the part that was dubbed"""
    attempts: tuple[Attempt, ...] = ()
    """each time that it was spoken and checked"""
    drawn: DrawnPictures | None = None
    """what became of its frames"""
    notes: tuple[Note, ...] = ()
    """messages about it"""
    quality: QualityEstimate | None = None
    """how likely its words are right, estimated before it was spoken"""

    def note(self, code: str) -> Note | None:
        """Its note of a kind, None where it has none."""
        return next((one for one in self.notes if one.code == code), None)

    @property
    def units_why(self) -> str:
        """Why its units were taken from what they were, with figures; "" = there was no choice."""
        if self.source_units is None or not self.source_units.reason:
            return ""
        figures = {} if self.source_units.agreement is None else self.source_units.agreement._asdict()
        return reason_words({"reason": self.source_units.reason, **figures})

    @property
    def checked(self) -> Attempt | None:
        """The attempt that the dub has; None where it was not checked."""
        return next((one for one in self.attempts if one.is_taken), None)

    @property
    def is_processed(self) -> bool:
        """Whether something became of it: it was dubbed, or left alone."""
        return self.fit is not None or self.note("left_alone") is not None

    @property
    def score(self) -> float | None:
        """How sure its translation is, mean log-probability; None where nothing was translated."""
        if isinstance(self.target, WrittenText) and self.target.translation is not None:
            return self.target.translation.score
        return self.target.score if isinstance(self.target, TranslatedUnits) else None

    @property
    def said(self) -> Text | None:
        """What is said instead, as text, as far as that is known."""
        if isinstance(self.target, WrittenText):
            return Text(self.target.text, by=self.target.by)
        return self.target.reading if isinstance(self.target, TranslatedUnits | SpokenSound | GivenUnits) else None

    @property
    def offered(self) -> list[tuple[str, float | None]]:
        """Its other wordings as text, as far as they were written or read, with the seconds that each takes by itself.

        Of a sentence that is too long, only those that are shorter.
        """
        written = [(take.text, take.seconds) for take in self.alternatives if isinstance(take, WrittenText)]
        read = [
            (take.reading.text, take.seconds) for take in self.alternatives if isinstance(take, TranslatedUnits) and take.reading
        ]
        if self.fit is None or not self.fit.too_long_s:
            return [*written, *read]
        return [(text, seconds) for text, seconds in (*written, *read) if seconds is not None and seconds < self.fit.natural_s]

    @property
    def spoken_by(self) -> str:
        """A program or a file that speaks it, "" = the models do."""
        if isinstance(self.target, SpokenSound):
            one = self.target
            return one.file if one.to_s is None else f"{one.file}, {one.from_s:.2f} to {one.to_s:.2f} s"
        return self.target.spoken_by if isinstance(self.target, WrittenText) else ""


@dataclass(frozen=True)
class ModelUsed:
    """part: of the chain. usual: the score that nearly all speech of its domain reaches; knows: words for that domain. name: its
    file, or what people call it. commercial: whether its licence lets what it makes be sold."""

    part: str
    fingerprint: str
    usual: float | None = None
    knows: str = ""
    name: str = ""
    licence: str = ""
    commercial: Literal["", "yes", "no", "not stated"] = ""


class Timing(NamedTuple):
    """Wall seconds that a step of the work took. by_input: it reads the media, so its pace is counted by the media's length."""

    name: str
    seconds: float
    by_input: bool = False


@dataclass(frozen=True)
class WorkKept:
    """The folder of finished work, its size in bytes, and how many pieces of each kind were found there and made."""

    folder: str
    num_bytes: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)
    made: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Consent:
    """What somebody who is seen or heard agreed to. until: the last day, as 2027-12-31; "" = no end was agreed."""

    who: str
    agreed_to: str
    until: str = ""


@dataclass(frozen=True)
class Made:
    """What was written. has_grown: an odd side grew by a repeated row or column. pictures: of the output. lips: the lip-sync
    backend. part: of the media that was dubbed. bundle: name of the one that all models are of. may_be_sold: yes, no or not stated,
    and which models it is so for. signed: by whom. settings: what was asked for, by name. peak_memory_bytes: that the process held
    at most.
    """

    version: str = ""
    output: str = ""
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    has_grown: bool = False
    pictures: int = 0
    lips: str = ""
    part: TimeSpan | None = None
    models: tuple[ModelUsed, ...] = ()
    bundle: str = ""
    may_be_sold: str = ""
    signed: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    timings: tuple[Timing, ...] = ()
    peak_memory_bytes: int | None = None
    work: WorkKept | None = None

    @property
    def work_counts(self) -> dict[str, dict[str, int]]:
        """Of each kind of finished work, how many pieces were kept from before and how many were made."""
        kept, made = ({}, {}) if self.work is None else (self.work.kept, self.work.made)
        return {name: {"kept": kept.get(name, 0), "made": made.get(name, 0)} for name in sorted({*made, *kept})}

    def usual(self, part: str) -> float | None:
        """Return the score that is usual of a part of the chain; None where that is not said."""
        return next((one.usual for one in self.models if one.part == part), None)


class Term(NamedTuple):
    """A name or a term of the talk. word: as it is heard. said: how a person wants it said everywhere, "" = as it comes. proposed:
    how it may be said."""

    word: str
    said: str
    proposed: str = ""


@dataclass(frozen=True)
class Script:
    """One dub. understood: how much of it is. consent: of those who are seen and heard.

    source, target: languages. cuts: times (s) at which another shot begins. terms: names and terms of the talk. titles: what those
    of the video and its chapters become. notes: of all of it. made: what was written, None = nothing yet.
    """

    source: str = ""
    target: str = ""
    schedule: Schedule = "own"
    media: Media | None = None
    cuts: tuple[float, ...] = ()
    speakers: tuple[SpeakerOf, ...] = ()
    utterances: tuple[Utterance, ...] = ()
    terms: tuple[Term, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    quality: QualityEstimate | None = None
    consent: tuple[Consent, ...] = ()
    made: Made | None = None

    def speaker(self, name: str) -> SpeakerOf:
        """Return what is said of a speaker."""
        return next((one for one in self.speakers if one.name == name), SpeakerOf(name))

    @property
    def result(self) -> Made:
        """What was written; nothing where nothing was."""
        return self.made or Made()

    @property
    def input_s(self) -> float:
        """How long the media is."""
        return 0.0 if self.media is None else self.media.duration_s

    @property
    def output_s(self) -> float:
        """How long the result is."""
        return self.result.duration_s

    @property
    def text(self) -> str:
        """What all utterances say: of a transcript, all of it. `target_text` is what a dub says instead."""
        return self.source_text

    @property
    def source_text(self) -> str:
        """What all utterances say, as far as it was read or written."""
        return " ".join(one.text.text for one in self.processed if one.text is not None and one.text.text)

    @property
    def target_text(self) -> str:
        """What all utterances say instead, as far as it was read or written."""
        return " ".join(one.said.text for one in self.processed if one.fit is not None and one.said is not None and one.said.text)

    @property
    def num_source_units(self) -> int:
        """Units that were heard."""
        return sum(len(one.source_units.units.ids) for one in self.processed if one.source_units is not None)

    @property
    def num_target_units(self) -> int:
        """Units that are said."""
        return sum(one.fit.units for one in self.processed if one.fit is not None)

    @property
    def num_drawn(self) -> int:
        """Pictures with a new mouth."""
        return sum(one.drawn.drawn for one in self.processed if one.drawn is not None)

    @property
    def warnings(self) -> list[str]:
        """The sentences of all notes."""
        return [sentence(told) for told in self.grouped_notes]

    @property
    def is_source_timed(self) -> bool:
        """Whether it is the dub of a recording, each utterance in its own place."""
        return self.schedule == "own"

    @property
    def is_over_text(self) -> bool:
        """Whether it was translated as text."""
        return bool(self.setting("cascade"))

    def setting(self, name: str, otherwise: Any = None) -> Any:
        """Return what was asked for under a name, `otherwise` where that was left as it is by default."""
        return self.result.settings.get(name, otherwise)

    @property
    def processed(self) -> Sequence[Utterance]:
        """The utterances that something became of; all where nothing is to be said instead."""
        return [one for one in self.utterances if one.is_processed or not self.target]

    @property
    def grouped_notes(self) -> list[GroupedNote]:
        """All notes as they are told: of all of it first, those that utterances share in one. A clip has no numbers."""
        notes = ((one.number, note) for one in self.utterances for note in one.notes if not note.values.get("is_told"))
        of_utterances = grouped(notes) if self.is_source_timed else [GroupedNote(note) for _, note in notes]
        return [*map(GroupedNote, self.notes), *of_utterances]
