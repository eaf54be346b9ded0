"""Whether drawn mouths say their units, as a unit encoder reads them: on the demo's clip, with mouths that do and do not.

Mouth L1 and SSIM against an independent truth.
"""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from av2unit.extractor import UnitExtractor
from avcore.errors import NoFaceError
from avcore.faces.boxes import write_boxes
from avcore.faces.find import find_faces
from avcore.media import FrameSource, read_speech
from unit2av.face.training import task
from unit2av.face.training.config import MouthRegion
from unit2av.face.training.items import LipClip
from unit2av.face.training.task import LipReader, l1_weights, mouth_of, moved_weights, ssim, weighted_l1
from unit2av.lip_crops import CropSource

_ROOT = Path(__file__).parents[2]
_CLIP = _ROOT / "docs" / "clip" / "clip.mp4"


class Copyist(nn.Module):
    """Draws the reference as it is, whatever is said."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, units: Tensor, faces: Tensor) -> Tensor:
        assert (tuple(units.shape), tuple(faces.shape)) == ((1, 20), (10, 6, 96, 96))
        return faces[:, 3:]


@pytest.fixture(scope="module")
def encoder() -> UnitExtractor:
    return UnitExtractor.from_checkpoint(_ROOT / "netflips" / "bundle" / "unit_encoder.safetensors")


@pytest.fixture(scope="module")
def clip(encoder: UnitExtractor, tmp_path_factory: pytest.TempPathFactory) -> LipClip:
    boxes = tmp_path_factory.mktemp("boxes") / "clip.bbox.pkl"
    write_boxes(boxes, find_faces(FrameSource(_CLIP), "largest").boxes)
    return LipClip(CropSource("clip", _CLIP, boxes, steady=6), encoder.extract(speech=read_speech(_CLIP)), 25)


def test_a_mouth_that_says_its_units_is_told_from_others(encoder: UnitExtractor, clip: LipClip, tmp_path: Path) -> None:
    own, foreign = (LipReader(encoder, [clip], tmp_path, shift).measure(Copyist()) for shift in (0.0, 0.5))  # type: ignore[arg-type]
    assert own["recorded_unit_sync"] == foreign["recorded_unit_sync"] > 0.5
    assert own["unit_sync"] > own["recorded_unit_sync"] - 0.2
    assert own["unit_sync_at_zero"] > 0.5
    assert foreign["unit_sync_at_zero"] < 0.3


def test_frames_without_a_face_agree_in_nothing(
    encoder: UnitExtractor, clip: LipClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def blind(*_: object, **__: object) -> None:
        raise NoFaceError("no face was found in any frame")

    monkeypatch.setattr(task, "find_faces", blind)
    with caplog.at_level(logging.WARNING):
        found = LipReader(encoder, [clip], tmp_path).measure(Copyist())  # type: ignore[arg-type]
    assert set(found.values()) == {0.0}
    assert "clip: no face is found" in caplog.text


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_ssim_is_that_of_scikit_image(noise: float) -> None:
    generator = np.random.default_rng(0)
    truth = np.kron(generator.uniform(0, 1, (2, 3, 10, 16)), np.ones((1, 1, 4, 4))).astype(np.float32)
    drawn = np.clip(truth + noise * generator.normal(size=truth.shape), 0, 1).astype(np.float32)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "channel_axis": 0}
    expected = [structural_similarity(a, b, **options) for a, b in zip(drawn, truth, strict=True)]
    found = ssim(torch.from_numpy(drawn), torch.from_numpy(truth))
    assert found.numpy() == pytest.approx(expected, abs=2e-5)
    assert noise or found.min() > 1 - 1e-5


def test_the_mouth_weighs_more_and_the_whole_as_before() -> None:
    region = MouthRegion(50, 90, 20, 70)
    weights = l1_weights(region, 3.0)
    assert (weights.mean(), weights[60, 30]) == (pytest.approx(1.0), pytest.approx(3 * weights[10, 10]))
    truth = torch.rand(2, 3, 96, 96)
    assert weighted_l1(truth + 0.25, truth, weights) == pytest.approx(0.25, abs=1e-6)
    wrong_mouth, wrong_ear = truth.clone(), truth.clone()
    wrong_mouth[:, :, 60, 30] += 1
    wrong_ear[:, :, 10, 10] += 1
    assert weighted_l1(wrong_mouth, truth, weights) == pytest.approx(3 * weighted_l1(wrong_ear, truth, weights).item(), rel=1e-4)
    assert weighted_l1(wrong_ear, truth, l1_weights(region, 1.0)) == pytest.approx((wrong_ear - truth).abs().mean().item())
    assert mouth_of(truth, region).shape == (2, 3, 40, 50)


def test_what_moves_counts_more() -> None:
    truth = torch.rand(2, 3, 96, 96) / 2
    reference = truth.clone()
    reference[0, :, 70:80, 40:50] += 0.5
    weights = moved_weights(truth, reference, 20.0)
    assert weights.shape == (2, 1, 96, 96)
    assert torch.allclose(weights[0, :, 70:80, 40:50], torch.tensor(11.0))
    assert (weights[1] == 1).all()
    assert (moved_weights(truth, reference, 0.0) == 1).all()
    wrong = reference.clone()
    wrong[1, :, 70:80, 40:50] += 0.5
    inside = weighted_l1(wrong[:1], truth[:1], weights[:1]) / weighted_l1(wrong[1:], truth[1:], weights[1:])
    assert inside == pytest.approx(11)
