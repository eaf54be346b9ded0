"""Wav2Lip's generator: 200 ms of sound and pictures of a face to the same face with lips that say it.

Its drawing part is that of the face renderer (`unit2av.face.drawing`); the code of a picture comes of its chunk of sound.
State dict as published: `audio_encoder.<n>.conv_block.{0,1}.*` and the drawing part's names, 352 entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from unit2av.face.drawing import ConvBlock, DrawingSize, FaceDrawing

_FIRST_OF_WIDTH = (0, 3, 6, 9, 11)
"""Layers of the sound encoder in which a new width begins."""


@dataclass(frozen=True)
class Wav2LipSize:
    """Widths of the generator; the defaults are the published ones."""

    sound_widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    drawing: DrawingSize = field(default_factory=DrawingSize)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Wav2LipSize":
        """Read the widths off a state dict, by the shapes of weights and biases. Raises KeyError when one of them is missing."""
        widths = (tensors[f"audio_encoder.{layer}.conv_block.0.bias"].shape[0] for layer in _FIRST_OF_WIDTH)
        return cls(tuple(widths), DrawingSize.from_tensors(tensors))


class Wav2Lip(FaceDrawing):
    """The generator with the published names."""

    def __init__(self, size: Wav2LipSize | None = None) -> None:
        super().__init__()
        self.size = size = size or Wav2LipSize()
        self.audio_encoder = sound_encoder(size.sound_widths, last_residuals=1)
        self._build_drawing(size.drawing)

    def forward(self, mels: Tensor, faces: Tensor, first_row: int = 0) -> Tensor:
        """mels: float [batch, 1, 80, 16]; faces, first_row: as in `draw`. Returns float32 [batch, 3, 96, 96] in 0..1, BGR."""
        return self.draw(self.encode_sound(mels), faces, first_row)

    def encode_sound(self, mels: Tensor) -> Tensor:
        """Return a code for each chunk of sound: float [batch, 1, 80, 16] to [batch, width]."""
        codes: Tensor = self.audio_encoder(mels)
        return codes[:, :, 0, 0]


def sound_encoder(widths: Sequence[int], last_residuals: int) -> nn.Sequential:
    """Return the layers that take a chunk [batch, 1, 80, 16] to [batch, widths[-1], 1, 1], as the generator and its expert have
    them.

    last_residuals: residual layers behind the last stride, 1 in the generator and 2 in the expert.
    """
    layers, before = list[nn.Module](), 1
    strides: tuple[int | tuple[int, int], ...] = (1, (3, 1), 3, (3, 2))  # of mels and of time
    for width, stride, residuals in zip(widths[:-1], strides, (2, 2, 2, last_residuals), strict=True):
        layers.append(ConvBlock(nn.Conv2d(before, width, 3, stride, 1)))
        layers += [ConvBlock(nn.Conv2d(width, width, 3, padding=1), is_residual=True) for _ in range(residuals)]
        before = width
    layers += [ConvBlock(nn.Conv2d(before, widths[-1], 3)), ConvBlock(nn.Conv2d(widths[-1], widths[-1], 1))]
    return nn.Sequential(*layers)
