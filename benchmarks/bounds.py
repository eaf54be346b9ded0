"""How far answers in low precision are from those in float32, against stated bounds: `python -m benchmarks.bounds`.

The same figures are taken of small random checkpoints in the tests; here they are taken of a whole folder.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from av2unit.stage import UNIT_ENCODER
from avcore.files import private_folder
from avcore.media import read_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE
from avcore.units import Ids
from benchmarks import material
from netflips.stages import SHIPPED
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


def of_translator(path: Path, language: str, target: str, beam: int, steps: int, precision: str = LOW) -> list[BoundFigure]:
    """Teacher forcing on what float32 finds, and what the other finds scored in float32."""
    from avcore.decoding.beam import SearchConfig
    from unit2unit.inference import UnitTranslator

    units, search = material.units(4.5), SearchConfig(beam=beam, max_len_b=steps)
    translators = [UnitTranslator.from_checkpoint(path, precision=name) for name in ("float32", precision)]
    found = [translator.translate(units, language, target, search) for translator in translators]
    exact, low = (translator.model for translator in translators)
    rows = exact.config.vocabulary.source_tokens(units.merged().ids, language)
    truth = _log_probabilities(exact, rows, found[0].tokens)
    rescored = _mean_score(_log_probabilities(exact, rows, found[1].tokens), found[1].tokens)
    best = _mean_score(truth, found[0].tokens)
    other = _log_probabilities(low, rows, found[0].tokens)
    return [
        BoundFigure(
            "unit2unit: the same likeliest token (share)", float((truth.argmax(1) == other.argmax(1)).float().mean()), 0.99, True
        ),
        BoundFigure("unit2unit: error of a log-probability (mean)", float((truth - other).abs().mean()), 0.05),
        BoundFigure("unit2unit: its hypothesis scored in float32, worse by (share)", (best - rescored) / abs(best), 0.01),
    ]


def of_vocoder(path: Path, language: str, seconds: float = 2.0, precision: str = LOW) -> list[BoundFigure]:
    """Log-spectral distance of the waveforms."""
    from unit2av.inference_unit2a import UnitVocoder

    sounds = []
    for name in ("float32", precision):
        vocoder = UnitVocoder.from_checkpoint(path, language, precision=name)
        sounds.append(vocoder.synthesize(material.units(seconds), material.voice(vocoder.speaker_dim)).samples)
    return [BoundFigure("vocoder: log-spectral distance (dB)", log_spectral_distance(*sounds), 0.35)]


def of_renderer(path: Path, seconds: float = 1.0, precision: str = LOW) -> list[BoundFigure]:
    """Peak signal to noise of the pictures."""
    from unit2av.renderer import LipRenderer

    drawn = []
    for name in ("float32", precision):
        renderer = LipRenderer.from_checkpoint(path, precision=name)
        drawn.append(np.concatenate(list(renderer.render(material.units(seconds), material.faces(seconds)))).astype(np.float64))
    noise = np.square(drawn[0] - drawn[1]).mean()
    return [BoundFigure("lips: PSNR (dB)", float(10 * np.log10(255**2 / max(noise, 1e-9))), 45, True)]


def of_extractor(
    path: Path,
    speech: Sequence[NDArray[np.float32]],
    lips: Sequence[NDArray[np.uint8]] | None = None,
    precision: str = LOW,
    bound: float = 0.995,
    what: str = "",
) -> list[BoundFigure]:
    """The same units on utterances float32 [S], with lips uint8 [T, 96, 96] or without. what: they are, for the name."""
    from av2unit.inference import UnitExtractor

    frames = []
    for name in ("float32", precision):
        extractor = UnitExtractor.from_checkpoint(path, precision=name)
        clips = lips or [None] * len(speech)
        frames.append(np.concatenate([extractor.extract(*pair).frames() for pair in zip(speech, clips, strict=True)]))
    return [BoundFigure(f"av2unit: the same units{what} (share)", float((frames[0] == frames[1]).mean()), bound, True)]


def of_bundle(sounds: int, clips: int, precision: str = "auto") -> list[BoundFigure]:
    """Return the demo bundle's unit encoder on held-out sentences in voices that it never heard: sound alone, and with lips.

    sounds, clips: how many utterances of each. Needs espeak-ng (`make env` has it).
    """
    from av2unit.sources import lips_of_video
    from recipes.demo.evaluate.material import EvaluationSettings, plan_clip, write_clip
    from recipes.demo.voices.cast import say

    settings = EvaluationSettings()
    plans = [plan_clip("held_out", number, settings) for number in range(max(sounds, clips))]
    said = [say(plan.pair.english, plan.voice) for plan in plans[:sounds]]
    speech = [resample(one.samples, one.rate, SAMPLE_RATE) for one in said]
    filmed, lips = [], []
    with private_folder() as scratch:
        for number, plan in enumerate(plans[:clips]):
            write_clip(scratch / f"{number}.mp4", plan, settings.side)
            filmed.append(read_speech(scratch / f"{number}.mp4"))
            lips.append(lips_of_video(scratch / f"{number}.mp4", speech=filmed[-1]))
    encoder = SHIPPED / UNIT_ENCODER.file
    return [
        *of_extractor(encoder, speech, precision=precision, what=f", {sounds} utterances of the demo, sound"),
        *of_extractor(encoder, filmed, lips, precision, what=f", {clips} clips of the demo, sound and lips"),
    ]


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


def main() -> int:
    """Take all figures of a folder of published layout; 1 when a bound is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounds", description=__doc__)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of scripts/make_random_checkpoints.py")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--beam", type=int, default=20)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--skip", nargs="*", default=[], choices=["unit2unit", "vocoder", "lips", "av2unit"])
    options = parser.parse_args()
    folder, precision = options.checkpoints, options.precision
    renderer = folder / "unit_av_renderer_withKO.pt"
    takers = {
        "vocoder": lambda: of_vocoder(renderer, "ko", precision=precision),
        "lips": lambda: of_renderer(renderer, precision=precision),
        "av2unit": lambda: of_extractor(
            folder / "mavhubert_large_noise.pt", [material.speech(4.0)], [material.lips(4.0)], precision, bound=0.0
        ),
        "unit2unit": lambda: of_translator(folder / "utut_ko.pt", "en", "ko", options.beam, options.steps, precision),
    }
    kept = True
    for stage, take in takers.items():
        for figure in take() if stage not in options.skip else []:
            print(figure, flush=True)
            kept = kept and figure.holds
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
