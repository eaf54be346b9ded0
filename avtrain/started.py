"""How a run was started, each time: its settings, what differs from the time before, the command and the commit."""

import logging
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from avcore.runs import journal
from avtrain.entry import CONFIG_FILE, save_config

LOG = logging.getLogger("netflips.train")
STARTS_FILE = "starts.jsonl"
_REPOSITORY = Path(__file__).resolve().parent.parent


def note_start(config: Any, run_dir: Path, is_resumed: bool, processes: int) -> None:
    """Write the run's settings and a line on this start into its folder, which is made.

    Settings of an earlier start that differ are kept beside, as config.1.yaml and so on; a run that goes on names them.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / CONFIG_FILE
    changes = _changes(path, config)
    if changes:
        kept = next(run_dir / f"config.{n}.yaml" for n in count(1) if not (run_dir / f"config.{n}.yaml").exists())
        path.rename(kept)
        for change in changes if is_resumed else ():
            LOG.warning("going on with another setting: %s", change)
        LOG.info("the settings before are kept in %s", kept)
    save_config(config, run_dir)
    journal.append(run_dir / STARTS_FILE, [_about_start(processes)])


def _changes(path: Path, config: Any) -> list[str]:
    """The settings that differ from those in a file, as `loop.max_steps: 100 -> 200`; [] where there is none."""
    if not path.exists():
        return []
    try:
        before = _flat(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException, OSError, ValueError):
        return [f"{path} could not be read"]
    now = _flat(OmegaConf.create(OmegaConf.to_yaml(OmegaConf.structured(config))))
    return [
        f"{key}: {before.get(key)} -> {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not OmegaConf.is_dict(node):
        return {prefix: node}
    flat: dict[str, Any] = {}
    for key in node:
        flat |= _flat(node[key], f"{prefix}.{key}" if prefix else str(key))
    return flat


def _about_start(processes: int) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.orig_argv),
        "folder": str(Path.cwd()),
        "processes": processes,
        **_commit(),
        "netflips": _version(),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }


def _commit() -> dict[str, Any]:
    """The commit of the checkout that runs and whether files differ from it; {} where it is none."""
    if not (_REPOSITORY / ".git").exists():
        return {}
    found = [_git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")]
    return {} if found[0] is None else {"commit": found[0], "is_changed": bool(found[1])}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version() -> str:
    try:
        return version("netflips")
    except PackageNotFoundError:
        return ""
