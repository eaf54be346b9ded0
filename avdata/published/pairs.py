"""unit2unit's pair folders: equal names in one folder for each language are translations of one another.

audio/en/NAME.wav   audio/ko/NAME.wav          recordings
units/en/NAME.txt   units/ko/NAME.txt          units, a line each
raw_data/{train,valid,test}.{en,ko}            units of a split, a line for each pair, in the same order
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from avcore.errors import InputError
from avcore.files import SOUND_SUFFIXES, write_text
from avcore.media import probe
from avcore.timeline import seconds_to_samples
from avcore.units import Units, format_units, write_unit_file
from avdata.manifest import Entry
from avdata.unit_store import UnitRow, iter_units, read_units

AUDIO, UNITS, LINES = "audio", "units", "raw_data"


def write_pairs(
    sides: Mapping[str, Path], out: Path, splits: Mapping[str, str] | None = None, is_merged: bool = False
) -> list[str]:
    """Write the units of two languages as a pair folder; returns the names that both have.

    sides: units by id, by language. splits: the split of a name; then `raw_data` is written too. is_merged: equal
    neighbours are merged, as the fine-tuning recipe wants its lines. Raises InputError when no name is in both.
    """
    stores = {language: read_units(path) for language, path in sides.items()}
    names = sorted(set.intersection(*(set(store) for store in stores.values())))
    if not names:
        raise InputError("the two sides have no id in common", path=" and ".join(map(str, sides.values())))
    for language, store in stores.items():
        for name in names:
            write_unit_file(out / UNITS / language / f"{name}.txt", _ids(store[name], is_merged))
        for split in sorted(set((splits or {}).values())):
            chosen = [name for name in names if splits and splits.get(name) == split]
            lines = (f"{format_units(_ids(store[name], is_merged))}\n" for name in chosen)
            write_text(out / LINES / f"{split}.{language}", "".join(lines))
    return names


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


def _ids(units: Units, is_merged: bool) -> list[int]:
    return [int(unit) for unit in (units.merged().ids if is_merged else units.frames())]
