"""The published manifests of vocoder training: one Python dict literal a line.

    {'audio': 'a.wav', 'unit_path': 'a.pt'}        a.pt = {"code": LongTensor [T], "spkr": float [E]}
    {'audio': 'a.wav', 'hubert': '71 71 12 ...'}   without a voice

They are read without running anything in them (ast.literal_eval, weights-only tensors).
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from avcore.errors import UnitError, UsageError
from avcore.files import atomic_output, write_text
from avcore.media import probe
from avcore.timeline import seconds_to_samples
from avdata.manifest import Entry, Manifest
from avdata.published.unit2a import Reading, Utterance, read_utterances
from avdata.unit_store import UnitRow, iter_units

UNITS_FIELD = "hubert"
VOICE_FIELD = "speaker_embedding"


def write_unit2a(manifest: Manifest, units: Path, out: Path, unit_offset: int = 0) -> int:
    """Write a published manifest `out`; returns how many lines it has.

    units: by id; those with a speaker embedding in their row become .pt files beside the manifest, the others stand in the
    line. unit_offset: added to every unit, 4 for the published Korean vocoder. Raises UnitError for an entry without units.
    """
    rows = {row.id: row for row in iter_units(units)}
    missing = [entry.id for entry in manifest.entries if entry.id not in rows or not entry.audio]
    if missing:
        found = ", ".join(missing[:5])
        raise UnitError(f"{len(missing)} entries have no recording or no units", path=units, found=found)
    folder = out.parent / f"{out.stem}_units"
    lines = [_line(entry, manifest, rows[entry.id], folder, unit_offset) for entry in manifest.entries]
    write_text(out, "".join(f"{line!r}\n" for line in lines))
    return len(lines)


def read_unit2a(path: Path, root: Path | None, unit_offset: int = 0) -> list[Utterance]:
    """Read a published manifest. unit_offset: taken off every unit. Raises InputError or UnitError naming the line."""
    if path.suffix == ".jsonl":
        raise UsageError("this is no published manifest", found=path, expected="a text file with a Python dict literal a line")
    return read_utterances(path, "", Reading(str(root or ""), first_unit=unit_offset))


def entries_of(utterances: list[Utterance], out: Path, language: str, vocabulary: str) -> Iterator[tuple[Entry, UnitRow]]:
    """Entries with paths relative to `out`, and their units with the voice.

    Ids are the recordings' paths below the folder that they have in common.
    """
    common = Path(os.path.commonpath([utterance.audio.resolve().parent for utterance in utterances]))
    for utterance in utterances:
        audio = utterance.audio.resolve()
        name = audio.relative_to(common).with_suffix("").as_posix()
        seconds = float(probe(audio).duration_s)
        entry = Entry(
            name,
            audio=Path(os.path.relpath(audio, out.resolve())).as_posix(),
            duration_s=round(seconds, 4),
            samples=seconds_to_samples(seconds),
            language=language,
        )
        units = replace(utterance.units, language=language, vocabulary=vocabulary)
        voice = {} if utterance.voice is None else {VOICE_FIELD: np.asarray(utterance.voice, np.float64).round(6).tolist()}
        yield entry, UnitRow(name, units, voice)


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
