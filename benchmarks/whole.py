"""Measurements of whole dubs: the chain of all stages, and dubs from file to file, each in a process of its own that prints a line
of JSON."""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from inspect import isfunction
from itertools import count, cycle, product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from avcore.arrays import Floats
from avcore.compute.memory import keep_freed_memory
from avcore.contracts import Hypothesis, Translation
from avcore.decoding.beam import SearchRules
from avcore.files import private_folder
from avcore.media import VideoWriter, probe, read_frames, read_sound
from avcore.timeline import seconds_to_samples
from avcore.units import Ids, Units
from benchmarks import material, sides
from benchmarks.material import STAGES
from benchmarks.stages import Ledger, run_json

DEMO = Path(__file__).resolve().parent.parent / "docs" / "clip" / "clip.mp4"
HEIGHT = 720
_LOUD = 0.05
"""Level from which the clip's sound counts as speech, as a share of its loudest sample."""
QUICK_BEAM = 5


def clip(seconds: float, folder: Path) -> Path:
    """Return a clip of a length (s) in a folder, with sentences as long as a talk's; make it if it is missing."""
    path = folder / f"clip{seconds:g}.mp4"
    if not path.exists():
        import cv2  # not needed for chains

        info, (samples, rate) = probe(DEMO), read_sound(DEMO)
        size = round(info.width * HEIGHT / info.height), HEIGHT
        shown = [np.asarray(cv2.resize(frame.rgb, size), np.uint8) for frame in read_frames(DEMO)]

        with VideoWriter(path, *size, info.frame_rate, rate, samples.shape[1], preset="ultrafast", crf=20) as writer:
            for number, rgb in zip(count(), cycle(shown), strict=False):
                if (time := Fraction(number) / Fraction(info.frame_rate)) >= seconds:
                    break
                writer.write_rgb(rgb, time)
            writer.write_sound(talk(samples, rate, seconds))
    return path


def talk(samples: Floats, rate: int, seconds: float) -> Floats:
    """Repeat a clip's speech, float32 [S, channels], as sentences as long as a talk's, with a pause after each."""
    loud = np.flatnonzero(np.abs(samples).max(1) > _LOUD * np.abs(samples).max())
    spoken, quiet = samples[loud[0] : loud[-1]], samples[: loud[0]]
    parts = [
        np.resize(part, (seconds_to_samples(length, rate), samples.shape[1]))  # numpy's resize repeats
        for sentence in material.sentences(seconds)
        for part, length in ((spoken, sentence), (quiet, material.PAUSE_S))
    ]
    return np.resize(np.concatenate(parts), (seconds_to_samples(seconds, rate), samples.shape[1]))


_OFTEN_S = 5.0
"""Dubs up to this length are measured `rounds` times, longer ones once."""


