"""LSE-C and LSE-D, the usual measures of lip sync: how near SyncNet's vectors of lips and sound are, and how surely.

Two protocols. The published one (Prajwal et al. 2020, section 4) compares each window of five pictures with the sound at 31
shifts; sound beyond the clip counts as vectors of zeros, and the last window is left out, which in short clips decides the
figures. The corrected one takes every window and only pairs that exist. LSE-D is the least mean distance over the shifts, LSE-C
the median less the least: a constant delay costs neither, so the shift where they are nearest is always told beside them.
Figures compare only with figures made in the same way on the same clips.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from av2unit.features import FFT_SIZE, HOP, NUM_MELS, PREEMPHASIS, mel_filters
from av2unit.features import WINDOW as WINDOW_SAMPLES
from avcore.arrays import Doubles, Pixels
from avcore.errors import InputError
from avcore.timeline import SAMPLES_PER_FRAME
from unit2av.face.syncnet import NUM_CEPSTRA, SIDE, WINDOW, WINDOW_SOUND, SyncNet

MOST_SHIFT = 15
"""Pictures of 40 ms by which the sound is shifted either way."""
_BATCH = 20
_STEPS_PER_PICTURE = 4
_LIFTER = 22
_TINY = float(np.finfo(float).eps)
_EPSILON = 1e-6
"""Added to each difference before its length is taken, as torch's pairwise distance does."""


@dataclass(frozen=True)
class LipSync:
    """What SyncNet says of a clip.

    confidence: LSE-C; distance: LSE-D; offset: pictures of 40 ms by which the sound comes too early, where they fit best (it is
    negative when the sound is late). windows: how many.
    """

    confidence: float
    distance: float
    offset: int
    windows: int


def judge_lip_sync(lips: Tensor, heard: Tensor, num_samples: int, is_published: bool) -> LipSync:
    """Compare vectors of `sync_vectors`. is_published: the last window is left out, and shifts beyond the clip meet zeros.

    num_samples: of the clip's sound. Raises InputError for less than six pictures.
    """
    count = min(len(lips) - 1, num_samples // SAMPLES_PER_FRAME - WINDOW) if is_published else min(len(lips), len(heard))
    if count < 1:
        raise InputError("the clip is too short for lip sync", expected=f"more than {WINDOW} pictures with their sound")
    distances = shifted_distances(lips[:count], heard[:count])
    if not is_published:
        place = torch.arange(count)[:, None] + torch.arange(-MOST_SHIFT, MOST_SHIFT + 1)
        distances = distances.masked_fill((place < 0) | (place >= count), torch.nan)
    means = distances.nanmean(dim=0).double().numpy()
    nearest = int(np.nanargmin(means))
    confidence = float(np.nanmedian(means) - means[nearest])
    return LipSync(confidence, float(means[nearest]), MOST_SHIFT - nearest, count)


def shifted_distances(lips: Tensor, heard: Tensor) -> Tensor:
    """Distances of each window of lips to the sound at each shift, -15..15, sound that is not there being zeros.

    lips, heard: float32, both of shape [windows, width]. Returns float32 [windows, 31].
    """
    padded = torch.nn.functional.pad(heard, (0, 0, MOST_SHIFT, MOST_SHIFT))
    around = padded.unfold(0, 2 * MOST_SHIFT + 1, 1)  # [windows, width, 31]
    distances: Tensor = torch.linalg.vector_norm(lips[:, :, None] - around + _EPSILON, dim=1)
    return distances


@torch.inference_mode()
def sync_vectors(network: SyncNet, pictures: Iterable[Pixels], sound: Doubles) -> tuple[Tensor, Tensor]:
    """Vectors of all windows of five pictures, and of the sound that belongs to each: float32 [v, width], [a, width].

    pictures: uint8 [h, w, 3] RGB at 25 fps, the face filling them as in training (see `netflips.evaluate.face_clips`). sound: of
    `cepstra`. Window k of either begins with picture k. Pictures are taken as they come; a few are held.
    """
    most = sound.shape[1] // _STEPS_PER_PICTURE + WINDOW
    seen, held = list[Tensor](), list[Pixels]()
    for _, picture in zip(range(most), pictures, strict=False):
        square = picture if picture.shape[:2] == (SIDE, SIDE) else cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        held.append(np.ascontiguousarray(square[..., ::-1]))  # BGR
        if len(held) == _BATCH + WINDOW - 1:
            seen.append(network.see(_windows(held)))
            del held[:_BATCH]
    if len(held) >= WINDOW:
        seen.append(network.see(_windows(held)))
    steps = torch.from_numpy(sound.astype(np.float32))
    if not seen or sound.shape[1] < WINDOW_SOUND:
        raise InputError("the clip is too short for lip sync", expected=f"more than {WINDOW} pictures with their sound")
    pieces = steps.unfold(1, WINDOW_SOUND, _STEPS_PER_PICTURE).transpose(0, 1)[:, None]
    return torch.cat(seen), torch.cat([network.hear(batch) for batch in torch.split(pieces, _BATCH)])


def cepstra(samples: NDArray[np.floating]) -> Doubles:  # type: ignore[type-arg]
    """Mel cepstra as SyncNet was trained on: samples [S] at 16 kHz, whole numbers of 16 bits, to float64 [13, T].

    T = 1 + ceil((S - 400) / 160): 25 ms every 10 ms, 26 triangular filters from 0 to 8 kHz, an orthonormal DCT, a lifter of sines;
    the first is the log energy.
    """
    sound = np.asarray(samples, np.float64)
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


def _windows(pictures: Sequence[Pixels]) -> Tensor:
    """Windows of five of consecutive pictures uint8 [h, w, 3]: float32 [n, 3, 5, h, w], from 0 to 255."""
    stacked = torch.from_numpy(np.stack(pictures)).float().permute(3, 0, 1, 2)
    return stacked.unfold(1, WINDOW, 1).permute(1, 0, 4, 2, 3)
