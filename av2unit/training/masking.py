"""What is hidden from the encoder: spans of sound, and spans of pictures that others of the same clip take the place of."""

import numpy as np
from numpy.typing import NDArray

from av2unit.features import Pictures

Mask = NDArray[np.bool_]


def draw_spans(length: int, prob: float, span: int, min_spans: int, rng: np.random.Generator) -> tuple[list[int], int]:
    """Choose the starts of masked spans in a sequence, and their length.

    prob * length / span of them, rounded up or down by chance, at least `min_spans`; no two start at one place, but they
    may overlap, so that fewer steps than `prob` are covered (wav2vec 2.0: Baevski et al. 2020, section 3.1). A span is
    never longer than half the sequence.
    """
    span = min(span, max(1, length // 2))
    if prob <= 0 or length < 2:
        return [], span
    wanted = max(min_spans, int(prob * length / span + rng.random()))
    places = length - span + 1
    return sorted(rng.choice(places, min(wanted, places), replace=False).tolist()), span


def mask_of(length: int, starts: list[int], span: int) -> Mask:
    """True for the steps that the spans cover, bool [length]."""
    mask = np.zeros(length, dtype=np.bool_)
    for start in starts:
        mask[start : start + span] = True
    return mask


def replace_spans(pictures: Pictures, starts: list[int], span: int, rng: np.random.Generator) -> Pictures:
    """Put in place of each span another one of the same clip, as it was before any was replaced.

    pictures: uint8 [time, height, width]; returns a copy. A span is never put in its own place.
    """
    replaced = pictures.copy()
    others = len(pictures) - span
    for start in starts:
        origin = int(rng.integers(others))
        origin += origin >= start
        replaced[start : start + span] = pictures[origin : origin + span]
    return replaced
