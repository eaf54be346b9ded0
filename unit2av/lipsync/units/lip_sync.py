"""The mouth that is drawn from units by the face renderer, 96 x 96 pixels, as published."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.arrays import Pixels
from avcore.errors import UnitError
from avcore.faces.crop import paste_face
from avcore.timeline import Seconds, frames_to_units, units_to_frames
from avcore.units import Units
from unit2av.face.talking import Paste, drawn_pictures
from unit2av.lipsync.lip_sync import Said, Scene
from unit2av.renderer import BATCH_PICTURES, LipRenderer, first_row_of

_HALF_WINDOW = 5
"""Codes are made in windows of 10; the middle of one that holds a single unit is that unit's own shape."""


class UnitLipSync:
    """A `Mouth` over a face renderer. paste: how patches are put into pictures; batch_size: pictures drawn together.

    upper: share of a patch, from its top, that `paste` makes no use of, and that is not drawn.
    """

    name, needs_units, needs_sound, needs_whole = "units", True, False, False

    def __init__(
        self, renderer: LipRenderer, paste: Paste = paste_face, batch_size: int = BATCH_PICTURES, upper: float = 0.0
    ) -> None:
        self._renderer, self._paste, self._batch_size = renderer, paste, batch_size
        self._first_row = first_row_of(upper)

    def codes(self, said: Said) -> Tensor:
        """Return one code a picture of 40 ms, float32 [n, width]; see `LipRenderer.codes`."""
        if said.units is None or not len(said.units):
            raise UnitError("there are no units to move the lips", expected="1 unit or more", found="0")
        if said.quiet is None:
            return self._renderer.codes(said.units)
        return resting_codes(self._renderer, said.units, said.quiet, said.rest)

    def draw(self, codes: Tensor, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """See `Mouth.draw`; codes: float [n, width], one for each 40 ms."""
        return drawn_pictures(partial(self._drawn, codes), scenes, self._paste, self._batch_size)

    def _drawn(self, codes: Tensor, faces: Sequence[Pixels], times: Sequence[Seconds]) -> Pixels:
        return self._renderer.draw(codes, faces, times, self._first_row)


def resting_codes(renderer: LipRenderer, said: Units, quiet: NDArray[np.bool_], rest: int | None) -> Tensor:
    """Codes [T, width] of a mouth that takes one shape where it is quiet, and keeps it; the last of them is that shape.

    said: units with durations. quiet: bool [n]. rest: the unit of silence; None = the last unit said.
    """
    codes = renderer.codes(said)[: max(units_to_frames(said.num_steps), 1)].clone()
    silence = int(said.ids[-1]) if rest is None or rest >= renderer.num_units else rest
    still = Units.from_frames(np.full(frames_to_units(2 * _HALF_WINDOW), silence), said.language, said.vocabulary)
    resting = renderer.codes(still)[_HALF_WINDOW]
    silent = torch.from_numpy(quiet[: len(codes)].copy()).to(codes.device)
    codes[: len(silent)][silent] = resting
    return torch.cat([codes, resting[None]])
