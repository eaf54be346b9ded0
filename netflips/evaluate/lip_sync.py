"""LSE-C and LSE-D, the usual measures of lip sync: how close SyncNet's vectors of lips and sound are, and how clear the best shift
is.

There are two protocols. The published one (Prajwal et al. 2020, section 4) compares each window of five frames with the sound at 31
shifts. Sound beyond the clip counts as vectors of zeros, and the last window is left out, which decides the figures of short clips.
The corrected one takes every window, and only pairs that exist. LSE-D is the least mean distance over the shifts, LSE-C the median
less the least. A constant delay costs neither, so the shift with the least distance is always reported beside them. Figures compare
only with figures made in the same way on the same clips.

Faces are cut out by the arithmetic of the pipeline published with SyncNet: followed, smoothed, 224 pixels square with the face in
the upper part. They are found by our detector in place of S3FD, and frames are taken as they are decoded, not through JPEG.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from av2unit.features import FFT_SIZE, HOP, NUM_MELS, PREEMPHASIS, mel_filters
from av2unit.features import WINDOW as WINDOW_SAMPLES
from avcore.arrays import Doubles, Pixels, Samples
from avcore.errors import InputError, MediaError, NoFaceError
from avcore.faces.find import follow_faces
from avcore.faces.geometry import Box, overlap
from avcore.media import FrameSource, read_speech
from avcore.timeline import SAMPLES_PER_FRAME, frames_to_seconds, seconds_to_samples
from unit2av.face.syncnet import NUM_CEPSTRA, SIDE, WINDOW, WINDOW_SOUND, SyncNet

MOST_SHIFT = 15
"""Most frames of 40 ms by which the sound is shifted, either way."""
_BATCH, _STEPS_PER_FRAME, _LIFTER = 20, 4, 22
_TINY = float(np.finfo(float).eps)
_EPSILON = 1e-6
"""Added to each difference before its length is taken, as torch's pairwise distance does."""
_LEAST_OVERLAP, _MOST_MISSING, _MEDIAN, _BORDER = 0.5, 25, 13, 110  # as in the published pipeline
_SCALE = 0.4
"""What is cut out around a face, as a share of half its size: this much on each side, twice as much below."""


class LipSync(NamedTuple):
    """What SyncNet measures on a clip."""

    confidence: float
    """LSE-C"""
    distance: float
    """LSE-D"""
    offset: int
    """frames of 40 ms by which the sound comes too early where they fit best; negative when the sound is late"""
    windows: int
    """number of windows compared"""


