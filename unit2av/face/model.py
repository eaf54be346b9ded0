"""The face renderer's network: redraws the lips of a face for a window of units.

A unit branch encodes each window of 20 units to 10 codes, one per frame. The part that draws a face for a code is Wav2Lip's
generator without its sound encoder (Prajwal et al. 2020, "A Lip Sync Expert Is All You Need"), a U-Net with the code as its
innermost input; `unit2av.lipsync.wav2lip` uses it with codes of sound. Names follow the published state dict:
`face_encoder_blocks.<block>.<layer>.conv_block.{0,1}.*`, `face_decoder_blocks.*`, `output_block.*`, `unit_embed.weight`,
`unit2lip.*`. Channels are BGR inside. `unit_context.*` is our addition: the unit branch of the published model does not see the
order of units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from avcore.errors import UsageError
from avcore.timeline import UNITS_PER_FRAME, units_to_frames
from avcore.units import Ids


@dataclass(frozen=True)
class DrawingSize:
    """Widths of the drawing part; the defaults are the published ones."""

    code_width: int = 512
    """length of a code"""
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
    """Convolution (transposed where it doubles the size), batch norm, optional residual connection, ReLU."""

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, is_residual: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))
        self.is_residual = is_residual

    def forward(self, images: Tensor) -> Tensor:
        """images [batch, in, height, width] -> [batch, out, height', width']."""
        result: Tensor = self.conv_block(images)
        return torch.relu(result + images if self.is_residual else result)


class FaceDrawing(nn.Module):
    """Draws faces from codes. A model that makes the codes inherits from it and calls `_build_drawing` after its own layers."""

    def _build_drawing(self, size: DrawingSize) -> None:
        self.face_encoder_blocks = _encoder(size)
        self.face_decoder_blocks = _decoder(size)
        last = size.decoder_widths[-1] + size.encoder_widths[0]
        self.output_block = nn.Sequential(
            ConvBlock(nn.Conv2d(last, size.output_width, 3, padding=1)), nn.Conv2d(size.output_width, 3, 1)
        )

    def draw(self, codes: Tensor, faces: Tensor) -> Tensor:
        """Draw one face for each code, with a U-Net.

        codes: [batch, width]; faces: [batch, 6, 96, 96] in 0..1: BGR with the lower half black, then BGR whole. Returns float32
        [batch, 3, 96, 96] in 0..1, BGR.
        """
        features = self.encode_faces(faces)
        image = codes[:, :, None, None]
        for block in self.face_decoder_blocks:
            image = torch.cat((block(image), features.pop()), dim=1)
        return torch.sigmoid(self.output_block(image).float())

    def encode_faces(self, faces: Tensor) -> list[Tensor]:
        """Return the outputs of all encoder blocks for [batch, 6, 96, 96], the largest first and the deepest last."""
        features = []
        for block in self.face_encoder_blocks:
            faces = block(faces)
            features.append(faces)
        return features


def _encoder(size: DrawingSize) -> nn.ModuleList:
    """Build the encoder, 96 -> 48 -> 24 -> 12 -> 6 -> 3 -> 1 pixels: the first block keeps the size, the last covers all 3x3
    pixels."""
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
    """Build the decoder, 1 -> 3 -> 6 -> ... -> 96 pixels: each block but the first also gets the encoder's output of that size."""
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


def _layers_per_block(tensors: Mapping[str, Tensor], blocks: str) -> tuple[int, ...]:
    def count(prefix: str) -> int:
        numbers = {int(key.removeprefix(prefix).split(".")[0]) for key in tensors if key.startswith(prefix)}
        return max(numbers, default=-1) + 1

    return tuple(count(f"{blocks}.{block}.") for block in range(count(f"{blocks}.")))


def _widths(tensors: Mapping[str, Tensor], blocks: str, number: int) -> tuple[int, ...]:
    # The bias has the number of outputs for both ordinary and transposed convolutions.
    return tuple(tensors[f"{blocks}.{block}.0.conv_block.0.bias"].shape[0] for block in range(number))


FACE_SIZE = 96
"""Side of the square face crops, pixels."""
WINDOW_UNITS = 20
"""Units in a window of the unit branch."""
WINDOW_FRAMES = units_to_frames(WINDOW_UNITS)
CONTEXT_WEIGHT = "unit_context.weight"
"""A tensor that only checkpoints with `FaceModelSize.unit_context` have."""


