"""The domain of a model: bounds on its own scores, measured on speech of the kind it was trained for.

A model of a narrow domain answers any input, and the answer does not show that it means nothing. Its scores do: where they lie
below nearly all scores of held-out speech of the domain, the input is most likely outside of it. The mean over an utterance
detects an unknown sentence; an odd word in a known sentence shows only in the score of the stretch where it is spoken.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.errors import CheckpointError, InputError
from avcore.notes import Note, NoteKind, Translate, Values
from avcore.words import KOREAN

KEY = "domain"
"""The key of a domain in a checkpoint's configuration."""
VIDEO_CAUSE = NoteKind("video_cause", "where the video shows somebody else, or hides the lips, --modalities audio leaves it out")
"""A possible cause of a strange score where units were made from lips, too."""
_HALVINGS = 30
"""Steps of the bisection for the share of each bound."""

Bounded = Literal["least", "weakest", "nearest"]
"""What a bound applies to: the mean over an utterance; its weakest stretch; the stretch that is least like a known sentence."""


class Stretch(NamedTuple):
    """A part of an utterance."""

    score: float
    """The mean over the part."""
    start: int
    """Its first step."""
    stop: int
    """The step after its last."""


def weakest_stretch(scores: NDArray[np.floating[Any]], width: int) -> Stretch | None:
    """Find the `width` neighbours (all, where there are fewer) with the lowest mean; None without steps.

    scores: float of shape [steps].
    """
    if not len(scores):
        return None
    width = min(width, len(scores))
    # In float64: a stretch is a difference of running sums, and in float32 the sum of a long recording would swallow its digits.
    sums = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
    means = (sums[width:] - sums[:-width]) / width
    start = int(means.argmin())
    return Stretch(float(means[start]), start, start + width)


def steps_below(scores: NDArray[np.floating[Any]], width: int, bound: float | None) -> NDArray[np.bool_]:
    """Find the steps that lie in a stretch whose mean is below a bound: bool [steps], all False without a bound.

    scores: float of shape [steps]. width: of a stretch, in steps; where there are fewer, all are one stretch.
    """
    found = np.zeros(len(scores), dtype=bool)
    if bound is None or not len(scores):
        return found
    width = min(width, len(scores))
    sums = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
    for start in np.flatnonzero((sums[width:] - sums[:-width]) / width < bound):
        found[start : start + width] = True
    return found


@dataclass(frozen=True)
class Domain:
    """Bounds below which a model's scores are rare in its domain."""

    what: str
    """The domain in words."""
    least: float
    """Bound on the mean score of an utterance."""
    share: float
    """Share of the domain's utterances below the bound; with several bounds found together, below any of them."""
    samples: int
    """Number of utterances that the bounds were found on."""
    weakest: float | None = None
    """Bound on the score of the weakest stretch, None = not stated."""
    nearest: float | None = None
    """Bound on the score of the stretch that is least like a known sentence, None = not stated."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path) -> "Domain | None":
        """Read the domain of a checkpoint, None where it states none. Raises CheckpointError."""
        stored = config.get(KEY)
        if stored is None:
            return None
        try:
            weakest, nearest = (None if stored.get(name) is None else float(stored[name]) for name in ("weakest", "nearest"))
            what, least, share = str(stored["what"]), float(stored["least"]), float(stored["share"])
            return cls(what, least, share, int(stored["samples"]), weakest, nearest)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError("its domain cannot be read", path=path, expected="what, least, share, samples") from error

    def to_config(self) -> dict[str, Any]:
        """Return the value of `domain` in a checkpoint's configuration."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def bound(self, of: Bounded) -> float | None:
        """Return one of the bounds; None where it is not stated."""
        return {"least": self.least, "weakest": self.weakest, "nearest": self.nearest}[of]

    def knows(self, score: float, of: Bounded = "least") -> bool:
        """Return whether a score is usual in the domain; True without a bound, False for NaN."""
        bound = self.bound(of)
        return bound is None or score >= bound


