"""Training data of lips: clips, checked against their units before the first step, and windows of faces and units, aligned with two
units to a frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from avcore.arrays import Frames
from avcore.data.unit_store import resolve_vocabulary, table_size
from avcore.errors import InputError
from avcore.timeline import frames_to_units, units_to_frames
from avcore.train.frames import relight, turn
from avcore.units import Ids, Units
from unit2av.face.model import FACE_SIZE, WINDOW_FRAMES
from unit2av.face.training.config import FaceAugmentConfig, LipDataConfig
from unit2av.lip_crops import ClipFaces, CropSource, reference_of
from unit2av.lip_task import ClipReading, FilmedClip, LipWindows, windows_seen

Example = TypeVar("Example", "FaceExample", "SyncExample")

_AVERAGED = 50
"""Frames of a clip that its average face is made of."""
_THUMBNAIL = 4
"""Step in pixels at which faces are compared for their pose."""
_TRIES = 8
"""Shifted windows that are tried until one has other units."""
_WHITE = 255


@dataclass(frozen=True, eq=False)
class LipClip(FilmedClip):
    """One clip."""

    units: Units
    """plain numbers with durations"""
    max_mismatch_units: int
    """by how much its video may be longer or shorter"""
    reference: CropSource | None = None
    """the same frames with another mouth; None = there are none"""

    @property
    def num_frames(self) -> int:
        """Length of the units in frames at 25 fps."""
        return units_to_frames(self.units.num_steps)

    def fits(self, num_frames: int) -> bool:
        """Return whether a number of frames at 25 fps is about as long as the units."""
        return abs(frames_to_units(num_frames) - self.units.num_steps) <= self.max_mismatch_units


@dataclass(frozen=True)
class FaceClips:
    """Training and validation clips of a run."""

    train: tuple[LipClip, ...]
    valid: tuple[LipClip, ...]
    vocabulary: str
    """fingerprint of the quantizer; "" = unknown"""

    def table_size(self, stated: int) -> int:
        """Return the rows of a table of their units: as stated, or for 0 as many as they need."""
        return table_size(stated, (clip.units for clip in (*self.train, *self.valid)))

    def check_range(self, num_units: int) -> None:
        """Raise UnitRangeError naming the first clip with a unit that a table of `num_units` rows lacks."""
        for clip in (*self.train, *self.valid):
            clip.units.check_range(num_units, clip.id)


def read_clips(config: LipDataConfig, min_frames: int, seed: int) -> FaceClips:
    """Read and check the data of a run.

    min_frames: least frames of a clip. Raises InputError naming clips without video, boxes or units and clips that are too short
    (if the configuration allows them, there is a warning instead), and VocabularyError for units of two quantizers.
    """
    train, valid = config.parts(lambda path: _read(path, config, min_frames), seed, lambda clip: clip.id, "clips")

    named = ((clip.id, clip.units.vocabulary) for clip in (*train, *valid))
    return FaceClips(tuple(train), tuple(valid), resolve_vocabulary(named, config.units_vocabulary))


def _read(manifest_path: str, config: LipDataConfig, min_frames: int) -> list[LipClip]:
    reading = ClipReading(manifest_path, config)
    units = config.units_by_id(config.units, {entry.id for entry in reading.manifest.entries})
    clips = list[LipClip]()
    for entry, footage in reading.footages():
        reference = reference_of(reading.manifest, entry, config.steady_boxes)
        if reference is not None and not reference.video.is_file():
            reading.lacks(entry, "without video", "set data.root", reference.video)
            continue
        if entry.id not in units:
            reading.lacks(entry, f"without units in {config.units}", "extract their units")
            continue
        clip = LipClip(footage, units[entry.id].units, config.max_mismatch_units, reference)

        frames = min(clip.num_frames, entry.frames or clip.num_frames)
        if frames < min_frames:
            reading.lacks(entry, f"too short, below {min_frames} frames", "cut longer clips", frames)
        elif entry.frames and not clip.fits(entry.frames):
            mix_up = "raise data.max_mismatch_units if it is no mix-up"
            reading.lacks(entry, "of another length than the units", mix_up, f"{entry.frames} and {clip.num_frames}")
        else:
            clips.append(clip)

    return reading.require(clips)


# Windows of clips


class FaceExample(NamedTuple):
    """A window for the face renderer."""

    target: Frames
    """uint8 [P, 96, 96, 3] RGB"""
    reference: Frames
    """uint8 [P, 96, 96, 3] RGB"""
    units: Ids
    """int64 [20]"""
    shown: Ids
    """which of the window's 10 frames the targets are, int64 [P]"""
    average: Frames
    """mean face of the clip, uint8 [96, 96, 3]; black where it is not needed"""


class SyncExample(NamedTuple):
    """A window for the sync expert."""

    mouths: Frames
    """lower halves, uint8 [F, 48, 96, 3] RGB"""
    units: Ids
    """own units and those of a shifted window, int64 [2, 2 F]"""


