"""Dub made recordings from end to end: memory by length, and killed again and again: `python -m benchmarks.recording_endurance`.

A short and a long recording (see `benchmarks.made_recording`) are dubbed with random checkpoints. The long run is killed with
SIGKILL at moments of the work, each time followed by the same command. The short one is dubbed unbroken and killed too, and
both outputs must decode to the same pictures and samples. Who is said to speak is compared with who does.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av

from avcore.files import write_text
from benchmarks.made_recording import write_made_recording
from workshop.random.random_checkpoints import KOREAN_TRANSLATOR, RENDERER, UNIT_ENCODER, write_random_checkpoints

_POLL_S = 0.2
SEEN, DRAWN = {True: "seen", False: "unseen"}, {True: "drawn", False: "left"}


def command(video: Path, out: Path, checkpoints: Path) -> list[str]:
    """The command of a run, as a user types it."""
    return [
        sys.executable, "-m", "netflips.cli", "dub", "--in-vid-path", str(video), "--out-vid-path", str(out),
        "--src-lang", "en", "--tgt-lang", "ko", "--cpu", "--quiet", "--beam", "1", "--max-target-units", "120",
        "--av2unit-path", str(checkpoints / UNIT_ENCODER), "--utut-path", str(checkpoints / KOREAN_TRANSLATOR),
        "--unit2av-path", str(checkpoints / RENDERER), "--report", str(out.with_suffix(".json")),
        "--report", str(out.with_suffix(".html")),
    ]  # fmt: skip


def work_done(out: Path) -> int:
    """Pieces of finished work."""
    return sum(1 for path in (out.parent / f"{out.name}.work").glob("*/[!.]*"))


def run_to_end(arguments: list[str]) -> dict[str, float]:
    """Run; returns its peak memory (MiB), processor seconds and wall seconds."""
    begin = time.monotonic()
    pid = os.posix_spawn(arguments[0], arguments, os.environ)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"a run ended with {os.waitstatus_to_exitcode(status)}")
    return _figures(usage, begin)


def _figures(usage: resource.struct_rusage, begin: float) -> dict[str, float]:
    return {
        "peak_mib": usage.ru_maxrss / 1024,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": time.monotonic() - begin,
    }


def kill_at(arguments: list[str], out: Path, moments: list[int]) -> dict[str, list[float]]:
    """Run and kill with SIGKILL when so many pieces of work are done.

    Returns how many there were at each kill, and the peak memory (MiB) of each run.
    """
    chance = random.Random(1)
    found: dict[str, list[float]] = {"done": [], "peak_mib": []}
    for moment in moments:
        pid = os.posix_spawn(arguments[0], arguments, os.environ)
        while work_done(out) < moment and not _has_ended(pid):
            time.sleep(_POLL_S)
        time.sleep(3 * chance.random())
        os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            break
        found["done"].append(work_done(out))
        found["peak_mib"].append(usage.ru_maxrss / 1024)
    return found


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def digest(video: Path) -> dict[str, object]:
    """What a video decodes to: number and hash of pictures (with their times) and of samples."""
    found: dict[str, object] = {}
    for kind in ("video", "audio"):
        content, count = hashlib.sha256(), 0
        for frame in _frames(video, kind):
            content.update(f"{frame.pts * frame.time_base}".encode())
            content.update(frame.to_ndarray().tobytes())
            count += 1 if kind == "video" else frame.samples
        found |= {f"{kind}_count": count, f"{kind}_sha256": content.hexdigest()[:16]}
    return found


def _frames(video: Path, kind: str) -> Iterator:
    with av.open(str(video)) as container:
        yield from container.decode(**{kind: 0})


def who_was_heard(report: Path, truth: Path) -> dict[str, object]:
    """How often each person got which speaker, and whether faces were drawn where they are to be seen."""
    utterances = json.loads(report.read_text())["recording"]["utterances"]
    lines = json.loads(truth.read_text())["lines"]
    pairs: Counter[tuple[str, str]] = Counter()
    drawn: Counter[tuple[bool, bool]] = Counter()
    spoken_by_one = 0
    for one in utterances:
        said = [line for line in lines if min(line["end"], one["source_end_s"]) - max(line["start"], one["source_start_s"]) > 0.3]
        spoken_by_one += len({line["person"] for line in said}) == 1
        for line in said:
            pairs[line["person"], one["speaker"]] += 1
            drawn[line["is_seen"], one["drawn"] > 0.5 * one["pictures"]] += 1
    return {
        "utterances": len(utterances),
        "of_one_person": spoken_by_one,
        "person_to_speaker": {f"{person} = {speaker}": count for (person, speaker), count in sorted(pairs.items())},
        "seen_drawn": {f"{SEEN[seen]}, {DRAWN[is_drawn]}": count for (seen, is_drawn), count in drawn.items()},
    }


def main() -> None:
    """Make, dub, kill, compare, print; what is there already in the folder is used again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording_endurance", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--short", type=float, default=60.0, help="seconds (default: 60)")
    parser.add_argument("--long", type=float, default=600.0, help="seconds (default: 600)")
    parser.add_argument("--kills", type=int, default=3)
    options = parser.parse_args()
    folder: Path = options.folder
    checkpoints = folder / "checkpoints"
    if not checkpoints.exists():
        write_random_checkpoints(checkpoints, "tiny", only_korean=True)
    videos = {name: folder / f"{name}.mp4" for name in ("short", "long")}
    for name, video in videos.items():
        if not video.exists():
            write_made_recording(video, getattr(options, name))
    outs = {name: folder / f"{name}_ko.mp4" for name in ("short", "killed", "long")}
    results: dict[str, object] = {"short": run_to_end(command(videos["short"], outs["short"], checkpoints))}
    total = work_done(outs["short"])
    moments = [round(total * (k + 1) / (options.kills + 1)) for k in range(options.kills)]
    killed = command(videos["short"], outs["killed"], checkpoints)
    results["short_killed_at"] = [kill_at(killed, outs["killed"], moments), total]
    run_to_end(killed)
    unbroken, resumed = digest(outs["short"]), digest(outs["killed"])
    results["same_after_kills"] = unbroken == resumed
    results["short_output"] = unbroken
    long = command(videos["long"], outs["long"], checkpoints)
    share = options.long / options.short
    results["long_killed_at"] = kill_at(long, outs["long"], [round(moment * share) for moment in moments])
    results["long"] = run_to_end(long)
    results["long_output"] = digest(outs["long"])
    results["speakers"] = who_was_heard(outs["long"].with_suffix(".json"), videos["long"].with_suffix(".json"))
    print(json.dumps(results, indent=1))
    write_text(folder / "results.json", json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
