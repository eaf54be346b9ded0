"""The one figure that belongs to a whole set and to no clip: the Frechet distance of the dubs' faces to the sources'."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from avcore.errors import CheckpointError, InputError, NetflipsError
from avcore.progress import Progress, silent
from avcore.runs.cache import WorkFolder, file_digest, key_of
from avcore.statistics import Figure
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.clips import DUBBED, ITSELF, Clips
from netflips.evaluate.judges import Judges
from netflips.evaluate.metrics.frechet import FRECHET, Moments, features_of, frechet_distance, load_inception
from netflips.evaluate.metrics.pictures import face_pictures
from netflips.evaluate.suite_rows import Cell, Row

NAME = "frechet"
_STAGE, _FOLDER = "faces of all clips", "work"


def frechet_row(cases: Sequence[CaseFiles], judges: Judges, inception: Path, out_dir: Path, progress: Progress = silent) -> Row:
    """The distance of the dubs' faces to the sources', and beside it that of every other source to the rest.

    Features are kept in `out_dir/work`, so that a stopped run goes on. It has no interval: a bootstrap would take hours. Raises
    InputError or CheckpointError for the network.
    """
    clips, work = Clips(cases, judges), WorkFolder(out_dir / _FOLDER)
    digest, network = file_digest(inception), list[Any]()

    def features(path: Path) -> Moments | None:
        def make() -> dict[str, Any]:
            network[:] = network or [load_inception(inception)]
            return {"features": features_of(network[0], face_pictures(clips.clip(path))).astype(np.float32)}

        found = work.arrays("inception", key_of(digest, file_digest(path), str(judges.paths.face)), make)["features"]
        return Moments.of(found.astype(np.float64)) if len(found) else None

    made, true, failed = list[Moments](), list[Moments](), 0
    for number, case in enumerate(cases):
        progress(_STAGE, number, len(cases))
        try:
            sides = [features(case.dub), None if case.source is None else features(case.source)]
        except CheckpointError:
            raise
        except NetflipsError:
            failed += 1
            continue
        made += [sides[0]] if sides[0] is not None else []
        true += [sides[1]] if sides[1] is not None else []
    progress(_STAGE, len(cases), len(cases))
    cells = {DUBBED: _cell(made, true, failed), ITSELF: _cell(true[::2], true[1::2], 0)}
    return Row(NAME, NAME, FRECHET, cells, f"features of {inception.name}; the source beside itself: every other clip to the rest")


def _cell(made: Sequence[Moments], true: Sequence[Moments], failed: int) -> Cell:
    if not made or not true:
        return Cell(None, failed, {"too few clips with a face": 1})
    try:
        value = frechet_distance(reduce(add, made), reduce(add, true))
    except InputError as error:
        return Cell(None, failed, {str(error): 1})
    return Cell(Figure(value, float("nan"), float("nan"), len(made)), failed)
