"""The data of a vocoder's training run, checked before the first step. Voices and pitch are computed once, and kept."""

import functools
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import load_arrays
from avcore.contracts import Speaker
from avcore.data.published.unit2a import ENCODER_FIELD, VOICE_FIELD, Vector, VoiceClip, as_voice, read_utterances
from avcore.data.unit_store import resolve_vocabulary
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.files import require_file, require_writable
from avcore.journal import Row, Rows, iter_rows
from avcore.media import probe, read_speech
from avcore.notes import several
from avcore.progress import Progress, silent, track
from avcore.speech.pitch import Pitch, Track, pitch_of, pitch_track, without_jumps
from avcore.timeline import SAMPLE_RATE
from unit2av.speaker import encoder_fingerprint, open_speaker_encoder
from unit2av.voice.training.config import Unit2aConfig
from unit2av.voice.training.items import Tracks

LOG = logging.getLogger("netflips.train")

VOICES_FILE = "speakers.jsonl"
PITCH_FILE = "pitch.jsonl"
"""Files in a run's folder with results that are computed once."""
_PLACE = "id", "audio"
_PROBED = 100
"""Recordings whose rate is looked at, at most."""
_TRACK = "tenths_of_hz"
_PER_HZ = 10
"""Pitch tracks are stored in whole tenths of a hertz."""


class Measured(NamedTuple):
    """A voice and its origin."""

    voice: Vector | None
    """float32 [E]; None = the recording has too little sound"""
    encoder: str
    """fingerprint of the speaker encoder; "" = unknown"""


@dataclass(frozen=True)
class VoiceCorpus:
    """Utterances to train on and held-out ones, all with voices of one length."""

    train: tuple[VoiceClip, ...]
    valid: tuple[VoiceClip, ...]
    vocabulary: str
    """fingerprint of the quantizer of their units; "" = unknown"""
    speaker_dim: int
    encoder: str = ""
    """fingerprint of the speaker encoder of their voices; "" = unknown"""


def read_voice_corpus(config: Unit2aConfig, progress: Progress = silent) -> VoiceCorpus:
    """Read manifests, units and voices, and check them against each other.

    Raises InputError, UnitError, VocabularyError or UsageError before anything is trained.
    """
    data = config.data

    def read(path: str, units: str = data.units) -> list[VoiceClip]:
        return read_utterances(path, units, data, data.root)

    parts = data.parts(read, config.loop.seed, lambda clip: clip.id, "utterances")
    train, valid = (_with_voices(part, config, progress) for part in parts)
    if not train:
        raise InputError("no utterance has enough sound to take a voice from", path=data.train)
    known = {clip.id: clip for clip in train}
    for store in data.more_units:  # the same utterances with other units of them
        train += [replace(known[other.id], units=other.units) for other in read(data.train, store) if other.id in known]

    both = [*train, *valid]
    vocabulary = resolve_vocabulary(((clip.id, clip.units.vocabulary) for clip in both), data.units_vocabulary)
    encoder = _only("the voices are of two speaker encoders", ((clip.encoder, clip.id) for clip in both if clip.encoder))
    lengths = [(0 if clip.voice is None else len(clip.voice), clip.id) for clip in both]
    _only("the voices differ in length", ((f"{length} values", name) for length, name in lengths))
    LOG.info("%s to train on, %d held out", several(len(train), "utterance"), len(valid))
    _report_lower_rates(valid or train[:_PROBED], data.rate)
    return VoiceCorpus(tuple(train), tuple(valid), vocabulary, lengths[0][0], encoder)


def _report_lower_rates(utterances: Sequence[VoiceClip], rate: int) -> None:
    """Report recordings that are stored at a lower rate (Hz) than the voice has: it would learn silence above their band."""
    rates = {utterance.audio: probe(utterance.audio).audio_rate for utterance in utterances[:_PROBED]} if rate > SAMPLE_RATE else {}
    if lower := [(path, found) for path, found in rates.items() if found < rate]:
        path, found = lower[0]
        what = "%d of the %d recordings that were looked at have less than %d Hz: nothing is learnt above their band (%s: %d Hz)"
        LOG.warning(what, len(lower), len(rates), rate, path, found)


