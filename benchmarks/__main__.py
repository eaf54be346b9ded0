"""Speed and memory beside the plain baseline: `python -m benchmarks` (see --help) makes checkpoints, measures, prints tables.

Parts: `stages` (each beside the baseline), `chain` (all of them in a row), `start` (loading), `contention` (one of two cores
taken), `dub` (file to file, on clips of several lengths). Pictures of the results: `python -m benchmarks.plots`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from avcore.files import private_folder, write_text
from benchmarks import roofline, stages
from benchmarks.stages import run_json
from netflips.random_checkpoints import write_random_checkpoints

PARTS = ("stages", "chain", "start", "contention", "dub")
ROOT = Path(__file__).resolve().parent.parent
_SHORTEST_RECORDING_S = 8


def machine() -> dict:
    """Where and with what everything is measured."""
    cpu = _lines("/proc/cpuinfo")
    flags = " ".join(line for line in cpu if line.startswith("flags"))
    commit = ["git", "-C", str(ROOT), "log", "-1", "--format=%h"]
    return {
        "cpu": next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.machine()),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "bfloat16": "avx512_bf16" in flags or "amx_bf16" in flags,
        "load": os.getloadavg()[0],
        "baseline": _output([*commit, "--", "benchmarks/reference"]),
        "commit": _output(commit),
    }


def measure_stages(options: argparse.Namespace, folder: Path, scratch: Path) -> dict:
    rows = [row for stage in options.stages for row in stages.compare(stage, folder, scratch, options)]
    peaks = roofline.machine()
    work = stages.add_roofline(rows, peaks, folder)
    print(f"one thread reads {peaks['read_gb_s']:.1f} GB/s; matrix products: " + ", ".join(
        f"{name.removesuffix('_gflop_s')} {value:.0f} GFLOP/s" for name, value in peaks.items() if name.endswith("flop_s")
    ))  # fmt: skip
    print(stages.table(rows))
    return {"rows": [asdict(row) for row in rows], "peaks": peaks, "work": work}


def measure_chain(options: argparse.Namespace, folder: Path, scratch: Path) -> dict:
    found = {}
    for who, precision in [("published", "float32"), ("reference", "float32"), *(("ours", name) for name in options.precisions)]:
        name = who if who != "ours" else f"ours, {precision}"
        runs = [run_json(_whole("chain", who, folder, precision), 1) for _ in range(options.rounds)]
        found[name] = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        parts = {part: found[name][part] for part in stages.AMOUNTS}
        print(
            f"chain, {name}: {sum(parts.values()):.1f} CPU s: " + ", ".join(f"{part} {value:.2f}" for part, value in parts.items())
        )
    return found


def measure_start(options: argparse.Namespace, folder: Path, scratch: Path) -> dict:
    found = {}
    for who, precision in [("reference", "float32"), *(("ours", name) for name in options.precisions)]:
        name = "torch.load" if who == "reference" else f"ours, {precision}"
        runs = [run_json(_whole("start", who, folder, precision), 1) for _ in range(max(options.rounds, 3))]
        found[name] = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
        print(f"start, {name}: {found[name]['wall_s']:.2f} s, CPU {found[name]['cpu_s']:.2f} s, {found[name]['peak_mib']:.0f} MiB")
    return found


def measure_contention(options: argparse.Namespace, folder: Path, scratch: Path) -> dict:
    """Two threads, alone and beside a process that takes one of the cores all the time."""
    found = {}
    for stage, amount in (("lips", 2.0), ("unit2unit", 25.0)):
        seconds: dict[str, list[float]] = {"idle": [], "taken": []}
        for _ in range(options.rounds):
            for state in seconds:
                busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if state == "taken" else None
                run = stages.run_once(stage, stages.Side("ours", "auto"), folder, amount, 2, scratch / "x.npy")
                if busy:
                    busy.kill()
                    busy.wait()
                seconds[state].append(run["seconds"][0])
        found[stage] = {state: statistics.median(values) for state, values in seconds.items()}
        found[stage]["ratio"] = found[stage]["taken"] / found[stage]["idle"]
        print(f"one of two cores taken, {stage}: {found[stage]['ratio']:.2f} times the time when idle")
    return found


def measure_dub(options: argparse.Namespace, folder: Path, scratch: Path) -> list[dict]:
    """File to file. wall / cpu: what the overlap of the parts saves."""
    found = []
    for seconds in options.lengths:
        video = _clip(seconds, scratch)
        for precision in options.precisions:
            command = [*_whole("dub", "ours", folder, precision), "--video", str(video), "--threads", str(options.dub_threads)]
            run = run_json(command, options.dub_threads) | {"precision": precision, "seconds": seconds, "size": options.size}
            found.append(run)
            print(
                f"dub of {run['media_s']:.0f} s, {precision}: wall {run['wall_s']:.1f} s, CPU {run['cpu_s']:.1f} s "
                f"(wall / CPU {run['wall_s'] / run['cpu_s']:.2f}), peak {run['peak_mib']:.0f} MiB"
            )
    return found


def _clip(seconds: float, scratch: Path) -> Path:
    """A made recording of a length; for a few seconds, which are less than one of its scenes, the demo's clip."""
    if seconds < _SHORTEST_RECORDING_S:
        return ROOT / "demo" / "clip.mp4"
    path = scratch / f"clip{seconds:g}.mp4"
    if not path.exists():
        subprocess.run([sys.executable, "-m", "benchmarks.made_recording", str(path), "--seconds", str(seconds)], check=True)
    return path


def _whole(what: str, who: str, folder: Path, precision: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.whole", what, who, "--folder", str(folder), "--precision", precision]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["stages", "chain", "start"])
    parser.add_argument("--stages", nargs="+", choices=sorted(stages.AMOUNTS), default=list(stages.AMOUNTS))
    parser.add_argument("--size", choices=("tiny", "published"), default="published")
    parser.add_argument("--amount", type=float, help="seconds of media, or decoder steps (default: by stage)")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over these (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="of the stages part (default: 1)")
    parser.add_argument("--precisions", nargs="+", default=["float32", "auto"], help="ours; the baseline is float32")
    parser.add_argument("--lengths", nargs="+", type=float, default=[3, 10, 60], help="seconds of clips to dub")
    parser.add_argument("--dub-threads", type=int, default=os.cpu_count())
    parser.add_argument("--checkpoints", type=Path, help="folder with random checkpoints, made when absent (default: temporary)")
    parser.add_argument("--out", type=Path, help="results as JSON; parts that are not measured now stay as they are there")
    return parser


def main() -> None:
    """Measure and print."""
    options = build_parser().parse_args()
    torch.set_num_threads(1)
    results = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()) + f", {options.size} size, CPU seconds on one thread")
    with private_folder() as scratch:
        folder = options.checkpoints or scratch / "checkpoints"
        if not folder.exists():
            write_random_checkpoints(folder, options.size)
        for part in options.parts:
            found = globals()[f"measure_{part}"](options, folder, scratch)
            results[part] = {"machine": about, "size": options.size, "found": found}
            if options.out:
                write_text(options.out, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
