"""Lip sync in validation: whether a unit encoder reads from drawn mouths the units that they were drawn for (unit sync).

Held-out clips are drawn as a dub is, the mouth put back into the pictures, and the lips are found in them anew. The reference of
each picture comes from elsewhere in the clip, so that its mouth is no help. It is no outside judge (see `avcore.units.unit_sync`).
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from avcore.arrays import Pictures
from avcore.contracts import Extractor
from avcore.errors import NoFaceError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.crop import paste_face
from avcore.faces.find import find_faces
from avcore.faces.geometry import steady_boxes
from avcore.media import Picture, PictureSource
from avcore.timeline import frames_to_units
from avcore.units import Ids, UnitSync, unit_sync
from avtrain.config import Metrics
from unit2av.face.model import WINDOW_FRAMES, FaceModel
from unit2av.face.training.corpus import LipClip
from unit2av.lip_crops import CropCache
from unit2av.renderer import network_input, to_pictures

LOG = logging.getLogger("netflips.train")


class LipReader:
    """Reads drawn mouths of a few clips. shift: share of a clip by which references lie elsewhere in it."""

    FIGURES = ("unit_sync", "unit_sync_at_zero", "recorded_unit_sync")

    def __init__(self, judge: Extractor, clips: Sequence[LipClip], cache: str | Path, shift: float = 0.5) -> None:
        self._judge, self._clips, self._cache, self._shift = judge, clips, CropCache(cache), shift
        self._recorded: dict[str, UnitSync | None] = {}

    def measure(self, face: FaceModel) -> Metrics:
        """unit_sync and unit_sync_at_zero: means over the clips, of drawn mouths; recorded_unit_sync: of the clips themselves.

        A clip in whose drawn pictures no face is found agrees in nothing; it is named. Raises InputError, MediaError or NoFaceError
        for a clip that cannot be used.
        """
        drawn = [self._sync(clip, self._pasted(clip, self._draw(clip, face))) for clip in self._clips]
        recorded = [self._of_recording(clip) for clip in self._clips]
        return {
            "unit_sync": float(np.mean([0.0 if one is None else one.confidence for one in drawn])),
            "unit_sync_at_zero": float(np.mean([0.0 if one is None else one.at_zero for one in drawn])),
            "recorded_unit_sync": float(np.mean([0.0 if one is None else one.confidence for one in recorded])),
        }

    def _of_recording(self, clip: LipClip) -> UnitSync | None:
        if clip.id not in self._recorded:
            pictures = PictureSource(clip.footage.video).pictures(0, _whole(clip))
            self._recorded[clip.id] = self._sync(clip, pictures)
        return self._recorded[clip.id]

    def _sync(self, clip: LipClip, pictures: Iterator[Picture]) -> UnitSync | None:
        try:
            lips = find_faces(pictures, "largest", total=_whole(clip), source=clip.footage.video).lips
        except NoFaceError:
            LOG.warning("%s: no face is found in its pictures", clip.id)
            return None
        bound = self._judge.agreement
        said: Ids = clip.units.frames()[: frames_to_units(_whole(clip))]
        return unit_sync(said, self._judge.extract(lips=lips).frames(), None if bound is None else bound.silence)

    def _draw(self, clip: LipClip, face: FaceModel) -> Pictures:
        """Return all pictures of whole windows: uint8 [T, 96, 96, 3] RGB."""
        device, whole = next(iter(face.parameters())).device, _whole(clip)
        pictures = torch.from_numpy(np.array(self._cache.faces(clip.footage).pictures[:whole]))
        references = pictures.roll(round(self._shift * whole), 0)
        units = torch.from_numpy(clip.units.frames()[: frames_to_units(whole)]).view(-1, frames_to_units(WINDOW_FRAMES))
        drawn = []
        for number, said in enumerate(units):
            part = slice(number * WINDOW_FRAMES, (number + 1) * WINDOW_FRAMES)
            faces = network_input(pictures[part].to(device), references[part].to(device))
            drawn.append(to_pictures(face(said[None].to(device), faces.contiguous(memory_format=torch.channels_last)).float()))
        return np.asarray(torch.cat(drawn).cpu().numpy(), np.uint8)

    def _pasted(self, clip: LipClip, drawn: Pictures) -> Iterator[Picture]:
        source = PictureSource(clip.footage.video)
        boxes = steady_boxes(read_boxes_for(source, clip.footage.boxes), clip.footage.steady)
        for picture, patch, box in zip(source.pictures(0, len(drawn)), drawn, boxes, strict=False):
            yield picture if box is None else picture._replace(rgb=paste_face(picture.rgb, patch, box))


def _whole(clip: LipClip) -> int:
    """Pictures of a clip that fill windows."""
    return clip.num_frames // WINDOW_FRAMES * WINDOW_FRAMES
