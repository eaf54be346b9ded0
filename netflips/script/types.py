"""The script of a dub: who says what and when, what is spoken instead, and the result. `netflips.script.files` reads and writes it.

Times are in seconds, durations of units in steps of 20 ms. `""`, 0 and None mean that a value is unknown, unless its field says
otherwise.
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

FORMAT = "netflips-script-3"
SPEAKER = "speaker 1"
"""The name of the only speaker."""
_DIGITS = 6
"""Digits that sums of seconds are rounded to, so that they stay whole steps."""
PACE, _NEARLY = (0.9, 1.1), 0.005
"""The slowest and the fastest pace that fits, 1 = natural; and the tolerance."""
_WHOLE = 0.999
"""Speech of this share of its natural length, or more, is not spoken faster."""

Schedule = Literal["own", "ping_pong", "hold", "still", "sound"]
"""Which frame of the media is shown at a time of the output. own: that of the same time; ping_pong: frames are played forwards and
backwards; hold: the last frame is held; still: the media is one image; sound: the media has no video."""
WrittenBy = Literal["person", "subtitles", "reader", "recognizer", "cascade"]
"""Who wrote a text. reader: a unit-to-text model; recognizer: a speech recognizer; cascade: a translator of text."""


@dataclass(frozen=True)
class TimeSpan:
    """A stretch of time."""

    start_s: float
    """its begin in seconds"""
    end_s: float
    """its end in seconds"""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class UnitList:
    """Units as plain numbers."""

    ids: tuple[int, ...] = ()
    """int [U]"""
    durations: tuple[int, ...] | None = None
    """int [U], in steps; None: not predicted yet"""
    vocabulary: str = ""
    """fingerprint of the vocabulary that the ids belong to"""

    @classmethod
    def of(cls, units: Units) -> "UnitList":
        """Return units as plain numbers."""
        durations = None if units.durations is None else tuple(units.durations.tolist())
        return cls(tuple(units.ids.tolist()), durations, units.vocabulary)

    @property
    def seconds(self) -> float:
        """How long they last; 0 if the durations are unknown."""
        return float(units_to_seconds(sum(self.durations or ())))


@dataclass(frozen=True)
class Text:
    """Speech as text."""

    text: str
    language: str = ""
    by: WrittenBy = "person"
    words: tuple[Word, ...] = ()
    """its words with times from the utterance's beginning, where they are known"""
    has_loop: bool = False
    """whether a recognizer repeated a stretch again and again; the repetitions are left out"""

    @property
    def is_by_person(self) -> bool:
        """Whether a person wrote it, or changed what was read or recognised. A changed text differs from its words."""
        words = " ".join(word.text for word in self.words).split()
        return self.by in ("person", "subtitles") or self.text.split() != words

    @property
    def confidence(self) -> float | None:
        """Mean confidence of the words, 0 to 1; None if a person wrote it, or it has no words."""
        if self.by not in ("reader", "recognizer") or not self.words:
            return None
        return round(self.transcript.confidence, 4)

    @property
    def transcript(self) -> Transcript:
        """The same as a transcript."""
        return Transcript(self.text, self.language, self.words, self.has_loop)


@dataclass(frozen=True)
class Media:
    """The video or sound that is dubbed, for the reader of a script; nothing is computed from it."""

    path: str = ""
    """its path, as given"""
    digest: str = ""
    """digest of its content"""
    duration_s: float = 0.0
    """its length, sound and frames together"""
    sound_s: float = 0.0
    """length of the sound"""
    video_s: float = 0.0
    """length of the frames"""
    width: int = 0
    """of a frame, in pixels"""
    height: int = 0
    """of a frame, in pixels"""
    frame_rate: float = 0.0
    """frames a second"""
    is_variable_rate: bool = False
    """whether frames last for different times"""
    audio_rate: int = 0
    """sample rate in Hz"""
    audio_channels: int = 0
    """number of channels"""
    audio_track: int | None = None
    """the audio track that was read; None: the one that a player plays"""
    video_track: int | None = None
    """the video track that was read; None: the one that a player shows"""

    @property
    def sound_rate(self) -> int:
        """The sample rate of the dub in Hz."""
        return self.audio_rate or SAMPLE_RATE


@dataclass(frozen=True)
class VoiceFile:
    """A voice from a file."""

    file: str
    """its path, beside the script"""
    digest: str = ""
    """digest of its content"""


