"""Lips from units: the face renderer draws a face again with lips that fit the units."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from avcore.arrays import Pixels
from avcore.checkpoints.checkpoint import load_strict
from avcore.compute.convolutions import ConvRelu, GrownPixel
from avcore.compute.inference import ready_for_inference, resolve_device, resolve_precision, skeleton
from avcore.contracts import FaceDrawer, Speech, require_image, require_units
from avcore.errors import CheckpointError, UnitError
from avcore.faces.crop import scale_face
from avcore.timeline import Seconds, frame_at, frames_to_seconds
from avcore.units import Units, require_same_vocabulary
from unit2av.face.model import (
    FACE_SIZE,
    ConvBlock,
    FaceDrawing,
    FaceModel,
    FaceModelSize,
    network_input,
    pad_to_windows,
    to_images,
)
from unit2av.stage import RendererCheckpoint, open_renderer_checkpoint

BATCH_FRAMES = 20
"""Frames that go through the network together."""
BATCH_WINDOWS = 64
"""Windows of units that go through the unit branch together."""
_SCALED_ROWS = 2
"""Rows above a row of a patch that are mixed into it when the patch is scaled to its box."""

Item = TypeVar("Item")


class LipRenderer:
    """Draws a speaker's face with lips that speak given units. Build it with `from_checkpoint`."""

    def __init__(
        self,
        model: FaceModel,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        vocabulary: str = "",
        path: Path | None = None,
    ) -> None:
        """Make a model ready for inference; it can't be trained any more. path: its file, for messages."""
        self.device, self.dtype, self.vocabulary, self.path = device, dtype, vocabulary, path
        self._model = model.eval().requires_grad_(False).to(device)
        # The unit branch costs next to nothing and stays in float32.
        ready_to_draw([model.face_encoder_blocks, model.face_decoder_blocks, model.output_block], dtype)

    @classmethod
    def from_checkpoint(
        cls, path: str | Path | RendererCheckpoint, device: str = "cpu", precision: str = "float32"
    ) -> "LipRenderer":
        """Read the face half of a renderer checkpoint, published or our own.

        Raises CheckpointError when the file isn't one, or has no face half.
        """
        where = resolve_device(device)
        dtype = resolve_precision(precision, where)
        source = path if isinstance(path, RendererCheckpoint) else open_renderer_checkpoint(path)
        return cls(load_face_model(source), where, dtype, str(source.face_settings.get("vocabulary", "")), source.source.path)

    @property
    def num_units(self) -> int:
        """Number of units that the face renderer knows: 0..num_units - 1."""
        return self._model.size.num_units

    @torch.inference_mode()
    def codes(self, spoken: Units | Speech) -> Tensor:
        """Turn units into one code for each frame of 40 ms.

        spoken: units with durations, or speech with its units; plain names, without a vocoder's offset. Returns float of shape
        [ceil(T / 20) * 10, width] for T steps of 20 ms; the codes behind T / 2 come from the last unit, repeated to fill a window.
        Raises UnitError for units without durations, UnitRangeError for a unit that the model lacks, VocabularyError for units of
        another quantizer.
        """
        units = require_units(spoken.units if isinstance(spoken, Speech) else spoken)
        require_same_vocabulary(units.vocabulary, self.vocabulary, "the face renderer")

        windows = pad_to_windows(units.check_range(self.num_units).frames()).to(self.device)
        if not len(windows):
            return torch.zeros(0, self._model.size.unit_width, device=self.device)
        # Windows are independent of each other, so memory need not grow with the speech.
        return torch.cat([self._model.encode_units(batch) for batch in torch.split(windows, BATCH_WINDOWS)])

    def render(
        self, units: Units, faces: Iterable[Pixels | None], times: Iterable[Seconds] | None = None, batch_size: int = BATCH_FRAMES
    ) -> Iterator[Pixels]:
        """Draw each face with the lips of its time, a batch at a time.

        units: as in `codes`. faces: one RGB crop uint8 [h, w, 3] for each frame, of any size, read as they are needed;
        None = no face, for which the network gets black. times: when each is shown, in seconds; by default frame k is shown
        at k / 25. A face has the lips of the unit at that time, or of the last unit beyond the end. Yields uint8
        [1..batch_size, 96, 96, 3] RGB, in the order of `faces`. Raises UnitError as `codes` does, at once.
        """
        codes = self.codes(units)
        if not len(codes):
            raise UnitError("there are no units to move the lips", expected="1 unit or more", found="0")
        moments = map(frames_to_seconds, count()) if times is None else times
        return self._render(codes, zip(faces, moments, strict=times is not None), batch_size)

    def _render(self, codes: Tensor, shown: Iterator[tuple[Pixels | None, Seconds]], batch_size: int) -> Iterator[Pixels]:
        for batch in in_batches(shown, batch_size):
            faces, times = zip(*batch, strict=True)
            yield self.draw(codes, faces, times)

    @torch.inference_mode()
    def draw(self, codes: Tensor, faces: Sequence[Pixels | None], times: Sequence[Seconds], first_row: int = 0) -> Pixels:
        """Draw one batch as `render` does, from codes.

        codes: of `codes`, at least one. faces, times: as in `render`. first_row: rows above it are not needed and stay black, which
        takes less time. Returns uint8 of shape [len(faces), 96, 96, 3] RGB.
        """
        moments = [min(max(frame_at(time), 0), len(codes) - 1) for time in times]
        crops = torch.from_numpy(np.stack([_square(face) for face in faces]))
        frames = network_input(crops.to(self.device)).to(self.dtype).contiguous(memory_format=torch.channels_last)
        drawn = draw_rows(self._model, codes[moments].to(self.dtype), frames, first_row)

        # NaN becomes 0 in uint8: a black hole would stand where the mouth is, without a word.
        if not bool(drawn.isfinite().all()):
            raise CheckpointError("the face renderer draws no numbers", path=self.path, hint="its weights are damaged")
        return to_images(drawn).cpu().numpy()


