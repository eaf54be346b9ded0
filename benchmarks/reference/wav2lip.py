"""Wav2Lip and the way its published command uses it, plainly: eager float32, norms as they stand, 128 pictures at once."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.reference.unit2av import Conv, Transposed

BATCH = 128
_STRIDES = {3: (3, 1), 6: 3, 9: (3, 2)}
_CHUNK, _COLUMNS = 16, 80


class ReferenceWav2Lip(nn.Module):
    """Sound [B, 1, 80, 16] and faces [B, 6, 96, 96] to faces [B, 3, 96, 96]; sizes from the tensors."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()

        def block(side: str, number: int) -> list[Tensor]:
            found = (f"face_{side}_blocks.{number}.{layer}.conv_block.0.weight" for layer in range(9))
            return [tensors[name] for name in found if name in tensors]

        def heard(layer: int) -> Conv:
            weight = tensors[f"audio_encoder.{layer}.conv_block.0.weight"]
            is_residual = weight.shape[0] == weight.shape[1] and layer not in _STRIDES and layer < 12
            return Conv(weight, _STRIDES.get(layer, 1), 0 if layer > 10 else 1, is_residual)

        def seen(number: int, layer: int, weight: Tensor) -> Conv:
            if number in (0, 6):
                return Conv(weight, 1, 3 if number == 0 else 0)
            return Conv(weight, 1 if layer else 2, 1, residual=layer > 0)

        def drawn(number: int, layer: int, weight: Tensor) -> nn.Module:
            if layer or number == 0:
                return Conv(weight, 1, 1 if layer else 0, residual=layer > 0)
            return Transposed(weight, *((1, 0, 0) if number == 1 else (2, 1, 1)))

        self.audio_encoder = nn.Sequential(*(heard(layer) for layer in range(13)))
        self.face_encoder_blocks = nn.ModuleList(
            nn.Sequential(*(seen(b, j, weight) for j, weight in enumerate(block("encoder", b)))) for b in range(7)
        )
        self.face_decoder_blocks = nn.ModuleList(
            nn.Sequential(*(drawn(b, j, weight) for j, weight in enumerate(block("decoder", b)))) for b in range(7)
        )
        last = tensors["output_block.1.weight"].shape
        self.output_block = nn.Sequential(Conv(tensors["output_block.0.conv_block.0.weight"], 1, 1), nn.Conv2d(last[1], 3, 1))
        self.load_state_dict(tensors)

    @torch.no_grad()
    def forward(self, sound: Tensor, faces: Tensor) -> Tensor:
        x, skips = self.audio_encoder(sound), []
        for block in self.face_encoder_blocks:
            faces = block(faces)
            skips.append(faces)
        for block in self.face_decoder_blocks:
            x = torch.cat([block(x), skips.pop()], 1)
        return torch.sigmoid(self.output_block(x))


def crops_of(pictures: list[NDArray[np.uint8]], box: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The face of each picture, uint8 [B, 96, 96, 3]."""
    x1, y1, x2, y2 = box
    return np.stack([cv2.resize(picture[y1:y2, x1:x2], (96, 96)) for picture in pictures])


def network_input(crops: NDArray[np.uint8]) -> Tensor:
    """Float32 [B, 6, 96, 96] in 0..1: BGR with the lower half black, then BGR whole."""
    whole = crops[..., ::-1].copy()
    masked = whole.copy()
    masked[:, 48:] = 0
    return torch.from_numpy((np.concatenate([masked, whole], 3) / 255.0).transpose(0, 3, 1, 2).astype(np.float32))


def put_back(pictures: list[NDArray[np.uint8]], drawn: Tensor, box: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """Each picture with the drawn face [B, 3, 96, 96] in its box, edges and all."""
    x1, y1, x2, y2 = box
    patches = (drawn.numpy().transpose(0, 2, 3, 1) * 255.0).astype(np.uint8)[..., ::-1]
    shown = [picture.copy() for picture in pictures]
    for picture, patch in zip(shown, patches, strict=True):
        picture[y1:y2, x1:x2] = cv2.resize(np.ascontiguousarray(patch), (int(x2 - x1), int(y2 - y1)))
    return shown


def chunks_of(mel: NDArray[np.float32], first: int, number: int) -> Tensor:
    """The sound of pictures `first` to `first + number` - 1 at 25 Hz, float32 [number, 1, 80, 16]."""
    starts = [min(int(index * _COLUMNS / 25), mel.shape[1] - _CHUNK) for index in range(first, first + number)]
    return torch.from_numpy(np.stack([mel[:, start : start + _CHUNK] for start in starts]))[:, None]
