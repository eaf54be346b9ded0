"""A bulk run planned, listed and planned again, no model loaded: seconds and memory by the number of utterances, 10^3 to 10^6.

Each step is a process of its own, so that its peak is its own: `fresh` reads the manifest, plans and lists all tasks;
`close` finishes everything with rows of three units (what a run writes); `again` plans once more when all is finished.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from avdata.manifest import Entry, write_manifest
from benchmarks.ledger import Ledger
from benchmarks.sides import run_json
from netflips.bulk.inputs import read_inputs
from netflips.bulk.records import Made
from netflips.bulk.settings import AUDIO, ExtractSettings
from netflips.bulk.store import open_store
from netflips.bulk.tasks import iter_pending, shard_tasks, total_seconds

STEPS = ("fresh", "close", "again")
_SPEAKERS, _FILES = 1000, 100


def measure_plans(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Plans of growing corpora."""
    for count in options.plans:
        place = scratch / f"plan{count}"
        command = [sys.executable, "-m", "benchmarks.plans", str(place)]
        for step in STEPS:
            run = ledger.point(f"{count}, {step}", partial(_measure, [*command, step], place, count))
            told = ", ".join(f"{name} {value:.2f} s" for name, value in run["seconds"].items())
            print(f"{count} utterances, {step}: {told}; {run['peak_mib']:.0f} MiB", flush=True)


def _measure(command: list[str], place: Path, count: int) -> dict:
    if not (place / "manifest.jsonl").exists():
        write_corpus(place, count)
    return run_json(command, 1)


def write_corpus(folder: Path, count: int) -> Path:
    """Write a manifest of utterances that share some files; returns its path."""
    for number in range(_FILES):
        path = folder / f"sound/{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (100 + number))
    write_manifest(folder / "manifest.jsonl", map(_entry, range(count)))
    return folder / "manifest.jsonl"


def _entry(number: int) -> Entry:
    speaker, length_s = f"speaker_{number % _SPEAKERS:04d}", 1 + number % 97 / 16
    text = f"a sentence of some words, number {number}"
    name, sound = f"{speaker}/{number:07d}", f"sound/{number % _FILES:02d}.wav"
    return Entry(name, sound, duration_s=length_s, language="ko", speaker=speaker, text=text)


def plan(folder: Path, step: str) -> dict:
    """One step; seconds of its parts, the peak of memory in MiB, and what of it was there before anything was read."""
    seconds: dict[str, float] = {}

    @contextmanager
    def clock(name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - begin

    before = _peak_mib()
    settings = ExtractSettings(folder / "out", frozenset({AUDIO})).for_device("cpu")
    with clock("read"):
        manifest = read_inputs(str(folder / "manifest.jsonl"))
    with open_store(settings.out_dir, {"models": "none"}, settings.layout, settings.shard_size) as store:
        with clock("plan"):
            work = store.plan(manifest)
        with clock("count"):
            total_seconds(iter_pending(work))
        if step == "close":
            with clock("close"):
                for shard in work:
                    store.add(shard.number, [Made(one.id, {"id": one.id, "units": [1, 2, 3]}, 1.0) for one in shard.planned])
                    store.close(shard.number)
        with clock("list"):
            num_tasks = _count(shard_tasks(work, settings)) if step == "fresh" else 0
        store.tidy()
    return {"seconds": seconds, "tasks": num_tasks, "shards": len(work), "before_mib": before, "peak_mib": _peak_mib()}


def _count(items: Iterable[object]) -> int:
    return sum(1 for _ in items)


def _peak_mib() -> float:
    """Not `ru_maxrss`, which counts what the process held that started this one."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(plan(Path(sys.argv[1]), sys.argv[2])))
