"""Steps a second of each trainer, and the share of time it waits for data: `python -m benchmarks.train [--published]`.

Made data: the content costs nothing, the sizes do. Debug size runs the debug configs; --published builds the published
layers and does a few steps of a small batch (minutes and up to 16 GB on a CPU).
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from avcore.files import private_folder
from avcore.media import write_lip_video, write_speech
from avcore.timeline import frames_to_units
from avcore.units import Units
from avdata.manifest import Entry, write_manifest
from avdata.unit_store import UnitRow, write_units
from avtrain.checkpoints import read_state
from benchmarks import material
from unit2av.drawn_lips import draw_corpus
from unit2av.tones import sing_corpus

STEPS = {"debug": 100, "published": 3}
_CLIPS, _FRAMES = 24, 50


def make_talk(folder: Path) -> None:
    """Noise clips with lips and frame labels of 8 units."""
    entries, rows = [], []
    generator = np.random.default_rng(0)
    for number in range(_CLIPS):
        name, seconds = f"clip{number:03d}", _FRAMES / 25
        write_speech(folder / f"{name}.wav", material.speech(seconds))
        write_lip_video(folder / f"{name}.mp4", material.lips(seconds))
        entries.append(Entry(name, audio=f"{name}.wav", lips=f"{name}.mp4", frames=_FRAMES, duration_s=seconds))
        rows.append(UnitRow(name, Units.from_frames(np.repeat(generator.integers(0, 8, _FRAMES // 2), frames_to_units(2))), {}))
    write_manifest(folder / "manifest.jsonl", entries)
    write_units(folder / "units.jsonl", rows)


def runs(folder: Path, size: str) -> dict[str, list[str]]:
    """Commands of the trainers on made data, by name."""
    make_talk(folder / "talk")
    tones = sing_corpus(folder / "tones")
    drawn = draw_corpus(folder / "drawn", clips=_CLIPS, frames=_FRAMES)
    end = "_debug" if size == "debug" else ""
    talk = [f"data.train={folder}/talk/manifest.jsonl", f"data.train_labels=[{folder}/talk/units.jsonl]"]
    sung = [f"data.train={tones.manifest}", f"data.units={tones.units}", "data.hold_out=4"]
    shown = [f"data.train={drawn.manifest}", f"data.units={drawn.units}", "data.hold_out=4"]
    small = [] if size == "debug" else ["batch.batch_size=2"]
    return {
        "av2unit.train": ["--config", f"av2unit/train{end}", *talk, *(["batch.max_length_sum=100"] if small else [])],
        "unit2av.train_unit2a": ["--config", f"unit2av/unit2a{end}", *sung, *small, *(["model.speaker_dim=16"] if small else [])],
        "unit2av.train_sync": ["--config", f"unit2av/sync{end}", *shown, *small],
        "unit2av.train_unit2v": ["--config", f"unit2av/unit2v{end}", *shown, *small, *(["losses.sync=0"] if small else [])],
    }


def measure(module: str, arguments: list[str], run_dir: Path, steps: int) -> str:
    """Run a trainer and return its row of the table."""
    settings = [f"run_dir={run_dir}", f"loop.max_steps={steps}", "loop.num_workers=2", "loop.device=cpu"]
    settings += [f"loop.{name}_every={steps}" for name in ("save", "validate", "log")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", module, *arguments, *settings, "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"| {module} | failed: {done.stderr.strip().splitlines()[-1]} | |"
    position = read_state(run_dir / "checkpoints" / "last.pt")["position"]
    return f"| {module} | {position['step'] / position['seconds']:.2f} | {position['waited'] / position['seconds']:.1%} |"


def main() -> None:
    """Measure all trainers of our loop and print a table (the translator's trainer is fairseq's own)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__)
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--only", nargs="+", help="modules to measure")
    options = parser.parse_args()
    size = "published" if options.published else "debug"
    print(f"{size} size, 1 thread, 2 workers\n\n| trainer | steps a second | waiting for data |\n| --- | --- | --- |")
    with private_folder() as folder:
        for module, arguments in runs(folder, size).items():
            if not options.only or module in options.only:
                print(measure(module, arguments, folder / "runs" / module, STEPS[size]), flush=True)


if __name__ == "__main__":
    main()
