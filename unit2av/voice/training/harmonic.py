"""Training of a voice with a pitch: its sound, given the pitch of the recordings, and the prediction of pitch from units."""

from typing import Any, cast

from torch import Tensor

from avcore.errors import InputError
from avcore.train.task import Figures
from unit2av.voice.harmonic import PER_STEP, limited
from unit2av.voice.training.config import Unit2aConfig
from unit2av.voice.training.corpus import VoiceCorpus, voices_and_pitches
from unit2av.voice.training.items import PitchedBatch, SegmentBatch, Tracks, collate_pitched
from unit2av.voice.training.losses import contour_loss, voicing_loss
from unit2av.voice.training.start import TrainedHarmonic
from unit2av.voice.training.task import Unit2aTask

_FEWEST_VOICES = 2


class HarmonicTask(Unit2aTask):
    """A voice with a pitch, with discriminators or without."""

    def __init__(self, config: Unit2aConfig, corpus: VoiceCorpus, vocoder: TrainedHarmonic, tracks: Tracks) -> None:
        """tracks: F0 of all utterances. Raises InputError when fewer than two of them are voiced."""
        super().__init__(config, corpus, vocoder, tracks)
        self._harmonic = vocoder

        voices, pitches = voices_and_pitches(corpus.train, tracks)
        if len(pitches) < _FEWEST_VOICES:
            raise InputError("no pitch was found in these recordings", path=config.data.train, expected="speech")
        vocoder.pitch.fit_usual_pitch(voices, pitches)

    @property
    def figures(self) -> tuple[str, ...]:
        return (*super().figures, "contour_error", "voicing_error")

    def collate(self, items: list[Any]) -> SegmentBatch:
        return collate_pitched(items, self._edge_unit, self._config.data.contour_items)

    def _speak(self, batch: SegmentBatch, vocoder: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        own = cast(PitchedBatch, batch)
        melody = own["melody_frames"], own["melody_where"]
        sound, log_durations, contours = vocoder(own["frames"], own["voice"], own["log_f0"], own["runs"], melody)
        voiced, weight = own["melody_voiced"], own["melody_weight"]
        losses = {
            "contour": contour_loss(contours[:, 0], own["melody_z"], voiced, weight),
            "voicing": voicing_loss(contours[:, 1], voiced, weight),
        }
        return sound, log_durations, losses

    def _say(self, batch: SegmentBatch, one: slice, length: int) -> Tensor:
        log_f0 = cast(PitchedBatch, batch)["log_f0"][one, : length * PER_STEP]
        return limited(self._harmonic(batch["frames"][one, :length], batch["voice"][one], log_f0))

    def _measure(self, batch: SegmentBatch, number: int, length: int) -> tuple[Tensor, Figures]:
        """Measure as for any vocoder, spoken with the recording's pitch, and measure the predicted pitch.

        contour_error: mean distance of the predicted contour in voiced steps, in spreads of the speaker (0.1 is about a fifth of a
        semitone for a lively voice). voicing_error: share of steps with wrong voicing.
        """
        made, figures = super()._measure(batch, number, length)
        own = cast(PitchedBatch, batch)
        one = slice(number, number + 1)
        contour, logits = self._harmonic.pitch(own["melody_frames"][one], own["melody_where"][one])[0]
        voiced, weight = own["melody_voiced"][number], own["melody_weight"][number]

        both = voiced * weight
        error = ((contour - own["melody_z"][number]).abs() * both).sum() / both.sum().clamp(min=1)
        wrong = (((logits > 0) != (voiced > 0)) * weight).sum() / weight.sum().clamp(min=1)
        return made, {**figures, "contour_error": float(error), "voicing_error": float(wrong)}
