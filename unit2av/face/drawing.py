"""The part of a face renderer that draws: pictures of a face, and a code for what its mouth does, to the face with that mouth.

Wav2Lip's generator without its sound encoder (Prajwal et al. 2020, "A Lip Sync Expert Is All You Need"): a U-Net whose
innermost input is the code. Codes come of units (`unit2av.face.model`) or of sound (`unit2av.lipsync.wav2lip`). Names follow
the published state dicts: `face_encoder_blocks.<block>.<layer>.conv_block.{0,1}.*`, `face_decoder_blocks.*`, `output_block.*`.
Channels are BGR.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avcore.compute.device import has_onednn
from avcore.compute.modules import fold_norm


@dataclass(frozen=True)
class DrawingSize:
    """Widths of the drawing part; the defaults are the published ones. code_width: numbers in a code."""

    code_width: int = 512
    encoder_widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 512)
    encoder_layers: tuple[int, ...] = (1, 3, 4, 3, 3, 2, 2)
    decoder_widths: tuple[int, ...] = (512, 512, 512, 384, 256, 128, 64)
    decoder_layers: tuple[int, ...] = (1, 2, 3, 3, 3, 3, 3)
    output_width: int = 32

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "DrawingSize":
        """Read the widths off a state dict, by the shapes of weights and biases. Raises KeyError when one of them is missing."""
        encoder_layers = _layers_per_block(tensors, "face_encoder_blocks")
        decoder_layers = _layers_per_block(tensors, "face_decoder_blocks")
        if len(encoder_layers) < 2 or len(encoder_layers) != len(decoder_layers):
            raise KeyError("face_encoder_blocks.*, face_decoder_blocks.*")
        return cls(
            code_width=tensors["face_decoder_blocks.0.0.conv_block.0.weight"].shape[1],
            encoder_widths=_widths(tensors, "face_encoder_blocks", len(encoder_layers)),
            encoder_layers=encoder_layers,
            decoder_widths=_widths(tensors, "face_decoder_blocks", len(decoder_layers)),
            decoder_layers=decoder_layers,
            output_width=tensors["output_block.0.conv_block.0.bias"].shape[0],
        )


class ConvBlock(nn.Module):
    """Convolution, batch norm, [+ input when residual], ReLU; transposed when it doubles the picture."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, is_residual: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))
        self.is_residual, self.is_folded = is_residual, False

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures [batch, in, height, width] -> [batch, out, height', width']."""
        if self.is_folded:
            return self._drawn(pictures)
        result: Tensor = self.conv_block(pictures)
        return torch.relu(result + pictures if self.is_residual else result)

    def _drawn(self, pictures: Tensor) -> Tensor:
        """The same in as few turns through memory as can be, which is where a CPU loses time besides the convolutions."""
        conv = self.conv_block[0]
        is_plain = isinstance(conv, nn.Conv2d) and not self.is_residual
        if is_plain and pictures.device.type == "cpu" and has_onednn(pictures.dtype):
            fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
                pictures, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups, "relu", [], ""
            )
            return fused
        result: Tensor = conv(pictures)
        return (result.add_(pictures) if self.is_residual else result).relu_()

    def fold(self) -> None:
        """Merge the batch norm's running statistics into the convolution (inference only)."""
        conv, norm = self.conv_block
        if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
            self.conv_block = nn.Sequential(fold_norm(conv, norm), nn.Identity())
            self.is_folded = True


