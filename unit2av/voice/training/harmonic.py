"""Training of a voice with a pitch: its sound, given the pitch of the recordings, and the prediction of pitch from units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.errors import InputError
from avcore.speech.pitch import filled_log, pitch_of
from avdata.published.unit2a import Vector, VoiceClip
from avtrain.config import Metrics
from avtrain.data import ItemSource
from unit2av.voice.harmonic import PER_STEP, limited
from unit2av.voice.source import FEATURES, places
from unit2av.voice.training.config import Unit2aConfig, VoiceDataConfig
from unit2av.voice.training.corpus import Tracks, VoiceCorpus, voices_and_pitches
from unit2av.voice.training.items import (
    AlignedReader,
    HeldOut,
    Preloaded,
    Reader,
    Segment,
    SegmentBatch,
    Take,
    TrainingSegments,
    collate_speech,
)
from unit2av.voice.training.losses import contour_loss, voicing_loss
from unit2av.voice.training.start import TrainedPitched
from unit2av.voice.training.task import Unit2aTask

_FEWEST_VOICES = 2
_NO_PITCH = math.log(120.0), 0.12
"""Median and spread of ln F0 assumed for an utterance that is hardly voiced, from which next to nothing is learnt."""


@dataclass(frozen=True)
class Melody:
    """The pitch contour of a whole utterance."""

    frames: NDArray[np.int64]
    """int64 [T]"""
    z: Vector
    """float32 [T], (ln F0 - median) / spread"""
    voiced: NDArray[np.bool_]
    """bool [T]"""


@dataclass(frozen=True)
class HarmonicSegment(Segment):
    """A segment with its pitch."""

    log_f0: Vector
    """float32 [4 T]"""
    melody: Melody
    """contour of the whole utterance"""
    is_held_out: bool = False
    """used for validation only"""


class HarmonicBatch(SegmentBatch):
    """Segments with their pitch, and whole contours of some of their utterances (melody_*), padded."""

    log_f0: Tensor
    """float32 [batch, 4 * time]"""
    melody_frames: Tensor
    """int64 [n, T]"""
    melody_where: Tensor
    """float32 [n, 10, T], see `places`"""
    melody_z: Tensor
    """float32 [n, T]"""
    melody_voiced: Tensor
    """float32 [n, T]"""
    melody_weight: Tensor
    """float32 [n, T], 0 at padding"""


@dataclass(frozen=True)
class VoiceTake(Take):
    """An utterance with silence around it."""

    log_f0: Vector
    """float32 [4 T]"""
    melody: Melody

    def cut(self, name: str, voice: Vector, start: int, length: int, is_held_out: bool) -> HarmonicSegment:
        """Return steps `start` to `start + length`, with the contour of the whole utterance."""
        plain = super().cut(name, voice, start, length, is_held_out)
        log_f0 = self.log_f0[start * PER_STEP : (start + length) * PER_STEP]
        return HarmonicSegment(name, plain.frames, plain.samples, voice, log_f0, self.melody, is_held_out)


class TakeReader:
    """Reads utterances and adds `edge_steps` of silence around them; without it a voice never learns silence."""

    def __init__(self, utterances: Sequence[VoiceClip], config: VoiceDataConfig, tracks: Tracks, silence: int | None) -> None:
        reader = AlignedReader(config)
        self._read: Reader = Preloaded(reader, utterances) if config.preload and utterances else reader
        self._tracks, self._config = tracks, config
        self._silence, self._steps = silence or 0, 0 if silence is None else config.edge_steps

    def __call__(self, utterance: VoiceClip, shortest: int) -> VoiceTake:
        """Read an utterance, repeated until it has `shortest` steps. Raises the errors of `AlignedReader`."""
        frames, samples = self._read(utterance)
        track = self._tracks.get(utterance.id)
        if track is None:
            raise InputError("this recording has no pitch track", path=utterance.audio)

        values = len(frames) * PER_STEP
        track = np.pad(track[:values], (0, max(0, values - len(track))))
        frames = np.pad(frames, self._steps, constant_values=self._silence)
        samples, track = np.pad(samples, self._steps * self._config.samples_per_unit), np.pad(track, self._steps * PER_STEP)
        while len(frames) < shortest:
            frames, samples, track = np.tile(frames, 2), np.tile(samples, 2), np.tile(track, 2)

        log_f0, voiced = filled_log(track)
        pitch = pitch_of(track)
        median, spread = _NO_PITCH if pitch is None else (pitch.median, pitch.spread)
        by_step = (log_f0.reshape(-1, PER_STEP).mean(1) - median) / spread
        is_voiced = voiced.reshape(-1, PER_STEP).sum(1) >= PER_STEP / 2
        return VoiceTake(frames, samples, log_f0, Melody(frames, by_step.astype(np.float32), is_voiced))


def collate_harmonic(segments: Sequence[HarmonicSegment], silence: int | None, contours: int) -> HarmonicBatch:
    """Make a batch of segments, with whole contours: those of the first `contours` segments, and of all held-out ones."""
    plain = collate_speech(segments)
    log_f0 = np.zeros((len(segments), plain["frames"].shape[1] * PER_STEP), np.float32)
    for row, segment in enumerate(segments):
        log_f0[row, : len(segment.log_f0)] = segment.log_f0
        # Padding repeats the last value: 0 would be an F0 of 1 Hz.
        log_f0[row, len(segment.log_f0) :] = segment.log_f0[-1]

    melodies = [segment.melody for row, segment in enumerate(segments) if row < contours or segment.is_held_out]
    shape = len(melodies), max(len(one.frames) for one in melodies)
    frames, where = np.full(shape, silence or 0), np.zeros((shape[0], FEATURES, shape[1]), np.float32)
    z, voiced, weight = np.zeros((3, *shape), np.float32)

    for row, one in enumerate(melodies):
        end = len(one.frames)
        frames[row, :end], where[row, :, :end] = one.frames, places(one.frames, silence)
        z[row, :end], voiced[row, :end], weight[row, :end] = one.z, one.voiced, 1

    return HarmonicBatch(
        **plain,
        log_f0=torch.from_numpy(log_f0),
        melody_frames=torch.from_numpy(frames),
        melody_where=torch.from_numpy(where),
        melody_z=torch.from_numpy(z),
        melody_voiced=torch.from_numpy(voiced),
        melody_weight=torch.from_numpy(weight),
    )


class HarmonicTask(Unit2aTask):
    """A voice with a pitch, with discriminators or without."""

    def __init__(self, config: Unit2aConfig, corpus: VoiceCorpus, vocoder: TrainedPitched, tracks: Tracks) -> None:
        """tracks: F0 of all utterances. Raises InputError when fewer than two of them are voiced."""
        self._tracks, self._harmonic = tracks, vocoder
        super().__init__(config, corpus, vocoder)

        voices, pitches = voices_and_pitches(corpus.train, tracks)
        if len(pitches) < _FEWEST_VOICES:
            raise InputError("no pitch was found in these recordings", path=config.data.train, expected="speech")
        vocoder.pitch.fit_usual_pitch(voices, pitches)

    def _make_items(self) -> tuple[ItemSource[Any], ItemSource[Any] | None]:
        data, corpus = self._config.data, self._corpus
        read = TakeReader(corpus.train, data, self._tracks, self._edge_unit)
        train = TrainingSegments(corpus.train, data, self._config.loop.seed, read)
        if not corpus.valid:
            return train, None
        return train, HeldOut(corpus.valid, data, TakeReader((), data, self._tracks, self._edge_unit))

    @property
    def figures(self) -> tuple[str, ...]:
        return (*super().figures, "contour_error", "voicing_error")

    def collate(self, items: list[Any]) -> SegmentBatch:
        return collate_harmonic(items, self._edge_unit, self._config.data.contour_items)

    def _speak(self, batch: SegmentBatch, vocoder: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        own = cast(HarmonicBatch, batch)
        melody = own["melody_frames"], own["melody_where"]
        sound, log_durations, contours = vocoder(own["frames"], own["voice"], own["log_f0"], own["runs"], melody)
        voiced, weight = own["melody_voiced"], own["melody_weight"]
        losses = {
            "contour": contour_loss(contours[:, 0], own["melody_z"], voiced, weight),
            "voicing": voicing_loss(contours[:, 1], voiced, weight),
        }
        return sound, log_durations, losses

    def _say(self, batch: SegmentBatch, one: slice, length: int) -> Tensor:
        log_f0 = cast(HarmonicBatch, batch)["log_f0"][one, : length * 4]
        return limited(self._harmonic(batch["frames"][one, :length], batch["voice"][one], log_f0))

    def _measure(self, batch: SegmentBatch, number: int, length: int) -> tuple[Tensor, Metrics]:
        """Measure as for any vocoder, spoken with the recording's pitch, and measure the predicted pitch.

        contour_error: mean distance of the predicted contour in voiced steps, in spreads of the speaker (0.1 is about a fifth of a
        semitone for a lively voice). voicing_error: share of steps with wrong voicing.
        """
        made, metrics = super()._measure(batch, number, length)
        own = cast(HarmonicBatch, batch)
        one = slice(number, number + 1)
        contour, logits = self._harmonic.pitch(own["melody_frames"][one], own["melody_where"][one])[0]
        voiced, weight = own["melody_voiced"][number], own["melody_weight"][number]

        both = voiced * weight
        error = ((contour - own["melody_z"][number]).abs() * both).sum() / both.sum().clamp(min=1)
        wrong = (((logits > 0) != (voiced > 0)) * weight).sum() / weight.sum().clamp(min=1)
        return made, metrics | {"contour_error": float(error), "voicing_error": float(wrong)}
