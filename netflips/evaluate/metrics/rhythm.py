"""When it is spoken: whether a dub is fast where its source is, pauses where it pauses, and speaks while the source speaks.

Rate and pauses are what SeamlessExpressive's paper calls by these names (Seamless Communication 2023, section 4), without its
alignment of words: syllables are counted in recognised text, and pauses meet by how much of the speech was said before them.
"""

import itertools
import re

import numpy as np

from avcore.arrays import Doubles, Samples
from avcore.contracts import Transcript
from avcore.timeline import SAMPLE_RATE
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, side, sound_of
from netflips.evaluate.metrics.delivery import Phrase, phrases_of
from netflips.evaluate.needs import RECOGNIZER, SOURCE

_SYLLABLE = re.compile(r"[가-힣]|[aeiouyà-öø-ÿ]+|[0-9]", re.IGNORECASE)
"""Hangul writes syllables; elsewhere each group of vowels is one, and a digit counts as one."""
_NEAR = 0.25
"""Of all that is said: pauses that lie farther apart do not belong together."""
_LEAK_NEAR, _LEAK_FAR = SAMPLE_RATE * 3 // 100, (SAMPLE_RATE // 2, SAMPLE_RATE * 3 // 2)
"""Samples of lag: what encoders and mixers move a sound by, and what says nothing."""
_LEAK_BLOCK = SAMPLE_RATE * 30
_LEAK_SIZE = 1 << (_LEAK_BLOCK + 2 * _LEAK_FAR[1]).bit_length()
_LEAK_FLOOR, _LEAK_SURE = 1e-3, 0.95
_SEAMLESS = "as SeamlessExpressive's"


def syllables(text: str) -> int:
    """Count the syllables of a text in Hangul or Latin letters."""
    return len(_SYLLABLE.findall(text))


def spoken_seconds(phrases: list[Phrase]) -> float:
    """Return how long is spoken in all (s)."""
    return sum(end - start for start, end in phrases) / SAMPLE_RATE


@metric(
    FigureKind(
        "rate", "rate: syllables a second as the source's", "higher", f"{_SEAMLESS}: Spearman over clips",
        "not how fast: only whether faster sources have faster dubs", sums=("rate_dub", "rate_source"), is_rank=True,
    ),
    needs={SOURCE, RECOGNIZER},
    place=36,
)  # fmt: skip
def rate(case: Case, outcome: Clip) -> Measured:
    """Return syllables a second of both, and their ratio. Texts are what the recognizer writes, in each one's language."""
    source, heard_rates = side(case.source, "source"), []
    for clip, transcript in ((outcome, Transcript(outcome.text, case.language)), (source, source.in_its_language)):
        seconds, count = spoken_seconds(phrases_of(sound_of(clip))), syllables(transcript.text)
        if not seconds or not count:
            return {"rate": Missing("nothing is heard in one of them")}
        heard_rates.append(count / seconds)
    dub, original = heard_rates
    return {"rate": dub / original, "rate_dub": dub, "rate_source": original}


def pauses(phrases: list[Phrase]) -> list[tuple[float, float]]:
    """Return the pauses between phrases: how much of the speech was said before (0 to 1), and how long each is (s)."""
    whole, said, found = sum(end - start for start, end in phrases), 0, []
    for (start, end), (following, _) in itertools.pairwise(phrases):
        said += end - start
        found.append((said / whole, (following - end) / SAMPLE_RATE))
    return found


def pause_alignment(made: list[Phrase], source: list[Phrase]) -> float | Missing:
    """Return how far pauses agree, 0 to 1: each with the nearest of the other, by place times ratio of lengths."""
    ours, theirs = pauses(made), pauses(source)
    if not ours and not theirs:
        return Missing("neither of them pauses")
    near = [
        (max(0.0, 1 - abs(a - b) / _NEAR) * min(x, y) / max(x, y), own, other)
        for own, (a, x) in enumerate(ours)
        for other, (b, y) in enumerate(theirs)
    ]
    total, free_own, free_other = 0.0, set(range(len(ours))), set(range(len(theirs)))
    for score, own, other in sorted(near, reverse=True):
        if own in free_own and other in free_other:
            total += score
            free_own.remove(own)
            free_other.remove(other)
    return total / max(len(ours), len(theirs))


