"""Compare two evaluations of the same clips, figure by figure: the differences, and which of them are more than chance."""

import re
from pathlib import Path

from avcore.command import LOG
from avcore.errors import InputError
from avcore.notes import aligned, print_text, several
from netflips.evaluate.cases import DUBBED
from netflips.evaluate.command import CompareOptions
from netflips.evaluate.metric import all_metrics
from netflips.evaluate.records import RECORDS, Record, read_records
from netflips.evaluate.table import ARROWS, Cell, Compared, listeners, number

_HANGUL = re.compile("[가-힣]")
_VERDICTS = {0: "no significant difference", 1: "second is better", -1: "first is better"}


def _dubs_of(folder: Path) -> list[Record]:
    """Read the records of the dubs in a folder. Raises InputError where there are none."""
    found = [one for (_, subject, _), one in read_records(folder).items() if subject == DUBBED]
    if not found:
        hint = "netflips evaluate dubs writes it"
        raise InputError("there are no records of an evaluation", path=folder, expected=RECORDS, hint=hint)
    return found


def compare(first: Path, second: Path) -> tuple[list[Compared], list[str]]:
    """Compare two folders that a suite wrote; returns the figures, and sentences to be read beside them.

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
        report_to = [listeners(one.texts for one in of) for of in (a, b)]
        # Recognizers err differently: what differs would be their errors, not the dubs.
        if all(report_to) and report_to[0] != report_to[1]:
            notes.append(f"{metric.name}: heard by {report_to[0]} and by {report_to[1]}")
            continue

        # A record does not state its language; only Korean has measures of its own.
        language = "ko" if any(_HANGUL.search(one.texts.get("wanted", "")) for one in a) else ""
        own, other = ({one.id: one for one in of} for of in (a, b))
        both = (Cell(kind, own, language).compared(Cell(kind, other, language)) for kind in metric.kinds.values())
        found += [one for one in both if one is not None]
    return found, notes


def compare_runs(options: CompareOptions) -> None:
    """Compare two runs, and print how they differ. Raises NetflipsError."""
    found, notes = compare(options.first, options.second)
    for note in notes:
        LOG.warning("%s", note)

    lines = [["figure", "first", "second", "difference", "95 % interval", "p", "n", "verdict"]]
    for one in found:
        gap = one.difference
        verdict = "differs significantly" if one.kind.better == "near" and one.better else _VERDICTS[one.better]
        lost = f" (failed only in the first {one.failed[0]}, only in the second {one.failed[1]})" if any(one.failed) else ""
        lines.append([
            f"{one.kind.title} {ARROWS[one.kind.better]}", number(one.first), number(one.first + gap.value), f"{gap.value:+.4g}",
            f"{gap.low:+.4g} to {gap.high:+.4g}" if gap.n > 1 else "", f"{gap.p:.3f}", str(gap.n), verdict + lost,
        ])  # fmt: skip
    print_text(aligned(lines).rstrip("\n"))
