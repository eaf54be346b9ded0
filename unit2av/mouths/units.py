"""The mouth that is drawn from units by the face renderer, 96 x 96 pixels, as published."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from avcore.errors import UnitError
from avcore.faces.crop import Picture
from avcore.faces.paste import paste_face
from unit2av.face.talking import Paste, drawn_pictures
from unit2av.mouths.mouth import Said, Scene
from unit2av.renderer import BATCH_PICTURES, LipRenderer


class UnitMouth:
    """A `Mouth` over a face renderer. paste: how patches are put into pictures; batch_size: pictures drawn together."""

    name, needs_units, needs_sound = "units", True, False

    def __init__(self, renderer: LipRenderer, paste: Paste = paste_face, batch_size: int = BATCH_PICTURES) -> None:
        self._renderer, self._paste, self._batch_size = renderer, paste, batch_size

    def codes(self, said: Said) -> Tensor:
        """One code a picture of 40 ms, float32 [n, width]; see `LipRenderer.codes`."""
        if said.units is None or not len(said.units):
            raise UnitError("there are no units to move the lips", expected="1 unit or more", found="0")
        return self._renderer.codes(said.units)

    def draw(self, codes: Tensor, scenes: Iterable[Scene]) -> Iterator[Picture]:
        """See `Mouth.draw`; codes: float [n, width], one for each 40 ms."""
        return drawn_pictures(lambda faces, times: self._renderer.draw(codes, faces, times), scenes, self._paste, self._batch_size)
