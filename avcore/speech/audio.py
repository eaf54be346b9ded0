"""Sound as arrays: resampling, levels, loudness, crossfades. Samples are float32 in [-1, 1], [time] or [time, channel]."""

from collections.abc import Callable
from functools import lru_cache
from math import ceil, cos, gcd, pi, sin
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.contracts import kind_of, require_full_scale
from avcore.errors import InputError, NoSpeechError
from avcore.timeline import SAMPLE_RATE, seconds_to_samples

if TYPE_CHECKING:
    from torch import Tensor

SOUND_FLOOR_DBFS = -50.0
"""A 20 ms step with a lower level counts as silence: below quiet speech (-45), above a quiet room (-60)."""

# The filter that resampy calls `kaiser_best`.
_LOWPASS_WIDTH = 64
_ROLLOFF = 0.9475937167399596
_KAISER_BETA = 14.769656459379492
_LARGEST_KEPT = 10**6
"""Product of two rates without their common divisor. A filter's size grows with it; larger filters are not cached."""
_LOUDNESS_BLOCK_S = 0.4
_PEAK = 0.99
_LUFS_OF_POWER_1, _LOUDNESS_GATE, _RELATIVE_GATE = -0.691, -70.0, 0.1
_LEAST, _MOST = 0.5, 100.0


def resample(samples: Samples, rate: int, new_rate: int) -> Samples:
    """Resample float32 [time] or [time, channel] from `rate` to `new_rate` Hz by a windowed sinc (Kaiser).

    Returns ceil(time * new_rate / rate) samples.
    """
    # Loaded only here and below: levels and crossfades are also used where these would cost seconds of start-up.
    import torch

    if rate == new_rate or not len(samples):
        return np.asarray(samples, np.float32)

    common = gcd(rate, new_rate)
    is_kept = rate // common * new_rate // common <= _LARGEST_KEPT
    resampler = (_resampler if is_kept else _resampler.__wrapped__)(rate, new_rate)
    resampled: Samples = resampler(torch.from_numpy(np.ascontiguousarray(np.asarray(samples, np.float32).T))).numpy()
    return np.ascontiguousarray(resampled.T)


