"""Corpora to train on, read from the published .tsv form or from NetfLips' JSON lines into one list of clips; the settings that
the corpora of all trainers share, and the choice of held-out clips."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from avcore.bounds import Number
from avcore.data.manifest import Entry, read_manifest
from avcore.data.unit_store import UnitRow, rows_by_id, timed_units
from avcore.errors import InputError, UsageError
from avcore.files import require_file
from avcore.texts import iter_lines
from avcore.timeline import frames_covering, frames_to_seconds, samples_to_seconds, seconds_to_samples
from avcore.units import Units

LOG = logging.getLogger("netflips.train")

MOST_COMMON = "auto"
"""The setting of a unit of silence that looks for it; see `unit_of_silence`."""
_TSV_COLUMNS = 5
_MOST_DIGITS = 12
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CorpusClip:
    """One utterance."""

    id: str
    audio: str
    """file, "" = none"""
    lips: str
    """file, "" = none"""
    frames: int = 0
    """lip frames, 0 = not known"""
    samples: int = 0
    """at 16 kHz, 0 = not known"""
    repeat: int = 1
    """how often an epoch has it"""
    sentence: str = ""
    """the same for all clips of the same words, "" = not known"""

    @property
    def seconds(self) -> Fraction | None:
        """Its length in the manifest: of the lips if it has any, else of the sound; None = not stated."""
        if self.frames and self.lips:
            return frames_to_seconds(self.frames)
        return samples_to_seconds(self.samples) if self.samples else None

    @property
    def steps(self) -> int:
        """Steps of the encoder, 25 a second; 0 = not known."""
        return 0 if self.seconds is None else frames_covering(self.seconds)


@dataclass(frozen=True)
class Corpus:
    """The clips of a manifest, in its order."""

    path: Path
    """the manifest"""
    clips: tuple[CorpusClip, ...]

    @property
    def split(self) -> str:
        """The manifest's name without its suffix, such as `train`."""
        return self.path.stem


def read_corpus(path: str | Path, root: str | Path | None = None) -> Corpus:
    """Read a manifest: `.tsv` as published, anything else as JSON lines. root: folder that its paths start from, None = as stated
    in it.

    Raises InputError naming the first line that cannot be used.
    """
    path = require_file(path, "the manifest")
    if path.suffix == ".tsv":
        # As published: the folder of the videos, then lines of id, video, audio, video frames, audio samples.
        lines = iter_lines(path, "the manifest")
        _, first = next(lines)
        folder = Path(first.strip()) if root is None else Path(root)
        clips = tuple(_tsv_clip(line.rstrip("\n"), number, path, folder) for number, line in lines if line.strip())
        if not clips:
            raise InputError("the manifest holds no clips", path=path, expected="a root folder, then one line a clip")
        return Corpus(path, clips)
    manifest = read_manifest(path, root)
    return Corpus(path, tuple(_clip_of(entry, manifest.root) for entry in manifest.entries))


def _clip_of(entry: Entry, root: Path) -> CorpusClip:
    repeat = entry.repeat(root)
    audio, lips = (str(root / name) if name else "" for name in (entry.audio, entry.lips))
    samples = entry.samples or seconds_to_samples(entry.duration_s)
    return CorpusClip(entry.id, audio, lips, entry.frames, samples, repeat, entry.sentence)


def _tsv_clip(line: str, number: int, path: Path, folder: Path) -> CorpusClip:
    columns = line.split("\t")
    is_right = len(columns) == _TSV_COLUMNS and all(
        text.isdecimal() and len(text) <= _MOST_DIGITS for text in map(str.strip, columns[3:])
    )
    if not is_right:
        raise InputError(
            f"line {number} is no clip",
            path=path,
            expected="id, video, audio, video frames, audio samples, with tabs between",
            found=repr(line[:80]),
        )

    name, video, audio = (column.strip() for column in columns[:3])
    return CorpusClip(name, _audio_path(audio, folder), str(folder / video) if video else "", int(columns[3]), int(columns[4]))


