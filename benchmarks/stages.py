"""The stages beside the plain baseline: each side in a process of its own, which runs on demand; the sides take turns.

Each measurement is written to the part's file at once, so that a stopped run keeps its results.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

import numpy as np

from avcore.files import write_text

WARM_UP = {"av2unit": 1.0, "unit2unit": 2.0, "vocoder": 0.5, "lips": 0.4}
"""Amount of the warm-up run: seconds of media, or decoder steps."""
_LONG_S = 30.0
"""Longer clips are measured once, and ours with the last precision only."""
_LONGEST_BASELINE_S = {"lips": 20.0}
"""The baseline draws a whole clip in one batch, and 60 s of it do not fit in 24 GB."""


class Ledger:
    """Measurements of one part by name, written to its file at once."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        """about: machine, versions and settings of the measurements."""
        self._path, self._about = path, about
        self.points: dict[str, Any] = {}

    def point(self, name: str, measure: Callable[[], Any]) -> Any:
        """Measure, write the result under a name, and return it."""
        self.points[name] = measure()
        write_text(self._path, json.dumps({"about": self._about, "points": self.points}, indent=1) + "\n")
        return self.points[name]


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results of all parts in a folder by name: {about, points}."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


@dataclass(frozen=True)
class ComparedSide:
    """The implementation of a stage: ours in a precision on a device, or the baseline on the CPU."""

    who: str
    """ours, reference or fairseq"""
    precision: str = "float32"
    device: str = "cpu"

    @property
    def name(self) -> str:
        return f"ours, {self.precision}" if self.who == "ours" else self.who


class SideWorker:
    """A process that loads one side of a stage and runs it on demand, so that sides can take turns."""

    def __init__(self, stage: str, side: ComparedSide, folder: Path, threads: int = 1) -> None:
        self._command = [
            sys.executable, "-m", "benchmarks.sides", stage, side.who, "--folder", str(folder), "--threads", str(threads),
            "--precision", side.precision, "--device", side.device,
        ]  # fmt: skip
        self._environment = _environment(threads)
        self._process: subprocess.Popen[str] | None = None

    def warm_up(self, amount: float) -> None:
        """Load the models, and run a small amount once."""
        if self._process is None:
            # A file and not a pipe: a pipe that nobody reads fills up, and the process would stand still.
            self._errors = TemporaryFile("w+")  # noqa: SIM115  closed with the worker
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=self._environment
            )
            self.run(amount)

    def run(self, amount: float, out: Path | None = None) -> dict[str, float]:
        """Measure a run of `amount`: {wall_s, cpu_s, peak_mib}. out: .npy file for the result, to compare sides."""
        assert self._process is not None, "warm_up comes first"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"amount": amount, "out": out and str(out)}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""

        if not answer:
            self._errors.seek(0)
            raise SystemExit(f"{' '.join(self._command[2:])} failed:\n{self._errors.read()}")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._errors.close()


def run_json(command: list[str], threads: int) -> dict:
    """Run a command, and return the JSON of its last line."""
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(threads), check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[2:])} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _environment(threads: int) -> dict[str, str]:
    # PASSIVE: waiting threads spin by default, and take a core from whatever runs beside them.
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}


def baseline(stage: str) -> str:
    """Return the baseline of a stage: fairseq's generator for the translator where it is installed, else the plain baseline."""
    return "fairseq" if stage == "unit2unit" and find_spec("fairseq") else "reference"


def measure_stage(stage: str, options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure all sides of a stage in turn, so that a drift of the machine affects all of them equally."""
    everyone = [ComparedSide(baseline(stage)), *(ComparedSide("ours", one, options.device) for one in options.precisions)]
    with ExitStack() as stack:
        workers = {side: stack.enter_context(SideWorker(stage, side, folder, options.threads)) for side in everyone}
        for side, amount, turn in _turns(stage, everyone, options):
            name = f"{side.name}, {amount:g}, round {turn}"
            ledger.point(name, partial(_run, stage, side, amount, turn, workers[side], scratch))


def _turns(stage: str, everyone: list[ComparedSide], options: argparse.Namespace) -> Iterator[tuple[ComparedSide, float, int]]:
    """Yield side, amount and round of all runs, in their order."""
    amounts = sorted(map(float, options.steps)) if stage == "unit2unit" else sorted(options.lengths)

    for turn in range(1, options.rounds + 1):
        for amount in amounts:
            is_long = stage != "unit2unit" and amount > _LONG_S
            for side in everyone:
                is_ours = side.who == "ours"
                if is_long and (turn > 1 or (is_ours and side.precision != options.precisions[-1])):
                    continue
                if not is_ours and stage != "unit2unit" and amount > _LONGEST_BASELINE_S.get(stage, np.inf):
                    continue
                yield side, amount, turn


def _run(stage: str, side: ComparedSide, amount: float, turn: int, worker: SideWorker, scratch: Path) -> dict:
    worker.warm_up(WARM_UP[stage])
    out, base = (scratch / f"{stage} {who} {amount:g}.npy" for who in (side.name, baseline(stage)))
    found = worker.run(amount, out if turn == 1 else None)

    compared = unit_agreement(out, base) if turn == 1 and base.exists() and out != base else ""
    print(f"{stage}, {side.name}, {amount:g}: {found['wall_s']:.2f} s, {found['cpu_s']:.2f} CPU s {compared}", file=sys.stderr)
    about = {"stage": stage, "who": side.name, "is_ours": side.who == "ours", "amount": amount}
    return about | found | {"agreement": compared}


def unit_agreement(ours: Path, other: Path) -> str:
    """Describe how far two results differ."""
    a, b = np.load(ours), np.load(other)
    if a.shape != b.shape:
        return f"{len(a)} frames or samples beside {len(b)}: not compared"
    if a.dtype.kind == "i":
        return f"{(a == b).mean():.1%} the same"
    return f"at most {np.abs(a.astype(float) - b.astype(float)).max():.2g} apart"
