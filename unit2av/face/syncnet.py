"""SyncNet: the distance between lips and sound, by `syncnet_v2.model` (Chung & Zisserman 2016, "Out of time").

The network behind LSE-C and LSE-D (`netflips.evaluate.lip_sync`). State dict as published: `netcnnaud.*`, `netcnnlip.*`,
`netfcaud.*`, `netfclip.*`, 102 entries.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from avcore.checkpoints.checkpoint import read_state_dict

WINDOW = 5
"""Frames in a window, at 25 Hz."""
WINDOW_SOUND = 20
"""Steps of 10 ms of sound in a window."""
SIDE = 224
NUM_CEPSTRA = 13

_SOUND_CONVS, _LIP_CONVS, _HEAD = (0, 4, 8, 11, 14, 18), (0, 4, 8, 11, 14, 18), (0, 3)


class SyncNet(nn.Module):
    """Embeds lips and sound to vectors, not normalised, which are near each other where lips and sound belong together."""

    def __init__(
        self, sound: tuple[int, ...], lips: tuple[int, ...], uses_audio: tuple[int, ...], uses_video: tuple[int, ...]
    ) -> None:
        """Arguments: widths of the six convolutions of each branch, and of the two layers of the heads of sound and lips."""
        super().__init__()
        s, v = sound, lips
        self.netcnnaud = nn.Sequential(
            *_flat(1, s[0], 3, 1),
            # It changes nothing, but the published layers are numbered with it.
            nn.MaxPool2d(1, 1),
            *_flat(s[0], s[1], 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_flat(s[1], s[2], 3, 1),
            *_flat(s[2], s[3], 3, 1),
            *_flat(s[3], s[4], 3, 1),
            nn.MaxPool2d(3, 2),
            *_flat(s[4], s[5], (5, 4), 0),
        )

        self.netcnnlip = nn.Sequential(
            *_deep(3, v[0], (5, 7, 7), (1, 2, 2), (0, 0, 0)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(v[0], v[1], (1, 5, 5), (1, 2, 2), (0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_deep(v[1], v[2], (1, 3, 3), (1, 1, 1), (0, 1, 1)),
            *_deep(v[2], v[3], (1, 3, 3), (1, 1, 1), (0, 1, 1)),
            *_deep(v[3], v[4], (1, 3, 3), (1, 1, 1), (0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(v[4], v[5], (1, 6, 6), (1, 1, 1), (0, 0, 0)),
        )

        self.netfcaud, self.netfclip = _head(s[5], *uses_audio), _head(v[5], *uses_video)

    @classmethod
    def sized_as(cls, tensors: Mapping[str, Tensor]) -> "SyncNet":
        """Return a network with the widths of a state dict, by the shapes of biases. Raises KeyError when one of them is
        missing."""

        def widths(part: str, layers: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(tensors[f"{part}.{layer}.bias"].shape[0] for layer in layers)

        return cls(
            widths("netcnnaud", _SOUND_CONVS), widths("netcnnlip", _LIP_CONVS), widths("netfcaud", _HEAD), widths("netfclip", _HEAD)
        )

    def embed_sound(self, cepstra: Tensor) -> Tensor:
        """Embed sound, mel cepstra of 16-bit samples float [batch, 1, 13, 20], to vectors [batch, width]."""
        vectors: Tensor = self.netfcaud(self.netcnnaud(cepstra).flatten(1))
        return vectors

    def embed_frames(self, lips: Tensor) -> Tensor:
        """Embed frames, float [batch, 3, 5, 224, 224], BGR from 0 to 255, to vectors [batch, width]."""
        vectors: Tensor = self.netfclip(self.netcnnlip(lips).flatten(1))
        return vectors


def load_syncnet(path: str | Path) -> SyncNet:
    """Read `syncnet_v2.model`. Raises InputError or CheckpointError."""
    return read_state_dict(path, "SyncNet (syncnet_v2.model)", "netcnnlip.0.weight").into(SyncNet.sized_as)


def _flat(before: int, width: int, kernel: int | tuple[int, int], padding: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, width, kernel, padding=padding), nn.BatchNorm2d(width), nn.ReLU()


def _deep(
    before: int, width: int, kernel: tuple[int, int, int], stride: tuple[int, int, int], padding: tuple[int, int, int]
) -> tuple[nn.Module, ...]:
    return nn.Conv3d(before, width, kernel, stride, padding), nn.BatchNorm3d(width), nn.ReLU()


def _head(before: int, middle: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, middle), nn.BatchNorm1d(middle), nn.ReLU(), nn.Linear(middle, width))
