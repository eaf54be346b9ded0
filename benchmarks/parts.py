"""What is measured beside the stages: the chain, and dubs from file to file."""

import argparse
import sys
from fractions import Fraction
from functools import partial
from itertools import count, cycle, product
from pathlib import Path

import cv2
import numpy as np

from avcore.media import VideoWriter, probe, read_pictures, read_sound
from avcore.timeline import seconds_to_samples
from benchmarks.ledger import Ledger
from benchmarks.sides import run_json

DEMO = Path(__file__).resolve().parent.parent / "demo" / "clip.mp4"
HEIGHT = 720


def clip(seconds: float, folder: Path) -> Path:
    """Return a clip of a length (s) in a folder; it is made when it is not there."""
    path = folder / f"clip{seconds:g}.mp4"
    if not path.exists():
        _write(path, seconds)
    return path


def _write(path: Path, seconds: float) -> None:
    info, (samples, rate) = probe(DEMO), read_sound(DEMO)
    size = round(info.width * HEIGHT / info.height), HEIGHT
    shown = [np.asarray(cv2.resize(picture.rgb, size), np.uint8) for picture in read_pictures(DEMO)]
    sound = np.resize(samples, (seconds_to_samples(seconds, rate), samples.shape[1]))  # numpy's resize repeats
    with VideoWriter(path, *size, info.frame_rate, rate, samples.shape[1], preset="ultrafast", crf=20) as writer:
        for number, rgb in zip(count(), cycle(shown), strict=False):
            if (time := Fraction(number) / Fraction(info.frame_rate)) >= seconds:
                break
            writer.write_picture(rgb, time)
        writer.write_sound(sound)


_OFTEN_S = 5.0
"""Dubs up to this length are measured `rounds` times, longer ones once."""


def measure_chain(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure all stages in a row in one process."""
    for turn in range(1, options.rounds + 1):
        for who, precision in [("published", "float32"), *(("ours", precision) for precision in options.precisions)]:
            name = who if who != "ours" else f"ours, {precision}"
            run = ledger.point(f"{name}, round {turn}", partial(run_json, _whole("chain", who, folder, precision), 1))
            print(f"chain, {name}: " + ", ".join(f"{part} {value:.2f}" for part, value in run.items()))


def measure_dub(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure dubs with all threads; the last precision at all lengths, the others up to 10 s, short clips several times."""
    for seconds, precision in product(sorted(options.lengths), options.precisions):
        is_last = precision == options.precisions[-1]
        if seconds > options.dub_float32_s and not is_last:
            continue
        for turn in range(1, options.rounds + 1 if seconds <= _OFTEN_S and is_last else 2):
            name = f"{seconds:g} s, {precision}, round {turn}"
            run = ledger.point(name, partial(_dub, seconds, precision, options, folder))
            print(f"dub, {name}: wall {run['wall_s']:.1f} s, CPU {run['cpu_s']:.1f} s, peak {run['peak_mib']:.0f} MiB", flush=True)


def _dub(seconds: float, precision: str, options: argparse.Namespace, folder: Path) -> dict:
    words = ["--video", str(clip(seconds, options.clips)), "--threads", str(options.dub_threads), "--device", options.device]
    run = run_json([*_whole("dub", "ours", folder, precision), *words], options.dub_threads)
    return run | {"precision": precision, "seconds": seconds}


def _whole(what: str, who: str, folder: Path, precision: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.whole", what, who, "--folder", str(folder), "--precision", precision]