def _with_voices(utterances: list[VoiceClip], config: Unit2aConfig, progress: Progress) -> list[VoiceClip]:
    if config.data.speakers:
        return give_voices(utterances, read_voices(config.data.speakers), config.data.allow_missing)
    return compute_missing(utterances, config.run_dir, config.data.speaker_encoder, progress)


def _only(what: str, named: Iterable[tuple[str, str]]) -> str:
    """Return the one value that is there, "" if there is none. Raises InputError naming two items with different ones.

    named: value and id of each item.
    """
    first: dict[str, str] = {}
    for value, name in named:
        first.setdefault(value, name)
    if len(first) > 1:
        (one, a), (other, b) = list(first.items())[:2]
        raise InputError(what, expected=f"one ({one}, {a})", found=f"another ({other}, {b})", hint="take all from one encoder")
    return next(iter(first), "")


# Voices: given by id, or computed once


def read_voices(path: str | Path) -> dict[str, Measured]:
    """Read voices by id from .npz (one array an id) or .jsonl (rows of id, speaker_embedding and optionally speaker_encoder).

    Raises InputError for other content.
    """
    path = require_file(path, "the file of voices")
    if path.suffix.lower() == ".npz":
        stored = load_arrays(path, "the voices").items()
        return {name: Measured(as_voice(vector, f"{path}: {name}"), "") for name, vector in stored}

    voices = {}
    for number, row in iter_rows(path):
        if "id" not in row or VOICE_FIELD not in row:
            raise InputError("a row of voices needs id and speaker_embedding", path=f"{path}:{number}", found=", ".join(row))
        if row[VOICE_FIELD] is not None:
            voice = as_voice(row[VOICE_FIELD], f"{path}:{number}")
            voices[str(row["id"])] = Measured(voice, str(row.get(ENCODER_FIELD) or ""))
    return voices


def give_voices(
    utterances: Sequence[VoiceClip], voices: Mapping[str, Measured], is_allowed_to_lack: bool = False
) -> list[VoiceClip]:
    """Return the utterances with the voices of a table. One that is missing there is left out if this is allowed, and raises
    InputError otherwise."""
    lacking = [utterance.id for utterance in utterances if utterance.id not in voices]
    if lacking and not is_allowed_to_lack:
        raise InputError(f"{several(len(lacking), 'utterance')} without a voice in data.speakers", found=f"none for {lacking[0]}")
    if lacking:
        LOG.warning("left out %s without a voice in data.speakers, as %s", several(len(lacking), "utterance"), lacking[0])
    return [replace(utterance, **voices[utterance.id]._asdict()) for utterance in utterances if utterance.id in voices]


def compute_missing(utterances: Sequence[VoiceClip], run_dir: str | Path, encoder: str, progress: Progress) -> list[VoiceClip]:
    """Compute missing voices, keep them in `<run_dir>/speakers.jsonl`, and return the utterances that have a voice.

    encoder: path of the speaker encoder, "" = the weights that come with NetfLips. Stored voices of another encoder are computed
    again. Utterances without enough sound are left out and logged. Raises UsageError in one of several processes: a single one
    must compute the voices beforehand.
    """
    lacking = [utterance for utterance in utterances if utterance.voice is None]
    made_by = encoder_fingerprint(encoder or None) if lacking else ""
    rows = Rows[tuple[str, ...]](Path(run_dir) / VOICES_FILE, (*_PLACE, ENCODER_FIELD), VOICE_FIELD)
    rows.repair()  # a run that was killed may have left half a line
    if todo := [clip for clip in lacking if (*_place(clip), made_by) not in rows]:
        LOG.info("computing the voices of %s", several(len(todo), "utterance"))
        network = functools.cache(lambda: open_speaker_encoder(encoder or None, "auto"))  # opened after all checks
        _extend(rows, todo, lambda clip: _voice_row(clip, network()), "voice", progress)

    own = {_place(clip): _stored(rows[*_place(clip), made_by], rows.path) for clip in lacking}
    filled = [
        replace(utterance, **own[_place(utterance)]._asdict()) if utterance.voice is None else utterance for utterance in utterances
    ]
    return [clip for clip in filled if clip.voice is not None]


