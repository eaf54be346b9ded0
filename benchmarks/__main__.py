"""All stages beside the plain baseline: `python -m benchmarks` (see --help) makes checkpoints, measures and prints a table."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from avcore.files import private_folder, write_text
from benchmarks.measure import RUNS
from netflips.random_checkpoints import write_random_checkpoints

AMOUNTS = {"av2unit": 10.0, "unit2unit": 100.0, "vocoder": 10.0, "lips": 4.0}
"""Seconds of media, or decoder steps for unit2unit. The baseline draws a whole clip in one batch: memory bounds it."""


def measure(stage: str, who: str, options: argparse.Namespace, folder: Path, out: Path) -> dict:
    """Run one measurement in a process of its own."""
    command = [
        sys.executable, "-m", "benchmarks.measure", stage, who, "--folder", str(folder), "--out", str(out),
        "--amount", str(options.amount or AMOUNTS[stage]), "--threads", str(options.threads), "--repeat", "1",
        "--precision", options.precision if who == "ours" else "float32",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{stage} ({who}) failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def agreement(ours: Path, other: Path) -> str:
    """How far two results are apart."""
    a, b = np.load(ours), np.load(other)
    if a.shape != b.shape:
        return f"shapes {list(a.shape)} and {list(b.shape)}"
    if a.dtype.kind == "i":
        return f"{(a == b).mean():.2%} the same"
    return f"at most {np.abs(a.astype(float) - b.astype(float)).max():.2g} apart"


def compare(stage: str, options: argparse.Namespace, folder: Path, results: Path) -> list[dict]:
    """Measure all who run a stage, in turn, so that a drift of the machine hits all alike."""
    who_runs = [who for named, who in RUNS if named == stage and (who != "fairseq" or find_spec("fairseq"))]
    rounds: dict[str, list[dict]] = {who: [] for who in who_runs}
    for _ in range(options.rounds):
        for who in who_runs:
            rounds[who].append(measure(stage, who, options, folder, results / f"{stage}.{who}.npy"))
    seconds = {who: statistics.median(run["seconds"][0] for run in runs) for who, runs in rounds.items()}
    return [
        {
            "stage": stage,
            "who": who,
            "amount": options.amount or AMOUNTS[stage],
            "seconds": seconds[who],
            "load_s": statistics.median(run["load_s"] for run in runs),
            "peak_mib": max(run["peak_mib"] for run in runs),
            "times_ours": seconds[who] / seconds["ours"],
            "agreement": agreement(results / f"{stage}.ours.npy", results / f"{stage}.{who}.npy"),
        }
        for who, runs in rounds.items()
    ]


def table(rows: list[dict]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| stage | who | compute s per s (per 25 steps) | peak MiB | load s | time / ours | result against ours |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        each = row["seconds"] / row["amount"] * (25 if row["stage"] == "unit2unit" else 1)
        lines.append(
            f"| {row['stage']} | {row['who']} | {each:.3f} | {row['peak_mib']:.0f} | {row['load_s']:.2f} "
            f"| {row['times_ours']:.2f} | {row['agreement']} |"
        )
    return "\n".join(lines)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--stages", nargs="+", choices=sorted(AMOUNTS), default=list(AMOUNTS))
    parser.add_argument("--size", choices=("tiny", "published"), default="published")
    parser.add_argument("--amount", type=float, help="seconds of media, or decoder steps (default: by stage)")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over these (default: 3)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="float32", help="ours; the baseline is float32")
    parser.add_argument("--checkpoints", type=Path, help="folder with random checkpoints, made when absent (default: temporary)")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    return parser


def main() -> None:
    """Measure and print."""
    options = build_parser().parse_args()
    with private_folder() as scratch:
        folder = options.checkpoints or scratch / "checkpoints"
        if not folder.exists():
            write_random_checkpoints(folder, options.size)
        rows = [row for stage in options.stages for row in compare(stage, options, folder, scratch)]
    print(f"{platform.machine()}, {options.threads} thread(s), {options.size} size, ours in {options.precision}")
    print(table(rows))
    if options.out:
        write_text(options.out, json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
