"""Training checkpoints: `last`, `best` and every N updates. Each holds what a run needs to go on, and is written atomically."""

import logging
import random
import shutil
import zipfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from avcore.errors import CheckpointError, OutputError, UsageError, reason
from avcore.files import atomic_output, require_file
from avcore.train.config import CONFIG_FILE, State

LOG = logging.getLogger("netflips.train")
LAST, BEST = "last.pt", "best.pt"
NEVER, AUTO = "never", "auto"
BEGINNING = "loop.resume, the checkpoint to begin from,"
METRICS_FILE, WANDB_FILE, BOARD_FOLDER, LOG_FILE = "metrics.jsonl", "wandb.id", "tensorboard", "train.log"
_FOLDER = "checkpoints"
_OF_ONE_RUN = (_FOLDER, METRICS_FILE, BOARD_FOLDER, CONFIG_FILE, WANDB_FILE, LOG_FILE)
"""Files that are moved away when another run begins in the folder. Files computed from the data stay."""
_MARGIN = 1 << 20
"""Bytes that a checkpoint needs beside its tensors."""
_WRITER = "[enforce fail at inline_container"


def unwritten(error: OSError | RuntimeError, path: Path) -> OutputError:
    """Return the error to raise if torch's writer fails. For a write that was cut off, torch only names a place in its source."""
    why = reason(error)
    free = f"{shutil.disk_usage(path.parent).free / 1e6:,.0f} MB free"
    found = f"a write that was cut off, {free}" if why.startswith(_WRITER) else f"{why}; {free}"
    return OutputError("the checkpoint cannot be written", path=path, found=found, hint="a full disk, or a limit on it?")


class Found(NamedTuple):
    """A checkpoint to go on from."""

    path: Path
    """its file"""
    state: State
    """its content"""
    is_own: bool
    """whether it belongs to the run in the folder, which goes on; otherwise another run begins from it"""


class RunFolder:
    """The checkpoints of one run: `<run>/checkpoints/{last,best,step_N}.pt`."""

    def __init__(self, run_dir: str | Path, keep: int) -> None:
        self.path = Path(run_dir)
        self._folder = self.path / _FOLDER
        self._keep = keep

    def save(self, state: State, step: int, *, is_numbered: bool, is_best: bool) -> None:
        """Write `last`, and `step_N` and `best` where asked, and delete old numbered checkpoints.

        `last` is written last, because it says which checkpoint is the best. Raises OutputError; for a lack of disk space, before
        anything is written.
        """
        paths = [self._folder / name for name in ([BEST] * is_best + [f"step_{step:08d}.pt"] * is_numbered + [LAST])]
        self._require_room(state, paths)
        for path in paths:
            with atomic_output(path) as temporary:
                try:
                    torch.save(state, temporary)
                except RuntimeError as error:  # torch's own writer raises this, whatever went wrong
                    raise unwritten(error, path) from error

        numbered = sorted(self._folder.glob("step_*.pt"))
        for old in numbered[: max(0, len(numbered) - self._keep)]:
            old.unlink()

    def _require_room(self, state: State, paths: list[Path]) -> None:
        size = _MARGIN + sum(tensor.nbytes for tensor in _tensors(state))
        # An old file goes only when the new one is whole, so for a moment there is room needed for both.
        needed = most = 0
        for path in paths:
            most = max(most, needed + size)
            needed += size - (path.stat().st_size if path.exists() else 0)

        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free < most:
            raise OutputError(
                "there is no room for a checkpoint", path=self._folder, expected=f"{most / 1e6:,.0f} MB",
                found=f"{free / 1e6:,.0f} MB free", hint="make room there, or lower loop.keep",
            )  # fmt: skip

    def find(self, resume: str) -> Found | None:
        """Return the checkpoint to go on from, None for none. resume: `auto`, `never` or the path that a run begins from.

        A run that began from such a path goes on from its own checkpoint. If `last` is damaged, the newest whole numbered
        checkpoint is taken, then `best`, with a warning. Raises CheckpointError if the path is missing or damaged, or if all
        checkpoints of the folder are damaged.
        """
        own = None if resume == NEVER else self._newest_whole()
        if own is None and resume in (NEVER, AUTO):
            return None
        if own is not None and (resume == AUTO or own.state.get("began_from", "") == began_from(resume)):
            return own
        path = require_file(resume, BEGINNING)
        return Found(path, read_state(path), False)

    def _newest_whole(self) -> Found | None:
        names = [self._folder / LAST, *sorted(self._folder.glob("step_*.pt"), reverse=True), self._folder / BEST]
        there, damage = [path for path in names if path.exists()], None
        for path in there:
            try:
                state = read_state(path)
            except CheckpointError as error:
                damage = damage or error
                continue
            if damage:
                LOG.warning("%s; %s is whole: updates after it are made again", damage, path)
            return Found(path, state, True)

        if damage is None:
            return None
        hint = "no other checkpoint there is whole; loop.resume=never starts anew"
        raise CheckpointError(damage.what, path=damage.path, found=damage.found, hint=hint) from damage


