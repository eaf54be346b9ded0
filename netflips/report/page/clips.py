"""Where the videos of a dub are, as a page names them."""

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from netflips.report import DubReport


class Clips(NamedTuple):
    """Addresses of the videos of one dub, as seen from the page's folder; None = the file is not there."""

    original: str | None
    dub: str | None


def clips_of(report: DubReport, folder: Path) -> Clips:
    """Look for the videos of a dub. folder: where the page lies, or will lie."""
    original, dub = (address(path, folder) if os.path.isfile(path) else None for path in (report.input, report.output))
    return Clips(original, dub)


def address(path: str | Path, folder: Path) -> str:
    """A file's address as seen from a folder, percent-encoded: relative, so that both can be moved together."""
    try:
        way = os.path.relpath(path, folder)
    except ValueError:  # there is no way to another drive
        return Path(path).absolute().as_uri()
    return quote(os.fsencode(way.replace(os.sep, "/")))
