"""Training segments of a vocoder: sound, its units, its voice and maybe its pitch, cut on the grid of 20 ms."""

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.data.published.unit2a import Vector, VoiceClip
from avcore.errors import InputError, NetflipsError
from avcore.media import read_speech
from avcore.notes import several
from avcore.speech.pitch import Track, filled_log, pitch_of
from avcore.timeline import units_to_seconds
from avcore.train.data import ItemsOf, pad
from unit2av.voice.harmonic import PER_STEP
from unit2av.voice.source import places
from unit2av.voice.training.config import VoiceDataConfig
from unit2av.voice.training.losses import Runs, stack_runs, whole_runs

LOG = logging.getLogger("netflips.train")
_NO_PITCH = math.log(120.0), 0.12
"""Median and spread of ln F0 assumed for an utterance that is hardly voiced, from which next to nothing is learnt."""
Tracks = Mapping[str, Track]
"""F0 (Hz) every 5 ms by utterance, float32 [S // 80], 0 where unvoiced, without the tracker's jumps."""
Aligned = tuple[NDArray[np.int64], Vector]
"""An utterance's frames, int64 [T], one unit every 20 ms, and its samples, float32 [samples a unit * T]."""


@dataclass(frozen=True)
class Melody:
    """The pitch of an utterance."""

    log_f0: Vector
    """float32 [4 T]"""
    frames: NDArray[np.int64]
    """int64 [T]"""
    z: Vector
    """its contour, float32 [T]: (ln F0 - median) / spread"""
    voiced: NDArray[np.bool_]
    """bool [T]"""


@dataclass(frozen=True)
class Segment:
    """An utterance, or a stretch of it."""

    name: str
    frames: NDArray[np.int64]
    """int64 [T], one unit every 20 ms"""
    samples: Vector
    """float32 [samples a unit * T]"""
    voice: Vector
    """float32 [E]"""
    start: int = 0
    """first step of the utterance that is in it"""
    melody: Melody | None = None
    """of the whole utterance; None for a voice without a pitch"""
    is_held_out: bool = False
    """used for validation only"""

    def cut(self, start: int, length: int) -> "Segment":
        """Return `length` steps of the whole utterance."""
        size, end = len(self.samples) // len(self.frames), start + length
        return replace(self, frames=self.frames[start:end], samples=self.samples[start * size : end * size], start=start)


class SegmentBatch(TypedDict):
    """Segments, padded with zeros."""

    names: list[str]
    frames: Tensor
    """int64 [batch, time]"""
    samples: Tensor
    """float32 [batch, samples a unit * time]"""
    num_frames: list[int]
    """lengths in steps of 20 ms"""
    voice: Tensor
    """float32 [batch, E]"""
    runs: Runs
    """see `whole_runs`"""


class PitchedBatch(SegmentBatch):
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


def read_aligned(utterance: VoiceClip, config: VoiceDataConfig) -> Aligned:
    """Read an utterance, with sound and units cut to the same length and its peak normalised.

    Raises MediaError, and InputError where the sound is silent or its length does not fit its units.
    """
    samples, frames = read_speech(utterance.audio, config.rate), utterance.units.frames()
    size = config.samples_per_unit
    num_units = len(samples) // size
    if abs(num_units - len(frames)) > config.max_mismatch_units:
        raise InputError(
            "the sound is not as long as its units",
            path=utterance.audio,
            expected=f"{float(units_to_seconds(len(frames))):.2f} s",
            found=f"{float(units_to_seconds(num_units)):.2f} s",
            hint="are these its units? (data.max_mismatch_units)",
        )

    shared = min(num_units, len(frames))
    samples = normalise_peak(samples, config.peak)
    if not shared or not samples.any():
        raise InputError("there is no sound in this recording", path=utterance.audio)
    return frames[:shared], samples[: shared * size]


class Recordings:
    """Reads utterances as segments of their whole length.

    kept: utterances that stay in memory if `data.preload` is set, which forked workers share without a copy. tracks: F0 for a voice
    with a pitch, None for one without. silence: the unit of `data.edge_steps` around each utterance, None = none; without it a
    voice with a pitch never learns silence.
    """

    def __init__(
        self, config: VoiceDataConfig, kept: Sequence[VoiceClip] = (), tracks: Tracks | None = None, silence: int | None = None
    ) -> None:
        self._config, self._tracks, self._silence = config, tracks, silence or 0
        self._steps = 0 if tracks is None or silence is None else config.edge_steps
        self._kept: dict[VoiceClip, Aligned] = {}  # not by id: one recording may be there with several units
        if config.preload and kept:
            LOG.info("reading %s into memory", several(len(kept), "recording"))
            for utterance in kept:
                with suppress(NetflipsError, OSError, ValueError, EOFError):  # named and counted when the loop asks for it
                    self._kept[utterance] = read_aligned(utterance, config)

    def segment(self, utterance: VoiceClip, shortest: int) -> Segment:
        """Return a whole utterance, repeated until it has `shortest` steps. Raises the errors of `read_aligned`."""
        frames, samples = self._kept.get(utterance) or read_aligned(utterance, self._config)
        track = np.zeros(0, np.float32) if self._tracks is None else self._tracks.get(utterance.id)
        if track is None:
            raise InputError("this recording has no pitch track", path=utterance.audio)

        if self._tracks is not None:
            values = len(frames) * PER_STEP
            track = np.pad(track[:values], (0, max(0, values - len(track))))
        if self._steps:
            frames = np.pad(frames, self._steps, constant_values=self._silence)
            samples, track = np.pad(samples, self._steps * self._config.samples_per_unit), np.pad(track, self._steps * PER_STEP)
        while len(frames) < shortest:
            frames, samples, track = np.tile(frames, 2), np.tile(samples, 2), np.tile(track, 2)

        assert utterance.voice is not None  # as in every corpus of voices
        melody = None if self._tracks is None else melody_of(frames, track)
        return Segment(utterance.id, frames, samples, utterance.voice, melody=melody)


