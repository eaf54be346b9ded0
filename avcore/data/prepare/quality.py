"""Quality figures of a clip of a talking face, and their bounds.

Samples of kept and rejected clips are drawn on a contact sheet.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.faces.find import SpeakerFace
from avcore.faces.select import loudness, mouth_agreement
from avcore.files import atomic_output
from avcore.flags import flag
from avcore.media import Frame

_CROPS_AT_ONCE = 250
KEPT = "kept"
_SHOWN = 6
"""Frames of a clip in its sample."""
_SIDE = 96
_MOST = 12
"""Samples of each kind."""
_SMALL = 320
_LABEL_HEIGHT, _TITLE_HEIGHT = 18, 26
_LONGEST_NAME = 24
_GAP = 4
_INK, _PAPER = (235, 235, 235), 32


@dataclass(frozen=True)
class Quality:
    """Quality figures of a clip."""

    face_share: float
    """share of frames in which the face was found"""
    face_height: float
    """height of its box in pixels, median"""
    lip_jump: float
    """largest difference of two successive lip crops, mean over the pixels, in standard deviations of their brightness: about 0.3
    in speech, 1 if the crop jumps to something else"""
    sharpness: float
    """variance of the lip crop's Laplacian, median; 5 is a blur"""
    turn: float
    """turn of the head to the side in degrees, median"""
    sync: float
    """correlation of the mouth's opening and the sound's level, with the mouth up to 0.16 s early or late; 0.2 is chance in 3 s"""

    def rounded(self) -> dict[str, float]:
        """Return the figures as stored in a manifest."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class QualityGates:
    """Bounds that a clip must reach to be kept, and their options; the names are those of `Quality`."""

    min_face_share: float = flag(default=0.95, group="quality (clips that do not reach it are listed in rejected.jsonl)")
    """share of frames in which the face is seen (default: 0.95)"""
    min_face_height: float = flag(default=40.0)
    """height of the face in pixels (default: 40)"""
    max_lip_jump: float = flag(default=0.6)
    """change from one lip crop to the next; 1 = the crop is elsewhere (default: 0.6)"""
    min_sharpness: float = flag(default=6.0)
    """sharpness of the lips; 5 = a blur (default: 6)"""
    max_turn: float = flag(default=90.0)
    """turn of the head to the side in degrees; 90 = any (default: 90)"""
    min_sync: float = flag(default=-1.0)
    """agreement of mouth and sound; -1 = any, 0.2 = chance (default: -1)"""

    def complaints(self, quality: Quality) -> Iterator[tuple[str, str]]:
        """Yield a reason in two words and a sentence for each bound that a clip does not reach."""
        for gate, limit in asdict(self).items():
            kind, _, name = gate.partition("_")
            value = getattr(quality, name)
            if value < limit if kind == "min" else value > limit:
                wanted = f"{'at least' if kind == 'min' else 'at most'} {limit:g}"
                yield name.replace("_", " "), f"{name.replace('_', ' ')} is {value:.2f}; {wanted} is wanted"


def measure_clip(face: SpeakerFace, speech: NDArray[np.float32]) -> Quality:
    """Measure a clip. speech: the sound of its frames, float32 of shape [S] at 16 kHz in -1..1."""
    seen = [frame for frame in face.frames if frame is not None]
    heights = [float(frame.box[3] - frame.box[1]) for frame in seen]
    return Quality(
        face_share=sum(frame.is_found for frame in seen) / len(face.frames),
        face_height=float(np.median(heights)),
        lip_jump=lip_jump(lip_crops(face)),
        sharpness=float(np.median([frame.sharpness for frame in seen])),
        turn=float(np.median(np.degrees([abs(frame.pose.yaw) for frame in seen]))),
        sync=mouth_agreement(_openings(face), loudness(speech)),
    )


def lip_crops(face: SpeakerFace) -> Iterator[NDArray[np.uint8]]:
    """Yield the lip crops of a clip, uint8 [96, 96] each, with at most 250 in memory at a time."""
    for start in range(0, len(face.frames), _CROPS_AT_ONCE):
        yield from face.lips_between(start, min(start + _CROPS_AT_ONCE, len(face.frames)))


def lip_jump(lips: Iterable[NDArray[np.uint8]]) -> float:
    """Return the largest change from one lip crop, uint8 [96, 96], to the next, as `Quality.lip_jump`; 0 for a single crop."""
    largest, before = 0.0, None
    for crop in lips:
        here = crop.astype(np.float32)
        if before is not None:
            # An even crop has hardly any contrast, and its noise would count as a jump.
            contrast = max((float(here.std()) + float(before.std())) / 2, 1.0)
            largest = max(largest, float(np.abs(here - before).mean()) / contrast)
        before = here
    return largest


def _openings(face: SpeakerFace) -> NDArray[np.float64]:
    """Return the opening of the mouth in each frame, float64 [T]. A frame without a face gets the value of the frame before."""
    openings, last = [], next(frame.opening for frame in face.frames if frame is not None)
    for frame in face.frames:
        last = last if frame is None else frame.opening
        openings.append(last)
    return np.array(openings)


class Thumbnails:
    """Takes small copies of a few frames of a stream as it passes."""

    def __init__(self, num_frames: int) -> None:
        self._wanted = set(np.linspace(0, max(num_frames - 1, 0), _SHOWN).round().astype(int).tolist())
        self._taken: dict[int, tuple[Pixels, float]] = {}

    def tapped(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the same frames."""
        for index, frame in enumerate(frames):
            if index in self._wanted:
                scale = min(1.0, _SMALL / max(frame.rgb.shape[:2]))
                self._taken[index] = _resized(frame.rgb, scale), scale
            yield frame

    def strip(self, face: SpeakerFace | None) -> Pixels | None:
        """Draw faces in the upper row and lips below, uint8 [192, 6 * 96, 3]; whole frames if no face is known.

        Returns None if there were no frames.
        """
        if not self._taken:
            return None
        strip = _paper(2 * _SIDE, _SHOWN * _SIDE)
        for place, (index, (image, scale)) in enumerate(self._taken.items()):
            column = strip[:, place * _SIDE : (place + 1) * _SIDE]
            frame = None if face is None or index >= len(face.frames) else face.frames[index]
            small = _resized(image if frame is None else _cut(image, frame.box * scale), None)
            top, left = (_SIDE - small.shape[0]) // 2, (_SIDE - small.shape[1]) // 2
            column[top : top + small.shape[0], left : left + small.shape[1]] = small
            if face is not None and frame is not None:
                column[_SIDE:] = face.lips_between(index, index + 1)[0][..., None]
        return strip


