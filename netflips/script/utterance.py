"""An utterance of a script: its place, its source, who is seen, what is spoken instead, and what was measured of that.

Times are in seconds, durations of units in steps of 20 ms. `""`, 0 and None mean that a value is unknown, unless its field says
otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from av2unit.modality_selection import reason_words
from avcore.domain import Stretch
from avcore.notes import Note
from avcore.timeline import Interval
from netflips.quality_estimation import QualityEstimate
from netflips.script.targets import GivenUnits, SpokenSound, Target, Text, TranslatedUnits, UnitList, WrittenText

_DIGITS = 6
"""Digits that sums of seconds are rounded to, so that they stay whole steps."""
NATURAL_SPEED, _NEARLY = (0.9, 1.1), 0.005
"""The slowest and the fastest speed of speaking that sounds natural, 1 = as by itself; and the tolerance."""
_WHOLE = 0.999
"""Speech of this share of its natural length, or more, is not spoken faster."""


class Agreement(NamedTuple):
    """How far the units of lips and of sound agree."""

    share: float
    """share of the steps in which they agree"""
    usual: float | None = None
    """the usual share where lips and sound belong together"""
    lips_sure: float | None = None
    """the encoder's confidence (mean log-probability) in lips that could not be judged"""
    known_sure: float | None = None
    """confidence at or above which the encoder knows such lips"""


@dataclass(frozen=True)
class SourceUnits:
    """The units that the encoder finds in an utterance."""

    units: UnitList = field(default_factory=UnitList)
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


class Slot(NamedTuple):
    """The time that an utterance has."""

    length_s: float
    """length of the original"""
    pause_s: float = 0.0
    """slack: how much of the pause behind the original may be used"""


@dataclass(frozen=True)
class TimeFit:
    """How the new speech was fitted into its time."""

    output: Interval
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
    def duration_scale(self) -> float | None:
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
    def speed(self) -> float | None:
        """Its speed of speaking, 1 = natural, above 1 = faster; None if it was not fitted."""
        return None if self.duration_scale is None else 1 / self.duration_scale

    @property
    def too_long_s(self) -> float:
        """By how much its natural length is above its length as spoken; 0 up to the fastest natural speed."""
        if self.speed is None or self.speed <= NATURAL_SPEED[1] + _NEARLY:
            return 0.0
        return round(self.natural_s - self.spoken_s, _DIGITS)

    @property
    def is_hurried(self) -> bool:
        """Whether it is spoken faster than `pace` allows."""
        # sound that is used as it is overruns at scale 1: it is cut, not hurried
        return self.overrun_s > 0 and not self.freeze_s and (self.duration_scale or 0.0) < _WHOLE


@dataclass(frozen=True)
class DrawnFrames:
    """Numbers of an utterance's frames."""

    frames: int = 0
    """frames in its time"""
    drawn: int = 0
    """frames with a new mouth"""
    left: Mapping[str, int] = field(default_factory=dict)
    """frames that stay as they are, by the code of the reason"""


SpeechFault = Literal["unheard", "misheard", "missing", "repeated", "voice", "hurried", "slow", "clicks", "leak", "open_lips"]
"""What a check may find. unheard, misheard: nothing or little of the text is recognized; missing: a stretch of it is not; repeated:
more than the text is; voice: it is another speaker's; hurried: too fast or cut; slow: below 0.9 of its natural speed; clicks: its
sound clicks; leak: the original voice is under it; open_lips: lips stay open at b, m and p."""
SPEECH_FAULTS: Final[tuple[SpeechFault, ...]] = get_args(SpeechFault)


class Checked(NamedTuple):
    """What was measured of an utterance as it is spoken (`netflips.dubbing.check`). None: it was not measured."""

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
    speed: float | None = None
    """as `TimeFit.speed`"""
    clicks: int | None = None
    """clicks in its sound"""
    leak: float | None = None
    """level of the original voice under it, as a share of the original's level"""
    closed: float | None = None
    """share of b, m and p at which the lips close"""
    faults: tuple[SpeechFault, ...] = ()
    """what is wrong with it"""

    @property
    def reported(self) -> tuple[SpeechFault, ...]:
        """Faults to tell a person of. Speech that is slow is so because `pace` lets it fill its time: nothing is wrong."""
        return tuple(fault for fault in self.faults if fault != "slow")


@dataclass(frozen=True)
class Utterance:
    """Speech that is dubbed in one piece."""

    number: int = 0
    """from 1, in the order of the recording"""
    place: Interval = Interval(0.0, 0.0)
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
    """other translations, which a person may take"""
    units: UnitList | None = None
    """units of the target, with natural durations"""
    fit: TimeFit | None = None
    """its place in the output; None: it was left alone, or is not in the part that was dubbed"""
    checked: Checked | None = None
    """what was measured of it as it is spoken; None: it was not checked"""
    drawn: DrawnFrames | None = None
    """what became of its frames"""
    notes: tuple[Note, ...] = ()
    """messages about it"""
    quality: QualityEstimate | None = None
    """how likely its words are right, estimated before it was spoken"""

    def note(self, code: str) -> Note | None:
        """Return its note with a code, None if it has none."""
        return next((note for note in self.notes if note.code == code), None)

    @property
    def units_why(self) -> str:
        """Why the modalities of its units were selected, with figures; "" if there was no choice."""
        if self.source_units is None or not self.source_units.reason:
            return ""
        figures = {} if self.source_units.agreement is None else self.source_units.agreement._asdict()
        return reason_words({"reason": self.source_units.reason, **figures})

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
        written = [
            (alternative.text, alternative.seconds) for alternative in self.alternatives if isinstance(alternative, WrittenText)
        ]
        read = [
            (alternative.reading.text, alternative.seconds)
            for alternative in self.alternatives
            if isinstance(alternative, TranslatedUnits) and alternative.reading
        ]

        if self.fit is None or not self.fit.too_long_s:
            return [*written, *read]
        return [(text, seconds) for text, seconds in (*written, *read) if seconds is not None and seconds < self.fit.natural_s]

    @property
    def spoken_by(self) -> str:
        """The program or the file that speaks it, "" if the models do."""
        if isinstance(self.target, SpokenSound):
            sound = self.target
            return sound.file if sound.to_s is None else f"{sound.file}, {sound.from_s:.2f} to {sound.to_s:.2f} s"
        return self.target.spoken_by if isinstance(self.target, WrittenText) else ""
