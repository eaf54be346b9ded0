"""Settings of a beam search, as fairseq names them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from avcore.checkpoints.config import read_setting
from avcore.errors import CheckpointError, UsageError

LOG = logging.getLogger(__name__)

MOST_POSITIONS = 100_000
"""Of positions and of tokens of a search: an hour of speech."""

_FOREIGN_SEARCH_OPTIONS: dict[str, object] = {
    "sampling": False,
    "match_source_len": False,
    "constraints": None,
    "prefix_size": 0,
}
"""Options of the reference's generator that are off in the published settings and not built here."""

_SEARCH_BOUNDS: dict[str, tuple[float, float]] = {
    "beam": (1, 10_000), "max_len_a": (0, 1000), "max_len_b": (0, MOST_POSITIONS), "min_len": (0, MOST_POSITIONS),
    "lenpen": (-100, 100), "unkpen": (-1e6, 1e6), "temperature": (1e-6, 1e6), "unnormalized": (0, 1),
    "no_repeat_ngram_size": (0, MOST_POSITIONS), "max_target_units": (0, MOST_POSITIONS),
}  # fmt: skip
"""Settings of the search that a checkpoint may hold, with least and most."""

_NO_LIMIT = (4, 50)
"""Without a limit, a search still ends at 4 * source tokens + 50: what goes on longer is an endless loop."""


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the beam search; the defaults are the published ones.

    Raises UsageError for values that cannot be searched with.
    """

    beam: int = 20
    """Hypotheses kept alive, and finished ones waited for."""
    max_len_a: float = 0.0
    max_len_b: int = 200
    """At most max_len_a * source tokens + max_len_b tokens before the end tag; `<s>` and `</s>` count."""
    min_len: int = 1
    """Tokens before the end tag may come."""
    lenpen: float = 1.0
    """Scores are divided by length ** lenpen."""
    unkpen: float = 0.0
    """Taken off the log-probability of `<unk>`."""
    temperature: float = 1.0
    unnormalized: bool = False
    """Compare sums of log-probabilities, whatever the length."""
    no_repeat_ngram_size: int = 0
    """Read and without effect, as in the published search."""
    max_target_units: int | None = None
    """Replaces max_len_a and max_len_b when given; 0 = no limit but the decoder's positions and `_NO_LIMIT`."""

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise UsageError("the beam must hold 1 hypothesis or more", found=self.beam)
        if self.temperature <= 0:
            raise UsageError("the temperature must be above 0", found=self.temperature)
        if self.max_target_units is not None and self.max_target_units < 0:
            raise UsageError("the limit of target units must be 0 (none) or more", found=self.max_target_units)

    @classmethod
    def from_generation(
        cls, generation: Mapping[str, Any], path: Path | None = None, owner: str = "the translator"
    ) -> "SearchConfig":
        """Read the section `generation` of a checkpoint's config; warns of options that are not built here.

        path, owner: the checkpoint and what it is, for messages. Raises CheckpointError for a value of another type, or that nobody
        could wait for.
        """
        if not isinstance(generation, Mapping):
            raise CheckpointError(f"{owner}'s search settings cannot be read", path=path, expected="an object")
        for name, off in _FOREIGN_SEARCH_OPTIONS.items():
            if generation.get(name, off) not in (off, None):
                LOG.warning("the checkpoint's search option %s = %s is ignored", name, generation[name])
        stored = {name: generation[name] for name in _SEARCH_BOUNDS if generation.get(name) is not None}
        defaults: dict[str, Any] = {option.name: 0 if option.default is None else option.default for option in fields(cls)}
        return cls(**{name: read_setting(stored, name, defaults[name], owner, path, _SEARCH_BOUNDS[name]) for name in stored})

    def limit(self, source_length: int, max_positions: int) -> int:
        """Tokens allowed before the end tag. source_length counts all encoder tokens.

        Raises UsageError when fewer than min_len are allowed.
        """
        if self.max_target_units is None:
            wanted = int(self.max_len_a * source_length + self.max_len_b)
        elif self.max_target_units == 0:
            wanted = _NO_LIMIT[0] * source_length + _NO_LIMIT[1]
        else:
            wanted = self.max_target_units
        limit = min(wanted, max_positions - 1)
        if limit < self.min_len:
            raise UsageError("the search's limit is below its least length", expected=f"{self.min_len} or more", found=limit)
        return limit
