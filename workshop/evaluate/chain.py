"""The chain under test: from a file to dubbed sound or a dubbed video, as `netflips dub` does a clip of one utterance.

It differs in one thing: what is read of a file is read once for all that is asked of it. A test holds it to `netflips dub`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from av2unit import trust
from avcore.arrays import Pictures, Samples
from avcore.contracts import Extractor
from avcore.errors import NoFaceError, UnitError
from avcore.faces.crop import Box
from avcore.faces.find import SpeakerFace, find_faces
from avcore.media import QUICK, PictureSource, VideoWriter, read_speech
from avcore.progress import silent
from avcore.timeline import FRAME_RATE, SAMPLE_RATE
from avcore.units import Units
from netflips.models import Models
from unit2av.face.talking import speak_and_show
from unit2av.lipsync.backend import MouthChoice
from unit2av.lipsync.choose import opened_mouth
from unit2av.speakers.voice_of import voice_of
from unit2av.voice.speech import SpeakerVoice
from unit2unit.inference import Translation
from workshop.evaluate.modalities import AUDIO, AUTO, BOTH, VIDEO

_BY_DEFAULT = MouthChoice()


@dataclass(frozen=True)
class TakenUnits:
    """units: English. confidence: of the encoder. modalities: what the units are taken from."""

    units: Units
    confidence: float
    modalities: str


def take_units(extractor: Extractor, speech: Samples, lips: Pictures | None, modalities: str) -> TakenUnits:
    """Take units from speech float32 [S] at 16 kHz, from lips uint8 [time, 96, 96], from both, or as a dub decides by default.

    lips: None = there are none, which `auto` takes as it is. Raises InputError where the modalities ask for what is not there.
    """
    found = (
        _by_default(extractor, speech, lips)
        if modalities == AUTO
        else _taken(extractor, speech if AUDIO in modalities else None, lips if VIDEO in modalities else None)
    )
    return replace(found, units=replace(found.units, language="en"))


def _by_default(extractor: Extractor, speech: Samples, lips: Pictures | None) -> TakenUnits:
    heard = trust.trusted_units(extractor, speech, lips, extractor.agreement)
    return TakenUnits(heard.extraction.units, heard.extraction.confidence, heard.modalities)


def _taken(extractor: Extractor, speech: Samples | None, lips: Pictures | None) -> TakenUnits:
    units, confidence = extractor.extract_scored(speech, lips)
    return TakenUnits(units, confidence, VIDEO if speech is None else AUDIO if lips is None else BOTH)


@dataclass(frozen=True)
class ClipContent:
    """What a file holds. speech: float32 [S] at 16 kHz. face: None where none was found."""

    source: PictureSource
    speech: Samples
    face: SpeakerFace | None

    @property
    def boxes(self) -> Sequence[Box | None]:
        """Boxes in which the face is drawn anew, one for each picture at 25 fps."""
        return [None] * len(self.source) if self.face is None else self.face.steady_boxes


@dataclass(frozen=True)
class Dubbed:
    """What came out. units: of the source. said: with durations. samples: float32 [S]. voice: the source's, as it was taken."""

    units: Units
    confidence: float
    translation: Translation
    said: Units
    samples: Samples
    voice: SpeakerVoice


def read_clip(path: Path, needs_face: bool = True) -> ClipContent:
    """Read a clip and find its face. Raises MediaError for a file that has no sound."""
    source, speech = PictureSource(path), read_speech(path)
    if not needs_face:
        return ClipContent(source, speech, None)
    try:
        return ClipContent(source, speech, find_faces(source, "auto", speech, silent, len(source), path, source.info.pixel_aspect))
    except NoFaceError:
        return ClipContent(source, speech, None)


class Chain:
    """Models that dub what was heard."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def dub(self, heard: ClipContent, modalities: str, speech: Samples | None = None) -> Dubbed:
        """Dub the sound. speech: in place of the file's own. Raises NetflipsError as `netflips.pipeline.dub` does."""
        speech = heard.speech if speech is None else speech
        units, confidence = self.units(heard, modalities, speech)
        return self.say(units, confidence, voice_of(speech, self.models.speaker_encoder))

    def units(self, heard: ClipContent, modalities: str, speech: Samples) -> tuple[Units, float]:
        """The source's units, and how sure the encoder is of them."""
        if VIDEO in modalities and heard.face is None:
            raise NoFaceError("no face was found", path=heard.source.path)
        found = self.listen(speech, None if heard.face is None else heard.face.lips, modalities)
        return found.units, found.confidence

    def listen(self, speech: Samples, lips: Pictures | None, modalities: str) -> TakenUnits:
        """Units of speech float32 [S] at 16 kHz and lips uint8 [time, 96, 96], or of one of them."""
        return take_units(self.models.extractor, speech, lips, modalities)

    def translate(self, units: Units) -> Translation:
        """Korean units. Raises UnitError when there are none."""
        translation = self.models.translator.translate(units, "en", "ko")
        if not len(translation.units):
            raise UnitError("the translation is empty")
        return translation

    def say(self, units: Units, confidence: float, voice: SpeakerVoice) -> Dubbed:
        """Translate units and say what comes out."""
        translation = self.translate(units)
        spoken = self.models.vocoder.synthesize(translation.units, voice)
        return Dubbed(units, confidence, translation, spoken.units, spoken.samples, voice)

    def show(self, heard: ClipContent, dubbed: Dubbed, path: Path, mouth: MouthChoice = _BY_DEFAULT) -> None:
        """Write the dubbed video. mouth: that draws it."""
        info = heard.source.info
        models = self.models
        opened = opened_mouth(mouth, models.paths.unit2av, models.how.device, models.how.precision, models.renderer)
        mesh_at = None if heard.face is None else heard.face.landmarks_at
        with opened as drawn, VideoWriter(path, info.width, info.height, FRAME_RATE, SAMPLE_RATE, **QUICK) as writer:
            speak_and_show(dubbed.said, dubbed.voice, models.vocoder, drawn, heard.source, heard.boxes, writer, mesh_at=mesh_at)

    def units_of_sound(self, samples: Samples) -> Units:
        """Units of speech alone, float32 [S] at 16 kHz."""
        return self.models.extractor.extract(samples)


def shuffled(units: Units, rng: np.random.Generator) -> Units:
    """The same units in another order, without durations."""
    merged: NDArray[np.int64] = rng.permutation(units.merged().ids)
    return Units(merged, None, units.language, units.vocabulary)
