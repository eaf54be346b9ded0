"""The voice of a recording as a vector (GE2E speaker embedding), and the voice of any file that --voice takes.

    python -m unit2av.speaker --in-path talk.mp4 --out-path ann.npz      # measure once, speak with it often

Wan et al., "Generalized End-to-End Loss for Speaker Verification" (2018), in the published layout of Real-Time Voice
Cloning. Its input is a mel spectrogram of the recording at an even volume, in windows. The front end matches the published one to
the number, without its optional voice activity detection. The vocoder's training uses the same mel filters, on Slaney's scale.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avcore.arrays import Samples, load_array, load_arrays
from avcore.checkpoints.checkpoint import load_strict, read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.command import LOG
from avcore.compute.inference import resolve_device, skeleton
from avcore.contracts import Speaker, SpeakerVoice, Voice
from avcore.errors import CheckpointError, InputError, NoSpeechError, UsageError
from avcore.files import Input, Output, atomic_output, require_file
from avcore.flags import Command, CommonOptions, flag
from avcore.media import AnySource, MediaSource, probe, read_speech
from avcore.media.tracks import select_audio_track
from avcore.speech.audio import dbfs, no_voice, require_sound
from avcore.speech.pitch import Pitch, measure_pitch
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from unit2av.stage import SPEAKER_ENCODER

_FFT = seconds_to_samples(0.025)
_HOP = seconds_to_samples(0.010)
_WINDOW = 160
"""Mel frames in a window (1.6 s); a window starts every half window."""
_STEP = _WINDOW // 2
_LEAST_COVERAGE = 0.75
_TARGET_DBFS = -30.0

_MEL_BLOCK = 6000
"""Mel frames computed at once (a minute)."""


def slaney_filters(num_mels: int, fft_size: int, sample_rate: int, max_hz: float, min_hz: float = 0.0) -> Tensor:
    """Return triangular filters from min_hz to max_hz (Hz), each of area 1: float32 of shape [num_mels, fft_size // 2 + 1].

    Their scale is that of Slaney's Auditory Toolbox (1998): linear up to 1 kHz, logarithmic above. Multiply them with a power
    spectrum [fft_size // 2 + 1].
    """
    mels = torch.linspace(_hz_to_mel(min_hz), _hz_to_mel(max_hz), num_mels + 2)
    corners = torch.where(mels < _LOG_FROM_MEL, mels * _HZ_PER_MEL, 1000.0 * torch.exp(_LOG_STEP * (mels - _LOG_FROM_MEL)))
    slopes = corners[:, None] - torch.linspace(0, sample_rate // 2, fft_size // 2 + 1)
    widths = corners.diff()[:, None]
    filters = torch.minimum(-slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]).clamp(min=0)
    return filters * (2.0 / (corners[2:] - corners[:-2]))[:, None]


_HZ_PER_MEL, _LOG_FROM_MEL, _LOG_STEP = 200 / 3, 15.0, log(6.4) / 27
"""Slaney's scale: 15 mels up to 1 kHz, and 27 for each factor of 6.4 above."""


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < 1000.0 else _LOG_FROM_MEL + log(hz / 1000.0) / _LOG_STEP


def normalise_volume(samples: Samples) -> Samples:
    """Raise float32 [S] to -30 dBFS if it is quieter; louder speech stays as it is."""
    # Summed in float64, without a copy of the recording in it.
    level = float(dbfs(np.einsum("i,i->", samples, samples, dtype=np.float64) / len(samples)))
    return samples * np.float32(10 ** (max(0.0, _TARGET_DBFS - level) / 20))


def partial_windows(samples: int) -> list[tuple[int, int]]:
    """Return the windows of mel frames, [start, end), over a recording of `samples` at 16 kHz.

    The last window is left out if less than 3/4 of it is sound, unless it is the only one.
    """
    frames = -(-(samples + 1) // _HOP)
    starts = range(0, max(1, frames - _WINDOW + _STEP + 1), _STEP)
    windows = [(start, start + _WINDOW) for start in starts]
    covered = (samples - windows[-1][0] * _HOP) / (_WINDOW * _HOP)
    return windows[:-1] if covered < _LEAST_COVERAGE and len(windows) > 1 else windows


def padding_for(windows: list[tuple[int, int]], samples: int) -> int:
    """Return how many zeros a recording of `samples` needs to fill its windows."""
    return max(0, windows[-1][1] * _HOP - samples)


def power_mel(samples: Samples, mels: int = 40) -> Samples:
    """Return the mel power spectrogram of float32 [S], reflected at both ends: float32 [S // 160 + 1, mels], not logarithmic."""
    filters = slaney_filters(mels, _FFT, SAMPLE_RATE, max_hz=SAMPLE_RATE / 2)
    padded = torch.from_numpy(np.pad(samples, _FFT // 2, mode="reflect"))
    window = torch.hann_window(_FFT)
    frames = len(samples) // _HOP + 1

    parts = []
    for first in range(0, frames, _MEL_BLOCK):
        last = min(first + _MEL_BLOCK, frames) - 1
        spectrum = torch.stft(
            padded[first * _HOP : last * _HOP + _FFT], _FFT, _HOP, window=window, center=False, return_complex=True
        )
        parts.append((filters @ spectrum.abs().square()).T)
    return np.ascontiguousarray(torch.cat(parts).numpy())


_NORM_EPSILON = 1e-5
_BATCH = 64
"""Windows that go through the network together."""


class SpeakerNetwork(nn.Module):
    """An LSTM over a window, with a projection of its last state; `state_dict` has the published keys."""

    def __init__(self, mels: int, hidden: int, layers: int, embedding: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(mels, hidden, layers, batch_first=True)
        self.linear = nn.Linear(hidden, embedding)
        # Of GE2E's loss. Nothing here uses them, but published files have them, and loading is strict.
        self.similarity_weight = nn.Parameter(torch.tensor([10.0]))
        self.similarity_bias = nn.Parameter(torch.tensor([-5.0]))

    def forward(self, mel: Tensor) -> Tensor:
        """Map power float32 [batch, frame, mel] to embeddings float32 [batch, embedding] of about unit length."""
        _, (state, _) = self.lstm(mel)
        raw = torch.relu(self.linear(state[-1]))
        length: Tensor = torch.linalg.vector_norm(raw, dim=1, keepdim=True)
        return torch.div(raw, length + _NORM_EPSILON)


class SpeakerEncoder:
    """Turns a recording into a speaker vector, which the vocoder takes as a voice."""

    def __init__(self, network: SpeakerNetwork, fingerprint: str = "") -> None:
        self.network, self.fingerprint = network, fingerprint

    @classmethod
    def from_checkpoint(cls, path: str | Path | None = None, device: str = "cpu") -> "SpeakerEncoder":
        """Load a published encoder; None loads resemblyzer's weights, which come with NetfLips.

        Raises CheckpointError for a file that is no speaker encoder.
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
        """Return the speaker vector of float32 [S] mono speech at 16 kHz: float32 [embedding_dim] of unit length.

        Raises NoSpeechError for silence and for less than 0.5 s of sound, InputError for samples with NaN or infinity.
        """
        normal = normalise_volume(require_sound(speech))
        windows = partial_windows(len(normal))
        mel = power_mel(np.pad(normal, (0, padding_for(windows, len(normal)))), self.network.lstm.input_size)

        mean = self.embed_windows(mel, windows).mean(axis=0)
        length = float(np.linalg.norm(mean))
        if not length > 0:
            raise no_voice()
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


def open_speaker_encoder(path: str | Path | None = None, device: str = "cpu") -> Speaker:
    """Load a speaker encoder: an ONNX network, x.onnx, or a file in the published layout; None loads resemblyzer's.

    Raises CheckpointError for any other file, and UsageError if onnxruntime is needed and not installed.
    """
    if not is_onnx(path):
        return SpeakerEncoder.from_checkpoint(path, device)
    from unit2av.onnx_speaker import OnnxSpeaker

    return OnnxSpeaker(cast(Path, path))


def encoder_fingerprint(path: str | Path | None = None) -> str:
    """Return the `fingerprint` of a speaker encoder's file without loading its network. Raises CheckpointError."""
    if not is_onnx(path):
        return read_checkpoint(default_weights() if path is None else path, SPEAKER_ENCODER).fingerprint
    from unit2av.onnx_speaker import onnx_fingerprint

    return onnx_fingerprint(Path(cast(Path, path)))


def is_onnx(path: str | Path | None) -> bool:
    """Return whether a speaker encoder's file is an ONNX network, by its name."""
    return path is not None and Path(path).suffix.lower() == ".onnx"


def encoder_for(vocoder: Voice, path: str | Path | None = None, device: str = "cpu") -> Speaker:
    """Load a speaker encoder as `open_speaker_encoder` does, and check that it fits a vocoder.

    Raises CheckpointError if its vectors have another length, or if the vocoder states another encoder.
    """
    encoder = open_speaker_encoder(path, device)
    found = "resemblyzer's, which comes along" if path is None else Path(path).name
    hint = "give --speaker-encoder-path"
    stated = vocoder.speaker_encoder

    if stated and encoder.fingerprint != stated:
        what = "the vocoder learnt with another speaker encoder"
        raise CheckpointError(what, path=path, expected=stated, found=f"{found} ({encoder.fingerprint})", hint=hint)

    if encoder.embedding_dim != vocoder.speaker_dim:
        what, expected = "the speaker encoder does not fit the vocoder", f"vectors of {vocoder.speaker_dim}"
        raise CheckpointError(what, path=path, expected=expected, found=encoder.embedding_dim, hint=hint)
    return encoder


def default_weights() -> Path:
    """Return the weights that come with NetfLips: those of the package resemblyzer 0.1.4 (Apache-2.0), as safetensors."""
    return Path(__file__).with_name("speaker_encoder.safetensors")


def _sizes(tensors: Mapping[str, Tensor], source: Checkpoint) -> tuple[int, int, int, int]:
    """Return the mel bands, hidden width, layers and embedding size of a speaker encoder."""
    try:
        layers = sum(key.startswith("lstm.weight_ih_l") for key in tensors)
        embedding, hidden = tensors["linear.weight"].shape
        return tensors["lstm.weight_ih_l0"].shape[1], hidden, layers, embedding
    except (KeyError, ValueError) as error:
        raise CheckpointError("the speaker encoder is incomplete", path=source.path, found=f"no {error}") from error


_VECTOR, _PITCH, _ENCODER = "voice", "pitch", "encoder"
_SUFFIX = ".npz"
_LARGEST = 1000.0
"""Largest number in a speaker vector. They are of the order of 1; from far larger ones a vocoder computes NaN or infinity."""


def read_voice(given: AnySource, encoder: Callable[[], Speaker]) -> SpeakerVoice:
    """Return the voice in a file, with its pitch if that is known.

    given: `x.npy` with the vector, `x.npz` of `write_voice`, or any video or sound file. encoder: makes the speaker encoder;
    called only for sound. Raises InputError, MediaError for a file without sound, and NoSpeechError for too little speech.
    """
    path = require_file(MediaSource.of(given).path, "the voice", hint="--voice takes x.wav, x.npy, x.npz or a video")
    if path.suffix.lower() == ".npy":
        return SpeakerVoice(_as_vector(load_array(path, "the speaker vector"), path))

    if path.suffix.lower() == _SUFFIX:
        content = load_arrays(path, "the stored voice")
        if _VECTOR not in content:
            raise InputError(
                "this is no stored voice", path=path, expected=f"an array {_VECTOR}", found=", ".join(content) or "no arrays"
            )
        vector, stored, made_by = _as_vector(content[_VECTOR], path), content.get(_PITCH), str(content.get(_ENCODER, ""))

        if stored is None:
            return SpeakerVoice(vector, None, made_by)
        is_pitch = stored.shape == (2,) and stored.dtype.kind in "fiu" and bool(np.isfinite(stored).all()) and stored[1] > 0
        if not is_pitch:
            raise InputError(
                "this is no pitch of a voice",
                path=path,
                expected="the median and the spread of ln F0, above 0",
                found=stored.tolist(),
            )
        return SpeakerVoice(vector, Pitch(float(stored[0]), float(stored[1])), made_by)

    source = given if isinstance(given, MediaSource) else select_audio_track(path)
    probe(source)  # warns if the file ends early, which reading alone does not
    speech = read_speech(source)
    try:
        return voice_of(speech, encoder())
    except NoSpeechError as error:
        raise NoSpeechError(error.what, path=path, expected=error.expected, found=error.found, hint=error.hint) from error


def voice_of(speech: Samples, encoder: Speaker) -> SpeakerVoice:
    """Return the voice of float32 [S] speech at 16 kHz. Raises NoSpeechError for too little speech."""
    return SpeakerVoice(encoder.embed(speech), measure_pitch(speech), encoder.fingerprint)


def neutral_voice(size: int) -> SpeakerVoice:
    """Return a neutral voice: a vector float32 [size] of unit length with equal numbers, without a pitch."""
    return SpeakerVoice(np.full(size, size**-0.5, dtype=np.float32))


def write_voice(path: str | Path, voice: SpeakerVoice) -> Path:
    """Write a voice as `x.npz`, and return its path. Raises UsageError for another suffix, OutputError if it cannot be written."""
    path = Path(path)
    if path.suffix != _SUFFIX:
        raise UsageError(f"the name of a stored voice must end in {_SUFFIX}", found=path.name)

    more = {} if voice.pitch is None else {_PITCH: np.array([voice.pitch.median, voice.pitch.spread])}
    more |= {_ENCODER: np.array(voice.encoder)} if voice.encoder else {}
    with atomic_output(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{_VECTOR: voice.vector}, **more)
    return path


def _as_vector(vector: NDArray[Any], path: Path) -> Samples:
    if vector.size != max(vector.shape, default=0) or not vector.size or vector.dtype.kind not in "fiu":
        found = f"{vector.dtype} of shape {list(vector.shape)}"
        raise InputError("this is no speaker vector", path=path, expected="a row of numbers", found=found)

    largest = np.abs(vector.astype(np.float64)).max()
    # NaN is refused as well: no comparison with it is true.
    if not largest <= _LARGEST:
        raise InputError("this is no speaker vector", path=path, expected=f"numbers up to {_LARGEST:g}", found=f"{largest:g}")
    return np.asarray(vector.reshape(-1), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class VoiceOptions(CommonOptions):
    """Measure a voice once, to speak with it often."""

    in_path: Path = flag(file=Input("the recording"))
    """a recording of one speaker: any sound or video file"""
    out_path: Path = flag(file=Output("the stored voice"))
    """the voice, x.npz, for --voice"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """encoder.pt or x.onnx (default: the weights that come with NetfLips)"""


def _work(options: VoiceOptions) -> None:
    device = options.device
    voice = read_voice(options.in_path, lambda: open_speaker_encoder(options.speaker_encoder_path, device))
    path = write_voice(options.out_path, voice)
    LOG.info("%s: %s", path, "no pitch was found" if voice.pitch is None else f"median pitch {voice.pitch.hz:.0f} Hz")


_COMMAND = Command(VoiceOptions, "voice", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
