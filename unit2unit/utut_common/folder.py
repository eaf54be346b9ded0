"""Prepared data folders: made whole or not at all, with a report of what they hold."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avcore.errors import InputError, OutputError
from avcore.texts import read_json

REPORT = "data.json"


def require_free(path: Path, is_replaced: bool, inputs: Iterable[str | Path]) -> None:
    """Raise OutputError when something is there that must not be replaced: anything, or what is read, in the folder itself."""
    place = Path(os.path.realpath(path))
    for given in inputs:
        if Path(os.path.realpath(given)).is_relative_to(place):
            raise OutputError("the output folder holds what is read", path=path, found=given, hint="choose another folder")
    if path.exists() and not is_replaced and (not path.is_dir() or any(path.iterdir())):
        raise OutputError("the output is there already", path=path, hint="choose another folder, or add --overwrite")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name, and its place, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    fresh, old = temporary / "new", temporary / "old"
    fresh.mkdir()
    try:
        yield fresh
        if path.exists():
            os.replace(path, old)
        os.replace(fresh, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_dictionary(path: Path, num_units: int) -> None:
    """Write a dict.txt: the units in order, count 1."""
    path.write_text("".join(f"{unit} 1\n" for unit in range(num_units)), encoding="utf-8")


def write_report(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a data folder's report."""
    (folder / REPORT).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_vocabulary(folder: Path) -> str:
    """The fingerprint of the quantizer that made a folder's units; "" where the folder does not say."""
    path = folder / REPORT
    if not path.exists():
        return ""
    content = read_json(path, "the data folder's report")
    if not isinstance(content, dict):
        raise InputError("the data folder's report cannot be read", path=path, expected="an object", found=type(content).__name__)
    return str(content.get("vocabulary") or "")
