"""AV-HuBERT's data folders: `<split>.tsv` with lip videos and sound, `<split>.<label>` with units, `dict.<label>.txt`.

The first line of a table is the folder of the videos; then id, video, audio, video frames and audio samples, with tabs
between. Audio paths are used as they stand. A label file has a line for each clip; of two,
the first has the units at even places and the second those at odd ones, 25 a second each.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from avcore.errors import InputError
from avcore.units import Units
from avdata.corpus import CorpusClip, read_corpus
from avdata.labels import read_labels
from avdata.manifest import Entry
from avdata.unit_store import UnitRow


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


def _seconds(clip: CorpusClip) -> float:
    return 0.0 if clip.seconds is None else float(clip.seconds)


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix() if path else ""
