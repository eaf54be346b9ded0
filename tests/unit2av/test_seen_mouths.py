"""Whether drawn mouths say their units, as a unit encoder reads them: on the demo's clip, with mouths that do and do not."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from av2unit.extractor import UnitExtractor
from avcore.errors import NoFaceError
from avcore.faces.boxes import write_boxes
from avcore.faces.find import find_faces
from avcore.media import PictureSource, read_speech
from unit2av.face.training import seen
from unit2av.face.training.corpus import LipClip
from unit2av.face.training.seen import LipReader
from unit2av.lip_crops import CropSource

_ROOT = Path(__file__).parents[2]
_CLIP = _ROOT / "demo" / "clip.mp4"


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
    write_boxes(boxes, find_faces(PictureSource(_CLIP), "largest").boxes)
    return LipClip(CropSource("clip", _CLIP, boxes, steady=6), encoder.extract(speech=read_speech(_CLIP)), 25)


def test_a_mouth_that_says_its_units_is_told_from_one_that_says_others(
    encoder: UnitExtractor, clip: LipClip, tmp_path: Path
) -> None:
    own, foreign = (LipReader(encoder, [clip], tmp_path, shift).measure(Copyist()) for shift in (0.0, 0.5))  # type: ignore[arg-type]
    assert own["recorded_unit_sync"] == foreign["recorded_unit_sync"] > 0.5
    assert own["unit_sync"] > own["recorded_unit_sync"] - 0.2
    assert own["unit_sync_at_zero"] > 0.5
    assert foreign["unit_sync_at_zero"] < 0.3


def test_pictures_without_a_face_agree_in_nothing(
    encoder: UnitExtractor, clip: LipClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def blind(*_: object, **__: object) -> None:
        raise NoFaceError("no face was found in any picture")

    monkeypatch.setattr(seen, "find_faces", blind)
    with caplog.at_level(logging.WARNING):
        found = LipReader(encoder, [clip], tmp_path).measure(Copyist())  # type: ignore[arg-type]
    assert set(found.values()) == {0.0}
    assert "clip: no face is found" in caplog.text
