"""Noise mixed into the sound at a chosen ratio."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.fft import next_fast_len

from av2unit.features import Doubles
from av2unit.training.config import NoiseConfig
from av2unit.training.media import MediaReader
from avcore.errors import InputError, UsageError
from avcore.texts import iter_lines

FILES, COLOURED, SPEECH = "files", "coloured", "speech"
_SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
_LARGEST = 32767
_STEEPEST = 2.0
"""Largest power of frequency that coloured noise falls or rises with: 6 dB an octave."""


class NoiseMixer:
    """Draws noise and mixes it into clips."""

    def __init__(self, config: NoiseConfig, split: str, speech: Sequence[str], media: MediaReader) -> None:
        """split: whose list is taken when `noise_wav` holds several. speech: sound files of other clips.

        Raises UsageError or InputError when there is no noise to draw from.
        """
        self._config, self._media = config, media
        self._speech: Sequence[str] = speech
        if not config.noise_prob:
            return
        unknown = [kind for kind in config.kinds if kind not in (FILES, COLOURED, SPEECH)]
        if unknown or not config.kinds:
            raise UsageError(
                "noise.kinds cannot be used", expected=f"some of {FILES}, {COLOURED}, {SPEECH}", found=unknown or "none"
            )
        self._files = noise_files(config.noise_wav, split) if FILES in config.kinds else []

    @property
    def files(self) -> list[str]:
        """The sound files of `noise_wav`."""
        return self._files if self._config.noise_prob else []

    def __call__(self, samples: Doubles, rng: np.random.Generator) -> Doubles:
        """Mix noise into float64 [samples] in int16 scale, with probability `noise_prob`; returns whole numbers."""
        if rng.random() >= self._config.noise_prob:
            return samples
        lowest, highest = self._config.snr_db
        return mix(samples, self._draw(len(samples), rng), float(rng.uniform(lowest, highest)))

    def _draw(self, length: int, rng: np.random.Generator) -> Doubles:
        kind = self._config.kinds[int(rng.integers(len(self._config.kinds)))]
        if kind == COLOURED:
            return coloured_noise(length, float(rng.uniform(-_STEEPEST, _STEEPEST)), rng)
        files = self._files if kind == FILES else self._speech
        noise = self._media.speech(files[int(rng.integers(len(files)))])
        start = int(rng.integers(max(1, len(noise) - length + 1)))
        stretch = noise[start : start + length].astype(np.float64)
        return np.resize(stretch, length)  # a short one is repeated


def noise_files(noise_wav: str, split: str) -> list[str]:
    """The sound files of a folder (or its `<split>.tsv`), or of a list with one path a line.

    Raises UsageError when none is given, InputError when nothing is there.
    """
    if not noise_wav:
        raise UsageError(
            "noise files are wanted but not named",
            expected="noise.noise_wav",
            hint="or noise.kinds=[coloured,speech], or noise.noise_prob=0",
        )
    path = Path(noise_wav)
    listed = path / f"{split}.tsv" if path.is_dir() else path
    if path.is_dir() and not listed.exists():
        found = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in _SOUND_SUFFIXES)
    else:
        found = [line.strip() for _, line in iter_lines(listed, "the list of noises") if line.strip()]
        missing = [name for name in found if not Path(name).is_file()]
        if missing:
            raise InputError(
                "a noise of the list is not there", path=listed, found=f"{missing[0]} ({len(missing)} of {len(found)})"
            )
    if not found:
        raise InputError("there is no noise", path=path, expected="wav files")
    return found


def mix(samples: Doubles, noise: Doubles, snr_db: float) -> Doubles:
    """Add noise at a ratio of root mean squares; the sum is scaled down where it would clip.

    samples, noise: float64 [samples] in int16 scale; returns whole numbers. Silence on either side is left as it is.
    """
    loudness, noise_loudness = (float(np.sqrt(np.mean(np.square(part)))) for part in (samples, noise))
    if not loudness or not noise_loudness:
        return samples
    mixed = samples + noise * (loudness / noise_loudness / 10 ** (snr_db / 20))
    peak = float(np.abs(mixed).max())
    return np.asarray(np.round(mixed * min(1.0, _LARGEST / peak)), dtype=np.float64)


def coloured_noise(length: int, slope: float, rng: np.random.Generator) -> Doubles:
    """Gaussian noise whose power falls with frequency ** slope (0 white, 1 pink, 2 brown; negative rises), float64 [length]."""
    whole = next_fast_len(length, real=True)  # a length with large factors takes ten times as long
    spectrum = np.fft.rfft(rng.standard_normal(whole))
    bins = np.maximum(np.arange(len(spectrum)), 1.0)
    return np.asarray(np.fft.irfft(spectrum * bins ** (-slope / 2), whole)[:length], dtype=np.float64)
