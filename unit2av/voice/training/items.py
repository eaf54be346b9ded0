"""Training segments of a vocoder: sound, its units and its voice, cut on the grid of 20 ms."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.errors import InputError, NetflipsError
from avcore.media import read_speech
from avcore.notes import several
from avcore.timeline import units_to_seconds
from avdata.published.unit2a import Vector, VoiceClip
from avtrain.data import ItemsOf, Key, item_generator
from unit2av.voice.training.config import VoiceDataConfig
from unit2av.voice.training.losses import Runs, stack_runs, whole_runs

LOG = logging.getLogger("netflips.train")


@dataclass(frozen=True)
class Segment:
    """A stretch of an utterance."""

    name: str
    frames: NDArray[np.int64]
    """int64 [T], one unit every 20 ms"""
    samples: Vector
    """float32 [320 * T]"""
    voice: Vector
    """float32 [E]"""


class SegmentBatch(TypedDict):
    """Segments, padded with zeros."""

    names: list[str]
    frames: Tensor
    """int64 [batch, time]"""
    samples: Tensor
    """float32 [batch, 320 * time]"""
    num_frames: list[int]
    """lengths in steps of 20 ms"""
    voice: Tensor
    """float32 [batch, E]"""
    runs: Runs
    """see `whole_runs`"""


Aligned = tuple[NDArray[np.int64], Vector]
"""An utterance's frames, int64 [T], and its samples, float32 [320 * T]."""
Reader = Callable[[VoiceClip], Aligned]


class AlignedReader:
    """Reads recordings and cuts sound and units to the same length."""

    def __init__(self, config: VoiceDataConfig) -> None:
        self._config = config

    def __call__(self, utterance: VoiceClip) -> Aligned:
        """Read an utterance, with its peak normalised.

        Raises MediaError, and InputError where the sound is silent or its length does not fit its units.
        """
        samples, frames = read_speech(utterance.audio, self._config.rate), utterance.units.frames()
        size = self._config.samples_per_unit
        num_units = len(samples) // size
        if abs(num_units - len(frames)) > self._config.max_mismatch_units:
            raise InputError(
                "the sound is not as long as its units",
                path=utterance.audio,
                expected=f"{float(units_to_seconds(len(frames))):.2f} s",
                found=f"{float(units_to_seconds(num_units)):.2f} s",
                hint="are these its units? (data.max_mismatch_units)",
            )

        shared = min(num_units, len(frames))
        samples = normalise_peak(samples, self._config.peak)
        if not shared or not samples.any():
            raise InputError("there is no sound in this recording", path=utterance.audio)
        return frames[:shared], samples[: shared * size]


class Preloaded:
    """Keeps recordings in memory, which forked workers share without a copy. Recordings that failed are read again."""

    def __init__(self, reader: Reader, utterances: Sequence[VoiceClip]) -> None:
        self._reader = reader
        self._kept: dict[VoiceClip, Aligned] = {}  # not by id: one recording may be there with several units
        LOG.info("reading %s into memory", several(len(utterances), "recording"))
        for utterance in utterances:
            try:
                self._kept[utterance] = reader(utterance)
            except (NetflipsError, OSError, ValueError, EOFError):
                continue  # it is named and counted when the loop asks for it

    def __call__(self, utterance: VoiceClip) -> Aligned:
        return self._kept.get(utterance) or self._reader(utterance)


@dataclass(frozen=True)
class Take:
    """An utterance as it was read."""

    frames: NDArray[np.int64]
    """int64 [T]"""
    samples: Vector
    """float32 [320 T]"""

    def cut(self, name: str, voice: Vector, start: int, length: int, is_held_out: bool) -> Segment:
        """Return steps `start` to `start + length` as an item. is_held_out: for validation only."""
        end, size = start + length, len(self.samples) // len(self.frames)
        return Segment(name, self.frames[start:end], self.samples[start * size : end * size], voice)


Takes = Callable[[VoiceClip, int], Take]
"""Reads an utterance, repeated until it has the given number of steps."""


