"""Figures written to where people read them, between markers of recipes/demo/EXAM.md."""

from datetime import UTC, datetime
from pathlib import Path

from avcore.errors import InputError
from avcore.files import require_file, require_writable, write_text
from avcore.statistics import Figure

TABLE, UNTOUCHED = "evaluation", "untouched speaker"
"""Names of the parts of the page that are written by the program, between markers."""


def require_page(path: Path) -> None:
    """Check before any work that the page can be written and has its markers. Raises InputError or OutputError."""
    text = _read(path)
    for part in (TABLE, UNTOUCHED):
        _bounds(text, part, path)
    require_writable(path, "the page")


def write_table(path: Path, table: str, checksum: str, command: str) -> None:
    """Put the table between its markers. command: what measured it."""
    day = datetime.now(UTC).date().isoformat()
    about = f"Bundle `{checksum[:12]}`, measured on {day} with `{command}`."
    replace_part(path, TABLE, f"\n{about}\n\n{table}\n")


def note_untouched(path: Path, checksum: str, figure: Figure) -> None:
    """Add a run on the untouched speaker to the list of all such runs."""
    text = _read(path)
    start, stop = _bounds(text, UNTOUCHED, path)
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    line = f"- {moment}, bundle `{checksum[:12]}`: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, n = {figure.n})"
    replace_part(path, UNTOUCHED, f"{text[start:stop].rstrip()}\n{line}\n")


def is_untouched_noted(path: Path, checksum: str) -> bool:
    """Return whether the list names a run of this bundle."""
    text = _read(path)
    start, stop = _bounds(text, UNTOUCHED, path)
    return f"`{checksum[:12]}`" in text[start:stop]


def replace_part(path: Path, part: str, content: str) -> None:
    """Put content between the markers of a part of a page. Raises InputError when it has none, or OutputError."""
    text = _read(path)
    start, stop = _bounds(text, part, path)
    write_text(path, text[:start] + content + text[stop:])


def _read(path: Path) -> str:
    return require_file(path, "the page", hint="--docs names it; from the repository it is recipes/demo/EXAM.md").read_text(
        encoding="utf-8"
    )


def _bounds(text: str, part: str, path: Path) -> tuple[int, int]:
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    start, stop = text.find(begin), text.find(end)
    if start < 0 or stop < start:
        raise InputError(f"the page has no place for the {part}", path=path, expected=f"{begin} and {end}")
    return start + len(begin), stop
