"""What the results in an output folder were made with, and that nothing else is mixed in."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avcore.errors import InputError, OutputError, UsageError
from avcore.files import write_text

SIDE_FOLDERS = ("units", "features", "speakers", "lips")
_FOLDERS = ("shards", "index", "work", *SIDE_FOLDERS)
_RUN = "run.json"
_FILES = ("plan.jsonl", "failed.jsonl", _RUN)  # run.json last: without it the rest is not taken for ours
_FORMAT = "netflips-extract-1"


def prepare_folder(out_dir: Path, key: Mapping[str, Any], overwrite: bool) -> None:
    """Make sure that results made with `key` can go into a folder; overwrite: what is there of ours is deleted.

    Raises UsageError when there are results made otherwise, OutputError when other things have the names of ours.
    """
    path = out_dir / _RUN
    if path.exists() and overwrite:
        _read(path)
        _delete(out_dir)
    if not require_same(out_dir, key):
        taken = [name for name in (*_FOLDERS, *_FILES) if (out_dir / name).exists()]
        if taken:
            found = ", ".join(taken)
            raise OutputError("this folder holds other things", path=out_dir, found=found, hint="choose another --out-dir")
        write_text(path, json.dumps({"format": _FORMAT, **key}, indent=1) + "\n")
    _remove_leftovers(out_dir)


def require_apart(out_dir: Path, inputs: Iterable[Path]) -> None:
    """Raise OutputError when a file that is read is one that a run writes into its folder, or lies where it writes."""
    files = {os.path.realpath(out_dir / name) for name in _FILES}
    folders = {os.path.realpath(out_dir / name) for name in _FOLDERS}
    known: dict[Path, bool] = {}
    for path in inputs:
        if path.parent not in known:
            place = Path(os.path.realpath(path.parent))
            known[path.parent] = not folders.isdisjoint(map(str, (place, *place.parents)))
        if known[path.parent] or os.path.realpath(path) in files:
            raise OutputError("an input lies where the results go", path=path, hint="choose another --out-dir")


def require_same(out_dir: Path, key: Mapping[str, Any]) -> bool:
    """Whether there are results in a folder; raises UsageError when they were not made with `key`."""
    if not (out_dir / _RUN).exists():
        return False
    before = _read(out_dir / _RUN)
    differing = [name for name in {**before, **key} if name != "format" and before.get(name) != key.get(name)]
    if differing:
        raise UsageError(
            f"the results in {out_dir} were made otherwise",
            expected=_list(before, differing),
            found=_list(key, differing),
            hint="choose another --out-dir, or begin anew with --overwrite",
        )
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("this is not the run.json of an extraction", path=path, found=error) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise InputError("this is not the run.json of an extraction", path=path, expected=_FORMAT, found=found)
    return content


def _list(key: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name} {key.get(name, 'none')}" for name in names)


def _delete(out_dir: Path) -> None:
    for name in _FOLDERS:
        if (out_dir / name).exists():
            shutil.rmtree(out_dir / name)
    for name in _FILES:
        (out_dir / name).unlink(missing_ok=True)


def _remove_leftovers(out_dir: Path) -> None:
    """Remove files that a killed run had under a temporary name; those begin with a dot."""
    for name in _FOLDERS:
        for path in (out_dir / name).rglob(".*"):
            if path.is_file():
                path.unlink()