def _audio_path(name: str, folder: Path) -> str:
    """Return a path as given, or below the root if the file exists only there."""
    if not name or Path(name).is_absolute() or Path(name).exists() or not (folder / name).exists():
        return name
    return str(folder / name)


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Data to train and to validate on."""

    train: str = "???"
    """manifest"""
    valid: str = ""
    """manifest, "" = `hold_out` items of train"""
    hold_out: Number = 0
    """how many to hold out, chosen by their ids and the seed: as a corpus grows, only new ones can replace those held out before"""
    allow_missing: bool = False
    """leave out items that lack something, instead of stopping"""

    def held_out(self, items: Sequence[T], seed: int, key: Callable[[T], str], of: str) -> tuple[list[T], list[T]]:
        """Return the items to train on and those held out, both in their order.

        key: items of equal keys stay together. of: what keys are called, in the plural, for messages. Raises UsageError if nothing
        would be left to train on.
        """
        names = {key(one) for one in items}
        if self.hold_out >= len(names):
            raise UsageError(
                "nothing is left to train on", path=self.train, expected=f"data.hold_out below {len(names)}, the number of {of}",
                found=self.hold_out, hint="lower it, or give data.valid",
            )  # fmt: skip
        chosen = set(by_lot(names, self.hold_out, seed))
        return [one for one in items if key(one) not in chosen], [one for one in items if key(one) in chosen]

    def parts(self, read: Callable[[str], list[T]], seed: int, key: Callable[[T], str], of: str) -> tuple[list[T], list[T]]:
        """Return the items to train on, and those of `valid`, or else those held out of train; see `held_out`.

        read: returns the items of a manifest.
        """
        train = read(self.train)
        return (train, read(self.valid)) if self.valid else self.held_out(train, seed, key, of)

    def require_validation(self) -> None:
        """Raise UsageError if there is nothing to validate on."""
        if not self.valid and not self.hold_out:
            raise UsageError(
                "there is nothing to validate on", expected="data.valid, or data.hold_out above 0",
                hint="the best checkpoint is chosen by validation",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class UnitCorpusConfig(CorpusConfig):
    """A corpus with units."""

    units: str = ""
    """units by id (avcore.data.unit_store)"""
    frame_level: bool = False
    """rows of units without durations are one id every 20 ms"""
    first_unit: Number = 0
    """number of unit 0 in the data; 4 in raw classes of the unit encoder"""
    units_vocabulary: str = ""
    """fingerprint of the quantizer, if the data do not state it"""

    def units_by_id(self, path: str | Path, wanted: Collection[str] | None) -> dict[str, UnitRow]:
        """Return the rows of a store that are of `wanted` (None = all), their units with durations and plain names.

        Raises InputError for an id that is there twice, and the errors of `iter_units` and `timed_units`.
        """
        rows = rows_by_id(path, wanted)
        # One after the other, so that memory holds them once.
        for name, row in rows.items():
            rows[name] = replace(row, units=timed_units(row, f"{path}: {name}", self.frame_level, self.first_unit))
        return rows


def by_lot(names: "Sequence[str] | set[str]", count: int, seed: int) -> list[str]:
    """Return `count` of some names. The rank of a name depends on the name and the seed alone, not on the other names."""
    return sorted(names, key=lambda name: (blake2b(f"{seed} {name}".encode(), digest_size=8).digest(), name))[:count]


def unit_of_silence(setting: str, utterances: Iterable[Units]) -> int | None:
    """Return the unit that a setting names: a number, `auto` for the most common one at the ends of utterances, "" for none."""
    if setting != MOST_COMMON:
        return int(setting) if setting else None
    # Recordings begin and end in silence more often than in any other unit.
    ends = Counter(int(units.ids[at]) for units in utterances for at in (0, -1) if len(units))
    if not ends:
        return None
    unit, times = ends.most_common(1)[0]
    LOG.info("silence is unit %d: at %.0f %% of the ends of utterances", unit, 100 * times / ends.total())
    return unit
