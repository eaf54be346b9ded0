"""Numbers in words and short forms, and what is to be said of an utterance first."""

import re
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NamedTuple

from netflips.report import UtteranceReport

DASH, TIMES = "\u2013", "\u00d7"
_MINUTE, _HOUR = 60, 3600
_OF_UTTERANCE = re.compile(r"utterance (\d+)(\D.*)")
_LARGE_SLACK = 0.25
"""Share of an utterance's time above which its silence is worth a word."""
_NAMES_OF_STAGES = {
    "read": "read the input",
    "faces": "find and follow faces",
    "utterances": "find speech and scenes",
    "voice": "take the voice",
    "av2unit": "speech and lips to units",
    "unit2unit": "translate units",
    "speech": "units to speech",
    "lips": "units to lips",
    "pictures": "units to lips, into the pictures",
    "write": "encode and write",
}


class Verdict(NamedTuple):
    """How an utterance went. kind: `good`, `note`, `warn` or `bad`, for its colour."""

    text: str
    kind: str


def verdicts(one: UtteranceReport) -> list[Verdict]:
    """What to know of an utterance, the fit first."""
    if one.left_alone:
        return [Verdict(f"left alone: {one.left_alone}", "warn")]
    found = [_fit(one)]
    if one.is_truncated:
        found.append(Verdict("translation stopped at its limit", "bad"))
    if one.is_outside_domain:
        found.append(Verdict("hardly what the models were made for", "bad"))
    if one.pictures and not one.drawn:
        found.append(Verdict(f"sound only: {one.unseen}" if one.unseen else "sound only", "note"))
    return found


def is_trouble(one: UtteranceReport) -> bool:
    """Whether a dubbed utterance has something that somebody should look at."""
    return not one.left_alone and any(verdict.kind in ("warn", "bad") for verdict in verdicts(one))


def _fit(one: UtteranceReport) -> Verdict:
    if one.factor is None:
        return Verdict("as long as it takes", "note")
    if one.cut_s:
        return Verdict(f"its last {seconds(one.cut_s)} cut", "bad")
    if one.is_hurried:
        return Verdict("hurried", "warn")
    if one.held_s:
        return Verdict(f"picture held {seconds(one.held_s)}", "warn")
    if one.slack_s > _LARGE_SLACK * (one.source_end_s - one.source_start_s):
        return Verdict(f"{seconds(one.slack_s)} stay silent", "note")
    if one.in_pause_s:
        return Verdict("goes into the pause", "note")
    return Verdict("fits", "good")


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
    """Warnings, with those that many utterances share told once, as `utterances 1–12, 14: too long`."""
    numbers: dict[str, list[int]] = {}
    for text in warnings:
        found = _OF_UTTERANCE.fullmatch(text)
        numbers.setdefault(found[2] if found else text, []).extend([int(found[1])] if found else [])
    return [f"{_utterances(which)}{text}" if which else text for text, which in numbers.items()]


def _utterances(numbers: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for one in sorted(numbers):
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    told = (str(run[0]) if len(run) == 1 else f"{run[0]}{DASH if len(run) > 2 else ', '}{run[-1]}" for run in runs)
    return f"utterance{'' if len(numbers) == 1 else 's'} {', '.join(told)}"


def stage_name(name: str) -> str:
    """A stage of the clock in words."""
    return _NAMES_OF_STAGES.get(name, name)