@lru_cache(maxsize=64)
def _resampler(rate: int, new_rate: int) -> Callable[["Tensor"], "Tensor"]:
    """Make the filter of two rates; making it takes longer than applying it to a sentence."""
    import torch
    from torch.nn import functional

    common = gcd(rate, new_rate)
    step, phases = rate // common, new_rate // common
    cutoff = min(step, phases) * _ROLLOFF
    width = ceil(_LOWPASS_WIDTH * step / cutoff)
    # Each phase of the output is a filter of its own over the input, which advances by `step` samples (Smith, "Digital audio
    # resampling"). The order of these operations is torchaudio's, and so are the bits.
    times = torch.arange(-width, width + step, dtype=torch.float32)[None, None] / step
    times = torch.arange(0, -phases, -1, dtype=torch.float32)[:, None, None] / phases + times
    times = (times * cutoff).clamp_(-_LOWPASS_WIDTH, _LOWPASS_WIDTH)
    beta = torch.tensor(_KAISER_BETA)
    window = torch.i0(beta * torch.sqrt(1 - (times / _LOWPASS_WIDTH) ** 2)) / torch.i0(beta)
    times *= pi
    filters = torch.where(times == 0, torch.tensor(1.0), times.sin() / times) * (window * (cutoff / step))

    def resampler(samples: "Tensor") -> "Tensor":
        length = samples.shape[-1]
        padded = functional.pad(samples.reshape(-1, length), (width, width + step))
        found = functional.conv1d(padded[:, None], filters, stride=step).transpose(1, 2).reshape(len(padded), -1)
        found = found[:, : -(-phases * length // step)]
        return found.reshape(*samples.shape[:-1], -1)

    return resampler


def level_dbfs(samples: Samples) -> float:
    """Return the root mean square of samples of any shape in dB; 0 is full scale, silence is -inf."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    return 10 * float(np.log10(power)) if power > 0 else -np.inf


def loudness_lufs(samples: Samples, rate: int = SAMPLE_RATE) -> float:
    """Return the loudness by ITU-R BS.1770-4 of float32 [time] or [time, channel], up to two channels; -inf for silence.

    Sound shorter than the standard's block of 0.4 s is repeated until it fills one.
    """
    length = int(_LOUDNESS_BLOCK_S * rate)
    if not len(samples):
        return -np.inf

    if len(samples) < length:
        samples = np.concatenate([samples] * ceil(length / len(samples)))

    squares = np.square(_k_weighted(samples.reshape(len(samples), -1), rate)).sum(axis=1)
    sums = np.concatenate([[0.0], squares.cumsum()])
    # Blocks overlap by three quarters (BS.1770-4, annex 1).
    starts = (np.arange(round((len(samples) - length) * 4 / length) + 1) * _LOUDNESS_BLOCK_S / 4 * rate).astype(int)
    powers = (sums[np.minimum(starts + length, len(samples))] - sums[starts]) / length
    with np.errstate(divide="ignore"):
        heard = powers[_LUFS_OF_POWER_1 + 10 * np.log10(powers) >= _LOUDNESS_GATE]
        heard = heard[heard > heard.mean() * _RELATIVE_GATE] if len(heard) else heard
    return _LUFS_OF_POWER_1 + 10 * float(np.log10(heard.mean())) if len(heard) else -np.inf


def _k_weighted(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Apply K-weighting: float32 [time, channel] to float64 of the same shape.

    The standard's two filters, as in Bristow-Johnson's cookbook, applied in the frequency domain: `loudness.LoudnessMeter`
    needs scipy, which takes a while to import, and a short clip needs it for nothing else.
    """
    size = len(samples) + rate // 2  # nothing rings on for longer
    delay = np.exp(-2j * pi * np.arange(size // 2 + 1) / size)
    response = np.ones(len(delay), np.complex128)
    for above, below in (_treble(rate, 4.0, 1500.0, 0.5**0.5), _low_cut(rate, 38.0, 0.5)):
        response *= np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay)
    spectrum = np.fft.rfft(samples.astype(np.float64), size, axis=0) * response[:, None]
    return np.asarray(np.fft.irfft(spectrum, size, axis=0)[: len(samples)], np.float64)


def _treble(rate: int, gain_db: float, hz: float, q: float) -> tuple[list[float], list[float]]:
    """Return a high shelf: its coefficients above and below the line."""
    turn, gain = 2 * pi * hz / rate, 10 ** (gain_db / 40)
    slope, middle = gain**0.5 * sin(turn) / q, cos(turn)
    more, less = gain + 1, gain - 1
    above = [gain * (more + less * middle + slope), -2 * gain * (less + more * middle), gain * (more + less * middle - slope)]
    return above, [more - less * middle + slope, 2 * (less - more * middle), more - less * middle - slope]


def _low_cut(rate: int, hz: float, q: float) -> tuple[list[float], list[float]]:
    """Return a high-pass filter, as `_treble`."""
    turn = 2 * pi * hz / rate
    slope, middle = sin(turn) / 2 / q, cos(turn)
    return [(1 + middle) / 2, -1 - middle, (1 + middle) / 2], [1 + slope, -2 * middle, 1 - slope]


def match_loudness(samples: Samples, reference: Samples, rate: int = SAMPLE_RATE) -> Samples:
    """Scale `samples` to the loudness of `reference`, limited so that the peak stays below full scale; silence is unchanged."""
    wanted, found = loudness_lufs(reference, rate), loudness_lufs(samples, rate)
    if not (np.isfinite(wanted) and np.isfinite(found)):
        return samples
    gain = min(10 ** ((wanted - found) / 20), _PEAK / float(np.abs(samples).max()))
    return (samples * gain).astype(np.float32)


def faster(samples: Samples, rate: int, factor: float) -> Samples:
    """Time-stretch sound float32 [S] to S / factor samples at the same pitch. factor: 0.5 to 100; above 1 is faster."""
    import av

    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=f"1/{rate}")
    tempo = graph.add("atempo", f"{min(max(factor, _LEAST), _MOST):.6f}")
    out = graph.add("aformat", "sample_fmts=flt:channel_layouts=mono")
    sink = graph.add("abuffersink")
    for one, other in ((source, tempo), (tempo, out), (out, sink)):
        one.link_to(other)
    graph.configure()

    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    source.push(frame)
    source.push(None)
    parts = []

    while True:
        try:
            parts.append(sink.pull().to_ndarray().ravel())
        except (av.BlockingIOError, av.EOFError):
            break
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


# Whether a recording has enough sound to take a voice from: every speaker encoder checks this first

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