@dataclass(frozen=True)
class FaceModelSize:
    """Widths of the face renderer; the defaults are the published ones."""

    num_units: int = 1000
    unit_context: int = 0
    """frames on either side whose units, in their order, also affect a frame's code; 0 = no such layer"""
    unit_width: int = 512
    feed_forward: int = 1024
    encoder_widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 512)
    encoder_layers: tuple[int, ...] = (1, 3, 4, 3, 3, 2, 2)
    decoder_widths: tuple[int, ...] = (512, 512, 512, 384, 256, 128, 64)
    decoder_layers: tuple[int, ...] = (1, 2, 3, 3, 3, 3, 3)
    output_width: int = 32

    @classmethod
    def divided(cls, divisor: int, num_units: int = 1000, min_width: int = 1) -> "FaceModelSize":
        """Return the published widths divided by `divisor`, none below `min_width`. Raises UsageError for either below 1."""
        if divisor < 1 or min_width < 1:
            raise UsageError("widths cannot be divided so", expected="1 or more", found=f"{divisor}, least width {min_width}")

        def thin(*widths: int) -> tuple[int, ...]:
            return tuple(max(min_width, width // divisor) for width in widths)

        whole = cls(num_units=num_units)
        return replace(
            whole,
            unit_width=thin(whole.unit_width)[0],
            feed_forward=thin(whole.feed_forward)[0],
            encoder_widths=thin(*whole.encoder_widths),
            decoder_widths=thin(*whole.decoder_widths),
            output_width=thin(whole.output_width)[0],
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "FaceModelSize":
        """Read the widths off a state dict, by the shapes of weights and biases. Raises KeyError when one of them is missing."""
        num_units, unit_width = tensors["unit_embed.weight"].shape
        drawing = DrawingSize.from_tensors(tensors)

        return cls(
            num_units=num_units,
            unit_context=tensors[CONTEXT_WEIGHT].shape[-1] // 2 if CONTEXT_WEIGHT in tensors else 0,
            unit_width=unit_width,
            feed_forward=tensors["unit2lip.linear1.weight"].shape[0],
            encoder_widths=drawing.encoder_widths,
            encoder_layers=drawing.encoder_layers,
            decoder_widths=drawing.decoder_widths,
            decoder_layers=drawing.decoder_layers,
            output_width=drawing.output_width,
        )

    @property
    def drawing(self) -> DrawingSize:
        """The widths of the part that draws."""
        return DrawingSize(
            self.unit_width, self.encoder_widths, self.encoder_layers, self.decoder_widths, self.decoder_layers, self.output_width
        )


class FaceModel(FaceDrawing):
    """The face renderer with the published names; see the module's docstring."""

    def __init__(self, size: FaceModelSize | None = None) -> None:
        super().__init__()
        self.size = size = size or FaceModelSize()
        self.unit_embed = nn.Embedding(size.num_units, size.unit_width)
        self.unit_context = _context(size) if size.unit_context else None
        # Post-norm, one head, ReLU, no positions. Sequence first as published: attention runs over a window's steps.
        self.unit2lip = nn.TransformerEncoderLayer(size.unit_width, nhead=1, dim_feedforward=size.feed_forward)
        self._build_drawing(size.drawing)

    def forward(self, units: Tensor, faces: Tensor, shown: Tensor | None = None) -> Tensor:
        """Draw faces for whole windows.

        units: int64 of shape [windows, 20]; faces: float [10 * windows, 6, 96, 96] in 0..1, window by window, channels as in
        `draw`. shown: int64 [images], which of the 10 * windows images `faces` holds when it does not hold all. Returns
        [10 * windows or images, 3, 96, 96] in 0..1, BGR.
        """
        codes = self.encode_units(units)
        return self.draw(codes if shown is None else codes[shown], faces)

    def encode_units(self, units: Tensor) -> Tensor:
        """Encode windows of units to one code per frame; windows are independent of each other.

        units: int64 of shape [windows, 20]. Returns [10 * windows, width], window by window.
        """
        windows, steps = units.shape
        pairs = self.unit_embed(units).view(windows, steps // UNITS_PER_FRAME, UNITS_PER_FRAME, -1)
        # The published linear interpolation by one half is the mean of two neighbours.
        means = pairs.mean(dim=2)
        if self.unit_context is not None:
            means = means + self.unit_context(means.transpose(1, 2)).transpose(1, 2)
        codes: Tensor = self.unit2lip(means.transpose(0, 1))
        return codes.transpose(0, 1).reshape(-1, self.size.unit_width)


def _context(size: FaceModelSize) -> nn.Conv1d:
    """Return a convolution over frames that is added to their unit embeddings. It starts with zeros, so that it changes nothing."""
    layer = nn.Conv1d(size.unit_width, size.unit_width, 2 * size.unit_context + 1, padding=size.unit_context)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def pad_to_windows(ids: Ids) -> Tensor:
    """Cut units, one every 20 ms, into windows; the last window is padded with the last unit.

    ids: int64 of shape [T]. Returns int64 [ceil(T / 20), 20].
    """
    units = torch.as_tensor(ids)
    missing = -len(units) % WINDOW_UNITS
    if missing:
        units = torch.cat((units, units[-1:].expand(missing)))
    return units.view(-1, WINDOW_UNITS)


def network_input(faces: Tensor, references: Tensor | None = None) -> Tensor:
    """uint8 [batch, 96, 96, 3] RGB to float32 [batch, 6, 96, 96] in 0..1: BGR with the lower half black, then BGR whole.

    references: the whole images, of the same shape; by default the faces themselves, as published.
    """
    masked = network_images(faces)
    # A copy, because the lower half is blacked out in place.
    whole = masked.clone() if references is None else network_images(references)
    masked[:, :, FACE_SIZE // 2 :] = 0
    return torch.cat((masked, whole), dim=1)


def network_images(faces: Tensor) -> Tensor:
    """uint8 [batch, 96, 96, 3] RGB to float32 [batch, 3, 96, 96] BGR in 0..1."""
    return faces.flip(-1).permute(0, 3, 1, 2).float() / 255


def to_images(drawn: Tensor) -> Tensor:
    """float [batch, 3, 96, 96] BGR in 0..1 to uint8 [batch, 96, 96, 3] RGB, truncated as published."""
    return (drawn * 255).to(torch.uint8).permute(0, 2, 3, 1).flip(-1).contiguous()
