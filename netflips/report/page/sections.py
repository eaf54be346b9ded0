"""The parts of the page around the timeline: figures, speed, models and settings."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from netflips.options import DubOptions
from netflips.report import DubReport
from netflips.report.page.markup import Child, Markup, tag
from netflips.report.page.meanings import OF_THE_REST
from netflips.report.page.story import speakers_of, utterances_of
from netflips.report.page.words import DASH, TIMES, clock, length, percent, seconds, several, share, stage_name

Rows = Iterable[tuple[Child, ...]]


def figures(report: DubReport) -> Markup:
    """The dub in a few numbers."""
    utterances = utterances_of(report)
    dubbed = [one for one in utterances if not one.left_alone]
    factors = [one.factor for one in dubbed if one.factor is not None]
    took = sum(stage.seconds for stage in report.stages)
    by_itself, with_lips = "as long as it would be by itself", share(report.pictures_with_face, report.num_pictures)
    work_by_video = _work_by_video(took, report.output_s)
    shown = [
        (f"{len(dubbed)} of {len(utterances)}", "utterances dubbed", "utterances dubbed"),
        (length(report.output_s), f"long, the input {length(report.input_s)}", ""),
        (with_lips, f"of {several(report.num_pictures, 'picture')} with new lips", "pictures with new lips"),
        *([(_from_to(min(factors), max(factors)), by_itself, by_itself)] if factors else []),
        (length(took), f"of work, {work_by_video} for each second of video", "work for each second of video"),
        (str(len(report.warnings)), "warning" if len(report.warnings) == 1 else "warnings", ""),
    ]
    items = [tag("li", tag("b", value), tag("span", what), title=OF_THE_REST.get(means)) for value, what, means in shown]
    return tag("ul", items, class_="figures")


def _from_to(least: float, most: float) -> str:
    low, high = percent(least), percent(most)
    return low if low == high else f"{low} {DASH} {high}"


def _work_by_video(took: float, video_s: float) -> str:
    return seconds(took / video_s) if video_s > 0 else DASH


def speed(report: DubReport) -> Markup:
    """How long each stage took; for recordings also what was found in the work folder."""
    longest = max((stage.seconds for stage in report.stages), default=0.0) or 1.0
    rows = [
        (
            stage_name(stage.name),
            seconds(stage.seconds),
            _work_by_video(1.0, stage.x_real_time),
            tag("svg", tag("rect", width=f"{100 * stage.seconds / longest:.1f}%", height="100%", rx=3), class_="bar"),
        )
        for stage in report.stages
    ]
    return table(("stage", "took", "for each second of video", ""), rows, "speed")


def work(report: DubReport) -> list[Markup]:
    """What of a recording's work was kept from before and what was made."""
    if report.recording is None or not report.recording.work:
        return []
    rows = [(stage, str(count.get("kept", 0)), str(count.get("made", 0))) for stage, count in report.recording.work.items()]
    kept = sum(count.get("kept", 0) for count in report.recording.work.values())
    note = "Part of the work was found finished in the work folder: the times are those of the rest."
    size = f"The work folder holds {report.recording.work_bytes / 1e6:.1f} MB: "
    folder = tag("p", size, tag("code", report.recording.work_dir))
    listed = in_details("Finished work: kept and made", folder, table(("work", "kept", "made"), rows))
    return [tag("p", note, class_="quiet"), listed] if kept else [listed]


def facts(report: DubReport) -> Markup:
    """Files, picture, sound and voice."""
    speakers = speakers_of(utterances_of(report))
    rows: list[tuple[Child, ...]] = [
        ("input", tag("code", report.input)),
        ("output", tag("code", report.output)),
        ("picture", f"{report.width}{TIMES}{report.height}, {several(report.num_pictures, 'picture')}{_rate(report)}"),
        ("voice", report.voice + ("" if report.pitch_hz is None else f", at {report.pitch_hz:.0f} Hz")),
        ("speakers", ", ".join(speakers)),
    ]
    if report.recording is not None:
        one = report.recording
        channels = {1: "mono", 2: "stereo"}.get(one.audio_channels, several(one.audio_channels, "channel"))
        background = f"{one.background}{f', with {one.background_audio}' if one.background_audio else ''}"
        rows += [
            ("sound", f"{one.audio_rate} Hz, {channels}"),
            ("background", background),
            ("part", f"{clock(one.part[0])} {DASH} {clock(one.part[1])}"),
            ("scene cuts", ", ".join(clock(cut) for cut in one.scene_cuts) or "none"),
        ]
    return table((), [(_explained(name), *cells) for name, *cells in rows], "facts")


def _explained(name: Child) -> Child:
    meaning = OF_THE_REST.get(name) if isinstance(name, str) else None
    return name if meaning is None else tag("span", name, title=meaning)


def _rate(report: DubReport) -> str:
    if report.recording is None:
        return ", 25 a second"
    return f", {report.recording.frame_rate:.3f}".rstrip("0").rstrip(".") + (
        " a second on average (variable)" if report.recording.is_variable_rate else " a second"
    )


def models(report: DubReport) -> Markup:
    """The models' fingerprints."""
    meaning = OF_THE_REST["model"]
    rows = [(tag("span", stage_name(name), title=meaning), tag("code", value)) for name, value in report.fingerprints.items()]
    return table((), rows, "facts")


def settings(options: DubOptions) -> Markup:
    """All settings of the run."""
    rows = [(name, tag("code", value)) for name, value in _flat(options)]
    return in_details("All settings", table((), rows, "facts"))


def _flat(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """The fields of nested dataclasses by dotted names, as text."""
    rows: list[tuple[str, str]] = []
    for one in fields(settings):
        value = getattr(settings, one.name)
        name = f"{prefix}{one.name}"
        rows += _flat(value, f"{name}.") if is_dataclass(value) else [(name, _text(value))]
    return rows


def _text(value: object) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str | int | float | Path) else repr(value)


def in_details(summary: str, *children: Child) -> Markup:
    """A part that opens on request, without JavaScript."""
    return tag("details", tag("summary", summary), children)


def table(heads: Sequence[str], rows: Rows, class_: str = "") -> Markup:
    """A table whose first column names the rows."""
    head = tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads])) if heads else None
    body = [tag("tr", tag("th", first, scope="row"), [tag("td", cell) for cell in rest]) for first, *rest in rows]
    return tag("div", tag("table", head, tag("tbody", body), class_=class_ or None), class_="scroll")
