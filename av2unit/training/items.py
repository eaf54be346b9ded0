"""Training items of the unit encoder: masked clips, and batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from av2unit.config import AvHubertConfig
from av2unit.features import HOP, fit_length, log_filterbank, normalise_rows, stack_rows
from av2unit.training.augment import WrongLips, augmented_filterbank, cut_lips, draw_hop, steps_at
from av2unit.training.config import AugmentConfig, DataConfig, MaskingConfig, MicrophoneConfig
from av2unit.training.media import MediaReader
from av2unit.training.noise import NoiseMixer, draw_channel, pass_through
from avcore.arrays import Floats, Frames
from avcore.data.corpus import Corpus, CorpusClip
from avcore.data.labels import LARGEST_DIFFERENCE, NO_LABEL, Labels
from avcore.errors import InputError
from avcore.timeline import UNITS_PER_FRAME, frames_to_seconds, units_to_frames, units_to_seconds
from avcore.train.data import ItemsOf, pad

Mask = NDArray[np.bool_]
_NOTHING, _SOUND, _LIPS = "", "sound", "lips"
"""The modality that is dropped from a clip."""


class ClipExample(NamedTuple):
    """A clip of `time` steps, to be put into a batch."""

    audio: Floats | None
    """float32 [time, channels]; None = the clip has no sound, or it was dropped"""
    video: Frames | None
    """uint8 [time, side, side]; None = the clip has no lips, or they were dropped"""
    audio_mask: Mask
    """bool [time], where the mask embedding replaces audio"""
    mask: Mask
    """bool [time], where either modality is masked"""
    targets: NDArray[np.int64]
    """classes, int64 [time, heads]"""


@dataclass(frozen=True)
class ValidationPair:
    """A validation clip, whole and masked."""

    whole: ClipExample
    hidden: ClipExample


class ClipBatch(NamedTuple):
    """Padded clips. Padding is 0 or False, and NO_LABEL in `targets`."""

    audio: Tensor
    """float32 [batch, time, channels]"""
    video: Tensor
    """uint8 [batch, time, side, side]"""
    audio_mask: Tensor
    """bool [batch, time]"""
    mask: Tensor
    """bool [batch, time]"""
    has_audio: Tensor
    """bool [batch]"""
    targets: Tensor
    """int64 [batch, time, heads]"""
    lengths: list[int]
    """steps of each clip"""
    video_lengths: list[int]
    """the same for lips, 0 = no lips"""


@dataclass(frozen=True)
class Recipe:
    """How clips are masked and augmented. A setting of None changes nothing; validation has all of them None."""

    data: DataConfig
    masking: MaskingConfig
    model: AvHubertConfig
    seed: int
    augment: AugmentConfig | None = None
    noise: NoiseMixer | None = None
    microphone: MicrophoneConfig | None = None
    wrong_lips: WrongLips | None = None


class ClipItems(ItemsOf[CorpusClip, ClipExample | ValidationPair]):
    """The clips of a corpus as items."""

    def __init__(
        self, corpus: Corpus, indices: Sequence[int], labels: Labels, classes: NDArray[np.int64], recipe: Recipe, media: MediaReader
    ) -> None:
        """indices: of the clips that are used. classes: int64 [units], the class of each unit."""
        longest = recipe.data.crop_frames or recipe.data.max_frames
        steps = np.minimum(labels.lengths // UNITS_PER_FRAME, longest)[np.asarray(indices)]
        super().__init__([corpus.clips[index] for index in indices], steps.tolist(), recipe.seed)
        self._indices, self._labels, self._classes, self._recipe, self._media = indices, labels, classes, recipe, media

    @property
    def inputs(self) -> list[str]:
        """Kinds of input that any clip has: audio, video, audio_video."""
        there = {(bool(clip.audio), bool(clip.lips)) for clip in self.rows}
        found = {"audio": any(heard for heard, _ in there), "video": any(seen for _, seen in there)}
        return [name for name, is_there in (found | {"audio_video": (True, True) in there}).items() if is_there]

    def item(self, index: int, rng: np.random.Generator) -> ClipExample | ValidationPair:
        """Read, augment and mask a clip. Returns a pair in validation."""
        clip, units = self.rows[index], self._labels.of(self._indices[index])
        if self._recipe.augment is None:
            whole = self._read(clip, units, "", _NOTHING, rng)
            return ValidationPair(whole, self._hide(whole, clip, rng))

        wrong = self._wrong_lips(clip, rng)
        left_out = _NOTHING if wrong else self._draw_left_out(clip, rng)  # the labels do not fit foreign lips alone
        return self._hide(self._read(clip, units, wrong, left_out, rng), clip, rng)

    def _wrong_lips(self, clip: CorpusClip, rng: np.random.Generator) -> str:
        """Draw the kind of foreign lips that a clip gets; "" = its own lips."""
        if self._recipe.wrong_lips is None or not clip.audio or not clip.lips:
            return ""
        return self._recipe.wrong_lips.draw(rng)

    def _draw_left_out(self, clip: CorpusClip, rng: np.random.Generator) -> str:
        """Draw the modality that is dropped from a clip with both (modality dropout), so that it need not be read."""
        masking = self._recipe.masking
        is_any, is_sound = rng.random() < masking.modality_dropout, rng.random() < masking.audio_dropout
        if not is_any or not clip.audio or not clip.lips:
            return _NOTHING
        return _SOUND if is_sound else _LIPS

    def _read(
        self, clip: CorpusClip, labels: NDArray[np.int32], wrong: str, left_out: str, rng: np.random.Generator
    ) -> ClipExample:
        """Read a clip, without masks. wrong: kind of foreign lips. left_out: the modality that is dropped."""
        hop = HOP if self._recipe.augment is None else draw_hop(self._recipe.augment, rng)
        lips = steps_at(self._media.lips(clip.lips), hop) if clip.lips else None
        if lips is not None and wrong and self._recipe.wrong_lips is not None:
            lips = self._recipe.wrong_lips(lips, wrong, rng)
        rows = None if left_out == _SOUND else self._rows(clip, hop, None if lips is None else len(lips), rng)

        num_steps = max(len(part) for part in (lips, rows) if part is not None)
        units = steps_at(labels, hop)
        difference = abs(frames_to_seconds(num_steps) - units_to_seconds(len(units)))
        # Sound alone is rounded up to rows of 40 ms, and a clip at another pace to steps.
        if difference >= LARGEST_DIFFERENCE + frames_to_seconds(0 if clip.lips and hop == HOP else 1):
            raise InputError(
                "labels and media differ in length",
                path=clip.lips or clip.audio,
                expected=f"{float(units_to_seconds(len(units))):.2f} s",
                found=f"{float(frames_to_seconds(num_steps)):.2f} s",
            )

        steps = min(num_steps, units_to_frames(len(units)))
        classes: NDArray[np.int64] = self._classes[units[: steps * UNITS_PER_FRAME]]
        targets = classes.reshape(steps, UNITS_PER_FRAME)
        start, stop = self._stretch(len(targets), rng)
        size, augment = self._recipe.model.image_crop_size, self._recipe.augment
        shown = None if lips is None or left_out == _LIPS else cut_lips(lips[start:stop], size, augment, rng)
        nowhere = np.zeros(stop - start, dtype=np.bool_)
        return ClipExample(None if rows is None else rows[start:stop], shown, nowhere, nowhere, targets[start:stop])

    def _rows(self, clip: CorpusClip, hop: int, num_frames: int | None, rng: np.random.Generator) -> Floats | None:
        """Return filterbank rows, float32 [time, channels], stacked, aligned and normalised as in inference."""
        if not clip.audio:
            return None

        recipe, model = self._recipe, self._recipe.model
        samples = self._media.speech(clip.audio).astype(np.float64)
        if recipe.noise is not None:
            samples = recipe.noise(samples, rng)
        if recipe.microphone is not None:
            samples = pass_through(samples, draw_channel(recipe.microphone, rng), rng)

        rows = log_filterbank(samples) if recipe.augment is None else augmented_filterbank(samples, recipe.augment, rng, hop)
        stacked = stack_rows(rows, model.stack_order_audio)
        if num_frames is not None:
            stacked = fit_length(stacked, num_frames)
        return normalise_rows(stacked) if model.normalize else stacked

    def _stretch(self, length: int, rng: np.random.Generator) -> tuple[int, int]:
        crop = self._recipe.data.crop_frames
        if not crop or length <= crop:
            return 0, length
        start = 0 if self._recipe.augment is None else int(rng.integers(length - crop + 1))
        return start, start + crop

    def _hide(self, item: ClipExample, clip: CorpusClip, rng: np.random.Generator) -> ClipExample:
        """Mask spans. For the loss a step is masked where either modality is, as published, even if that modality was dropped."""
        masking, length = self._recipe.masking, len(item.targets)
        video, audio_mask, video_mask = item.video, item.audio_mask, item.mask

        if clip.lips:
            starts, span = draw_spans(length, masking.image_prob, masking.mask_length_image, masking.min_spans, rng)
            video_mask = spans_mask(length, starts, span)
            video = None if video is None else replace_spans(video, starts, span, rng)

        if clip.audio:
            starts, span = draw_spans(length, masking.audio_prob, masking.mask_length_audio, masking.min_spans, rng)
            audio_mask = spans_mask(length, starts, span)
        return item._replace(video=video, audio_mask=audio_mask, mask=audio_mask | video_mask)


def collate_pairs(pairs: list[ValidationPair], channels: int, side: int) -> tuple[ClipBatch, ClipBatch]:
    """Return two batches of the same clips, whole and masked."""
    return collate([pair.whole for pair in pairs], channels, side), collate([pair.hidden for pair in pairs], channels, side)


def collate(items: list[ClipExample], channels: int, side: int) -> ClipBatch:
    """Pad items to one length. channels: values in an audio row; side: of a lip frame, pixels."""
    lengths = [len(item.targets) for item in items]
    audio = [
        np.zeros((length, channels), np.float32) if i.audio is None else i.audio for i, length in zip(items, lengths, strict=True)
    ]
    video = [np.zeros((0, side, side), np.uint8) if item.video is None else item.video for item in items]
    shown = np.zeros((len(items), max(lengths), side, side), np.uint8)
    for place, clip in zip(shown, video, strict=True):
        place[: len(clip)] = clip

    return ClipBatch(
        audio=pad(audio),
        video=torch.from_numpy(shown),
        audio_mask=pad([item.audio_mask for item in items]),
        mask=pad([item.mask for item in items]),
        has_audio=torch.tensor([item.audio is not None for item in items]),
        targets=pad([item.targets for item in items], NO_LABEL),
        lengths=lengths,
        video_lengths=[len(clip) for clip in video],
    )


# Masking: spans of sound, and spans of lips, which are replaced by others of the same clip


def draw_spans(length: int, prob: float, span: int, min_spans: int, rng: np.random.Generator) -> tuple[list[int], int]:
    """Draw the starts of masked spans in a sequence; returns them and the length of a span.

    There are prob * length / span of them, rounded up or down at random, and at least `min_spans`. Starts differ, but spans may
    overlap, so they cover less than `prob` (wav2vec 2.0: Baevski et al. 2020, section 3.1). A span is at most half the sequence.
    """
    span = min(span, max(1, length // 2))
    if prob <= 0 or length < 2:
        return [], span
    wanted = max(min_spans, int(prob * length / span + rng.random()))
    places = length - span + 1
    return sorted(rng.choice(places, min(wanted, places), replace=False).tolist()), span


def spans_mask(length: int, starts: list[int], span: int) -> Mask:
    """Return a mask, bool [length], True at the steps that the spans cover."""
    mask = np.zeros(length, dtype=np.bool_)
    for start in starts:
        mask[start : start + span] = True
    return mask


def replace_spans(frames: Frames, starts: list[int], span: int, rng: np.random.Generator) -> Frames:
    """Replace each span by another one of the same original clip.

    frames: uint8 [time, height, width]; returns a copy. A span never replaces itself.
    """
    replaced = frames.copy()
    others = len(frames) - span
    for start in starts:
        # One place fewer is drawn from, and `start` is stepped over: all other places stay equally likely.
        origin = int(rng.integers(others))
        origin += origin >= start
        replaced[start : start + span] = frames[origin : origin + span]
    return replaced
