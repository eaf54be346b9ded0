"""Clips that can be learnt from: each unit is a sound and a shape of the mouth. `python -m tests.av2unit.made_clips FOLDER`."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Frames
from avcore.data.manifest import Entry, write_manifest
from avcore.data.unit_store import UnitRow, write_units
from avcore.media import write_lip_video, write_speech
from avcore.units import Units

NUM_UNITS = 6
VOCABULARY = "sha256:0123456789abcdef"


@dataclass(frozen=True)
class MadeClip:
    id: str
    units: NDArray[np.int64]
    speech: Floats
    lips: Frames


def make_clip(name: str, frames: int, rng: np.random.Generator, side: int = 96) -> MadeClip:
    """Units that last 80 to 220 ms, any number of steps: some frames have two different units."""
    units: list[int] = []
    while len(units) < 2 * frames:
        unit = int(rng.integers(NUM_UNITS))
        units += [unit] * int(rng.integers(4, 12))
    row = np.array(units[: 2 * frames])
    return MadeClip(name, row, sound_of(row, rng), lips_of(row, rng, side))


def sound_of(units: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Two formants a unit, 20 ms each, in a little noise; float32 [samples]."""
    units = np.repeat(units, 320)
    phases = [np.cumsum(2 * np.pi * formant / 16000) for formant in (300 + 150 * units, 2600 - 300 * units)]
    voice = sum(0.2 * np.sin(phase) for phase in phases)
    return (voice + 0.003 * rng.standard_normal(len(units))).astype(np.float32)


def lips_of(units: NDArray[np.int64], rng: np.random.Generator, side: int = 96) -> Frames:
    """An ellipse whose height and width are the mean of the frame's two units', uint8 [time, side, side]."""
    rows, columns = np.mgrid[:side, :side] / side * 2 - 1
    pairs = units.reshape(-1, 2)
    height = 0.1 + 0.17 * (pairs % 3).mean(1)[:, None, None]
    width = 0.3 + 0.33 * (pairs // 3).mean(1)[:, None, None]
    inside = (rows / height) ** 2 + (columns / width) ** 2 < 1
    return np.clip(np.where(inside, 50, 160) + rng.integers(-8, 8, inside.shape), 0, 255).astype(np.uint8)


def share_in_order(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """Of frames whose two units differ, the share of those found as they are among those found so or the other way round.

    found, wanted: units of all frames, int64 [2 * time]. Below a half, even and odd units are swapped.
    """
    found, wanted = found.reshape(-1, 2), wanted.reshape(-1, 2)
    differ = wanted[:, 0] != wanted[:, 1]
    as_they_are, reversed_ = (int((found == one).all(1)[differ].sum()) for one in (wanted, wanted[:, ::-1]))
    assert as_they_are + reversed_ >= 3, "too few frames with two units say nothing"
    return as_they_are / (as_they_are + reversed_)


def write_corpus(
    folder: Path, count: int = 48, seed: int = 0, frames: tuple[int, int] = (18, 40), side: int = 96
) -> list[MadeClip]:
    """Write `train` and `valid`: JSON lines with units, the published .tsv and .km, and noises. Lips are videos, some .npy."""
    rng = np.random.default_rng(seed)
    clips = [make_clip(f"clip{number:03d}", int(rng.integers(*frames)), rng, side) for number in range(count)]
    for place, clip in enumerate(clips):
        write_speech(folder / "audio" / f"{clip.id}.wav", clip.speech)
        if place % 8 == 3:
            (folder / "lips").mkdir(exist_ok=True, parents=True)
            np.save(folder / "lips" / f"{clip.id}.npy", clip.lips)
        else:
            write_lip_video(folder / "lips" / f"{clip.id}.mp4", clip.lips)
    for number in range(3):
        write_speech(folder / "noise" / f"noise{number}.wav", 0.1 * rng.standard_normal(16000 * (number + 1)).astype(np.float32))
    held = max(2, count // 8)
    write_split(folder, "train", clips[:-held])
    write_split(folder, "valid", clips[-held:])
    (folder / "dict.km.txt").write_text("".join(f"{unit} 1\n" for unit in range(NUM_UNITS)))
    return clips


def write_split(folder: Path, split: str, clips: list[MadeClip]) -> None:
    entries = [
        Entry(clip.id, f"audio/{clip.id}.wav", lips=lips_name(folder, clip), frames=len(clip.lips), samples=len(clip.speech))
        for clip in clips
    ]
    write_manifest(folder / f"{split}.jsonl", entries)
    write_units(
        folder / f"{split}.units.jsonl", [UnitRow(clip.id, Units.from_frames(clip.units, "en", VOCABULARY), {}) for clip in clips]
    )
    rows = ["\t".join([one.id, one.lips, str(folder / one.audio), str(one.frames), str(one.samples)]) for one in entries]
    (folder / f"{split}.tsv").write_text("\n".join([str(folder), *rows]) + "\n")
    for head, name in enumerate(("even", "odd")):
        lines = [" ".join(map(str, clip.units[head::2])) for clip in clips]
        (folder / f"{split}.{name}.km").write_text("\n".join(lines) + "\n")


def lips_name(folder: Path, clip: MadeClip) -> str:
    return next(f"lips/{clip.id}{suffix}" for suffix in (".npy", ".mp4") if (folder / "lips" / f"{clip.id}{suffix}").exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=48)
    made = write_corpus(**vars(parser.parse_args()))
    print(json.dumps({"clips": len(made), "seconds": sum(len(clip.lips) for clip in made) / 25}))
