"""What is done with a clip of the exam, and what is measured of it. Each task has the name that records call it by."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from avcore.arrays import Pictures, Samples
from avcore.errors import NoFaceError
from avcore.media import read_speech, write_speech
from netflips.evaluate.noise import at_snr, white_noise
from unit2av.lipsync.backend import AUTO as ANY_MOUTH
from unit2av.lipsync.backend import MouthChoice
from unit2av.speakers.voice_of import voice_of
from workshop.evaluate.bench import Bench
from workshop.evaluate.chain import ClipContent, shuffled
from workshop.evaluate.conditions import OWN, SOUNDS, lips_of_kind
from workshop.evaluate.jobs import Record
from workshop.evaluate.material import ClipPlan, drawn_sentence
from workshop.evaluate.modalities import AUDIO, AUTO, BOTH, VIDEO
from workshop.evaluate.mouth import draw_truth, face_in, measure_ceiling, measure_mouth

ROOM = "room"
_DUB_S, _UNDERSTOOD_S = 0.6, 0.3
"""CPU seconds of a task on clips of 2.5 s: dubbed to sound and looked up; translated and not said."""


@dataclass(frozen=True)
class ExamClip:
    """A clip as tasks take it. folder: for files that are gone afterwards."""

    index: int
    plan: ClipPlan
    heard: ClipContent
    folder: Path

    def noisy(self, snr_db: float) -> Samples:
        """Its sound with white noise."""
        return noisy_copy(self.heard.speech, snr_db, self.folder / "noisy.wav", self.index)

    def lips(self, kind: str, bench: Bench) -> Pictures:
        """Its lips, or others of a name of `conditions.LIPS` in their place. Raises NoFaceError."""
        if self.heard.face is None:
            raise NoFaceError("no face was found", path=self.heard.source.path)
        other = drawn_sentence("held_out", self.index + 1, bench.settings)
        return lips_of_kind(self.heard.face.lips, kind, self.index, other)


@dataclass(frozen=True)
class Dub:
    """Dubbed to sound, clean or with white noise (dB)."""

    modalities: str = BOTH
    snr_db: float | None = None
    seconds: ClassVar[float] = _DUB_S

    @property
    def name(self) -> str:
        """The modalities, and the level of the noise."""
        return self.modalities if self.snr_db is None else f"{self.modalities}@{self.snr_db:g}"

    @property
    def needs_face(self) -> bool:
        """Whether lips are looked at."""
        return VIDEO in self.modalities

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """What was said, and of a clean dub whether it is understood again, and how it sounds."""
        if self.snr_db is not None:
            return bench.judged(bench.chain.dub(clip.heard, self.modalities, clip.noisy(self.snr_db)), clip.plan.pair)
        dubbed = bench.chain.dub(clip.heard, self.modalities)
        found = bench.judged(dubbed, clip.plan.pair) | bench.recognised_again(dubbed.samples, clip.plan.pair)
        if self.modalities == BOTH:
            found |= bench.voices(dubbed) | bench.sound_of(dubbed, clip.heard.speech)
        return found


@dataclass(frozen=True)
class DubAcrossRoom:
    """Dubbed by the sound alone, as it arrives across a room with noise."""

    name: ClassVar[str] = ROOM
    seconds: ClassVar[float] = _DUB_S
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """What was said."""
        speech = SOUNDS[ROOM](clip.heard.speech, clip.index)
        return bench.judged(bench.chain.dub(clip.heard, AUDIO, speech), clip.plan.pair)


@dataclass(frozen=True)
class UnderstandThrough:
    """Translated by the sound alone, as it arrives through a name of `conditions.SOUNDS`; not said."""

    sound: str
    seconds: ClassVar[float] = _UNDERSTOOD_S
    needs_face: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What it arrives through."""
        return f"{AUDIO}~{self.sound}"

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """Whether the units are right."""
        return bench.understood(SOUNDS[self.sound](clip.heard.speech, clip.index), None, AUDIO, clip.plan.pair)


@dataclass(frozen=True)
class UnderstandWithLips:
    """Translated with lips of a name of `conditions.LIPS` in place of the own ones; not said."""

    modalities: str
    lips: str
    seconds: ClassVar[float] = _UNDERSTOOD_S
    needs_face: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The modalities, and whose lips."""
        return f"{self.modalities}+{self.lips}"

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """Whether the units are right."""
        return bench.understood(clip.heard.speech, clip.lips(self.lips, bench), self.modalities, clip.plan.pair)


@dataclass(frozen=True)
class UnderstandInNoise:
    """Translated with white noise (dB) in the sound, from what a bundle decides to take; not said."""

    snr_db: float
    seconds: ClassVar[float] = _UNDERSTOOD_S
    needs_face: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The level of the noise."""
        return f"{AUTO}@{self.snr_db:g}"

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """Whether the units are right."""
        return bench.understood(clip.noisy(self.snr_db), clip.lips(OWN, bench), AUTO, clip.plan.pair)


