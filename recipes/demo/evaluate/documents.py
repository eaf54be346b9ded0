"""Figures written into recipes/demo/EXAM.md, between its markers."""

from datetime import UTC, datetime
from pathlib import Path

from avcore.errors import InputError
from avcore.files import require_file, require_writable, write_text
from avcore.statistics import Figure

TABLE, UNTOUCHED = "evaluation", "untouched speaker"
"""Names of the parts of the page that the program writes, between markers."""
_SHORT = 12


def require_page(path: Path) -> None:
    """Check before any work that the page can be written and has its markers. Raises InputError or OutputError."""
    for part in (TABLE, UNTOUCHED):
        _divided(path, part)
    require_writable(path, "the page")


def write_table(path: Path, table: str, checksum: str, command: str) -> None:
    """Write the table between its markers. command: the command that measured it."""
    about = f"Bundle `{checksum[:_SHORT]}`, measured on {datetime.now(UTC).date().isoformat()} with `{command}`."
    replace_part(path, TABLE, f"\n{about}\n\n{table}\n")


def note_untouched(path: Path, checksum: str, figure: Figure) -> None:
    """Add a run on the untouched speaker to the list of all such runs."""
    when = f"{datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}, bundle `{checksum[:_SHORT]}`"
    line = f"- {when}: {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, n = {figure.n})"
    replace_part(path, UNTOUCHED, f"{_divided(path, UNTOUCHED)[1].rstrip()}\n{line}\n")


def is_untouched_noted(path: Path, checksum: str) -> bool:
    """Return whether the list names a run of this bundle."""
    return f"`{checksum[:_SHORT]}`" in _divided(path, UNTOUCHED)[1]


def replace_part(path: Path, part: str, content: str) -> None:
    """Write content between the markers of a part of a page. Raises InputError when it has none, or OutputError."""
    before, _, after = _divided(path, part)
    write_text(path, before + content + after)


def _divided(path: Path, part: str) -> tuple[str, str, str]:
    """Return a page up to a part, the part, and the rest; the markers belong to the text around the part."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    text = require_file(path, "the page").read_text(encoding="utf-8")
    start, stop = text.find(begin) + len(begin), text.find(end)
    if begin not in text or stop < start:
        raise InputError(f"the page has no place for the {part}", path=path, expected=f"{begin} and {end}")
    return text[:start], text[start:stop], text[stop:]
