"""A made talk of two people as a video, with music and laughs if asked for, and the truth about it.

The truth lies beside the video: who says what and when, and when somebody laughs.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from avcore.arrays import Samples
from avcore.media import VideoWriter, read_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, Interval, seconds_to_samples
from recipes.demo.voices.cast import FliteVoice, flite_speech
from recipes.talk.stand_in import lines

_VOICES = {"A": FliteVoice("rms"), "B": FliteVoice("slt", stretch=1.25)}
_INNER_S, _BETWEEN_S, _RATE = (1.0, 0.4, 0.65), 1.2, 10
"""Pauses within sentences, in turn, and between them (s); frames per second, all of them grey."""
_SIZE = 64
_UNDER = range(21, 34)
"""Sentences with music under them, of both people (from 0)."""
_FADE_S = 1.0
_BEFORE_LAUGH_S = 0.6


class Spoken(NamedTuple):
    """A sentence of the talk, and its time in the video (s)."""

    start_s: float
    end_s: float
    speaker: str
    text: str


class Truth(NamedTuple):
    """What is in a made talk."""

    spoken: tuple[Spoken, ...]
    laughs: tuple[Interval, ...]


class MadeTalk(NamedTuple):
    """A made talk and the truth about it."""

    path: Path
    truth: Truth


def made_talk(
    folder: Path, count: int, music: Path | None = None, music_db: float = -20.0, laughs: Sequence[Path] = ()
) -> MadeTalk:
    """Return the talk's first `count` sentences as a video; make it if it is missing.

    music: a recording, repeated under 13 sentences, `music_db` louder than the speech (dB). laughs: recordings, spread evenly
    between the sentences, as loud as the speech.
    """
    path = folder / f"talk{count}{'' if music is None else f'_music{music_db:g}'}{f'_laughs{len(laughs)}' if laughs else ''}.mp4"
    kept = path.with_suffix(".truth.json")
    if path.is_file() and kept.is_file():
        return MadeTalk(path, msgspec.json.decode(kept.read_bytes(), type=Truth))

    folder.mkdir(parents=True, exist_ok=True)
    sound, truth = _speech(count, laughs)
    if music is not None:
        sound += _music(read_speech(music), truth, sound, music_db)
    sound *= min(1.0, 0.95 / float(np.abs(sound).max()))

    grey = np.full((_SIZE, _SIZE, 3), 128, np.uint8)
    with VideoWriter(path, _SIZE, _SIZE, _RATE, SAMPLE_RATE, preset="ultrafast") as writer:
        writer.write_sound(sound[:, None])
        for number in range(len(sound) * _RATE // SAMPLE_RATE):
            writer.write_rgb(grey, Fraction(number, _RATE))
    kept.write_bytes(msgspec.json.encode(truth))
    return MadeTalk(path, truth)


def _speech(count: int, laughs: Sequence[Path]) -> tuple[Samples, Truth]:
    """Return the sound of the sentences with laughs between them, and where each is."""
    parts, at = [np.zeros(SAMPLE_RATE, np.float32)], SAMPLE_RATE
    spoken, places, inner = list[Spoken](), list[Interval](), cycle(_INNER_S)
    after = {round((number + 1) * count / (len(laughs) + 1)) - 1: path for number, path in enumerate(laughs)}

    def add(samples: Samples, pause_s: float) -> Interval:
        nonlocal at
        start, at = at, at + len(samples) + seconds_to_samples(pause_s)
        parts.extend((samples, np.zeros(seconds_to_samples(pause_s), np.float32)))
        return Interval(start / SAMPLE_RATE, (start + len(samples)) / SAMPLE_RATE)

    for number, line in enumerate(lines()[:count]):
        times = list[Interval]()
        for last, piece in zip([*[False] * (len(line.pieces) - 1), True], line.pieces, strict=True):
            said = flite_speech(piece, _VOICES[line.speaker])
            pause_s = next(inner) if not last else _BEFORE_LAUGH_S if number in after else _BETWEEN_S
            times.append(add(resample(said.samples, said.rate, SAMPLE_RATE), pause_s))
        spoken.append(Spoken(times[0].start_s, times[-1].end_s, line.speaker, " ".join(line.pieces)))

        if number in after:
            laugh = read_speech(after[number])
            level = _level(np.concatenate(parts)) / max(_level(laugh), 1e-6)
            places.append(add(laugh * np.float32(level), _BETWEEN_S))
    return np.concatenate(parts), Truth(tuple(spoken), tuple(places))


def _music(music: Samples, truth: Truth, speech: Samples, music_db: float) -> Samples:
    """Return music as long as the talk: under its sentences of `_UNDER`, faded in and out, silent elsewhere."""
    under = [one for number, one in enumerate(truth.spoken) if number in _UNDER]
    out = np.zeros(len(speech), np.float32)
    if not under:
        return out

    start, stop = seconds_to_samples(under[0].start_s - _FADE_S / 2), seconds_to_samples(under[-1].end_s + _FADE_S / 2)
    stop = min(stop, len(speech))
    piece = np.resize(music, stop - start)
    fade = np.clip(np.minimum(np.arange(len(piece)), np.arange(len(piece))[::-1]) / (_FADE_S * SAMPLE_RATE), 0, 1)
    gain = 10 ** (music_db / 20) * _level(speech) / max(_level(piece), 1e-6)
    out[start:stop] = (piece * fade * gain).astype(np.float32)
    return out


def _level(samples: Samples) -> float:
    """Return the mean level of what is not silent, as a root mean square."""
    loud = samples[np.abs(samples) > 1e-3]
    return float(np.sqrt(np.mean(loud.astype(np.float64) ** 2))) if len(loud) else 0.0
