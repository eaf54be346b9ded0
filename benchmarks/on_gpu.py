"""The published size on a GPU beside this machine's CPU: `python -m benchmarks.on_gpu --checkpoints DIR --clips DIR --out FILE`.

Each stage runs in every number format on the GPU and once in float32 on the CPU, which says how far the answers are apart; then
clips are dubbed from file to file. Weights are random, as in `python -m benchmarks`. Prints tables in Markdown.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from av2unit.inference import UnitExtractor
from benchmarks import clips, material
from benchmarks.main_road import source_units
from recipes.demo.random.random_checkpoints import KOREAN_TRANSLATOR, RENDERER, UNIT_ENCODER, write_random_checkpoints
from unit2av.inference_unit2a import UnitVocoder
from unit2av.renderer import LipRenderer
from unit2unit.inference import UnitTranslator
from unit2unit.translator import SearchConfig

Run = Callable[[], NDArray]
PRECISIONS = ("float32", "bfloat16", "float16")
SECONDS, STEPS, ROUNDS = 10.0, 205, 3
"""Of media; of the translator (the median of Ko-X); measured after one more round, which warms up."""


@dataclass(frozen=True)
class StageTime:
    """What one piece of work took. seconds: the median. memory_gib: the most that tensors held on the GPU. apart: from the CPU."""

    work: str
    precision: str
    device: str
    seconds: float
    memory_gib: float
    apart: str


def encoder_runs(folder: Path, device: str, precision: str) -> dict[str, Run]:
    extractor = UnitExtractor.from_checkpoint(folder / UNIT_ENCODER, device, precision)
    speech, lips = material.speech(SECONDS), material.lips(SECONDS)
    return {
        f"units of {SECONDS:g} s": lambda: extractor.extract(speech, lips).frames(),
        f"units of 8 times {SECONDS:g} s": lambda: extractor.extract_batch([speech] * 8, [lips] * 8)[0].frames(),
    }


def translator_runs(folder: Path, device: str, precision: str) -> dict[str, Run]:
    model = UnitTranslator.from_checkpoint(folder / KOREAN_TRANSLATOR, device, precision)
    search = SearchConfig(beam=20, max_len_b=STEPS, min_len=STEPS)
    units = source_units(STEPS)
    return {
        f"translation of {STEPS} units": lambda: model.translate(units, "en", "ko", search).tokens,
        f"translation of 4 times {STEPS} units": lambda: model.translate_batch([units] * 4, "en", "ko", search)[0].tokens,
    }


def vocoder_runs(folder: Path, device: str, precision: str) -> dict[str, Run]:
    model = UnitVocoder.from_checkpoint(folder / RENDERER, "en", device, precision)
    units, voice = material.units(SECONDS), material.voice(model.speaker_dim)
    return {f"speech of {SECONDS:g} s": lambda: model.synthesize(units, voice).samples}


def lip_runs(folder: Path, device: str, precision: str) -> dict[str, Run]:
    renderer = LipRenderer.from_checkpoint(folder / RENDERER, device, precision)
    units, faces = material.units(SECONDS), material.faces(SECONDS)
    return {f"lips of {SECONDS:g} s": lambda: np.concatenate(list(renderer.render(units, faces)))}


STAGES = (encoder_runs, translator_runs, vocoder_runs, lip_runs)


def measure_stages(folder: Path) -> Iterator[StageTime]:
    for stage in STAGES:
        wanted = {}
        for work, run in stage(folder, "cpu", "float32").items():
            begun = time.perf_counter()
            wanted[work] = run()
            yield StageTime(work, "float32", "cpu", time.perf_counter() - begun, 0.0, "")
        for precision in PRECISIONS:
            runs = stage(folder, "cuda", precision)
            for work, run in runs.items():
                torch.cuda.reset_peak_memory_stats()
                found, taken = run(), []
                for _ in range(ROUNDS):
                    torch.cuda.synchronize()
                    begun = time.perf_counter()
                    run()
                    torch.cuda.synchronize()
                    taken.append(time.perf_counter() - begun)
                held = torch.cuda.max_memory_allocated() / 2**30
                yield StageTime(work, precision, "cuda", statistics.median(taken), held, apart(found, wanted[work]))
            del runs, run
            torch.cuda.empty_cache()


def apart(found: NDArray, wanted: NDArray) -> str:
    """Return how far two answers are apart: equal units, the ratio of speech to its error, or levels of pictures."""
    if len(found) != len(wanted):
        return f"{len(found)} beside {len(wanted)}"
    if found.dtype == np.uint8:
        levels = np.abs(found.astype(int) - wanted)
        return f"at most {levels.max()} of 255, {levels.mean():.2g} on average"
    if found.dtype.kind == "i":
        return f"{(found == wanted).mean():.1%} equal"
    noise = np.square(found.astype(float) - wanted).mean() / np.square(wanted.astype(float)).mean()
    return f"{-10 * np.log10(noise + 1e-30):.0f} dB"


def measure_dubs(folder: Path, videos: Path, lengths: list[float]) -> Iterator[dict]:
    """Yield what a dub of each length takes, each in a process of its own, as the command is one."""
    for seconds in lengths:
        video = clips.clip(seconds, videos)
        for precision in ("float32", "auto"):
            command = [sys.executable, "-m", "benchmarks.whole", "dub", "ours", "--folder", str(folder), "--video", str(video)]
            command += ["--precision", precision, "--device", "cuda", "--threads", str(os.cpu_count())]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            yield {"clip_s": seconds, "precision": precision} | json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure, write the results as JSON after each, print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of random checkpoints, made when absent")
    parser.add_argument("--clips", type=Path, required=True, help="folder of made clips, kept")
    parser.add_argument("--size", choices=("tiny", "published"), default="published")
    parser.add_argument("--lengths", nargs="*", type=float, default=[10.0, 60.0], help="seconds of the clips that are dubbed")
    parser.add_argument("--out", type=Path, required=True, help="results, JSON")
    options = parser.parse_args()
    if not (options.checkpoints / RENDERER).exists():
        write_random_checkpoints(options.checkpoints, options.size, only_korean=True)
    found: dict = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "stages": [],
        "dubs": [],
    }
    for row in measure_stages(options.checkpoints):
        print(
            f"| {row.work} | {row.device} | {row.precision} | {row.seconds:.3f} | {row.memory_gib:.2f} | {row.apart} |", flush=True
        )
        found["stages"].append(asdict(row))
        options.out.write_text(json.dumps(found, indent=1))
    for dub in measure_dubs(options.checkpoints, options.clips, options.lengths):
        print(json.dumps(dub), flush=True)
        found["dubs"].append(dub)
        options.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
