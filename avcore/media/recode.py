"""Sound after a lossy codec."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray

from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE

_MAX_DELAY = SAMPLE_RATE // 4
"""Samples by which a codec may shift the sound: it starts up, and containers say so or not."""


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
"""Names of the codecs that a sound can go through."""


def recoded(samples: NDArray[np.float32], codec: str, bit_rate: int) -> NDArray[np.float32]:
    """Encode and decode a sound, and take out the codec's delay.

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
    return _in_place(np.concatenate(pieces or [np.zeros(0, np.float32)]), samples)


def _in_place(sound: NDArray[np.float32], original: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shift a sound to where it is most alike the original, and make it as long."""
    length = 1 << int(len(sound) + len(original)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(sound, length) * np.conj(np.fft.rfft(original, length)), length)
    shift = int(np.argmax(likeness[:_MAX_DELAY]))
    placed = np.zeros(len(original), np.float32)
    kept = sound[shift : shift + len(original)]
    placed[: len(kept)] = kept
    return placed
