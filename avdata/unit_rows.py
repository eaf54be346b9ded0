"""Units as trainers take them from a store: plain names from 0, with durations, all of one quantizer."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from avcore.errors import InputError, UnitError, UnitRangeError, VocabularyError
from avcore.units import Ids, Units
from avdata.unit_store import UnitRow

LOG = logging.getLogger("netflips.train")
T = TypeVar("T")
_MOST_NAMED = 5


def timed_units(row: UnitRow, place: str, is_frame_level: bool = False, first_unit: int = 0) -> Units:
    """A stored row's units with durations and plain names.

    is_frame_level: rows without durations are one id every 20 ms. first_unit: the number that unit 0 has in the data.
    place: where the row stands, for messages. Raises UnitError without durations, UnitRangeError below first_unit.
    """
    units = row.units
    if units.durations is None and not is_frame_level:
        raise UnitError(
            "these units have no durations",
            path=place,
            hint="set data.frame_level=true if they are one id every 20 ms, or extract them with durations",
        )
    if units.durations is None:
        units = Units.from_frames(units.ids, units.language, units.vocabulary)
    return replace(units, ids=plain_names(units.ids, first_unit, place))


def plain_names(ids: Ids, first_unit: int, place: str) -> Ids:
    """Names from 0, of numbers int64 [N] that start at first_unit. Raises UnitRangeError naming place and position."""
    below = np.flatnonzero(ids < first_unit)
    if below.size:
        raise UnitRangeError(int(ids[below[0]]), int(below[0]), None, path=place)
    return ids - first_unit


def settle_vocabulary(named: Iterable[tuple[str, str]], stated: str) -> str:
    """The fingerprint of the quantizer that made all units; "" = unknown, with one line of warning.

    named: id and fingerprint ("" = it does not say) of each utterance. stated: holds for those that do not say. Raises
    VocabularyError naming two utterances of different quantizers.
    """
    first: dict[str, str] = {stated: "data.units_vocabulary"} if stated else {}
    num_silent = 0
    for name, vocabulary in named:
        num_silent += not vocabulary
        if vocabulary:
            first.setdefault(vocabulary, name)
    if len(first) > 1:
        (one, a), (other, b) = list(first.items())[:2]
        raise VocabularyError(
            "units of two quantizers are mixed",
            expected=f"one ({one}, {a})",
            found=f"another ({other}, {b})",
            hint="extract all units with the same encoder",
        )
    if num_silent and not stated:
        LOG.warning("%d utterances do not say which quantizer made their units; state it with data.units_vocabulary", num_silent)
    return next(iter(first), "")


def set_apart(items: Sequence[T], count: int, seed: int) -> tuple[list[T], list[T]]:
    """Hold `count` of them out, chosen by the seed: the others and those, both in their order."""
    chosen = set(np.random.default_rng(seed).permutation(len(items))[:count].tolist())
    return [one for number, one in enumerate(items) if number not in chosen], [items[number] for number in sorted(chosen)]


def leave_out(names: Sequence[str], what: str, path: Path, is_allowed: bool, hint: str) -> None:
    """Complain about utterances that cannot be used, naming the first of them; nothing happens without names.

    is_allowed: a warning that they are left out. Otherwise raises InputError.
    """
    if not names:
        return
    shown = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
    if not is_allowed:
        raise InputError(
            f"{len(names)} {what}", path=path, found=shown, hint=f"{hint}, or set data.allow_missing=true to leave them out"
        )
    LOG.warning("%s: %d %s, left out: %s", path, len(names), what, shown)