@dataclass(frozen=True)
class SpeakerOf:
    """A speaker, and how the dub speaks for them."""

    name: str
    voice: str | VoiceFile = "own"
    """own, neutral, a voice by name, or one from a file"""
    face: str | int = "auto"
    """auto, largest, none, or the N-th from the left"""
    level: Literal["", "polite", "plain", "존댓말", "반말", "해요체", "합니다체", "해체"] = ""
    """speech level, for a program that translates; "": not set"""
    pitch_hz: float | None = None
    """pitch that the dub speaks at; None: not measured, or the voice's pitch cannot be set"""
    rate: float | None = None
    """speaking rate, 1 = usual in the language, above 1 = faster; None: not measured"""


class Agreement(NamedTuple):
    """How far the units of lips and of sound agree."""

    share: float
    """share of the steps in which they agree"""
    usual: float | None = None
    """the usual share where lips and sound belong together"""
    lips_sure: float | None = None
    """the encoder's confidence (mean log-probability) in lips that could not be judged"""
    known_sure: float | None = None
    """confidence from which on the encoder knows such lips"""


@dataclass(frozen=True)
class SourceUnits:
    """The units that the encoder finds in an utterance."""

    units: UnitList = UnitList()
    modalities: str = ""
    """modalities that the units are taken from"""
    confidence: float | None = None
    """mean log-probability of a unit"""
    rest: int | None = None
    """the unit of silence"""
    weakest: Stretch | None = None
    """stretch with the lowest score"""
    nearest: Stretch | None = None
    """stretch that is least like the encoder's domain"""
    reason: str = ""
    """code of why these modalities were selected"""
    agreement: Agreement | None = None
    """agreement of lips and sound"""
    known: float | None = None
    """share of the steps that are like the encoder's domain; None: not measured"""


@dataclass(frozen=True)
class FaceTrackSummary:
    """A face track."""

    number: int
    shot: int
    """number of its shot"""
    first: int
    """its first frame at 25 fps, counted from the utterance's first"""
    last: int
    """its last frame, counted likewise"""
    mean_box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels"""
    evidence: float | None = None
    """evidence that it is the face that speaks: about 1.6 for a talker, 0 for a listener"""
    is_chosen: bool = False
    """whether it is the speaker's"""


@dataclass(frozen=True)
class FaceQuality:
    """How well the face that is drawn is seen."""

    share_of_frames: float = 0.0
    """share of the utterance's frames that it is in"""
    height_px: float | None = None
    """its height in pixels"""
    sharpness: float | None = None
    """how sharp it is"""
    max_yaw: float | None = None
    """how far it turns to a side at most"""
    max_pitch: float | None = None
    """how far it turns up or down at most"""


@dataclass(frozen=True)
class SeenFaces:
    """The faces that are seen while an utterance is spoken."""

    tracks: tuple[FaceTrackSummary, ...] = ()
    evidence: float | None = None
    """evidence of the face that is drawn"""
    quality: FaceQuality | None = None
    """quality of the face that is drawn"""
    absent: Literal["", "no_face", "out_of_sight", "not_wanted"] = ""
    """why no face is drawn; "": one is"""


@dataclass(frozen=True)
class TranslatedUnits:
    """A target: units from the unit translator."""

    kind: ClassVar = "translated"
    units: UnitList = UnitList()
    score: float | None = None
    """mean log-probability"""
    is_truncated: bool = False
    """whether the search ended it at its limit of length"""
    weakest: Stretch | None = None
    """stretch with the lowest score"""
    reading: Text | None = None
    """the units as text"""
    of: str = ""
    """the source text that was translated, "": it was not read. If the utterance's text differs, a person corrected that"""

    @property
    def seconds(self) -> float | None:
        """Its natural length; None if that was not predicted."""
        return None if self.units.durations is None else self.units.seconds


class TranslatedFrom(NamedTuple):
    """How the cascade translated a text."""

    of: str
    """the source text"""
    text: str = ""
    """its translation; if the target's text differs, a person changed that"""
    score: float | None = None
    """mean log-probability"""
    glossary: Mapping[str, str] = MappingProxyType({})
    """terms of the glossary that were used, by the word of the original"""
    back: str | None = None
    """the whole sentence translated back; None: it was not"""


@dataclass(frozen=True)
class WrittenText:
    """A target: a text that is spoken."""

    kind: ClassVar = "written"
    text: str
    by: WrittenBy = "person"
    translation: TranslatedFrom | None = None
    """how the cascade translated it; None: it did not"""
    spoken_by: str = ""
    """a program or a file that speaks it, "": the text-to-unit model does"""
    seconds: float | None = None
    """its natural length, as predicted"""
    take: int = 0
    """number of the program's version of it, from 0"""

    @property
    def is_translated(self) -> bool:
        """Whether the cascade translated it, and nobody has changed it."""
        return self.by == "cascade" and (self.translation is None or self.text == self.translation.text)


