"""The files that `--report` asks for, kept up to date while a run goes on."""

from collections.abc import Callable, Sequence
from pathlib import Path

from avcore.errors import UsageError
from avcore.files import require_place
from avcore.progress import Progress, bars, silent
from netflips.report import write_reports
from netflips.report.material import IMAGE_BYTES, gather
from netflips.report.page import FinishedDub, write_report_page
from netflips.script.types import Script

_PAGE_SUFFIXES = {".html", ".htm"}
_IMAGE_BYTES_OF_RUN = 20_000_000
"""Most bytes of images on a page; all dubs of the run share them."""


class ReportFiles:
    """Reports of a run so far. They are written after each input, so a run that was stopped has reports of what it finished."""

    def __init__(self, paths: Sequence[Path], jobs: Sequence[tuple[Path, Path]], reports: list[Script] | None = None) -> None:
        """paths: a page for .html, JSON for any other name. jobs: inputs and outputs of the run. reports: gets each added script.

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
        self._reports = list[Script]() if reports is None else reports
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
            self._finished.append(FinishedDub(report, gather(report, progress, self._image_bytes)))
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
