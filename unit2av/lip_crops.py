"""Face crops of training clips, cut once and kept on disk: training does not decode video in every epoch.

    python -m unit2av.lip_crops --manifest train.jsonl --cache crops --workers 8

cuts them all beforehand; the trainers cut what is missing when they first need it. A frame takes 27.6 KB, an hour at
25 fps 2.5 GB.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.data.manifest import Entry, Manifest, read_manifest
from avcore.errors import InputError, NetflipsError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.crop import crop_face
from avcore.faces.geometry import steady_boxes
from avcore.files import Input, Output, atomic_output, require_file, write_text
from avcore.flags import Command, QuietOptions, flag
from avcore.media import FrameSource
from avcore.notes import several
from avcore.pool import Lost, PoolTask, ProcessPool
from avcore.progress import bars, track
from avcore.units import fingerprint
from unit2av.face.model import FACE_SIZE

LOG = logging.getLogger("netflips.lip_crops")

BOXES_SUFFIX = ".bbox.pkl"
MAKE_BOXES = "`netflips prepare video` makes face boxes; or write one box per frame with avcore.faces.boxes.write_boxes"
_LONGEST_NAME = 80


@dataclass(frozen=True, eq=False)
class CropSource:
    """Where a clip's frames and face boxes lie. steady: frames on either side that the boxes are averaged over."""

    id: str
    video: Path
    boxes: Path
    steady: int = 0


@dataclass(frozen=True, eq=False)
class ClipFaces:
    """The faces of a clip at 25 fps.

    frames: uint8 [N, 96, 96, 3] RGB, mapped from disk. is_seen: bool [N], whether there is a face in the frame.
    """

    frames: NDArray[np.uint8]
    is_seen: NDArray[np.bool_]


def reference_of(manifest: Manifest, entry: Entry, steady: int = 0) -> CropSource | None:
    """Return where an entry's frames lie with another mouth, cut by the same boxes; None when it names no such video."""
    own, video = footage_of(manifest, entry, steady), manifest.path(entry, "reference")
    return None if own is None or video is None else replace(own, id=f"{entry.id}.reference", video=video)


def footage_of(manifest: Manifest, entry: Entry, steady: int = 0) -> CropSource | None:
    """Return where an entry's frames lie, None when it has no video; boxes stand beside the video unless the entry names them."""
    video = manifest.path(entry, "video")
    if video is None:
        return None
    return CropSource(entry.id, video, manifest.path(entry, "boxes") or video.with_suffix(BOXES_SUFFIX), steady)


class CropCache:
    """A folder of face crops, one pair of files a clip; made anew when the video or its boxes change."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def faces(self, footage: CropSource) -> ClipFaces:
        """Return the faces of a clip. They are cut first if they were never cut before.

        Raises InputError, MediaError or NoFaceError for a clip that cannot be used; it is not tried again until its files
        change.
        """
        frames, seen, error = self._paths(footage)
        if error.exists():
            raise InputError(error.read_text(encoding="utf-8"), path=footage.video)
        if not frames.exists():
            self._cut(footage)
        return ClipFaces(np.load(frames, mmap_mode="r"), np.load(seen))

    def _cut(self, footage: CropSource) -> None:
        frames, seen, error = self._paths(footage)
        try:
            source = FrameSource(footage.video)
            boxes = steady_boxes(read_boxes_for(source, footage.boxes), footage.steady)
            with atomic_output(frames) as temporary:
                # It is filled as it is decoded, so that memory does not grow with the clip.
                shape = (len(source), FACE_SIZE, FACE_SIZE, 3)
                stored = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)  # type: ignore[no-untyped-call]
                for frame in source:
                    box = boxes[frame.index]
                    if box is not None:
                        stored[frame.index] = crop_face(frame.rgb, box, FACE_SIZE)
                stored.flush()
                with atomic_output(seen) as beside:  # has its name before the frames, so that they never stand alone
                    np.save(beside, np.array([box is not None for box in boxes]))
        except InputError as problem:
            # Only what is wrong with the clip itself is kept; after any other error it is tried again.
            write_text(error, str(problem))
            raise

    def _paths(self, footage: CropSource) -> tuple[Path, Path, Path]:
        """Return the files of frames, of whether faces are seen, and of what went wrong."""
        files = (require_file(footage.video, "the video"), require_file(footage.boxes, "the file of face boxes", MAKE_BOXES))
        cut = [f"steady {footage.steady}".encode()] if footage.steady else []
        stem = cached_stem(footage.id, files, *cut)
        return self._folder / f"{stem}.npy", self._folder / f"{stem}.seen.npy", self._folder / f"{stem}.error.txt"


def cached_stem(name: str, files: Sequence[Path], *settings: bytes) -> str:
    """Return the name, without a suffix, of a file with results of a clip. It changes when the clip's files or the settings do."""
    stats = (path.stat() for path in files)
    state = fingerprint(name.encode(), *(f"{one.st_size} {one.st_mtime_ns}".encode() for one in stats), *settings)
    readable = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    # File systems count bytes, of which a letter may have four.
    readable = readable.encode()[-_LONGEST_NAME:].decode(errors="ignore")
    return f"{readable}-{state.rpartition(':')[2]}"


