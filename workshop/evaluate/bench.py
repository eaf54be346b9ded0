"""What tasks of the exam work with: models and references, and what is measured of what came out. One of these in each process."""

import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pictures, Samples
from avcore.checkpoints.bundle import REFERENCES, Bundle
from avcore.errors import NetflipsError
from avcore.faces.find import SpeakerFace
from avcore.units import Units
from netflips.bundles.paths import bundle_paths
from netflips.evaluate.metrics.voice import VoiceQuality, noise_floor_db, semitones_between, voice_quality
from netflips.models import Models, load_models
from netflips.options import RunOptions
from unit2unit.inference import Translation
from workshop.evaluate.chain import Chain, Dubbed
from workshop.evaluate.jobs import ExamPaths, Record
from workshop.evaluate.mouth import sync_at_zero
from workshop.evaluate.retrieval import SpokenReferences, UnitReferences
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.side_roads import SideRoads
from workshop.material.phones import SILENCE
from workshop.voices.phrasebook import SentencePair

_DIGITS = 4


class Bench:
    """Models and references, ready for tasks. names: the phone of each unit; silences: units that are silence."""

    def __init__(self, place: ExamPaths, settings: EvaluationSettings) -> None:
        self._place, self.settings = place, settings
        self.chain = Chain(load_bundle(place.bundle, place.device, place.precision))
        self.recordings = SpokenReferences.read(place.recordings)
        names = json.loads(place.phones.read_text(encoding="utf-8"))
        self.names = {int(unit): str(name) for unit, name in names.items()}
        self.silences = [unit for unit, name in self.names.items() if name == SILENCE]
        self.units = UnitReferences.read(place.bundle / REFERENCES, self.silences)
        self.side = SideRoads(place, self.chain, self.recordings)

    @cached_property
    def random(self) -> Chain:
        """The same models without what they learnt."""
        return Chain(load_bundle(self._place.random, self._place.device, self._place.precision))

    def said(self, samples: Samples, pair: SentencePair) -> Record:
        """Which sentence Korean speech float32 [S] at 16 kHz says, and whether it is the right one."""
        found = self.recordings.nearest(samples)
        return {"right": found.text == pair.korean, "found": found.text}

    def judged(self, dubbed: Dubbed, pair: SentencePair) -> Record:
        """Which sentence a dub says, by its sound and by its units."""
        sound = self.recordings.nearest(dubbed.samples)
        return {
            "right": sound.text == pair.korean,
            "found": sound.text,
            "distance": round(sound.distance, _DIGITS),
            "margin": round(sound.margin, _DIGITS),
        } | self._judged_by_units(dubbed.units, dubbed.confidence, dubbed.translation, pair)

    def understood(self, speech: Samples, lips: Pictures | None, modalities: str, pair: SentencePair) -> Record:
        """Which sentence is understood, by its units: translated and not said."""
        found = self.chain.listen(speech, lips, modalities)
        translation = self.chain.translate(found.units)
        return {"modalities": found.modalities} | self._judged_by_units(found.units, found.confidence, translation, pair)

    def _judged_by_units(self, units: Units, confidence: float, translation: Translation, pair: SentencePair) -> Record:
        return {
            "units_right": self.units.nearest(translation.units).text == pair.korean,
            "units": units.merged().ids.tolist(),
            "confidence": round(confidence, _DIGITS),
            "score": round(translation.score, _DIGITS),
            "truncated": translation.truncated,
        }

    def recognised_again(self, samples: Samples, pair: SentencePair) -> Record:
        """Whether the unit encoder understands a dub, float32 [S] at 16 kHz."""
        again = self.units.nearest(self.chain.units_of_sound(samples))
        return {"again_right": again.text == pair.korean}

    def unit_errors(self, samples: Samples, korean: str) -> Record:
        """Units of speech float32 [S] at 16 kHz that differ from those of a sentence."""
        errors, length = self.units.errors(self.chain.units_of_sound(samples), korean)
        return {"errors": errors, "length": length}

    def voices(self, dubbed: Dubbed) -> Record:
        """Whose voice it was, and is; nothing where nobody is heard."""
        try:
            spoken = self.chain.models.speaker_encoder.embed(dubbed.samples)
        except NetflipsError:
            return {}
        return {"voice": rounded_vector(dubbed.voice.vector), "dubbed_voice": rounded_vector(spoken)}

    def sound_of(self, dubbed: Dubbed, source: Samples) -> Record:
        """What a listener hears in a dub: the voice by itself, and beside the source's, float32 [S] at 16 kHz."""
        quality, own = voice_quality(dubbed.samples), voice_quality(source)
        off = {} if own.f0_hz is None else {"f0_off": round(semitones_between(quality.f0_hz, own.f0_hz), _DIGITS)}
        floor = noise_floor_db(dubbed.samples, self.is_silence(dubbed.said))
        return quality_record(quality, floor) | off | {"source_begins": own.begins, "source_ends": own.ends}

    def is_silence(self, said: Units) -> NDArray[np.bool_]:
        """Which steps of 20 ms are silence: bool [T]."""
        return np.isin(said.frames(), self.silences)

    def sync(self, speech: Samples, face: SpeakerFace | None) -> float | None:
        """How far units of a sound, float32 [S] at 16 kHz, and of lips agree; no lips agree with nothing."""
        if face is None:
            return 0.0
        seen = self.chain.models.extractor.extract(None, face.lips)
        return sync_at_zero(self.chain.units_of_sound(speech).frames(), seen.frames(), self.silences)


def quality_record(quality: VoiceQuality, floor_db: float | None) -> dict[str, float | bool]:
    """What an evaluation keeps of an utterance's quality and of its noise floor; what could not be measured is left out."""
    found = asdict(quality) | {"floor": floor_db}
    return {name: value if isinstance(value, bool) else round(value, _DIGITS) for name, value in found.items() if value is not None}


def load_bundle(folder: Path, device: str = "cpu", precision: str = "float32") -> Models:
    """Load the models of a folder, English to Korean."""
    return load_models(bundle_paths(Bundle(folder, {})), "en", "ko", RunOptions(device, precision))


def rounded_vector(vector: Any) -> list[float]:
    """Numbers as records keep them."""
    return [round(float(value), _DIGITS) for value in vector]
