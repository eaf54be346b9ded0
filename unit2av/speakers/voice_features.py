"""What the speaker encoder hears: enough sound, at an even volume, as windows of a mel spectrogram.

The published front end to the number; its voice activity detection is optional there and needs the detector's flags here. The mel
filters on Slaney's scale are those of the vocoder's training too.
"""

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor

from avcore.arrays import Samples
from avcore.contracts import kind_of, require_full_scale
from avcore.errors import InputError, NoSpeechError
from avcore.timeline import SAMPLE_RATE, seconds_to_samples

_FFT = seconds_to_samples(0.025)
_HOP = seconds_to_samples(0.010)
_WINDOW = 160
"""Mel frames in a window (1.6 s); windows start every half of one."""
_STEP = _WINDOW // 2
_LEAST_COVERAGE = 0.75
_TARGET_DBFS = -30.0

_FEWEST_SAMPLES = seconds_to_samples(0.5)
_DIGITAL_SILENCE_DBFS = -90.0
"""The level of one step of 16-bit sound."""
_QUIET_DBFS = -60.0
_FEWEST_AUDIBLE = seconds_to_samples(0.25)

_MEL_BLOCK = 6000
"""Mel frames computed at once (a minute)."""

VAD_WINDOW = seconds_to_samples(0.030)
_VAD_AVERAGE = 8
_VAD_REACH = 3


def slaney_filters(num_mels: int, fft_size: int, sample_rate: int, max_hz: float, min_hz: float = 0.0) -> Tensor:
    """Triangular filters from min_hz to max_hz (Hz), each of area 1: float32 of shape [num_mels, fft_size // 2 + 1].

    The scale of Slaney's Auditory Toolbox (1998): linear up to 1 kHz, logarithmic above. Multiply a power spectrum
    [fft_size // 2 + 1] with it.
    """
    filters = torchaudio.functional.melscale_fbanks(
        fft_size // 2 + 1, min_hz, max_hz, num_mels, sample_rate, norm="slaney", mel_scale="slaney"
    )
    return filters.T.contiguous()  # type: ignore[no-any-return]


def require_sound(speech: Samples) -> Samples:
    """Return float32 [S] when there is enough sound to take a voice from.

    At least 0.5 s must be more than digital silence and 0.25 s of that louder than -60 dBFS, measured every 10 ms.
    Raises NoSpeechError otherwise, and InputError for samples that are no row of numbers.
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
    levels = _dbfs(np.einsum("ij,ij->i", whole, whole, dtype=np.float64) / _HOP)
    sound, audible = (int((levels > floor).sum()) * _HOP for floor in (_DIGITAL_SILENCE_DBFS, _QUIET_DBFS))
    if sound < _FEWEST_SAMPLES or audible < _FEWEST_AUDIBLE:
        raise NoSpeechError(
            "there is not enough sound to take a voice from",
            expected="0.5 s or more",
            found=f"{min(sound, audible) / SAMPLE_RATE:.2f} s",
            hint="give the voice with --speaker-path x.wav or x.npy",
        )
    return samples


def normalise_volume(samples: Samples) -> Samples:
    """Raise float32 [S] to -30 dBFS when it is quieter; louder speech stays as it is."""
    level = float(_dbfs(np.einsum("i,i->", samples, samples, dtype=np.float64) / len(samples)))
    return samples * np.float32(10 ** (max(0.0, _TARGET_DBFS - level) / 20))


def partial_windows(samples: int) -> list[tuple[int, int]]:
    """Windows of mel frames [start, end) over a recording of `samples` at 16 kHz.

    The last is left out when less than 3/4 of it is sound, unless it is the only one.
    """
    frames = -(-(samples + 1) // _HOP)
    starts = range(0, max(1, frames - _WINDOW + _STEP + 1), _STEP)
    windows = [(start, start + _WINDOW) for start in starts]
    covered = (samples - windows[-1][0] * _HOP) / (_WINDOW * _HOP)
    return windows[:-1] if covered < _LEAST_COVERAGE and len(windows) > 1 else windows


def padding_for(windows: list[tuple[int, int]], samples: int) -> int:
    """Zeros to add to a recording of `samples` so that it fills its windows."""
    return max(0, windows[-1][1] * _HOP - samples)


def power_mel(samples: Samples, mels: int = 40) -> Samples:
    """Mel power spectrogram of float32 [S], reflected at both ends: float32 [S // 160 + 1, mels], not logarithmic."""
    filters = slaney_filters(mels, _FFT, SAMPLE_RATE, max_hz=SAMPLE_RATE / 2)
    padded = torch.from_numpy(np.pad(samples, _FFT // 2, mode="reflect"))
    window = torch.hann_window(_FFT)
    frames = len(samples) // _HOP + 1
    parts = []
    for first in range(0, frames, _MEL_BLOCK):
        last = min(first + _MEL_BLOCK, frames) - 1
        spectrum = torch.stft(
            padded[first * _HOP : last * _HOP + _FFT], _FFT, _HOP, window=window, center=False, return_complex=True
        )
        parts.append((filters @ spectrum.abs().square()).T)
    return np.ascontiguousarray(torch.cat(parts).numpy())


def trim_by_flags(samples: Samples, is_voiced: NDArray[np.bool_]) -> Samples:
    """Keep the voiced parts of float32 samples of shape [S], as the published front end does when it has a voice activity detector.

    is_voiced: bool of shape [S // 480], a detector's flag for each 30 ms. The flags are smoothed (5 of 8 neighbours) and widened by
    3 windows to both sides; the tail that fills no window is dropped. Raises InputError for another number of flags.
    """
    windows = len(samples) // VAD_WINDOW
    flags = np.asarray(is_voiced, dtype=bool)
    if flags.shape != (windows,):
        raise InputError("one flag for each 30 ms is needed", expected=windows, found=list(flags.shape))
    if not windows:
        return samples[:0]
    before = (_VAD_AVERAGE - 1) // 2
    counts = np.convolve(np.pad(flags.astype(int), (before, _VAD_AVERAGE - 1 - before)), np.ones(_VAD_AVERAGE, int), "valid")
    # A mean of exactly one half rounds to even, to 0: half of the neighbours is not enough.
    smooth = counts > _VAD_AVERAGE // 2
    widened = np.convolve(np.pad(smooth.astype(int), _VAD_REACH), np.ones(2 * _VAD_REACH + 1, int), "valid") > 0
    return samples[: windows * VAD_WINDOW][np.repeat(widened, VAD_WINDOW)]


def _dbfs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    """Decibels of mean squares; minus infinity for digital silence."""
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(power))
