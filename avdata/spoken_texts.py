"""Utterances as units and as text: a manifest with texts, and a store of units with the same ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError, UsageError
from avcore.units import Units, normalise_language
from avdata.manifest import Entry, read_manifest
from avdata.unit_store import iter_units, leave_out, timed_units


@dataclass(frozen=True, eq=False)
class SpokenText:
    """One utterance. units: plain names with durations. sound: those of its sound beside units of its lips, None = there are none.

    sentence: the same for all utterances of the same words. repeat: how often an epoch has it.
    """

    id: str
    text: str
    language: str
    units: Units
    sound: Units | None = None
    sentence: str = ""
    repeat: int = 1


@dataclass(frozen=True)
class SeenText:
    """One utterance as it is seen. lips: a video or array of its mouth, 96 x 96 at 25 fps. frames: its pictures, 0 = not said."""

    id: str
    text: str
    language: str
    lips: Path
    frames: int = 0
    sentence: str = ""


@dataclass(frozen=True)
class TextReading:
    """Options for reading them.

    frame_level: rows of units without durations are one id every 20 ms. first_unit: the number that unit 0 has in the data.
    languages: only these, () = all. allow_missing: leave out utterances without units or text, instead of stopping.
    """

    frame_level: bool = False
    first_unit: int = 0
    languages: tuple[str, ...] = ()
    allow_missing: bool = False


def read_spoken_texts(
    manifest: str | Path, units: Sequence[str | Path], reading: TextReading | None = None, sound: Sequence[str | Path] = ()
) -> list[SpokenText]:
    """Read a manifest with its units, in its order.

    units: stores of units by id; an utterance that several have is there as often, since what was heard, seen and labelled are
    different units of the same words. sound: as many stores of the sound beside units of lips, () = none. Raises InputError and
    UnitError for what is damaged, UsageError without units, and InputError naming utterances without text, language or units,
    unless `reading` allows that.
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
    """Read a manifest whose entries have lips, in its order. Raises InputError naming those without text, language or a file."""
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
