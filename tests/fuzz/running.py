"""Run a case in a process of its own, forked from one that has imported everything: 30 ms a case in place of 4 s."""

import hashlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from shutil import rmtree

from tests.fuzz.cases import Case

SECONDS = 90.0
"""After so long a case counts as one that hangs; the slowest good one takes 5 s on a fast core."""
MOST_BYTES = 2 << 30
"""Of memory that a case may need beyond what the imported libraries have; all good files are below 6 MB."""
_MOST_ADDRESSES = 24 << 30
_CRASHED = 70
_POLL_S = 0.01
_LASTING = (".lock",)


@dataclass(frozen=True)
class Outcome:
    """What came of a case. code: exit code, negative = the signal that ended it. said: its stderr. left: files that nobody
    asked for. results: digests of its outputs. peak: bytes of memory. hung: it was ended for its time."""

    code: int
    said: str
    left: tuple[str, ...]
    results: dict[str, str] = field(default_factory=dict)
    peak: int = 0
    seconds: float = 0.0
    hung: bool = False


def import_everything() -> None:
    """Import what commands import late, so that no case has to."""
    import torch

    torch.set_num_threads(1)
    for name in (
        "netflips.cli", "netflips.commands.dub", "netflips.commands.info", "avcore.data.manifest_command", "netflips.dubbing.dub",
        "av2unit.inference",
        "av2unit.sources", "av2unit.train", "unit2unit.inference", "unit2unit.utut_pretrain.prepare", "unit2av.inference_unit2a",
        "unit2av.inference_unit2av", "avcore.media", "avcore.faces.find", "avcore.data.prepare.kox",
        "avcore.data.manifest_command", "tests.fuzz.asked", "c2pa",
    ):  # fmt: skip
        import_module(name)


def run_case(case: Case, seconds: float = SECONDS) -> Outcome:
    """Run a case in a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        given = _write(case, folder / "case")
        (folder / "tmp").mkdir()
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            _run(case, folder)
        code, peak, hung = _wait(child, start + seconds)
        spent = time.monotonic() - start
        said = (folder / "said").read_text(errors="replace")
        left = [path for path in _all(folder / "case") if path not in given and not _is_output(path, case.outputs)]
        left += [f"TMPDIR/{path}" for path in _all(folder / "tmp")]
        results = {path: _digest(folder / "case" / path, folder) for path in _all(folder / "case") if path in case.outputs}
        return Outcome(code, said, tuple(left), results, peak, spent, hung)
    finally:
        rmtree(folder, ignore_errors=True)


def _write(case: Case, folder: Path) -> set[str]:
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path) and content.stat().st_dev == folder.parent.stat().st_dev:
            os.link(content, path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    folder.mkdir(exist_ok=True)
    return set(_all(folder))


def _run(case: Case, folder: Path) -> None:
    """The child: never comes back."""
    code = _CRASHED
    try:
        os.setsid()
        os.chdir(folder / "case")
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder / "tmp")
        with (folder / "said").open("wb") as said, open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(said.fileno(), 2)
            os.dup2(os.open(folder / "out", os.O_WRONLY | os.O_CREAT), 1)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESSES, _MOST_ADDRESSES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
        sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace", buffering=1)
        code = _call(case.command)
        sys.stdout.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _call(command: tuple[str, ...]) -> int:
    if "." in command[0]:
        return int(import_module(command[0]).main(list(command[1:])) or 0)
    return int(import_module("netflips.cli").main(list(command)))


def _wait(child: int, deadline: float) -> tuple[int, int, bool]:
    """Exit code, peak of memory beyond what the parent had, and whether it had to be ended."""
    before = _resident(os.getpid())
    peak, hung = 0, False
    while True:
        peak = max(peak, _resident(child) - before)
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), max(peak, used.ru_maxrss * 1024 - before), hung
        if not hung and (time.monotonic() > deadline or peak > 4 * MOST_BYTES):
            hung = time.monotonic() > deadline
            os.killpg(child, signal.SIGKILL)
        time.sleep(_POLL_S)


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _all(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def _is_output(path: str, outputs: tuple[str, ...]) -> bool:
    """Whether a file is an output, or lies in a folder that is one; hidden names are what is half made."""
    is_hidden = Path(path).name.startswith(".") and Path(path).name not in _LASTING
    return any(path == one or path.startswith(f"{one}/") for one in outputs) and not is_hidden


def _digest(path: Path, folder: Path) -> str:
    """Of a file's content without the name of the case's folder; of a report, which says how long things took, that it is there."""
    return "" if path.suffix == ".json" else hashlib.sha256(path.read_bytes().replace(str(folder).encode(), b"")).hexdigest()
