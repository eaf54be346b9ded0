"""Faces looked for in quickly converted colours are found where they are found in exact ones."""

from pathlib import Path

import numpy as np
import pytest

from avcore.faces.find import find_faces
from avcore.faces.geometry import overlap
from avcore.media import PictureSource, VideoWriter, read_pictures
from tests.avcore.faces.drawn import Actor, clip

LEAST_OVERLAP, LEAST_LIKENESS = 0.97, 0.99


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds and a half of two drawn heads that move and talk."""
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    with VideoWriter(path, 640, 360, 25) as writer:
        for one in clip([Actor(1, (-0.45, 0), 0.35), Actor(2, (0.45, 0.05), 0.3, rate=2.0)], 60, (360, 640)):
            writer.write_picture(one.rgb)
    return path


@pytest.mark.parametrize("face", [1, 2])
def test_boxes_and_lips_are_those_of_exact_colours(talk: Path, face: int) -> None:
    source = PictureSource(talk)
    exact, quick = find_faces(source, face), find_faces(source.pictures(is_quick=True), face)

    assert [box is None for box in quick.boxes] == [box is None for box in exact.boxes]
    overlaps = [overlap(a, b) for a, b in zip(exact.boxes, quick.boxes, strict=True) if a is not None and b is not None]
    assert min(overlaps) >= LEAST_OVERLAP
    likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(exact.lips, quick.lips, strict=True)]
    assert np.percentile(likeness, 5) >= LEAST_LIKENESS  # where a crop is shifted by a whole pixel it is less, now and then
    openings = [[frame.opening for frame in one.frames if frame is not None] for one in (exact, quick)]
    assert np.corrcoef(*openings)[0, 1] >= 0.98


def test_colours_that_are_converted_quickly_are_hardly_others(talk: Path) -> None:
    for slow, quick in zip(read_pictures(talk), read_pictures(talk, is_quick=True), strict=True):
        difference = np.abs(slow.rgb.astype(int) - quick.rgb)
        assert difference.mean() < 0.5
        assert np.mean(difference > 8) < 0.01
        assert slow.time == quick.time
