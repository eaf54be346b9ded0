"""Reports of dubs: a few lines for people, and the files that `--report` asks for, kept up to date while a run goes on."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from avcore.errors import UsageError
from avcore.files import require_place, write_text
from avcore.notes import json_text, ranges, sentence, several, shown
from avcore.progress import Progress, bars, silent
from netflips.report.material import IMAGE_BYTES, FinishedDub, gather
from netflips.report.page import write_report_page
from netflips.script.drawn import lips_drawn
from netflips.script.files import script_json
from netflips.script.notes import UNCOVERED, left_words
from netflips.script.types import Script, Timing
from netflips.script.utterance import DrawnFrames
from unit2av.lipsync.backend import NONE

_PAGE_SUFFIXES = {".html", ".htm"}
_IMAGE_BYTES_OF_RUN = 20_000_000
"""Most bytes of images on a page; all dubs of the run share them."""


class ReportFiles:
    """Reports of a run so far. They are written after each input, so a run that was stopped has reports of what it finished."""

    def __init__(self, paths: Sequence[Path], jobs: Sequence[tuple[Path, Path]]) -> None:
        """paths: a page for .html, JSON for any other name. jobs: inputs and outputs of the run.

        Raises OutputError where a report cannot be written, UsageError for one that would replace a video.
        """
        videos = {video.resolve() for job in jobs for video in job}
        for path in paths:
            if path.resolve() in videos:
                raise UsageError("--report must not be one of the videos", found=path, expected="a name such as report.html")
            require_place(path, "the report")

        self._pages = [path for path in paths if path.suffix.lower() in _PAGE_SUFFIXES]
        self.data_paths = [path for path in paths if path.suffix.lower() not in _PAGE_SUFFIXES]
        self._image_bytes = min(IMAGE_BYTES, _IMAGE_BYTES_OF_RUN // max(len(jobs), 1))
        self._reports: list[Script] = []
        self._finished: list[FinishedDub] = []
        self._failures: dict[str, str] = {}

    def add(self, report: Script) -> None:
        """Add the script of a finished dub."""
        self._reports.append(report)

    def fail(self, source: Path, message: str) -> None:
        """Add an input that could not be dubbed."""
        self._failures[str(source)] = message

    def write(self, progress: Progress = silent) -> None:
        """Write all files again."""
        for path in self.data_paths:
            write_reports(path, self._reports, self._failures)
        self.write_pages(progress)

    def write_pages(self, progress: Progress = silent) -> None:
        """Write the pages again. Input and output of each dub are read only once."""
        if not self._pages:
            return
        for report in self._reports[len(self._finished) :]:
            self._finished.append(gather(report, progress, self._image_bytes))
        for path in self._pages:
            write_report_page(path, self._finished, self._failures)


def with_reports(paths: Sequence[Path], source: Path, out: Path, is_quiet: bool, work: Callable[[], Script]) -> Script:
    """Do some work and write reports of it; returns its script.

    paths, source, out: see `ReportFiles`, whose errors are raised before the work begins.
    """
    files = ReportFiles(paths, [(source, out)])
    script = work()
    files.add(script)
    with bars(is_quiet, "report: ") as progress:
        files.write(progress)
    return script


# The summary, and the script as JSON for machines


def summary_of(script: Script, with_times: bool = True) -> str:
    """Return the summary of a dub in a few lines. with_times: whether it has the time of each stage."""
    made = script.result
    head = (
        f"{script.source} -> {script.target}: {script.input_s:.2f} s in, {script.output_s:.2f} s out, "
        f"{'over text' if script.is_over_text else several(script.num_source_units, 'unit')} -> "
        f"{several(script.num_target_units, 'unit')}, {_frames(script)}"
    )

    people, lips = lines_of_people(script), lips_drawn(script)
    if not people and lips is not None:  # nobody is in sight
        people = [f"  {sentence(lips)}"]
    lines = [head, *people, *(_lines_of_recording if script.is_source_timed else _lines_of_clip)(script)]
    for one in made.timings if with_times else ():
        lines.append(f"  {one.name:<12} {one.seconds:7.2f} s  {speed_of(script, one):7.2f} x real time")
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


def lines_of_people(script: Script) -> list[str]:
    """Return in how many of the frames in which they speak people have new lips, and why not in the others."""
    people = dict[str, list[DrawnFrames]]()
    for utterance in script.processed:
        if utterance.drawn is not None and utterance.drawn.frames:
            people.setdefault(utterance.speaker, []).append(utterance.drawn)
    lines = []
    for name, drawn in people.items():
        left = sum((Counter(one.left) for one in drawn), Counter[str]())
        why = "".join(f", {count} left ({left_words(code)})" for code, count in left.most_common())
        whose = f" of {shown(name)}" if len(people) > 1 else ""
        lines.append(
            f"  lips{whose}: new in {sum(one.drawn for one in drawn)} of {several(sum(one.frames for one in drawn), 'frame')}{why}"
        )
    return lines


def speed_of(script: Script, step: Timing) -> float:
    """Return how many seconds of the input, or of the output, a step of the work processed per second."""
    return (script.input_s if step.by_input else script.output_s) / max(step.seconds, 1e-9)


def _lines_of_clip(script: Script) -> list[str]:
    lines = []
    for utterance in script.processed:
        for what, text in (("heard", utterance.text), ("said ", utterance.spoken)):
            if text is not None and text.text:
                lines.append(f"  {what}: {shown(text.text)}")
        pitch = script.speaker(utterance.speaker).pitch_hz
        lines += [] if pitch is None else [f"  spoken at the speaker's own pitch, {pitch:.0f} Hz"]
    return lines


def _lines_of_recording(script: Script) -> list[str]:
    processed, work = script.processed, script.result.work
    fits = [(utterance.number, utterance.fit) for utterance in processed if utterance.fit is not None]
    lines = [f"  {len(fits)} of {several(len(processed), 'utterance')} dubbed in place"]
    scales = [fit.duration_scale for _, fit in fits if fit.duration_scale is not None]
    if scales:
        lines[0] += f", at {min(scales):.2f} to {max(scales):.2f} of their natural length"

    lines += [f"  {sentence(note, hint=False)}" for note in script.notes if note.code == UNCOVERED.code]
    for what, numbers in (
        ("spoken faster than the pace allows", [number for number, fit in fits if fit.is_hurried]),
        ("with a freeze frame", [number for number, fit in fits if fit.freeze_s]),
        ("cut", [number for number, fit in fits if fit.cut_s]),
        ("left alone", [utterance.number for utterance in processed if utterance.fit is None]),
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
    content = {"dubs": [script_json(report) for report in reports], "failures": dict(failures)}
    write_text(path, json_text(content, indent=2))
