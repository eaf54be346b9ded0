"""Sound files with speech that is given for utterances: found by number, checked, and cut to what sounds."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.errors import InputError
from avcore.media import iter_speech_blocks, probe
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from netflips.dub.given_speech import SPEECH_IN
from netflips.dub.utterances import Span

_NUMBERED = re.compile(r"\D*?0*(\d{1,9})", re.ASCII)
_LEAST_S = 0.1
_MOST_S, _MOST_S_A_SIGN = 20.0, 1.0
"""Of what a program says to a text: longer than this, and a second for each letter, is a program that has lost its way."""
_LEAST_RATE = 8000
_AUDIBLE_DBFS = -60.0
_WINDOW_S, _MARGIN_S = 0.02, 0.04
_BELOW_LOUDEST_DB = 45.0


def numbered_files(folder: Path, most: int) -> dict[int, Path]:
    """Return the sound files of a folder by the number in their names, as 3.wav or line_003.wav.

    Raises InputError for none, two of one number, and a number above `most`.
    """
    found: dict[int, Path] = {}
    for path in sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")):
        named = _NUMBERED.fullmatch(path.stem)
        if named is None or path.suffix.lower() in (".txt", ".json", ".srt"):
            continue
        number = int(named[1])
        if number in found:
            raise InputError("two files are of one utterance", path=folder, found=f"{found[number].name} and {path.name}")
        if not 1 <= number <= most:
            hint = "--segments lists the utterances"
            raise InputError("there is no such utterance", path=path, expected=f"1 to {most}", found=number, hint=hint)
        found[number] = path
    if not found:
        raise InputError(f"{SPEECH_IN} has no file that is named by a number", path=folder, expected="1.wav, 2.wav, ...")
    return found


def speech_in(path: Path, rate: int, signs: int | None = None, start_s: float = 0.0, end_s: float | None = None) -> Samples:
    """Return the speech in a file, float32 [S] mono at `rate` Hz, without the silence around it.

    signs: letters of its text. start_s, end_s: of the part that is taken, None = up to its end. Raises InputError or MediaError
    for a file that cannot be speech.
    """
    found = probe(path)
    if found.has_audio and found.audio_rate is not None and found.audio_rate < _LEAST_RATE:
        raise InputError(
            "its sample rate is too low", path=path, expected=f"{_LEAST_RATE} Hz or more", found=f"{found.audio_rate} Hz"
        )
    most_s = 600.0 if signs is None else _MOST_S + _MOST_S_A_SIGN * signs
    samples = sounding(beginning_of(path, seconds_to_samples(most_s, rate) + 1, rate, start_s, end_s), rate)
    seconds = len(samples) / rate
    if seconds > most_s:
        raise InputError("its sound is too long for what it says", path=path, expected=f"{most_s:.0f} s at most")
    if seconds < _LEAST_S:
        raise InputError(
            "its sound is silent, or too short", path=path, expected=f"{_LEAST_S:g} s of speech", found=f"{seconds:.2f} s"
        )
    return samples


def beginning_of(path: Path, most: int, rate: int = SAMPLE_RATE, start_s: float = 0.0, end_s: float | None = None) -> Samples:
    """Return the beginning of a sound, or of a part of it, float32 of `most` samples at most."""
    skipped = seconds_to_samples(start_s, rate)
    most = most if end_s is None else max(min(most, seconds_to_samples(end_s, rate) - skipped), 0)
    blocks, length = list[Samples](), 0
    for block in iter_speech_blocks(path, rate):
        blocks.append(block[skipped:])
        length += len(blocks[-1])
        skipped = max(skipped - len(block), 0)
        if length >= most:
            break
    return np.concatenate(blocks)[:most] if blocks else np.zeros(0, np.float32)


def sounding(samples: Samples, rate: int) -> Samples:
    """Speech without the silence around it, but for 40 ms; float32 [S] at `rate` Hz. Empty where all of it is silent."""
    size = max(seconds_to_samples(_WINDOW_S, rate), 1)
    levels = [level_dbfs(samples[start : start + size]) for start in range(0, len(samples), size)]
    loudest = max(levels, default=-np.inf)
    if not loudest >= _AUDIBLE_DBFS:
        return np.zeros(0, np.float32)
    floor = min(max(SOUND_FLOOR_DBFS, loudest - _BELOW_LOUDEST_DB), loudest)
    loud = np.flatnonzero(np.array(levels) >= floor)
    margin = seconds_to_samples(_MARGIN_S, rate)
    return samples[max(int(loud[0]) * size - margin, 0) : (int(loud[-1]) + 1) * size + margin]


def stretches_in(path: Path, spans: Mapping[int, Span], rate: int) -> Iterator[tuple[int, Samples]]:
    """Stretches of a sound, in order, each without the silence around it; memory holds one."""
    waiting = sorted(spans.items(), key=lambda one: one[1])
    position, parts = 0, list[Samples]()
    for block in iter_speech_blocks(path, rate):
        while waiting:
            number, span = waiting[0]
            start, stop = seconds_to_samples(span[0], rate), seconds_to_samples(span[1], rate)
            parts.append(block[max(start - position, 0) : max(stop - position, 0)])
            if stop > position + len(block):
                break
            yield number, sounding(np.concatenate(parts), rate)
            waiting.pop(0)
            parts = []
        position += len(block)
    if waiting and parts:
        yield waiting[0][0], sounding(np.concatenate(parts), rate)
