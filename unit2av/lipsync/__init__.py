"""Lip sync: the interface of backends that move the lips of faces to new speech.

There are four: by units with the face renderer, by sound with Wav2Lip's network (both in `unit2av.lipsync.patches`), by moving the
person's own pixels (`unit2av.lipsync.mesh.lip_sync`), and by a program of the user (`unit2av.lipsync.program`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels, Samples
from avcore.errors import InputError
from avcore.faces.geometry import Box, Landmarks
from avcore.timeline import Seconds, frames_to_units, units_to_samples
from avcore.units import Units

RENDERING = 17
"""Raised whenever a backend draws the same input in another way, so that kept frames are made anew."""
LIPS_WITH = "--lips-with"


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

    def silenced(self) -> Samples:
        """Return the sound with digital silence where there is no speech, float32 [S]. Raises InputError where there is none.

        A network would draw the noise of a pause as quivering lips; digital silence is the same everywhere.
        """
        if self.samples is None:
            raise InputError("there is no sound to move the lips", expected="float32 [samples] at 16 kHz")
        if self.quiet is None:
            return self.samples
        samples = self.samples.copy()
        for frame in np.flatnonzero(self.quiet).tolist():
            start, stop = (units_to_samples(frames_to_units(edge)) for edge in (frame, frame + 1))
            samples[start:stop] = 0
        return samples


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
    source: Seconds | None = None
    """when the frame is shown in the footage that it is from (s); None: it was made"""
    face: int = 0
    """number of the face in that footage"""


class LipSync(Protocol):
    """Moves lips. name: its name for --lips. needs_units, needs_sound: the fields of `SpokenUnits` that it needs.

    needs_whole: whether it reads or changes more of a frame than the box; if not, a scene may show the box alone.
    """

    name: str
    needs_units: bool
    needs_sound: bool
    needs_whole: bool

    def codes(self, spoken: SpokenUnits) -> Any:
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

    def codes(self, spoken: SpokenUnits) -> None:
        """Return nothing: no lips move."""

    def draw(self, codes: None, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """Return the scenes' frames."""
        return (scene.rgb for scene in scenes)


@runtime_checkable
class TwoPassLipSync(LipSync, Protocol):
    """A backend that sees all frames of a talk before it draws the first of them."""

    def first_pass(self, codes: Any, scenes: Iterable[Scene], folder: Path) -> Any:
        """Look at the scenes that will be drawn, as a stream, and return what `draw` takes in place of the codes.

        folder: an empty one for files that `draw` reads; it is deleted afterwards. Raises DrawError if the lips of this talk cannot
        be drawn, and InputError if none can.
        """


@runtime_checkable
class FootageLipSync(LipSync, Protocol):
    """A backend that gets to know the people of the footage before it draws them.

    most_mouths: how many pictures of mouths it wants of a person, over all footage.
    """

    most_mouths: int

    def look(self, scenes: Iterable[Scene], quota: int, own: tuple[Seconds, Seconds] | None = None) -> Any:
        """Follow the faces of some seconds of the source (`Scene.source`, `Scene.face`), and return what is kept of them, a stretch
        in this backend's own form.

        quota: pictures of mouths to keep. own: times of the source (s) from which and before which frames are kept; others only
        help."""

    def acquaint(self, seen: Sequence[tuple[Callable[[], Any], Sequence[int]]]) -> Any:
        """Return what is known of a person. seen: what returns each stretch with the person, and the person's faces in it."""

    def misses(self, person: Any, seen: Any, face: int) -> str:
        """Return what is missing of a person to show a face of a stretch; "": nothing.

        "few": mouths; "still": one that speaks; "open": a closed one; "unlike": such as the speech needs, from there. Then the
        person's own lips are moved.
        """

    def on_footage(self, codes: Any, stretch_at: Callable[[Seconds], Any], person: Callable[[int], Any]) -> Any:
        """Return what `draw` takes in place of the codes.

        stretch_at: returns the stretch at a time of the source (s). person: returns who a face is, as from `acquaint`.
        """


class DrawError(InputError):
    """The lips of one talk cannot be drawn."""
