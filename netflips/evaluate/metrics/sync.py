"""Lip sync: by units, which needs no weights but the unit encoder's, and by SyncNet (LSE-C, LSE-D, offset), in both protocols.

`unit_sync` shows delay, lost lips and wrong clips; it is no outside judge, for the lips were drawn from units and the same encoder
reads them. LSE-C and LSE-D (Prajwal et al. 2020) judge from outside, but forgive a constant delay, which is told beside them, and
compare only with figures made in the same way on the same clips.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.errors import NoFaceError
from avcore.units import Ids
from avcore.units.unit_sync import unit_sync
from netflips.evaluate.face_clips import FaceClip
from netflips.evaluate.lip_sync import LipSync, judge_clip, vectors_of
from netflips.evaluate.metrics.figures import Measured, Missing
from unit2av.face.syncnet import SyncNet

UNIT_SYNC = ("unit_sync", "unit_sync_delay_ms", "unit_sync_at_zero")
CORRECTED = ("lse_c", "lse_d", "lse_offset", "lse_at_zero")
PUBLISHED = ("lse_c_published", "lse_d_published", "lse_offset_published")
LSE = CORRECTED + PUBLISHED
_MS = 1000


def sync_by_units(heard: Ids, seen: Ids, silence: int | None) -> Measured:
    """How far lips and sound agree and at which delay of the sound (ms, negative = early); units int64 [steps] of 20 ms each.

    silence: the unit of silence, None = not known.
    """
    found = unit_sync(heard, seen, silence)
    if found is None:
        return dict.fromkeys(UNIT_SYNC, Missing("less than 0.2 s of it is said"))
    return {"unit_sync": found.confidence, "unit_sync_delay_ms": _MS * found.delay_s, "unit_sync_at_zero": found.at_zero}


def sync_by_syncnet(network: SyncNet, pictures: Iterable[Pixels], sound: NDArray[np.floating]) -> Measured:  # type: ignore[type-arg]
    """LSE of one face, by the corrected and by the published protocol, whose vectors are the same.

    pictures: uint8 [h, w, 3] RGB at 25 fps, cut as `netflips.evaluate.face_clips` does; sound: float [S] at 16 kHz. Offsets in
    pictures of 40 ms, positive where the sound comes too early. Raises InputError for less than six pictures.
    """
    lips, heard = vectors_of(network, pictures, sound)
    corrected, published = (judge_clip(lips, heard, len(sound), is_published) for is_published in (False, True))
    return _named(corrected, CORRECTED) | _named(published, PUBLISHED)


def sync_of_faces(network: SyncNet, clips: Iterable[FaceClip]) -> Measured:
    """The same of all faces that were followed in a video: the mean over them. Raises NoFaceError where there is none."""
    found = [sync_by_syncnet(network, clip.pictures, clip.sound) for clip in clips]
    if not found:
        raise NoFaceError("no face was seen long enough for SyncNet")
    return {name: _mean([one[name] for one in found]) for name in LSE}


def _named(found: LipSync, names: Sequence[str]) -> dict[str, float | Missing]:
    values = (found.confidence, found.distance, float(found.offset), found.at_zero)
    named: dict[str, float | Missing] = {}
    named.update(zip(names, values, strict=False))
    return named


def _mean(values: Sequence[float | Missing]) -> float:
    return float(np.mean([value for value in values if not isinstance(value, Missing)]))
