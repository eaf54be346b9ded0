"""One side of a stage in a process of its own, so that its memory is its own; see `benchmarks.stages.SideWorker`."""

import argparse
import json
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from benchmarks import main_road
from benchmarks.main_road import Run

RUNS = {
    ("av2unit", "ours"): main_road.ours_av2unit,
    ("av2unit", "reference"): main_road.reference_av2unit,
    ("unit2unit", "ours"): main_road.ours_unit2unit,
    ("unit2unit", "reference"): main_road.reference_unit2unit,
    ("unit2unit", "fairseq"): main_road.fairseq_unit2unit,
    ("vocoder", "ours"): main_road.ours_vocoder,
    ("vocoder", "reference"): main_road.reference_vocoder,
    ("lips", "ours"): main_road.ours_lips,
    ("lips", "reference"): main_road.reference_lips,
}


def reset_peak() -> None:
    """Count the peak of memory from now on, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Most memory since the last reset, or since the start."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(run: Run, out: Path | None, device: str = "cpu") -> dict[str, float]:
    """Run once; its seconds and its peak memory, that of the GPU too where it runs there."""
    reset_peak()
    begun, spent = time.perf_counter(), time.process_time()
    result = run()
    found = {"wall_s": time.perf_counter() - begun, "cpu_s": time.process_time() - spent, "peak_mib": peak_mib()}
    if device != "cpu":
        found["gpu_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    if out is not None:
        np.save(out, np.asarray(result))
    return found


def main() -> None:
    """Load one side of a stage; then run it for each line of input, {amount, out}, and print what it took as a line of JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stage")
    parser.add_argument("who")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of ours")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    more = [options.device] if options.who == "ours" else []
    prepare = RUNS[options.stage, options.who]
    for line in sys.stdin:
        asked = json.loads(line)
        run = prepare(options.folder, asked["amount"], options.precision, *more)
        found = timed(run, asked.get("out") and Path(asked["out"]), options.device)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
