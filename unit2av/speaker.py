"""The voice of a recording as a vector: GE2E speaker embedding.

Wan et al., "Generalized End-to-End Loss for Speaker Verification" (2018), in the published layout of Real-Time Voice
Cloning. The front end is the published one to the number, without its optional voice activity detection.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from avcore.arrays import Samples
from avcore.checkpoints.checkpoint import Checkpoint, load_strict, read_checkpoint
from avcore.compute.device import resolve_device
from avcore.compute.modules import skeleton
from avcore.contracts import Speaker
from avcore.errors import CheckpointError, NoSpeechError
from unit2av.speakers.voice_features import normalise_volume, padding_for, partial_windows, power_mel, require_sound
from unit2av.stage import SPEAKER_ENCODER

_NORM_EPSILON = 1e-5
_BATCH = 64
"""Windows that go through the network together."""


class SpeakerNetwork(nn.Module):
    """LSTM over a window, its last state projected; `state_dict` has the published keys."""

    def __init__(self, mels: int, hidden: int, layers: int, embedding: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(mels, hidden, layers, batch_first=True)
        self.linear = nn.Linear(hidden, embedding)
        self.similarity_weight = nn.Parameter(torch.tensor([10.0]))
        self.similarity_bias = nn.Parameter(torch.tensor([-5.0]))

    def forward(self, mel: Tensor) -> Tensor:
        """float32 [batch, frame, mel] power to float32 [batch, embedding], of about unit length."""
        _, (state, _) = self.lstm(mel)
        raw = torch.relu(self.linear(state[-1]))
        length: Tensor = torch.linalg.vector_norm(raw, dim=1, keepdim=True)
        return torch.div(raw, length + _NORM_EPSILON)


class SpeakerEncoder:
    """Turns a recording into the vector that the vocoder takes for a voice."""

    def __init__(self, network: SpeakerNetwork, fingerprint: str = "") -> None:
        self.network, self.fingerprint = network, fingerprint

    @classmethod
    def from_checkpoint(cls, path: str | Path | None = None, device: str = "cpu") -> "SpeakerEncoder":
        """Load a published encoder; None takes resemblyzer's weights, which come with NetfLips.

        Raises CheckpointError for another file.
        """
        checkpoint = read_checkpoint(default_weights() if path is None else path, SPEAKER_ENCODER)
        with skeleton():
            network = SpeakerNetwork(*_sizes(checkpoint.tensors, checkpoint))
        load_strict(network, checkpoint.tensors, checkpoint)
        return cls(network.eval().requires_grad_(False).to(resolve_device(device)), checkpoint.fingerprint)

    @property
    def embedding_dim(self) -> int:
        """Length of the vectors."""
        return self.network.linear.out_features

    def embed(self, speech: Samples) -> Samples:
        """Return the voice of float32 [S] mono speech at 16 kHz as float32 [embedding_dim] of unit length.

        Raises NoSpeechError for silence and for less than 0.5 s of sound, InputError for samples that are no numbers.
        """
        normal = normalise_volume(require_sound(speech))
        windows = partial_windows(len(normal))
        mel = power_mel(np.pad(normal, (0, padding_for(windows, len(normal)))), self.network.lstm.input_size)
        mean = self.embed_windows(mel, windows).mean(axis=0)
        length = float(np.linalg.norm(mean))
        if not length > 0:
            raise NoSpeechError(
                "no voice was found in this recording", hint="give another voice with --speaker-path x.wav or x.npy"
            )
        return np.asarray(mean / length, dtype=np.float32)

    @torch.inference_mode()
    def embed_windows(self, mel: Samples, windows: list[tuple[int, int]]) -> Samples:
        """Embed each window of float32 [frame, mel]: float32 [window, embedding_dim]."""
        device = self.network.linear.weight.device
        frames = torch.from_numpy(mel)
        batches = (windows[first : first + _BATCH] for first in range(0, len(windows), _BATCH))
        parts = [self.network(torch.stack([frames[start:end] for start, end in batch]).to(device)).cpu() for batch in batches]
        return np.asarray(torch.cat(parts).numpy())


_CONTRACT: type[Speaker] = SpeakerEncoder
"""Checked by mypy: the class keeps the protocol."""


def default_weights() -> Path:
    """Return the weights that come with NetfLips: those of the package resemblyzer 0.1.4 (Apache-2.0), as safetensors."""
    return Path(__file__).with_name("speaker_encoder.safetensors")


def _sizes(tensors: Mapping[str, Tensor], source: Checkpoint) -> tuple[int, int, int, int]:
    """Mel bands, hidden width, layers and embedding size of a speaker encoder."""
    try:
        layers = sum(key.startswith("lstm.weight_ih_l") for key in tensors)
        embedding, hidden = tensors["linear.weight"].shape
        return tensors["lstm.weight_ih_l0"].shape[1], hidden, layers, embedding
    except (KeyError, ValueError) as error:
        raise CheckpointError("the speaker encoder is incomplete", path=source.path, found=f"no {error}") from error
