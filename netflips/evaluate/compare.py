"""Two evaluations of the same clips, figure by figure: how far apart they are, and what of that is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from netflips.evaluate import records
from netflips.evaluate.clips import DUBBED
from netflips.evaluate.measures import KINDS, names_of
from netflips.evaluate.metrics.figures import Kind, Missing
from netflips.evaluate.metrics.statistics import Difference, paired_bootstrap
from netflips.evaluate.metrics.text import LIKENESS, compare_likeness, corpus_likeness
from netflips.evaluate.records import Record
from netflips.evaluate.suite_rows import parts
from netflips.evaluate.tables import ARROWS, aligned, number

_ROUND = 5


@dataclass(frozen=True)
class Compared:
    """One figure of two runs. first, second: over the clips that both have. failed: clips that only one of them could not take."""

    name: str
    kind: Kind
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


def compare(first: Path, second: Path) -> tuple[list[Compared], list[str]]:
    """Compare two folders that a suite wrote; also what is to be known beside the figures, in sentences.

    Raises InputError for a folder without records, or two without a clip in common.
    """
    sides = [_by_measure(folder) for folder in (first, second)]
    names = [{record.id for measure in side.values() for record in measure.values()} for side in sides]
    if not names[0] & names[1]:
        raise InputError("the two have no clip in common", path=second, expected=f"ids as in {first}")
    notes = [
        f"{len(own - other)} clips are in {folder} only and are left out"
        for folder, own, other in ((first, names[0], names[1]), (second, names[1], names[0]))
        if own - other
    ]
    found = list[Compared]()
    for measure, figures in names_of():
        a, b = (side.get(measure, {}) for side in sides)
        if other := _other_recognizer(a, b):
            notes.append(f"{measure}: {other}")
            continue
        found += _likeness(a, b) if set(figures) <= set(LIKENESS) else _plain(a, b, figures)
    return found, notes


def _by_measure(folder: Path) -> dict[str, dict[str, Record]]:
    """The records of the dubs, by measure and id."""
    found: dict[str, dict[str, Record]] = {}
    for (name, subject, measure), record in records.require(folder).items():
        if subject == DUBBED:
            found.setdefault(measure, {})[name] = record
    return found


def _other_recognizer(a: Mapping[str, Record], b: Mapping[str, Record]) -> str:
    """Why texts of two runs are not to be compared; "" where they are."""
    named = [sorted({one.texts["recognizer"] for one in side.values() if "recognizer" in one.texts}) for side in (a, b)]
    return f"heard by {', '.join(named[0])} and by {', '.join(named[1])}" if all(named) and named[0] != named[1] else ""


def _plain(a: Mapping[str, Record], b: Mapping[str, Record], figures: Sequence[str]) -> list[Compared]:
    found = []
    for name in (one for one in figures if one in KINDS):
        both, failed = _common(a, b, name)
        if not both:
            continue
        (above, below), (other_above, other_below) = (parts([side[one] for one in both], name, KINDS[name]) for side in (a, b))
        if below is not None and other_below is not None and not (sum(below) and sum(other_below)):
            continue
        difference = paired_bootstrap(above, other_above, below, other_below)
        first = sum(above) / (len(above) if below is None else sum(below))
        found.append(Compared(name, KINDS[name], first, first + difference.value, difference, failed))
    return found


def _likeness(a: Mapping[str, Record], b: Mapping[str, Record]) -> list[Compared]:
    """BLEU and chrF2 over all texts together."""
    both, failed = _common(a, b, LIKENESS[0])
    if not both:
        return []
    heard = [[side[one].texts["heard"] for one in both] for side in (a, b)]
    wanted = [a[one].texts["wanted"] for one in both]
    language = "ko" if LIKENESS[-1] in a[both[0]].figures else ""
    scores, compared = corpus_likeness(heard[0], wanted, language), compare_likeness(heard[0], heard[1], wanted, language)
    found = []
    for name, difference in compared.items():
        own = scores[name]
        if not isinstance(difference, Missing) and not isinstance(own, Missing):
            value = own.figure.value
            found.append(Compared(name, KINDS[name], value, value + difference.value, difference, failed))
    return found


def _common(a: Mapping[str, Record], b: Mapping[str, Record], name: str) -> tuple[list[str], tuple[int, int]]:
    """Ids that both have the figure of, and how many only one of them could not measure."""
    there = [one for one in a if one in b]
    both = [one for one in there if name in a[one].figures and name in b[one].figures]
    only = [sum(bool(side[one].failed) and not other[one].failed for one in there) for side, other in ((a, b), (b, a))]
    return both, (only[0], only[1])


def table(found: Sequence[Compared]) -> str:
    """The comparison as Markdown."""
    lines = [["figure", "first", "second", "difference", "95 % interval", "p", "n", "verdict"]]
    for one in found:
        gap = one.difference
        lost = f" (failed only in the first {one.failed[0]}, only in the second {one.failed[1]})" if any(one.failed) else ""
        lines.append([
            f"{one.kind.title} {ARROWS[one.kind.better]}", number(one.first), number(one.second), f"{gap.value:+.4g}",
            f"{gap.low:+.4g} to {gap.high:+.4g}" if gap.n > 1 else "", f"{gap.p:.3f}", str(gap.n), one.verdict + lost,
        ])  # fmt: skip
    return aligned(lines)


def as_json(found: Sequence[Compared], notes: Sequence[str]) -> dict[str, Any]:
    """The comparison as a JSON object."""
    return {"figures": [_row(one) for one in found], "notes": list(notes)}


def _row(one: Compared) -> dict[str, Any]:
    gap = one.difference
    numbers = {"first": one.first, "second": one.second, "difference": gap.value, "p": gap.p}
    ends = {"low": gap.low, "high": gap.high} if gap.n > 1 else {}
    failed = {"failed_only_in_first": one.failed[0], "failed_only_in_second": one.failed[1]}
    rounded = {name: round(value, _ROUND) for name, value in (numbers | ends).items()}
    return {"figure": one.name, **rounded, "n": gap.n, "significant": gap.is_significant, **failed}
