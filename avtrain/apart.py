"""What a training run writes is none of what it reads: found out from its settings, before anything is loaded."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from avcore.errors import OutputError
from avcore.outputs import keep_folder_apart

_FILES = ("config.yaml", "starts.jsonl", "metrics.jsonl", "left_out.jsonl", "train.log")
_FOLDERS = ("checkpoints", "tensorboard", "wandb")
_NO_INPUTS = ("run_dir", "resume")
"""The folder itself, and the checkpoint of the run that it goes on from."""


def keep_run_apart(config: Any) -> None:
    """Raise OutputError when a setting names a file or folder that the run writes: its folder, or what is made in it.

    Settings without a `run_dir` are of no run. Nothing is made or opened.
    """
    if not is_dataclass(config) or not hasattr(config, "run_dir"):
        return
    folder, inputs = Path(config.run_dir), [path for path in map(Path, _texts(config)) if _is_there(path)]
    for path in inputs:
        if _is_there(folder) and os.path.samefile(path, folder):
            raise OutputError("the folder of the run would be one of its inputs", path=path, hint="choose another run_dir")
    keep_folder_apart(folder, _FILES, _FOLDERS, inputs, "choose another run_dir")


def _texts(settings: Any) -> Iterator[str]:
    """Every text among settings, whatever it stands for."""
    if isinstance(settings, str):
        yield from [settings] if settings else []
    elif is_dataclass(settings):
        for one in fields(settings):
            if one.name not in _NO_INPUTS:
                yield from _texts(getattr(settings, one.name))
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from _texts(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _texts(value)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a text that no file can be called
        return False