@dataclass(frozen=True)
class DubShuffled:
    """A baseline: the units in another order before they are translated."""

    name: ClassVar[str] = "shuffled"
    seconds: ClassVar[float] = _DUB_S
    needs_face: ClassVar[bool] = True

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """What was said."""
        units, confidence = bench.chain.units(clip.heard, BOTH, clip.heard.speech)
        mixed = shuffled(units, np.random.default_rng([bench.settings.seed, clip.index]))
        voice = voice_of(clip.heard.speech, bench.chain.models.speaker_encoder)
        return bench.judged(bench.chain.say(mixed, confidence, voice), clip.plan.pair)


@dataclass(frozen=True)
class DubAtRandom:
    """A baseline: weights that know nothing."""

    name: ClassVar[str] = "random"
    seconds: ClassVar[float] = 1.0
    needs_face: ClassVar[bool] = True

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """What was said."""
        return bench.judged(bench.random.dub(clip.heard, BOTH), clip.plan.pair)


@dataclass(frozen=True)
class Show:
    """Dubbed to a video, whose sound and mouth are measured. is_by_units: the face network draws the mouth, where a dub has another
    one by default."""

    is_by_units: bool = False
    needs_face: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """By what it is shown."""
        return "shown by units" if self.is_by_units else "shown"

    @property
    def seconds(self) -> float:
        """CPU seconds."""
        return 3.5 if self.is_by_units else 3.0

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """What was said, how the mouth moves, and how far both agree."""
        dubbed = bench.chain.dub(_with_face(clip.heard), BOTH)
        truth = draw_truth(clip.plan, dubbed.said, bench.names, len(clip.heard.source), bench.settings.side)
        path = clip.folder / "dubbed.mp4"
        bench.chain.show(clip.heard, dubbed, path, MouthChoice("units" if self.is_by_units else ANY_MOUTH))
        speech, face = read_speech(path), face_in(path)
        found = bench.said(speech, clip.plan.pair) | measure_mouth(path, face, clip.heard, truth)
        syncs = {"sync": bench.sync(speech, face), "source_sync": bench.sync(clip.heard.speech, clip.heard.face)}
        return found | {name: round(value, 4) for name, value in syncs.items() if value is not None}


@dataclass(frozen=True)
class ShowTruth:
    """What the measure of the mouth gives on drawn truth."""

    name: ClassVar[str] = "ceiling"
    seconds: ClassVar[float] = 1.6
    needs_face: ClassVar[bool] = True

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """How the true mouth is seen."""
        dubbed = bench.chain.dub(_with_face(clip.heard), BOTH)
        truth = draw_truth(clip.plan, dubbed.said, bench.names, len(clip.heard.source), bench.settings.side)
        return {"correlation": measure_ceiling(truth, clip.folder / "truth.mp4")}


@dataclass(frozen=True)
class Read:
    """Read as text, from the sound or from the lips alone, in its own language."""

    modalities: str
    seconds: ClassVar[float] = _DUB_S

    @property
    def name(self) -> str:
        """From what."""
        return f"read {self.modalities}"

    @property
    def needs_face(self) -> bool:
        """Whether lips are read."""
        return self.modalities == VIDEO

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """What was read, and its errors."""
        return bench.side.read_clip(clip.heard, self.modalities, clip.plan)


@dataclass(frozen=True)
class SpeakAgain:
    """Said again in its own language and time, as lips to speech is, from the lips alone, or from the sound, which is what that can
    reach."""

    modalities: str = field(default=VIDEO)
    seconds: ClassVar[float] = _DUB_S

    @property
    def name(self) -> str:
        """From what."""
        return f"speak {self.modalities}"

    @property
    def needs_face(self) -> bool:
        """Whether lips are looked at."""
        return self.modalities == VIDEO

    def do(self, bench: Bench, clip: ExamClip) -> Record:
        """What was said, beside the true sound."""
        return bench.side.speak_clip(clip.heard, self.modalities, clip.plan)


def _with_face(heard: ClipContent) -> ClipContent:
    """A clip that can be shown. Raises NoFaceError."""
    if heard.face is None:
        raise NoFaceError("no face was found", path=heard.source.path)
    return heard


def noisy_copy(samples: Samples, snr_db: float, path: Path, seed: int) -> Samples:
    """Write float32 [S] with white noise at a ratio of root mean squares (dB) as a sound file, and read that again."""
    write_speech(path, at_snr(samples, white_noise(len(samples), seed), snr_db))
    return read_speech(path)
