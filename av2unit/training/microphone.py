"""What rooms, microphones and channels do to speech: reverberation, a narrow band, clipping, lossy codecs (data augmentation)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from av2unit.features import Doubles
from av2unit.training.config import MicrophoneConfig
from avcore.errors import UsageError
from avcore.media.recode import CODECS, recoded
from avcore.timeline import SAMPLE_RATE

BANDS: Mapping[str, tuple[float, float]] = {"telephone": (300.0, 3400.0), "narrow": (50.0, 4000.0), "laptop": (150.0, 7000.0)}
"""Names of bands, and the Hz that pass."""
_LARGEST = 32767
_STEEPNESS = 4
"""Order of the band's filter: 24 dB an octave at either end."""


@dataclass(frozen=True)
class Channel:
    """What happened to a recording, in this order.

    reverb_s: time in which the room's echo falls by 60 dB, 0 = no room. direct_db: the direct sound over the echo.
    band: Hz that pass, None = all. ceiling: share of the peak above which it clips, 1 = nowhere. codec: a name of
    `avcore.media.recode.CODECS`, "" = none, at `bit_rate` bits a second.
    """

    reverb_s: float = 0.0
    direct_db: float = 0.0
    band: tuple[float, float] | None = None
    ceiling: float = 1.0
    codec: str = ""
    bit_rate: int = 32_000


def draw_channel(config: MicrophoneConfig, rng: np.random.Generator) -> Channel:
    """Draw what happens to a clip."""
    is_room, is_band, is_clipped, is_coded = (
        rng.random() < share for share in (config.room_prob, config.band_prob, config.clip_prob, config.codec_prob)
    )
    band = BANDS[config.bands[int(rng.integers(len(config.bands)))]] if is_band else None
    return Channel(
        float(rng.uniform(*config.reverb_s)) if is_room else 0.0,
        float(rng.uniform(*config.direct_db)) if is_room else 0.0,
        band,
        float(rng.uniform(*config.ceiling)) if is_clipped else 1.0,
        config.codecs[int(rng.integers(len(config.codecs)))] if is_coded else "",
        int(rng.uniform(*config.bit_rate)),
    )


def pass_through(samples: Doubles, channel: Channel, rng: np.random.Generator) -> Doubles:
    """Speech as it arrives: float64 [samples] in int16 scale, whole numbers; no sound comes later than it did."""
    changed = samples
    if channel.reverb_s:
        changed = _with_echo(changed, channel, rng)
    if channel.band is not None:
        low, high = channel.band
        changed = sosfilt(butter(_STEEPNESS, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos"), changed)
    if channel.ceiling < 1:
        limit = channel.ceiling * float(np.abs(changed).max(initial=0.0))
        changed = np.clip(changed, -limit, limit)
    if channel.codec:
        changed = recoded((changed / _LARGEST).astype(np.float32), channel.codec, channel.bit_rate).astype(np.float64) * _LARGEST
    return np.asarray(np.clip(np.round(changed), -_LARGEST, _LARGEST), dtype=np.float64)


def _with_echo(samples: Doubles, channel: Channel, rng: np.random.Generator) -> Doubles:
    """A room's echo as noise that dies away exponentially (Polack 1988), behind the direct sound; as loud as before."""
    length = int(channel.reverb_s * SAMPLE_RATE)
    times = np.arange(1, length + 1) / SAMPLE_RATE
    tail = rng.standard_normal(length) * 10 ** (-3 * times / channel.reverb_s)
    tail *= 10 ** (-channel.direct_db / 20) / np.sqrt(np.sum(np.square(tail)))
    echoed = samples + fftconvolve(samples, np.concatenate([[0.0], tail]))[: len(samples)]
    loudness, now = (float(np.sqrt(np.mean(np.square(part)))) for part in (samples, echoed))
    return np.asarray(echoed * (loudness / now if now else 1.0), dtype=np.float64)


def check_microphone(config: MicrophoneConfig) -> None:
    """Raises UsageError for the first value that cannot work."""
    for name in ("room_prob", "band_prob", "clip_prob", "codec_prob"):
        if not 0 <= getattr(config, name) <= 1:
            raise UsageError(f"microphone.{name} cannot be used", expected="0..1", found=getattr(config, name))
    for name, least, most in (
        ("reverb_s", 0.01, 5.0),
        ("direct_db", -40.0, 60.0),
        ("ceiling", 0.001, 1.0),
        ("bit_rate", 6_000, 320_000),
    ):
        lowest, highest = getattr(config, name)
        if not least <= lowest <= highest <= most:
            raise UsageError(
                f"microphone.{name} cannot be used", expected=f"{least} <= lowest <= highest <= {most}", found=[lowest, highest]
            )
    for name, chosen, known in (("bands", config.bands, BANDS), ("codecs", config.codecs, CODECS)):
        if not chosen or not set(chosen) <= set(known):
            raise UsageError(
                f"microphone.{name} cannot be used", expected=f"some of {', '.join(known)}", found=list(chosen) or "none"
            )
