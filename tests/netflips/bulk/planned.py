"""A bulk run planned and listed in a process of its own, so that its peak of memory is its own."""

import json
import sys
from pathlib import Path

from avcore.data.manifest import Entry, write_manifest
from netflips.bulk.extraction import iter_pending, shard_tasks
from netflips.bulk.inputs import read_inputs
from netflips.bulk.settings import AUDIO, ExtractSettings
from netflips.bulk.store import open_store

_SPEAKERS, _FILES = 1000, 100


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


def plan(folder: Path) -> dict:
    """Return numbers of tasks and shards, the peak of memory in MiB, and what of it was there before anything was read."""
    before = _peak_mib()
    settings = ExtractSettings(folder / "out", frozenset({AUDIO})).for_device("cpu")
    manifest = read_inputs(str(folder / "manifest.jsonl"))
    with open_store(settings, {"models": "none"}, manifest) as store:
        assert sum(1 for _ in iter_pending(store.shards)) == len(manifest)
        num_tasks = sum(1 for _ in shard_tasks(store.shards, settings))
        store.tidy()
        num_shards = len(store.shards)
    return {"tasks": num_tasks, "shards": num_shards, "before_mib": before, "peak_mib": _peak_mib()}


def _peak_mib() -> float:
    """Not `ru_maxrss`, which counts what the process held that started this one."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(plan(Path(sys.argv[1]))))