def measure_chain(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure all stages one after the other in one process."""
    for turn in range(1, options.rounds + 1):
        for who, precision in [("published", "float32"), *(("ours", precision) for precision in options.precisions)]:
            name = who if who != "ours" else f"ours, {precision}"
            run = ledger.point(f"{name}, round {turn}", partial(run_json, _whole("chain", who, folder, precision), 1))
            print(f"chain, {name}: " + ", ".join(f"{part} {value:.2f}" for part, value in run.items()))


def measure_dub(options: argparse.Namespace, folder: Path, scratch: Path, ledger: Ledger) -> None:
    """Measure dubs with all threads: with the last precision at all lengths, also with a smaller beam; with the others up to
    `--dub-float32-s`. Short clips are measured several times."""
    last = options.precisions[-1]
    for seconds, (precision, beam) in product(
        sorted(options.lengths), [(one, None) for one in options.precisions] + [(last, QUICK_BEAM)]
    ):
        if seconds > options.dub_float32_s and precision != last:
            continue
        for turn in range(1, options.rounds + 1 if seconds <= _OFTEN_S and precision == last else 2):
            name = f"{seconds:g} s, {precision}{f', --beam {beam}' if beam else ''}, round {turn}"
            run = ledger.point(name, partial(_dub, seconds, precision, beam, options, folder))
            print(f"dub, {name}: wall {run['wall_s']:.1f} s, CPU {run['cpu_s']:.1f} s, peak {run['peak_mib']:.0f} MiB", flush=True)


def _dub(seconds: float, precision: str, beam: int | None, options: argparse.Namespace, folder: Path) -> dict:
    words = ["--video", str(clip(seconds, options.clips)), "--threads", str(options.dub_threads), "--device", options.device]
    words += ["--beam", str(beam)] if beam else []
    run = run_json([*_whole("dub", "ours", folder, precision), *words], options.dub_threads)
    return run | {"precision": precision, "seconds": seconds, "beam": beam}


def _whole(what: str, who: str, folder: Path, precision: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.whole", what, who, "--folder", str(folder), "--precision", precision]


CHAIN_S, CHAIN_STEPS = 5.0, 150
_SIDES = {
    "ours": ("ours", "ours", "ours", "ours"),
    "reference": ("reference", "reference", "reference", "reference"),
    "published": ("reference", "fairseq", "reference", "published"),
}
"""The side of each stage in a chain, in the order of `STAGES`."""
_WINDOWS = 3
"""Windows of 10 frames that the published renderer draws at once here: with gradients more do not fit in memory."""


def published_lips(folder: Path, seconds: float, precision: str) -> sides.Run:
    """Return the face renderer as the published command runs it, with the memory for gradients."""
    model, windows, faces = sides.reference_face(folder, seconds)
    draw = type(model).forward.__wrapped__  # the method without its torch.no_grad

    def run() -> None:
        for start in range(0, len(windows), _WINDOWS):
            draw(model, windows[start : start + _WINDOWS], faces()[10 * start : 10 * (start + _WINDOWS)])

    return run


def chain(who: str, folder: Path, precision: str) -> dict[str, float]:
    """Measure the CPU seconds of the four stages, one after the other, on 5 s of media and 150 steps of the search.

    Ours keeps freed memory, as every netflips command does; the published commands do not change the allocator.
    """
    if who == "ours":
        keep_freed_memory()
    amounts = {"av2unit": CHAIN_S, "unit2unit": CHAIN_STEPS, "vocoder": CHAIN_S, "lips": CHAIN_S}
    seconds = {}

    for stage, side in zip(STAGES, _SIDES[who], strict=True):
        prepare = published_lips if side == "published" else sides.RUNS[stage, side]
        run = prepare(folder, amounts[stage], precision)
        spent = time.process_time()
        run()
        seconds[stage] = time.process_time() - spent
    return seconds


def timed_dub(video: Path, folder: Path, precision: str, beam: int | None, device: str = "cpu") -> dict[str, float]:
    """Measure a dub from file to file as users run it: wall and CPU seconds, those of its steps and of the report's stages, and the
    amount of search (`like_speech`)."""
    from netflips.dubbing.dub import dub as dub_video
    from netflips.dubbing.options import DubOptions
    from netflips.model_paths import ModelPaths, RunOptions
    from netflips.models import load_models
    from recipes.demo.random.random_checkpoints import KOREAN_TRANSLATOR, RENDERER, UNIT_ENCODER

    keep_freed_memory()
    begun, spent = time.perf_counter(), _cpu_s()
    paths = ModelPaths(folder / UNIT_ENCODER, folder / KOREAN_TRANSLATOR, folder / RENDERER)
    models = load_models(paths, "en", "ko", RunOptions(device, precision, unloads=True))  # as the command does
    loaded = time.perf_counter() - begun
    with private_folder() as scratch, like_speech() as searched, seconds_of_steps() as taken:
        report = dub_video(video, scratch / "out.mp4", models, DubOptions(beam=beam), decide=lambda quality: None)
    found = {"wall_s": time.perf_counter() - begun, "cpu_s": _cpu_s() - spent, "load_s": loaded, "media_s": report.input_s}
    found |= {"sentences": len(searched), "steps": sum(searched)}
    found |= {f"wall {name}": wall for name, (wall, _) in taken.items()} | {f"cpu {name}": cpu for name, (_, cpu) in taken.items()}
    return found | {f"stage {stage.name}": stage.seconds for stage in report.result.timings}


@contextmanager
def seconds_of_steps() -> Iterator[dict[str, tuple[float, float]]]:
    """Measure the steps of a dub; yields their wall and CPU seconds by name, which say how many cores a step keeps busy."""
    import netflips.dubbing.dub as page
    from netflips.dubbing.roads.units import UnitRoad

    taken: dict[str, tuple[float, float]] = {}

    def measured(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*given: Any) -> Any:
            begun, spent = time.perf_counter(), _cpu_s()
            try:
                return step(*given)
            finally:
                taken[name] = time.perf_counter() - begun, _cpu_s() - spent

        return take

    steps = {name: one for name, one in vars(page).items() if isfunction(one) and one.__module__.startswith("netflips.dubbing.")}
    with (
        patch.multiple(page, **{name: measured(name, one) for name, one in steps.items() if name not in ("dub", "road_of")}),
        patch.object(UnitRoad, "understand", measured("understand", UnitRoad.understand)),
    ):
        yield taken


@contextmanager
def like_speech() -> Iterator[list[int]]:
    """Let random models translate as many units as real speech has; yields a list, to which each search adds its steps.

    A random encoder finds another unit in nearly every step, and a random translator hardly ever ends a sentence. So a source gets
    as many units as speech of its length, and each search ends at Ko-X's ratio. This is no limit set by the user: sentences are
    batched as usual, by the expected length of a source, and each step does the usual work.
    """
    from unit2unit import translator

    translate, search, steps = translator.UnitTranslator.translate_batch, translator.search_beams, list[int]()

    def of_speech(self: translator.UnitTranslator, sequences: Sequence[Units], *given: Any) -> list[Translation]:
        return translate(self, [material.spoken(units) for units in sequences], *given)

    def ended(
        model: Any, tokens: Sequence[Ids], settings: Any, rules: Sequence[SearchRules], *given: Any
    ) -> list[list[Hypothesis]]:
        ends = [min(round(material.KOX_RATIO * len(one)), rule.limit) for one, rule in zip(tokens, rules, strict=True)]
        steps.extend(ends)
        rules = [replace(rule, limit=end) for end, rule in zip(ends, rules, strict=True)]
        return search(model, tokens, settings, rules, *given)

    with patch.object(translator.UnitTranslator, "translate_batch", of_speech), patch.object(translator, "search_beams", ended):
        yield steps


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Run a chain or a dub, and print its figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("chain", "dub"))
    parser.add_argument("who", choices=("ours", "reference", "published"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--video", type=Path, help="for dub")
    parser.add_argument("--beam", type=int, help="for dub (default: as the checkpoint says)")
    parser.add_argument("--device", default="cpu", help="for dub")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    if options.what == "dub":
        found = timed_dub(options.video, options.folder, options.precision, options.beam, options.device)
    else:
        found = chain(options.who, options.folder, options.precision)
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.device != "cpu":
        found["gpu_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
