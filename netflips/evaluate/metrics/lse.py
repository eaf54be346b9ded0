"""Lip sync by SyncNet: LSE-C, LSE-D (Prajwal et al. 2020) and offset, by the corrected and by the published protocol.

They judge from outside, but forgive a constant delay, which is told beside them, and compare only with figures made in the same
way on the same clips.
"""

from collections.abc import Iterable

import numpy as np

from av2unit.features import to_int16_scale
from avcore.arrays import Floats, Pixels
from avcore.errors import NoFaceError
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.face_clips import FaceClip
from netflips.evaluate.lip_sync import cepstra, judge_lip_sync, sync_vectors
from netflips.evaluate.metric import DUBS, FigureKind, Measured, metric
from netflips.evaluate.needs import SYNCNET
from unit2av.face.syncnet import SyncNet

CORRECTED = ("lse_c", "lse_d", "lse_offset")
PUBLISHED = tuple(f"{name}_published" for name in CORRECTED)


def sync_by_syncnet(network: SyncNet, pictures: Iterable[Pixels], sound: Floats) -> dict[str, float]:
    """Return LSE of one face, by both protocols. pictures: as `sync_vectors` takes them; sound: float32 [S] at 16 kHz.

    Offsets in pictures of 40 ms, positive where the sound comes too early. Raises InputError for less than six pictures.
    """
    vectors, found = sync_vectors(network, pictures, cepstra(to_int16_scale(sound))), dict[str, float]()
    for names, is_published in ((CORRECTED, False), (PUBLISHED, True)):
        told = judge_lip_sync(*vectors, len(sound), is_published)
        found |= dict(zip(names, (told.confidence, told.distance, float(told.offset)), strict=True))
    return found


def sync_of_faces(network: SyncNet, clips: Iterable[FaceClip]) -> Measured:
    """Return the same of all faces that were followed in a video: the mean. Raises NoFaceError where there is none."""
    found = [sync_by_syncnet(network, clip.pictures, clip.sound) for clip in clips]
    if not found:
        raise NoFaceError("no face was seen long enough for SyncNet")
    return {name: float(np.mean([one[name] for one in found])) for name in CORRECTED + PUBLISHED}


_SOURCE, _ALIKE = "SyncNet, Prajwal et al. 2020, pairs that exist only", "compares only with figures of the same way and clips"
_AS_PUBLISHED, _ZEROS = "SyncNet, zeros beyond the clip", "the zeros decide the figures of short clips"


@metric(
    FigureKind("lse_c", "LSE-C", "higher", _SOURCE, _ALIKE),
    FigureKind("lse_d", "LSE-D", "lower", _SOURCE, _ALIKE),
    FigureKind("lse_offset", "offset by SyncNet", "near", _SOURCE, _ALIKE, "pictures"),
    FigureKind("lse_c_published", "LSE-C, as published", "higher", _AS_PUBLISHED, _ZEROS),
    FigureKind("lse_d_published", "LSE-D, as published", "lower", _AS_PUBLISHED, _ZEROS),
    FigureKind("lse_offset_published", "offset by SyncNet, as published", "near", _AS_PUBLISHED, _ZEROS, "pictures"),
    needs={SYNCNET},
    place=61,
    suits=(DUBS,),
    of_pairs=False,
)
def _lse(case: Case, outcome: Clip) -> Measured:
    network, watched = case.model(SYNCNET)
    return sync_of_faces(network, outcome.face_clips(watched))