def _spoken(phrases: list[Phrase], length: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    found = np.zeros(length, bool)
    for start, end in phrases:
        found[start:end] = True
    return found


@metric(
    FigureKind("pause", "pauses as the source's", "higher", f"{_SEAMLESS}, by place in the speech", "words are not aligned"),
    FigureKind("speech_overlap", "speech while the source speaks", "higher", "intersection over union", "nothing of lips"),
    FigureKind("silent_share", "of the source's speech, without speech", "lower", "voice activity", "it may be said elsewhere"),
    needs={SOURCE},
    place=37,
)
def rhythm(case: Case, outcome: Clip) -> Measured:
    """Compare when both speak. Both begin together, as a dub and its source do."""
    made, source = phrases_of(sound_of(outcome)), phrases_of(sound_of(side(case.source, "source")))
    if not source:
        return dict.fromkeys(rhythm.figures, Missing("the source says nothing"))
    length = max(end for _, end in (*made, *source))
    ours, theirs = _spoken(made, length), _spoken(source, length)
    return {
        "pause": pause_alignment(made, source),
        "speech_overlap": float((ours & theirs).sum() / (ours | theirs).sum()),
        "silent_share": float((theirs & ~ours).sum() / theirs.sum()),
    }


def leak(made: Samples, source: Samples) -> float:
    """Return how loud a source's speech still is in a dub, as a share of its level; 0 = no more than chance would have it.

    Least squares of the dub on the source's speech, at the best of the lags of 30 ms around none, frequencies weighted by the root
    of their power so that pitch repeats itself less. As many lags from far off, over and over, say what chance reaches (19 of 20).
    made, source: float32 [S] at 16 kHz.
    """
    length = min(len(made), len(source))
    spoken = np.where(_spoken(phrases_of(source), len(source)), source, 0)[:length]
    cross, power = np.zeros(_LEAK_SIZE, np.complex128), np.zeros(_LEAK_SIZE)
    for start in range(0, length, _LEAK_BLOCK):
        blocks = (one[start : min(start + _LEAK_BLOCK, length)].astype(np.float64) for one in (made, spoken))
        ours, theirs = (np.fft.fft(np.diff(one, prepend=0.0), _LEAK_SIZE) for one in blocks)  # a hum is no speech
        cross += ours * np.conj(theirs)
        power += np.square(np.abs(theirs))
    if not power.any():
        return 0.0
    weights = 1 / np.sqrt(power + _LEAK_FLOOR * power.mean())
    gains = np.abs(np.fft.ifft(cross * weights).real) * _LEAK_SIZE / (power * weights).sum()
    found = [_loudest(gains, start) for start in range(-_LEAK_FAR[1], _LEAK_FAR[1], 2 * _LEAK_NEAR) if abs(start) > _LEAK_FAR[0]]
    best = _loudest(gains, -_LEAK_NEAR)
    return best if best > np.quantile(found, _LEAK_SURE) else 0.0


def _loudest(gains: Doubles, start: int) -> float:
    """The largest gain of the lags from `start` on."""
    return float(np.take(gains, range(start, start + 2 * _LEAK_NEAR), mode="wrap").max())


@metric(
    FigureKind(
        "leak",
        "original voice under the dub, of its level",
        "lower",
        "least squares at the best lag",
        "its bed counts where it is kept",
    ),
    needs={SOURCE},
    place=38,
)
def _leak(case: Case, outcome: Clip) -> Measured:
    return {"leak": leak(sound_of(outcome), sound_of(side(case.source, "source")))}