@dataclass(frozen=True)
class SpokenSound:
    """A target: speech from a file."""

    kind: ClassVar = "spoken"
    file: str
    """its path, beside the script"""
    digest: str = ""
    """digest of its content"""
    from_s: float = 0.0
    """where the speech begins in the file"""
    to_s: float | None = None
    """where it ends; None: at the file's end"""
    keep_sound: bool = False
    """whether its sound is used as it is, rather than spoken again in the speaker's voice"""
    reading: Text | None = None
    """the speech as text"""


@dataclass(frozen=True)
class GivenUnits:
    """A target: units from a file, or the source units themselves."""

    kind: ClassVar = "given"
    units: UnitList = UnitList()
    by: Literal["file", "source"] = "file"
    """where the units are from"""
    reading: Text | None = None
    """the units as text"""


@dataclass(frozen=True)
class KeptOriginal:
    """A target: the original stays, because a person asked for that."""

    kind: ClassVar = "kept"


Target = TranslatedUnits | WrittenText | SpokenSound | GivenUnits | KeptOriginal
TARGETS: tuple[type[Target], ...] = (TranslatedUnits, WrittenText, SpokenSound, GivenUnits, KeptOriginal)


class Slot(NamedTuple):
    """The time that an utterance has."""

    length_s: float
    """length of the original"""
    pause_s: float = 0.0
    """slack: how much of the pause behind the original may be used"""


@dataclass(frozen=True)
class TimeFit:
    """How the new speech was fitted into its time."""

    output: TimeSpan
    """where it is in the output"""
    units: int = 0
    """number of its units"""
    natural_s: float = 0.0
    """its natural length"""
    spoken_s: float = 0.0
    """its length as spoken"""
    overrun_s: float = 0.0
    """how much of it fits neither the slot nor the pause"""
    freeze_s: float = 0.0
    """how long the last frame is held for it"""
    cut_s: float = 0.0
    """how much of it is left out"""
    slot: Slot | None = None
    """the time that it has; None: its length is free"""
    durations: tuple[int, ...] = ()
    """durations of the units as spoken, in steps; fewer than the units if some are left out"""

    @property
    def factor(self) -> float | None:
        """Length as spoken, with what is left out, over the natural length; None if it was not fitted."""
        return None if self.slot is None or not self.natural_s else (self.spoken_s + self.cut_s) / self.natural_s

    @property
    def slack_s(self) -> float:
        """How much of the original's length stays silent."""
        return 0.0 if self.slot is None else round(max(self.slot.length_s - self.spoken_s, 0.0), _DIGITS)

    @property
    def in_pause_s(self) -> float:
        """How much of it is spoken in the pause behind the original."""
        if self.slot is None:
            return 0.0
        return round(max(self.spoken_s - self.slot.length_s - (self.overrun_s if self.freeze_s else 0.0), 0.0), _DIGITS)

    @property
    def pace(self) -> float | None:
        """Its speed as spoken, 1 = natural, above 1 = faster; None if it was not fitted."""
        return None if self.factor is None else 1 / self.factor

    @property
    def too_long_s(self) -> float:
        """By how much its natural length is above its length as spoken; 0 within the allowed pace."""
        if self.pace is None or self.pace <= PACE[1] + _NEARLY:
            return 0.0
        return round(self.natural_s - self.spoken_s, _DIGITS)

    @property
    def is_hurried(self) -> bool:
        """Whether it is spoken faster than the pace allows."""
        # sound that is used as it is overruns at factor 1: it is cut, not hurried
        return self.overrun_s > 0 and not self.freeze_s and (self.factor or 0.0) < _WHOLE


@dataclass(frozen=True)
class DrawnFrames:
    """Numbers of an utterance's frames."""

    frames: int = 0
    """frames in its time"""
    drawn: int = 0
    """frames with a new mouth"""
    left: Mapping[str, int] = field(default_factory=dict)
    """frames that stay as they are, by the code of the reason"""


