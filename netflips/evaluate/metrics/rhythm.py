"""Timing and delivery beside the source: length, pace, pauses, overlap of speech, and whether loudness and pitch follow.

Lengths are those of whole files: their ratio, and speech length compliance (SLC; Lakew et al. 2022).
Rate and pauses are those of SeamlessExpressive (Seamless Communication 2023, section 4), without its alignment of words: syllables
are counted in transcripts, and pauses are matched by the share of the speech before them.
Loudness and pitch are compared phrase by phrase where both have as many phrases (`avcore.speech.voice_activity`), else over all
speech. Contours are resampled to the same number of points, so that a phrase may be longer than its source. These figures do not
show what is right for the language: a question may rise in one and fall in another.
"""

import itertools

import numpy as np

from avcore.arrays import Doubles, Samples
from avcore.contracts import Transcript
from avcore.speech.figures import Phrase, is_spoken, leak, phrases_of, spoken_seconds, syllables
from avcore.speech.pitch import PITCH_STEP, filled_log, pitch_track, without_jumps
from avcore.timeline import SAMPLE_RATE
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, rate, sound_of

_NEAR = 0.25
"""Pauses that are farther apart do not belong together; share of all speech."""
_SEAMLESS = "as SeamlessExpressive's"
_COMPLIANT = {"slc_20": 0.2, "slc_40": 0.4}
"""Share of the source's length by which a dub may be longer or shorter."""
_NO_LIPS = "not whether words fall where lips move"
_POINTS = 20
"""Points of a contour: a phrase of 2 s has one each 0.1 s."""
_FLOOR_DB = 40.0
"""Range below the loudest part: quieter sound counts as this quiet."""


@metric(
    FigureKind("duration_ratio", "length over the source's", "near", "seconds of sound", _NO_LIPS),
    FigureKind("slc_20", "lengths within 20 % (SLC 0.2)", "higher", "Lakew et al. 2022", _NO_LIPS, of="share"),
    FigureKind("slc_40", "lengths within 40 % (SLC 0.4)", "higher", "Lakew et al. 2022", _NO_LIPS, of="share"),
    needs={"source"},
    place=50,
)
def durations(case: Case, outcome: Clip) -> Measured:
    """Return the ratio, and for each SLC 1 where it is met, else 0. The mean over a set is the share."""
    source_s = case.source.seconds
    if source_s <= 0:
        return dict.fromkeys(durations.figures, Missing("the source has no length"))
    ratio = outcome.seconds / source_s
    return {"duration_ratio": ratio} | {name: float(abs(ratio - 1) <= most) for name, most in _COMPLIANT.items()}


@metric(
    FigureKind(
        "rate", "rate: syllables a second as the source's", "higher", f"{_SEAMLESS}: Spearman over clips",
        "not how fast: only whether faster sources have faster dubs", of="rank",
    ),
    needs={"source", "recognizer"},
    place=36,
)  # fmt: skip
def pace(case: Case, outcome: Clip) -> Measured:
    """Compare the syllables a second of both. The texts are transcripts, each in its own language."""
    source, heard_rates = case.source, []
    for clip, transcript in ((outcome, Transcript(outcome.text, case.files.language)), (source, source.in_its_language)):
        seconds, count = spoken_seconds(phrases_of(sound_of(clip))), syllables(transcript.text)
        if not seconds or not count:
            return {"rate": Missing("nothing is heard in one of them")}
        heard_rates.append(count / seconds)
    dub, original = heard_rates
    return rate("rate", dub, original, "nothing is heard in the source")


def pauses(phrases: list[Phrase]) -> list[tuple[float, float]]:
    """Return the pauses between phrases: the share of the speech before each (0 to 1), and its length (s)."""
    whole, before, found = sum(end - start for start, end in phrases), 0, []
    for (start, end), (following, _) in itertools.pairwise(phrases):
        before += end - start
        found.append((before / whole, (following - end) / SAMPLE_RATE))
    return found


def pause_alignment(made: list[Phrase], source: list[Phrase]) -> float | Missing:
    """Return how well pauses agree, 0 to 1: each is matched with the nearest of the other; closeness times ratio of lengths."""
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


