"""unit2unit's pair folders: equal names in one folder for each language are translations of one another.

audio/en/NAME.wav   audio/ko/NAME.wav          recordings
units/en/NAME.txt   units/ko/NAME.txt          units, a line each
"""

import os
from collections.abc import Iterator
from pathlib import Path

from avcore.files import SOUND_SUFFIXES
from avcore.media import probe
from avcore.timeline import seconds_to_samples
from avcore.units import Units
from avdata.manifest import Entry
from avdata.unit_store import UnitRow, iter_units

AUDIO, UNITS = "audio", "units"


def read_pair_entries(folder: Path, language: str, out: Path) -> Iterator[Entry]:
    """Yield the recordings of a language as entries with paths relative to `out`, ids = their names; none when it has none."""
    place = next((one for one in (folder / AUDIO / language, folder / language) if one.is_dir()), None)
    if place is None:
        return
    for path in sorted(path for path in place.rglob("*") if path.suffix.lower() in SOUND_SUFFIXES):
        duration_s = float(probe(path).duration_s)
        name = path.relative_to(place).with_suffix("").as_posix()
        audio = Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
        samples = seconds_to_samples(duration_s)
        yield Entry(name, audio=audio, duration_s=round(duration_s, 4), samples=samples, language=language)


def read_pair_units(folder: Path, language: str, vocabulary: str = "") -> Iterator[UnitRow]:
    """Yield the units of a language by name; none when the folder has none."""
    place = folder / UNITS / language
    if place.is_dir():
        for row in iter_units(place):
            units = Units(row.units.ids, row.units.durations, language, vocabulary, is_merged=True)
            yield UnitRow(row.id, units, {})
