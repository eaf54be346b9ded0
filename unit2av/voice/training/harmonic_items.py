"""Training segments of a harmonic voice: sound, units and voice as for any vocoder, and their pitch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.errors import InputError
from avcore.speech.pitch import filled_log, pitch_of
from avcore.timeline import units_to_samples
from avdata.published.unit2a import Utterance, Vector
from avtrain.sampling import Key, item_generator
from unit2av.voice.contour import FEATURES, places
from unit2av.voice.harmonic import PER_STEP
from unit2av.voice.training.config import DataConfig
from unit2av.voice.training.items import AlignedReader, Batch, Preloaded, Reader, Segment, blur_voice, collate
from unit2av.voice.training.pitch import Tracks

_NO_PITCH = math.log(120.0), 0.12
"""Median and spread of ln F0 for an utterance that is hardly voiced; it teaches next to nothing."""


@dataclass(frozen=True)
class Melody:
    """The contour of a whole utterance. frames: int64 [T]. z: float32 [T], (ln F0 - median) / spread. voiced: bool [T]."""

    frames: NDArray[np.int64]
    z: Vector
    voiced: NDArray[np.bool_]


@dataclass(frozen=True)
class HarmonicSegment(Segment):
    """log_f0: float32 [4 T] of its own steps. melody: of the utterance that it is cut from. is_held_out: not learnt from."""

    log_f0: Vector
    melody: Melody
    is_held_out: bool = False


class HarmonicBatch(Batch):
    """log_f0: float32 [batch, 4 * time]. melody_*: contours of some utterances, whole, shorter ones filled up.

    melody_frames: int64 [n, T]. melody_where: float32 [n, 10, T] of `places`. melody_z, melody_voiced, melody_weight: float32
    [n, T], the weight 0 where a row is filled up.
    """

    log_f0: Tensor
    melody_frames: Tensor
    melody_where: Tensor
    melody_z: Tensor
    melody_voiced: Tensor
    melody_weight: Tensor


@dataclass(frozen=True)
class Take:
    """An utterance with silence around it. frames: int64 [T]. samples: float32 [320 T]. log_f0: float32 [4 T]."""

    frames: NDArray[np.int64]
    samples: Vector
    log_f0: Vector
    melody: Melody


class TakeReader:
    """Reads utterances and puts `edge_steps` of silence around them: without it a voice never learns to be silent."""

    def __init__(self, utterances: Sequence[Utterance], config: DataConfig, tracks: Tracks, silence: int | None) -> None:
        reader = AlignedReader(config)
        self._read: Reader = Preloaded(reader, utterances) if config.preload and utterances else reader
        self._tracks, self._config = tracks, config
        self._silence, self._steps = silence or 0, 0 if silence is None else config.edge_steps

    def __call__(self, utterance: Utterance, shortest: int) -> Take:
        """Read one, again and again until there are `shortest` steps. Raises what `AlignedReader` raises."""
        frames, samples = self._read(utterance)
        track = self._tracks.get(utterance.id)
        if track is None:
            raise InputError("this recording has no pitch track", path=utterance.audio)
        values = len(frames) * PER_STEP
        track = np.pad(track[:values], (0, max(0, values - len(track))))
        frames = np.pad(frames, self._steps, constant_values=self._silence)
        samples, track = np.pad(samples, units_to_samples(self._steps)), np.pad(track, self._steps * PER_STEP)
        while len(frames) < shortest:
            frames, samples, track = np.tile(frames, 2), np.tile(samples, 2), np.tile(track, 2)
        log_f0, voiced = filled_log(track)
        return Take(frames, samples, log_f0, _melody(frames, log_f0, voiced, track))


def _melody(frames: NDArray[np.int64], log_f0: Vector, voiced: NDArray[np.bool_], track: Vector) -> Melody:
    pitch = pitch_of(track)
    median, spread = _NO_PITCH if pitch is None else (pitch.median, pitch.spread)
    by_step = log_f0.reshape(-1, PER_STEP).mean(1)
    half = PER_STEP / 2
    return Melody(frames, ((by_step - median) / spread).astype(np.float32), voiced.reshape(-1, PER_STEP).sum(1) >= half)


class HarmonicSegments:
    """Random segments of equal length (avtrain.data.ItemSource); which one depends on seed, epoch and index alone."""

    def __init__(self, utterances: Sequence[Utterance], config: DataConfig, read: TakeReader, seed: int) -> None:
        self._utterances, self._config, self._read, self._seed = list(utterances), config, read, seed

    def __len__(self) -> int:
        return len(self._utterances) * self._config.segments_per_item

    def load(self, key: Key) -> HarmonicSegment:
        """Item key[1] in epoch key[0]. Raises what `TakeReader` raises."""
        utterance = self._utterances[key[1] % len(self._utterances)]
        length = self._config.segment_units
        take = self._read(utterance, length)
        chance = item_generator(self._seed, key)
        start = int(chance.integers(len(take.frames) - length + 1))
        voice = require_voice(utterance)
        if self._config.voice_noise:
            voice = blur_voice(voice, self._config.voice_noise, chance)
        return cut(utterance.id, take, voice, start, length)

    def name(self, index: int) -> str:
        return self._utterances[index % len(self._utterances)].id

    def lengths(self) -> list[int]:
        return [self._config.segment_units] * len(self)


class HeldOutTakes:
    """Utterances from their beginning, for validation, each the same in every epoch."""

    def __init__(self, utterances: Sequence[Utterance], config: DataConfig, read: TakeReader) -> None:
        self._utterances, self._config, self._read = list(utterances), config, read

    def __len__(self) -> int:
        return len(self._utterances)

    def load(self, key: Key) -> HarmonicSegment:
        """Utterance key[1]."""
        utterance = self._utterances[key[1]]
        take = self._read(utterance, self._config.segment_units)
        length = min(len(take.frames), self._config.valid_units_at_most)
        return replace(cut(utterance.id, take, require_voice(utterance), 0, length), is_held_out=True)

    def name(self, index: int) -> str:
        return self._utterances[index].id

    def lengths(self) -> list[int]:
        longest = self._config.valid_units_at_most
        return [min(utterance.units.num_steps + 2 * self._config.edge_steps, longest) for utterance in self._utterances]


def require_voice(utterance: Utterance) -> Vector:
    """The voice of an utterance. Raises InputError where it has none."""
    if utterance.voice is None:
        raise InputError("this utterance has no voice", path=utterance.id)
    return utterance.voice


def cut(name: str, take: Take, voice: Vector, start: int, length: int) -> HarmonicSegment:
    """Steps `start` to `start + length` of a take."""
    end = start + length
    return HarmonicSegment(
        name, take.frames[start:end], take.samples[units_to_samples(start) : units_to_samples(end)], voice,
        take.log_f0[start * PER_STEP : end * PER_STEP], take.melody,
    )  # fmt: skip


def collate_harmonic(segments: Sequence[HarmonicSegment], silence: int | None, contours: int) -> HarmonicBatch:
    """Make a batch of segments, with the whole contours of the first `contours` of them, or of all that are held out."""
    plain = collate(segments)
    log_f0 = np.zeros((len(segments), plain["frames"].shape[1] * PER_STEP), np.float32)
    for row, segment in enumerate(segments):
        log_f0[row, : len(segment.log_f0)] = segment.log_f0
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
