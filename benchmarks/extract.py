"""Bulk extraction beside a plain loop over files, in one run: `python -m benchmarks.extract` (see --help).

The loop reads a file, finds the face where there is one to find, runs the model, and takes the next: no batches, one thread,
freed memory kept as in every command. Times begin when the models are loaded and have run once, on either side; `start s` is what
comes before, with Ray's own start. `others on` says how many cores other programs took meanwhile: with more than a tenth or
so, the times say little.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch

from av2unit.extractor import UnitExtractor
from av2unit.sources import AUDIO, VIDEO, lips_of_video, read_lip_video
from avcore.compute.memory import keep_freed_memory
from avcore.files import private_folder, write_text
from avcore.media import read_speech
from avdata.manifest import Manifest, read_manifest
from benchmarks.bulk_material import write_corpus
from benchmarks.processes import Watch, cpu_s, machine_cpu_s
from netflips.bulk.extraction import extract
from netflips.bulk.settings import ExtractModels, ExtractSettings
from netflips.bulk.spread import Spread
from workshop.random.random_checkpoints import UNIT_ENCODER, write_random_checkpoints

_EVERY_S = 0.25
"""Between two looks at the processor time."""


def plain_loop(manifest: Manifest, encoder: Path) -> dict:
    """Do all utterances one after the other; the seconds of each kind of work, and the units."""
    started = time.perf_counter()
    extractor = UnitExtractor.from_checkpoint(encoder)
    seconds, units = {"decode": 0.0, "face": 0.0, "model": 0.0}, {}
    cpu = machine = start = 0.0
    for number, entry in enumerate([manifest.entries[0], *manifest.entries]):
        cpu, machine = (cpu, machine) if number > 1 else (time.process_time(), machine_cpu_s())
        begin = time.perf_counter()
        speech, lips = read_speech(manifest.root / entry.audio), None
        if entry.lips:
            lips = read_lip_video(manifest.root / entry.lips)
        read = time.perf_counter()
        if entry.video:
            lips = lips_of_video(manifest.root / entry.video, speech=speech)
        found = time.perf_counter()
        units[entry.id] = extractor.extract(speech, lips)
        if not number:  # the first one comes twice, to warm up
            start = time.perf_counter() - started
        else:
            seconds["decode"] += read - begin
            seconds["face"] += found - read
            seconds["model"] += time.perf_counter() - found
    cpu, machine = time.process_time() - cpu, machine_cpu_s() - machine
    return {**seconds, "start": start, "wall": sum(seconds.values()), "cpu": cpu, "machine": machine, "units": units}


def bulk(manifest: Manifest, encoder: Path, out_dir: Path, workers: int, batch_s: float) -> dict:
    """Do all utterances with the engine; what it took, start-up apart."""
    modalities = frozenset({AUDIO, VIDEO} if any(entry.lips or entry.video for entry in manifest.entries) else {AUDIO})
    settings = ExtractSettings(out_dir, modalities, batch_s=batch_s)
    ours, all_of_it = (Watch(figure, os.getpid(), _EVERY_S) for figure in (cpu_s, lambda _: machine_cpu_s()))
    ours.start()
    all_of_it.start()
    started = time.monotonic()
    summary = extract(manifest, settings, ExtractModels(encoder), Spread(workers), is_quiet=True)
    ours.stop()
    all_of_it.stop()
    if summary.failures:
        raise SystemExit(f"utterances failed: {summary.failures}")
    rows = [json.loads(line) for path in sorted((out_dir / "shards").glob("*.jsonl")) for line in path.open()]
    costs, began = summary.progress.costs, summary.progress.began
    ended = began + summary.progress.elapsed_s
    return {
        "start": began - started,
        "wall": summary.progress.elapsed_s,
        "cpu": ours.at(ended) - ours.at(began),
        "machine": all_of_it.at(ended) - all_of_it.at(began),
        "decode": costs.decode_s,
        "face": costs.face_s,
        "model": costs.model_s,
        "padding": costs.padding_share,
        "units": {row["id"]: row["units"] for row in rows},
    }


def measure(options: argparse.Namespace, kind: str, folder: Path) -> list[dict]:
    """The loop, one worker, two workers, `rounds` times in turn, so that a drift of the machine hits all alike."""
    manifest = read_manifest(write_corpus(folder / kind, options.utterances, kind))
    media_s = sum(entry.duration_s for entry in manifest.entries)
    encoder = options.checkpoints / UNIT_ENCODER
    rounds: dict[str, list[dict]] = {}
    for turn in range(options.rounds):
        rounds.setdefault("loop", []).append(plain_loop(manifest, encoder))
        for workers in options.workers:
            out = folder / f"{kind}-{workers}-{turn}"
            rounds.setdefault(f"{workers} worker(s)", []).append(bulk(manifest, encoder, out, workers, options.batch_seconds))
    reference = {name: units.ids.tolist() for name, units in rounds["loop"][0]["units"].items()}
    parts_s = min(run["wall"] for run in rounds["loop"])
    return [_row(kind, who, runs, media_s, parts_s, reference, options) for who, runs in rounds.items()]


def _row(kind: str, who: str, runs: list[dict], media_s: float, parts_s: float, reference: dict, options) -> dict:
    best = min(runs, key=lambda run: run["wall"])
    worked = best["decode"] + best["face"] + best["model"]
    same = sum(list(map(int, _ids(best["units"][name]))) == ids for name, ids in reference.items())
    return {
        "size": options.size,
        "kind": kind,
        "who": who,
        "utterances": options.utterances,
        "media_h": media_s / 3600,
        "start_s": best["start"],
        "wall_s": best["wall"],
        "cpu_s": best["cpu"],
        "others_cores": max(best["machine"] - best["cpu"], 0.0) / best["wall"],
        "hours_per_hour": media_s / best["wall"],
        "times_loop": parts_s / best["wall"],
        "decode_share": best["decode"] / worked,
        "face_share": best["face"] / worked,
        "model_share": best["model"] / worked,
        "padding": best.get("padding", 0.0),
        "same_units": same / len(reference),
    }


def _ids(units) -> list[int]:
    return units if isinstance(units, list) else units.ids.tolist()


def table(rows: list[dict]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| model | input | who | hours/hour | x loop | start s | CPU s | others on | decode/face/model | padding | same units |",
        "| --- " * 11 + "|",
    ]
    for row in rows:
        shares = "/".join(f"{row[name]:.0%}" for name in ("decode_share", "face_share", "model_share"))
        lines.append(
            f"| {row['size']} | {row['kind']} | {row['who']} | {row['hours_per_hour']:.1f} | {row['times_loop']:.2f} "
            f"| {row['start_s']:.1f} | {row['cpu_s']:.1f} | {row['others_cores']:.2f} "
            f"| {shares} | {row['padding']:.1%} | {row['same_units']:.2%} |"
        )
    return "\n".join(lines)


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract", description=__doc__)
    parser.add_argument("--size", choices=("tiny", "published"), default="tiny")
    parser.add_argument("--kinds", nargs="+", choices=("sound", "lips", "faces"), default=["sound", "lips", "faces"])
    parser.add_argument("--utterances", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2, help="the best of these counts (default: 2)")
    parser.add_argument("--batch-seconds", type=float, default=0.0)
    parser.add_argument("--checkpoints", type=Path, help="folder with random checkpoints, made when absent (default: temporary)")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    return parser


def main() -> None:
    """Measure and print."""
    options = build_parser().parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with private_folder() as scratch:
        options.checkpoints = options.checkpoints or scratch / "checkpoints"
        if not options.checkpoints.exists():
            write_random_checkpoints(options.checkpoints, options.size, only_korean=True)
        rows = [row for kind in options.kinds for row in measure(options, kind, scratch)]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.utterances} utterances, {rows[0]['media_h']:.3f} h")
    print(table(rows))
    if options.out:
        write_text(options.out, json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
