"""Corpora to train on: the published .tsv form, or NetfLips' JSON lines, as one plain list of clips; the settings that all
trainers' corpora share, and what is held out of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from avcore.bounds import Number
from avcore.errors import InputError, UsageError
from avcore.files import require_file
from avcore.texts import iter_lines
from avcore.timeline import frames_covering, frames_to_seconds, samples_to_seconds, seconds_to_samples
from avdata.manifest import Entry, read_manifest

_TSV_COLUMNS = 5
_MOST_DIGITS = 12
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CorpusClip:
    """One utterance. audio, lips: files, "" = none. frames: lip pictures, samples: at 16 kHz; 0 = not known."""

    id: str
    audio: str
    lips: str
    frames: int = 0
    samples: int = 0
    repeat: int = 1
    """How often an epoch has it."""
    sentence: str = ""
    """The same for all clips of the same words, "" = not known."""

    @property
    def seconds(self) -> Fraction | None:
        """Its length by the manifest: that of the lips where it has any, else of the sound; None = not said."""
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
    clips: tuple[CorpusClip, ...]

    @property
    def split(self) -> str:
        """The manifest's name without its ending, as `train`."""
        return self.path.stem


def read_corpus(path: str | Path, root: str | Path | None = None) -> Corpus:
    """Read a manifest: `.tsv` as published, anything else as JSON lines. root: where its paths start from, None = as it says.

    Raises InputError naming the first line that cannot be used.
    """
    path = require_file(path, "the manifest")
    if path.suffix == ".tsv":
        return Corpus(path, _read_tsv(path, root))
    manifest = read_manifest(path, root)
    return Corpus(path, tuple(_clip_of(entry, manifest.root) for entry in manifest.entries))


def _clip_of(entry: Entry, root: Path) -> CorpusClip:
    repeat = entry.repeat(root)
    audio, lips = (str(root / name) if name else "" for name in (entry.audio, entry.lips))
    samples = entry.samples or seconds_to_samples(entry.duration_s)
    return CorpusClip(entry.id, audio, lips, entry.frames, samples, repeat, entry.sentence)


def _read_tsv(path: Path, root: str | Path | None) -> tuple[CorpusClip, ...]:
    """Read a `.tsv`: the videos' folder, then lines of id, video, audio, video frames, audio samples; audio paths as given."""
    lines = iter_lines(path, "the manifest")
    _, first = next(lines)
    folder = Path(first.strip()) if root is None else Path(root)
    clips = tuple(_tsv_clip(line.rstrip("\n"), number, path, folder) for number, line in lines if line.strip())
    if not clips:
        raise InputError("the manifest holds no clips", path=path, expected="a root folder, then one line a clip")
    return clips


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
    """Return a path as given, or below the root when only there is such a file."""
    if not name or Path(name).is_absolute() or Path(name).exists() or not (folder / name).exists():
        return name
    return str(folder / name)


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """What is trained and validated on.

    train, valid: manifests; empty valid = `hold_out` of train, chosen by their ids and the seed: a corpus that grows holds out what
    it held out before, or what is new. allow_missing: leave out what lacks something, instead of stopping.
    """

    train: str = "???"
    valid: str = ""
    hold_out: Number = 0
    allow_missing: bool = False

    def held_out(self, items: Sequence[T], seed: int, key: Callable[[T], str], of: str) -> tuple[list[T], list[T]]:
        """Return what is trained on and what is held out, both in their order. key: those alike stay together; of: its plural.

        Raises UsageError where nothing would be left to train on.
        """
        names = {key(one) for one in items}
        if self.hold_out >= len(names):
            raise UsageError(
                "nothing is left to train on", path=self.train, expected=f"data.hold_out below {len(names)}, the number of {of}",
                found=self.hold_out, hint="lower it, or give data.valid",
            )  # fmt: skip
        chosen = set(by_lot(names, self.hold_out, seed))
        return [one for one in items if key(one) not in chosen], [one for one in items if key(one) in chosen]

    def require_validation(self) -> None:
        """Raise UsageError where there is nothing to validate on."""
        if not self.valid and not self.hold_out:
            raise UsageError(
                "there is nothing to validate on", expected="data.valid, or data.hold_out above 0",
                hint="the best checkpoint is chosen by validation",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class UnitCorpusConfig(CorpusConfig):
    """A corpus with units.

    units, valid_units: units by id (avdata.unit_store); empty valid_units = units. frame_level: rows of units without durations are
    one id every 20 ms. first_unit: the number that unit 0 has in the data, 4 where they are raw classes of the unit encoder.
    units_vocabulary: fingerprint of the quantizer where the data do not say it.
    """

    units: str = ""
    valid_units: str = ""
    frame_level: bool = False
    first_unit: Number = 0
    units_vocabulary: str = ""


def by_lot(names: "Sequence[str] | set[str]", count: int, seed: int) -> list[str]:
    """Return `count` of some names: which, depends on each name and the seed alone, not on what else there is."""
    return sorted(names, key=lambda name: (blake2b(f"{seed} {name}".encode(), digest_size=8).digest(), name))[:count]
