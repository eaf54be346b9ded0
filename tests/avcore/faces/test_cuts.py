from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avcore.faces.cuts import with_shots
from avcore.media import Picture

RNG = np.random.default_rng(3)
ROOM = np.kron(RNG.integers(0, 256, (9, 16, 3), dtype=np.uint8), np.ones((20, 20, 1), dtype=np.uint8))
STREET = np.kron(RNG.integers(0, 256, (9, 16, 3), dtype=np.uint8), np.ones((20, 20, 1), dtype=np.uint8))
FLASH = np.full_like(ROOM, 255)


def shots(pictures: Sequence[NDArray[np.uint8]]) -> list[int]:
    stream = [Picture(rgb, Fraction(number, 25), number) for number, rgb in enumerate(pictures)]
    numbered = list(with_shots(stream))
    assert [one.picture.index for one in numbered] == list(range(len(pictures)))
    return [one.shot for one in numbered]


def test_a_cut_begins_a_shot() -> None:
    assert shots([ROOM] * 5 + [STREET] * 4 + [ROOM] * 3) == [0] * 5 + [1] * 4 + [2] * 3


def test_a_cut_to_the_last_picture_is_seen() -> None:
    assert shots([ROOM] * 5 + [STREET]) == [0] * 5 + [1]


def test_a_flash_is_no_cut() -> None:
    assert shots([ROOM] * 4 + [FLASH] + [ROOM] * 4) == [0] * 9


def test_a_cut_after_a_flash_is_seen() -> None:
    assert shots([ROOM] * 4 + [FLASH] + [ROOM] * 4 + [STREET] * 3) == [0] * 9 + [1] * 3


def test_a_shaking_camera_makes_no_cuts() -> None:
    moved = [np.roll(ROOM, (2 * (number % 2), 3 * (number % 3)), (0, 1)) for number in range(30)]

    assert max(shots(moved)) == 0


def test_a_fade_makes_no_cut() -> None:
    faded = [(ROOM * (1 - share)).astype(np.uint8) for share in np.linspace(0, 1, 25)]

    assert max(shots(faded)) == 0


def test_no_picture_and_one_picture() -> None:
    assert shots([]) == []
    assert shots([ROOM]) == [0]
