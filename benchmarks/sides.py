"""Who is measured: ours in a precision on a device, or the baseline on the CPU; each in its own process, which runs on demand."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

_KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}


@dataclass(frozen=True)
class ComparedSide:
    """Who runs a stage, in which precision, and whether its allocator keeps freed memory (the netflips commands' does)."""

    who: str
    precision: str = "float32"
    keeps: bool = False
    device: str = "cpu"

    @property
    def name(self) -> str:
        return f"ours, {self.precision}" if self.who == "ours" else self.who

    @property
    def is_ours(self) -> bool:
        return self.who == "ours"


def baseline(stage: str) -> str:
    """fairseq's generator for the translator where it is installed, else the plain baseline."""
    return "fairseq" if stage == "unit2unit" and find_spec("fairseq") else "reference"


def sides(stage: str, precisions: list[str], keeps: bool, device: str = "cpu") -> list[ComparedSide]:
    """Return who is measured with an allocator, the baseline first. device: where ours runs."""
    ours = [ComparedSide("ours", precision, keeps, device) for precision in precisions]
    return [ComparedSide(baseline(stage), keeps=keeps), *ours]


def allocators(stage: str) -> tuple[bool, ...]:
    """Return whether memory is kept: no and yes; the translator is bound by its weights, and one allocator is enough."""
    return (False,) if stage == "unit2unit" else (False, True)


class SideWorker:
    """A process that has loaded one side of a stage and runs it on demand, so that sides can take turns."""

    def __init__(self, stage: str, side: ComparedSide, folder: Path, threads: int = 1) -> None:
        self._command = [
            sys.executable, "-m", "benchmarks.measure", stage, side.who, "--folder", str(folder), "--threads", str(threads),
            "--precision", side.precision, "--device", side.device,
        ]  # fmt: skip
        self._environment = _environment(threads, _KEEPING if side.keeps else {})
        self._process: subprocess.Popen[str] | None = None

    def warm_up(self, amount: float) -> None:
        """Load, and run a little once."""
        if self._process is None:
            self._errors = TemporaryFile("w+")  # noqa: SIM115  closed with the worker
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=self._environment
            )
            self.run(amount)

    def run(self, amount: float, out: Path | None = None) -> dict[str, float]:
        """Measure a run of `amount`: {wall_s, cpu_s, peak_mib}. out: where to keep the result as .npy, for comparing."""
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
    """Run a command that prints JSON in its last line."""
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(threads), check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[2:])} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def _environment(threads: int, more: dict[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", **(more or {})}