def move_previous_run(run_dir: Path) -> None:
    """Move the files of an earlier run to `<run>/earlier.N` and log it. Without an earlier run nothing happens."""
    left = [run_dir / name for name in _OF_ONE_RUN if (run_dir / name).exists()]
    if not (run_dir / _FOLDER).exists():
        return

    aside = next(place for n in count(1) if not (place := run_dir / f"earlier.{n}").exists())
    try:
        aside.mkdir()
        for path in left:
            path.rename(aside / path.name)
    except OSError as error:
        raise OutputError("the run that is in the folder cannot be put aside", path=run_dir, found=error.strerror) from error
    LOG.warning("another run begins here; the earlier one is in %s", aside)


def began_from(resume: str) -> str:
    """Return the absolute path of the checkpoint that a run begins from, as its own checkpoints store it; "" for none."""
    return "" if resume in (NEVER, AUTO) else str(Path(resume).absolute())


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [tensor for one in inside for tensor in _tensors(one)]


def no_number_in(modules: Mapping[str, Any]) -> str | None:
    """Return the name of the first weight that is not finite, None if all are. modules: modules or their state dicts, by name."""
    for part, module in modules.items():
        for name, tensor in (module.state_dict() if isinstance(module, nn.Module) else module).items():
            if isinstance(tensor, Tensor) and not torch.isfinite(tensor).all():
                return f"{part}.{name}"
    return None


def require_fit(state: State, modules: Mapping[str, nn.Module], kind: str, path: Path, changes: list[str]) -> None:
    """Raise CheckpointError if a run's checkpoint is of another trainer, or its weights have other shapes.

    changes: settings that differ from those that it was made with; the message names the first three.
    """
    about = state["about"].get("kind")
    if about != kind:
        raise CheckpointError(
            "this is the run of another trainer",
            path=path,
            expected=f"a {kind}'s",
            found=f"a {about}'s",
            hint="give another run_dir",
        )

    for part, module in modules.items():
        stored, own = state["modules"].get(part, {}), module.state_dict()
        for name in {**own, **stored}:
            shapes = [list(one[name].shape) if name in one else "no such weight" for one in (own, stored)]
            if shapes[0] != shapes[1]:
                words = ", ".join(changes[:3])
                raise CheckpointError(
                    "this run's checkpoint does not fit the model", path=path, expected=f"{part}.{name} of {shapes[0]}",
                    found=shapes[1], hint="; ".join(filter(None, (words, "give another run_dir or loop.resume=never"))),
                )  # fmt: skip


def read_state(path: Path) -> State:
    """Read a training checkpoint, which holds tensors and plain values only. Raises CheckpointError if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch would read a hole of zeros as weights
        if damaged is not None:
            raise ValueError(f"a checksum that does not fit, of {damaged}")
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except Exception as error:
        found = "; ".join(str(error).splitlines()[:1]) or type(error).__name__
        raise CheckpointError("this training checkpoint is damaged and cannot be read", path=path, found=found) from error


def random_state() -> dict[str, Any]:
    """Return the random states of Python, numpy and torch as tensors and plain values."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    # In tensors, lists and plain values: `read_state` loads nothing else.
    state: dict[str, Any] = {
        "python": [version, list(internal), gauss],
        "numpy": [name, np.asarray(keys).tolist(), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore the states that `random_state` returned."""
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


def require_name(path: str | Path, suffixes: tuple[str, ...] = (".safetensors",)) -> Path:
    """Return the path of an output. Raises UsageError if its suffix is none of `suffixes`."""
    if Path(path).suffix not in suffixes:
        raise UsageError(f"the output's name must end in {' or '.join(suffixes)}", found=Path(path).name)
    return Path(path)


class RunResult(NamedTuple):
    """The result of a run, as one of its checkpoints has it."""

    path: Path
    step: int
    """updates done"""
    epoch: int
    about: dict[str, Any]
    """what its task says of itself, see `avcore.train.task.Task`"""
    modules: dict[str, dict[str, Tensor]]
    """weights by part and name"""


def read_run(path: str | Path, trainer: str, *kinds: str) -> RunResult:
    """Read a checkpoint of a run whose task is of one of these kinds.

    trainer: the module that makes such runs, for messages. Raises CheckpointError for any other file, and if weights are not
    finite.
    """
    kind = " or ".join(kinds)
    path = require_file(path, f"the {kind}'s training checkpoint", hint=f"python -m {trainer} makes one")
    state = read_state(path)
    about = state.get("about") if isinstance(state, dict) else None
    if not isinstance(about, dict) or about.get("kind") not in kinds:
        raise CheckpointError(
            f"this is no checkpoint of a {kind}'s training",
            path=path,
            expected=f"<run>/checkpoints/{BEST} of {trainer}",
            found=f"a {about['kind']}'s" if isinstance(about, dict) and "kind" in about else "another torch file",
        )

    if name := no_number_in(state["modules"]):
        raise CheckpointError("these weights are of no use", path=path, expected="numbers", found=f"others in {name}")
    position = state["position"]
    return RunResult(path, int(position["step"]), int(position["epoch"]), about, state["modules"])
