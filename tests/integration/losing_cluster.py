"""A cluster on this machine that loses a worker and then a machine while `netflips dub` runs with Ray; the dub's own words follow.

There is a worker for each of its cores, so that when the machine has gone there is no place for one of them.
`python -m tests.integration.losing_cluster OUT --in-vid-path ...`: prints what was lost, and when, as a line of JSON.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.netflips.conftest import config

NODES = 3
_WORKING = b"ray::DubWorker.process"
_LOOK_EVERY_S = 0.02
_SYSTEM = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
"""A machine that does not answer is given up after seconds, not after half a minute."""


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def at_work(node) -> list[int]:
    """Processes of a machine that are dubbing just now."""
    found = []
    for pid in tree(node.all_processes["raylet"][0].process.pid):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(_WORKING):
                found.append(pid)
        except OSError:
            continue
    return found


def lose(cluster, out_dir: Path, kill_at: int, remove_at: int, told: list[dict]) -> None:
    """Kill a worker when `kill_at` dubs are there, take a machine away that is at work when `remove_at` are."""

    def num_done() -> int:
        path = out_dir / "dubs.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def wait(least: int) -> object:
        while num_done() < least or not (busy := [node for node in cluster.worker_nodes if at_work(node)]):
            time.sleep(_LOOK_EVERY_S)
        return busy[0]

    def kill(node) -> None:
        for pid in at_work(node):
            os.kill(pid, signal.SIGKILL)

    steps: list[tuple[str, int, Callable]] = [
        ("worker killed", kill_at, kill),
        ("machine removed", remove_at, lambda node: cluster.remove_node(node, allow_graceful=False)),
    ]
    for what, least, act in steps:
        node = wait(least)
        told.append({"what": what, "done": num_done()})
        act(node)


def main(out: str, *words: str) -> int:
    """Start the cluster, dub on it, lose parts of it; returns the dub's exit code."""
    from ray.cluster_utils import Cluster

    from netflips.commands import dub as command

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": _SYSTEM, "include_dashboard": False})
    told: list[dict] = []
    try:
        for _ in range(NODES):
            cluster.add_node(num_cpus=1)
        threading.Thread(target=lose, args=(cluster, Path(out), 2, 5, told), daemon=True).start()
        code = command.main(["--out-dir", out, *config(ray=True, address=cluster.address), *words])
        print(json.dumps(told))
        return code
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
