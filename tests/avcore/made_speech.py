"""Sound that a speech detector takes for speech, made from nothing: pulses of a voice through the resonances of vowels."""

import numpy as np

from avcore.timeline import SAMPLE_RATE, seconds_to_samples

_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
_BANDWIDTHS = (80, 100, 150)


def silence(seconds: float, seed: int = 0) -> np.ndarray:
    """A quiet room: float32 [samples] at -60 dBFS."""
    return (0.001 * np.random.default_rng(seed).standard_normal(seconds_to_samples(seconds))).astype(np.float32)


def babble(seconds: float, seed: int = 0, pitch: float = 120) -> np.ndarray:
    """Syllables of about 0.2 s without a pause: float32 [samples]."""
    rng = np.random.default_rng(seed)
    wanted, pieces = seconds_to_samples(seconds), []
    while sum(map(len, pieces)) < wanted:
        vowel = _VOWELS[int(rng.integers(len(_VOWELS)))]
        pieces += [_vowel(0.14 + 0.08 * rng.random(), pitch * (1 + 0.2 * rng.random()), vowel, rng), silence(0.03, len(pieces))]
    return np.concatenate(pieces)[:wanted].astype(np.float32)


def talk(plan: list[float], seed: int = 0) -> np.ndarray:
    """Silence and speech in turn, beginning with silence, of the lengths given in seconds: float32 [samples]."""
    makers = (silence, babble)
    return np.concatenate([makers[number % 2](seconds, seed + number) for number, seconds in enumerate(plan)])


def _vowel(seconds: float, pitch: float, formants: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    count = seconds_to_samples(seconds)
    time = np.arange(count) / SAMPLE_RATE
    phase = np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 2.5 * time) + 0.02 * rng.standard_normal(count))) / SAMPLE_RATE
    sound = np.diff(np.floor(phase), prepend=0)
    for formant, bandwidth in zip(formants, _BANDWIDTHS, strict=True):
        ringing = np.exp(-np.pi * bandwidth * time) * np.sin(2 * np.pi * formant * time)
        sound = np.fft.irfft(np.fft.rfft(sound, 2 * count) * np.fft.rfft(ringing, 2 * count))[:count]
    return 0.3 * np.sqrt(np.hanning(count)) * sound / np.abs(sound).max()
