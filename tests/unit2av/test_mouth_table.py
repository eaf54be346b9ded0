"""The table from units to mouths: what it learns, how it is kept."""

from fractions import Fraction

import numpy as np
import pytest

from avcore.errors import CheckpointError, InputError, UnitRangeError, VocabularyError
from avcore.units import Units
from tests.refusal import refused
from tests.unit2av.mouth_samples import VOCABULARY, fixed_table, learn_quickly, said, table
from unit2av.lipsync.mesh.learn import Examples, learn_table
from unit2av.lipsync.mesh.table import MouthTable, parameters_at


def test_a_table_says_what_it_learnt_and_knows_its_units() -> None:
    opening, width, _ = table().parameters(said(0, 2, 3).units).T
    assert opening[4] < 0.1
    assert opening[14] > 0.8
    assert width[24] < -0.6
    refused(VocabularyError, "", table().parameters, Units(np.array([1]), np.array([4]), "ko", "sha256:0000000000000002"))
    refused(UnitRangeError, "", table().parameters, Units(np.array([4]), np.array([4]), "ko", VOCABULARY))


def test_small_movements_are_none_and_others_whole() -> None:
    """What silence quivers by is taken out, and from no other movement."""
    frames = np.arange(80)
    raw = np.zeros((40, 3), np.float32)
    raw[:, 0], raw[:, 1] = np.linspace(0, 0.4, 40), np.linspace(-0.8, 0.8, 40)
    found = fixed_table(np.repeat(raw, 2, axis=0)).parameters(Units(frames, np.ones(80, int)))
    opening, width = raw[:, 0], np.abs(raw[:, 1])
    assert not found[opening < 0.03, 0].any()
    assert not found[width < 0.06, 1].any()
    np.testing.assert_allclose(found[opening > 0.09, 0], opening[opening > 0.09], atol=1e-6)
    np.testing.assert_allclose(np.abs(found[width > 0.18, 1]), width[width > 0.18], atol=1e-6)
    assert (np.diff(found[:, 0]) >= 0).all()


def test_a_large_vocabulary_is_learnt_() -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 1, 400)
    examples = Examples(400)
    for _ in range(30):
        frames = np.repeat(rng.integers(0, 400, 100), 4)
        examples.add(frames, np.stack([truth[frames[::2]], 0 * frames[::2], 0 * frames[::2]], axis=1))
    assert np.corrcoef(learn_quickly(examples).raw(frames)[:, 0], truth[frames[::2]])[0, 1] > 0.9


def test_a_unit_that_insists_closes_the_lips_whatever_is_beside_it() -> None:
    """Lips close for p as far between open vowels as between closed ones, which no sum of shares can say."""
    wants, insists = np.array([0.0, 0.1, 0.5, 0.95]), np.array([12.0, 1.0, 1.0, 1.0])
    rng, examples = np.random.default_rng(2), Examples(len(wants))
    near = np.exp(-np.abs(np.arange(-6, 8) - 0.5) * 0.02 / 0.03)

    def true(frames: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(frames, (6, 7), mode="edge"), len(near))[::2]
        counts = near * insists[windows]
        return (counts * wants[windows]).sum(axis=1) / counts.sum(axis=1)

    for _ in range(12):
        frames = np.repeat(rng.integers(0, len(wants), 100), rng.integers(2, 9, 100))
        frames = frames[: len(frames) // 2 * 2]
        examples.add(frames, np.stack([true(frames), 0 * frames[::2], 0 * frames[::2]], axis=1))
    learnt = learn_quickly(examples)
    frames = np.repeat([3, 0, 3, 2, 0, 1, 0], [12, 4, 12, 6, 4, 8, 4])
    found = learnt.raw(frames)[:, 0]
    assert np.corrcoef(found, true(frames))[0, 1] > 0.98
    assert found[[6, 7]].min() < 0.12
    assert found[3] > 0.8


def test_a_table_is_kept_whole_and_another_file_is_refused(tmp_path) -> None:
    path = tmp_path / "mouth.npz"
    table().save(path)
    again = MouthTable.load(path)
    np.testing.assert_array_equal(again.weights, table().weights)
    np.testing.assert_array_equal(again.strengths, table().strengths)
    assert again.vocabulary == VOCABULARY
    np.savez(tmp_path / "other.npz", weights=np.zeros((2, 2)))
    (tmp_path / "text.npz").write_text("no table")
    (tmp_path / "short.npz").write_bytes(path.read_bytes()[:200])
    with np.load(path) as stored:
        np.savez(tmp_path / "cut.npz", **{**stored, "strengths": stored["strengths"][:, 1:]})
    for name in ("other", "text", "short", "cut"):
        refused(CheckpointError, "no mouth's table", MouthTable.load, tmp_path / f"{name}.npz")
    refused(InputError, "not there", MouthTable.load, tmp_path / "gone.npz")
    refused(InputError, "too little", learn_table, Examples(4), VOCABULARY)


WIDE_OR_PRESSED = ((0.0, 0.0, 0.0), (0.9, 0.0, 0.0), (0.0, 0.0, 1.0))
"""Unit 1 opens wide, unit 2 presses the lips together."""


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_lips_meet_in_every_closure_at_any_rate_even_of_one_step(rate: int, steps: int) -> None:
    learnt = table(*WIDE_OR_PRESSED)
    for begin in range(20, 24):
        frames = np.array([1] * begin + [2] * steps + [1] * 20)
        moved = learnt.parameters(Units.from_frames(frames, "ko", VOCABULARY))
        start, stop = (Fraction(edge, 50) for edge in (begin, begin + steps))
        times = [Fraction(k, rate) for k in range(rate) if start - Fraction(1, 25) <= Fraction(k, rate) <= stop]
        shown = np.array([parameters_at(moved, time) for time in times])
        apart = shown[:, 0] * (1 - 0.9 * shown[:, 2] ** 2)
        assert apart.min() < 0.02
        assert moved[4, 0] > 0.7  # and nowhere else
        assert moved[-4, 0] > 0.7


def test_lips_go_no_faster_than_lips_can_and_still_meet() -> None:
    """100 ms from one to the other, and in quick speech less of it."""
    learnt = table(*WIDE_OR_PRESSED)
    slow = np.array([1] * 24 + [2] * 4 + [1] * 24 + [0] * 12)
    quick = np.array([2] * 4 + [1] * 6 + [2] * 4)
    moved = learnt.parameters(Units.from_frames(slow, "ko", VOCABULARY))
    apart = moved[:, 0] * (1 - 0.9 * moved[:, 2] ** 2)
    assert np.abs(np.diff(apart)).max() < 0.3
    assert apart[12:14].max() < 0.02
    assert apart.max() > 0.8
    assert 0.1 < learnt.parameters(Units.from_frames(quick, "ko", VOCABULARY))[:, 0].max() < 0.5
    # The movement is the same to both sides of a closure: nothing lags.
    np.testing.assert_allclose(apart[13 : 13 + 6], apart[12 : 12 - 6 : -1], atol=0.05)
