"""What a model knows, as it can tell by itself: a bound on its own score, found on speech of the kind it was made for.

A model made for a narrow domain answers anything, and nothing in the answer shows that it means nothing. Its score does:
below nearly all scores of held-out speech of the domain, the input is most likely none of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avcore.errors import CheckpointError, InputError
from avcore.kinds import Kind

KEY = "domain"
"""Of a checkpoint's configuration, where a domain is stored."""
_SHARE = 0.01


@dataclass(frozen=True)
class Domain:
    """what: words for the domain. least: scores below it are rare there. share: how rare. samples: on how many it was found."""

    what: str
    least: float
    share: float
    samples: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path) -> "Domain | None":
        """Read the domain of a checkpoint, None where it names none. Raises CheckpointError."""
        stored = config.get(KEY)
        if stored is None:
            return None
        try:
            return cls(str(stored["what"]), float(stored["least"]), float(stored["share"]), int(stored["samples"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError("its domain cannot be read", path=path, expected="what, least, share, samples") from error

    def to_config(self) -> dict[str, Any]:
        """What a checkpoint's configuration holds under `domain`."""
        return asdict(self)

    def knows(self, score: float) -> bool:
        """Whether a score is usual in the domain; one that is no number is not."""
        return score >= self.least


class Reading(NamedTuple):
    """A score of a model, by the name that a user is told, and the domain of the model, None = not stated."""

    name: str
    score: float
    domain: Domain | None


def outside_notice(readings: Iterable[Reading]) -> str | None:
    """What to tell a user whose input is outside of what the models know, and what to do; None when it is not."""
    strange = [(one.name, one.score, one.domain) for one in readings if one.domain is not None and not one.domain.knows(one.score)]
    if not strange:
        return None
    figures = ", ".join(f"{name} {score:.2f}, usual is {domain.least:.2f} or more" for name, score, domain in strange)
    flags = ", ".join(kind.flag for kind in (Kind.UNIT_ENCODER, Kind.TRANSLATOR, Kind.RENDERER))
    return (
        f"this is hardly {strange[0][2].what}, and these models know nothing else ({figures}): the result most likely means "
        f"nothing; for real speech give the published checkpoints with {flags} (README.md says which file goes where)"
    )


def calibrate(scores: Sequence[float], what: str, share: float = _SHARE) -> Domain:
    """Find the bound that `share` of the scores of held-out speech of the domain fall below. Raises InputError."""
    values = np.asarray(scores, dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise InputError("a domain needs scores of its own speech", expected="finite numbers", found=f"{len(values)} scores")
    return Domain(what, float(np.quantile(values, share)), share, len(values))
