"""A small corpus of drawn faces whose mouths follow made-up units: to try the lip trainers without any recordings.

    python -m recipes.made.drawn_lips --out-dir drawn --clips 24

It has the files that the trainers read (see unit2av.face.training.items): videos at 25 fps, their face boxes, a manifest, and
units; with `--sound` also those for training by sound. The faces differ in colour, size and place, and move a little; the mouth of
a frame is the mean of its two units' mouths.
"""

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.data.manifest import Entry, write_manifest
from avcore.data.unit_store import UnitRow, write_units
from avcore.faces.boxes import write_boxes
from avcore.faces.geometry import Box
from avcore.flags import Command, QuietOptions, flag
from avcore.media import VideoWriter, write_speech
from avcore.notes import several
from avcore.timeline import FRAME_RATE, UNITS_PER_FRAME, frames_to_seconds, frames_to_units
from avcore.units import Units, fingerprint
from recipes.made.tones import Singer, sing

LOG = logging.getLogger("netflips.drawn_lips")

NUM_UNITS = 8
VOCABULARY = fingerprint(b"drawn lips", bytes([NUM_UNITS]))
_SIDE = 144
_FINE_BITS = 4
_DURATIONS = (3, 8)
_OPENINGS = 4


@dataclass(frozen=True)
class DrawnCorpus:
    """The files of a drawn corpus."""

    manifest: Path
    units: Path


def draw_corpus(
    folder: str | Path, clips: int = 24, frames: int = 40, faces: int = 1, seed: int = 0, has_sound: bool = False
) -> DrawnCorpus:
    """Draw clips of `frames` frames each, of several faces in turn; returns the corpus's manifest and units.

    has_sound: each clip has a sound file as well, with a tone or a hiss for each unit, for training by sound. The same arguments
    give the same corpus. Existing files are overwritten.
    """
    folder = Path(folder)
    entries, rows = [], []

    for number in range(clips):
        generator = np.random.default_rng((seed, number))
        name = f"drawn_{number:03d}"
        units = random_lip_units(generator, frames_to_units(frames))
        face = _Face.random(np.random.default_rng((seed, clips, number % faces)))
        video = folder / f"{name}.mp4"
        boxes = folder / f"{name}.bbox.pkl"

        shapes = mouths(units)
        centres = list(_path(generator, len(shapes)))
        write_boxes(boxes, [face.box(centre) for centre in centres])
        with VideoWriter(video, _SIDE, _SIDE, FRAME_RATE, crf=12, preset="veryfast") as writer:
            for centre, (opening, width) in zip(centres, shapes, strict=True):
                writer.write_rgb(face.draw(centre, float(opening), float(width)))
        if has_sound:
            write_speech(folder / f"{name}.wav", sing(units, Singer.numbered(0), np.random.default_rng((seed, number))))
        audio, duration_s = f"{name}.wav" if has_sound else "", float(frames_to_seconds(frames))
        entries.append(Entry(name, audio, f"{name}.mp4", boxes=f"{name}.bbox.pkl", frames=frames, duration_s=duration_s))
        rows.append(UnitRow(name, units, {}))

    corpus = DrawnCorpus(folder / "manifest.jsonl", folder / "units.jsonl")
    write_units(corpus.units, rows)
    write_manifest(corpus.manifest, entries)
    return corpus


def random_lip_units(generator: np.random.Generator, steps: int) -> Units:
    """Return units that together last `steps` of 20 ms, each 60 to 160 ms long and different from the one before."""
    ids: list[int] = []
    frames: list[int] = []
    while len(frames) < steps:
        others = [unit for unit in range(NUM_UNITS) if not ids or unit != ids[-1]]
        ids.append(int(generator.choice(others)))
        frames += [ids[-1]] * int(generator.integers(*_DURATIONS, endpoint=True))
    return Units.from_frames(frames[:steps], "en", VOCABULARY)


def mouths(units: Units) -> NDArray[np.float64]:
    """Return opening and width of the mouth in each frame, float [T, 2] in 0..1."""
    shapes = np.array([(unit % _OPENINGS / (_OPENINGS - 1), float(unit >= _OPENINGS)) for unit in range(NUM_UNITS)])
    steps = shapes[units.frames()]
    whole = len(steps) - len(steps) % UNITS_PER_FRAME
    return np.asarray(steps[:whole].reshape(-1, UNITS_PER_FRAME, 2).mean(axis=1))


