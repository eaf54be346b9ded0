"""What was done: for a person in a few lines, for machines as JSON. It is the script of a dub, with the keys of earlier reports."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from avcore.files import write_text
from avcore.plain_text import json_text, ranges, several, shown
from avcore.understanding import Understanding
from netflips.report.former import former_keys, former_script, former_stage
from netflips.script.files import script_from, script_json
from netflips.script.notes import left_words
from netflips.script.types import Media, Script


@dataclass(frozen=True)
class DubReport:
    """One dub. Beside its script it has, for one more version, the names that reports had before there were scripts, as `output_s`,
    `warnings` or `recording.utterances`: `former_keys` says what they are."""

    script: Script

    @cached_property
    def _former(self) -> dict[str, Any]:
        return former_keys(self.script)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "script" or name not in self._former:
            raise AttributeError(name)
        return _as_names(name, self._former[name])

    @property
    def understood(self) -> Understanding | None:
        """How much of it is understood; None = a report of before."""
        return self.script.understood

    def as_json(self) -> str:
        """Return the report as JSON."""
        return json_text(report_json(self.script), indent=2)

    def summary(self, with_times: bool = True) -> str:
        """Return the report in a few lines. with_times: how long each stage took."""
        return summary_of(self.script, with_times)


_PLAIN = {"fingerprints", "left", "face", "work", "faces", "tracks"}
"""Names of objects whose own names are not those of fields."""


def _as_names(name: str, value: Any) -> Any:
    """Nested objects as Python has them: by attributes."""
    if name == "understood":
        return Understanding.from_json(value)
    if isinstance(value, dict) and name not in _PLAIN:
        return SimpleNamespace(**{key: _as_names(key, one) for key, one in value.items()})
    if isinstance(value, list):
        return tuple(value if name in _PLAIN else (_as_names(name, one) for one in value))
    return value


def report_from(content: Mapping[str, Any]) -> DubReport:
    """Return a report again from its JSON object; raises what `report_script` raises."""
    return DubReport(report_script(content))


def report_json(script: Script) -> dict[str, Any]:
    """Return what `--report x.json` writes of a dub: its script, and the former keys, which a reader of scripts passes over."""
    understood = None if script.understood is None else asdict(script.understood)
    return {"understood": understood} | script_json(script) | former_keys(script) | {"understood": understood}


def report_script(content: Mapping[str, Any]) -> Script:
    """Return the script of a report's JSON object, also of one of before there were scripts. Raises InputError, KeyError or
    TypeError."""
    return script_from(content) if "format" in content else former_script(content)


def summary_of(script: Script, with_times: bool = True) -> str:
    """Return a dub in a few lines. with_times: how long each stage took."""
    made, media, told = script.result, script.media or Media(), script.told
    drawn = sum(one.drawn.drawn for one in told if one.drawn is not None)
    num_heard = sum(len(one.heard.units.ids) for one in told if one.heard is not None)
    num_said = sum(one.fit.units for one in told if one.fit is not None)
    head = (
        f"{script.source} -> {script.target}: {media.duration_s:.2f} s in, {made.duration_s:.2f} s out, "
        f"{'over text' if script.is_over_text else several(num_heard, 'unit')} -> {several(num_said, 'unit')}, "
        f"lips by {made.lips} in {drawn} of {several(made.pictures, 'picture')}"
    )
    lines = (
        [head, *_lines_of_recording(script)] if script.is_in_own_time else [head + _left_of_clip(script), *_lines_of_clip(script)]
    )
    for name, seconds, by_input in made.timings if with_times else ():
        stage = former_stage(script, name, seconds, by_input)
        lines.append(f"  {name:<12} {seconds:7.2f} s  {stage['x_real_time']:7.2f} x real time")
    if made.has_grown:
        lines.append(f"  the picture grew to {made.width}x{made.height}: an odd side cannot be encoded")
    return "\n".join([*lines, f"written: {shown(made.output)}"])


def _left_of_clip(script: Script) -> str:
    left = [one for utterance in script.told if utterance.drawn for one in utterance.drawn.left.items() if one[0] != "no_face"]
    return "".join(f", {count} left ({left_words(code)})" for code, count in left)


def _lines_of_clip(script: Script) -> list[str]:
    lines = []
    for one in script.told:
        for what, text in (("heard", one.text), ("said ", one.said)):
            if text is not None and text.text:
                sure = "" if text.confidence is None else f" (confidence {text.confidence:.2f})"
                lines.append(f"  {what}: {shown(text.text)}{sure}")
        pitch = script.speaker(one.speaker).pitch_hz
        lines += [] if pitch is None else [f"  spoken at the speaker's own pitch, {pitch:.0f} Hz"]
    return lines


def _lines_of_recording(script: Script) -> list[str]:
    told, work = script.told, script.result.work
    fits = [(one.number, one.fit) for one in told if one.fit is not None]
    lines = [f"  {len(fits)} of {several(len(told), 'utterance')} dubbed in place"]
    factors = [fit.factor for _, fit in fits if fit.factor is not None]
    if factors:
        lines[0] += f", at {min(factors):.2f} to {max(factors):.2f} of their natural length"
    for what, numbers in (
        ("spoken faster than the pace allows", [number for number, fit in fits if fit.is_hurried]),
        ("with the picture held", [number for number, fit in fits if fit.held_s]),
        ("cut", [number for number, fit in fits if fit.cut_s]),
        ("left alone", [one.number for one in told if one.fit is None]),
    ):
        if numbers:
            lines.append(f"  {what}: {ranges(numbers)}")
    if work is not None:
        lines.append(f"  finished work: {shown(work.folder)} ({work.num_bytes / 1e6:.0f} MB)")
    return lines


def write_reports(path: Path, reports: Sequence[Script], failures: Mapping[str, str]) -> None:
    """Write the reports of a run as JSON: one object for one input, else a list under `dubs` with the failures."""
    if len(reports) == 1 and not failures:
        write_text(path, json_text(report_json(reports[0]), indent=2))
        return
    content = {"dubs": [report_json(one) for one in reports], "failures": dict(failures)}
    write_text(path, json_text(content, indent=2))