class _UnitWindows(LipWindows[LipClip, Example]):
    """Random windows of clips. An epoch has as many of a clip as fit into it without overlaps.

    num_frames: frames in a window. flip: share of windows that are mirrored. max_items: most items, taken evenly from all, for
    validation; 0 = all.
    """

    def __init__(
        self, clips: Sequence[LipClip], cache: str | Path, seed: int, num_frames: int, flip: float = 0.0, max_items: int = 0
    ) -> None:
        owners = np.repeat(np.arange(len(clips)), [max(1, clip.num_frames // num_frames) for clip in clips])
        # Evenly from all: the first windows would be those of a few clips.
        if 0 < max_items < len(owners):
            owners = owners[np.linspace(0, len(owners) - 1, max_items).round().astype(int)]
        super().__init__(clips, cache, seed, owners)
        self._num_frames, self._flip = num_frames, flip

    def _starts(self, clip: LipClip, faces: ClipFaces) -> Ids:
        """Return the first frames of all windows with a face in each frame: int64 [n], n at least 1. Raises InputError."""
        if not clip.fits(len(faces.frames)):
            raise InputError(
                "the video and its units differ in length",
                path=clip.footage.video,
                expected=f"{clip.num_frames} frames",
                found=f"{len(faces.frames)} frames",
                hint="raise data.max_mismatch_units if it is no mix-up",
            )

        starts = windows_seen(faces, self._num_frames, clip.num_frames)
        if not len(starts):
            raise InputError(
                f"no {self._num_frames} frames on end have a face", path=clip.footage.video, expected="face boxes for them"
            )
        return starts

    def _is_mirrored(self, generator: np.random.Generator) -> bool:
        return bool(generator.random() < self._flip)


class FaceWindows(_UnitWindows[FaceExample]):
    """Windows of 20 units for the renderer.

    frames: how many of the window's 10 frames are drawn. is_run: draw consecutive frames, as a sync expert needs them.
    same_reference: share of windows whose reference is the target itself. reference_choices: other windows from which the reference
    of each frame is chosen, by the most similar upper half. has_average: also compute the clip's mean face. augment: the same for
    target and reference.
    """

    def __init__(
        self,
        clips: Sequence[LipClip],
        cache: str | Path,
        seed: int,
        flip: float = 0.0,
        max_items: int = 0,
        frames: int = WINDOW_FRAMES,
        is_run: bool = True,
        same_reference: float = 0.0,
        reference_choices: int = 1,
        has_average: bool = False,
        augment: FaceAugmentConfig | None = None,
    ) -> None:
        super().__init__(clips, cache, seed, WINDOW_FRAMES, flip, max_items)
        self._frames, self._is_run = frames, is_run
        self._same_reference, self._reference_choices = same_reference, reference_choices
        self._has_average, self._augment = has_average, augment

    def example(self, clip: LipClip, faces: ClipFaces, generator: np.random.Generator) -> FaceExample:
        """Return a random window with reference and units."""
        starts = self._starts(clip, faces)
        start = int(generator.choice(starts))
        shown = self._shown(generator)
        target = faces.frames[start + shown]
        is_same = generator.random() < self._same_reference
        reference = target if is_same else self._reference(clip, faces, start, shown, starts, generator)
        average = _average(faces) if self._has_average else np.zeros((FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)

        if self._is_mirrored(generator):
            target, reference, average = target[:, :, ::-1], reference[:, :, ::-1], average[:, ::-1]

        # In one call: a reference that is turned or lit in another way than its target would be no help.
        if self._augment is not None:
            target, reference = np.split(augment_faces(np.concatenate((target, reference)), self._augment, generator), 2)
        return FaceExample(target, reference, _units_of(clip, start, WINDOW_FRAMES), shown, average)

    def _reference(
        self, clip: LipClip, faces: ClipFaces, start: int, shown: Ids, starts: Ids, generator: np.random.Generator
    ) -> Frames:
        """Return the same face with another mouth: from the clip's reference video if it has one, else from elsewhere in the
        clip."""
        if clip.reference is not None:
            return np.asarray(self._crops.faces(clip.reference).frames[start + shown])
        others = _elsewhere(start, starts, generator, clip, self._reference_choices)
        return np.asarray(faces.frames[_likest(faces.frames, start + shown, others[:, None] + shown)])

    def _shown(self, generator: np.random.Generator) -> Ids:
        if self._is_run:
            return np.arange(self._frames) + generator.integers(WINDOW_FRAMES - self._frames, endpoint=True)
        return np.sort(generator.permutation(WINDOW_FRAMES)[: self._frames])


class SyncWindows(_UnitWindows[SyncExample]):
    """Windows of frames with their own units and with shifted ones. min_shift: least shift in frames."""

    def __init__(
        self,
        clips: Sequence[LipClip],
        cache: str | Path,
        seed: int,
        num_frames: int,
        min_shift: int,
        flip: float = 0.0,
        max_items: int = 0,
    ) -> None:
        super().__init__(clips, cache, seed, num_frames, flip, max_items)
        self._min_shift = min_shift

    def example(self, clip: LipClip, faces: ClipFaces, generator: np.random.Generator) -> SyncExample:
        """Return a window with its own units and those of a shifted one."""
        start = int(generator.choice(self._starts(clip, faces)))
        spoken = _units_of(clip, start, self._num_frames)
        others = np.arange(min(clip.num_frames, len(faces.frames)) - self._num_frames + 1)
        others = generator.permutation(others[np.abs(others - start) >= self._min_shift])[:_TRIES]

        shifted = [_units_of(clip, int(other), self._num_frames) for other in others]
        if not shifted:
            raise InputError(
                "the clip is too short for a shifted window", path=clip.footage.video, found=f"{clip.num_frames} frames"
            )

        # Speech repeats itself: a shifted window may have the same units, and would be no counterexample.
        unlike = next((units for units in shifted if not np.array_equal(units, spoken)), shifted[0])
        mouths = faces.frames[start : start + self._num_frames, FACE_SIZE // 2 :]
        return SyncExample(mouths[:, :, ::-1] if self._is_mirrored(generator) else mouths, np.stack((spoken, unlike)))


def _units_of(clip: LipClip, start: int, num_frames: int) -> Ids:
    """Return the units spoken during `num_frames` frames from frame `start` on: int64 [2 * num_frames]."""
    return clip.units.frames()[frames_to_units(start) : frames_to_units(start + num_frames)]


def _elsewhere(start: int, starts: Ids, generator: np.random.Generator, clip: LipClip, number: int) -> Ids:
    """Draw the first frames of other windows, int64 [number], preferably of those that share no frame with the one at `start`."""
    # A reference that shares a frame shows the mouth that is to be drawn.
    apart = starts[np.abs(starts - start) >= WINDOW_FRAMES]
    others = apart if len(apart) else starts[starts != start]
    if not len(others):
        raise InputError("a single window has a face, and none is left for reference frames", path=clip.footage.video)
    chosen: Ids = generator.choice(others, number)
    return chosen


def _likest(frames: Frames, wanted: Ids, choices: Ids) -> Ids:
    """Return for each wanted frame the choice with the most similar upper half, which has the same pose and any mouth.

    frames: uint8 [N, 96, 96, 3]; wanted: int64 [P], choices: int64 [C, P]. Returns int64 [P].
    """
    upper = slice(0, FACE_SIZE // 2, _THUMBNAIL), slice(0, FACE_SIZE, _THUMBNAIL)
    # Signed and wide enough for differences, where uint8 would wrap around.
    aims, found = (frames[(which, *upper)].astype(np.int16) for which in (wanted, choices))
    best = np.abs(found - aims).mean(axis=(2, 3, 4)).argmin(axis=0)
    chosen: Ids = np.take_along_axis(choices, best[None], axis=0)[0]
    return chosen


def _average(faces: ClipFaces) -> Frames:
    """Return the mean of up to 50 frames with a face, spread over the clip: uint8 [96, 96, 3]."""
    seen = np.flatnonzero(faces.is_seen)
    chosen = seen[np.linspace(0, len(seen) - 1, min(len(seen), _AVERAGED)).round().astype(int)]
    return np.asarray(faces.frames[chosen].mean(axis=0).round(), dtype=np.uint8)


def augment_faces(faces: Frames, config: FaceAugmentConfig, rng: np.random.Generator) -> Frames:
    """Augment all faces in the same way, so that mouth movements are kept: uint8 [F, 96, 96, 3] RGB in and out."""
    return _relight(_turn(faces, config, rng), config, rng)


def _turn(faces: Frames, config: FaceAugmentConfig, rng: np.random.Generator) -> Frames:
    if not any((config.rotate_deg, config.scale, config.stretch, config.shift)):
        return faces

    factor, stretch = (1 + float(rng.uniform(-reach, reach)) for reach in (config.scale, config.stretch))
    right, down = (float(pixels) for pixels in rng.uniform(-config.shift, config.shift, 2))
    return turn(faces, float(rng.uniform(-config.rotate_deg, config.rotate_deg)), factor, stretch, (right, down))


def _relight(faces: Frames, config: FaceAugmentConfig, rng: np.random.Generator) -> Frames:
    if not any((config.brightness, config.contrast, config.tint)):
        return faces

    gain = 1 + rng.uniform(-config.contrast, config.contrast)
    offset = rng.uniform(-config.brightness, config.brightness) + rng.uniform(-config.tint, config.tint, faces.shape[-1])
    return np.stack([relight(faces[..., channel], gain, _WHITE * more) for channel, more in enumerate(offset)], axis=-1)
