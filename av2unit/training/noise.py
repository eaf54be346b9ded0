"""Data augmentation of sound: noise at a given ratio, rooms, microphones, channels, and lossy codecs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import butter, fftconvolve, sosfilt

from av2unit.training.config import MicrophoneConfig, NoiseConfig
from av2unit.training.media import MediaReader
from avcore.arrays import Doubles
from avcore.errors import InputError, UsageError
from avcore.speech.audio import resample
from avcore.texts import iter_lines
from avcore.timeline import SAMPLE_RATE

_MAX_DELAY = SAMPLE_RATE // 4
"""Most samples of a codec's delay, which not all containers state."""


@dataclass(frozen=True)
class _Codec:
    encoder: str
    container: str
    rate: int
    layout: str
    format: str


CODECS: Mapping[str, _Codec] = {
    "aac": _Codec("aac", "adts", SAMPLE_RATE, "mono", "fltp"),
    "mp3": _Codec("libmp3lame", "mp3", SAMPLE_RATE, "mono", "fltp"),
    "opus": _Codec("libopus", "ogg", 48_000, "mono", "flt"),
}
"""Codecs by name."""


def recoded(samples: NDArray[np.float32], codec: str, bit_rate: int) -> NDArray[np.float32]:
    """Encode and decode a sound, and remove the codec's delay.

    samples: float32 of shape [S] at 16 kHz in -1..1; bit_rate: bits a second. Returns the same shape. Raises KeyError for an
    unknown codec.
    """
    chosen = CODECS[codec]
    file = BytesIO()
    with av.open(file, "w", format=chosen.container) as out:
        stream = out.add_stream(chosen.encoder, rate=chosen.rate, layout=chosen.layout)
        stream.bit_rate = bit_rate
        sound = resample(samples, SAMPLE_RATE, chosen.rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), chosen.format, chosen.layout)
        frame.sample_rate = chosen.rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)

    file.seek(0)
    with av.open(file, format=chosen.container) as heard:
        resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        pieces = [part.to_ndarray()[0] for frame in heard.decode(audio=0) for part in resampler.resample(frame)]
        pieces += [part.to_ndarray()[0] for part in resampler.resample(None)]

    # Not all containers state a codec's delay, so the sound is placed where it correlates best with the original.
    sound = np.concatenate(pieces or [np.zeros(0, np.float32)])
    # A power of two, which the FFT is fast at, and long enough that the correlation does not wrap around.
    length = 1 << int(len(sound) + len(samples)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(sound, length) * np.conj(np.fft.rfft(samples, length)), length)
    shift = int(np.argmax(likeness[:_MAX_DELAY]))

    placed = np.zeros(len(samples), np.float32)
    kept = sound[shift : shift + len(samples)]
    placed[: len(kept)] = kept
    return placed


FILES, COLOURED, SPEECH = "files", "coloured", "speech"
BANDS: Mapping[str, tuple[float, float]] = {"telephone": (300.0, 3400.0), "narrow": (50.0, 4000.0), "laptop": (150.0, 7000.0)}
"""Pass bands (Hz) by name."""
_SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
_LARGEST = 32767
_STEEPEST = 2.0
"""Largest exponent of frequency in coloured noise, falling or rising: 6 dB an octave."""
_STEEPNESS = 4
"""Order of the band-pass filter: 24 dB an octave at either end."""


class NoiseMixer:
    """Draws noise and mixes it into clips."""

    def __init__(self, config: NoiseConfig, split: str, speech: Sequence[str], media: MediaReader) -> None:
        """split: selects a list if `noise_wav` is a folder with several. speech: sound files of other clips.

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
        return mix_in(samples, self._draw(len(samples), rng), float(rng.uniform(lowest, highest)))

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
    """Return the sound files of a folder (or its `<split>.tsv`), or of a list with one path a line.

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


