"""Numbers in words and short forms, and what is to be said of an utterance first."""

import re
from collections.abc import Iterable
from math import exp, isfinite
from typing import NamedTuple

from avcore.plain_text import ranges
from netflips.report import UtteranceReport

DASH, TIMES = "\u2013", "\u00d7"
_MINUTE, _HOUR = 60, 3600
_OF_UTTERANCE = re.compile(r"utterance (\d+)(\D.*)")
_BELOW_USUAL = re.compile(r"(-\d+\.\d+), usual is (-\d+\.\d+) or more")
_LARGE_SLACK = 0.25
"""Share of an utterance's time above which its silence is worth a word."""
_NAMES_OF_STAGES = {
    "read": "read the input",
    "faces": "find and follow faces",
    "utterances": "find speech and scenes",
    "voice": "take the voice",
    "av2unit": "speech and lips to units",
    "unit2unit": "translate units",
    "unit2av": "units to speech and lips",
    "speech": "units to speech",
    "lips": "units to lips",
    "pictures": "units to lips, into the pictures",
    "write": "encode and write",
}
_SOURCES_OF_UNITS = {
    "sound": "sound alone",
    "audio": "sound alone",
    "lips": "lips alone",
    "video": "lips alone",
    "audio,video": "sound and lips",
    "auto": "sound and lips, or the one of them that can be trusted",
}


class Verdict(NamedTuple):
    """How an utterance went. kind: `good`, `note`, `warn` or `bad`, for its colour. means: its key in `OF_MARKS`."""

    text: str
    kind: str
    means: str


def verdicts(one: UtteranceReport) -> list[Verdict]:
    """What to know of an utterance, the fit first."""
    if one.left_alone:
        return [Verdict(f"left alone: {one.left_alone}", "warn", "left alone")]
    found = [_fit(one)]
    if one.is_truncated:
        found.append(Verdict("translation stopped at its limit", "bad", "translation stopped"))
    if one.is_outside_domain:
        found.append(Verdict("hardly what the models were made for", "bad", "hardly what the models were made for"))
    if one.units_why and one.units_from in ("sound", "lips"):
        found.append(Verdict(f"units from {taken_from(one.units_from)}", "note", "units from"))
    if one.pictures and not one.drawn:
        found.append(Verdict(f"sound only: {one.unseen}" if one.unseen else "sound only", "note", "sound only"))
    return found


def is_trouble(one: UtteranceReport) -> bool:
    """Whether a dubbed utterance has something that somebody should look at."""
    return not one.left_alone and any(verdict.kind in ("warn", "bad") for verdict in verdicts(one))


def _fit(one: UtteranceReport) -> Verdict:
    if one.factor is None:
        return Verdict("as long as it takes", "note", "as long as it takes")
    if one.cut_s:
        return Verdict(f"its last {seconds(one.cut_s)} cut", "bad", "cut")
    if one.is_hurried:
        return Verdict("hurried", "warn", "hurried")
    if one.held_s:
        return Verdict(f"picture held {seconds(one.held_s)}", "warn", "picture held")
    if one.slack_s > _LARGE_SLACK * (one.source_end_s - one.source_start_s):
        return Verdict(f"{seconds(one.slack_s)} stay silent", "note", "stay silent")
    if one.in_pause_s:
        return Verdict("goes into the pause", "note", "goes into the pause")
    return Verdict("fits", "good", "fits")


def taken_from(source: str) -> str:
    """What units were taken from, by a report's word for it or by `--modalities`."""
    return _SOURCES_OF_UNITS.get(source, source)


def sure(score: float | None, usual: float | None = None) -> str:
    """A mean log-probability of units as what it means, as `97 % of each unit (usual here: 95 % or more)`.

    usual: the bound of usual scores, None = not known. Both have so many digits that one can be told from the other.
    """
    if score is None or not isfinite(score):
        return "unknown"
    scores = [score] if usual is None else [score, usual]
    told = [f"{100 * exp(min(one, 0.0)):.0f} %" for one in scores]
    for digits in (1, 2):
        if len(set(told)) < len(told):
            told = [f"{100 * exp(min(one, 0.0)):.{digits}f} %" for one in scores]
    return f"{told[0]} of each unit" + ("" if usual is None else f" (usual here: {told[1]} or more)")


def in_plain_figures(text: str) -> str:
    """A warning whose mean log-probabilities are told as shares, as `confidence 41 %, usual is 73 % or more`."""
    return _BELOW_USUAL.sub(lambda found: f"{_share_of(found[1])}, usual is {_share_of(found[2])} or more", text)


def _share_of(log_probability: str) -> str:
    return percent(exp(float(log_probability)))


def unusual(score: float | None, usual: float | None) -> bool:
    """Whether a score is under what is usual."""
    return score is not None and usual is not None and not score >= usual


def percent(part: float) -> str:
    """A share that may be more than all, as `91 %`."""
    return f"{100 * part:.0f} %"


def seconds(value: float) -> str:
    """A length, as `1.82 s`."""
    return f"{value:.2f} s" if isfinite(value) else "unknown"


def length(value: float) -> str:
    """A length that may be long, as `1.82 s` or `10:24.9`."""
    return seconds(value) if value < _MINUTE else clock(value)


def clock(value: float) -> str:
    """A moment, as `1:02.3`, with hours where there are any."""
    tenths = round(value * 10)
    minutes, rest = divmod(tenths, _MINUTE * 10)
    hours, minutes = divmod(minutes, _HOUR // _MINUTE)
    head = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{head}:{rest // 10:02d}.{rest % 10}"


def share(part: float, whole: float) -> str:
    """A part in per cent; 100 % and 0 % only where it is all or nothing."""
    if not whole:
        return "none"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "under 1 %"
    return f"{min(round(percent), 99) if part < whole else round(percent)} %"


def number(value: float | None, digits: int = 2) -> str:
    """A number that may be missing."""
    return DASH if value is None or not isfinite(value) else f"{value:.{digits}f}"


def several(count: int, what: str) -> str:
    """A count with its noun, as `1 picture`, `2 pictures`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def gathered(warnings: Iterable[str]) -> list[str]:
    """Warnings, with those that many utterances share told once, as `utterances 1-12, 14: too long`."""
    numbers: dict[str, list[int]] = {}
    for text in warnings:
        found = _OF_UTTERANCE.fullmatch(text)
        numbers.setdefault(found[2] if found else text, []).extend([int(found[1])] if found else [])
    return [
        f"utterance{'' if len(which) == 1 else 's'} {ranges(which)}{text}" if which else text for text, which in numbers.items()
    ]


def stage_name(name: str) -> str:
    """A stage of the clock in words."""
    return _NAMES_OF_STAGES.get(name, name)
