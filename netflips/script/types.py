"""The script of a dub: the media, its speakers and utterances, and the output. `netflips.script.files` reads and writes it.

Times are in seconds. `""`, 0 and None mean that a value is unknown, unless its field says otherwise.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from avcore.faces.geometry import TransitionKind
from avcore.notes import GroupedNote, Note, grouped, sentence, several
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.quality_estimation import QualityEstimate
from netflips.script.utterance import Utterance

FORMAT = "netflips-script-3"
_REPR_WIDTH = 120
SPEAKER = "speaker 1"
"""The name of the only speaker."""
Schedule = Literal["own", "ping_pong", "hold", "still", "sound"]
"""Which frame of the media is shown at a time of the output. own: that of the same time; ping_pong: frames are played forwards and
backwards; hold: the last frame is held; still: the media is one image; sound: the media has no video."""


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


class DrawnFrame(NamedTuple):
    """A frame with a new mouth."""

    time_s: float
    """when the output shows it"""
    utterance: int
    """number of its utterance"""
    strain: float
    """how steeply it departs from the source's frame (`unit2av.rendering.strain_of`)"""


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
    worst: tuple[DrawnFrame, ...] = ()
    """the drawn frames to look at first, in order of time"""
    lips: str = ""
    """the lip-sync backend"""
    part: Interval | None = None
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
        return next((model.usual for model in self.models if model.part == part), None)


class Transition(NamedTuple):
    """A gradual change of the shot."""

    start_s: float
    """when it begins"""
    end_s: float
    """when the new shot stands alone"""
    kind: TransitionKind
    """fade: over black, or another empty frame"""


class Term(NamedTuple):
    """A name or a term of the recording."""

    word: str
    """as it is in the source text"""
    spoken: str
    """its translation everywhere, as a person wants it; "": not decided"""
    proposed: str = ""
    """a proposal for its translation"""


@dataclass(frozen=True, repr=False)
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
    transitions: tuple[Transition, ...] = ()
    """the gradual ones of these cuts"""
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

    def __repr__(self) -> str:
        languages = " to ".join(filter(None, (self.source, self.target)))
        heard, said = [utterance.text for utterance in self.utterances], [utterance.spoken for utterance in self.utterances]
        texts = (" ".join(text.text for text in of if text is not None) for of in (heard, said))
        parts = ["" if self.media is None else self.media.path, languages, f"{self.input_s:.1f} s"]
        head = ", ".join(filter(None, [*parts, several(len(self.utterances), "utterance")]))
        return f"<Script: {head}>\n{textwrap.shorten(' -> '.join(filter(None, texts)), _REPR_WIDTH)}"

    def speaker(self, name: str) -> SpeakerOf:
        """Return a speaker; one with default settings if the script does not have them."""
        return next((speaker for speaker in self.speakers if speaker.name == name), SpeakerOf(name))

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
        return " ".join(utterance.text.text for utterance in self.processed if utterance.text is not None and utterance.text.text)

    @property
    def target_text(self) -> str:
        """What is spoken instead, of all dubbed utterances for which it is known as text."""
        return " ".join(
            utterance.spoken.text
            for utterance in self.processed
            if utterance.fit is not None and utterance.spoken is not None and utterance.spoken.text
        )

    @property
    def num_source_units(self) -> int:
        """Number of source units."""
        return sum(len(utterance.source_units.units.ids) for utterance in self.processed if utterance.source_units is not None)

    @property
    def num_target_units(self) -> int:
        """Number of units that are spoken."""
        return sum(utterance.fit.units for utterance in self.processed if utterance.fit is not None)

    @property
    def num_drawn(self) -> int:
        """Number of frames with a new mouth."""
        return sum(utterance.drawn.drawn for utterance in self.processed if utterance.drawn is not None)

    @property
    def warnings(self) -> list[str]:
        """The sentences of all notes."""
        return [sentence(note) for note in self.grouped_notes]

    def slot_s(self, utterance: Utterance) -> float | None:
        """Return how long an utterance is in the recording, in seconds; None: it takes as long as it takes."""
        return utterance.place.seconds if self.is_source_timed else None

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
        return [utterance for utterance in self.utterances if utterance.is_processed or not self.target]

    @property
    def grouped_notes(self) -> list[GroupedNote]:
        """All notes as they are reported: those of the script first, then those of utterances, equal ones in one. A clip has no
        numbers of utterances."""
        notes = (
            (utterance.number, note)
            for utterance in self.utterances
            for note in utterance.notes
            if not note.values.get("is_reported")
        )
        of_utterances = grouped(notes) if self.is_source_timed else [GroupedNote(note) for _, note in notes]
        return [*map(GroupedNote, self.notes), *of_utterances]