def fill_cache(manifest: Manifest, folder: str | Path, workers: int = 1, is_quiet: bool = True, steady: int = 0) -> dict[str, str]:
    """Cut the crops of a whole manifest; return the reasons of those that could not be cut, by id. Existing crops stay."""
    footages = [footage_of(manifest, entry, steady) for entry in manifest.entries]
    problems = {entry.id: "it has no video" for entry, source in zip(manifest.entries, footages, strict=True) if source is None}
    references = (reference_of(manifest, entry, steady) for entry in manifest.entries)
    there = [footage for footage in (*footages, *references) if footage is not None]

    reasons: dict[str, str] = {}
    with bars(is_quiet) as progress, ProcessPool[CropSource, str](_Cutter, (CropCache(folder),), workers) as pool:
        outcomes = pool.run((footage.id, PoolTask.of(footage)) for footage in there)
        for outcome in track(outcomes, "face crops", progress, len(there)):
            reasons[outcome.label] = outcome.reason if isinstance(outcome, Lost) else outcome.result

    return problems | {footage.id: reasons[footage.id] for footage in there if reasons[footage.id]}


class _Cutter:
    """Cuts crops in a process of the pool."""

    def __init__(self, cache: CropCache) -> None:
        self._cache = cache

    def process(self, footages: tuple[CropSource]) -> str:
        """Cut a clip's crops; returns what went wrong, "" = nothing."""
        try:
            self._cache.faces(footages[0])
        except (NetflipsError, OSError, ValueError) as error:
            return str(error)
        return ""


@dataclass(frozen=True, kw_only=True)
class LipCropsOptions(QuietOptions):
    """Cut the faces of a corpus for lip training."""

    manifest: Path = flag(file=Input("the manifest"))
    """JSON lines: id, video, boxes (see avcore.data.manifest)"""
    root: Path | None = flag(default=None)
    """folder that its paths start from (default: the manifest's own)"""
    cache: Path = flag(file=Output("the folder of crops", is_folder=True))
    """folder for the crops: data.cache of the trainers"""
    steady_boxes: int = flag(default=0)
    """as data.steady_boxes of the trainers (default: 0)"""
    workers: int = flag(default=1)
    """processes (default: 1)"""


def _work(options: LipCropsOptions) -> None:
    manifest = read_manifest(options.manifest, options.root)
    problems = fill_cache(manifest, options.cache, options.workers, options.quiet, options.steady_boxes)
    for name, problem in problems.items():
        LOG.warning("%s: %s", name, problem)
    LOG.info("%s: faces of %s, %d could not be cut", options.cache, several(len(manifest) - len(problems), "clip"), len(problems))
    if len(problems) == len(manifest):
        raise InputError("no clip could be cut", path=options.manifest, hint=MAKE_BOXES)


_COMMAND = Command(LipCropsOptions, "unit2av.lip_crops", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