def mix_in(samples: Doubles, noise: Doubles, snr_db: float) -> Doubles:
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
    """Return Gaussian noise of power frequency ** slope (0 white, 1 pink, 2 brown; negative rises), float64 [length]."""
    whole = next_fast_len(length, real=True)  # a length with large factors takes ten times as long
    spectrum = np.fft.rfft(rng.standard_normal(whole))
    # Bin 0, of frequency 0, would be infinite for a falling slope.
    bins = np.maximum(np.arange(len(spectrum)), 1.0)
    return np.asarray(np.fft.irfft(spectrum * bins ** (-slope / 2), whole)[:length], dtype=np.float64)


# Rooms, microphones, channels


@dataclass(frozen=True)
class Degradation:
    """Damage to a recording, applied in this order."""

    reverb_s: float = 0.0
    """reverberation time (echo falls by 60 dB), 0 = no room"""
    direct_db: float = 0.0
    """level of the direct sound over the echo"""
    band: tuple[float, float] | None = None
    """pass band in Hz, None = all"""
    ceiling: float = 1.0
    """share of the peak above which sound is clipped, 1 = no clipping"""
    codec: str = ""
    """a name of `CODECS`, "" = none"""
    bit_rate: int = 32_000
    """bits a second"""


def draw_channel(config: MicrophoneConfig, rng: np.random.Generator) -> Degradation:
    """Draw the degradation of a clip."""
    is_room, is_band, is_clipped, is_coded = (
        rng.random() < share for share in (config.room_prob, config.band_prob, config.clip_prob, config.codec_prob)
    )
    band = BANDS[config.bands[int(rng.integers(len(config.bands)))]] if is_band else None

    return Degradation(
        float(rng.uniform(*config.reverb_s)) if is_room else 0.0,
        float(rng.uniform(*config.direct_db)) if is_room else 0.0,
        band,
        float(rng.uniform(*config.ceiling)) if is_clipped else 1.0,
        config.codecs[int(rng.integers(len(config.codecs)))] if is_coded else "",
        int(rng.uniform(*config.bit_rate)),
    )


def pass_through(samples: Doubles, channel: Degradation, rng: np.random.Generator) -> Doubles:
    """Degrade speech, float64 [samples] in int16 scale; returns whole numbers. Nothing is delayed."""
    # In the order in which a recording is damaged: by the room, the microphone, too much gain, and the transmission.
    changed = samples
    if channel.reverb_s:
        changed = _with_echo(changed, channel, rng)
    if channel.band is not None:
        changed = sosfilt(_band_filter(*channel.band), changed)
    if channel.ceiling < 1:
        limit = channel.ceiling * float(np.abs(changed).max(initial=0.0))
        changed = np.clip(changed, -limit, limit)
    if channel.codec:
        changed = recoded((changed / _LARGEST).astype(np.float32), channel.codec, channel.bit_rate).astype(np.float64) * _LARGEST
    return np.asarray(np.clip(np.round(changed), -_LARGEST, _LARGEST), dtype=np.float64)


@cache
def _band_filter(low: float, high: float) -> Doubles:
    """Return second-order sections of a Butterworth filter that passes low..high Hz. The design takes longer than filtering."""
    return np.asarray(butter(_STEEPNESS, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos"), dtype=np.float64)


def _with_echo(samples: Doubles, channel: Degradation, rng: np.random.Generator) -> Doubles:
    """Add a room's echo, exponentially decaying noise (Polack 1988), to the direct sound; the result is as loud as before."""
    length = int(channel.reverb_s * SAMPLE_RATE)
    times = np.arange(1, length + 1) / SAMPLE_RATE
    # 10 ** -3 in amplitude, -60 dB, where the reverberation time ends.
    tail = rng.standard_normal(length) * 10 ** (-3 * times / channel.reverb_s)
    tail *= 10 ** (-channel.direct_db / 20) / np.sqrt(np.sum(np.square(tail)))
    echoed = samples + fftconvolve(samples, np.concatenate([[0.0], tail]))[: len(samples)]
    loudness, now = (float(np.sqrt(np.mean(np.square(part)))) for part in (samples, echoed))
    return np.asarray(echoed * (loudness / now if now else 1.0), dtype=np.float64)
