"""Training data of a vocoder: recordings with their units, from JSON lines manifests or the published form.

The published manifests, with one Python dict literal a line, are also written here; `avcore.checkpoints.vocoder_files` reads the
small .pt files that they name.
"""

import ast
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avcore.checkpoints.vocoder_files import read_unit_item
from avcore.data.corpus import UnitCorpusConfig
from avcore.data.manifest import Entry, Manifest, read_manifest, sound_entry
from avcore.data.unit_store import UnitRow, leave_out, plain_names, rows_by_id
from avcore.errors import InputError, UnitError, UsageError, reason
from avcore.files import atomic_output, require_file, write_text
from avcore.notes import several
from avcore.units import Units, parse_units

Vector = NDArray[np.float32]
_UNIT_FIELDS = ("cpc_km100", "vqvae256", "hubert", "codes")
"""Fields of the published form that hold units in the line itself."""
_LITERAL_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
UNITS_FIELD = "hubert"
VOICE_FIELD, ENCODER_FIELD = "speaker_embedding", "speaker_encoder"


@dataclass(frozen=True, eq=False)
class VoiceClip:
    """One recording with its units."""

    id: str
    audio: Path
    units: Units
    """plain names with durations"""
    voice: Vector | None = None
    """speaker embedding, float32 [E], None = not known yet"""
    encoder: str = ""
    """fingerprint of the speaker encoder that made it, "" = not stated"""


def read_utterances(manifest: str | Path, units: str | Path, data: UnitCorpusConfig, root: str = "") -> list[VoiceClip]:
    """Read a manifest with its units.

    units: units by id, for a JSON lines manifest; not used for the published form. data: how units are read. root: folder that
    relative paths start from, "" = the manifest's own. Raises InputError and UnitError for damaged files, and InputError naming
    missing recordings or units, unless `data` allows them.
    """
    path = require_file(manifest, "the manifest")
    found = list(_read_published(path, data, root) if _is_published(path) else _read_json_lines(path, units, data, root))
    is_there = [utterance.audio.is_file() for utterance in found]
    missing = [f"{clip.id} ({clip.audio})" for clip, there in zip(found, is_there, strict=True) if not there]
    leave_out(missing, "recording", "missing", path, data.allow_missing, "set data.root")
    kept = [clip for clip, there in zip(found, is_there, strict=True) if there]
    if not kept:
        raise InputError("no utterance is left to train on", path=path)
    return kept


def check_range(utterances: Iterable[VoiceClip], num_units: int) -> None:
    """Raise UnitRangeError naming the first utterance with a unit of `num_units` or more, and the position of the unit in it."""
    for utterance in utterances:
        utterance.units.check_range(num_units, utterance.id)


def _is_published(path: Path) -> bool:
    """Return whether the first line is a Python literal, with single quotes, which JSON does not have."""
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        first = next((line.strip() for line in lines if line.strip()), "")
    return first.startswith("{'")


def _read_json_lines(path: Path, units_path: str | Path, data: UnitCorpusConfig, root: str) -> Iterator[VoiceClip]:
    if not str(units_path):
        raise InputError("this manifest needs units", path=path, hint="give data.units=units.jsonl or a folder of unit files")

    manifest = read_manifest(path, root or None)
    rows = data.units_by_id(units_path, {entry.id for entry in manifest.entries})
    lacking = [entry.id for entry in manifest.entries if entry.id not in rows or not entry.audio]
    what = f"without recording or units in {units_path}"
    leave_out(lacking, "utterance", what, path, data.allow_missing, "give data.units of the same recordings")

    for entry in manifest.entries:
        row, audio = rows.get(entry.id), manifest.path(entry, "audio")
        if row is not None and audio is not None:
            stated = row.extra.get(VOICE_FIELD)
            voice = None if stated is None else as_voice(stated, f"{units_path}: {row.id}")
            yield VoiceClip(entry.id, audio, row.units, voice, "" if voice is None else str(row.extra.get(ENCODER_FIELD) or ""))


def as_voice(values: Any, place: str | Path) -> Vector:
    """Return a row of finite numbers as float32 [E]. Raises InputError for anything else."""
    try:
        vector = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError("this is no speaker embedding", path=place, expected="a row of numbers", found=error) from error
    if vector.size != max(vector.shape, default=0) or not vector.size or not np.isfinite(vector).all():
        found = f"shape {list(vector.shape)}" if vector.ndim != 1 or not vector.size else "values that are no numbers"
        raise InputError("this is no speaker embedding", path=place, expected="a row of finite numbers", found=found)
    return vector.reshape(-1)