Fault = Literal["unheard", "misheard", "missing", "repeated", "voice", "hurried", "slow", "clicks", "leak", "open_lips"]
"""What a check may find. unheard, misheard: nothing or little of the text is recognised; missing: a stretch of it is not; repeated:
more than the text is; voice: it is another speaker's; hurried: too fast or cut; slow: below 0.9 of its pace; clicks: its sound
clicks; leak: the original voice is under it; open_lips: lips stay open at b, m and p."""
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
    is_chosen: bool = True
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
    drawn: DrawnFrames | None = None
    """what became of its frames"""
    notes: tuple[Note, ...] = ()
    """messages about it"""
    quality: QualityEstimate | None = None
    """how likely its words are right, estimated before it was spoken"""

    def note(self, code: str) -> Note | None:
        """Return its note with a code, None if it has none."""
        return next((one for one in self.notes if one.code == code), None)

    @property
    def units_why(self) -> str:
        """Why the modalities of its units were selected, with figures; "" if there was no choice."""
        if self.source_units is None or not self.source_units.reason:
            return ""
        figures = {} if self.source_units.agreement is None else self.source_units.agreement._asdict()
        return reason_words({"reason": self.source_units.reason, **figures})

    @property
    def checked(self) -> Attempt | None:
        """The attempt that the dub has; None if it was not checked."""
        return next((one for one in self.attempts if one.is_chosen), None)

    @property
    def is_processed(self) -> bool:
        """Whether it was dubbed or left alone."""
        return self.fit is not None or self.note("left_alone") is not None

    @property
    def score(self) -> float | None:
        """Score of its translation (mean log-probability); None if nothing was translated."""
        if isinstance(self.target, WrittenText) and self.target.translation is not None:
            return self.target.translation.score
        return self.target.score if isinstance(self.target, TranslatedUnits) else None

    @property
    def spoken(self) -> Text | None:
        """What is spoken instead, as text; None if that is unknown."""
        if isinstance(self.target, WrittenText):
            return Text(self.target.text, by=self.target.by)
        return self.target.reading if isinstance(self.target, TranslatedUnits | SpokenSound | GivenUnits) else None

    @property
    def offered(self) -> list[tuple[str, float | None]]:
        """Its alternatives that have a text: the text, and the natural length in seconds.

        If the utterance is too long, only those that are shorter.
        """
        written = [(one.text, one.seconds) for one in self.alternatives if isinstance(one, WrittenText)]
        read = [(one.reading.text, one.seconds) for one in self.alternatives if isinstance(one, TranslatedUnits) and one.reading]

        if self.fit is None or not self.fit.too_long_s:
            return [*written, *read]
        return [(text, seconds) for text, seconds in (*written, *read) if seconds is not None and seconds < self.fit.natural_s]

    @property
    def spoken_by(self) -> str:
        """The program or the file that speaks it, "" if the models do."""
        if isinstance(self.target, SpokenSound):
            one = self.target
            return one.file if one.to_s is None else f"{one.file}, {one.from_s:.2f} to {one.to_s:.2f} s"
        return self.target.spoken_by if isinstance(self.target, WrittenText) else ""


@dataclass(frozen=True)
class ModelUsed:
    """A model of the dub."""

    part: str
    """its part of the pipeline"""
    fingerprint: str
    usual: float | None = None
    """score that nearly all speech of its domain reaches"""
    knows: str = ""
    """its domain, in words"""
    name: str = ""
    """its file, or its common name"""
    licence: str = ""
    commercial: Literal["", "yes", "no", "not stated"] = ""
    """whether its licence allows its output to be sold"""


class Timing(NamedTuple):
    """How long a step took."""

    name: str
    seconds: float
    """wall time"""
    by_input: bool = False
    """whether it reads the media, so that its speed is measured by the media's length"""


@dataclass(frozen=True)
class WorkKept:
    """The work folder after a dub."""

    folder: str
    num_bytes: int = 0
    """its size"""
    kept: Mapping[str, int] = field(default_factory=dict)
    """pieces that were found there, by kind"""
    made: Mapping[str, int] = field(default_factory=dict)
    """pieces that were made, by kind"""


@dataclass(frozen=True)
class Consent:
    """The consent of somebody who is seen or heard."""

    who: str
    agreed_to: str
    until: str = ""
    """the last day, as 2027-12-31; "": no end was agreed"""


@dataclass(frozen=True)
class Made:
    """The output that was written, and how."""

    version: str = ""
    """version of NetfLips"""
    output: str = ""
    """path of the output"""
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    has_grown: bool = False
    """whether an odd side grew by a repeated row or column"""
    frames: int = 0
    """number of frames"""
    lips: str = ""
    """the lip-sync backend"""
    part: TimeSpan | None = None
    """the part of the media that was dubbed"""
    models: tuple[ModelUsed, ...] = ()
    bundle: str = ""
    """name of the bundle, if all models are from one"""
    may_be_sold: str = ""
    """yes, no or not stated, and the models that this depends on"""
    signed: str = ""
    """who signed it"""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """options that were set, by name"""
    timings: tuple[Timing, ...] = ()
    peak_memory_bytes: int | None = None
    """the most memory that the process held"""
    work: WorkKept | None = None
    """finished work; None: no work folder was used"""

    @property
    def work_counts(self) -> dict[str, dict[str, int]]:
        """How many pieces of finished work were kept from before, and how many were made, by kind."""
        kept, made = ({}, {}) if self.work is None else (self.work.kept, self.work.made)
        return {name: {"kept": kept.get(name, 0), "made": made.get(name, 0)} for name in sorted({*made, *kept})}

    def usual(self, part: str) -> float | None:
        """Return the usual score of a part of the pipeline; None if it is unknown."""
        return next((one.usual for one in self.models if one.part == part), None)


