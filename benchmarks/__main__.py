"""Speed and memory beside the plain baseline: `python -m benchmarks` measures, and writes tables and pictures.

Each part keeps what it measured at once in a file of its own below --results, and can be called alone. Parts: `roofline`
(what the machine can do), `av2unit`, `unit2unit`, `vocoder`, `lips` (each stage beside the baseline), `unit2text`, `text2unit`
(the same of text beside the units: lips to text, text to units), `mouth-units-720p` and the like (what moves lips in whole
pictures), `evaluate` (figures of dubs), `chain` (the stages of a dub in a row), `start` (loading),
`contention` (one of two cores taken), `dub` (file to file), `overlap` (the parts of a dub side by side and one by one), `growth`
(dubs of 3 s to 10 min with small models), `many` (clips and recordings on Ray, one worker and two), `plans` (a bulk run planned and
listed, 10^3 to 10^6 utterances), `bounds` (how far `--precision auto` is from float32 on speech of the demo bundle). At
the end the tables of README.md and docs/performance.md are filled from all files (not with --size tiny).
"""

import argparse
import os
import platform
import subprocess
import time
from functools import partial
from pathlib import Path

import torch

from avcore.compute.device import has_native_bfloat16
from avcore.files import private_folder
from benchmarks import pages, parts, plots
from benchmarks.ledger import Ledger, read_results
from benchmarks.many import measure_many
from benchmarks.plans import measure_plans
from benchmarks.rows import ALL_STAGES, MOUTH_STAGES, SENTENCE_STEPS, TEXT_STAGES
from benchmarks.stages import measure_stage
from workshop.random.random_checkpoints import write_random_checkpoints

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MEASURES = {
    "roofline": parts.measure_roofline,
    **{stage: partial(measure_stage, stage) for stage in (*ALL_STAGES, *MOUTH_STAGES)},
    "evaluate": parts.measure_evaluate,
    "chain": parts.measure_chain,
    "start": parts.measure_start,
    "contention": parts.measure_contention,
    "dub": parts.measure_dub,
    "overlap": parts.measure_overlap,
    "growth": parts.measure_growth,
    "many": measure_many,
    "plans": measure_plans,
    "bounds": parts.measure_bounds,
}
_NEED_NO_MODELS = {"roofline", "growth", "many", "plans", "bounds", "evaluate"}


def machine(options: argparse.Namespace) -> dict:
    """Where and with what everything is measured."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    commit = ["git", "-C", str(ROOT), "log", "-1", "--format=%h"]
    return {
        "cpu": cpu.partition(":")[2].strip() or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "has_bfloat16": has_native_bfloat16(),
        "threads": options.threads,
        "dub_threads": options.dub_threads,
        "size": options.size,
        "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
        "baseline_commit": _output([*commit, "--", "benchmarks/reference"]),
        "commit": _output(commit),
    }


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
    parser.add_argument("--parts", nargs="*", choices=MEASURES, default=list(MEASURES), help="none = fill the pages only")
    parser.add_argument("--go-on", action="store_true", help="keep what --results has already, measure only what is missing")
    parser.add_argument("--size", choices=("tiny", "published"), default="published")
    parser.add_argument("--lengths", nargs="+", type=float, default=[3, 10, 60], help="seconds of clips (default: 3 10 60)")
    parser.add_argument("--steps", type=int, default=SENTENCE_STEPS, help=f"of the translator (default: {SENTENCE_STEPS})")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over these; clips over 30 s run once (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="of the stages (default: 1)")
    parser.add_argument("--precisions", nargs="+", default=["float32", "auto"], help="ours; the baseline is float32")
    parser.add_argument("--dub-threads", type=int, default=os.cpu_count())
    parser.add_argument("--dub-float32-s", type=float, default=10, help="longest clip dubbed in float32 (default: 10)")
    parser.add_argument("--overlap-s", type=float, default=10, help="clip of the overlap part (default: 10)")
    parser.add_argument("--growth-lengths", nargs="+", type=float, default=[3, 10, 30, 60, 180, 600])
    parser.add_argument("--many-clips", type=int, default=200, help="clips of the part many, 0 = none (default: 200)")
    parser.add_argument("--many-recordings", type=int, default=20, help="of that part too (default: 20)")
    parser.add_argument("--many-seconds", type=float, default=180, help="of each recording (default: 180)")
    parser.add_argument("--many-workers", type=int, default=2)
    parser.add_argument("--many-stretches", type=int, default=4, help="commands that each kind is spread over (default: 4)")
    parser.add_argument("--many-alone", type=int, default=5, help="videos of a stretch that one worker does too (default: 5)")
    parser.add_argument(
        "--many-until-s", type=float, default=0.0, help="end after the stretch during which this is over (0 = never)"
    )
    parser.add_argument("--plans", nargs="+", type=int, default=[1_000, 10_000, 100_000, 1_000_000], help="utterances")
    parser.add_argument("--sounds", type=int, default=60, help="utterances for bounds, sound alone (default: 60)")
    parser.add_argument("--filmed", type=int, default=10, help="utterances for bounds, with lips (default: 10)")
    parser.add_argument("--checkpoints", type=Path, help="folder with random checkpoints, made when absent (default: temporary)")
    parser.add_argument("--clips", type=Path, help="folder for made clips, kept (default: temporary)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the files (default: benchmarks/results)")
    parser.add_argument("--no-pages", action="store_true", help="leave README.md, docs/performance.md and the pictures alone")
    return parser


def main() -> None:
    """Measure part by part, then write the pages."""
    options = build_parser().parse_args()
    options.begun = time.monotonic()
    torch.set_num_threads(1)
    about = machine(options)
    options.results.mkdir(parents=True, exist_ok=True)
    with private_folder() as scratch:
        options.clips = options.clips or scratch / "clips"
        options.clips.mkdir(parents=True, exist_ok=True)
        folder = options.checkpoints or scratch / "checkpoints"
        for part in options.parts:
            ledger = Ledger(options.results / f"{part}.json", about, options.go_on)
            if ledger.is_complete:
                continue
            if part not in _NEED_NO_MODELS and not folder.exists():
                write_random_checkpoints(folder, options.size, with_text=bool(set(TEXT_STAGES) & set(options.parts)))
            begun = time.perf_counter()
            MEASURES[part](options, folder, scratch, ledger)
            ledger.finish()
            print(f"{part}: {time.perf_counter() - begun:.0f} s in all", flush=True)
    if not options.no_pages and options.size == "published":
        results = read_results(options.results)
        pages.write(results, ROOT)
        plots.draw(results, ROOT / "docs" / "images")


if __name__ == "__main__":
    main()
