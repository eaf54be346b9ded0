"""Extraction at Ko-X's true size on a cluster of this machine that loses its driver, and then, when the run goes on, a machine.

The lengths are those of `recipes/kox/shape.json`. Nothing is decoded and no model runs: a worker answers with made-up units of the
true number. All else is the run's own: Ray, batches, shards, resume.
`python -m tests.integration.true_size OUT ENCODER`: prints figures as JSON.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from avcore.data.manifest import Entry, Manifest
from avcore.data.unit_store import UnitRow
from avcore.units import Units
from netflips.bulk import extraction
from netflips.bulk.records import BatchResult, Costs, Loaded, MadeFile, Source
from netflips.bulk.settings import ExtractModels, ExtractSettings
from netflips.bulk.spread import Spread
from netflips.bulk.worker import ModelWorker
from recipes.kox.true_shape import SHAPE
from tests.integration.losing_cluster import tree

_UNIT_S = 0.04
"""Seconds of a merged unit."""
_NODES = 3


class StubWorker(ModelWorker):
    """Answers with units of the right number, and does not listen."""

    def load(self) -> str:
        return ""

    def process(self, *parts: Sequence[Loaded]) -> BatchResult:
        read = [one for part in parts for one in part]
        rows = [UnitRow(one.source.id, _units(one.source.entry), {}).to_row() for one in read]
        made = [MadeFile(row["id"], row, one.seconds) for row, one in zip(rows, read, strict=True)]
        return BatchResult(made, [], Costs(media_s=sum(one.seconds for one in read)))


def _units(entry: Entry) -> Units:
    count = round(entry.duration_s / _UNIT_S)
    ids = np.random.default_rng(zlib.crc32(entry.id.encode())).integers(0, 1000, count)
    return Units(ids, np.full(count, 2), entry.language, "sha256:0123456789abcdef")


def _read(_: ExtractSettings, sources: Sequence[Source]) -> list[Loaded]:
    return [Loaded(source, None, None, source.entry.duration_s) for source in sources]


def corpus(pairs: int) -> Manifest:
    lengths = json.loads(SHAPE.read_text(encoding="utf-8"))["lengths"]
    chosen = np.random.default_rng(0).integers(0, len(lengths["en"]), pairs)
    entries = [
        Entry(f"{side}{number:06d}", audio=f"{side}/{number:06d}.wav", duration_s=lengths[side][place] * _UNIT_S, language=side)
        for side in ("en", "ko")
        for number, place in enumerate(chosen)
    ]
    return Manifest(Path("/corpus"), tuple(entries))


def num_closed(out: Path) -> int:
    return len(list(out.glob("shards/*.jsonl")))


def run(out: Path, encoder: Path, pairs: int, shard_size: int, lose_at: int) -> None:
    """Extract, or go on; a machine is taken away when `lose_at` shards are whole."""
    from ray.cluster_utils import Cluster

    extraction.ModelWorker, extraction.read_part = StubWorker, _read
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=2) for _ in range(_NODES)]

    def lose() -> None:
        while num_closed(out) < lose_at:
            time.sleep(0.05)
        cluster.remove_node(nodes[0], allow_graceful=False)

    try:
        losing = threading.Thread(target=lose, daemon=True)
        losing.start()
        manifest, begin = corpus(pairs), time.monotonic()
        settings = ExtractSettings(out, frozenset({"audio"}), shard_size=shard_size, batch_s=640.0)
        summary = extraction.extract(manifest, settings, ExtractModels(encoder), Spread(address=cluster.address), is_quiet=True)
        losing.join()
        figures = {
            "utterances": len(manifest), "hours": round(sum(entry.duration_s for entry in manifest.entries) / 3600),
            "before": summary.num_before, "failed": len(summary.failures), "machines_left": len(cluster.worker_nodes),
            "seconds": round(time.monotonic() - begin), "driver_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        }  # fmt: skip
        print(json.dumps(figures))
    finally:
        cluster.shutdown()


def main(argv: Sequence[str] | None = None) -> int:
    """Run, kill the run and all of its cluster when a third of the shards is whole, and go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("encoder", type=Path, help="a unit encoder's checkpoint, of which the fingerprint alone is used")
    parser.add_argument("--pairs", type=int, default=169_488)
    parser.add_argument("--shard-size", type=int, default=1000)
    parser.add_argument("--lose-at", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.lose_at:
        run(options.out, options.encoder, options.pairs, options.shard_size, options.lose_at)
        return 0
    shards = -(-2 * options.pairs // options.shard_size)
    words = [str(options.out), str(options.encoder), "--pairs", str(options.pairs), "--shard-size", str(options.shard_size)]
    line = [sys.executable, "-m", "tests.integration.true_size", *words, "--lose-at"]
    first = subprocess.Popen([*line, str(2 * shards)])
    while num_closed(options.out) < shards // 3 and first.poll() is None:
        time.sleep(0.05)
    for process in reversed(tree(first.pid)):
        os.kill(process, signal.SIGKILL)
    first.wait()
    return subprocess.run([*line, str(shards // 2)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