class FaceDrawing(nn.Module):
    """Draws faces from codes; a model that makes the codes inherits it and calls `_build_drawing` after its own layers."""

    def _build_drawing(self, size: DrawingSize) -> None:
        self.face_encoder_blocks = _encoder(size)
        self.face_decoder_blocks = _decoder(size)
        last = size.decoder_widths[-1] + size.encoder_widths[0]
        self.output_block = nn.Sequential(
            ConvBlock(nn.Conv2d(last, size.output_width, 3, padding=1)), nn.Conv2d(size.output_width, 3, 1)
        )

    def draw(self, codes: Tensor, faces: Tensor, first_row: int = 0) -> Tensor:
        """Draw one face for each code.

        codes: [batch, width]; faces: [batch, 6, 96, 96] in 0..1: BGR with the lower half black, then BGR whole. first_row: what
        is above it is not wanted and is black; from it on the picture is the same as ever. Returns float32 [batch, 3, 96, 96] in
        0..1, BGR.
        """
        features = self.encode_faces(faces)
        picture, top = codes[:, :, None, None], 0
        for block, wanted in zip(self.face_decoder_blocks, self._wanted_rows(first_row), strict=True):
            drawn: Tensor = block(picture)
            top *= drawn.shape[2] // picture.shape[2]
            picture = torch.cat((drawn[:, :, wanted - top :], features.pop()[:, :, wanted:]), dim=1)
            top = wanted
        shown = torch.sigmoid(self.output_block(picture).float())[:, :, first_row - top :]
        return F.pad(shown, (0, 0, first_row, 0)) if first_row else shown

    def _wanted_rows(self, first_row: int) -> list[int]:
        """Return the first row that is wanted of what each decoder block gives, so that all from `first_row` on is right.

        Where rows are left out, convolutions see black above: one row is wrong after each, none after one that doubles rows.
        """
        wanted, rows = max(first_row - 1, 0), list[int]()
        for block in reversed(self.face_decoder_blocks):
            rows.append(wanted)
            assert isinstance(block, nn.Sequential)
            wanted = max((wanted - (len(block) - 1)) // 2, 0) if _doubles(block) else 0
        return rows[::-1]

    def encode_faces(self, faces: Tensor) -> list[Tensor]:
        """Outputs of all encoder blocks for [batch, 6, 96, 96], the whole picture first and the deepest last."""
        features = []
        for block in self.face_encoder_blocks:
            faces = block(faces)
            features.append(faces)
        return features

    def fold(self) -> Self:
        """Fold all batch norms for inference, in place; training needs them, so never fold a model to be trained."""
        for module in self.modules():
            if isinstance(module, ConvBlock):
                module.fold()
        return self


def _encoder(size: DrawingSize) -> nn.ModuleList:
    """96 -> 48 -> 24 -> 12 -> 6 -> 3 -> 1 pixels; the first block keeps the size and the last takes all 3x3 pixels at once."""
    blocks = nn.ModuleList()
    last = len(size.encoder_widths) - 1
    for index, (before, width) in enumerate(pairwise((6, *size.encoder_widths))):
        if index == 0:
            first, kernel = nn.Conv2d(before, width, 7, padding=3), 3
        elif index == last:
            first, kernel = nn.Conv2d(before, width, 3), 1
        else:
            first, kernel = nn.Conv2d(before, width, 3, stride=2, padding=1), 3
        blocks.append(_block(first, size.encoder_layers[index], kernel, is_residual=index != last))
    return blocks


def _decoder(size: DrawingSize) -> nn.ModuleList:
    """1 -> 3 -> 6 -> ... -> 96 pixels; each block but the first also takes the encoder's output of its input's size."""
    blocks = nn.ModuleList()
    skips = (0, *reversed(size.encoder_widths[1:]))
    for index, (before, width) in enumerate(pairwise((size.code_width, *size.decoder_widths))):
        entering = before + skips[index]
        first: nn.Conv2d | nn.ConvTranspose2d
        if index == 0:
            first = nn.Conv2d(entering, width, 1)
        elif index == 1:
            first = nn.ConvTranspose2d(entering, width, 3)
        else:
            first = nn.ConvTranspose2d(entering, width, 3, stride=2, padding=1, output_padding=1)
        blocks.append(_block(first, size.decoder_layers[index], 3, is_residual=True))
    return blocks


def _block(first: nn.Conv2d | nn.ConvTranspose2d, layers: int, kernel: int, is_residual: bool) -> nn.Sequential:
    width = first.out_channels
    rest = (ConvBlock(nn.Conv2d(width, width, kernel, padding=kernel // 2), is_residual) for _ in range(layers - 1))
    return nn.Sequential(ConvBlock(first), *rest)


def _doubles(block: nn.Sequential) -> bool:
    """Return whether a decoder block gives twice as many rows as it takes."""
    assert isinstance(block[0], ConvBlock)
    return block[0].conv_block[0].stride == (2, 2)


def _layers_per_block(tensors: Mapping[str, Tensor], blocks: str) -> tuple[int, ...]:
    def count(prefix: str) -> int:
        numbers = {int(key.removeprefix(prefix).split(".")[0]) for key in tensors if key.startswith(prefix)}
        return max(numbers, default=-1) + 1

    return tuple(count(f"{blocks}.{block}.") for block in range(count(f"{blocks}.")))


def _widths(tensors: Mapping[str, Tensor], blocks: str, number: int) -> tuple[int, ...]:
    # The bias tells the outputs of ordinary and transposed convolutions alike.
    return tuple(tensors[f"{blocks}.{block}.0.conv_block.0.bias"].shape[0] for block in range(number))
