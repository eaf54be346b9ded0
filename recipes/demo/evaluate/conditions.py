"""What happens to clean speech on its way to the program: microphones and channels; and lips that are not its own."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from av2unit.training.noise import BANDS, Degradation, coloured_noise, mix_in, pass_through
from avcore.arrays import Pictures, Samples
from avcore.timeline import FRAME_RATE
from recipes.demo.material.drawn import Shot, film_lips
from recipes.demo.voices.cast import cast, say
from recipes.demo.voices.phrasebook import SentencePair

_INT16 = 32768
_LATE_S = 0.4
_GREY, _BLACK = 128, 0

SoundOf = Callable[[Samples, int], Samples]
"""Speech float32 [S] at 16 kHz as it arrives, float32 [T]; the same seed gives the same."""


def through(speech: Samples, seed: int, channel: Degradation, pink_db: float | None = None) -> Samples:
    """Return speech float32 [S] at 16 kHz through a channel, as long as it was. pink_db: ratio to pink noise, None = none."""
    rng = np.random.default_rng([seed, 9])
    heard = pass_through(speech.astype(np.float64) * _INT16, channel, rng)
    if pink_db is not None:
        heard = mix_in(heard, coloured_noise(len(heard), 1.0, rng), pink_db)
    return np.asarray(heard / _INT16, dtype=np.float32)


def noisy(speech: Samples, seed: int, snr_db: float = 0.0) -> Samples:
    """Speech float32 [S] with white noise at a ratio of root mean squares (dB)."""
    noise = coloured_noise(len(speech), 0.0, np.random.default_rng([seed, 9]))
    return np.asarray(mix_in(speech.astype(np.float64) * _INT16, noise, snr_db) / _INT16, np.float32)


NOISE = "noise"
SOUNDS: Mapping[str, SoundOf] = {
    # as a microphone across the room hears it: echo of half a second, 3 dB below the voice
    "room": partial(through, channel=Degradation(reverb_s=0.5, direct_db=3.0), pink_db=10.0),
    "telephone": partial(through, channel=Degradation(band=BANDS["telephone"])),
    "aac": partial(through, channel=Degradation(codec="aac", bit_rate=32_000)),
    "opus": partial(through, channel=Degradation(codec="opus", bit_rate=24_000)),
    "clipped": partial(through, channel=Degradation(ceiling=0.25)),
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
