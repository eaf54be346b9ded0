"""Voice activity detection: stretches of speech, and the pauses between them, in sound of any length.

    for start_s, end_s in find_speech(read_speech("talk.mp4")): ...
    activity = detect_activity(iter_speech_blocks("three_hours.mp4"))  # as a stream: memory grows by 12 bytes for each 32 ms

The network is silero-vad's. The pip package (MIT) has its weights as a TorchScript archive that needs a call for each 32 ms.
The same network is written out here: many steps go through it in one call, several times faster. Only the weights are read from
the archive. Nothing is downloaded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
from avcore.timeline import SAMPLE_RATE, Interval, frame_at, frames_covering, frames_to_seconds, samples_to_seconds

STEP_SAMPLES = 512
"""Samples at 16 kHz for each probability, 32 ms."""
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
"""The archive's name of each tensor, and ours."""

DetectorState = tuple[Tensor, Tensor]


class _SpeechNetwork(nn.Module):
    """Magnitudes of a short-time Fourier transform, four convolutions, an LSTM over the steps, one probability a step."""

    def __init__(self) -> None:
        super().__init__()
        self.basis = nn.Conv1d(1, 2 * _BINS, _FFT, stride=_HOP, bias=False)
        self.encoder = nn.ModuleList(nn.Conv1d(a, b, 3, stride=stride, padding=1) for a, b, stride in _ENCODER)
        self.rnn = nn.LSTM(_ENCODER[-1][1], 128, batch_first=True)
        self.head = nn.Conv1d(128, 1, 1)

    def forward(self, windows: Tensor, state: DetectorState | None) -> tuple[Tensor, DetectorState]:
        """Return probabilities [step] and the state after windows float32 [step, 64 + 512], each with the 64 samples before it."""
        # Padded at the end alone and by reflection, as in silero's own network.
        padded = nn.functional.pad(windows, (0, _CONTEXT), "reflect")
        parts = self.basis(padded[:, None])
        rows = (parts[:, :_BINS].square() + parts[:, _BINS:].square()).sqrt()
        for layer in self.encoder:
            rows = torch.relu(layer(rows))
        hidden, state = self.rnn(rows[None, :, :, 0], state)
        return torch.sigmoid(self.head(torch.relu(hidden).transpose(1, 2)))[0, 0], state


def speech_probabilities(blocks: Iterable[Samples]) -> Iterator[NDArray[np.float32]]:
    """Yield the probability of speech in each 32 ms.

    blocks: one stream, float32 of shape [time] at 16 kHz, of any length. Yields float32 of shape [steps] in 0..1, in all one value
    for each 512 samples (the last may have fewer). About 16 s of sound are held in memory. Raises InputError when silero-vad is
    missing or of an unknown release.
    """
    stream = SpeechStream()
    for piece in _pieces(blocks):
        yield stream.hear(piece)


class SpeechStream:
    """Finds the probability of speech in one stream of sound, in pieces of whole steps as they come. Raises InputError as
    `speech_probabilities` does."""

    def __init__(self) -> None:
        self._network, self._state = _network(), None
        self._context = np.zeros(_CONTEXT, np.float32)

    def hear(self, piece: Samples) -> NDArray[np.float32]:
        """Return the probability of each step of the next piece: float32 [n x 512] at 16 kHz to float32 [n]."""
        joined = torch.from_numpy(np.concatenate([self._context, piece]))
        self._context = piece[-_CONTEXT:]
        with torch.inference_mode():
            probabilities, self._state = self._network(joined.unfold(0, _CONTEXT + STEP_SAMPLES, STEP_SAMPLES), self._state)
        found: NDArray[np.float32] = probabilities.numpy()
        return found