_CONTRACT: type[FaceDrawer] = LipRenderer
"""Checked by mypy: the class keeps the protocol."""


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `size`, the last one maybe shorter. Raises ValueError for a size below 1."""
    if size < 1:
        raise ValueError(f"a batch must hold 1 or more, not {size}")
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def load_face_model(source: RendererCheckpoint) -> FaceModel:
    """Build the face model that fits a checkpoint's tensors and load them. Raises CheckpointError when they don't fit."""
    tensors = source.face_tensors()
    try:
        size = FaceModelSize.from_tensors(tensors)
    except KeyError as error:
        raise CheckpointError("the face renderer is not complete", path=source.source.path, expected=error.args[0]) from error

    with skeleton():
        model = FaceModel(size)
    load_strict(model, tensors, source.source)
    return model


def ready_to_draw(parts: Sequence[nn.Module], dtype: torch.dtype) -> None:
    """Make parts of a network that draws faces ready for inference in `dtype`, with as few passes through memory as possible."""
    for part in parts:
        ready_for_inference(part, dtype, [part])
        # Listed first, because modules are replaced while they are walked through.
        for parent in list(part.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, ConvBlock):
                    conv = child.conv_block[0]
                    if isinstance(conv, nn.ConvTranspose2d) and conv.stride == (1, 1):  # the one that makes 3x3 pixels of the code
                        conv = GrownPixel(conv)
                    setattr(parent, name, ConvRelu(conv, child.is_residual))


def draw_rows(model: FaceDrawing, codes: Tensor, faces: Tensor, first_row: int) -> Tensor:
    """Draw as `model.draw` does, with a network that is ready to draw, but only from `first_row` on; rows above are black."""
    if not first_row:
        return model.draw(codes, faces)

    features, wanted = model.encode_faces(faces), _wanted_rows(model.face_decoder_blocks, first_row)
    frame, top = codes[:, :, None, None], 0
    for block, begin in zip(model.face_decoder_blocks, wanted, strict=True):
        drawn: Tensor = block(frame)
        top *= drawn.shape[2] // frame.shape[2]
        frame = torch.cat((drawn[:, :, begin - top :], features.pop()[:, :, begin:]), dim=1)
        top = begin

    shown = torch.sigmoid(model.output_block(frame).float())[:, :, first_row - top :]
    return nn.functional.pad(shown, (0, 0, first_row, 0))


def _wanted_rows(decoder: nn.ModuleList, first_row: int) -> list[int]:
    """Return the first row that each decoder block must give, so that all rows from `first_row` on are right.

    Where rows are left out, convolutions see black above: one row is wrong after each, none after one that doubles rows.
    """
    # The output block has one convolution over three rows, so one row above is needed.
    wanted, rows = max(first_row - 1, 0), list[int]()
    for block in reversed(list(decoder)):
        rows.append(wanted)
        layers = cast(nn.Sequential, block)
        doubles = isinstance(cast(ConvRelu, layers[0]).conv, nn.ConvTranspose2d)
        wanted = max((wanted - (len(layers) - 1)) // 2, 0) if doubles else 0
    return rows[::-1]


def first_row_of(upper: float) -> int:
    """Return the first row of a patch that must be drawn if `paste` leaves out a share of it, `upper`, from its top."""
    return max(int(upper * FACE_SIZE) - _SCALED_ROWS, 0)


def _square(face: Pixels | None) -> Pixels:
    return np.zeros((FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8) if face is None else scale_face(require_image(face), FACE_SIZE)