class Term(NamedTuple):
    """A name or a term of the recording."""

    word: str
    """as it is in the source text"""
    spoken: str
    """its translation everywhere, as a person wants it; "": not decided"""
    proposed: str = ""
    """a proposal for its translation"""


@dataclass(frozen=True)
class Script:
    """One dub."""

    source: str = ""
    """source language"""
    target: str = ""
    """target language"""
    schedule: Schedule = "own"
    media: Media | None = None
    cuts: tuple[float, ...] = ()
    """times in seconds at which a shot begins"""
    speakers: tuple[SpeakerOf, ...] = ()
    utterances: tuple[Utterance, ...] = ()
    terms: tuple[Term, ...] = ()
    """names and terms of the recording"""
    titles: Mapping[str, str] = field(default_factory=dict)
    """translations of the titles of the video and its chapters"""
    notes: tuple[Note, ...] = ()
    """messages about all of it"""
    quality: QualityEstimate | None = None
    """how likely its words are right, before anything is spoken"""
    consent: tuple[Consent, ...] = ()
    """consent of those who are seen and heard"""
    made: Made | None = None
    """the output; None: nothing is written yet"""

    def speaker(self, name: str) -> SpeakerOf:
        """Return a speaker; one with default settings if the script does not have them."""
        return next((one for one in self.speakers if one.name == name), SpeakerOf(name))

    @property
    def result(self) -> Made:
        """The output; an empty one if nothing is written yet."""
        return self.made or Made()

    @property
    def input_s(self) -> float:
        """Length of the media."""
        return 0.0 if self.media is None else self.media.duration_s

    @property
    def output_s(self) -> float:
        """Length of the output."""
        return self.result.duration_s

    @property
    def text(self) -> str:
        """The text of all utterances, as `source_text`. `target_text` is what the dub says instead."""
        return self.source_text

    @property
    def source_text(self) -> str:
        """The text of all utterances that have one."""
        return " ".join(one.text.text for one in self.processed if one.text is not None and one.text.text)

    @property
    def target_text(self) -> str:
        """What is spoken instead, of all dubbed utterances for which it is known as text."""
        return " ".join(
            one.spoken.text for one in self.processed if one.fit is not None and one.spoken is not None and one.spoken.text
        )

    @property
    def num_source_units(self) -> int:
        """Number of source units."""
        return sum(len(one.source_units.units.ids) for one in self.processed if one.source_units is not None)

    @property
    def num_target_units(self) -> int:
        """Number of units that are spoken."""
        return sum(one.fit.units for one in self.processed if one.fit is not None)

    @property
    def num_drawn(self) -> int:
        """Number of frames with a new mouth."""
        return sum(one.drawn.drawn for one in self.processed if one.drawn is not None)

    @property
    def warnings(self) -> list[str]:
        """The sentences of all notes."""
        return [sentence(one) for one in self.grouped_notes]

    @property
    def is_source_timed(self) -> bool:
        """Whether it is the dub of a recording, in which each utterance keeps its place."""
        return self.schedule == "own"

    @property
    def is_over_text(self) -> bool:
        """Whether it was translated as text."""
        return bool(self.setting("cascade"))

    def setting(self, name: str, otherwise: Any = None) -> Any:
        """Return the setting of a name, `otherwise` if it was left at its default."""
        return self.result.settings.get(name, otherwise)

    @property
    def processed(self) -> Sequence[Utterance]:
        """The utterances that were dubbed or left alone, and those that have no target."""
        return [one for one in self.utterances if one.is_processed or not self.target]

    @property
    def grouped_notes(self) -> list[GroupedNote]:
        """All notes as they are reported: those of the script first, then those of utterances, equal ones in one. A clip has no
        numbers of utterances."""
        notes = ((one.number, note) for one in self.utterances for note in one.notes if not note.values.get("is_reported"))
        of_utterances = grouped(notes) if self.is_source_timed else [GroupedNote(note) for _, note in notes]
        return [*map(GroupedNote, self.notes), *of_utterances]
