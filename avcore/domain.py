"""The domain of a model: bounds on its own scores, measured on speech of the kind it was trained for.

A model of a narrow domain answers any input, and the answer does not show that it means nothing. Its scores do: where they lie
below nearly all scores of held-out speech of the domain, the input is most likely outside of it. The mean over an utterance
detects an unknown sentence; an odd word in a known sentence shows only in the score of the stretch where it is spoken.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from msgspec import ValidationError, convert
from numpy.typing import NDArray

from avcore.errors import CheckpointError
from avcore.notes import Note, NoteKind, Translate, Values

KEY = "domain"
"""The key of a domain in a checkpoint's configuration."""
VIDEO_CAUSE = NoteKind("video_cause", "where the video shows somebody else, or hides the lips, --modalities audio leaves it out")
"""A possible cause of a strange score where units were made from lips, too."""

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
    means = _means(scores, width)
    start = int(means.argmin())
    return Stretch(float(means[start]), start, start + min(width, len(scores)))


def steps_below(scores: NDArray[np.floating[Any]], width: int, bound: float | None) -> NDArray[np.bool_]:
    """Find the steps that lie in a stretch whose mean is below a bound: bool [steps], all False without a bound.

    scores: float of shape [steps]. width: of a stretch, in steps; where there are fewer, all are one stretch.
    """
    found = np.zeros(len(scores), dtype=bool)
    if bound is None or not len(scores):
        return found
    for start in np.flatnonzero(_means(scores, width) < bound):
        found[start : start + width] = True
    return found


def _means(scores: NDArray[np.floating[Any]], width: int) -> NDArray[np.float64]:
    """Return the mean of each `width` neighbours, of all where there are fewer."""
    width = min(width, len(scores))
    # In float64: a stretch is a difference of running sums, and in float32 the sum of a long recording would swallow its digits.
    sums = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
    means: NDArray[np.float64] = (sums[width:] - sums[:-width]) / width
    return means


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
        try:
            return convert(config.get(KEY), cls | None)
        except ValidationError as error:
            raise CheckpointError("its domain cannot be read", path=path, expected="what, least, share, samples") from error

    def to_config(self) -> dict[str, Any]:
        """Return the value of `domain` in a checkpoint's configuration."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def knows(self, score: float, of: Bounded = "least") -> bool:
        """Return whether a score is usual in the domain; True without a bound, False for NaN."""
        bound: float | None = getattr(self, of)
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


def outside_note(readings: Iterable[DomainScore], cause: NoteKind | None = None) -> Note | None:
    """Return the note for input outside of the models' domain, with what to do about it; None where it is inside.

    cause: another possible cause, and what to do then.
    """
    strange = [(reading, reading.domain) for reading in readings if reading.domain is not None and reading.is_strange]
    if not strange:
        return None
    at = next((reading.at for reading, _ in reversed(strange) if reading.at), "")
    rows = [{"name": name, "score": score, "usual": getattr(known, of), "of": of} for (name, score, _, of, _), known in strange]
    return OUTSIDE(what=strange[0][1].what, at=at, readings=rows, cause="" if cause is None else cause.code)


def _outside(values: Values, say: Translate) -> str:
    if any(row["of"] == "least" for row in values["readings"]):
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

    figures = (
        say(
            "{name} {score:.0f} %, usual is {bound:.0f} % or more", name=say(row["name"]),
            score=100 * exp(min(row["score"], 0.0)), bound=100 * exp(min(row["usual"], 0.0)),
        )
        for row in values["readings"]
    )  # fmt: skip
    return say(of, figures="; ".join(figures))


def _way_out(values: Values, say: Translate) -> str:
    cause = say("; {cause:@}") if values["cause"] == VIDEO_CAUSE.code else ""
    return cause + say(
        "; netflips dub --cascade dubs any English speech, once its models are here: netflips models get korean-free"
    )


OUTSIDE = NoteKind("outside", _outside, _way_out, alike=(), rank=9)
"""An utterance is most likely outside of the models' domain. Values: what, at, readings (name, score, usual, of), cause, among."""
