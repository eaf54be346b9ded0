"""AV-HuBERT's data folders: `<split>.tsv` with lip videos and sound, `<split>.<label>` with units, `dict.<label>.txt`.

The first line of a table is the folder of the videos; then id, video, audio, video frames and audio samples, with tabs
between. Audio paths are used as they stand, so they are written in full. A label file has a line for each clip; of two,
the first has the units at even places and the second those at odd ones, 25 a second each.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from avcore.errors import InputError, UnitError, UsageError
from avcore.files import write_text
from avcore.notes import several
from avcore.timeline import UNITS_PER_FRAME, seconds_to_samples
from avcore.units import Ids, Units, format_units
from avdata.corpus import CorpusClip, read_corpus
from avdata.labels import read_labels
from avdata.manifest import Entry, Manifest
from avdata.unit_store import UnitRow, read_units


def write_tsv(
    manifest: Manifest, out: Path, split: str, units: Path | None = None, labels: Sequence[str] = (), num_units: int = 1000
) -> int:
    """Write a split of an AV-HuBERT data folder; returns how many clips it has.

    units: by id, for the labels. labels: names of one or two label files. Raises InputError for an entry without sound,
    UnitError for one without units.
    """
    if bool(labels) != (units is not None) or len(labels) > UNITS_PER_FRAME:
        raise UsageError("labels need units and one or two names", found=f"{units} and {', '.join(labels) or 'no names'}")
    root = manifest.root.resolve()
    lines = [str(root), *(_line(entry, root, manifest) for entry in manifest.entries)]
    if units is not None:
        _write_labels(manifest, out, split, units, labels, num_units)
    write_text(out / f"{split}.tsv", "\n".join(lines) + "\n")
    return len(manifest)


def read_tsv(path: Path, out: Path, language: str = "") -> Iterator[Entry]:
    """Yield the clips of a table as entries with paths relative to `out`. Raises InputError naming a line that is none."""
    for clip in read_corpus(path).clips:
        odd = next((one for one in (clip.audio, clip.lips) if "\\" in one and not Path(one).exists()), None)
        if odd is not None:
            raise InputError("the table has paths of Windows", path=path, expected="/ between folders", found=odd)
        yield Entry(
            clip.id,
            audio=_relative(clip.audio, out),
            lips=_relative(clip.lips, out),
            duration_s=_seconds(clip),
            frames=clip.frames,
            samples=clip.samples,
            language=language,
        )


def read_tsv_units(path: Path, labels: Sequence[str], label_rate: int, language: str, vocabulary: str) -> Iterator[UnitRow]:
    """Yield the labels of a table's clips as units by id. label_rate: 50 or 25, of a single label file."""
    corpus = read_corpus(path)
    found = read_labels(list(labels), corpus, label_rate)
    for place, clip in enumerate(corpus.clips):
        yield UnitRow(clip.id, Units.from_frames(found.of(place).astype(np.int64), language, vocabulary), {})


def _line(entry: Entry, root: Path, manifest: Manifest) -> str:
    audio = manifest.path(entry, "audio")
    if audio is None:
        raise InputError(f"the entry {entry.id!r} has no sound", path=manifest.root, expected="audio, and lips where there are any")
    samples = entry.samples or seconds_to_samples(entry.duration_s)
    columns = (entry.id, entry.lips, str(audio.resolve()), str(entry.frames), str(samples))
    if any("\t" in column for column in columns):
        raise InputError(f"the entry {entry.id!r} has a tab in its name", path=root)
    return "\t".join(columns)


def _write_labels(manifest: Manifest, out: Path, split: str, path: Path, labels: Sequence[str], num_units: int) -> None:
    store = read_units(path)
    missing = [entry.id for entry in manifest.entries if entry.id not in store]
    if missing:
        raise UnitError(f"{several(len(missing), 'clip')} without units", path=path, found=", ".join(missing[:5]))
    frames = [store[entry.id].check_range(num_units, entry.id).frames() for entry in manifest.entries]
    for place, name in enumerate(labels):
        write_text(out / f"{split}.{name}", "".join(f"{format_units(_head(one, place, len(labels)))}\n" for one in frames))
        write_text(out / f"dict.{name}.txt", "".join(f"{unit} 1\n" for unit in range(num_units)))


def _head(frames: Ids, place: int, num_heads: int) -> Ids:
    """Return the units [T] that a label file has: all, or every second one of an even number."""
    whole: Ids = frames[: len(frames) // num_heads * num_heads][place::num_heads]
    return whole


def _seconds(clip: CorpusClip) -> float:
    return 0.0 if clip.seconds is None else float(clip.seconds)


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix() if path else ""
