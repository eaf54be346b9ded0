"""Rows of JSON, one a line: read with the line named that is none, written whole or not at all."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.files import atomic_output
from avcore.texts import iter_lines, parse_json


def iter_rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read JSON lines: line number from 1, object. Raises InputError naming the line that is no JSON object."""
    for number, line in iter_lines(path, "the JSON lines file"):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise InputError(f"line {number} is no JSON", path=path, found=error) from error
        if not isinstance(row, dict):
            raise InputError(f"line {number} is no JSON object", path=path, found=type(row).__name__)
        yield number, row


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write JSON lines, whole or not at all; returns how many."""
    with atomic_output(path) as temporary:
        return put_rows(temporary, rows)


def put_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Put JSON lines into a file under its temporary name; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count
