"""Colours and styles of a drawn person, all from one seed."""

from dataclasses import dataclass

import numpy as np

from avcore.arrays import Floats, floats

Colour = Floats
"""float32 [3], red, green, blue, 0 to 1."""

_SKINS = ((0.96, 0.80, 0.70), (0.91, 0.71, 0.58), (0.82, 0.61, 0.46), (0.66, 0.46, 0.34), (0.46, 0.31, 0.23), (0.34, 0.23, 0.18))
_HAIRS = ((0.09, 0.07, 0.06), (0.17, 0.11, 0.08), (0.30, 0.19, 0.12), (0.45, 0.31, 0.18), (0.66, 0.50, 0.30), (0.55, 0.54, 0.53))
_IRISES = ((0.27, 0.17, 0.10), (0.36, 0.24, 0.14), (0.33, 0.36, 0.24), (0.30, 0.40, 0.50))
_CLOTHES = ((0.22, 0.27, 0.42), (0.45, 0.18, 0.20), (0.20, 0.33, 0.28), (0.62, 0.60, 0.56), (0.17, 0.17, 0.19), (0.50, 0.42, 0.60))
_WALLS = ((0.62, 0.66, 0.70), (0.42, 0.48, 0.55), (0.70, 0.65, 0.58), (0.36, 0.42, 0.40), (0.55, 0.50, 0.56), (0.25, 0.29, 0.35))


@dataclass(frozen=True)
class Looks:
    """What a person looks like, apart from the shape of the head."""

    skin: Colour
    lips: Colour
    hair: Colour
    iris: Colour
    clothes: Colour
    wall: Colour
    has_long_hair: bool
    hairline: float
    """Where hair begins on the forehead, as a share of the way from its middle to the outline of the face."""
    parting: float
    """Side of the parting, -1 to 1."""
    stubble: float
    blush: float
    folds: float
    """Depth of the lines of age, 0 to 1."""
    brows: float
    """Thickness of the brows, around 1."""
    light: Floats
    """float32 [3], unit vector towards the light."""
    key: Colour
    ambient: Colour


def make_looks(rng: np.random.Generator) -> Looks:
    """Choose colours and styles that go together."""
    tone = float(rng.uniform(0, len(_SKINS) - 1))
    skin = np.clip(_between(_SKINS, tone) * floats(rng.uniform(0.96, 1.04, 3)), 0, 1)
    darkest = 2 if tone > 2.5 else len(_HAIRS) - 1
    has_long_hair = bool(rng.random() < 0.5)
    warmth = float(rng.uniform(-0.06, 0.06))
    light = np.array([rng.uniform(-0.75, 0.75), rng.uniform(-0.75, -0.3), -1.0])
    return Looks(
        skin=skin,
        lips=np.clip(skin * floats([0.86, 0.60, 0.60]) + floats([0.04, 0.0, 0.01]) * float(rng.uniform(0, 2)), 0, 1),
        hair=_between(_HAIRS, float(rng.uniform(0, darkest))),
        iris=_between(_IRISES, float(rng.uniform(0, 1 if tone > 2.5 else len(_IRISES) - 1))),
        clothes=_pick(_CLOTHES, rng),
        wall=_pick(_WALLS, rng),
        has_long_hair=has_long_hair,
        hairline=float(rng.uniform(0.84, 0.97)),
        parting=float(rng.uniform(-1, 1)),
        stubble=0.0 if has_long_hair else float(rng.uniform(0, 0.8)),
        blush=float(rng.uniform(0.3, 1)),
        folds=float(rng.uniform(0.1, 0.8)),
        brows=float(rng.uniform(0.75, 1.25)),
        light=floats(light / np.linalg.norm(light)),
        key=floats([0.70 + warmth, 0.70, 0.70 - warmth]) * float(rng.uniform(0.9, 1.1)),
        ambient=floats([0.34 - warmth, 0.34, 0.35 + warmth]) * float(rng.uniform(0.9, 1.15)),
    )


def _between(colours: tuple[tuple[float, float, float], ...], place: float) -> Colour:
    """Return a colour of a scale, mixed from the two nearest."""
    first = min(int(place), len(colours) - 2)
    one, other = floats(colours[first]), floats(colours[first + 1])
    return one + (other - one) * (place - first)


def _pick(colours: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> Colour:
    colour = floats(colours[int(rng.integers(len(colours)))])
    return floats(np.clip(colour * rng.uniform(0.85, 1.15, 3), 0, 1))
