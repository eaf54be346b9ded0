"""What moves lips in whole pictures, without decoding and encoding: our three mouths, and the published way where there is one.

The pictures are those of the demo's clip, scaled to the height that is asked for and shown to and fro.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avcore.timeline import frame_at, frames_to_seconds
from avcore.units import Units
from benchmarks import material
from benchmarks.clips import DEMO
from benchmarks.main_road import Run, reference_face_model
from benchmarks.rows import MOUTH_HEIGHTS, mouth_stage
from workshop.random.random_checkpoints import RENDERER

_BATCH = 128
_PICTURES_IN_WINDOW = 10
_MOUTH_UNITS = 70
"""Units that the mouth of the demo's bundle knows."""

Pictures = list[NDArray[np.uint8]]


@cache
def _footage(height: int) -> tuple[Pictures, NDArray[np.float32]]:
    """Pictures uint8 [height, width, 3], and one box float32 [4] that holds the face in all of them."""
    from avcore.faces.find import find_faces
    from avcore.media import PictureSource

    source = PictureSource(DEMO)
    found = find_faces(source)
    boxes = np.stack([box for box in found.steady_boxes if box is not None])
    box = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    scale = height / source.info.height
    size = round(source.info.width * scale), height
    return [np.asarray(cv2.resize(picture.rgb, size), np.uint8) for picture in source], np.asarray(box * scale, np.float32)


def _shown(number: int, height: int) -> Iterator[NDArray[np.uint8]]:
    pictures, _ = _footage(height)
    last = len(pictures) - 1
    for index in range(number):
        yield pictures[last - abs(index % (2 * last) - last)]


def ours(mouth: str, height: int, folder: Path, seconds: float, precision: str) -> Run:
    """One of our mouths. The result is the mean of each picture; pictures themselves would be gigabytes."""
    from unit2av.lipsync.mouth import Said, Scene

    opened, box = _opened(mouth, folder, precision), _footage(height)[1]
    said = Said(_units(seconds), material.speech(seconds))
    number = frame_at(seconds)

    def run() -> object:
        scenes = (Scene(rgb, box, frames_to_seconds(index)) for index, rgb in enumerate(_shown(number, height)))
        return np.array([picture[::8, ::8].mean() for picture in opened.draw(opened.codes(said), scenes)])

    return run


@cache
def _opened(mouth: str, folder: Path, precision: str):
    from avcore.compute.device import resolve_precision
    from avcore.faces.crop import UPPER

    cpu = torch.device("cpu")
    if mouth == "mesh":
        from netflips.stages import SHIPPED
        from unit2av.lipsync.mesh.mouth import MeshMouth
        from unit2av.lipsync.mesh.table import TABLE_FILE, MouthTable

        return MeshMouth(MouthTable.load(SHIPPED / TABLE_FILE))
    if mouth == "wav2lip":
        from unit2av.lipsync.wav2lip.mouth import SoundMouth

        return SoundMouth(_wav2lip(), cpu, resolve_precision(precision, cpu), is_published=True, upper=UPPER)
    from unit2av.lipsync.units.mouth import UnitMouth
    from unit2av.renderer import LipRenderer

    return UnitMouth(LipRenderer.from_checkpoint(folder / RENDERER, precision=precision), upper=UPPER)


def _wav2lip():
    """The published size with random weights, the same each time."""
    from unit2av.lipsync.wav2lip.model import Wav2Lip

    torch.manual_seed(0)
    return Wav2Lip().eval()


def _units(seconds: float) -> Units:
    made = material.units(seconds)
    return Units(made.ids % _MOUTH_UNITS, made.durations)


def reference(mouth: str, height: int, folder: Path, seconds: float, precision: str) -> Run:
    """The published way of the same."""
    draw = _reference_wav2lip(seconds) if mouth == "wav2lip" else _reference_units(folder, seconds)
    number = frame_at(seconds)
    box = np.rint(_footage(height)[1]).astype(np.int64)

    def run() -> object:
        from benchmarks.reference.wav2lip import crops_of, network_input, put_back

        pictures, means = list(_shown(number, height)), list[float]()
        for first in range(0, number, _BATCH):
            batch = pictures[first : first + _BATCH]
            shown = put_back(batch, draw(first, network_input(crops_of(batch, box))), box)
            means += [float(picture[::8, ::8].mean()) for picture in shown]
        return np.array(means)

    return run


Draw = Callable[[int, torch.Tensor], torch.Tensor]
"""Number of the first picture, and faces [B, 6, 96, 96]; gives [B, 3, 96, 96]."""


def _reference_wav2lip(seconds: float) -> Draw:
    from benchmarks.reference.wav2lip import ReferenceWav2Lip, chunks_of
    from unit2av.lipsync.wav2lip.mel import mel_of

    model = ReferenceWav2Lip(_wav2lip().state_dict()).eval()
    return lambda first, faces: model(chunks_of(mel_of(material.speech(seconds)), first, len(faces)), faces)


def _reference_units(folder: Path, seconds: float) -> Draw:
    model, windows = reference_face_model(folder), _windows(_units(seconds))

    def draw(first: int, faces: torch.Tensor) -> torch.Tensor:
        begin, end = first // _PICTURES_IN_WINDOW, -(-(first + len(faces)) // _PICTURES_IN_WINDOW)
        skipped, total = first % _PICTURES_IN_WINDOW, (end - begin) * _PICTURES_IN_WINDOW
        rest = faces[-1:].expand(total - skipped - len(faces), -1, -1, -1)
        whole = torch.cat([faces[:1].expand(skipped, -1, -1, -1), faces, rest])
        return model(windows[begin:end], whole)[skipped : skipped + len(faces)]

    return draw


def _windows(units: Units) -> torch.Tensor:
    frames = torch.from_numpy(units.frames())
    return torch.cat([frames, frames[-1:].expand(-len(frames) % (2 * _PICTURES_IN_WINDOW))]).view(-1, 2 * _PICTURES_IN_WINDOW)


RUNS = {
    (mouth_stage(mouth, height), who): partial(side, mouth, height)
    for height in MOUTH_HEIGHTS
    for mouth, who, side in (
        ("units", "ours", ours),
        ("units", "reference", reference),
        ("wav2lip", "ours", ours),
        ("wav2lip", "reference", reference),
        ("mesh", "ours", ours),
    )
}
