"""The text form of units: one line of decimal ids with blanks between."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from avcore.errors import UnitError, UnitRangeError
from avcore.files import write_text
from avcore.texts import iter_lines
from avcore.units import Ids, format_units, parse_units

LOG = logging.getLogger(__name__)
_TEXT_EXPECTED = "one line of whole numbers with blanks between"


def read_unit_file(path: str | Path) -> Ids:
    """Read the first line of a unit file to int64 [N], as it stands there: repeats and negative codes kept.

    The published programs read one line a file; when there are more, a warning says so. Raises InputError when the file
    is missing or empty and UnitError when the line holds anything but numbers.
    """
    path = Path(path)
    lines = (line for _, line in iter_lines(path, "the unit file", UnitError) if line.strip())
    first = next(lines, None)
    if first is None:
        raise UnitError("the unit file is empty", path=path, expected=_TEXT_EXPECTED, found="blank lines")
    others = sum(1 for _ in lines)
    if others:
        LOG.warning("%s: warning: only the first of %d lines is read; a unit file holds one utterance", path, others + 1)
    return parse_units(first, path)


def write_unit_file(path: str | Path, ids: Iterable[int] | Ids) -> None:
    """Write int [N] as one line without a newline, whole or not at all. Raises OutputError when it cannot be written."""
    write_text(path, format_units(ids))


@contextmanager
def units_of(path: str | Path) -> Iterator[None]:
    """Work on units that came from a file: a UnitRangeError in the block, which knows no file, names this one."""
    try:
        yield
    except UnitRangeError as error:
        raise UnitRangeError(error.unit, error.position, error.size, path=error.path or path) from error
