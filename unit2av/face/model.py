"""The face renderer's network: units of a window and pictures of a face to the same face with other lips.

A unit branch turns each window of 20 units into 10 codes, one per picture; a U-Net, Wav2Lip's generator with this branch
in place of its sound encoder (Prajwal et al. 2020, "A Lip Sync Expert Is All You Need"), draws the face for each code.
Module names follow the published state dict: `face_encoder_blocks.<block>.<layer>.conv_block.{0,1}.*`,
`face_decoder_blocks.*`, `output_block.*`, `unit_embed.weight`, `unit2lip.*`. Channels are BGR inside. `unit_context.*` is
ours and not in the published model, whose unit branch cannot tell what comes before from what comes after.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from avcore.errors import UsageError
from avcore.timeline import UNITS_PER_FRAME, units_to_frames
from avcore.units import Ids
from unit2av.face.drawing import DrawingSize, FaceDrawing

FACE_SIZE = 96
"""Pixels, side of the square face pictures."""
WINDOW_UNITS = 20
"""Units that the unit branch sees together."""
WINDOW_FRAMES = units_to_frames(WINDOW_UNITS)
CONTEXT_WEIGHT = "unit_context.weight"
"""A tensor that only checkpoints with `FaceModelSize.unit_context` have."""


@dataclass(frozen=True)
class FaceModelSize:
    """Widths of the face renderer; the defaults are the published ones.

    unit_context: pictures on either side whose units a picture's code is also made of, in their order; 0 = no such layer.
    """

    num_units: int = 1000
    unit_context: int = 0
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
        `draw`. shown: int64 [pictures], which of the 10 * windows pictures `faces` holds when it does not hold all. Returns
        [10 * windows or pictures, 3, 96, 96] in 0..1, BGR.
        """
        codes = self.encode_units(units)
        return self.draw(codes if shown is None else codes[shown], faces)

    def encode_units(self, units: Tensor) -> Tensor:
        """Turn windows of units into one code per picture.

        units: int64 of shape [windows, 20]. Returns [10 * windows, width], window by window. Windows don't see one another.
        """
        windows, steps = units.shape
        pairs = self.unit_embed(units).view(windows, steps // UNITS_PER_FRAME, UNITS_PER_FRAME, -1)
        # The published linear interpolation by one half is the mean of neighbours.
        means = pairs.mean(dim=2)
        if self.unit_context is not None:
            means = means + self.unit_context(means.transpose(1, 2)).transpose(1, 2)
        codes: Tensor = self.unit2lip(means.transpose(0, 1))
        return codes.transpose(0, 1).reshape(-1, self.size.unit_width)


def _context(size: FaceModelSize) -> nn.Conv1d:
    """Adds to each picture's units what their neighbours make of them: nothing, until it has learnt."""
    layer = nn.Conv1d(size.unit_width, size.unit_width, 2 * size.unit_context + 1, padding=size.unit_context)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def pad_to_windows(ids: Ids) -> Tensor:
    """Cut frame-level units into windows, the last one filled with the last unit.

    ids: int64 of shape [T]. Returns int64 [ceil(T / 20), 20].
    """
    units = torch.as_tensor(ids)
    missing = -len(units) % WINDOW_UNITS
    if missing:
        units = torch.cat((units, units[-1:].expand(missing)))
    return units.view(-1, WINDOW_UNITS)
