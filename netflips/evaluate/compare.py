"""Two evaluations of the same clips, figure by figure: how far apart they are, and what of that is more than chance."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.notes import aligned, several
from netflips.evaluate import records
from netflips.evaluate.by_clip import Difference
from netflips.evaluate.cases import DUBBED
from netflips.evaluate.metric import FigureKind, all_metrics
from netflips.evaluate.metrics.text import RULES
from netflips.evaluate.records import Record
from netflips.evaluate.suite_rows import values_of
from netflips.evaluate.tables import ARROWS, number

_ROUND = 5
_KOREAN, _HANGUL = "ko", re.compile("[가-힣]")
"""A record does not say its language; only Korean has measures of its own."""


@dataclass(frozen=True)
class Compared:
    """One figure of two runs. first, second: over the clips that both have. failed: clips that only one of them could not take."""

    name: str
    kind: FigureKind
    first: float
    second: float
    difference: Difference
    failed: tuple[int, int]

    @property
    def verdict(self) -> str:
        """What it says, in words."""
        if not self.difference.is_significant:
            return "no significant difference"
        if self.kind.better == "near":
            return "differs significantly"
        is_up = self.difference.value > 0
        return "second is better" if is_up == (self.kind.better == "higher") else "first is better"


class RunFigure:
    """A figure of a run. tried: ids of the clips that it was asked of; failed: of those that it failed on. texts: what was heard
    and wanted, by id. heard_by: what listened."""

    def __init__(self, name: str, kind: FigureKind, found: Collection[Record]) -> None:
        self.kind, self.by_clip = kind, values_of(found, name, kind)
        self.tried, self.failed = {one.id for one in found}, {one.id for one in found if one.failed}
        self.texts = {one.id: (one.texts["heard"], one.texts["wanted"]) for one in found if {"heard", "wanted"} <= one.texts.keys()}
        self.heard_by = ", ".join(sorted({one.texts["recognizer"] for one in found if "recognizer" in one.texts}))


def read_run(folder: Path) -> tuple[set[str], dict[str, tuple[str, RunFigure]]]:
    """Read what an evaluation kept in a folder: ids of the clips; figures by name, each with the measure that it is of.

    Raises InputError where it is none.
    """
    found = [one for (_, subject, _), one in records.read_records(folder).items() if subject == DUBBED]
    if not found:
        hint = "netflips evaluate dubs writes it"
        raise InputError("there are no records of an evaluation", path=folder, expected=records.RECORDS, hint=hint)
    figures = dict[str, tuple[str, RunFigure]]()
    for metric in all_metrics():
        own = [one for one in found if one.measure == metric.name]
        figures |= {name: (metric.name, RunFigure(name, kind, own)) for name, kind in metric.kinds.items() if own}
    return {one.id for one in found}, figures


def compare(first: Path, second: Path) -> tuple[list[Compared], list[str]]:
    """Compare two folders that a suite wrote; also what is to be known beside the figures, in sentences.

    Raises InputError for a folder without records, or two without a clip in common.
    """
    (clips, a), (other_clips, b) = read_run(first), read_run(second)
    if not clips & other_clips:
        raise InputError("the two have no clip in common", path=second, expected=f"ids as in {first}")
    alone = ((first, clips - other_clips), (second, other_clips - clips))
    notes = [f"{several(len(ids), 'clip')} in {folder} only, left out" for folder, ids in alone if ids]
    found = list[Compared]()
    for name in (one for one in a if one in b):
        (measure, own), (_, other) = a[name], b[name]
        rules = RULES.get(measure)
        failed = len((own.failed - other.failed) & other.tried), len((other.failed - own.failed) & own.tried)
        if own.heard_by and other.heard_by and own.heard_by != other.heard_by:
            notes.append(f"{measure}: heard by {own.heard_by} and by {other.heard_by}")
        elif rules is not None and name == measure:
            both = own.by_clip.shared(other.by_clip)
            heard, again = ([side.texts[one][0] for one in both] for side in (own, other))
            wanted = [own.texts[one][1] for one in both]
            language = _KOREAN if any(_HANGUL.search(one) for one in wanted) else ""
            compared = rules.compared(heard, again, wanted, language) if both else {}  # no means over clips
            for one, (value, gap) in compared.items():
                if one in a:
                    found.append(Compared(one, a[one][1].kind, value, value + gap.value, gap, failed))
        elif rules is None and (measured := own.by_clip.compared(other.by_clip)) is not None:
            value, difference = measured
            found.append(Compared(name, own.kind, value, value + difference.value, difference, failed))
    return found, list(dict.fromkeys(notes))


def comparison_table(found: Sequence[Compared]) -> str:
    """Return the comparison as Markdown."""
    lines = [["figure", "first", "second", "difference", "95 % interval", "p", "n", "verdict"]]
    for one in found:
        gap = one.difference
        lost = f" (failed only in the first {one.failed[0]}, only in the second {one.failed[1]})" if any(one.failed) else ""
        lines.append([
            f"{one.kind.title} {ARROWS[one.kind.better]}", number(one.first), number(one.second), f"{gap.value:+.4g}",
            f"{gap.low:+.4g} to {gap.high:+.4g}" if gap.n > 1 else "", f"{gap.p:.3f}", str(gap.n), one.verdict + lost,
        ])  # fmt: skip
    return aligned(lines)


def comparison_json(found: Sequence[Compared], notes: Sequence[str]) -> dict[str, Any]:
    """Return the comparison as a JSON object."""
    rows = list[dict[str, Any]]()
    for one in found:
        gap = one.difference
        ends = {"low": gap.low, "high": gap.high} if gap.n > 1 else {}
        numbers = {"first": one.first, "second": one.second, "difference": gap.value, "p": gap.p, **ends}
        failed = {"failed_only_in_first": one.failed[0], "failed_only_in_second": one.failed[1]}
        rounded = {name: round(value, _ROUND) for name, value in numbers.items()}
        rows.append({"figure": one.name, **rounded, "n": gap.n, "significant": gap.is_significant, **failed})
    return {"figures": rows, "notes": list(notes)}