class DomainScore(NamedTuple):
    """A score of a model beside the model's domain."""

    name: str
    """As shown to the user."""
    score: float
    domain: Domain | None
    """None = not stated."""
    of: Bounded = "least"
    """The domain's bound that the score is compared with."""
    at: str = ""
    """When the score was so low, in words, "" = not known."""

    @property
    def is_strange(self) -> bool:
        """Whether the score hardly occurs in the domain."""
        return self.domain is not None and not self.domain.knows(self.score, self.of)

    @property
    def as_values(self) -> dict[str, Any]:
        """The score and its bound as values of a note: name, score, usual (the bound, None = not stated) and `of`."""
        usual = None if self.domain is None else self.domain.bound(self.of)
        return {"name": self.name, "score": self.score, "usual": usual, "of": self.of}


def outside_note(readings: Iterable[DomainScore], cause: NoteKind | None = None) -> Note | None:
    """Return the note for input outside of the models' domain, with what to do about it; None where it is inside.

    cause: another possible cause, and what to do then.
    """
    strange = [one for one in readings if one.is_strange]
    if not strange:
        return None
    what = next(one.domain.what for one in strange if one.domain is not None)
    at = next((one.at for one in reversed(strange) if one.at), "")
    return OUTSIDE(what=what, at=at, readings=[one.as_values for one in strange], cause="" if cause is None else cause.code)


def shown_figures(values: Values, say: Translate) -> str:
    """Return the scores of a note beside their bounds: as log-probabilities, or in percent where the note asks for it
    (`in_shares`), and always in Korean."""
    in_shares = values.get("in_shares") or values["language_of_words"] == KOREAN

    def figure(score: float | None) -> str:
        if score is None:
            return "?"
        return f"{100 * exp(min(score, 0.0)):.0f} %" if in_shares else f"{score:.2f}"

    def beside_bound(one: Values) -> str:
        name, score, usual = say(one["name"]), figure(one["score"]), one["usual"]
        if usual is None:
            return f"{name} {score}"
        return say("{name} {score}, usual is {bound} or more", name=name, score=score, bound=figure(usual))

    return "; ".join(beside_bound(one) for one in values["readings"])


def _outside(values: Values, say: Translate) -> str:
    if any(one["of"] == "least" for one in values["readings"]):
        of = (
            "{u}this is hardly {what}, least of all {at}, and these models know nothing else ({figures}): the result most likely "
            "means nothing"
            if values["at"]
            else "{u}this is hardly {what}, and these models know nothing else ({figures}): the result most likely means nothing"
        )
    else:
        of = (
            "{u}{at} this is hardly {what}, and these models know nothing else ({figures}): the result most likely says "
            "something else there"
            if values["at"]
            else "{u}in a part of it this is hardly {what}, and these models know nothing else ({figures}): the result most likely "
            "says something else there"
        )

    return say(of, figures=shown_figures(values, say))


def _way_out(values: Values, say: Translate) -> str:
    cause = say("; {cause:@}") if values["cause"] == VIDEO_CAUSE.code else ""
    return cause + say(
        "; netflips dub --cascade dubs any English speech, once its models are here: netflips models get korean-free"
    )


OUTSIDE = NoteKind("outside", _outside, _way_out, alike=(), rank=9)
"""An utterance is most likely outside of the models' domain. Values: what, at, readings (`DomainScore.as_values`), cause, among."""


def common_bounds(scores: NDArray[np.floating[Any]], parts: Sequence[float], share: float) -> NDArray[np.float64]:
    """Find one bound for each row of scores, such that at most `share` of the utterances fall below any of them.

    scores: float of shape [readings, utterances] of held-out speech of the domain. parts: the weight of each reading in the
    share; readings that detect more of what is outside deserve more. Returns float64 [readings]. Raises InputError.
    """
    if not scores.size or not np.isfinite(scores).all():
        raise InputError("a domain needs scores of its own speech", expected="finite numbers", found=f"{scores.shape[-1]} scores")

    def bounds(level: float) -> NDArray[np.float64]:
        return np.array([np.quantile(row, min(level * part, 1.0)) for row, part in zip(scores, parts, strict=True)])

    # An utterance that is low in several readings counts once, so the level at which the share is used up has to be searched for.
    low, high = 0.0, 1.0 / max(parts)
    for _ in range(_HALVINGS):
        level = (low + high) / 2
        missed = float((scores < bounds(level)[:, None]).any(axis=0).mean())
        low, high = (level, high) if missed <= share else (low, level)
    return bounds(low)
