"""The clips that lip trainers learn from: checked against their units before the first step."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError
from avcore.timeline import frames_to_units, units_to_frames
from avcore.units import Units
from avdata.manifest import Entry, Manifest, read_manifest
from avdata.unit_store import iter_units, leave_out, settle_vocabulary, table_size, timed_units
from unit2av.face.training.config import LipDataConfig
from unit2av.lip_crops import MAKE_BOXES, CropSource, footage_of, reference_of


@dataclass(frozen=True, eq=False)
class LipClip:
    """One clip. units: plain names with durations. max_mismatch_units: by how much its pictures may last longer or shorter.
    reference: the same pictures with another mouth, where there are such."""

    footage: CropSource
    units: Units
    max_mismatch_units: int
    reference: CropSource | None = None

    @property
    def id(self) -> str:
        """Its name in the manifest."""
        return self.footage.id

    @property
    def num_frames(self) -> int:
        """Pictures at 25 fps that the units last."""
        return units_to_frames(self.units.num_steps)

    def fits(self, num_pictures: int) -> bool:
        """Return whether a number of pictures at 25 fps is about as long as the units."""
        return abs(frames_to_units(num_pictures) - self.units.num_steps) <= self.max_mismatch_units


@dataclass(frozen=True)
class FaceClips:
    """What a run trains and validates on. vocabulary: the quantizer's fingerprint, "" = unknown."""

    train: tuple[LipClip, ...]
    valid: tuple[LipClip, ...]
    vocabulary: str

    def table_size(self, stated: int) -> int:
        """Rows of a table of their units: as stated, or for 0 as many as they need."""
        return table_size(stated, (clip.units for clip in (*self.train, *self.valid)))

    def check_range(self, num_units: int) -> None:
        """Raise UnitRangeError naming the first clip with a unit that a table of so many rows lacks."""
        for clip in (*self.train, *self.valid):
            clip.units.check_range(num_units, clip.id)


def read_clips(config: LipDataConfig, min_frames: int, seed: int) -> FaceClips:
    """Read and check all that a run learns from.

    min_frames: pictures that a clip must have. Raises InputError naming clips without video, boxes or units and clips
    that are too short (a warning instead, where the config allows), VocabularyError for units of two quantizers.
    """
    train = _read(config.train, config.units, config, min_frames)
    if config.valid:
        valid = _read(config.valid, config.valid_units or config.units, config, min_frames)
    else:
        train, valid = config.held_out(train, seed, lambda clip: clip.id, "clips")
    named = ((clip.id, clip.units.vocabulary) for clip in (*train, *valid))
    return FaceClips(tuple(train), tuple(valid), settle_vocabulary(named, config.units_vocabulary))


def _read(manifest_path: str, units_path: str, config: LipDataConfig, min_frames: int) -> list[LipClip]:
    path = Path(manifest_path)
    manifest = read_manifest(path, config.root or None)
    units = _read_units(manifest, units_path, config)
    clips, problems = [], _Problems()
    for entry in manifest.entries:
        footage, reference = (find(manifest, entry, config.steady_boxes) for find in (footage_of, reference_of))
        if footage is None or not footage.video.is_file():
            problems.no_video.append(f"{entry.id} ({footage.video if footage else 'no video in its line'})")
        elif reference is not None and not reference.video.is_file():
            problems.no_video.append(f"{entry.id} ({reference.video})")
        elif not footage.boxes.is_file():
            problems.no_boxes.append(f"{entry.id} ({footage.boxes})")
        elif entry.id not in units:
            problems.no_units.append(entry.id)
        else:
            clip = LipClip(footage, units[entry.id], config.max_mismatch_units, reference)
            if problems.accept(clip, entry, min_frames):
                clips.append(clip)
    problems.complain(path, units_path, config, min_frames)
    if not clips:
        raise InputError("no clip is left to learn from", path=path)
    return clips


def _read_units(manifest: Manifest, path: str, config: LipDataConfig) -> dict[str, Units]:
    wanted = {entry.id for entry in manifest.entries}
    rows = (row for row in iter_units(path) if row.id in wanted)
    return {row.id: timed_units(row, f"{path}: {row.id}", config.frame_level, config.first_unit) for row in rows}


class _Problems:
    """Names of clips that cannot be used, by what is wrong with them."""

    def __init__(self) -> None:
        self.no_video: list[str] = []
        self.no_boxes: list[str] = []
        self.no_units: list[str] = []
        self.too_short: list[str] = []
        self.misfits: list[str] = []

    def accept(self, clip: LipClip, entry: Entry, min_frames: int) -> bool:
        """Return whether the lengths of a clip are right, as far as its line tells them."""
        frames = min(clip.num_frames, entry.frames or clip.num_frames)
        if frames < min_frames:
            self.too_short.append(f"{clip.id} ({frames})")
        elif entry.frames and not clip.fits(entry.frames):
            self.misfits.append(f"{clip.id} ({entry.frames} and {clip.num_frames})")
        else:
            return True
        return False

    def complain(self, path: Path, units_path: str, config: LipDataConfig, min_frames: int) -> None:
        """One error, or one warning a kind where the config allows. Raises InputError."""
        kinds: tuple[tuple[Sequence[str], str, str], ...] = (
            (self.no_video, "without video", "set data.root"),
            (self.no_boxes, "without face boxes", MAKE_BOXES),
            (self.no_units, f"without units in {units_path}", "extract their units"),
            (
                self.too_short,
                f"too short, below {min_frames} pictures",
                "cut longer clips",
            ),
            (self.misfits, "of another length than the units", "raise data.max_mismatch_units if it is no mix-up"),
        )
        for names, what, hint in kinds:
            leave_out(names, "clip", what, path, config.allow_missing, hint)


def cache_folder(config: LipDataConfig, run_dir: str) -> str:
    """Return where a run keeps its face crops."""
    return config.cache or str(Path(run_dir) / "crops")
