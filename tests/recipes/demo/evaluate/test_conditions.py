"""What happens to clean speech on its way."""

import numpy as np
import pytest

from recipes.demo.evaluate.groups import GROUPS, LIPS, SOUNDS, lips_of_kind
from recipes.demo.voices.cast import held_out_pairs

_RATE = 16000


@pytest.fixture(scope="module")
def tones() -> np.ndarray:
    """Two seconds of 220, 1000 and 6000 Hz at the level of speech."""
    times = np.arange(2 * _RATE) / _RATE
    return (0.1 * sum(np.sin(2 * np.pi * pitch * times) for pitch in (220, 1000, 6000))).astype(np.float32)


def _level_db(sound: np.ndarray, pitch: int) -> float:
    """Of a tone in a second of sound, beside that of 1000 Hz."""
    spectrum = np.abs(np.fft.rfft(sound[4000 : 4000 + _RATE]))
    return float(20 * np.log10(spectrum[pitch - 3 : pitch + 4].max() / spectrum[997:1004].max()))


@pytest.mark.parametrize("name", SOUNDS)
def test_every_sound_is_changed_and_the_same_each_time(name: str, tones: np.ndarray) -> None:
    heard = SOUNDS[name](tones, 3)
    assert (heard.dtype, len(heard)) == (np.float32, len(tones))
    assert np.abs(heard).max() > 0.05
    np.testing.assert_array_equal(heard, SOUNDS[name](tones, 3))
    assert np.abs(heard - tones).max() > 1e-3


def test_the_telephone_has_neither_depth_nor_hiss(tones: np.ndarray) -> None:
    assert _level_db(SOUNDS["telephone"](tones, 0), 6000) < -20
    assert _level_db(SOUNDS["telephone"](tones, 0), 220) < -6
    for name in ("aac", "opus"):
        heard = SOUNDS[name](tones, 0)
        assert abs(_level_db(heard, 220)) < 6, name
    assert np.abs(SOUNDS["clipped"](tones, 0)).max() == pytest.approx(0.25 * np.abs(tones).max(), rel=0.01)


def test_lips_that_do_not_belong() -> None:
    own = np.random.default_rng(0).integers(0, 256, (20, 96, 96)).astype(np.uint8)
    pair = held_out_pairs()[5]
    made = {kind: lips_of_kind(own, kind, 4, pair) for kind in LIPS}

    assert all((lips.shape, lips.dtype) == (own.shape, own.dtype) for lips in made.values())
    assert (made["still"] == own[0]).all()
    assert (made["unseen"] == 128).all()
    assert (lips_of_kind(own, "unseen", 5, pair) == 0).all()
    np.testing.assert_array_equal(made["late"][10:], own[:10])
    foreign = made["foreign"].astype(float)
    assert np.abs(np.diff(foreign, axis=0)).mean() > 0.5, "a mouth that moves"
    assert np.abs(foreign - lips_of_kind(own, "foreign", 4, held_out_pairs()[90])).mean() > 0.5, "and says its sentence"


def test_groups_ask_for_conditions_that_there_are_and_leave_none_out() -> None:
    assert {name for group in GROUPS for name in group.sounds} == set(SOUNDS)
    assert {name for group in GROUPS for name in group.lips} == set(LIPS)
