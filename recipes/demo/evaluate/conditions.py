"""What happens to clean speech on its way to the program: microphones, channels and paces; and lips that are not its own."""

from collections.abc import Callable, Mapping
from functools import partial

import av
import numpy as np
from numpy.typing import NDArray

from av2unit.training.noise import BANDS, Degradation, coloured_noise, mix, pass_through
from avcore.arrays import Pictures, Samples
from avcore.timeline import FRAME_RATE, SAMPLE_RATE
from netflips.evaluate.noise import WHITE, at_snr, noise_of_kind
from recipes.demo.material.drawn import Shot, film_lips
from recipes.demo.voices.cast import cast, say
from recipes.demo.voices.phrasebook import SentencePair

_INT16 = 32768
_SLOW, _FAST = 0.75, 1.3
_LATE_S = 0.4
_GREY, _BLACK = 128, 0

SoundOf = Callable[[Samples, int], Samples]
"""Speech float32 [S] at 16 kHz as it arrives, float32 [T]; the same seed gives the same."""


def through(speech: Samples, seed: int, channel: Degradation, pink_db: float | None = None) -> Samples:
    """Return speech float32 [S] at 16 kHz through a channel, as long as it was. pink_db: ratio to pink noise, None = none."""
    rng = np.random.default_rng([seed, 9])
    heard = pass_through(speech.astype(np.float64) * _INT16, channel, rng)
    if pink_db is not None:
        heard = mix(heard, coloured_noise(len(heard), 1.0, rng), pink_db)
    return np.asarray(heard / _INT16, dtype=np.float32)


def at_pace(speech: Samples, seed: int, pace: float) -> Samples:
    """Speech said `pace` times as fast at its own pitch (overlap and add, as players do it); seed: without effect."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE, format="flt", layout="mono")
    stretch, sink = graph.add("atempo", f"{pace:g}"), graph.add("abuffersink")
    source.link_to(stretch)
    stretch.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(speech[None], dtype=np.float32), "flt", "mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    graph.push(frame)
    graph.push(None)
    pieces: list[NDArray[np.float32]] = []
    while True:
        try:
            pieces.append(np.asarray(graph.pull().to_ndarray(), dtype=np.float32).ravel())
        except (av.error.EOFError, av.error.BlockingIOError):
            return np.concatenate(pieces or [np.zeros(0, np.float32)])


def noisy(speech: Samples, seed: int, snr_db: float = 0.0) -> Samples:
    """Speech float32 [S] with white noise at a ratio of root mean squares (dB)."""
    return at_snr(speech, noise_of_kind(WHITE, len(speech), (), seed), snr_db)


NOISE = "noise"
SOUNDS: Mapping[str, SoundOf] = {
    # as a microphone across the room hears it: echo of half a second, 3 dB below the voice
    "room": partial(through, channel=Degradation(reverb_s=0.5, direct_db=3.0), pink_db=10.0),
    "telephone": partial(through, channel=Degradation(band=BANDS["telephone"])),
    "aac": partial(through, channel=Degradation(codec="aac", bit_rate=32_000)),
    "opus": partial(through, channel=Degradation(codec="opus", bit_rate=24_000)),
    "clipped": partial(through, channel=Degradation(ceiling=0.25)),
    "slow": partial(at_pace, pace=_SLOW),
    "fast": partial(at_pace, pace=_FAST),
    NOISE: noisy,
}
"""Names of what happens to a sound."""

LIPS = ("still", "unseen", "foreign", "late")
"""Names of lips that do not belong to a sound: one picture held, as of a photo; a picture without a mouth, grey or black; the mouth
of another head that says another sentence; the own mouth 400 ms late."""


def lips_of_kind(own: Pictures, kind: str, index: int, other: SentencePair) -> Pictures:
    """Lips of a kind of `LIPS` in place of a clip's own, uint8 [time, 96, 96], as many pictures.

    index: of the clip, which decides what is left to chance. other: the sentence that a foreign mouth says.
    """
    if kind == "still":
        return np.repeat(own[:1], len(own), axis=0)
    if kind == "unseen":
        return np.full_like(own, _BLACK if index % 2 else _GREY)
    if kind == "late":
        return np.asarray(own[np.maximum(np.arange(len(own)) - round(_LATE_S * FRAME_RATE), 0)], dtype=np.uint8)
    phonemes = say(other.english, cast().reference("en")).phonemes
    shot = Shot(f"foreign_{index}", "en", phonemes, len(own), cast().unheard_head(index), index, is_face_kept=False)
    return film_lips(shot)
