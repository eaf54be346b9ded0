"""The pitch track of each training utterance: computed once and kept beside the run."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.errors import NetflipsError
from avcore.media import read_speech
from avcore.progress import Progress
from avcore.speech.pitch import Pitch, Track, pitch_of, pitch_track, without_jumps
from avdata.published.unit2a import Utterance
from unit2av.voice.training.row_cache import Row, extend_cache, read_cache

LOG = logging.getLogger("netflips.train")

CACHE_NAME = "pitch.jsonl"
_PER_HZ = 10
"""Tracks are kept in whole tenths of a hertz."""

Tracks = Mapping[str, Track]
"""F0 in Hz every 5 ms by utterance, float32 [S // 80], 0 where there is no voice, without the tracker's jumps."""


def pitch_tracks(utterances: Sequence[Utterance], run_dir: str | Path, progress: Progress) -> dict[str, Track]:
    """Tracks by id; what is computed is kept in `<run_dir>/pitch.jsonl`.

    A recording that cannot be read has none. Raises UsageError when this is one of several processes: one must do it
    beforehand.
    """
    cache = Path(run_dir) / CACHE_NAME
    known = {(str(row["id"]), str(row["audio"])): row for row in read_cache(cache, "id", "audio")}
    todo = [one for one in utterances if (one.id, str(one.audio)) not in known]
    if todo:
        LOG.info("computing the pitch of %d utterances", len(todo))
    for row in extend_cache(cache, todo, _row, "pitch track", progress):
        known[str(row["id"]), str(row["audio"])] = row
    kept = {one.id: known[one.id, str(one.audio)] for one in utterances}
    return {name: _track(row) for name, row in kept.items() if row["tenths_of_hz"] is not None}


def voices_and_pitches(utterances: Sequence[Utterance], tracks: Tracks) -> tuple[NDArray[np.float32], list[Pitch]]:
    """Voices, float32 [n, E], and pitches of the utterances that have both."""
    found = [(one.voice, pitch_of(tracks[one.id])) for one in utterances if one.voice is not None and one.id in tracks]
    both = [(voice, pitch) for voice, pitch in found if pitch is not None]
    return np.stack([voice for voice, _ in both]) if both else np.zeros((0, 0), np.float32), [pitch for _, pitch in both]


def _row(utterance: Utterance) -> Row:
    try:
        track = without_jumps(pitch_track(read_speech(utterance.audio)))
        values = [round(float(hz) * _PER_HZ) for hz in track]
    except NetflipsError as error:
        LOG.warning("%s has no pitch: %s", utterance.id, error)
        values = None
    return {"id": utterance.id, "audio": str(utterance.audio), "tenths_of_hz": values}


def _track(row: Row) -> Track:
    return np.asarray(row["tenths_of_hz"], np.float32) / _PER_HZ
