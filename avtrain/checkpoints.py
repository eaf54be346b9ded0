"""Everything needed to go on, written whole or not at all: `last`, `best` and every N updates."""

import logging
import random
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avcore.command import Parser, add_quiet_options
from avcore.errors import CheckpointError, UsageError
from avcore.files import Input, Output, atomic_output, require_file
from avtrain.config import State

LOG = logging.getLogger("netflips.train")
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

    def find(self, resume: str) -> tuple[Path, State] | None:
        """The checkpoint to go on from and its content: resume is `auto`, `never` or a path.

        With `auto`, a damaged `last` gives way to the newest numbered one that is whole, and then to `best`, with a warning.
        Raises CheckpointError for a path that is missing or damaged, and when all are.
        """
        if resume == "never":
            return None
        if resume == "auto":
            last = self._folder / LAST
            return self._newest_whole(last) if last.exists() else None
        path = Path(resume)
        if not path.exists():
            raise CheckpointError("the checkpoint to resume from is not there", path=path, hint="use loop.resume=auto")
        return path, read_state(path)

    def _newest_whole(self, last: Path) -> tuple[Path, State]:
        try:
            return last, read_state(last)
        except CheckpointError as error:
            damage = error
        for path in [*sorted(self._folder.glob("step_*.pt"), reverse=True), self._folder / BEST]:
            with suppress(CheckpointError):
                state = read_state(path)
                LOG.warning("%s; %s is whole: updates after it are made again", damage, path)
                return path, state
        raise CheckpointError(
            damage.what, path=last, found=damage.found, hint="no other checkpoint there is whole; loop.resume=never starts anew"
        ) from damage


def read_state(path: Path) -> State:
    """Read a training checkpoint (tensors and plain values only). Raises CheckpointError when it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch takes a hole of zeros for weights
        if damaged is not None:
            raise ValueError(f"a checksum that does not fit, of {damaged}")
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except Exception as error:
        found = "; ".join(str(error).splitlines()[:1]) or type(error).__name__
        raise CheckpointError("this training checkpoint is damaged and cannot be read", path=path, found=found) from error


def export_parser(prog: str, description: str, out: str = "x.safetensors; x.json is written beside it") -> Parser:
    """Return the options that every export of a run has. out: help of its --out-path."""
    parser = Parser(prog=prog, description=description)
    parser.add_argument(
        "--checkpoint", required=True, type=Input("the run's checkpoint"), help=f"checkpoints/{BEST} or another one of the run"
    )
    parser.add_argument("--out-path", required=True, type=Output("the output"), help=out)
    add_quiet_options(parser)
    return parser


def require_name(path: str | Path, suffixes: tuple[str, ...] = (".safetensors",)) -> Path:
    """Return the path of an output. Raises UsageError for another suffix."""
    if Path(path).suffix not in suffixes:
        raise UsageError(f"the output's name must end in {' or '.join(suffixes)}", found=Path(path).name)
    return Path(path)


def read_run(path: str | Path, kind: str, trainer: str) -> State:
    """Read a checkpoint of a run whose task describes itself as `kind`.

    trainer: the module that makes such runs, for messages. Raises CheckpointError for any other file.
    """
    path = require_file(path, f"the {kind}'s training checkpoint", hint=f"python -m {trainer} makes one")
    state = read_state(path)
    about = state.get("about") if isinstance(state, dict) else None
    if not isinstance(about, dict) or about.get("kind") != kind:
        raise CheckpointError(
            f"this is no checkpoint of a {kind}'s training",
            path=path,
            expected=f"<run>/checkpoints/{BEST} of {trainer}",
            found=f"a {about['kind']}'s" if isinstance(about, dict) and "kind" in about else "another torch file",
        )
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
