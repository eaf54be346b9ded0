"""Speed and memory beside the plain baseline: `python -m benchmarks` measures, and writes tables and pictures.

Each part keeps what it measured at once in a file of its own below --results, and can be called alone. Parts: `av2unit`,
`unit2unit`, `vocoder`, `lips` (each stage beside the baseline; the translator on sentences as long as those of Ko-X), `chain` (the
stages of a dub in a row), `dub` (file to file). At the end the tables of docs/performance.md are filled from all files (not with
--size tiny or --device cuda). Results of parts that were measured once and are gone lie in results/once.
"""

import argparse
import os
import platform
import subprocess
import time
from functools import partial
from pathlib import Path

import torch

from avcore.compute.inference import has_native_bfloat16
from avcore.files import private_folder
from benchmarks import tables, whole
from benchmarks.material import KOX_LENGTHS, SENTENCE_STEPS, STAGES
from benchmarks.stages import Ledger, measure_stage, read_results
from recipes.demo.random.random_checkpoints import write_random_checkpoints

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MEASURES = {
    **{stage: partial(measure_stage, stage) for stage in STAGES},
    "chain": whole.measure_chain,
    "dub": whole.measure_dub,
}
_STEPS = sorted([SENTENCE_STEPS, *(korean for _, korean in KOX_LENGTHS.values())])


def machine(options: argparse.Namespace) -> dict:
    """Return where and with what everything is measured."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    cpu = next((line for line in lines if line.startswith("model name")), "")
    commit = ["git", "-C", str(ROOT), "log", "-1", "--format=%h"]
    return {
        "cpu": cpu.partition(":")[2].strip() or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "has_bfloat16": has_native_bfloat16(),
        "threads": options.threads,
        "device": torch.cuda.get_device_name() if options.device == "cuda" else None,
        "dub_threads": options.dub_threads,
        "size": options.size,
        "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
        "baseline_commit": _output([*commit, "--", "benchmarks/reference"]),
        "commit": _output(commit),
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def build_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--parts", nargs="*", choices=MEASURES, default=list(MEASURES), help="none = fill the pages only")
    parser.add_argument("--size", choices=("tiny", "published"), default="published")
    parser.add_argument("--lengths", nargs="+", type=float, default=[3, 10, 60], help="seconds of clips (default: 3 10 60)")
    parser.add_argument("--steps", nargs="+", type=int, default=_STEPS, help=f"of the translator (default: {_STEPS})")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over these; clips over 30 s run once (default: 3)")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="of ours; the baseline and the chain run on the CPU"
    )
    parser.add_argument("--threads", type=int, default=1, help="of the stages (default: 1)")
    parser.add_argument("--precisions", nargs="+", default=["float32", "auto"], help="ours; the baseline is float32")
    parser.add_argument("--dub-threads", type=int, default=os.cpu_count())
    parser.add_argument("--dub-float32-s", type=float, default=10, help="longest clip dubbed in float32 (default: 10)")
    parser.add_argument("--checkpoints", type=Path, help="folder with random checkpoints, made when absent (default: temporary)")
    parser.add_argument("--clips", type=Path, help="folder for made clips, kept (default: temporary)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the files (default: benchmarks/results)")
    parser.add_argument("--no-pages", action="store_true", help="leave docs/performance.md alone")
    return parser


def main() -> None:
    """Measure part by part, then write the pages."""
    options = build_parser().parse_args()
    torch.set_num_threads(1)
    about = machine(options)
    options.results.mkdir(parents=True, exist_ok=True)
    with private_folder() as scratch:
        options.clips = options.clips or scratch / "clips"
        options.clips.mkdir(parents=True, exist_ok=True)
        folder = options.checkpoints or scratch / "checkpoints"
        for part in options.parts:
            ledger = Ledger(options.results / f"{part}.json", about)
            if not folder.exists():
                write_random_checkpoints(folder, options.size)
            begun = time.perf_counter()
            MEASURES[part](options, folder, scratch, ledger)
            print(f"{part}: {time.perf_counter() - begun:.0f} s in all", flush=True)
    if not options.no_pages and options.size == "published" and options.device == "cpu":
        tables.write_tables(read_results(options.results), ROOT)


if __name__ == "__main__":
    main()
