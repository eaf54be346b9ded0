"""Everything needed to go on, written whole or not at all: `last`, `best` and every N updates."""

import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avcore.errors import CheckpointError
from avcore.files import atomic_output, require_file
from avtrain.config import State

LOG = logging.getLogger(__name__)
LAST, BEST = "last.pt", "best.pt"


class RunFolder:
    """The checkpoints of one run: `<run>/checkpoints/{last,best,step_N}.pt`."""

    def __init__(self, run_dir: str | Path, keep: int) -> None:
        self.path = Path(run_dir)
        self._folder = self.path / "checkpoints"
        self._keep = keep

    def save(self, state: State, step: int, *, is_numbered: bool, is_best: bool) -> None:
        """Write `last`, and `step_N` and `best` where asked; old numbered ones go."""
        names = [LAST] + [f"step_{step:08d}.pt"] * is_numbered + [BEST] * is_best
        for name in names:
            with atomic_output(self._folder / name) as temporary:
                torch.save(state, temporary)
        numbered = sorted(self._folder.glob("step_*.pt"))
        for old in numbered[: max(0, len(numbered) - self._keep)]:
            old.unlink()

    def find(self, resume: str) -> Path | None:
        """The checkpoint to go on from: resume is `auto`, `never` or a path. Raises CheckpointError for a missing path."""
        if resume == "never":
            return None
        if resume == "auto":
            last = self._folder / LAST
            return last if last.exists() else None
        path = Path(resume)
        if not path.exists():
            raise CheckpointError("the checkpoint to resume from is not there", path=path, hint="use loop.resume=auto")
        return path


def read_state(path: Path) -> State:
    """Read a training checkpoint (tensors and plain values only). Raises CheckpointError when it is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except Exception as error:
        raise CheckpointError("this training checkpoint cannot be read", path=path, found=str(error).splitlines()[0]) from error


def read_run(path: str | Path, kind: str, trainer: str) -> State:
    """Read a checkpoint of a run whose task describes itself as `kind`.

    trainer: the module that makes such runs, for messages. Raises CheckpointError for any other file.
    """
    path = require_file(path, f"the {kind}'s training checkpoint", hint=f"python -m {trainer} makes one")
    state = read_state(path)
    about = state.get("about") if isinstance(state, dict) else None
    if not isinstance(about, dict) or about.get("kind") != kind:
        raise CheckpointError(
            f"this is no checkpoint of a {kind}'s training", path=path, expected=f"<run>/checkpoints/{BEST} of {trainer}",
            found=f"a {about['kind']}'s" if isinstance(about, dict) and "kind" in about else "another torch file",
        )  # fmt: skip
    return state


def random_state() -> dict[str, Any]:
    """Python's, numpy's and torch's random states as tensors and plain values."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "numpy": [name, np.asarray(keys).tolist(), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Put back what `random_state` saved."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
