"""What a mouth is: something that moves the lips of faces in pictures to what is said.

Three do it: by units with the face renderer and by sound with Wav2Lip's network (both in `unit2av.lipsync.patches`), and by moving
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
"""Counts up whenever a mouth draws the same otherwise, so that pictures kept from before are made anew."""


@dataclass(frozen=True, eq=False)
class SpokenUnits:
    """What the lips shall say.

    units: with durations; None where a mouth needs none. samples: the sound of it, float32 [S] at 16 kHz; None where a mouth needs
    none. Both begin at time 0. quiet: bool [n], each 40 ms in which nothing is said: there, and after the speech, the mouth rests
    without quivering; None = not known. rest: the unit of silence; None = the last unit.
    """

    units: Units | None = None
    samples: Samples | None = None
    quiet: NDArray[np.bool_] | None = None
    rest: int | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture to be shown.

    rgb: uint8 [height, width, 3]. box: where the speaker's face is; None leaves the picture as it is. time: when it is
    shown, in seconds since the speech began. shot: pictures of different shots have different numbers. mesh: landmarks of the
    face, where they are known already. strength: how much of the new mouth is there, above 0, at most 1. cover: the share of the
    lips that is hidden, where that is known already.
    """

    rgb: Pixels
    box: Box | None
    time: Seconds
    shot: int = 0
    mesh: Landmarks | None = None
    strength: float = 1.0
    cover: float | None = None


class LipSync(Protocol):
    """Moves lips. name: as --lips has it; needs_units, needs_sound: what of `SpokenUnits` must be there.

    needs_whole: whether more of a picture is looked at or changed than lies within the box; where not, a scene may show that
    alone.
    """

    name: str
    needs_units: bool
    needs_sound: bool
    needs_whole: bool

    def codes(self, said: SpokenUnits) -> Any:
        """Return what the lips do over the time of the speech, as this mouth's `draw` takes it. Raises UnitError, VocabularyError
        or InputError for speech that it cannot say."""

    def draw(self, codes: Any, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """Return the scenes' pictures, uint8 [height, width, 3], in order, their faces with lips that say what the codes are of.

        Scenes are read some way ahead and never all at once. Pictures without a box are given back as they are.
        """