def plain_takes(utterances: Sequence[VoiceClip], config: VoiceDataConfig) -> Takes:
    """Return a function that reads utterances as they are. utterances: those to keep in memory if `preload` is set."""
    reader = AlignedReader(config)
    read: Reader = Preloaded(reader, utterances) if config.preload and utterances else reader

    def take(utterance: VoiceClip, shortest: int) -> Take:
        frames, samples = read(utterance)
        while len(frames) < shortest:
            frames, samples = np.tile(frames, 2), np.tile(samples, 2)
        return Take(frames, samples)

    return take


class TrainingSegments(ItemsOf[VoiceClip, Segment]):
    """Random segments of equal length, which depend on seed, epoch and index alone."""

    def __init__(self, utterances: Sequence[VoiceClip], config: VoiceDataConfig, seed: int, takes: Takes | None = None) -> None:
        rows = [*utterances] * config.segments_per_item
        super().__init__(rows, [config.segment_units] * len(rows))
        self._config, self._seed, self._takes = config, seed, takes or plain_takes(utterances, config)

    def load(self, key: Key) -> Segment:
        """Return item key[1] in epoch key[0]. Raises the errors of its reader."""
        utterance = self.rows[key[1]]
        length, noise = self._config.segment_units, self._config.voice_noise
        take, chance = self._takes(utterance, length), item_generator(self._seed, key)
        start, voice = int(chance.integers(len(take.frames) - length + 1)), voice_of_clip(utterance)
        return take.cut(utterance.id, blur_voice(voice, noise, chance) if noise else voice, start, length, False)


def voice_of_clip(utterance: VoiceClip) -> Vector:
    """Return the voice of an utterance. Raises InputError where it has none."""
    if utterance.voice is None:
        raise InputError("this utterance has no voice", path=utterance.id)
    return utterance.voice


def blur_voice(voice: Vector, amount: float, chance: np.random.Generator) -> Vector:
    """Return a random voice near a voice, float32 [E]: it is moved by `amount` times its length, and its length is kept."""
    length = float(np.linalg.norm(voice))
    direction = chance.standard_normal(len(voice))
    moved = voice + amount * length * direction / np.linalg.norm(direction)
    return (moved * (length / np.linalg.norm(moved))).astype(np.float32)


class HeldOut(ItemsOf[VoiceClip, Segment]):
    """Utterances from their beginning, for validation. Those shorter than a training segment are repeated, too."""

    def __init__(self, utterances: Sequence[VoiceClip], config: VoiceDataConfig, takes: Takes | None = None) -> None:
        self._shortest, self._longest = config.segment_units, config.valid_units_at_most
        super().__init__(utterances, (min(one.units.num_steps, self._longest) for one in utterances))
        self._takes = takes or plain_takes((), config)

    def load(self, key: Key) -> Segment:
        """Return utterance key[1], the same in every epoch."""
        utterance = self.rows[key[1]]
        take = self._takes(utterance, self._shortest)
        return take.cut(utterance.id, voice_of_clip(utterance), 0, min(len(take.frames), self._longest), True)


def normalise_peak(samples: Vector, peak: float) -> Vector:
    """Scale float32 [S] to the highest sample `peak`; silence is unchanged."""
    highest = float(np.abs(samples).max(initial=0.0))
    return np.asarray(samples / highest * peak, dtype=np.float32) if highest > 0 else samples


def collate_speech(segments: Sequence[Segment]) -> SegmentBatch:
    """Make a batch of segments."""
    lengths = [len(segment.frames) for segment in segments]
    frames = np.zeros((len(segments), max(lengths)), dtype=np.int64)
    size = len(segments[0].samples) // lengths[0]
    samples = np.zeros((len(segments), max(lengths) * size), dtype=np.float32)

    for row, segment in enumerate(segments):
        frames[row, : len(segment.frames)] = segment.frames
        samples[row, : len(segment.samples)] = segment.samples

    return SegmentBatch(
        names=[segment.name for segment in segments],
        frames=torch.from_numpy(frames),
        samples=torch.from_numpy(samples),
        num_frames=lengths,
        voice=torch.from_numpy(np.stack([segment.voice for segment in segments])),
        runs=stack_runs([whole_runs(segment.frames) for segment in segments]),
    )