@dataclass(frozen=True)
class _Face:
    """How one face looks; colours are RGB."""

    side: float
    """side of its box in pixels"""
    skin: tuple[int, int, int]
    lips: tuple[int, int, int]
    ground: tuple[int, int, int]
    """the wall behind it"""

    @classmethod
    def random(cls, generator: np.random.Generator) -> "_Face":
        tone = generator.uniform(0.6, 1.0)
        skin = tuple(int(tone * part) for part in (235, 190, 165))
        lips = tuple(int(tone * part) for part in (190, 80, 85))
        ground = tuple(int(part) for part in generator.integers(20, 120, 3))
        return cls(generator.uniform(80, 100), skin, lips, ground)  # type: ignore[arg-type]

    def draw(self, centre: tuple[float, float], opening: float, width: float) -> Pixels:
        """Draw a frame, uint8 [144, 144, 3], with the face's box around `centre` (x, y)."""
        frame = np.full((_SIDE, _SIDE, 3), self.ground, dtype=np.uint8)
        _ellipse(frame, centre, (0, 0), (0.47 * self.side, 0.56 * self.side), self.skin)

        for x in (-0.2, 0.2):
            _ellipse(frame, centre, (x * self.side, -0.18 * self.side), (0.08 * self.side, 0.045 * self.side), (250, 250, 250))
            _ellipse(frame, centre, (x * self.side, -0.18 * self.side), (0.035 * self.side, 0.04 * self.side), (40, 30, 30))

        shade = tuple(part * 3 // 4 for part in self.skin)
        _ellipse(frame, centre, (0, 0.05 * self.side), (0.05 * self.side, 0.09 * self.side), shade)

        half = ((0.12 + 0.08 * width) * self.side, (0.03 + 0.10 * opening) * self.side)
        _ellipse(frame, centre, (0, 0.27 * self.side), half, self.lips)
        inner = (half[0] - 0.03 * self.side, half[1] - 0.03 * self.side)
        if inner[1] > 0:
            _ellipse(frame, centre, (0, 0.27 * self.side), inner, (45, 20, 20))
        return frame

    def box(self, centre: tuple[float, float]) -> Box:
        """Return the box around the face, float32 [4]."""
        x, y = centre
        return np.array([x - self.side / 2, y - self.side / 2, x + self.side / 2, y + self.side / 2], dtype=np.float32)


def _ellipse(
    frame: Pixels, centre: tuple[float, float], place: tuple[float, float], half: tuple[float, float], colour: tuple[int, ...]
) -> None:
    """Draw a filled ellipse to a sixteenth of a pixel, `place` (x, y) away from `centre`."""
    fine = 1 << _FINE_BITS
    at = tuple(round((here + there) * fine) for here, there in zip(centre, place, strict=True))
    axes = tuple(round(length * fine) for length in half)
    cv2.ellipse(frame, at, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, _FINE_BITS)


def _path(generator: np.random.Generator, frames: int) -> Iterator[tuple[float, float]]:
    """Yield the face's position in each frame, drifting by a pixel or so around a place near the middle."""
    middle = _SIDE / 2 + generator.uniform(-10, 10, 2)
    phase, speed = generator.uniform(0, 2 * np.pi, 2), generator.uniform(0.05, 0.2, 2)
    for frame in range(frames):
        x, y = middle + 1.5 * np.sin(phase + speed * frame)
        yield float(x), float(y)


@dataclass(frozen=True, kw_only=True)
class DrawnOptions(QuietOptions):
    """Draw a small corpus to try the lip trainers with."""

    out_dir: Path = flag()
    """folder for videos, boxes, manifest and units"""
    clips: int = flag(default=24)
    """how many clips (default: 24)"""
    frames: int = flag(default=40)
    """frames a clip, 25 a second (default: 40)"""
    faces: int = flag(default=1)
    """how many different faces (default: 1)"""
    sound: bool = flag(default=False)
    """write sound beside each video: a tone or a hiss for each unit"""
    seed: int = flag(default=0)
    """another seed draws other faces (default: 0)"""


def _draw(options: DrawnOptions) -> None:
    corpus = draw_corpus(options.out_dir, options.clips, options.frames, options.faces, options.seed, options.sound)
    clips, frames = several(options.clips, "clip"), several(options.frames, "frame")
    LOG.info("%s: %s of %s, units in %s", corpus.manifest, clips, frames, corpus.units)


_COMMAND = Command(DrawnOptions, "recipes.made.drawn_lips", _draw)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
