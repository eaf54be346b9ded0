"""What needs a look: what was left alone, and all warnings, with a way to the card of each utterance that they name."""

import re
from collections import Counter
from collections.abc import Sequence

from netflips.report import DubReport, UtteranceReport
from netflips.report.page.markup import Child, Markup, tag
from netflips.report.page.material import Material
from netflips.report.page.story import utterances_of
from netflips.report.page.words import TIMES, clock, gathered, in_plain_figures, several, sure, unusual

_NAMED = re.compile(r"\butterance (?P<one>\d+)|\butterances (?P<many>\d+(?:-\d+)?(?:, \d+(?:-\d+)?)*)", re.IGNORECASE)


def attention(report: DubReport, material: Material, prefix: str) -> Markup:
    """What was left alone and why, and all warnings. prefix: of the cards' ids."""
    utterances = utterances_of(report)
    lines: list[Child] = []
    for one in utterances:
        if one.left_alone:
            where = _link(f"Utterance {one.number}", one.number, prefix)
            lines.append([where, f" ({clock(one.source_start_s)}) was left as it was: {one.left_alone}."])
    left = Counter[str]()
    for one in utterances:
        left.update(one.left)
    if left:
        reasons = ", ".join(f"{count} ({reason})" for reason, count in left.most_common())
        lines.append(f"{several(left.total(), 'picture')} within utterances kept the original mouth: {reasons}.")
    if report.has_grown:
        lines.append(f"The picture grew to {report.width}{TIMES}{report.height}: H.264 cannot hold an odd side.")
    told = (text for text in report.warnings if "is left alone" not in text)
    lines += [_warning(text, report, utterances, prefix) for text in gathered(told)]
    lines += [tag("span", text, class_="warning") for text in material.missing]
    if not lines:
        return tag("p", "Nothing: every utterance was dubbed, and there was no warning.", class_="quiet")
    return tag("ul", [tag("li", line) for line in lines], class_="attention")


def _warning(text: str, report: DubReport, utterances: Sequence[UtteranceReport], prefix: str) -> list[Child]:
    """A warning; one that sums up what is to be told of several utterances is followed by the reason for each."""
    told: list[Child] = [tag("span", _linked(in_plain_figures(text), [one.number for one in utterances], prefix), class_="warning")]
    if any(one.notice and text.endswith(one.notice) for one in utterances):
        strange = [one for one in utterances if one.notice]
        told.append(tag("ul", [tag("li", _why(one, report, prefix)) for one in strange]))
    return told


def _why(one: UtteranceReport, report: DubReport, prefix: str) -> list[Child]:
    reasons = [
        f"sure of the {what}: {sure(score, usual)}"
        for what, score, usual in (
            ("original", one.unit_confidence, report.usual_confidence),
            ("translation", one.translation_score, report.usual_score),
        )
        if unusual(score, usual)
    ]
    return [
        _link(f"Utterance {one.number}", one.number, prefix),
        f" ({clock(one.source_start_s)}): {'; '.join(reasons) or in_plain_figures(one.notice)}",
    ]


def _linked(text: str, numbers: Sequence[int], prefix: str) -> list[Child]:
    """A text in which each utterance that it names, within a range too, leads to its card."""
    parts: list[Child] = []
    end = 0
    for found in _NAMED.finditer(text):
        start = found.start("one" if found["one"] else "many")
        parts += [text[end:start], _links(found[0][start - found.start() :], numbers, prefix)]
        end = found.end()
    return [*parts, text[end:]]


def _links(ranges: str, numbers: Sequence[int], prefix: str) -> list[Child]:
    """Links to all cards of `1-3, 7`; what has no card stays as it is."""
    links: list[Child] = []
    for one in ranges.split(", "):
        low, _, high = one.partition("-")
        here: list[Child] = [_link(str(number), number, prefix) for number in numbers if int(low) <= number <= int(high or low)]
        for part in here or [one]:
            links += [", ", part] if links else [part]
    return links


def _link(text: str, number: int, prefix: str) -> Markup:
    return tag("a", text, href=f"#{prefix}u{number}")
