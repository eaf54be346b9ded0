"""Reports of a dub: a few lines for people, and the script as JSON for machines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from avcore.files import write_text
from avcore.notes import json_text, ranges, several, shown
from netflips.script.files import script_json
from netflips.script.notes import left_words
from netflips.script.types import Script, Timing
from unit2av.lipsync.backend import NONE


def summary_of(script: Script, with_times: bool = True) -> str:
    """Return the summary of a dub in a few lines. with_times: whether it has the time of each stage."""
    made = script.result
    head = (
        f"{script.source} -> {script.target}: {script.input_s:.2f} s in, {script.output_s:.2f} s out, "
        f"{'over text' if script.is_over_text else several(script.num_source_units, 'unit')} -> "
        f"{several(script.num_target_units, 'unit')}, {_frames(script)}"
    )

    if script.is_source_timed:
        lines = [head, *_lines_of_recording(script)]
    else:
        left = [
            one for utterance in script.processed if utterance.drawn for one in utterance.drawn.left.items() if one[0] != "no_face"
        ]
        lines = [head + "".join(f", {count} left ({left_words(code)})" for code, count in left), *_lines_of_clip(script)]

    for one in made.timings if with_times else ():
        lines.append(f"  {one.name:<12} {one.seconds:7.2f} s  {speed_of(script, one):7.2f} x real time")
    if made.tracks:
        lines.append(f"  sound tracks: {shown('; '.join(map(str, made.tracks)))}")
    if made.has_grown:
        lines.append(f"  the video grew to {made.width}x{made.height}: an odd side cannot be encoded")
    if made.may_be_sold:
        lines.append(f"  may be sold: {shown(made.may_be_sold)}")
    if made.signed:
        lines.append(f"  signed by {shown(made.signed)}")
    return "\n".join([*lines, f"written: {shown(made.output)}"])


def _frames(script: Script) -> str:
    """Return what became of the frames."""
    made, frames = script.result, several(script.result.frames, "frame")
    if not made.frames:
        return "sound alone"
    return f"{frames} as they were" if made.lips == NONE else f"lips by {made.lips} in {script.num_drawn} of {frames}"


def speed_of(script: Script, step: Timing) -> float:
    """Return how many seconds of the input, or of the output, a step of the work processed per second."""
    return (script.input_s if step.by_input else script.output_s) / max(step.seconds, 1e-9)


def _lines_of_clip(script: Script) -> list[str]:
    lines = []
    for one in script.processed:
        for what, text in (("heard", one.text), ("said ", one.spoken)):
            if text is not None and text.text:
                sure = "" if text.confidence is None else f" (confidence {text.confidence:.2f})"
                lines.append(f"  {what}: {shown(text.text)}{sure}")
        pitch = script.speaker(one.speaker).pitch_hz
        lines += [] if pitch is None else [f"  spoken at the speaker's own pitch, {pitch:.0f} Hz"]
    return lines


def _lines_of_recording(script: Script) -> list[str]:
    told, work = script.processed, script.result.work
    fits = [(one.number, one.fit) for one in told if one.fit is not None]
    lines = [f"  {len(fits)} of {several(len(told), 'utterance')} dubbed in place"]
    scales = [fit.duration_scale for _, fit in fits if fit.duration_scale is not None]
    if scales:
        lines[0] += f", at {min(scales):.2f} to {max(scales):.2f} of their natural length"

    for what, numbers in (
        ("spoken faster than the pace allows", [number for number, fit in fits if fit.is_hurried]),
        ("with a freeze frame", [number for number, fit in fits if fit.freeze_s]),
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
        write_text(path, json_text(script_json(reports[0]), indent=2))
        return
    content = {"dubs": [script_json(one) for one in reports], "failures": dict(failures)}
    write_text(path, json_text(content, indent=2))
