"""Lip videos are decoded to exactly the gray pictures that the published models saw."""

from pathlib import Path

import numpy as np

from avcore.media import read_gray_video


def test_gray_pictures_are_exact(parity_dir: Path) -> None:
    with np.load(parity_dir / "inputs.npz") as inputs:
        expected = inputs["frames96"]
    assert np.array_equal(read_gray_video(parity_dir / "clip_long.lip.mp4"), expected)
