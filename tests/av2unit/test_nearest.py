"""How unlike every known sentence an utterance is, and where."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from av2unit.decoding import Scores, log_probabilities
from av2unit.nearest import KEY, KnownSentences
from avcore.errors import CheckpointError, InputError
from avcore.units.domain import weakest_stretch

SILENCE, NUM_UNITS = 9, 10
UNITS = np.array([-1, -1, *range(NUM_UNITS)])
"""Two classes stand for no unit."""
KNOWN = KnownSentences.of([np.array(ids) for ids in ([9, 1, 2, 3, 4, 9], [9, 1, 2, 5, 4], [6, 7, 6, 7, 6])], SILENCE)


def said(*ids: int, steps: int = 6, sure: float = 6.0, seed: int = 0) -> Scores:
    """Log-probabilities of an utterance with `steps` steps a unit, the more certain the larger `sure`."""
    frames = np.repeat(np.array(ids, np.int64), steps)
    logits = np.random.default_rng(seed).normal(0, 0.5, (len(frames), len(UNITS))).astype(np.float32)
    logits[:, :2] = -np.inf
    logits[np.arange(len(frames)), frames + 2] += sure
    return log_probabilities(logits)


def likeness(*ids: int, sure: float = 6.0) -> NDArray[np.float64]:
    return KNOWN.likeness(said(*ids, sure=sure), UNITS)


def test_what_is_known_is_kept_once_and_without_silence() -> None:
    heard = [np.array(ids) for ids in ([9, 1, 1, 9, 1, 2], [1, 2], [9, 9], [2])]
    assert [ids.tolist() for ids in KnownSentences.of(heard, SILENCE).sentences] == [[1, 2], [2]]
    with pytest.raises(InputError, match="no sentences"):
        KnownSentences.of([np.array([9, 9])], SILENCE)


@pytest.mark.parametrize(
    "ids",
    [(1, 2, 3, 4), (9, 1, 2, 9, 3, 4, 9), (1, 2, 5, 4), (6, 7, 6, 7, 6), (1, 2, 4)],
    ids=["plain", "pauses", "other", "again", "slurred"],
)
def test_a_known_sentence_loses_nothing(ids: tuple[int, ...]) -> None:
    assert likeness(*ids) == pytest.approx(0, abs=1e-6)


def test_one_odd_word_is_found_where_it_is_said() -> None:
    odd = likeness(1, 2, 8, 0, 4)
    assert np.flatnonzero(odd < -1).tolist() == list(range(12, 24))
    stretch = weakest_stretch(odd, 10)
    assert stretch is not None
    assert 12 <= stretch.start < stretch.stop <= 24
    # The mean over a long sentence hides it: an unclear voice has a lower one and is no less like a sentence.
    unclear = said(1, 2, 3, 4, sure=3.0)
    assert unclear.max(axis=1).mean() < said(1, 2, 8, 0, 4).max(axis=1).mean()
    assert KNOWN.likeness(unclear, UNITS).mean() > odd.mean() / 4


def test_the_nearest_is_chosen_as_if_all_were_tried() -> None:
    rng = np.random.default_rng(5)
    for seed in range(5):
        steps = said(*rng.integers(0, 9, 5), steps=4, sure=2.0, seed=seed)
        alone = [KnownSentences((ids,), SILENCE).likeness(steps, UNITS).sum() for ids in KNOWN.sentences]
        assert KNOWN.likeness(steps, UNITS).sum() == pytest.approx(max(alone), abs=1.1)  # what is left out has a price


def test_very_short_sounds_and_sentences() -> None:
    assert KNOWN.likeness(said(), UNITS).shape == (0,)
    assert KNOWN.likeness(said(1, steps=1), UNITS).shape == (1,)
    single = KnownSentences((np.array([3]),), SILENCE)
    assert single.likeness(said(3), UNITS) == pytest.approx(0, abs=1e-6)
    assert single.likeness(said(3, 4), UNITS)[6:].max() < -1


def test_they_come_back_from_a_configuration() -> None:
    again = KnownSentences.from_config({KEY: KNOWN.to_config()}, Path("x"), UNITS)
    assert again is not None
    assert [ids.tolist() for ids in again.sentences] == [ids.tolist() for ids in KNOWN.sentences]
    assert again.silence == SILENCE
    assert KnownSentences.from_config({}, Path("x"), UNITS) is None


@pytest.mark.parametrize(
    "stored",
    [
        [],
        {"units": ["1 2"]},
        {"units": [], "silence": 9},
        {"units": ["1 x"], "silence": 9},
        {"units": ["1 2", ""], "silence": 9},
        {"units": ["1 77"], "silence": 9},
        {"units": ["1 2"], "silence": 77},
    ],
)
def test_damaged_ones_are_one_error(stored: object) -> None:
    with pytest.raises(CheckpointError, match="known sentences"):
        KnownSentences.from_config({KEY: stored}, Path("x"), UNITS)
