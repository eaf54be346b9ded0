"""What the results in an output folder were made with, and that nothing else is mixed in."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from avcore.errors import InputError, OutputError, UsageError
from avcore.files import write_text
from avcore.outputs import keep_folder_apart
from avcore.temporary import sweep
from avcore.texts import read_json

SIDE_FOLDERS = ("units", "features", "speakers", "lips")
_FOLDERS = ("shards", "index", "work", *SIDE_FOLDERS)
_RUN = "run.json"
_FILES = ("plan.jsonl", "failed.jsonl", "closed.jsonl", _RUN)  # run.json last: without it the rest is not taken for ours
_FORMAT = "netflips-extract-1"
WAY_OUT = "put back a copy of it, choose another --out-dir, or delete the folder if its results are not needed"


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
    keep_folder_apart(out_dir, _FILES, _FOLDERS, inputs, "choose another --out-dir")


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
    content = read_json(path, "the run.json of an extraction", hint=WAY_OUT)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise InputError("this is not the run.json of an extraction", path=path, expected=_FORMAT, found=found, hint=WAY_OUT)
    return content


def _list(key: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name} {key.get(name, 'none')}" for name in names)


def _delete(out_dir: Path) -> None:
    for name in _FOLDERS:
        if (out_dir / name).is_symlink():
            (out_dir / name).unlink()
        elif (out_dir / name).exists():
            shutil.rmtree(out_dir / name)
    for name in _FILES:
        (out_dir / name).unlink(missing_ok=True)


def _remove_leftovers(out_dir: Path) -> None:
    """Remove files that a killed run had under a temporary name."""
    sweep(out_dir)
    for name in _FOLDERS:
        sweep(out_dir / name, below=True, unmarked_after_s=0.0)
