"""Learn a mouth table from videos and their units, in seconds, for `unit2av.train_mouth`.

The training targets are measured with the face mesh: the gap between the lips and their width, in widths of the face. People
differ, so values are relative to each person's own range.

Each unit has a target and a dominance, after Cohen & Massaro, "Modeling coarticulation in synthetic visual
speech" (1993): a frame shows the mean of the targets of the units around it, weighted by their dominance there. A sum of shares (a
linear map) cannot express that p closes the lips next to any unit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from avcore.command import LOG
from avcore.data.manifest import Entry, Manifest
from avcore.data.unit_store import read_units
from avcore.errors import InputError, NetflipsError, NoFaceError, UsageError, VocabularyError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.find import find_faces
from avcore.faces.geometry import Box
from avcore.files import atomic_output, require_file
from avcore.media import FrameSource
from avcore.notes import several
from avcore.progress import Progress, bars, track
from avcore.timeline import UNITS_PER_FRAME, units_to_seconds
from avcore.units import Ids, Units, fingerprint
from unit2av.lipsync.mesh.follow import MeshFinder
from unit2av.lipsync.mesh.shape import Points, fit_pose, measure_movements
from unit2av.lipsync.mesh.table import DOMINANCE_STEPS, MouthTable, Parameters, Weights, steps_around

_LEAST_FRAMES = 250
_RIDGE = 0.3
_ROUNDS, _BATCH, _RATE = 1500, 4096, 0.1
_FALL = 0.03
"""Seconds in which dominance falls to a third before and after a unit, at the start of learning."""
_STRENGTH_RIDGE = 0.1
_UNKNOWN = 3.0
"""By how much the strength of a unit without examples is lower, so that it follows its neighbours."""


@dataclass
class Examples:
    """Units and mouth movements measured with them. Unknown parameters are NaN."""

    num_units: int
    frames: list[Ids] = field(default_factory=list)
    parameters: list[Parameters] = field(default_factory=list)

    def add(self, frames: Ids, parameters: Parameters) -> None:
        """Add a clip: units int64 [T], one every 20 ms, and the mouth's movements [n, 3]; both are cut to the shorter one."""
        count = min(len(frames) // UNITS_PER_FRAME, len(parameters))
        if count:
            self.frames.append(np.asarray(frames[: UNITS_PER_FRAME * count]))
            self.parameters.append(np.asarray(parameters[:count], np.float64))

    @property
    def num_frames(self) -> int:
        """Number of frames with known parameters."""
        return int(sum(np.isfinite(rows).all(axis=1).sum() for rows in self.parameters))


def learn_table(examples: Examples, vocabulary: str) -> MouthTable:
    """Learn a target and a strength of each unit, at each position of the window.

    Raises InputError for less than ten seconds of material.
    """
    if examples.num_frames < _LEAST_FRAMES:
        found = f"{examples.num_frames} frames"
        raise InputError("this is too little to learn a mouth from", expected="ten seconds with a face", found=found)

    wanted = np.concatenate(examples.parameters)
    is_known = np.isfinite(wanted).all(axis=1)
    windows = np.concatenate([steps_around(frames) for frames in examples.frames])
    mean = wanted[is_known].mean(axis=0)

    middle = (DOMINANCE_STEPS - 1) / 2
    away = tuple(float(units_to_seconds(1)) * abs(step - middle) for step in range(DOMINANCE_STEPS))
    targets, strengths = _learn_dominance(windows[is_known], wanted[is_known] - mean, examples.num_units, away)
    return MouthTable(targets, strengths, mean.astype(np.float32), vocabulary)


def _learn_dominance(windows: Ids, wanted: Parameters, num_units: int, away_s: tuple[float, ...]) -> tuple[Weights, Weights]:
    """Find targets and strengths that make the least squared error, by gradient descent from a fixed beginning.

    windows: int64 [n, 10], the unit of each step around a frame; wanted: float64 [n, 3], less their mean. away_s: how far each
    step is from the frame, in seconds. Returns targets float32 [10, units, 3] and strengths [10, units] (see `MouthTable`).
    """
    steps = torch.arange(DOMINANCE_STEPS)
    rows, goals = torch.from_numpy(windows) + steps * num_units, torch.from_numpy(wanted).float()
    # Columns: the targets, and the strength beside one that only tells how far away a step is.
    weights = torch.zeros(DOMINANCE_STEPS * num_units, goals.shape[1] + 1, requires_grad=True)
    near = (-torch.tensor(away_s) / _FALL).requires_grad_(True)

    optimizer = torch.optim.Adam([weights, near], lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _ROUNDS)
    # A generator of its own, so that the same clips give the same table whatever else draws numbers.
    lot = torch.Generator().manual_seed(0)
    ridge = torch.tensor([_RIDGE] * goals.shape[1] + [_STRENGTH_RIDGE]) / len(goals)

    for _ in range(_ROUNDS):
        chosen = torch.randint(len(goals), (min(_BATCH, len(goals)),), generator=lot)
        found = F.embedding(rows[chosen], weights)
        share = torch.softmax(found[..., -1] + near, dim=1)
        error = ((share[..., None] * found[..., :-1]).sum(dim=1) - goals[chosen]).square().mean()
        optimizer.zero_grad()
        (error + (weights.square() * ridge).sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()

    is_known = torch.bincount(rows.flatten(), minlength=len(weights)).view(DOMINANCE_STEPS, num_units) > 0
    learnt = weights.detach().view(DOMINANCE_STEPS, num_units, -1)
    strengths = learnt[..., -1] + near.detach()[:, None] - _UNKNOWN * ~is_known
    return learnt[..., :-1].numpy().copy(), strengths.numpy()


Measures = NDArray[np.float64]
"""float64 [n, 3], one row a frame at 25 Hz: gap between the lips, distance of their corners, thickness of both; NaN = no face."""

_USUAL_MOST = 0.85
"""Opening and width that the widest frames of a talk have."""
_LOWEST, _HIGHEST = 10, 98
_PRESSED_GAP, _PRESSED_THICKNESS = 15, 25
"""Percentiles of a person's frames: lips are pressed where the gap is below the first and they are thinner than the second."""


def measure_video(video: Path, boxes: Path | None, finder: MeshFinder) -> Measures:
    """Watch the mouth of a video's speaker. boxes: where the face is; None = it is looked for.

    Raises InputError or MediaError for a file that cannot be used, NoFaceError where there is no face.
    """
    source = FrameSource(video)
    seen_at = _boxes(source, boxes)
    rows = np.full((len(source), 3), np.nan)
    for frame in source:
        box = seen_at[frame.index]
        mesh = None if box is None else finder.find(frame.rgb, box)
        if mesh is not None:
            # In the head frame, where a face that is far away or turned has the gaps of a near one.
            rows[frame.index] = measure_movements(fit_pose(mesh).to_head(mesh))

    if not np.isfinite(rows).any():
        raise NoFaceError("the mesh saw no face in any frame", path=video)
    return rows


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


def _boxes(source: FrameSource, boxes: Path | None) -> Sequence[Box | None]:
    if boxes is not None and boxes.exists():
        return read_boxes_for(source, boxes)
    return find_faces(source, "largest", None, total=len(source), source=source.path).steady_boxes


def correlations(pairs: Iterable[tuple[Parameters, Parameters]]) -> Points:
    """Pearson's correlation of opening, width and press over all frames of pairs [n, 3] that are known in both: [3]."""
    both = [np.stack([one[: len(other)], other[: len(one)]]) for one, other in pairs]
    joined = np.concatenate(both, axis=1)
    joined = joined[:, np.isfinite(joined).all(axis=(0, 2))]
    return np.array([_correlation(joined[0, :, column], joined[1, :, column]) for column in range(3)])


def _correlation(one: Points, other: Points) -> float:
    if len(one) < 3 or one.std() < 1e-9 or other.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


@dataclass(frozen=True)
class _Clip:
    """A clip that teaches: what was said, and what the mouth did."""

    units: Units
    parameters: Parameters


def learn_from_manifest(
    manifest: Manifest, unit_path: Path, out: Path, num_units: int | None, hold_out: int, cache: Path | None, is_quiet: bool
) -> None:
    """Learn a table of the clips that have units, and say how good it is on those that it did not learn from: every `hold_out`-th,
    0 = none. num_units: size of the vocabulary, None = as the units say. cache: folder for what was seen of each video."""
    units_of = read_units(unit_path)
    entries = [entry for entry in manifest.entries if entry.video and entry.id in units_of]
    if not entries:
        raise InputError("no clip has a video and units", path=unit_path, expected="ids that are in both files")

    vocabulary, size = _vocabulary([units_of[entry.id] for entry in entries], num_units)
    with bars(is_quiet) as progress:
        clips = _watched(manifest, entries, units_of, cache, progress)

    held = clips[::hold_out] if hold_out and len(clips) > hold_out else []
    examples = Examples(size)
    for clip in clips:
        # By identity: clips hold arrays, which `==` compares element by element.
        if not any(clip is other for other in held):
            examples.add(clip.units.frames(), clip.parameters)

    table = learn_table(examples, vocabulary)
    table.save(out)
    LOG.info("%s: %d units, from %d frames of %s", out, size, examples.num_frames, several(len(examples.frames), "clip"))
    if held:
        opening, width, press = correlations((table.parameters(clip.units), clip.parameters) for clip in held)
        figures = several(len(held), "clip"), opening, width, press
        LOG.info("on %s held out, r of opening %.2f, of width %.2f, of pressed lips %.2f", *figures)


def _vocabulary(units_of: list[Units], num_units: int | None) -> tuple[str, int]:
    """Return the fingerprint that all units have, and how many there are of them."""
    vocabularies = sorted({units.vocabulary for units in units_of})
    if len(vocabularies) > 1:
        raise VocabularyError("the units are of several quantizers", expected="those of one", found=", ".join(vocabularies))

    largest = max((int(units.ids.max()) for units in units_of if len(units)), default=-1)
    size = largest + 1 if num_units is None else num_units
    if size <= largest:
        raise UsageError("--num-units is smaller than the units", expected=f"{largest + 1} or more", found=size)
    return vocabularies[0], size


def _watched(
    manifest: Manifest, entries: list[Entry], units_of: dict[str, Units], cache: Path | None, progress: Progress
) -> list[_Clip]:
    """Watch all clips; those that cannot be used are named and left out. Raises InputError when none is left."""
    seen = dict[str, Measures]()
    with MeshFinder() as finder:
        for entry in track(entries, "mouths", progress, len(entries)):
            video, boxes = manifest.path(entry, "video"), manifest.path(entry, "boxes")
            if video is None:
                continue
            try:
                seen[entry.id] = kept_measures(cache, require_file(video, "the video"), boxes, finder)
            except NetflipsError as error:
                LOG.warning("%s: left out: %s", entry.id, error)

    if not seen:
        raise InputError("no clip could be used", expected="videos of people who talk")
    # A clip without a speaker counts as a person of its own.
    parameters = by_person(seen, {entry.id: entry.speaker or entry.id for entry in entries if entry.id in seen})
    return [_Clip(units_of[name], rows) for name, rows in parameters.items()]
