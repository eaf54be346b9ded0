"""Whether the drawn mouth says what the voice says: against the mouth that the same head would have made.

The truth is drawn anew: the same head in the same poses, its mouth moved by the phonemes that were said, with the durations
with which they were said.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.errors import InputError, NoFaceError
from avcore.faces.crop import Box, crop_face, visible_part
from avcore.faces.find import SpeakerFace, find_faces
from avcore.media import PictureSource, VideoWriter
from avcore.pingpong import pingpong
from avcore.progress import Progress, silent, track
from avcore.timeline import FRAME_RATE, units_to_seconds
from avcore.units import Ids, Units
from avdata.prepare.espeak import Phoneme
from unit2av.face.talking import num_pictures_for
from unit2av.face.training.config import MouthRegion
from unit2av.face.training.losses import mouth_of, ssim
from unit2av.renderer import network_picture
from workshop.evaluate.chain import ClipContent
from workshop.evaluate.material import ClipPlan, head_of
from workshop.heads.head import MouthShape, draw
from workshop.heads.motion import mouth_track
from workshop.voices.cast import cast, say

Openings = NDArray[np.float64]

_LEAST_SHARPNESS = 1e-6
_SHIFT = 7
"""Pictures by which the true mouth is shifted for a figure that means nothing: 0.28 s."""


@dataclass(frozen=True)
class Truth:
    """The mouth that should be seen: openings float32 [pictures], and pictures uint8 [side, side, 3] of a head that makes it."""

    openings: NDArray[np.float32]
    pictures: Sequence[Pixels]


def phones_of_units(units: Mapping[str, Units], progress: Progress) -> dict[int, str]:
    """Which phoneme each unit of a first-edition bundle stands for: that which its reference voice says most often there.

    units: of Korean sentences in the reference voice, with durations, by sentence.
    """
    voice, votes = cast().reference("ko", edition=1), Counter[tuple[int, str]]()
    for text, one in track(units.items(), "phonemes", progress, len(units)):
        spoken = say(text, voice).phonemes
        middles = [float(units_to_seconds(2 * step + 1)) / 2 for step in range(one.num_steps)]
        heard = np.searchsorted([start for _, start, _ in spoken], middles, side="right") - 1
        votes.update((int(unit), spoken[place][0]) for unit, place in zip(one.frames(), heard, strict=True) if place >= 0)
    return {unit: name for (unit, name), _ in reversed(votes.most_common())}


def draw_truth(plan: ClipPlan, said: Units, names: Mapping[int, str], num_source: int, side: int) -> Truth:
    """Draw the head of a clip as it would say the units, played to and fro as the dubbed video is.

    num_source: pictures of the clip.
    """
    total = num_pictures_for(said)
    openings, widths = mouth_track(_timed(said, names), total, "ko")
    poses, head = plan.poses(num_source), head_of(plan.head)
    mouths = [MouthShape(float(opening), float(width)) for opening, width in zip(openings, widths, strict=True)]
    return Truth(openings, [draw(head, poses[pingpong(k, num_source)], mouth, side) for k, mouth in enumerate(mouths)])


def face_in(video: Path) -> SpeakerFace | None:
    """The face in a dubbed video, None where none was seen."""
    source = PictureSource(video)
    try:
        return find_faces(source, "largest", None, silent, len(source), video)
    except NoFaceError:
        return None


def measure_mouth(dubbed: Path, face: SpeakerFace | None, heard: ClipContent, truth: Truth) -> dict[str, Any]:
    """Compare a dubbed video, and the face in it, with the truth.

    correlation: of the opening that the face mesh finds with the true one; shifted: with the truth 0.28 s late. l1, ssim: of
    the mouth region of the face crop, 0..1; source_l1, source_ssim: those of the undubbed pictures. sharpness: of the lower face
    at full size, as a share of the truth's. Raises NoFaceError where the clip itself has no face.
    """
    shown = PictureSource(dubbed)
    count = min(len(shown), len(truth.openings))
    seen = _openings(face, count)
    true = truth.openings[: len(seen)].astype(np.float64)
    result: dict[str, Any] = {
        "correlation": _correlation(seen, true),
        "shifted": _correlation(seen, np.roll(true, _SHIFT)),
    }
    boxes = [heard.boxes[pingpong(k, len(heard.boxes))] for k in range(count)]
    true_mouths = _crops(truth.pictures, boxes)
    for prefix, source in (("", shown), ("source_", heard.source)):
        likeness = _likeness(_crops((picture.rgb for picture in source.pingpong(count)), boxes), true_mouths)
        result |= {prefix + name: value for name, value in likeness.items()}
    drawn, true_sharpness = (_sharpness(pictures, boxes) for pictures in ((one.rgb for one in shown), truth.pictures))
    return result | {"sharpness": drawn / max(true_sharpness, _LEAST_SHARPNESS)}


def sync_at_zero(heard: Ids, seen: Ids, silences: Collection[int]) -> float | None:
    """The share of the steps in which anything is said where units of the sound and of the lips, int64 [steps], are the same.

    What one has more is left out. silences: units that are silence. None where nothing is said.
    """
    length = min(len(heard), len(seen))
    heard, seen = heard[:length], seen[:length]
    said = ~(np.isin(heard, list(silences)) & np.isin(seen, list(silences)))
    return float(((heard == seen) & said).sum() / said.sum()) if said.any() else None


def measure_ceiling(truth: Truth, path: Path) -> float:
    """The correlation that the drawn truth itself reaches when it is written as a video and looked at in the same way."""
    height, width = truth.pictures[0].shape[:2]
    with VideoWriter(path, width, height, FRAME_RATE) as writer:
        for picture in truth.pictures:
            writer.write_picture(picture)
    seen = _openings(face_in(path), len(truth.openings))
    return _correlation(seen, truth.openings[: len(seen)].astype(np.float64))


def _timed(said: Units, names: Mapping[int, str]) -> list[Phoneme]:
    if said.durations is None:
        raise InputError("units without durations cannot be timed")
    edges = [float(units_to_seconds(int(edge))) for edge in np.concatenate([[0], np.cumsum(said.durations)])]
    return [(names.get(int(unit), "_:"), edges[n], edges[n + 1]) for n, unit in enumerate(said.ids)]


def _crops(pictures: Iterable[Pixels], boxes: Sequence[Box | None]) -> list[Pixels]:
    """Face crops uint8 [96, 96, 3] of the pictures that have a box."""
    return [crop_face(rgb, box) for rgb, box in zip(pictures, boxes, strict=False) if box is not None]


def _openings(face: SpeakerFace | None, count: int) -> Openings:
    """The opening of the mouth in each of the first `count` pictures, NaN where the face was not seen: float64 [n]."""
    frames = [None] * count if face is None else face.frames[:count]
    return np.array([np.nan if frame is None or not frame.is_found else frame.opening for frame in frames])


def _sharpness(pictures: Iterable[Pixels], boxes: Sequence[Box | None]) -> float:
    """The mean variance of the Laplacian of brightness (Pech-Pacheco et al. 2000) in the lower half of the face; 0 without one."""
    found = []
    for rgb, box in zip(pictures, boxes, strict=False):
        part = None if box is None else visible_part(_lower_half(box), *rgb.shape[:2])
        if part is not None:
            found.append(float(cv2.Laplacian(cv2.cvtColor(rgb[part], cv2.COLOR_RGB2GRAY), cv2.CV_64F).var()))
    return float(np.mean(found)) if found else 0.0


def _lower_half(box: Box) -> Box:
    x1, y1, x2, y2 = box
    return np.array([x1, (y1 + y2) / 2, x2, y2], np.float32)


def _correlation(seen: Openings, true: Openings) -> float:
    """Pearson's, over pictures in which a face was seen; 0 for a mouth that is not to be seen or does not move."""
    is_seen = np.isfinite(seen)
    if is_seen.sum() < 3:
        return 0.0
    left, right = seen[is_seen], true[is_seen]
    if left.std() < 1e-9 or right.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def _likeness(shown: Sequence[Pixels], true: Sequence[Pixels]) -> dict[str, float]:
    """Means over face crops uint8 [96, 96, 3]."""
    if not shown:
        raise NoFaceError("no face was found")
    region = MouthRegion()
    left, right = (mouth_of(network_picture(torch.from_numpy(np.stack(one))), region) for one in (shown, true))
    return {"l1": float((left - right).abs().mean()), "ssim": float(ssim(left, right).mean())}
