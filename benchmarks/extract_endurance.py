"""A long bulk run: memory over its course, and the same run killed again and again: `python -m benchmarks.extract_endurance`.

Run once without a break, watched, and once with SIGKILL at random moments, each time followed by the same command. The two
outputs must be the same to the byte, and no utterance may be done twice.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from avcore.files import private_folder, write_text
from benchmarks.bulk_material import write_corpus
from benchmarks.processes import Watch, memory_mib
from workshop.random.random_checkpoints import UNIT_ENCODER, write_random_checkpoints

_LAST_TRIES = 3
MODALITIES = {"sound": "audio", "lips": "audio,video", "faces": "audio,video"}


def command(manifest: Path, out_dir: Path, options: argparse.Namespace) -> list[str]:
    """The command of a run, as a user types it."""
    return [
        sys.executable, "-m", "netflips.bulk.command", "--in-path", str(manifest), "--out-dir", str(out_dir), "--cpu", "--quiet",
        "--av2unit-path", str(options.checkpoints / UNIT_ENCODER), "--modalities", MODALITIES[options.kind],
        "--shard-size", str(options.shard_size), "--workers", str(options.workers),
    ]  # fmt: skip


def num_done(out_dir: Path) -> int:
    """Utterances that are written down."""
    return sum(path.read_bytes().count(b"\n") for folder in ("shards", "work") for path in (out_dir / folder).glob("[0-9]*.jsonl"))


def watched(arguments: list[str], out_dir: Path) -> dict:
    """Run without a break: wall seconds, and memory (MiB) by how many utterances were done."""
    begin = time.monotonic()
    run = subprocess.Popen(arguments)
    memory = Watch(memory_mib, run.pid)
    done = Watch(lambda _: num_done(out_dir), run.pid)
    memory.start()
    done.start()
    code = run.wait()
    memory.stop()
    done.stop()
    if code:
        raise SystemExit(f"the run ended with {code}")
    course = [(done.at(moment), mib) for moment, mib in memory.samples]
    return {"wall_s": time.monotonic() - begin, "course": course}


def flatness(course: list[tuple[float, float]], total: int) -> dict:
    """Mean memory in each fifth of the utterances; the first fifth warms up."""
    fifths = [[mib for done, mib in course if total * n / 5 < done < total * (n + 1) / 5] for n in range(5)]
    means = [float(np.mean(values)) for values in fifths if values]
    later = means[1:]
    return {"mean_mib_by_fifth": means, "growth": later[-1] / later[0] - 1, "peak_mib": max(mib for _, mib in course)}


def killed_again_and_again(arguments: list[str], out_dir: Path, total: int, kills: int) -> dict:
    """Run, kill with SIGKILL at random moments of the work, and go on until it ends by itself."""
    chance = random.Random(1)
    moments = sorted(chance.sample(range(1, total), kills))
    at_kills = []
    for moment in moments:
        run = subprocess.Popen(arguments)
        while num_done(out_dir) < moment and run.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.random())
        run.send_signal(signal.SIGKILL)
        if run.wait() == 0:
            break
        at_kills.append(num_done(out_dir))
    codes = [1]
    while codes[-1] and len(codes) <= _LAST_TRIES:  # Ray may not come up while the machine still clears up after a kill
        codes.append(subprocess.run(arguments, check=False).returncode)
    return {"done_at_kills": at_kills, "exit_codes": codes[1:]}


def compare(unbroken: Path, killed: Path) -> dict:
    """Whether two outputs are the same, and how often each id is there."""
    contents = [{path.name: path.read_bytes() for path in (out / "shards").iterdir()} for out in (unbroken, killed)]
    ids = Counter(json.loads(line)["id"] for content in contents[1].values() for line in content.splitlines())
    left = len(list((killed / "work").iterdir()))
    return {"same_bytes": contents[0] == contents[1], "ids": len(ids), "most_often": max(ids.values()), "left_in_work": left}


def main() -> None:
    """Make the corpus, run, kill, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract_endurance", description=__doc__)
    parser.add_argument("--utterances", type=int, default=2000)
    parser.add_argument("--kind", choices=sorted(MODALITIES), default="lips")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-size", type=int, default=250)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds of the longest utterance; the shortest has 1")
    parser.add_argument("--checkpoints", type=Path, help="folder with random checkpoints, made when absent (default: temporary)")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    with private_folder() as scratch:
        options.checkpoints = options.checkpoints or scratch / "checkpoints"
        if not options.checkpoints.exists():
            write_random_checkpoints(options.checkpoints, "tiny", only_korean=True)
        manifest = write_corpus(scratch / "corpus", options.utterances, options.kind, longest_s=options.longest)
        unbroken, killed = scratch / "unbroken", scratch / "killed"
        watch = watched(command(manifest, unbroken, options), unbroken)
        results = {
            "utterances": options.utterances,
            "load": os.getloadavg()[0],
            "wall_s": watch["wall_s"],
            **flatness(watch["course"], options.utterances),
            **killed_again_and_again(command(manifest, killed, options), killed, options.utterances, options.kills),
            **compare(unbroken, killed),
        }
    print(json.dumps(results, indent=1))
    if options.out:
        write_text(options.out, json.dumps(results | {"course": watch["course"]}, indent=1))


if __name__ == "__main__":
    main()
