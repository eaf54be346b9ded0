"""Weights & Biases, where it is installed and asked for."""

import importlib
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from avcore.errors import UsageError
from avcore.files import write_text
from avtrain.config import Metrics

_MODULE = "wandb"
_ID_FILE = "wandb.id"


def require_wandb(setting: str) -> None:
    """Raise UsageError where `setting` asks for it and it is not installed."""
    if find_spec(_MODULE) is None:
        raise UsageError(f"{setting} asks for Weights & Biases, which is not installed", hint="pip install wandb, or leave it out")


class WandbLog:
    """The measurements of one run in a project; a run that goes on, goes on there too."""

    def __init__(self, project: str, run_dir: Path, config: dict[str, Any]) -> None:
        wandb: Any = importlib.import_module(_MODULE)
        self._run = wandb.init(
            project=project, name=run_dir.name, id=_run_id(run_dir), resume="allow", dir=str(run_dir), config=config
        )

    def write(self, kind: str, step: int, metrics: Metrics) -> None:
        """Send measurements as `kind/name`."""
        self._run.log({f"{kind}/{name}": value for name, value in metrics.items()}, step=step)

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


def _run_id(run_dir: Path) -> str:
    """Return what the run is called there, kept in its folder."""
    path = run_dir / _ID_FILE
    if not path.exists():
        write_text(path, secrets.token_hex(8))
    return path.read_text(encoding="utf-8").strip()