def _pieces(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Yield the stream in pieces of whole steps, the last one padded with silence."""
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
    # The package itself is not imported: that would set the number of threads of the whole process to 1.
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


_SILENCE_DBFS = -100.0
_POWER_FLOOR = 1e-9
_FLATNESS_BINS = slice(7, 129)
"""220 to 4000 Hz of the spectrum of a step."""
_WINDOW = np.hanning(STEP_SAMPLES).astype(np.float32)
_LOUD_DB = 20.0
"""Steps of a stretch within this distance of its loudest step are examined for music."""
_SMOOTHED = 3
"""Width of the average in the search for a quiet moment, in steps: about 0.1 s."""
_PROBABILITY_IN_DB = 40.0
"""Weight of a speech probability of 1 against level, in the search for the best place to cut."""


@dataclass(frozen=True)
class SpeechSettings:
    """Settings of voice activity detection.

    The network sometimes takes the beginning of music for speech. A stretch counts as music when fewer of its steps than
    `sure_share` are `sure`, its level changes by less than `steady_db` from step to step on average, and it is tonal: its
    spectral flatness, the median of its loud steps, is below `tonal`. The bounds were set on synthetic music (of 81 pieces and 60
    arpeggios, 25 were taken for speech without the rule and none with it) and 138 stretches of 15 synthetic voices, alone and
    over music 5 and 15 dB softer, none of which was lost. Recorded music and singing were not tried.
    """

    threshold: float = 0.5
    """Speech begins at this probability."""
    release: float = 0.35
    """Speech ends below this probability."""
    min_pause_s: float = 0.3
    """Shorter pauses belong to the speech around them."""
    min_speech_s: float = 0.25
    """Shorter stretches (a cough) do not count as speech."""
    pad_s: float = 0.06
    """Added on both sides where the gap allows: the network detects a soft beginning a little late."""
    sure: float = 0.9
    sure_share: float = 0.35
    tonal: float = 0.05
    steady_db: float = 3.0


@dataclass(frozen=True, eq=False)
class SpeechActivity:
    """Measurements of a stream of sound in steps of 512 samples."""

    probabilities: NDArray[np.float32]
    """Of speech, float32 [steps]."""
    levels: NDArray[np.float32]
    """dBFS, float32 [steps]."""
    num_samples: int
    flatness: NDArray[np.float32] | None = None
    """Spectral flatness, 0 (tones) to 1 (noise), float32 [steps]; None = not measured, and music is not detected."""

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return float(samples_to_seconds(self.num_samples))

    def regions(self, settings: SpeechSettings | None = None) -> list[Interval]:
        """Return the stretches of speech in order; they do not touch."""
        settings = settings or SpeechSettings()
        runs: list[tuple[int, int]] = []
        for first, last in _runs(self.probabilities, settings):
            if runs and _seconds(first - runs[-1][1]) < settings.min_pause_s:
                runs[-1] = runs[-1][0], last
            else:
                runs.append((first, last))
        spoken = [(a, b) for a, b in runs if _seconds(b - a) >= settings.min_speech_s and not self._is_music(a, b, settings)]
        return self.padded([Interval(_seconds(a), min(_seconds(b), self.seconds)) for a, b in spoken], settings.pad_s)

    def _is_music(self, first: int, last: int, settings: SpeechSettings) -> bool:
        """Return whether the steps first to last - 1 are steady tones, with few steps of high probability."""
        if self.flatness is None or np.mean(self.probabilities[first:last] > settings.sure) >= settings.sure_share:
            return False
        levels = self.levels[first:last]
        if len(levels) < 2 or np.abs(np.diff(levels)).mean() >= settings.steady_db:
            return False
        loud = levels > levels.max() - _LOUD_DB
        return bool(np.median(self.flatness[first:last][loud]) < settings.tonal)

    def padded(self, regions: list[Interval], pad_s: float) -> list[Interval]:
        """Return regions extended by `pad_s` on both sides, at most to the middle of a gap and to the ends of the sound."""
        edges = [0.0, *(edge for region in regions for edge in region), self.seconds]
        longer = []
        for number, region in enumerate(regions):
            before, after = region.start_s - edges[2 * number], edges[2 * number + 3] - region.end_s
            before, after = (before if number == 0 else before / 2), (after if number == len(regions) - 1 else after / 2)
            longer.append(Interval(region.start_s - min(pad_s, before), region.end_s + min(pad_s, after)))
        return longer

    def quietest_s(self, start_s: float, end_s: float) -> float:
        """Return the best time to cut between two times (s), where speech is improbable and the level is low."""
        first = frame_at(start_s, STEP_RATE)
        last = max(frames_covering(end_s, STEP_RATE), first + 1)
        score = _PROBABILITY_IN_DB * self.probabilities[first:last] + self.levels[first:last]
        if not len(score):
            return (start_s + end_s) / 2

        near = np.pad(score, _SMOOTHED // 2, mode="edge")
        smooth = np.convolve(near, np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")
        # Digital silence has many equal steps: their middle one is farthest from the speech on both sides.
        best = np.flatnonzero(smooth <= smooth.min() + 1e-6)
        chosen = first + int(best[len(best) // 2])
        middle_s = (_seconds(chosen) + _seconds(chosen + 1)) / 2
        return min(max(middle_s, start_s), end_s)


def find_speech(speech: Samples, settings: SpeechSettings | None = None) -> list[Interval]:
    """Find the stretches of speech in float32 [samples] at 16 kHz; none in silence, noise or music."""
    return detect_activity([speech]).regions(settings)


def detect_activity(blocks: Iterable[Samples]) -> SpeechActivity:
    """Measure speech activity in a stream of float32 [time] at 16 kHz, in blocks of any length; about 16 s of it are held."""
    measures = _Measures()
    found = [np.zeros(0, np.float32), *speech_probabilities(measures.passed(blocks))]
    return SpeechActivity(np.concatenate(found), measures.levels(), measures.num_samples, measures.flatness())


class _Measures:
    """Measures level and flatness of each step of a stream while it is read elsewhere."""

    def __init__(self) -> None:
        self.num_samples = 0
        self._rest = np.zeros(0, np.float32)
        self._levels: list[NDArray[np.float32]] = []
        self._flatness: list[NDArray[np.float32]] = []

    def passed(self, blocks: Iterable[Samples]) -> Iterable[Samples]:
        """Yield the same blocks."""
        for block in blocks:
            self.num_samples += len(block)
            joined = np.concatenate([self._rest, block])
            whole = len(joined) // STEP_SAMPLES * STEP_SAMPLES
            self._measure(joined[:whole].reshape(-1, STEP_SAMPLES))
            self._rest = joined[whole:]
            yield block
        if len(self._rest):
            self._measure(self._rest[None])

    def levels(self) -> NDArray[np.float32]:
        """Return dBFS, float32 [steps]."""
        return np.concatenate([np.zeros(0, np.float32), *self._levels])

    def flatness(self) -> NDArray[np.float32]:
        """Return the geometric over the arithmetic mean of the spectrum's power, float32 [steps]."""
        return np.concatenate([np.zeros(0, np.float32), *self._flatness])

    def _measure(self, steps: Samples) -> None:
        levels, flatness = measured_steps(steps)
        self._levels.append(levels)
        self._flatness.append(flatness)


def measured_steps(steps: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return level (dBFS) and spectral flatness of steps, float32 [n, up to 512] at 16 kHz: both float32 [n]."""
    power = np.square(steps, dtype=np.float64).mean(axis=1)
    floor = 10 ** (_SILENCE_DBFS / 10)
    padded = np.pad(steps, ((0, 0), (0, STEP_SAMPLES - steps.shape[1])))
    spectrum = np.square(np.abs(np.fft.rfft(padded * _WINDOW))[:, _FLATNESS_BINS]) + _POWER_FLOOR
    flatness = np.exp(np.log(spectrum).mean(axis=1)) / spectrum.mean(axis=1)
    return (10 * np.log10(np.maximum(power, floor))).astype(np.float32), flatness.astype(np.float32)


def _runs(probabilities: NDArray[np.float32], settings: SpeechSettings) -> list[tuple[int, int]]:
    """Return the steps [first, last) of each stretch that begins above the threshold and ends below the release."""
    runs, begun = [], -1
    for step, probability in enumerate(probabilities.tolist()):
        if begun < 0 and probability >= settings.threshold:
            begun = step
        elif begun >= 0 and probability < settings.release:
            runs.append((begun, step))
            begun = -1
    return runs if begun < 0 else [*runs, (begun, len(probabilities))]


def _seconds(steps: int) -> float:
    return float(frames_to_seconds(steps, STEP_RATE))
