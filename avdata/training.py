"""What all trainers' corpora have in common: their settings, and what is held out of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from avcore.bounds import Number
from avcore.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """What is trained and validated on.

    train, valid: manifests; empty valid = `hold_out` of train, chosen by their ids and the seed: a corpus that grows holds out what
    it held out before, or what is new. allow_missing: leave out what lacks something, instead of stopping.
    """

    train: str = "???"
    valid: str = ""
    hold_out: Number = 0
    allow_missing: bool = False

    def held_out(self, items: Sequence[T], seed: int, key: Callable[[T], str], of: str) -> tuple[list[T], list[T]]:
        """Return what is trained on and what is held out, both in their order. key: those alike stay together; of: its plural.

        Raises UsageError where nothing would be left to train on.
        """
        names = {key(one) for one in items}
        if self.hold_out >= len(names):
            raise UsageError(
                "nothing is left to train on", path=self.train, expected=f"data.hold_out below {len(names)}, the number of {of}",
                found=self.hold_out, hint="lower it, or give data.valid",
            )  # fmt: skip
        chosen = set(by_lot(names, self.hold_out, seed))
        return [one for one in items if key(one) not in chosen], [one for one in items if key(one) in chosen]

    def require_validation(self) -> None:
        """Raise UsageError where there is nothing to validate on."""
        if not self.valid and not self.hold_out:
            raise UsageError(
                "there is nothing to validate on", expected="data.valid, or data.hold_out above 0",
                hint="the best checkpoint is chosen by validation",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class UnitCorpusConfig(CorpusConfig):
    """A corpus with units.

    units, valid_units: units by id (avdata.unit_store); empty valid_units = units. frame_level: rows of units without durations are
    one id every 20 ms. first_unit: the number that unit 0 has in the data, 4 where they are raw classes of the unit encoder.
    units_vocabulary: fingerprint of the quantizer where the data do not say it.
    """

    units: str = ""
    valid_units: str = ""
    frame_level: bool = False
    first_unit: Number = 0
    units_vocabulary: str = ""


def by_lot(names: "Sequence[str] | set[str]", count: int, seed: int) -> list[str]:
    """Return `count` of some names: which, depends on each name and the seed alone, not on what else there is."""
    return sorted(names, key=lambda name: (blake2b(f"{seed} {name}".encode(), digest_size=8).digest(), name))[:count]
