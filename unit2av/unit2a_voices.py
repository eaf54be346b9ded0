"""The voice of each training utterance: given by id, or computed once and kept beside the run."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from avcore.arrays import load_arrays
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.files import require_file, require_writable
from avcore.manifest import iter_rows
from avcore.media import read_speech
from avcore.progress import Progress, track
from avcore.runs import journal
from unit2av.speaker import SpeakerEncoder
from unit2av.unit2a_manifest import Utterance, Vector, as_voice

LOG = logging.getLogger("netflips.train")

CACHE_NAME = "speakers.jsonl"
_CACHE_KEYS = ("id", "audio", "speaker_embedding")


def read_voices(path: str | Path) -> dict[str, Vector]:
    """Voices by id, float32 [E], from .npz (one array an id) or .jsonl (rows of id and speaker_embedding).

    Raises InputError for another content.
    """
    path = require_file(path, "the file of voices")
    if path.suffix.lower() == ".npz":
        return {name: as_voice(vector, f"{path}: {name}") for name, vector in load_arrays(path, "the voices").items()}
    voices = {}
    for number, row in iter_rows(path):
        if "id" not in row or "speaker_embedding" not in row:
            raise InputError("a row of voices needs id and speaker_embedding", path=f"{path}:{number}", found=", ".join(row))
        if row["speaker_embedding"] is not None:
            voices[str(row["id"])] = as_voice(row["speaker_embedding"], f"{path}:{number}")
    return voices


def give_voices(utterances: Sequence[Utterance], voices: Mapping[str, Vector]) -> list[Utterance]:
    """The utterances with the voices of a table. Raises InputError naming one that is not in it."""
    lacking = [utterance.id for utterance in utterances if utterance.id not in voices]
    if lacking:
        raise InputError(f"{len(lacking)} utterances have no voice in data.speakers", found=f"none for {lacking[0]}")
    return [replace(utterance, voice=voices[utterance.id]) for utterance in utterances]


Known = dict[tuple[str, str], Vector | None]
"""Voices by id and recording; None where a recording gave none."""


def compute_missing(utterances: Sequence[Utterance], run_dir: str | Path, encoder: str, progress: Progress) -> list[Utterance]:
    """The utterances that have or can be given a voice; what is computed is kept in `<run_dir>/speakers.jsonl`.

    encoder: path of the speaker encoder, "" = resemblyzer's weights, which come along. An utterance without enough sound is
    left out by name. Raises UsageError when this is one of several processes: one must do it beforehand.
    """
    cache = Path(run_dir) / CACHE_NAME
    known = _read_cache(cache)
    todo = [one for one in utterances if one.voice is None and (one.id, str(one.audio)) not in known]
    if todo and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            f"{len(todo)} utterances have no voice yet, and several processes cannot compute them together",
            hint="run the same command once without the launcher and with check_only=true",
        )
    if todo:
        known |= _compute(todo, cache, encoder, progress)
    filled = [_filled(one, known) for one in utterances]
    return [one for one in filled if one.voice is not None]


def _filled(utterance: Utterance, known: Known) -> Utterance:
    if utterance.voice is not None:
        return utterance
    return replace(utterance, voice=known[utterance.id, str(utterance.audio)])


def _compute(todo: Sequence[Utterance], cache: Path, encoder: str, progress: Progress) -> Known:
    """Embed recordings, each written as soon as it is there: a run that is stopped goes on where it was."""
    LOG.info("computing the voices of %d utterances", len(todo))
    network = SpeakerEncoder.from_checkpoint(encoder or None, "auto")
    found: Known = {}
    require_writable(cache, "the file of voices")
    for one in track(todo, "voices", progress, len(todo)):
        voice, reason = _embed(one, network)
        values = None if voice is None else [float(value) for value in voice]
        row = {"id": one.id, "audio": str(one.audio), "speaker_embedding": values, "left_out": reason}
        journal.append(cache, [{name: value for name, value in row.items() if value != ""}])
        found[one.id, str(one.audio)] = voice
    return found


def _embed(utterance: Utterance, network: SpeakerEncoder) -> tuple[Vector | None, str]:
    """The voice of a recording, or None and why it has none."""
    try:
        return network.embed(read_speech(utterance.audio)), ""
    except NetflipsError as error:
        LOG.warning("left out %s: %s", utterance.id, error)
        return None, str(error)


def _read_cache(path: Path) -> Known:
    """What an earlier run computed; lines that are not whole are taken out."""
    journal.repair(path, *_CACHE_KEYS)
    rows = journal.read(path, *_CACHE_KEYS)
    return {(str(row["id"]), str(row["audio"])): _stored(row["speaker_embedding"], path) for row in rows}


def _stored(values: list[float] | None, path: Path) -> Vector | None:
    return None if values is None else as_voice(values, path)