def judge_lip_sync(lips: Tensor, sound: Tensor, num_samples: int, is_published: bool) -> LipSync:
    """Compare vectors of `sync_vectors`. is_published: leave out the last window, and take zeros beyond the clip.

    num_samples: of the clip's sound. Raises InputError for less than six frames.
    """
    count = min(len(lips) - 1, num_samples // SAMPLES_PER_FRAME - WINDOW) if is_published else min(len(lips), len(sound))
    if count < 1:
        raise InputError("the clip is too short for lip sync", expected=f"more than {WINDOW} frames with their sound")

    distances = shifted_distances(lips[:count], sound[:count])
    if not is_published:
        place = torch.arange(count)[:, None] + torch.arange(-MOST_SHIFT, MOST_SHIFT + 1)
        distances = distances.masked_fill((place < 0) | (place >= count), torch.nan)

    means = distances.nanmean(dim=0).double().numpy()
    nearest = int(np.nanargmin(means))
    confidence = float(np.nanmedian(means) - means[nearest])
    return LipSync(confidence, float(means[nearest]), MOST_SHIFT - nearest, count)


def shifted_distances(lips: Tensor, sound: Tensor) -> Tensor:
    """Return the distance of each window of lips to the sound at each shift, -15..15; missing sound is zeros.

    lips, sound: float32 [windows, width]. Returns float32 [windows, 31].
    """
    padded = torch.nn.functional.pad(sound, (0, 0, MOST_SHIFT, MOST_SHIFT))
    around = padded.unfold(0, 2 * MOST_SHIFT + 1, 1)  # [windows, width, 31]
    distances: Tensor = torch.linalg.vector_norm(lips[:, :, None] - around + _EPSILON, dim=1)
    return distances


@torch.inference_mode()
def sync_vectors(network: SyncNet, frames: Iterable[Pixels], sound: Doubles) -> tuple[Tensor, Tensor]:
    """Return the vectors of all windows of five frames, and of the sound that belongs to each: float32 [v, width], [a, width].

    frames: uint8 [h, w, 3] RGB at 25 fps, filled by the face as in training (see `clips_of`). sound: from `cepstra`. Window k of
    either begins with frame k. Frames are read as they come, and only a few are held. Raises InputError for a clip that is too
    short.
    """
    # Frames beyond the sound are not even decoded: there is nothing to compare them with.
    most = sound.shape[1] // _STEPS_PER_FRAME + WINDOW
    seen, held = list[Tensor](), list[Pixels]()
    for _, frame in zip(range(most), frames, strict=False):
        square = frame if frame.shape[:2] == (SIDE, SIDE) else cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        held.append(np.ascontiguousarray(square[..., ::-1]))  # BGR
        if len(held) == _BATCH + WINDOW - 1:
            seen.append(network.embed_frames(_windows(held)))
            # The last frames stay, because the windows of the next batch begin with them.
            del held[:_BATCH]
    if len(held) >= WINDOW:
        seen.append(network.embed_frames(_windows(held)))

    steps = torch.from_numpy(sound.astype(np.float32))
    if not seen or sound.shape[1] < WINDOW_SOUND:
        raise InputError("the clip is too short for lip sync", expected=f"more than {WINDOW} frames with their sound")

    pieces = steps.unfold(1, WINDOW_SOUND, _STEPS_PER_FRAME).transpose(0, 1)[:, None]
    return torch.cat(seen), torch.cat([network.embed_sound(batch) for batch in torch.split(pieces, _BATCH)])


def cepstra(samples: NDArray[np.floating]) -> Doubles:  # type: ignore[type-arg]
    """Return mel cepstra as SyncNet was trained on: samples [S] at 16 kHz, whole numbers of 16 bits, to float64 [13, T].

    T = 1 + ceil((S - 400) / 160): 25 ms every 10 ms, 26 triangular filters from 0 to 8 kHz, an orthonormal DCT, a lifter of sines.
    The first coefficient is the log energy.
    """
    sound = np.asarray(samples, np.float64)
    # Step by step as python_speech_features, which SyncNet's published code uses.
    sound = np.append(sound[:1], sound[1:] - PREEMPHASIS * sound[:-1])
    count = 1 + max(0, -(-(len(sound) - WINDOW_SAMPLES) // HOP))
    sound = np.pad(sound, (0, max(0, (count - 1) * HOP + WINDOW_SAMPLES - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, WINDOW_SAMPLES)[::HOP][:count]

    power = np.square(np.abs(np.fft.rfft(frames, FFT_SIZE))) / FFT_SIZE
    energy, filtered = power.sum(axis=1), power @ mel_filters().T
    logs = np.log(np.where(filtered == 0, _TINY, filtered))

    angles = np.pi * np.arange(NUM_CEPSTRA)[:, None] * (2 * np.arange(NUM_MELS) + 1) / (2 * NUM_MELS)
    basis = np.cos(angles) * np.sqrt(np.where(np.arange(NUM_CEPSTRA) == 0, 1, 2) / NUM_MELS)[:, None]
    lifter = 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(NUM_CEPSTRA) / _LIFTER)
    result = (basis @ logs.T) * lifter[:, None]
    result[0] = np.log(np.where(energy == 0, _TINY, energy))
    return np.asarray(result, np.float64)


def _windows(frames: Sequence[Pixels]) -> Tensor:
    """Return all windows of five consecutive frames uint8 [h, w, 3]: float32 [n, 3, 5, h, w], from 0 to 255."""
    stacked = torch.from_numpy(np.stack(frames)).float().permute(3, 0, 1, 2)
    return stacked.unfold(1, WINDOW, 1).permute(1, 0, 4, 2, 3)


# Faces of a video, as SyncNet wants them


class LeastFace(NamedTuple):
    """The faces that are measured: seen in more frames than `frames`, and larger than `side`.

    With the published values, a clip of 4 s or less has none.
    """

    frames: int = 100
    """frames at 25 fps"""
    side: float = 100.0
    """the longer of the mean sides of its box, in pixels"""


AS_PUBLISHED = LeastFace()


class FaceClip(NamedTuple):
    """A face that was followed."""

    frames: Iterator[Pixels]
    """uint8 [224, 224, 3] at 25 fps; decoded as they are read"""
    sound: Samples
    """float32 [S] at 16 kHz"""


@dataclass(frozen=True)
class WatchedFace:
    """One face in frames first .. first + n - 1."""

    first: int
    """number of its first frame"""
    boxes: NDArray[np.float64]
    """float64 [n, 4]; interpolated where the detector found no face"""

    @property
    def squares(self) -> NDArray[np.float64]:
        """Centre x, centre y and half the size, each a median over 13 frames with zeros beyond the ends: float64 [n, 3]."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        raw = np.concatenate([(low + high) / 2, (high - low).max(axis=1, keepdims=True) / 2], axis=1)
        # Zeros beyond the ends, because the published pipeline smooths with scipy's medfilt.
        padded = np.pad(raw, ((_MEDIAN // 2, _MEDIAN // 2), (0, 0)))
        return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=0), axis=-1), np.float64)


def clips_of(video: Path, least: LeastFace = AS_PUBLISHED) -> Iterator[FaceClip]:
    """Cut all faces out of a video that are seen long enough and large enough, shot by shot.

    Raises MediaError for a video without sound, NoFaceError where there is no such face.
    """
    source = FrameSource(video)
    if not source.info.has_audio:
        raise MediaError("it has no sound track", path=video, expected="speech, to compare lips with")
    speech = read_speech(video)
    followed, shots, _ = follow_faces(source, total=len(source))

    found: dict[int, list[list[Box]]] = {}
    for one in followed:
        boxes = found.setdefault(one.shot, [[] for _ in shots])
        for number, frame in enumerate(one.frames, one.first):
            if frame.is_found:
                boxes[number].append(frame.box)

    tracks = [track for shot in sorted(found) for track in face_tracks(found[shot], least)]
    if not tracks:
        expected = f"one larger than {least.side:.0f} pixels in more than {least.frames} images"
        raise NoFaceError("no face was seen long enough", path=video, expected=expected)

    for track in tracks:
        start, end = frames_to_seconds(track.first), frames_to_seconds(track.first + len(track.boxes))
        frames = (image.rgb for image in source.frames(track.first, track.first + len(track.boxes)))
        sound = speech[seconds_to_samples(start) : seconds_to_samples(end)]
        yield FaceClip(face_crops(track, frames), sound)


def face_tracks(found: Sequence[Sequence[Box]], least: LeastFace = AS_PUBLISHED) -> list[WatchedFace]:
    """Follow faces through the frames of one shot. found: the boxes [4] (x1, y1, x2, y2) of each frame."""
    left, tracks = [list(boxes) for boxes in found], list[WatchedFace]()
    while (start := next((number for number, boxes in enumerate(left) if boxes), None)) is not None:
        taken = {start: left[start].pop(0)}
        for number in range(start + 1, len(left)):
            if number - max(taken) > _MOST_MISSING:
                break
            last = taken[max(taken)]
            # The first that overlaps, not the one that overlaps most: as in the published pipeline.
            here = next((place for place, box in enumerate(left[number]) if overlap(box, last) > _LEAST_OVERLAP), None)
            if here is not None:
                taken[number] = left[number].pop(here)

        if len(taken) > least.frames:
            numbers, seen = np.array(list(taken)), np.stack(list(taken.values())).astype(np.float64)
            every = np.arange(numbers[0], numbers[-1] + 1)  # the box moves in a straight line where none was found
            boxes = np.stack([np.interp(every, numbers, column) for column in seen.T], axis=1)
            if (boxes[:, 2:] - boxes[:, :2]).mean(axis=0).max() > least.side:
                tracks.append(WatchedFace(start, boxes))
    return tracks


def face_crops(track: WatchedFace, frames: Iterable[Pixels]) -> Iterator[Pixels]:
    """Cut the face of a track out of its frames uint8 [h, w, 3], which begin with `track.first`: uint8 [224, 224, 3] each."""
    for (x, y, half), frame in zip(track.squares, frames, strict=False):
        # int() and not round(), here and below: as the published pipeline cuts.
        margin = int(half * (1 + 2 * _SCALE))
        padded = cv2.copyMakeBorder(frame, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(_BORDER,) * 3)
        down, across = y + margin, x + margin
        rows = slice(int(down - half), int(down + half * (1 + 2 * _SCALE)))
        columns = slice(int(across - half * (1 + _SCALE)), int(across + half * (1 + _SCALE)))
        yield np.asarray(cv2.resize(padded[rows, columns], (SIDE, SIDE)), np.uint8)
