"""What is measured beside the stages: the chain, the start, a core that is taken, dubs from file to file, bounds."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks import bounds, roofline
from benchmarks.clips import DEMO, clip
from benchmarks.ledger import Ledger
from benchmarks.rows import LAID_OUT
from benchmarks.sides import Side, Worker, run_json, timed_command
from benchmarks.stages import WARM_UP
from workshop.random.random_checkpoints import TRANSLATOR, UNIT_ENCODER, write_random_checkpoints

_CONTENDED = {"lips": 2.0, "unit2unit": 25.0}
"""What runs beside a busy core: seconds of media, decoder steps."""
_NETFLIPS = [sys.executable, "-m", "netflips.cli"]
_EVALUATED = (2, 8)
"""Clips of the evaluation: what eight take more than two is six times what one takes."""
_OFTEN_S = 5.0
"""Dubs up to this length are measured `rounds` times, longer ones once."""


def measure_roofline(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """What one thread of this machine can do."""
    peaks = ledger.point("peaks", roofline.machine)
    print("one thread: " + ", ".join(f"{name} {value:.0f}" for name, value in peaks.items()))


def measure_chain(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """All stages in a row in one process; ours also with weights that were laid out before."""
    laid_out = _laid_out(folder, scratch / "laid_out", options.precisions)
    ours = [("ours", precision, place) for precision in options.precisions for place in (folder, laid_out)]
    for turn in range(1, options.rounds + 1):
        for who, precision, place in [("published", "float32", folder), *ours]:
            name = _name(who, precision) + (LAID_OUT if place == laid_out else "")
            run = ledger.point(f"{name}, round {turn}", partial(run_json, _whole("chain", who, place, precision), 1))
            print(f"chain, {name}: " + ", ".join(f"{part} {value:.2f}" for part, value in run.items()))


def _laid_out(folder: Path, place: Path, precisions: Sequence[str]) -> Path:
    """A folder with links to the checkpoints, and weights laid out beside them."""
    place.mkdir()
    for path in folder.iterdir():
        (place / path.name).symlink_to(path.resolve())
    for name, precision in product((UNIT_ENCODER, TRANSLATOR), precisions):
        words = ["convert", "--in-path", str(place / name), "--for", "cpu", "--precision", precision, "--quiet"]
        subprocess.run([*_NETFLIPS, *words], check=True)
    return place


def measure_start(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Models loaded and first picture decoded, beside torch.load of the same files."""
    for turn in range(1, options.rounds + 1):
        for who, precision in [("reference", "float32"), *(("ours", one) for one in options.precisions)]:
            name = "torch.load" if who == "reference" else _name(who, precision)
            run = ledger.point(f"{name}, round {turn}", partial(run_json, _whole("start", who, folder, precision), 1))
            print(f"start, {name}: {run['wall_s']:.2f} s, CPU {run['cpu_s']:.2f} s, {run['peak_mib']:.0f} MiB")


def measure_contention(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Two threads, alone and beside a process that takes one of the cores all the time."""
    for stage, amount in _CONTENDED.items():
        with Worker(stage, Side("ours", options.precisions[-1]), folder, threads=2) as worker:
            for turn, is_taken in product(range(1, options.rounds + 1), (False, True)):
                name = f"{stage}, {'taken' if is_taken else 'idle'}, round {turn}"
                run = ledger.point(name, partial(_contended, stage, amount, is_taken, worker))
                print(f"{name}: {run['wall_s']:.2f} s")


def _contended(stage: str, amount: float, is_taken: bool, worker: Worker) -> dict[str, float]:
    worker.warm_up(WARM_UP[stage])
    with _busy_core() if is_taken else nullcontext():
        return worker.run(amount)


@contextmanager
def _busy_core() -> Iterator[None]:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def measure_dub(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """File to file with all threads; the last precision at all lengths, the others up to 10 s, short clips several times."""
    for seconds in sorted(options.lengths):
        for precision in options.precisions:
            is_often = seconds <= _OFTEN_S and precision == options.precisions[-1]
            if seconds > options.dub_float32_s and precision != options.precisions[-1]:
                continue
            for turn in range(1, options.rounds + 1 if is_often else 2):
                _dub(seconds, precision, f"{seconds:g} s, {precision}, round {turn}", options, folder, ledger)


def measure_overlap(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """A dub whose parts run side by side, and one whose parts run one by one."""
    for way, more in (("side by side", ()), ("one by one", ("--one-by-one",))):
        _dub(options.overlap_s, options.precisions[-1], way, options, folder, ledger, more)


def measure_evaluate(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """The evaluation of dubs: seconds with few clips and with more, all of them the demo's clip and its dub by the bundle."""
    dubbed = scratch / "dubbed.mp4"
    subprocess.run([*_NETFLIPS, "dub", str(DEMO), "--out-vid-path", str(dubbed), "--quiet"], check=True)
    for number, turn in product(_EVALUATED, range(1, options.rounds + 1)):
        run = ledger.point(f"{number} clips, round {turn}", partial(_evaluate, number, dubbed, scratch / f"{number} {turn}"))
        print(f"evaluate, {number} clips: wall {run['wall_s']:.1f} s, CPU {run['cpu_s']:.1f} s, peak {run['peak_mib']:.0f} MiB")


def _evaluate(number: int, dubbed: Path, folder: Path) -> dict[str, float]:
    folder.mkdir()
    clip_of = {"source": str(DEMO), "dub": str(dubbed)}
    lines = [json.dumps({"id": f"clip{index}", **clip_of}) for index in range(number)]
    (folder / "clips.jsonl").write_text("\n".join(lines) + "\n")
    words = ["evaluate", "dubs", str(folder / "clips.jsonl"), "--out-dir", str(folder / "figures"), "--quiet"]
    return timed_command([*_NETFLIPS, *words]) | {"clips": number}


def measure_growth(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """How time and memory of a dub grow with the clip, with small models: what grows is not theirs."""
    tiny = options.clips / "tiny_checkpoints"
    if not tiny.exists():
        write_random_checkpoints(tiny, "tiny", only_korean=True)
    for seconds in options.growth_lengths:
        _dub(seconds, "float32", f"{seconds:g} s", options, tiny, ledger)


def measure_bounds(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """How far `--precision auto` is from float32 on speech of the demo bundle."""
    figures = ledger.point("demo", lambda: [_told(figure) for figure in bounds.of_bundle(options.sounds, options.filmed)])
    for figure in figures:
        print(figure["told"])


def _told(figure: bounds.Figure) -> dict:
    return asdict(figure) | {"holds": figure.holds, "told": str(figure)}


def _dub(
    seconds: float,
    precision: str,
    name: str,
    options: argparse.Namespace,
    folder: Path,
    ledger: Ledger,
    more: Sequence[str] = (),
) -> None:
    def measure() -> dict:
        video = clip(seconds, options.clips)
        command = [*_whole("dub", "ours", folder, precision), "--video", str(video), "--threads", str(options.dub_threads)]
        return run_json([*command, *more], options.dub_threads) | {"precision": precision, "seconds": seconds}

    run = ledger.point(name, measure)
    print(f"dub, {name}: wall {run['wall_s']:.1f} s, CPU {run['cpu_s']:.1f} s, peak {run['peak_mib']:.0f} MiB", flush=True)


def _name(who: str, precision: str) -> str:
    return who if who != "ours" else f"ours, {precision}"


def _whole(what: str, who: str, folder: Path, precision: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.whole", what, who, "--folder", str(folder), "--precision", precision]
