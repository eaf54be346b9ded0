"""The voice of each training utterance: given by id, or computed once and kept beside the run."""

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from avcore.arrays import load_arrays
from avcore.errors import InputError, NetflipsError
from avcore.files import require_file
from avcore.media import read_speech
from avcore.progress import Progress
from avcore.runs.rows import iter_rows
from avdata.published.unit2a import Utterance, Vector, as_voice
from unit2av.speaker import SpeakerEncoder
from unit2av.voice.training.row_cache import Row, extend_cache, read_cache

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

    encoder: path of the speaker encoder, "" = the weights that come with NetfLips. An utterance without enough sound is
    left out by name. Raises UsageError when this is one of several processes: one must do it beforehand.
    """
    cache = Path(run_dir) / CACHE_NAME
    known = dict(_stored(row, cache) for row in read_cache(cache, *_CACHE_KEYS))
    todo = [one for one in utterances if one.voice is None and (one.id, str(one.audio)) not in known]
    known |= dict(_stored(row, cache) for row in _compute(todo, cache, encoder, progress))
    filled = [_filled(one, known) for one in utterances]
    return [one for one in filled if one.voice is not None]


def _filled(utterance: Utterance, known: Known) -> Utterance:
    if utterance.voice is not None:
        return utterance
    return replace(utterance, voice=known[utterance.id, str(utterance.audio)])


def _compute(todo: list[Utterance], cache: Path, encoder: str, progress: Progress) -> Iterable[Row]:
    """Embed recordings. The encoder is loaded when there are any."""
    if not todo:
        return ()
    LOG.info("computing the voices of %d utterances", len(todo))
    network = functools.cache(lambda: SpeakerEncoder.from_checkpoint(encoder or None, "auto"))
    return extend_cache(cache, todo, lambda one: _row(one, network()), "voice", progress)


def _row(utterance: Utterance, network: SpeakerEncoder) -> Row:
    voice, reason = _embed(utterance, network)
    values = None if voice is None else [float(value) for value in voice]
    row = {"id": utterance.id, "audio": str(utterance.audio), "speaker_embedding": values, "left_out": reason}
    return {name: value for name, value in row.items() if value != ""}


def _embed(utterance: Utterance, network: SpeakerEncoder) -> tuple[Vector | None, str]:
    """The voice of a recording, or None and why it has none."""
    try:
        return network.embed(read_speech(utterance.audio)), ""
    except NetflipsError as error:
        LOG.warning("left out %s: %s", utterance.id, error)
        return None, str(error)


def _stored(row: Row, path: Path) -> tuple[tuple[str, str], Vector | None]:
    values = row["speaker_embedding"]
    return (str(row["id"]), str(row["audio"])), None if values is None else as_voice(values, path)
