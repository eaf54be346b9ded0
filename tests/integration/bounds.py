"""How far answers in low precision are from those in float32, against stated bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.units import Ids
from benchmarks import material
from unit2unit.model import UnitTransformer

LOW = "bfloat16"
_WINDOW, _HOP, _FLOOR_DB = 1024, 256, 80.0


@dataclass(frozen=True)
class BoundFigure:
    """One figure and the bound it must keep: not above it, or not below it where `is_least`."""

    name: str
    value: float
    bound: float
    is_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.is_least else self.value <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.is_least else "<="
        return f"{self.name}: {self.value:.4g} (bound {sign} {self.bound:g}){'' if self.holds else ' NOT KEPT'}"


def of_translator(path: Path, language: str, target: str, beam: int, steps: int) -> list[BoundFigure]:
    """Teacher forcing on what float32 finds, and what the other finds scored in float32."""
    from avcore.decoding.beam import SearchConfig
    from unit2unit.inference import UnitTranslator

    units, search = material.units(4.5), SearchConfig(beam=beam, max_len_b=steps)
    translators = [UnitTranslator.from_checkpoint(path, precision=name) for name in ("float32", LOW)]
    found = [translator.translate(units, language, target, search) for translator in translators]
    exact, low = (translator.model for translator in translators)
    rows = exact.config.vocabulary.source_tokens(units.merged().ids, language)
    truth = _log_probabilities(exact, rows, found[0].tokens)
    rescored = _mean_score(_log_probabilities(exact, rows, found[1].tokens), found[1].tokens)
    best = _mean_score(truth, found[0].tokens)
    other = _log_probabilities(low, rows, found[0].tokens)
    alike = float((truth.argmax(1) == other.argmax(1)).float().mean())
    return [
        BoundFigure("unit2unit: the same likeliest token (share)", alike, 0.99, True),
        BoundFigure("unit2unit: error of a log-probability (mean)", float((truth - other).abs().mean()), 0.05),
        BoundFigure("unit2unit: its hypothesis scored in float32, worse by (share)", (best - rescored) / abs(best), 0.01),
    ]


def of_vocoder(path: Path, language: str, seconds: float = 2.0) -> list[BoundFigure]:
    """Log-spectral distance of the waveforms."""
    from unit2av.inference_unit2a import UnitVocoder

    sounds = []
    for name in ("float32", LOW):
        vocoder = UnitVocoder.from_checkpoint(path, language, precision=name)
        sounds.append(vocoder.synthesize(material.units(seconds), material.voice(vocoder.speaker_dim)).samples)
    return [BoundFigure("vocoder: log-spectral distance (dB)", log_spectral_distance(*sounds), 0.35)]


def of_renderer(path: Path, seconds: float = 1.0) -> list[BoundFigure]:
    """Peak signal to noise of the pictures."""
    from unit2av.renderer import LipRenderer

    drawn = []
    for name in ("float32", LOW):
        renderer = LipRenderer.from_checkpoint(path, precision=name)
        drawn.append(np.concatenate(list(renderer.render(material.units(seconds), material.faces(seconds)))).astype(np.float64))
    noise = np.square(drawn[0] - drawn[1]).mean()
    return [BoundFigure("lips: PSNR (dB)", float(10 * np.log10(255**2 / max(noise, 1e-9))), 45, True)]


def of_extractor(
    path: Path, speech: Sequence[NDArray[np.float32]], lips: Sequence[NDArray[np.uint8]] | None = None, bound: float = 0.995
) -> list[BoundFigure]:
    """The same units on utterances float32 [S], with lips uint8 [T, 96, 96] or without."""
    from av2unit.inference import UnitExtractor

    frames = []
    for name in ("float32", LOW):
        extractor = UnitExtractor.from_checkpoint(path, precision=name)
        clips = lips or [None] * len(speech)
        frames.append(np.concatenate([extractor.extract(*pair).frames() for pair in zip(speech, clips, strict=True)]))
    return [BoundFigure("av2unit: the same units (share)", float((frames[0] == frames[1]).mean()), bound, True)]


def log_spectral_distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean over windows of the root mean square difference of two spectra in dB; what is 80 dB below the loudest is silence.

    one, other: float32, both of shape [S].
    """
    spectra = []
    for sound in (one, other):
        parts = torch.stft(torch.from_numpy(sound), _WINDOW, _HOP, window=torch.hann_window(_WINDOW), return_complex=True)
        spectra.append(20 * torch.log10(parts.abs().clamp_min(1e-9)))
    floor = max(float(spectrum.max()) for spectrum in spectra) - _FLOOR_DB
    difference = spectra[0].clamp_min(floor) - spectra[1].clamp_min(floor)
    return float(difference.square().mean(0).sqrt().mean())


@torch.inference_mode()
def _log_probabilities(model: UnitTransformer, source: Ids, tokens: Ids) -> Tensor:
    """Log-probabilities of all rows at each place of a hypothesis: float32 [T, row]. The last token is the tag it begins with."""
    given = np.concatenate([tokens[-1:], tokens[:-1]])
    logits: Tensor = model(torch.from_numpy(source)[None], torch.from_numpy(given)[None])
    return torch.log_softmax(logits[0].float(), -1)


def _mean_score(log_probabilities: Tensor, tokens: Ids) -> float:
    return float(log_probabilities[torch.arange(len(tokens)), torch.from_numpy(tokens)].mean())
