"""Whether a recording has enough sound to take a voice from. Every speaker encoder checks this first."""

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.contracts import kind_of, require_full_scale
from avcore.errors import InputError, NoSpeechError
from avcore.timeline import SAMPLE_RATE, seconds_to_samples

_HOP = seconds_to_samples(0.010)
_FEWEST_SAMPLES = seconds_to_samples(0.5)
_DIGITAL_SILENCE_DBFS = -90.0
"""The level of one step of 16-bit sound."""
_QUIET_DBFS = -60.0
_FEWEST_AUDIBLE = seconds_to_samples(0.25)


def require_sound(speech: Samples) -> Samples:
    """Return float32 [S] after a check that there is enough sound to take a voice from.

    At least 0.5 s must be louder than digital silence, and 0.25 s of that louder than -60 dBFS, measured every 10 ms.
    Raises NoSpeechError otherwise, and InputError for samples that are no row of finite numbers.
    """
    try:
        samples = np.asarray(speech, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError("this is no speech", expected="float32 [samples]", found=kind_of(speech)) from error

    if samples.ndim != 1:
        raise InputError("speech must be one channel", expected="samples [S]", found=f"shape {list(samples.shape)}")
    if not np.isfinite(samples).all():
        raise InputError("the recording has samples that are no numbers", found="NaN or infinity")
    require_full_scale(samples)

    whole = samples[: len(samples) // _HOP * _HOP].reshape(-1, _HOP)
    levels = dbfs(np.einsum("ij,ij->i", whole, whole, dtype=np.float64) / _HOP)
    sound, audible = (int((levels > floor).sum()) * _HOP for floor in (_DIGITAL_SILENCE_DBFS, _QUIET_DBFS))

    if sound < _FEWEST_SAMPLES or audible < _FEWEST_AUDIBLE:
        raise NoSpeechError(
            "there is not enough sound to take a voice from",
            expected="0.5 s or more",
            found=f"{min(sound, audible) / SAMPLE_RATE:.2f} s",
            hint="give the voice with --voice x.wav or x.npy",
        )
    return samples


def no_voice() -> NoSpeechError:
    """Return the error for a recording in which an encoder finds no voice."""
    return NoSpeechError("no voice was found in this recording", hint="give another voice with --voice x.wav or x.npy")


def dbfs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    """Return mean squares in dBFS; minus infinity for digital silence."""
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(power))
