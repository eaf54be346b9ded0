"""Voice activity detection: the silero-vad network, run over sound of any length as a stream.

The pip package silero-vad (MIT) carries its weights as a TorchScript archive, which takes a call for each 32 ms. The same
network is written out here so that many steps go through it in one call, several times faster; the archive is read for
its weights only. Nothing is downloaded.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.arrays import Samples
from avcore.errors import InputError
from avcore.timeline import SAMPLE_RATE

STEP_SAMPLES = 512
"""Samples at 16 kHz to a probability, 32 ms."""
STEP_RATE = Fraction(SAMPLE_RATE, STEP_SAMPLES)
"""Probabilities a second, 31.25."""

_CONTEXT = 64
_FFT, _HOP = 256, 128
_BINS = _FFT // 2 + 1
_ENCODER = ((_BINS, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1))
"""Channels in, channels out and stride of each convolution."""
_STEPS_AT_ONCE = 512
_ARCHIVE = Path("data") / "silero_vad.jit"
_NAMES = (
    ("_model.stft.forward_basis_buffer", "basis.weight"),
    *((f"_model.encoder.{i}.reparam_conv.{part}", f"encoder.{i}.{part}") for i in range(4) for part in ("weight", "bias")),
    *((f"_model.decoder.rnn.{part}", f"rnn.{part}_l0") for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
    *((f"_model.decoder.decoder.2.{part}", f"head.{part}") for part in ("weight", "bias")),
)
"""What the archive calls each tensor, and what we call it."""

DetectorState = tuple[Tensor, Tensor]


class _SpeechNetwork(nn.Module):
    """Magnitudes of a short Fourier transform, four convolutions, an LSTM over the steps, one number a step."""

    def __init__(self) -> None:
        super().__init__()
        self.basis = nn.Conv1d(1, 2 * _BINS, _FFT, stride=_HOP, bias=False)
        self.encoder = nn.ModuleList(nn.Conv1d(a, b, 3, stride=stride, padding=1) for a, b, stride in _ENCODER)
        self.rnn = nn.LSTM(_ENCODER[-1][1], 128, batch_first=True)
        self.head = nn.Conv1d(128, 1, 1)

    def forward(self, windows: Tensor, state: DetectorState | None) -> tuple[Tensor, DetectorState]:
        """Windows float32 [step, 64 + 512], each with the samples before it, to probabilities [step] and the state after."""
        padded = nn.functional.pad(windows, (0, _CONTEXT), "reflect")
        parts = self.basis(padded[:, None])
        rows = (parts[:, :_BINS].square() + parts[:, _BINS:].square()).sqrt()
        for layer in self.encoder:
            rows = torch.relu(layer(rows))
        hidden, state = self.rnn(rows[None, :, :, 0], state)
        return torch.sigmoid(self.head(torch.relu(hidden).transpose(1, 2)))[0, 0], state


def speech_probabilities(blocks: Iterable[Samples]) -> Iterator[NDArray[np.float32]]:
    """Say how likely each 32 ms are speech.

    blocks: float32 of shape [time] at 16 kHz, of any lengths, one stream. Yields float32 of shape [steps], in all one value for
    each 512 samples (the last may be of fewer), of 0 to 1. Some 16 s of sound are held. Raises InputError when silero-vad is not
    installed as it should be.
    """
    network = _network()
    state: DetectorState | None = None
    context = np.zeros(_CONTEXT, np.float32)
    for piece in _pieces(blocks):
        joined = torch.from_numpy(np.concatenate([context, piece]))
        context = piece[-_CONTEXT:]
        with torch.inference_mode():
            probabilities, state = network(joined.unfold(0, _CONTEXT + STEP_SAMPLES, STEP_SAMPLES), state)
        yield probabilities.numpy()


def _pieces(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Yield the stream in pieces of whole steps, the last one filled up with silence."""
    held: list[Samples] = []
    num_held, wanted = 0, _STEPS_AT_ONCE * STEP_SAMPLES
    for block in blocks:
        held.append(np.asarray(block, np.float32))
        num_held += len(block)
        if num_held >= wanted:
            joined = np.concatenate(held)
            whole = num_held // wanted * wanted
            for start in range(0, whole, wanted):
                yield joined[start : start + wanted]
            held, num_held = [joined[whole:]], num_held - whole
    if num_held:
        yield np.concatenate([*held, np.zeros(-num_held % STEP_SAMPLES, np.float32)])


@cache
def _network() -> _SpeechNetwork:
    # The package itself is not imported: doing so sets the number of threads of the whole process to 1.
    package = find_spec("silero_vad")
    if package is None or package.origin is None:
        raise InputError("silero-vad, which finds speech, is not installed", hint="pip install silero-vad")
    archive = Path(package.origin).parent / _ARCHIVE
    try:
        stored = torch.jit.load(archive, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
        network = _SpeechNetwork()
        network.load_state_dict({ours: stored[theirs] for theirs, ours in _NAMES})
    except (KeyError, OSError, RuntimeError, ValueError) as error:
        raise InputError(
            "this release of silero-vad cannot be used",
            path=archive,
            expected="the network of releases 5 and 6",
            found=str(error).splitlines()[0],
            hint="pip install silero-vad==6.2.3",
        ) from error
    return network.eval()
