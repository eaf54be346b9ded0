"""Noise at a known ratio to speech (SNR), of three kinds that a noise sweep needs: white, babble of other people, and music.

The ratio is that of root mean squares over the whole clip, pauses and all, in dB; the sum is scaled down where it would clip, which
leaves the ratio as it is. All of it is made or taken from given speech, and the same seed gives the same.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from av2unit.training.noise import coloured_noise, mix
from avcore.arrays import Doubles, Samples
from avcore.errors import InputError, UsageError
from avcore.media import read_speech
from avcore.timeline import SAMPLE_RATE, seconds_to_samples

WHITE, BABBLE, MUSIC = "white", "babble", "music"
KINDS = (WHITE, BABBLE, MUSIC)
TALKERS = 6
"""People who talk at once in babble, as far as there are so many: single words cannot be made out any more."""
_INT16 = 32768
_OTHERWISE = 9
"""In the seed, beside what is given, so that noise is not drawn as other things are."""
_CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
"""Of the made music, in semitones above its key: the tonic, its parallel, the subdominant and the dominant."""
_KEY_HZ, _KEYS, _BEAT_S = 196.0, 12, 0.5
_OVERTONES = 6
_DECAY_S, _ATTACK_S = 0.35, 0.01


def at_snr(speech: Samples, noise: Doubles, snr_db: float) -> Samples:
    """Speech float32 [S] with noise float64 [S] at a ratio of root mean squares (dB), float32 [S] of whole 16-bit numbers.

    Silence on either side leaves the speech as it is.
    """
    mixed = mix(speech.astype(np.float64) * _INT16, noise, snr_db) / _INT16
    return np.asarray(mixed, np.float32)


def noise_of_kind(kind: str, length: int, talkers: Sequence[Samples], seed: int) -> Doubles:
    """Make noise of one of KINDS, float64 [length]; talkers are for babble. Raises UsageError for another kind."""
    rng = np.random.default_rng([seed, _OTHERWISE])
    if kind == WHITE:
        return coloured_noise(length, 0.0, rng)
    if kind == BABBLE:
        return babble_noise(length, talkers, rng)
    if kind == MUSIC:
        return music_noise(length, rng)
    raise UsageError("there is no such noise", expected=", ".join(KINDS), found=kind)


def babble_noise(length: int, talkers: Sequence[Samples], rng: np.random.Generator) -> Doubles:
    """Several people talking at once, each as loud as another, from anywhere in what they say: float64 [length].

    talkers: speech float32 [S] of others than the one who is to be understood. Raises InputError where all are silent.
    """
    found, heard = np.zeros(length), [one for one in talkers if np.any(one)]
    if not heard:
        raise InputError("there is nobody to babble", expected="speech of other people", found=f"{len(talkers)} clips with sound")
    for number in rng.permutation(len(heard))[:TALKERS]:
        said = heard[number].astype(np.float64)
        said = np.roll(said, -int(rng.integers(len(said)))) / np.sqrt(np.square(said).mean())
        found += np.resize(said, length)
    return found


def music_noise(length: int, rng: np.random.Generator) -> Doubles:
    """Made music: plucked chords of a cadence in a key that is drawn, two a second, with overtones: float64 [length]."""
    beat, key = seconds_to_samples(_BEAT_S), _KEY_HZ * 2 ** (int(rng.integers(_KEYS)) / 12)
    times = np.arange(2 * beat) / SAMPLE_RATE
    shape = np.minimum(times / _ATTACK_S, 1) * np.exp(-times / _DECAY_S)
    found = np.zeros(length + len(times))
    for number, start in enumerate(range(0, length, beat)):
        for semitones in _CHORDS[number // 2 % len(_CHORDS)]:
            hz = key * 2 ** (semitones / 12)
            tones = [np.sin(2 * np.pi * hz * n * times + rng.uniform(0, 2 * np.pi)) / n for n in range(1, _OVERTONES + 1)]
            found[start : start + len(times)] += shape * np.sum(tones, axis=0)
    return found[:length]


def file_noise(length: int, path: Path, seed: int) -> Doubles:
    """Return a stretch of a sound file, from anywhere in it, repeated where it is too short: float64 [length].

    Raises MediaError or InputError for a file that cannot be read or is silent.
    """
    sound = read_speech(path).astype(np.float64)
    if not np.any(sound):
        raise InputError("the noise is silent", path=path, expected="a sound file with noise")
    start = int(np.random.default_rng([seed, _OTHERWISE]).integers(max(1, len(sound) - length + 1)))
    return np.asarray(np.resize(sound[start : start + length], length))
