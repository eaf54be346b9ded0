"""Lip sync: the interface of backends that move the lips of faces to new speech.

There are three: by units with the face renderer, by sound with Wav2Lip's network (both in `unit2av.lipsync.patches`), and by moving
the person's own pixels (`unit2av.lipsync.mesh.lip_sync`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels, Samples
from avcore.faces.geometry import Box, Landmarks
from avcore.timeline import Seconds
from avcore.units import Units

RENDERING = 13
"""Raised whenever a backend draws the same input in another way, so that kept frames are made anew."""


@dataclass(frozen=True, eq=False)
class SpokenUnits:
    """The speech that the lips move to. Units and samples begin at time 0."""

    units: Units | None = None
    """with durations; None for a backend that needs none"""
    samples: Samples | None = None
    """their sound, float32 [S] at 16 kHz; None for a backend that needs none"""
    quiet: NDArray[np.bool_] | None = None
    """bool [n], each 40 ms without speech: there, and after the speech, the mouth rests without quivering; None: not known"""
    rest: int | None = None
    """unit of silence; None: the last unit"""


@dataclass(frozen=True, eq=False)
class Scene:
    """A frame to draw."""

    rgb: Pixels
    """uint8 [height, width, 3]"""
    box: Box | None
    """box of the speaker's face; None: the frame stays as it is"""
    time: Seconds
    """when it is shown, in seconds since the speech began"""
    shot: int = 0
    """number of its shot"""
    mesh: Landmarks | None = None
    """landmarks of the face, if they are known already"""
    strength: float = 1.0
    """opacity of the new mouth, above 0, at most 1"""
    cover: float | None = None
    """share of the lips that is hidden, if it is known already"""


class LipSync(Protocol):
    """Moves lips. name: its name for --lips. needs_units, needs_sound: the fields of `SpokenUnits` that it needs.

    needs_whole: whether it reads or changes more of a frame than the box; if not, a scene may show the box alone.
    """

    name: str
    needs_units: bool
    needs_sound: bool
    needs_whole: bool

    def codes(self, said: SpokenUnits) -> Any:
        """Return the lips' movement over the speech, in this backend's own form, for `draw`.

        Raises UnitError, VocabularyError or InputError for speech that it cannot show.
        """

    def draw(self, codes: Any, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """Return the scenes' frames, uint8 [height, width, 3], in order, with lips that move by the codes.

        Scenes are read a little ahead, never all at once. A frame in which nothing is drawn is returned as `Scene.rgb` itself, the
        same array: one without a box, and one whose mouth is hidden, which the caller tells by that. All others are new arrays.
        """


class StillLips:
    """A `LipSync` that draws nothing."""

    name = "none"
    needs_units = needs_sound = needs_whole = False

    def codes(self, said: SpokenUnits) -> None:
        """Return nothing: no lips move."""

    def draw(self, codes: None, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """Return the scenes' frames."""
        return (scene.rgb for scene in scenes)