class SampleKeeper:
    """Keeps the first 12 samples of each kind of clip, in a folder for each kind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, kind: str, name: str, strip: Pixels | None, figures: Mapping[str, float]) -> None:
        """Keep a sample, uint8 [height, width, 3], with its figures, unless there are enough of its kind."""
        folder = self._folder / kind
        # Counted in the folder, since several processes keep samples.
        if strip is None or (folder.is_dir() and sum(1 for _ in folder.iterdir()) >= _MOST):
            return
        words = ", ".join(f"{what.rpartition('_')[2]} {value:.3g}" for what, value in figures.items())
        labelled = np.vstack([strip, _text(f"{name[-_LONGEST_NAME:]}: {words}", strip.shape[1], _LABEL_HEIGHT, 0.36)])
        _write(folder / f"{name.replace('/', '-')}.jpg", labelled)


def write_contact_sheet(path: Path, folder: Path) -> bool:
    """Write all samples as one image, kept ones first, each kind under its name; returns False if there are none."""
    rows: list[Pixels] = []
    for kind in sorted(folder.iterdir(), key=lambda one: (one.name != KEPT, one.name)):
        strips = [_read(file) for file in sorted(kind.glob("*.jpg"))]
        if not strips:
            continue
        height, width = strips[0].shape[:2]
        whole = 2 * width + _GAP
        rows.append(_text(kind.name if kind.name == KEPT else f"rejected: {kind.name}", whole, _TITLE_HEIGHT, 0.6))
        for left, right in zip(strips[::2], [*strips[1::2], _paper(height, width)], strict=False):
            rows += [np.hstack([left, _paper(height, _GAP), right]), _paper(_GAP, whole)]

    if rows:
        _write(path, np.vstack(rows))
    return bool(rows)


def _paper(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _text(text: str, width: int, height: int, scale: float) -> Pixels:
    """Draw a line of text, uint8 [height, width, 3]. Letters that are not ASCII become `?`; names of files have them in full."""
    known = text.encode("ascii", "replace").decode()
    line = _paper(height, width)
    cv2.putText(line, known, (4, height - 6), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
    return line


def _cut(frame: Pixels, box: NDArray[np.float32]) -> Pixels:
    height, width = frame.shape[:2]
    left, top = (int(np.clip(value, 0, limit - 2)) for value, limit in zip(box[:2], (width, height), strict=True))
    right, bottom = (int(np.clip(value, 2, limit)) for value, limit in zip(box[2:], (width, height), strict=True))
    return frame[top : max(bottom, top + 2), left : max(right, left + 2)]


def _resized(frame: Pixels, scale: float | None) -> Pixels:
    """Scale a frame; None = so that it fits into 96 x 96 pixels."""
    scale = _SIDE / max(frame.shape[:2]) if scale is None else scale
    size = tuple(max(1, round(length * scale)) for length in frame.shape[1::-1])
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _read(path: Path) -> Pixels:
    return np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1], dtype=np.uint8)


def _write(path: Path, frame: Pixels) -> None:
    _, content = cv2.imencode(path.suffix, np.ascontiguousarray(frame[:, :, ::-1]))
    with atomic_output(path) as temporary:
        temporary.write_bytes(content.tobytes())
