"""Stages beside the baseline in one process, taking turns: `python -m benchmarks.paired`, for machines that others use too.

All sides meet the same neighbours within seconds of one another, so that ratios hold where times do not. Processor seconds on
one thread; the least of the rounds, which is the one that was disturbed least. Memory is not measured here.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch

from avcore.files import write_text
from benchmarks import measure
from benchmarks.stages import baseline

AMOUNTS = {"vocoder": 5.0, "lips": 0.8, "av2unit": 10.0, "unit2unit": 40.0}


def compare(stage: str, folder: Path, amount: float, rounds: int, precisions: list[str]) -> dict:
    """Least processor seconds of each side, and how many times as fast as the baseline it is."""
    sides = {baseline(stage): "float32", **{f"ours, {precision}": precision for precision in precisions}}
    runs = {
        name: measure.RUNS[stage, "ours" if name.startswith("ours") else name](folder, amount, precision)
        for name, precision in sides.items()
    }
    for name in runs if stage != "unit2unit" else []:
        runs[name]()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            spent = time.process_time()
            run()
            seconds[name].append(time.process_time() - spent)
    least = {name: min(values) for name, values in seconds.items()}
    base = least[baseline(stage)]
    return {"stage": stage, "amount": amount, "seconds": seconds, "ratio": {name: base / value for name, value in least.items()}}


def main() -> None:
    """Measure and print a line a stage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paired", description=__doc__)
    parser.add_argument("--stages", nargs="+", choices=AMOUNTS, default=list(AMOUNTS))
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--amount", type=float, help="seconds of media, or decoder steps (default: by stage)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", default=["float32", "auto"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for stage in options.stages:
        one = compare(stage, options.checkpoints, options.amount or AMOUNTS[stage], options.rounds, options.precisions)
        found.append(one | {"keeps": "MALLOC_MMAP_MAX_" in os.environ, "load": os.getloadavg()[0]})
        told = ", ".join(f"{name} {min(one['seconds'][name]):.3f} s ({ratio:.2f})" for name, ratio in one["ratio"].items())
        print(f"{stage}, {one['amount']:g}: {told}; load {os.getloadavg()[0]:.1f}", flush=True)
        if options.out:
            write_text(options.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
