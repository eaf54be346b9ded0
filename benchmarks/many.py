"""Many videos dubbed on Ray: one worker on one core beside two workers on two, in one run: `python -m benchmarks --parts many`.

Clips of some seconds and recordings of minutes, the bundle's models. Workers on all cores do all of them in stretches, each a
command of its own; before each stretch one worker, bound to one core, does some of the same, and plain processes side by side do
some of the clips and all of the recordings, each bound to a core of its own and without Ray: what the cores take from one another
is not Ray's. Times begin when the models are loaded.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.bulk_material import write_clips, write_recordings
from benchmarks.ledger import Ledger
from benchmarks.processes import Watch, cpu_s, machine_cpu_s, memory_mib
from benchmarks.sides import run_json
from netflips.bulk.session import WORKER_ENVIRONMENT

CLIPS, RECORDINGS = "clips", "recordings"
_MEMORY_EVERY_S = 15.0
"""Asking takes a tenth of a second of a busy core: every 3 s, and for processor time every 0.25 s, it took 3 % of two."""
_ALONE = "1 worker on 1 core"


def measure_many(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Clips and recordings in stretches: one worker, plain processes, and Ray's workers on all of the stretch.

    A kind of which there are none is left out, and so is a stretch for which none are left.
    """
    places = {
        CLIPS: write_clips(options.clips / "many_clips", options.many_clips),
        RECORDINGS: write_recordings(options.clips / "many_recordings", options.many_recordings, options.many_seconds),
    }
    if not any(places.values()):
        sys.exit("nothing to dub: expected one or more of --many-clips or --many-recordings")
    if options.many_alone < 1:
        sys.exit("one worker has nothing to dub: expected 1 or more of --many-alone")
    cores, number = options.many_workers, options.many_stretches
    for stretch, (kind, videos) in product(range(number), places.items()):
        ours = videos[stretch::number]
        if not ours:
            continue
        if kind == CLIPS:
            some = few = ours[:: max(1, round(len(ours) / options.many_alone))]
        else:  # they differ more than what is asked: the plain processes do all that the workers do
            some, few = ours[:1], ours
        out = options.clips / "many_out" / kind
        sides = {
            _ALONE: partial(_by_ray, some, out / "alone", 1),
            f"{cores} plain processes": partial(_plainly, few, out / "plain", cores),
            f"{cores} workers": partial(_by_ray, ours, out / "ray", cores),
        }
        for who, measure in sides.items():
            name = f"{kind}, {who}, stretch {stretch + 1}"
            if options.many_until_s and name not in ledger.points and time.monotonic() - options.begun > options.many_until_s:
                sys.exit("the time is over; the same command with --go-on goes on")
            run = ledger.point(name, measure)
            print(f"{name}: {run['done']} in {run['wall_s']:.1f} s, {run['peak_mib']:.0f} MiB", flush=True)


def _by_ray(videos: list[Path], out: Path, workers: int) -> dict:
    return run_json([sys.executable, "-m", "benchmarks.many", "ray", str(out), str(workers), *map(str, videos)], workers)


def _plainly(videos: list[Path], out: Path, cores: int) -> dict:
    """Processes side by side that begin together; the speed of all together."""
    commands = [
        [sys.executable, "-m", "benchmarks.many", "plain", str(out), str(core), *map(str, videos[core::cores])]
        for core in range(cores)
    ]
    files = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, **WORKER_ENVIRONMENT}
    runs = [subprocess.Popen(command, **files, text=True, env=environment) for command in commands]  # type: ignore[call-overload]
    for run in runs:
        assert run.stdout is not None
        run.stdout.readline()
    begin, before = time.monotonic(), machine_cpu_s()
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    told = [json.loads(run.communicate()[0].splitlines()[-1]) for run in runs]
    wall_s, cpu = time.monotonic() - begin, sum(one["cpu_s"] for one in told)
    media_s, done = (sum(one[what] for one in told) for what in ("media_s", "done"))
    return {
        "done": done, "media_s": media_s, "wall_s": media_s / sum(one["media_s"] / one["wall_s"] for one in told), "cpu_s": cpu,
        "others_cores": max(machine_cpu_s() - before - cpu, 0.0) / wall_s, "peak_mib": sum(one["peak_mib"] for one in told),
        "workers": cores,
    }  # fmt: skip


def dub_plainly(out: Path, core: int, videos: list[str]) -> dict:
    """Dub videos in this process on one core, as a worker of Ray's does."""
    os.sched_setaffinity(0, [core])
    from avcore.compute.memory import peak_memory_bytes
    from netflips.bulk.dubbing import DubJob, DubModels, DubWorker
    from netflips.bundles.paths import bundle_paths
    from netflips.options import DubOptions, RunOptions
    from netflips.report import DubReport

    out.mkdir(parents=True, exist_ok=True)
    worker = DubWorker(DubModels(bundle_paths(), RunOptions("cpu")), DubOptions())
    if complaint := worker.load():
        raise SystemExit(complaint)
    print("ready", flush=True)
    sys.stdin.readline()
    begin, cpu = time.monotonic(), time.process_time()
    reports = worker.process([DubJob(Path(video), out / f"{Path(video).stem}.mp4") for video in videos])
    whole = [report for report in reports if isinstance(report, DubReport)]
    return {
        "done": len(whole), "media_s": sum(report.input_s for report in whole), "wall_s": time.monotonic() - begin,
        "cpu_s": time.process_time() - cpu, "peak_mib": (peak_memory_bytes() or 0) / 2**20,
    }  # fmt: skip


def dub_many(out: Path, workers: int, videos: list[str]) -> dict:
    """Dub videos with so many workers on as many cores; what it took, the start apart, of all processes together."""
    os.sched_setaffinity(0, range(workers))
    from netflips.bulk import dubbing
    from netflips.dub import command

    memory = Watch(memory_mib, os.getpid(), _MEMORY_EVERY_S)
    mib: list[float] = []
    spent: list[tuple[float, float]] = []
    progress: list[dubbing.RunProgress] = []

    def note() -> None:
        spent.append((cpu_s(os.getpid()), machine_cpu_s()))

    class Kept(dubbing.RunProgress):
        def start(self) -> None:
            super().start()
            progress.append(self)
            note()
            memory.start()

        def close(self) -> None:
            super().close()
            note()
            memory.stop()
            mib.extend([*(figure for _, figure in memory.samples), memory_mib(os.getpid())])

    dubbing.RunProgress = Kept  # type: ignore[misc]
    started = time.monotonic()
    words = ["--out-dir", str(out), "--ray", "--workers", str(workers), "--src-lang", "en", "--tgt-lang", "ko", "--cpu", "--quiet"]
    code = command.main([*words, "--in-vid-path", *videos])
    (run,), (begin, end) = progress, spent
    cpu, machine = (after - before for before, after in zip(begin, end, strict=True))
    return {
        "code": code, "done": run.done, "failed": run.failed, "media_s": run.media_s, "wall_s": run.elapsed_s,
        "start_s": run.began - started, "cpu_s": cpu, "others_cores": max(machine - cpu, 0.0) / run.elapsed_s,
        "peak_mib": max(mib), "mib_by_quarter": [float(part.mean()) for part in np.array_split(mib, min(4, len(mib)))],
        "workers": workers, "load": os.getloadavg()[0],
    }  # fmt: skip


if __name__ == "__main__":
    run = dub_many if sys.argv[1] == "ray" else dub_plainly
    print(json.dumps(run(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])))
