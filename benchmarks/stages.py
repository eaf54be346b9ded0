"""The stages beside the plain baseline, all in one run: medians, ratios, and what share of the machine is used."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import measure, roofline
from netflips.random_checkpoints import TRANSLATOR

AMOUNTS = {"av2unit": 10.0, "unit2unit": 200.0, "vocoder": 10.0, "lips": 4.0}
"""Seconds of media, or decoder steps for unit2unit. The baseline draws a whole clip in one batch: memory bounds it."""
COUNTED = {"av2unit": 2.0, "vocoder": 1.0, "lips": 0.4}
"""Seconds of media on which operations are counted; they grow in proportion."""
_KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
_POOL_PER_STEP = 1.5
"""Entries of the pool for each step done, about: beams share most of their past."""


@dataclass(frozen=True)
class Side:
    """Who runs a stage, in which precision, and whether its allocator keeps freed memory (the netflips commands' does)."""

    who: str
    precision: str = "float32"
    keeps: bool = False

    @property
    def name(self) -> str:
        return f"ours, {self.precision}" if self.who == "ours" else self.who


@dataclass
class Row:
    """One line of the table. seconds: median CPU s of `amount`; ratio: of the baseline's to it, with the same allocator."""

    stage: str
    who: str
    keeps: bool
    amount: float
    seconds: float
    wall: float
    peak_mib: float
    ratio: float = 1.0
    gflop_s: float = 0.0
    gflop_share: float = 0.0
    gb_s: float = 0.0
    gb_share: float = 0.0
    agreement: str = ""


def baseline(stage: str) -> str:
    """fairseq's generator for the translator where it is installed, else the plain baseline."""
    return "fairseq" if stage == "unit2unit" and find_spec("fairseq") else "reference"


def sides(stage: str, precisions: list[str]) -> list[Side]:
    """Who is measured, the baseline first. The translator is bound by its weights: one allocator is enough."""
    allocators = [False] if stage == "unit2unit" else [False, True]
    ours = [Side("ours", precision, keeps) for keeps, precision in product(allocators, precisions)]
    return [Side(baseline(stage), keeps=keeps) for keeps in allocators] + ours


def run_once(stage: str, side: Side, folder: Path, amount: float, threads: int, out: Path) -> dict:
    """One measurement in a process of its own."""
    command = [
        sys.executable, "-m", "benchmarks.measure", stage, side.who, "--folder", str(folder), "--out", str(out),
        "--amount", str(amount), "--threads", str(threads), "--repeat", "1", "--precision", side.precision,
        *(["--cold"] if stage == "unit2unit" else []),
    ]  # fmt: skip
    return run_json(command, threads, _KEEPING if side.keeps else {})


def run_json(command: list[str], threads: int, more: dict[str, str] | None = None) -> dict:
    """Run a command that prints JSON in its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", **(more or {})}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[2:])} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(stage: str, folder: Path, scratch: Path, options) -> list[Row]:
    """Measure all sides of a stage in turn, so that a drift of the machine hits all alike."""
    amount, everyone = options.amount or AMOUNTS[stage], sides(stage, options.precisions)
    runs: dict[Side, list[dict]] = {side: [] for side in everyone}
    files = {side: scratch / f"{stage}.{number}.npy" for number, side in enumerate(everyone)}
    for turn in range(options.rounds):
        for side in everyone:
            runs[side].append(run_once(stage, side, folder, amount, options.threads, files[side]))
            print(f"round {turn + 1}: {stage}, {side.name}: {runs[side][-1]['cpu_s'][0]:.2f} CPU s", file=sys.stderr)
    rows = {
        side: Row(
            stage, side.name, side.keeps, amount,
            statistics.median(run["cpu_s"][0] for run in made), statistics.median(run["seconds"][0] for run in made),
            max(run["peak_mib"] for run in made),
        )
        for side, made in runs.items()
    }  # fmt: skip
    for side, row in rows.items():
        base = Side(baseline(stage), keeps=side.keeps)
        row.ratio = rows[base].seconds / row.seconds
        row.agreement = agreement(files[side], files[base])
    return list(rows.values())


def agreement(ours: Path, other: Path) -> str:
    """How far two results are apart."""
    a, b = np.load(ours), np.load(other)
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    if a.dtype.kind == "i":
        return f"{(a == b).mean():.1%} the same"
    return f"at most {np.abs(a.astype(float) - b.astype(float)).max():.2g} apart"


def add_roofline(rows: list[Row], machine: dict[str, float], folder: Path) -> dict[str, dict[str, float]]:
    """Fill in what share of the machine each row reaches; returns operations and bytes by stage."""
    works = {}
    for stage in dict.fromkeys(row.stage for row in rows):
        works[stage] = work_of(stage, folder)
    for row in rows:
        work = works[row.stage]
        is_low = row.who == "ours, auto" and "bfloat16_gflop_s" in machine
        width = 0.5 if is_low else 1.0
        row.gflop_s = work.flops * row.amount / row.seconds / 1e9
        row.gb_s = width * work.bytes * row.amount / row.seconds / 1e9
        row.gflop_share = row.gflop_s / machine["bfloat16_gflop_s" if is_low else "float32_gflop_s"]
        row.gb_share = row.gb_s / machine["read_gb_s"]
    return {stage: asdict(work) for stage, work in works.items()}


def work_of(stage: str, folder: Path) -> roofline.Work:
    """Operations and bytes of a second of media, or of a decoder step in the middle of a search of 200."""
    if stage == "unit2unit":
        past = int(_POOL_PER_STEP * AMOUNTS[stage] / 2)
        return roofline.decoder_step(folder / TRANSLATOR, measure.BEAM, measure.SOURCE_UNITS, past)
    seconds = COUNTED[stage]
    return roofline.count(measure.RUNS[stage, "reference"](folder, seconds, "float32"), seconds)


def table(rows: list[Row]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| stage | who | allocator | CPU s per s (25 steps) | wall | times the baseline | peak MiB | GFLOP/s (share) "
        "| GB/s (share) | result against the baseline |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        each = (25 if row.stage == "unit2unit" else 1) / row.amount
        cells = [
            row.stage,
            row.who,
            "keeps" if row.keeps else "default",
            f"{row.seconds * each:.3f}",
            f"{row.wall * each:.3f}",
            f"{row.ratio:.2f}",
            f"{row.peak_mib:.0f}",
            f"{row.gflop_s:.0f} ({row.gflop_share:.0%})",
            f"{row.gb_s:.1f} ({row.gb_share:.0%})",
            row.agreement,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
