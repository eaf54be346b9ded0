"""Training of a harmonic voice: its sound with the recordings' pitch, and beside it the contour of pitch from units."""

import math
from typing import Any, cast

from torch import Tensor

from avcore.errors import InputError
from avtrain.config import Metrics
from avtrain.data import ItemSource
from unit2av.voice.harmonic_speech import limited
from unit2av.voice.training.config import Unit2aConfig
from unit2av.voice.training.corpus import Corpus
from unit2av.voice.training.harmonic_items import HarmonicBatch, HarmonicSegments, HeldOutTakes, TakeReader, collate_harmonic
from unit2av.voice.training.items import Batch
from unit2av.voice.training.losses import contour_loss, voicing_loss
from unit2av.voice.training.pitch import Tracks, voices_and_pitches
from unit2av.voice.training.start import TrainedHarmonic
from unit2av.voice.training.task import Unit2aTask

_SEMITONES = 12 / math.log(2)
_FEWEST_VOICES = 2


class HarmonicTask(Unit2aTask):
    """A harmonic voice, with discriminators or without (avtrain.task.Task)."""

    def __init__(self, config: Unit2aConfig, corpus: Corpus, vocoder: TrainedHarmonic, tracks: Tracks) -> None:
        """tracks: F0 of all utterances. Raises InputError when hardly any of them is voiced."""
        self._tracks, self._harmonic = tracks, vocoder
        super().__init__(config, corpus, vocoder)
        voices, pitches = voices_and_pitches(corpus.train, tracks)
        if len(pitches) < _FEWEST_VOICES:
            raise InputError("no pitch was found in these recordings", path=config.data.train, expected="speech")
        vocoder.pitch.fit_usual_pitch(voices, pitches)

    def _make_items(self) -> tuple[ItemSource[Any], ItemSource[Any] | None]:
        data, corpus = self._config.data, self._corpus
        read = TakeReader(corpus.train, data, self._tracks, self._edge_unit)
        train = HarmonicSegments(corpus.train, data, read, self._config.loop.seed)
        if not corpus.valid:
            return train, None
        return train, HeldOutTakes(corpus.valid, data, TakeReader((), data, self._tracks, self._edge_unit))

    def collate(self, items: list[Any]) -> Batch:
        return collate_harmonic(items, self._edge_unit, self._config.data.contour_items)

    def _speak(self, batch: Batch, vocoder: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        own = cast(HarmonicBatch, batch)
        melody = own["melody_frames"], own["melody_where"]
        sound, log_durations, contours = vocoder(own["frames"], own["voice"], own["log_f0"], own["runs"], melody)
        voiced, weight = own["melody_voiced"], own["melody_weight"]
        losses = {
            "contour": contour_loss(contours[:, 0], own["melody_z"], voiced, weight),
            "voicing": voicing_loss(contours[:, 1], voiced, weight),
        }
        return sound, log_durations, losses

    def _say(self, batch: Batch, one: slice, length: int) -> Tensor:
        log_f0 = cast(HarmonicBatch, batch)["log_f0"][one, : length * 4]
        return limited(self._harmonic(batch["frames"][one, :length], batch["voice"][one], log_f0))

    def _measure(self, batch: Batch, number: int, length: int) -> tuple[Tensor, Metrics]:
        """As for any vocoder; said with the recording's pitch. contour_error: mean distance of the predicted contour where
        there is voice, in spreads of the speaker (0.1 is about a fifth of a semitone of a lively voice); voicing_error: share of
        steps."""
        made, metrics = super()._measure(batch, number, length)
        own = cast(HarmonicBatch, batch)
        one = slice(number, number + 1)
        contour, logits = self._harmonic.pitch(own["melody_frames"][one], own["melody_where"][one])[0]
        voiced, weight = own["melody_voiced"][number], own["melody_weight"][number]
        both = voiced * weight
        error = ((contour - own["melody_z"][number]).abs() * both).sum() / both.sum().clamp(min=1)
        wrong = (((logits > 0) != (voiced > 0)) * weight).sum() / weight.sum().clamp(min=1)
        return made, metrics | {"contour_error": float(error), "voicing_error": float(wrong)}