@metric(
    FigureKind("pause", "pauses as the source's", "higher", f"{_SEAMLESS}, by place in the speech", "words are not aligned"),
    FigureKind("speech_overlap", "speech while the source speaks", "higher", "intersection over union", "nothing of lips"),
    FigureKind("silent_share", "of the source's speech, without speech", "lower", "voice activity", "it may be said elsewhere"),
    needs={"source"},
    place=37,
)
def rhythm(case: Case, outcome: Clip) -> Measured:
    """Compare when both speak. Both begin at the same time, as a dub and its source do."""
    made, source = phrases_of(sound_of(outcome)), phrases_of(sound_of(case.source))
    if not source:
        return dict.fromkeys(rhythm.figures, Missing("the source says nothing"))

    length = max(end for _, end in (*made, *source))
    ours, theirs = is_spoken(made, length), is_spoken(source, length)
    return {
        "pause": pause_alignment(made, source),
        "speech_overlap": float((ours & theirs).sum() / (ours | theirs).sum()),
        "silent_share": float((theirs & ~ours).sum() / theirs.sum()),
    }


@metric(
    FigureKind(
        "leak", "original voice under the dub, of its level", "lower", "least squares at the best lag",
        "its bed counts where it is kept",
    ),
    needs={"source"},
    place=38,
)  # fmt: skip
def _leak(case: Case, outcome: Clip) -> Measured:
    return {"leak": leak(sound_of(outcome), sound_of(case.source))}


_IS_NOT = "not right for the language: one may rise where another falls"


@metric(
    FigureKind("loudness_follows", "delivery: loudness as the source's", "higher", "correlation phrase by phrase", _IS_NOT),
    FigureKind("pitch_follows", "delivery: pitch as the source's", "higher", "correlation phrase by phrase", _IS_NOT),
    needs={"source"},
    place=35,
)
def delivery(case: Case, outcome: Clip) -> Measured:
    """Return correlations of the contours, -1 to 1: the mean over phrases, weighted by their lengths."""
    made, source = sound_of(outcome), sound_of(case.source)
    ours, theirs = phrases_of(made), phrases_of(source)
    if not ours or not theirs:
        return dict.fromkeys(delivery.figures, Missing("one of them says nothing"))
    if len(ours) != len(theirs):
        ours, theirs = [(ours[0][0], ours[-1][1])], [(theirs[0][0], theirs[-1][1])]

    found: dict[str, float | Missing] = {}
    for name, own, true in zip(delivery.figures, _contours(made), _contours(source), strict=True):
        likeness, weights = list[float](), list[int]()
        for our_phrase, their_phrase in zip(ours, theirs, strict=True):
            left, right = _points(own, our_phrase), _points(true, their_phrase)
            if min(left.std(), right.std()) >= 1e-6:  # a flat contour correlates with nothing
                likeness.append(float(np.corrcoef(left, right)[0, 1]))
                weights.append(their_phrase[1] - their_phrase[0])
        found[name] = float(np.average(likeness, weights=weights)) if weights else Missing("it does not rise or fall")
    return found


def _contours(speech: Samples) -> tuple[Doubles, Doubles]:
    """Return loudness in dB and pitch in ln Hz, every 5 ms: float64 [T] each."""
    count = len(speech) // PITCH_STEP
    power = np.square(speech[: count * PITCH_STEP].astype(np.float64)).reshape(count, PITCH_STEP).mean(1)
    # 1e-12, because digital silence has no logarithm.
    loudness = 10 * np.log10(np.maximum(power, power.max() * 10 ** (-_FLOOR_DB / 10) + 1e-12))
    pitch, _ = filled_log(without_jumps(pitch_track(speech)))
    return loudness, pitch.astype(np.float64)


def _points(contour: Doubles, phrase: Phrase) -> Doubles:
    """Return the means of equal parts of a phrase: float64 [20]."""
    edges = np.linspace(phrase[0] / PITCH_STEP, min(phrase[1] / PITCH_STEP, len(contour)), _POINTS + 1)
    # At least one value for each point: a short phrase has fewer values than points.
    return np.array([contour[int(start) : max(int(end), int(start) + 1)].mean() for start, end in itertools.pairwise(edges)])
