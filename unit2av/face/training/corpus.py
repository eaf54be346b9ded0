"""The clips that lip trainers learn from: checked against their units before the first step."""

from dataclasses import dataclass

from avcore.timeline import frames_to_units, units_to_frames
from avcore.units import Units
from avdata.unit_store import iter_units, settle_vocabulary, table_size, timed_units
from unit2av.face.training.config import LipDataConfig
from unit2av.lip_crops import CropSource, reference_of
from unit2av.lip_task import ClipReading, FilmedClip


@dataclass(frozen=True, eq=False)
class LipClip(FilmedClip):
    """One clip. units: plain names with durations. max_mismatch_units: by how much its pictures may last longer or shorter.
    reference: the same pictures with another mouth, where there are such."""

    units: Units
    max_mismatch_units: int
    reference: CropSource | None = None

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
    reading = ClipReading(manifest_path, config)
    wanted = {entry.id for entry in reading.manifest.entries}
    rows = (row for row in iter_units(units_path) if row.id in wanted)
    units = {row.id: timed_units(row, f"{units_path}: {row.id}", config.frame_level, config.first_unit) for row in rows}
    clips = list[LipClip]()
    for entry, footage in reading.footages():
        reference = reference_of(reading.manifest, entry, config.steady_boxes)
        if reference is not None and not reference.video.is_file():
            reading.lacks(entry, "without video", "set data.root", reference.video)
            continue
        if entry.id not in units:
            reading.lacks(entry, f"without units in {units_path}", "extract their units")
            continue
        clip = LipClip(footage, units[entry.id], config.max_mismatch_units, reference)
        frames = min(clip.num_frames, entry.frames or clip.num_frames)
        if frames < min_frames:
            reading.lacks(entry, f"too short, below {min_frames} pictures", "cut longer clips", frames)
        elif entry.frames and not clip.fits(entry.frames):
            mix_up = "raise data.max_mismatch_units if it is no mix-up"
            reading.lacks(entry, "of another length than the units", mix_up, f"{entry.frames} and {clip.num_frames}")
        else:
            clips.append(clip)
    return reading.require(clips)