def _voice_row(utterance: VoiceClip, network: Speaker) -> Row:
    row: Row = {"id": utterance.id, "audio": str(utterance.audio), VOICE_FIELD: None, ENCODER_FIELD: network.fingerprint}
    try:
        return row | {VOICE_FIELD: [float(value) for value in network.embed(read_speech(utterance.audio))]}
    except NetflipsError as error:
        LOG.warning("left out %s: %s", utterance.id, error)
        return row | {"left_out": str(error)}


def _stored(row: Row, path: Path) -> Measured:
    values = row[VOICE_FIELD]
    return Measured(None if values is None else as_voice(values, path), str(row[ENCODER_FIELD]))


# Pitch: computed once


def pitch_tracks(utterances: Sequence[VoiceClip], run_dir: str | Path, progress: Progress, measured: str = "") -> dict[str, Track]:
    """Return pitch tracks by id; computed ones are kept in `<run_dir>/pitch.jsonl`.

    measured: such a file of another run, "" = none. Recordings that cannot be read get no track. Raises InputError where `measured`
    does not exist, UsageError in one of several processes: a single one must compute the tracks beforehand.
    """
    rows = Rows[tuple[str, ...]](Path(run_dir) / PITCH_FILE, _PLACE, _TRACK)
    rows.repair()
    others = Rows[tuple[str, ...]](require_file(measured, "the tracks of pitch"), _PLACE, _TRACK) if measured else {}
    missing = (utterance for utterance in utterances if _place(utterance) not in rows and _place(utterance) not in others)
    if todo := list({clip.id: clip for clip in missing}.values()):
        LOG.info("computing the pitch of %s", several(len(todo), "utterance"))
        _extend(rows, todo, _pitch_row, "pitch track", progress)

    known = {**others, **rows}
    found = {utterance.id: known[_place(utterance)][_TRACK] for utterance in utterances}
    return {name: np.asarray(tenths, np.float32) / _PER_HZ for name, tenths in found.items() if tenths is not None}


def voices_and_pitches(utterances: Sequence[VoiceClip], tracks: Tracks) -> tuple[NDArray[np.float32], list[Pitch]]:
    """Return voices, float32 [n, E], and pitches of the utterances that have both."""
    found = [
        (utterance.voice, pitch_of(tracks[utterance.id]))
        for utterance in utterances
        if utterance.voice is not None and utterance.id in tracks
    ]
    both = [(voice, pitch) for voice, pitch in found if pitch is not None]
    return np.stack([voice for voice, _ in both]) if both else np.zeros((0, 0), np.float32), [pitch for _, pitch in both]


def _pitch_row(utterance: VoiceClip) -> Row:
    try:
        track = without_jumps(pitch_track(read_speech(utterance.audio)))
        values = [round(float(hz) * _PER_HZ) for hz in track]
    except NetflipsError as error:
        LOG.warning("%s has no pitch: %s", utterance.id, error)
        values = None
    return {"id": utterance.id, "audio": str(utterance.audio), _TRACK: values}


# Rows that a run computes once, one a line, so that a run that was stopped resumes there


def _place(utterance: VoiceClip) -> tuple[str, str]:
    return utterance.id, str(utterance.audio)


def _extend(
    rows: Rows[tuple[str, ...]], items: list[VoiceClip], compute: Callable[[VoiceClip], Row], what: str, progress: Progress
) -> None:
    """Compute a row for each item, and keep each as soon as it is there.

    what: the name of a row in messages. Raises UsageError in one of several processes: a single one must do it beforehand.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            f"no {what} yet of {several(len(items), 'utterance')}, which several processes cannot compute together",
            hint="run the same command once without the launcher and with check_only=true",
        )
    require_writable(rows.path, f"the file of {what}s")
    for item in track(items, f"{what}s", progress, len(items)):
        rows.add([compute(item)])
