"""Clips of drawn heads for tests of faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from avcore.media import Frame
from avcore.timeline import frames_to_seconds
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion


@cache
def head_of(seed: int) -> Head:
    """A head that tests share: to paint its skin takes as long as to draw fifty frames of it."""
    return Head(seed)


@dataclass(frozen=True)
class Actor:
    """A head in a clip. rate: openings of the mouth a second, 0 = silent; frames: frames it is in."""

    seed: int
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 0.4
    rate: float = 3.0
    frames: range = range(10_000)


def clip(actors: Sequence[Actor], num_frames: int, size: tuple[int, int] = (256, 256)) -> Iterator[Frame]:
    """Draw actors who move and talk, before a plain wall."""
    heads = [head_of(actor.seed) for actor in actors]
    moves = [motion(actor.seed, num_frames, Pose(scale=actor.scale, shift=actor.shift)) for actor in actors]
    wall = np.full((*size, 3), 120, dtype=np.uint8)
    for frame in range(num_frames):
        image = wall
        for actor, head, move in zip(actors, heads, moves, strict=True):
            if frame in actor.frames:
                image = draw(head, move[frame], MouthShape(opening(actor, frame)), onto=image)
        yield Frame(image, frames_to_seconds(frame), frame)


def opening(actor: Actor, frame: int) -> float:
    return 0.4 - 0.4 * float(np.cos(2 * np.pi * actor.rate * float(frames_to_seconds(frame))))