def melody_of(frames: NDArray[np.int64], track: Track) -> Melody:
    """Return the pitch of an utterance of frames int64 [T]; track: F0 in Hz, float32 [4 T], 0 where unvoiced."""
    log_f0, voiced = filled_log(track)
    pitch = pitch_of(track)
    median, spread = _NO_PITCH if pitch is None else (pitch.median, pitch.spread)
    z = (log_f0.reshape(-1, PER_STEP).mean(1) - median) / spread
    return Melody(log_f0, frames, z.astype(np.float32), voiced.reshape(-1, PER_STEP).sum(1) >= PER_STEP / 2)


class TrainingSegments(ItemsOf[VoiceClip, Segment]):
    """Random segments of equal length."""

    def __init__(
        self, utterances: Sequence[VoiceClip], config: VoiceDataConfig, seed: int, recordings: Recordings | None = None
    ) -> None:
        rows = [*utterances] * config.segments_per_item
        super().__init__(rows, [config.segment_units] * len(rows), seed)
        self._length, self._recordings = config.segment_units, recordings or Recordings(config, utterances)

    def item(self, index: int, rng: np.random.Generator) -> Segment:
        """Return a segment of an utterance. Raises the errors of `read_aligned`."""
        whole = self._recordings.segment(self.rows[index], self._length)
        return whole.cut(int(rng.integers(len(whole.frames) - self._length + 1)), self._length)


class HeldOut(ItemsOf[VoiceClip, Segment]):
    """Utterances from their beginning, for validation. Those shorter than a training segment are repeated, too."""

    def __init__(self, utterances: Sequence[VoiceClip], config: VoiceDataConfig, recordings: Recordings | None = None) -> None:
        self._shortest, self._longest = config.segment_units, config.valid_units_at_most
        super().__init__(utterances, (min(utterance.units.num_steps, self._longest) for utterance in utterances))
        self._recordings = recordings or Recordings(config)

    def item(self, index: int, rng: np.random.Generator) -> Segment:
        """Return an utterance, the same in every epoch."""
        return replace(self._recordings.segment(self.rows[index], self._shortest).cut(0, self._longest), is_held_out=True)


def normalise_peak(samples: Vector, peak: float) -> Vector:
    """Scale float32 [S] to the highest sample `peak`; silence is unchanged."""
    highest = float(np.abs(samples).max(initial=0.0))
    return np.asarray(samples / highest * peak, dtype=np.float32) if highest > 0 else samples


def collate_speech(segments: Sequence[Segment]) -> SegmentBatch:
    """Make a batch of segments."""
    return SegmentBatch(
        names=[segment.name for segment in segments],
        frames=pad([segment.frames for segment in segments]),
        samples=pad([segment.samples for segment in segments]),
        num_frames=[len(segment.frames) for segment in segments],
        voice=torch.from_numpy(np.stack([segment.voice for segment in segments])),
        runs=stack_runs([whole_runs(segment.frames) for segment in segments]),
    )


def collate_pitched(segments: Sequence[Segment], silence: int | None, contours: int) -> PitchedBatch:
    """Make a batch of segments, with whole contours: those of the first `contours` segments, and of all held-out ones."""
    longest = max(len(segment.frames) for segment in segments)
    log_f0, melodies = list[Vector](), list[Melody]()
    for row, segment in enumerate(segments):
        assert segment.melody is not None  # as in every corpus of a voice with a pitch
        own = segment.melody.log_f0[segment.start * PER_STEP :][: len(segment.frames) * PER_STEP]
        # Padding repeats the last value: 0 would be an F0 of 1 Hz.
        log_f0.append(np.pad(own, (0, longest * PER_STEP - len(own)), mode="edge"))
        if row < contours or segment.is_held_out:
            melodies.append(segment.melody)

    return PitchedBatch(
        **collate_speech(segments),
        log_f0=torch.from_numpy(np.stack(log_f0)),
        melody_frames=pad([melody.frames for melody in melodies], silence or 0),
        melody_where=pad([places(melody.frames, silence).T for melody in melodies]).transpose(1, 2).contiguous(),
        melody_z=pad([melody.z for melody in melodies]),
        melody_voiced=pad([melody.voiced for melody in melodies]).float(),
        melody_weight=pad([np.ones(len(melody.frames), np.float32) for melody in melodies]),
    )
