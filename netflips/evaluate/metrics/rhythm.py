"""When it is spoken: how long a dub is, whether it is fast where its source is, pauses where it pauses, and speaks while it speaks.

Length is that of whole files: the ratio, and speech length compliance (SLC; Lakew et al. 2022).
Rate and pauses are what SeamlessExpressive's paper calls by these names (Seamless Communication 2023, section 4), without its
alignment of words: syllables are counted in recognised text, and pauses meet by how much of the speech was said before them.
"""

import itertools

from avcore.contracts import Transcript
from avcore.speech.figures import Phrase, is_spoken, leak, phrases_of, spoken_seconds, syllables
from avcore.timeline import SAMPLE_RATE
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, side, sound_of
from netflips.evaluate.needs import RECOGNIZER, SOURCE

_NEAR = 0.25
"""Of all that is said: pauses that lie farther apart do not belong together."""
_SEAMLESS = "as SeamlessExpressive's"
_COMPLIANT = {"slc_20": 0.2, "slc_40": 0.4}
"""Share of the source's length by which a dub may be longer or shorter."""
_NO_LIPS = "not whether words fall where lips move"


@metric(
    FigureKind("duration_ratio", "length over the source's", "near", "seconds of sound", _NO_LIPS),
    FigureKind("slc_20", "lengths within 20 % (SLC 0.2)", "higher", "Lakew et al. 2022", _NO_LIPS, is_share=True),
    FigureKind("slc_40", "lengths within 40 % (SLC 0.4)", "higher", "Lakew et al. 2022", _NO_LIPS, is_share=True),
    needs={SOURCE},
    place=50,
)
def durations(case: Case, outcome: Clip) -> Measured:
    """Return the ratio, and for each SLC 1 where it is kept, else 0: the mean over a set is the share."""
    source_s = side(case.source, "source").seconds
    if source_s <= 0:
        return dict.fromkeys(durations.figures, Missing("the source has no length"))
    ratio = outcome.seconds / source_s
    return {"duration_ratio": ratio} | {name: float(abs(ratio - 1) <= most) for name, most in _COMPLIANT.items()}


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
    needs={SOURCE},
    place=38,
)  # fmt: skip
def _leak(case: Case, outcome: Clip) -> Measured:
    return {"leak": leak(sound_of(outcome), sound_of(side(case.source, "source")))}
