"""Utterances as units and as text, from a manifest with texts and a store of units with the same ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError, UsageError
from avcore.units import Units, normalise_language
from avdata.manifest import Entry, read_manifest
from avdata.unit_store import iter_units, leave_out, timed_units


@dataclass(frozen=True, eq=False)
class SpokenText:
    """One utterance as it is spoken."""

    id: str
    text: str
    language: str
    units: Units
    """plain names with durations"""
    sound: Units | None = None
    """units of its sound, if `units` are those of its lips; None = there are none"""
    sentence: str = ""
    """the same for all utterances of the same words"""
    repeat: int = 1
    """how often an epoch has it"""


@dataclass(frozen=True)
class SeenText:
    """One utterance as it is seen."""

    id: str
    text: str
    language: str
    lips: Path
    """video or array of its mouth, 96 x 96 at 25 fps"""
    frames: int = 0
    """0 = not stated"""
    sentence: str = ""
    """as `SpokenText.sentence`"""


@dataclass(frozen=True)
class TextReading:
    """Options for reading utterances."""

    frame_level: bool = False
    """rows of units without durations are one id every 20 ms"""
    first_unit: int = 0
    """number of unit 0 in the data"""
    languages: tuple[str, ...] = ()
    """only these, () = all"""
    allow_missing: bool = False
    """leave out utterances without units or text, instead of stopping"""


def read_spoken_texts(
    manifest: str | Path, units: Sequence[str | Path], reading: TextReading | None = None, sound: Sequence[str | Path] = ()
) -> list[SpokenText]:
    """Read a manifest with its units, in its order.

    units: stores of units by id. An utterance in several stores is returned once for each: units from sound, from lips and from
    labels differ for the same words. sound: stores with the units of the sound, one for each of `units` if these are of lips,
    () = none. Raises InputError and UnitError for damaged files, UsageError without units, and InputError naming utterances without
    text, language or units, unless `reading` allows them.
    """
    reading = reading or TextReading()
    stores = [path for path in units if str(path)]
    if not stores or (sound and len(sound) != len(stores)):
        raise UsageError(
            "units are missing", expected="data.units=units.jsonl or a folder of unit files, of the sound as well or not"
        )

    entries = [entry for entry in read_manifest(manifest).entries if _is_wanted(entry, reading)]
    wanted = {entry.id for entry in entries}
    found = [dict(_rows(path, wanted, reading)) for path in stores]
    heard = [dict(_rows(path, wanted, reading)) for path in sound]
    kept: list[SpokenText] = []
    lacking: list[str] = []
    for entry in entries:
        has_text = bool(entry.text.strip() and entry.language)
        places = [at for at, rows in enumerate(found) if entry.id in rows and (not heard or entry.id in heard[at])]
        if not has_text or not places:
            lacking.append(entry.id)
            continue
        said = entry.id, entry.text, entry.language
        for at in places:
            beside = heard[at][entry.id] if heard else None
            kept.append(SpokenText(*said, found[at][entry.id], beside, entry.sentence, entry.repeat()))

    what = f"without text, language or units in {', '.join(map(str, stores))}"
    leave_out(lacking, "utterance", what, Path(manifest), reading.allow_missing, "give data.units of the same recordings")
    if not kept:
        raise InputError("no utterance has both units and text", path=manifest)
    return kept


def read_seen_texts(manifest: str | Path, reading: TextReading | None = None) -> list[SeenText]:
    """Read a manifest whose entries have lips, in its order. Raises InputError naming those without text, language or lips."""
    reading = reading or TextReading()
    read = read_manifest(manifest)
    kept: list[SeenText] = []
    lacking: list[str] = []
    for entry in read.entries:
        if not _is_wanted(entry, reading):
            continue
        lips = read.path(entry, "lips")
        if lips is None or not lips.is_file() or not entry.text.strip() or not entry.language:
            lacking.append(entry.id)
            continue
        kept.append(SeenText(entry.id, entry.text, entry.language, lips, entry.frames, entry.sentence))
    leave_out(lacking, "utterance", "without text, language or lips", Path(manifest), reading.allow_missing, "check the paths")
    if not kept:
        raise InputError("no utterance has both lips and text", path=manifest)
    return kept


def _is_wanted(entry: Entry, reading: TextReading) -> bool:
    return not reading.languages or entry.language in {normalise_language(name) for name in reading.languages}


def _rows(path: str | Path, wanted: set[str], reading: TextReading) -> Iterator[tuple[str, Units]]:
    """Yield the units by id. Raises InputError for an id that is there twice."""
    seen: set[str] = set()
    for row in iter_units(path):
        if row.id in seen:
            raise InputError(f"the id {row.id!r} is there twice", path=path)
        seen.add(row.id)
        if row.id in wanted:
            yield row.id, timed_units(row, f"{path}: {row.id}", reading.frame_level, reading.first_unit)
