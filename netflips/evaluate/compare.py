"""Two evaluations of the same clips, figure by figure: how far apart they are, and what of that is more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.plain_text import several
from netflips.evaluate.finished import FinishedRun, RunFigure, read_finished
from netflips.evaluate.metric import Kind, Missing
from netflips.evaluate.metrics.text import LIKENESS, compare_likeness, corpus_likeness
from netflips.evaluate.paired import Difference, paired_bootstrap
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
    a, b = read_finished(first), read_finished(second)
    if not a.clips & b.clips:
        raise InputError("the two have no clip in common", path=second, expected=f"ids as in {first}")
    notes = [
        f"{several(len(own - other), 'clip')} in {folder} only, left out"
        for folder, own, other in ((first, a.clips, b.clips), (second, b.clips, a.clips))
        if own - other
    ]
    found = list[Compared]()
    for name in (one for one in a.figures if one in b.figures):
        sides = a.figures[name], b.figures[name]
        if other := _other_recognizer(*sides):
            notes.append(f"{sides[0].measure}: {other}")
        elif name not in LIKENESS:
            found += _plain(name, *sides)
        elif name == LIKENESS[0]:
            found += _likeness(a, b)
    return found, list(dict.fromkeys(notes))


def _other_recognizer(a: RunFigure, b: RunFigure) -> str:
    """Why texts of two runs are not to be compared; "" where they are."""
    is_other = a.heard_by and b.heard_by and a.heard_by != b.heard_by
    return f"heard by {', '.join(a.heard_by)} and by {', '.join(b.heard_by)}" if is_other else ""


def _plain(name: str, a: RunFigure, b: RunFigure) -> list[Compared]:
    both, failed = _common(a, b)
    if not both:
        return []
    (above, below), (other_above, other_below) = a.by_clip.parts(both), b.by_clip.parts(both)
    if below is not None and other_below is not None and not (sum(below) and sum(other_below)):
        return []
    difference = paired_bootstrap(above, other_above, below, other_below)
    first = sum(above) / (len(above) if below is None else sum(below))
    return [Compared(name, a.kind, first, first + difference.value, difference, failed)]


def _likeness(a: FinishedRun, b: FinishedRun) -> list[Compared]:
    """BLEU and chrF2 over all texts together."""
    sides = a.figures[LIKENESS[0]], b.figures[LIKENESS[0]]
    both, failed = _common(*sides)
    if not both:
        return []
    heard = [[side.texts[one][0] for one in both] for side in sides]
    wanted = [sides[0].texts[one][1] for one in both]
    language = "ko" if LIKENESS[-1] in a.figures and a.figures[LIKENESS[-1]].by_clip.values else ""
    scores, compared = corpus_likeness(heard[0], wanted, language), compare_likeness(heard[0], heard[1], wanted, language)
    found = []
    for name, difference in compared.items():
        own = scores[name]
        if not isinstance(difference, Missing) and not isinstance(own, Missing):
            value = own.figure.value
            found.append(Compared(name, a.figures[name].kind, value, value + difference.value, difference, failed))
    return found


def _common(a: RunFigure, b: RunFigure) -> tuple[list[str], tuple[int, int]]:
    """Ids that both have the figure of, and how many only one of them could not measure."""
    both = [one for one in a.by_clip.values if one in b.by_clip.values]
    return both, (len((a.failed - b.failed) & b.tried), len((b.failed - a.failed) & a.tried))


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


def comparison_json(found: Sequence[Compared], notes: Sequence[str]) -> dict[str, Any]:
    """The comparison as a JSON object."""
    return {"figures": [_row(one) for one in found], "notes": list(notes)}


def _row(one: Compared) -> dict[str, Any]:
    gap = one.difference
    numbers = {"first": one.first, "second": one.second, "difference": gap.value, "p": gap.p}
    ends = {"low": gap.low, "high": gap.high} if gap.n > 1 else {}
    failed = {"failed_only_in_first": one.failed[0], "failed_only_in_second": one.failed[1]}
    rounded = {name: round(value, _ROUND) for name, value in (numbers | ends).items()}
    return {"figure": one.name, **rounded, "n": gap.n, "significant": gap.is_significant, **failed}