def _read_published(path: Path, data: UnitCorpusConfig, root: str) -> Iterator[VoiceClip]:
    folder = Path(root) if root else path.parent
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _published_line(line.strip(), f"{path}:{number}", folder, data.first_unit)


def _published_line(line: str, place: str, root: Path, first_unit: int) -> VoiceClip:
    try:
        entry = ast.literal_eval(line)
    except _LITERAL_ERRORS as error:
        raise InputError("this is no Python dict literal", path=place, found=reason(error)) from error

    if not isinstance(entry, dict) or not isinstance(entry.get("audio"), str):
        raise InputError("a line needs an 'audio' path", path=place, expected="{'audio': ..., 'unit_path': ...}", found=line[:80])

    audio, voice = root / entry["audio"], None
    if isinstance(entry.get("unit_path"), str):
        item = read_unit_item(root / entry["unit_path"])
        codes, voice = item.codes, as_voice(item.speaker, place)
    else:
        text = next((entry[name] for name in _UNIT_FIELDS if isinstance(entry.get(name), str)), None)
        if text is None:
            raise InputError("a line needs units", path=place, expected=f"unit_path, {', '.join(_UNIT_FIELDS)}", found=line[:80])
        codes = parse_units(text, place)

    if not len(codes):
        raise UnitError("there are no units", path=place)
    return VoiceClip(place, audio, Units.from_frames(plain_names(codes, first_unit, place)), voice)


def write_unit2a(manifest: Manifest, units: Path, out: Path, unit_offset: int = 0) -> int:
    """Write a published manifest `out`; returns the number of lines.

    units: units by id. Rows with a speaker embedding become .pt files beside the manifest; units of the others are written into the
    line. unit_offset: added to every unit, 4 for the published Korean vocoder. Raises UnitError for an entry without units.
    """
    rows = rows_by_id(units)
    missing = [entry.id for entry in manifest.entries if entry.id not in rows or not entry.audio]
    if missing:
        found = ", ".join(missing[:5])
        raise UnitError(f"{several(len(missing), 'entry', 'entries')} without recording or units", path=units, found=found)

    folder = out.parent / f"{out.stem}_units"
    lines = [_line(entry, manifest, rows[entry.id], folder, unit_offset) for entry in manifest.entries]
    write_text(out, "".join(f"{line!r}\n" for line in lines))
    return len(lines)


def read_unit2a(path: Path, root: Path | None, unit_offset: int = 0) -> list[VoiceClip]:
    """Read a published manifest. unit_offset: subtracted from every unit. Raises InputError or UnitError naming the line."""
    if path.suffix == ".jsonl":
        raise UsageError("this is no published manifest", found=path, expected="a text file with a Python dict literal a line")
    return read_utterances(path, "", UnitCorpusConfig(first_unit=unit_offset), str(root or ""))


def entries_of(utterances: list[VoiceClip], out: Path, language: str, vocabulary: str) -> Iterator[tuple[Entry, UnitRow]]:
    """Yield entries with paths relative to `out`, and their units with the voice.

    Ids are the paths of the recordings below their common folder.
    """
    common = Path(os.path.commonpath([utterance.audio.resolve().parent for utterance in utterances]))
    for utterance in utterances:
        audio = utterance.audio.resolve()
        name = audio.relative_to(common).with_suffix("").as_posix()
        units = replace(utterance.units, language=language, vocabulary=vocabulary)
        voice = {} if utterance.voice is None else {VOICE_FIELD: np.asarray(utterance.voice, np.float64).round(6).tolist()}
        yield sound_entry(name, audio, out, language), UnitRow(name, units, voice)


def _line(entry: Entry, manifest: Manifest, row: UnitRow, folder: Path, unit_offset: int) -> dict[str, str]:
    audio = str((manifest.root / entry.audio).resolve())
    codes = row.units.frames() + unit_offset
    voice = row.extra.get(VOICE_FIELD)
    if voice is None:
        return {"audio": audio, UNITS_FIELD: " ".join(map(str, codes.tolist()))}
    path = folder / f"{entry.id}.pt"
    with atomic_output(path) as temporary:
        torch.save({"code": torch.from_numpy(codes), "spkr": torch.tensor(voice, dtype=torch.float32)}, temporary)
    return {"audio": audio, "unit_path": str(path.resolve())}
