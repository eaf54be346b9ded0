"""Wav2Lip's sync expert (do lips and sound belong together) and its discriminator (is a mouth real).

State dicts are as published in `lipsync_expert.pth` and `visual_quality_disc.pth`. The input of both is the lower half of faces,
BGR in 0..1.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unit2av.face.model import ConvBlock
from unit2av.lipsync.wav2lip.model import sound_encoder

WINDOW = 5
"""Frames in the expert's window."""
_SLOPE = 0.01
_Stride = int | tuple[int, int]
_EXPERT_FACE: tuple[tuple[int, int, _Stride, int, int], ...] = (
    (0, 7, 1, 3, 0), (1, 5, (1, 2), 1, 2), (4, 3, 2, 1, 3), (8, 3, 2, 1, 2), (11, 3, 2, 1, 2), (14, 3, 2, 1, 0),
)  # fmt: skip
"""First layer of each width, its kernel, stride and padding, and the number of residual layers after it."""
_QUALITY: tuple[tuple[tuple[int, _Stride, int], ...], ...] = (
    ((7, 1, 3),), ((5, (1, 2), 2), (5, 1, 2)), ((5, 2, 2), (5, 1, 2)), ((5, 2, 2), (5, 1, 2)),
    ((3, 2, 1), (3, 1, 1)), ((3, 2, 1), (3, 1, 1)), ((3, 1, 0), (1, 1, 0)),
)  # fmt: skip
"""Kernel, stride and padding of the discriminator's layers, by block; the last block covers all 3x3 pixels."""


class SyncNetColor(nn.Module):
    """The sync expert: embeds faces and sound to vectors of unit length, whose cosine is the probability that they are in sync."""

    def __init__(self, face_widths: tuple[int, ...], sound_widths: tuple[int, ...]) -> None:
        """face_widths: of the seven layers that change it; sound_widths: as in `Wav2LipSize`."""
        super().__init__()
        layers, before = list[nn.Module](), 3 * WINDOW
        for width, (_, kernel, stride, padding, residuals) in zip(face_widths[:-1], _EXPERT_FACE, strict=True):
            layers.append(ConvBlock(nn.Conv2d(before, width, kernel, stride, padding)))
            layers += [ConvBlock(nn.Conv2d(width, width, 3, padding=1), is_residual=True) for _ in range(residuals)]
            before = width

        last = face_widths[-1]
        layers += [ConvBlock(nn.Conv2d(before, last, 3)), ConvBlock(nn.Conv2d(last, last, 1))]
        self.face_encoder = nn.Sequential(*layers)
        self.audio_encoder = sound_encoder(sound_widths, last_residuals=2)

    @classmethod
    def sized_as(cls, tensors: Mapping[str, Tensor]) -> "SyncNetColor":
        """Return an expert with the widths of a state dict, by the shapes of biases. Raises KeyError when one of them is
        missing."""

        def widths(part: str, layers: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(tensors[f"{part}.{layer}.conv_block.0.bias"].shape[0] for layer in layers)

        faces = (*(first for first, *_ in _EXPERT_FACE), 15)
        return cls(widths("face_encoder", faces), widths("audio_encoder", (0, 3, 6, 9, 12)))

    def forward(self, mels: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """mels: float [batch, 1, 80, 16]; faces: float [batch, 15, 48, 96]. Returns vectors [batch, width] of sound and face."""
        sound, face = self.audio_encoder(mels), self.face_encoder(faces)
        return F.normalize(sound.flatten(1)), F.normalize(face.flatten(1))


class QualityDiscriminator(nn.Module):
    """Discriminates drawn lower halves of faces from real ones, frame by frame."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        """widths: of the seven blocks."""
        super().__init__()
        blocks, before = list[nn.Module](), 3
        for width, layers in zip(widths, _QUALITY, strict=True):
            block = list[nn.Module]()
            for kernel, stride, padding in layers:
                block.append(_Plain(nn.Conv2d(before, width, kernel, stride, padding)))
                before = width
            blocks.append(nn.Sequential(*block))

        self.face_encoder_blocks = nn.ModuleList(blocks)
        self.binary_pred = nn.Sequential(nn.Conv2d(before, 1, 1))

    @classmethod
    def sized_as(cls, tensors: Mapping[str, Tensor]) -> "QualityDiscriminator":
        """Return a discriminator with the widths of a state dict, by the shapes of biases. Raises KeyError when one of them is
        missing."""
        return cls(tuple(tensors[f"face_encoder_blocks.{block}.0.conv_block.0.bias"].shape[0] for block in range(7)))

    def forward(self, halves: Tensor) -> Tensor:
        """Return the probability that each of the lower halves, float [batch, 3, 48, 96], is real: [batch, 1]."""
        for block in self.face_encoder_blocks:
            halves = block(halves)
        judged: Tensor = torch.sigmoid(self.binary_pred(halves))
        return judged.flatten(1)


class _Plain(nn.Module):
    """A convolution and a leaky ReLU, under the published name."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(conv)

    def forward(self, frames: Tensor) -> Tensor:
        return F.leaky_relu(self.conv_block(frames), _SLOPE)


def windows_of(faces: Tensor) -> Tensor:
    """Stack the lower halves of a window's five faces along channels: float [batch, 3, 5, 96, 96] to [batch, 15, 48, 96]."""
    lower = faces[..., faces.shape[-2] // 2 :, :]
    return lower.transpose(1, 2).flatten(1, 2)


def cosines(sound: Tensor, face: Tensor) -> Tensor:
    """Return the expert's probability that vectors [batch, width] are in sync: [batch].

    A cosine that rounding made larger than 1 is clamped; the published loss fails there.
    """
    return F.cosine_similarity(sound, face).clamp(0, 1)
