"""Two evaluations of the same clips, figure by figure: how far apart they are, and what of that is more than chance."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG
from avcore.errors import InputError
from avcore.notes import aligned, print_text, several
from netflips.evaluate.by_clip import Difference
from netflips.evaluate.cases import DUBBED
from netflips.evaluate.command import CompareOptions
from netflips.evaluate.metric import FigureKind, all_metrics
from netflips.evaluate.metrics.text import RULES
from netflips.evaluate.records import RECORDS, Record, read_records
from netflips.evaluate.rows import ARROWS, listeners, number, values_of

_HANGUL = re.compile("[가-힣]")
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


def _dubs_of(folder: Path) -> list[Record]:
    """Read what an evaluation kept of its dubs in a folder. Raises InputError where there is nothing."""
    found = [one for (_, subject, _), one in read_records(folder).items() if subject == DUBBED]
    if not found:
        hint = "netflips evaluate dubs writes it"
        raise InputError("there are no records of an evaluation", path=folder, expected=RECORDS, hint=hint)
    return found


def compare(first: Path, second: Path) -> tuple[list[Compared], list[str]]:
    """Compare two folders that a suite wrote; also what is to be known beside the figures, in sentences.

    Raises InputError for a folder without records, or two without a clip in common.
    """
    sides = _dubs_of(first), _dubs_of(second)
    clips, other_clips = ({one.id for one in side} for side in sides)
    if not clips & other_clips:
        raise InputError("the two have no clip in common", path=second, expected=f"ids as in {first}")
    alone = ((first, clips - other_clips), (second, other_clips - clips))
    notes, found = [f"{several(len(ids), 'clip')} in {folder} only, left out" for folder, ids in alone if ids], list[Compared]()
    for metric in all_metrics():
        a, b = ([one for one in side if one.measure == metric.name] for side in sides)
        if not a or not b:
            continue
        heard_by = listeners(a), listeners(b)
        if all(heard_by) and heard_by[0] != heard_by[1]:
            notes.append(f"{metric.name}: heard by {heard_by[0]} and by {heard_by[1]}")
            continue
        (lost, tried), (other_lost, other_tried) = (({one.id for one in of if one.failed}, {one.id for one in of}) for of in (a, b))
        failed = len((lost - other_lost) & other_tried), len((other_lost - lost) & tried)
        by_clip = {name: (values_of(a, name, kind), values_of(b, name, kind)) for name, kind in metric.kinds.items()}
        if rules := RULES.get(metric.name):  # no means over clips
            own, other = by_clip[metric.name]
            first_texts, second_texts = ({one.id: one.texts for one in of} for of in (a, b))
            texts = [(first_texts[name], second_texts[name]) for name in own.shared(other)]
            wanted = [one["wanted"] for one, _ in texts]
            heard, again = [one["heard"] for one, _ in texts], [one["heard"] for _, one in texts]
            compared = rules.compared(heard, again, wanted, "ko" if any(map(_HANGUL.search, wanted)) else "") if texts else {}
        else:
            both = {name: own.compared(other) for name, (own, other) in by_clip.items()}
            compared = {name: one for name, one in both.items() if one is not None}
        for name, (value, gap) in compared.items():
            found.append(Compared(name, metric.kinds[name], value, value + gap.value, gap, failed))
    return found, notes


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


def compare_runs(options: CompareOptions) -> None:
    """Compare two runs, and say how they differ. Raises NetflipsError."""
    found, notes = compare(options.first, options.second)
    for note in notes:
        LOG.warning("%s", note)
    print_text(comparison_table(found).rstrip("\n"))
