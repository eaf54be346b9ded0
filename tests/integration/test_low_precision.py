"""Low precision loses what its rounding loses, and no more: on small random networks and on the demo bundle's encoder.

How far an answer in bfloat16 may be from float32's depends on the network, its input and the processor. So each is held against
the same network in float32 whose numbers are rounded where bfloat16 rounds them (`rounding.py`): both errors are sums of thousands
of independent roundings of the same sizes, so their root mean squares agree, whatever the seed: 0.38 to 1.18 of it was found with
six seeds and three sets of instructions.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from av2unit.inference import UnitExtractor
from av2unit.sources import lips_of_video
from av2unit.stage import UNIT_ENCODER as ENCODER_STAGE
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.compute.kernels import EightBitLinear
from avcore.decoding.beam import SearchConfig
from avcore.media import read_speech
from avcore.units import Ids
from benchmarks import material
from netflips.stages import SHIPPED
from recipes.demo.random.random_checkpoints import KOREAN_TRANSLATOR, RENDERER, UNIT_ENCODER, write_random_checkpoints
from tests.integration.rounding import Rounded, plain_layers, to_bfloat16, to_eight_bits
from unit2av.inference_unit2a import UnitVocoder
from unit2av.renderer import LipRenderer
from unit2unit.inference import UnitTranslator
from unit2unit.model import UnitTransformer
from unit2unit.stage import TRANSLATOR as TRANSLATOR_STAGE

LOW = "bfloat16"
_SPREAD = 5
_LEAST, _MOST = 0.2, 1.5
"""Of the error of rounding: below it nothing would be computed in low precision at all, above it more than rounding is lost."""
CLIP = Path(__file__).resolve().parents[2] / "docs" / "clip" / "clip.mp4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints")
    write_random_checkpoints(path, "tiny", only_korean=True)
    return path


def assert_only_rounded(exact: ArrayLike, low: ArrayLike, rounded: ArrayLike) -> None:
    truth = np.asarray(exact, np.float64)
    error, expected = (float(np.sqrt(np.square(np.asarray(one) - truth).mean())) for one in (low, rounded))
    assert _LEAST * expected < error < _MOST * expected


@pytest.mark.parametrize("least_weights", [None, 0])
def test_translator(folder: Path, least_weights: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log-probabilities of all units at each place of what is found; and what the search says of it, step by step, is so.

    With the decoder in bfloat16, since it is small, and in eight bits as a large one. Scores of random weights lie close together,
    so these are spread.
    """
    if least_weights is not None:
        monkeypatch.setattr(EightBitLinear, "LEAST", least_weights)
    found = read_checkpoint(folder / KOREAN_TRANSLATOR, TRANSLATOR_STAGE)
    spread = {name: _SPREAD * found.tensors[name] for name in ("decoder.layer_norm.weight", "decoder.layer_norm.bias")}
    path = write_checkpoint(folder / "spread.safetensors", TRANSLATOR_STAGE, found.config, found.tensors | spread)
    with plain_layers():
        exact = UnitTranslator.from_checkpoint(path).model
    low = UnitTranslator.from_checkpoint(path, precision=LOW)
    has_eight_bits = any(isinstance(module, EightBitLinear) for module in low.model.modules())

    units = material.units(4.5)
    said = low.translate(units, "en", "ko", SearchConfig(beam=5, max_len_b=30))
    source = exact.config.vocabulary.source_tokens(units.merged().ids, "en")
    truth = _log_probabilities(exact, source, said.tokens)
    with Rounded(to_eight_bits if has_eight_bits else to_bfloat16, head=truth.shape[1]):
        rounded = _log_probabilities(exact, source, said.tokens)
    assert_only_rounded(truth, _log_probabilities(low.model, source, said.tokens), rounded)

    its_own = truth[torch.arange(len(said.tokens)), torch.from_numpy(said.tokens)]
    assert abs(said.score - float(its_own.mean())) < _MOST * float((rounded - truth).square().mean().sqrt())


@torch.inference_mode()
def _log_probabilities(model: UnitTransformer, source: Ids, tokens: Ids) -> Tensor:
    """Log-probabilities of all rows at each place of a hypothesis: float32 [T, row]. The last token is the tag it begins with."""
    given = np.concatenate([tokens[-1:], tokens[:-1]])
    logits: Tensor = model(torch.from_numpy(source)[None], torch.from_numpy(given)[None])
    return torch.log_softmax(logits[0].float(), -1)


def test_vocoder(folder: Path) -> None:
    def samples(vocoder: UnitVocoder) -> NDArray[np.float32]:
        return vocoder.synthesize(material.units(2.0), material.voice(vocoder.speaker_dim)).samples

    exact, low = (UnitVocoder.from_checkpoint(folder / RENDERER, "ko", precision=name) for name in ("float32", LOW))
    with Rounded(everywhere=True):
        rounded = samples(exact)
    assert_only_rounded(samples(exact), samples(low), rounded)


def test_lips(folder: Path) -> None:
    def frames(renderer: LipRenderer) -> NDArray[np.uint8]:
        return np.concatenate(list(renderer.render(material.units(0.4), material.faces(0.4))))

    exact, low = (LipRenderer.from_checkpoint(folder / RENDERER, precision=name) for name in ("float32", LOW))
    with Rounded():
        rounded = frames(exact)
    assert_only_rounded(frames(exact), frames(low), rounded)


@pytest.mark.parametrize("is_demo", [False, True])
@pytest.mark.parametrize("modalities", ["audio", "video", "audio,video"])
def test_unit_encoder(folder: Path, is_demo: bool, modalities: str) -> None:
    """Scores of all classes; which of them is chosen at each step is then computed in one way."""
    speech = read_speech(CLIP) if is_demo else material.speech(4.0)
    lips = lips_of_video(CLIP, speech=speech) if is_demo else material.lips(4.0)
    given = (speech if "audio" in modalities else None), (lips if "video" in modalities else None)
    path = SHIPPED / ENCODER_STAGE.file if is_demo else folder / UNIT_ENCODER
    with plain_layers():
        exact = UnitExtractor.from_checkpoint(path)
    truth = exact.logits(*given)
    is_class = np.isfinite(truth)
    with Rounded(head=truth.shape[1]):
        rounded = exact.logits(*given)
    low = UnitExtractor.from_checkpoint(path, precision=LOW).logits(*given)
    assert_only_rounded(truth[is_class], low[is_class], rounded[is_class])
