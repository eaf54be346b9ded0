"""What mouths do in videos of people who talk, seen by the face mesh: the truth that a table of units is learnt from.

The mesh says how far lips are apart and how wide they are, in widths of the face; people differ, so each is measured by his own
range.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import NoFaceError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.crop import Box
from avcore.faces.find import find_faces
from avcore.files import atomic_output
from avcore.media import PictureSource
from avcore.units.vocabulary import fingerprint
from unit2av.lipsync.mesh.face_shape import INNER_LOWER, INNER_UPPER, OUTER_CORNERS, OUTER_LOWER, OUTER_UPPER, Points
from unit2av.lipsync.mesh.head_frame import fit_pose
from unit2av.lipsync.mesh.sight import MeshFinder
from unit2av.lipsync.mesh.table import Parameters

Measures = NDArray[np.float64]
"""float64 [n, 3], one row a picture at 25 Hz: gap between the lips, distance of their corners, thickness of both; NaN = no face."""

_USUAL_MOST = 0.85
"""Opening and width that the widest pictures of a talk have."""
_LOWEST, _HIGHEST = 10, 98
_PRESSED_GAP, _PRESSED_THICKNESS = 15, 25
"""Percentiles of a person's pictures: lips are pressed where the gap is below the first and they are thinner than the second."""


def measure_video(video: Path, boxes: Path | None, finder: MeshFinder) -> Measures:
    """Watch the mouth of a video's speaker. boxes: where the face is; None = it is looked for.

    Raises InputError or MediaError for a file that cannot be used, NoFaceError where there is no face.
    """
    source = PictureSource(video)
    seen_at = _boxes(source, boxes)
    rows = np.full((len(source), 3), np.nan)
    for picture in source:
        box = seen_at[picture.index]
        mesh = None if box is None else finder.find(picture.rgb, box)
        if mesh is not None:
            rows[picture.index] = measure_movements(fit_pose(mesh).to_head(mesh))
    if not np.isfinite(rows).any():
        raise NoFaceError("the mesh saw no face in any picture", path=video)
    return rows


def measure_movements(head: Points) -> Points:
    """Gap, width and thickness of the lips of points [468, 3] in the head frame."""
    middle = len(INNER_UPPER) // 2
    gap = head[INNER_LOWER[middle], 1] - head[INNER_UPPER[middle], 1]
    width = np.linalg.norm(head[OUTER_CORNERS[1]] - head[OUTER_CORNERS[0]])
    thickness = head[OUTER_LOWER[middle], 1] - head[OUTER_UPPER[middle], 1] - gap
    return np.array([gap, width, thickness])


def parameters_of(measures: Sequence[Measures]) -> list[Parameters]:
    """Return what a table shall learn of all clips of one person: opening, width and press, each measured by the person's range."""
    known = np.concatenate(list(measures))
    known = known[np.isfinite(known).all(axis=1)]
    low, high = np.percentile(known[:, 0], [_LOWEST, _HIGHEST])
    least, usual, most = np.percentile(known[:, 1], [100 - _HIGHEST, 50, _HIGHEST])
    pressed_gap = np.percentile(known[:, 0], _PRESSED_GAP)
    pressed_lips = np.percentile(known[:, 2], _PRESSED_THICKNESS)
    result = []
    for rows in measures:
        gap, width, thickness = rows.T
        opening = np.clip(_USUAL_MOST * (gap - low) / max(high - low, 1e-6), 0, 1)
        spread = _USUAL_MOST * (width - usual) / max(most - usual, usual - least, 1e-6)
        press = np.where(np.isfinite(gap), (gap < pressed_gap) & (thickness < pressed_lips), np.nan)
        result.append(np.stack([opening, np.clip(spread, -1, 1), press.astype(np.float64)], axis=1))
    return result


def by_person(measures: Mapping[str, Measures], persons: Mapping[str, str]) -> dict[str, Parameters]:
    """Parameters of clips by id; persons: whose clip each is."""
    result = dict[str, Parameters]()
    for person in sorted(set(persons.values())):
        names = [name for name in measures if persons[name] == person]
        if names:
            result |= dict(zip(names, parameters_of([measures[name] for name in names]), strict=True))
    return result


def kept_measures(folder: Path | None, video: Path, boxes: Path | None, finder: MeshFinder) -> Measures:
    """`measure_video`, kept in a folder until the files change, so that a stopped run goes on; None keeps nothing."""
    if folder is None:
        return measure_video(video, boxes, finder)
    stats = [path.stat() for path in (video, boxes) if path is not None and path.exists()]
    state = fingerprint(str(video.absolute()).encode(), *(f"{one.st_size} {one.st_mtime_ns}".encode() for one in stats))
    kept = folder / f"{state.rpartition(':')[2]}.npy"
    if kept.exists():
        return np.asarray(np.load(kept, allow_pickle=False), np.float64)
    rows = measure_video(video, boxes, finder)
    with atomic_output(kept) as temporary, temporary.open("wb") as file:
        np.save(file, rows)
    return rows


def _boxes(source: PictureSource, boxes: Path | None) -> Sequence[Box | None]:
    if boxes is not None and boxes.exists():
        return read_boxes_for(source, boxes)
    return find_faces(source, "largest", None, total=len(source), source=source.path).steady_boxes


def correlations(pairs: Iterable[tuple[Parameters, Parameters]]) -> Points:
    """Pearson's correlation of opening, width and press over all pictures of pairs [n, 3] that are known in both: [3]."""
    both = [np.stack([one[: len(other)], other[: len(one)]]) for one, other in pairs]
    joined = np.concatenate(both, axis=1)
    joined = joined[:, np.isfinite(joined).all(axis=(0, 2))]
    return np.array([_correlation(joined[0, :, column], joined[1, :, column]) for column in range(3)])


def _correlation(one: Points, other: Points) -> float:
    if len(one) < 3 or one.std() < 1e-9 or other.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
