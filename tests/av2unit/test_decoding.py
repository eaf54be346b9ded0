"""Choosing classes, by argmax and Viterbi. How unlike every known sentence an utterance is, and where."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from av2unit.extractor import ARGMAX, VITERBI, Decoding, Scores, decode, log_probabilities, viterbi
from av2unit.trust import KNOWN_KEY as KEY
from av2unit.trust import KnownSentences
from avcore.domain import weakest_stretch
from avcore.errors import CheckpointError, InputError


def log_probs(num_steps: int, num_classes: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (num_steps, num_classes))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("penalty", [0, 0.3, 1, 3, 100])
@pytest.mark.parametrize("seed", range(5))
def test_viterbi_finds_the_best_of_all_paths(penalty: float, seed: int) -> None:
    scores = log_probs(6, 4, seed)

    def worth(path: tuple[int, ...]) -> float:
        return float(scores[np.arange(6), path].sum()) - penalty * sum(a != b for a, b in pairwise(path))

    best = max(product(range(4), repeat=6), key=worth)
    assert tuple(viterbi(scores, penalty)) == best


@pytest.mark.parametrize("method", [ARGMAX, VITERBI])
def test_a_class_of_minus_infinity_is_never_chosen(method: str) -> None:
    logits = np.random.default_rng(0).normal(0, 1, (50, 6)).astype(np.float32)
    logits[:, 2] = 50
    logits[:, [0, 2]] = -np.inf
    chosen = decode(logits, Decoding(method, 0.5))
    assert set(chosen) <= {1, 3, 4, 5}
    assert chosen.dtype == np.int64


def test_viterbi_works_on_logits_as_on_log_probabilities_and_on_no_steps() -> None:
    scores = log_probs(100, 8, 3)
    shifted = scores + np.random.default_rng(0).normal(0, 30, (100, 1)).astype(np.float32)
    np.testing.assert_array_equal(decode(shifted, Decoding(VITERBI, 1.0)), viterbi(scores, 1.0))
    assert len(viterbi(np.zeros((0, 4), dtype=np.float32), 1)) == 0


def test_the_setting_is_read_from_a_configuration_and_an_unusable_one_refused() -> None:
    assert Decoding.from_config(None) == Decoding(ARGMAX, 0)
    assert Decoding.from_config({"method": "viterbi", "duration_penalty": 2}) == Decoding(VITERBI, 2.0)
    penalties = [{"duration_penalty": penalty} for penalty in (-1, "1", float("nan"))]
    for stored in ({"method": "beam"}, *penalties):
        with pytest.raises(CheckpointError, match="expected"):
            Decoding.from_config(stored)


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


def test_a_known_sentence_loses_nothing() -> None:
    """Plain, with pauses, another, its words again, and slurred."""
    for ids in ((1, 2, 3, 4), (9, 1, 2, 9, 3, 4, 9), (1, 2, 5, 4), (6, 7, 6, 7, 6), (1, 2, 4)):
        assert likeness(*ids) == pytest.approx(0, abs=1e-6)


def test_one_odd_word_is_found_where_it_is_said() -> None:
    odd = likeness(1, 2, 8, 0, 4)
    assert np.flatnonzero(odd < -1).tolist() == list(range(12, 24))
    stretch = weakest_stretch(odd, 10)
    assert 12 <= stretch.start < stretch.stop <= 24
    # The mean over a long sentence hides it: an unclear voice has a lower one and is no less like a sentence.
    unclear = said(1, 2, 3, 4, sure=3.0)
    assert unclear.max(axis=1).mean() < said(1, 2, 8, 0, 4).max(axis=1).mean()
    assert KNOWN.likeness(unclear, UNITS).mean() > odd.mean() / 4


def test_the_nearest_is_chosen_as_if_all_were_tried_also_of_very_short_sounds() -> None:
    rng = np.random.default_rng(5)
    for seed in range(5):
        steps = said(*rng.integers(0, 9, 5), steps=4, sure=2.0, seed=seed)
        alone = [KnownSentences((ids,), SILENCE).likeness(steps, UNITS).sum() for ids in KNOWN.sentences]
        assert KNOWN.likeness(steps, UNITS).sum() == pytest.approx(max(alone), abs=1.1)  # what is left out has a price
    assert KNOWN.likeness(said(), UNITS).shape == (0,)
    assert KNOWN.likeness(said(1, steps=1), UNITS).shape == (1,)
    single = KnownSentences((np.array([3]),), SILENCE)
    assert single.likeness(said(3), UNITS) == pytest.approx(0, abs=1e-6)
    assert single.likeness(said(3, 4), UNITS)[6:].max() < -1


def test_they_come_back_from_a_configuration_and_damaged_ones_are_one_error() -> None:
    again = KnownSentences.from_config({KEY: KNOWN.to_config()}, Path("x"), UNITS)
    assert [ids.tolist() for ids in again.sentences] == [ids.tolist() for ids in KNOWN.sentences]
    assert again.silence == SILENCE
    assert KnownSentences.from_config({}, Path("x"), UNITS) is None
    units = ([], ["1 x"], ["1 2", ""], ["1 77"])
    silent = [{"units": one, "silence": 9} for one in units]
    for stored in ([], {"units": ["1 2"]}, {"units": ["1 2"], "silence": 77}, *silent):
        with pytest.raises(CheckpointError, match="known sentences"):
            KnownSentences.from_config({KEY: stored}, Path("x"), UNITS)
