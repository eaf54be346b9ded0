"""Utterances: all speech in exactly one of them, none too long, cut at pauses and at cuts of the picture."""

from itertools import pairwise

import numpy as np
import pytest

from avcore.errors import UsageError
from avcore.speech.voice_activity import detect_activity
from netflips.dubbing.options import DubOptions
from netflips.dubbing.segmentation import LENGTH, Span, cut_utterances
from tests.avcore.made_speech import talk


def _words(plan: list[float]) -> list[Span]:
    """Where the speech of a `talk` is."""
    edges = np.cumsum([0.0, *plan])
    return [(edges[k], edges[k + 1]) for k in range(1, len(plan), 2)]


@pytest.mark.parametrize("seed", range(20))
def test_every_word_is_in_exactly_one_utterance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = [float(value) for value in np.where(np.arange(61) % 2, rng.uniform(0.2, 11, 61), rng.uniform(0.05, 2.5, 61))]
    words, total = _words(plan), sum(plan)
    cuts = sorted(rng.uniform(0, total, 12).tolist())
    utterances = cut_utterances(words, total, cuts)
    assert all(first[1] <= second[0] for first, second in pairwise(utterances))
    for start, end in words:
        holders = [one for one in utterances if one[0] <= start + 1e-9 and end - 1e-9 <= one[1]]
        assert len(holders) == 1
    assert all(one[1] - one[0] <= 12.002 for one in utterances)
    assert all(round(one[0] * 1000) == pytest.approx(one[0] * 1000, abs=1e-6) for one in utterances)
    borders = [(first[1], second[0]) for first, second in pairwise(utterances)]
    pauses = [(first[1], second[0]) for first, second in pairwise(words)]
    for cut in cuts:
        for pause in pauses:
            if pause[0] <= cut <= pause[1]:
                assert any(border[0] <= pause[0] + 0.002 and border[1] >= pause[1] - 0.002 for border in borders)


def test_words_close_together_become_one_utterance_and_a_short_answer_joins_its_neighbour() -> None:
    words = [(1.0, 1.6), (1.9, 3.0), (3.2, 4.0), (7.0, 7.5), (12.0, 14.0), (14.9, 18.0)]
    assert cut_utterances(words, 20) == [(1.0, 4.0), (7.0, 7.5), (12.0, 14.0), (14.9, 18.0)]
    words = [(1.0, 1.4), (2.0, 5.0)]
    assert cut_utterances(words, 6) == [(1.0, 5.0)]
    assert cut_utterances(words, 6, borders=[1.7]) == [(1.0, 1.4), (2.0, 5.0)]
    assert cut_utterances(words, 6, borders=[3.0]) == [(1.0, 5.0)]  # within speech no word is cut for the picture


def test_long_speech_is_cut_at_its_best_pauses() -> None:
    words = [(float(k), k + 0.9) for k in range(30)]
    words[17] = (17.0, 17.5)
    utterances = cut_utterances(words, 30)
    assert all(2 <= one[1] - one[0] <= 12 for one in utterances)
    assert any(one[1] == 17.5 for one in utterances)


def test_speech_without_any_pause_is_cut_where_it_is_quietest() -> None:
    asked = []

    def quietest(start: float, end: float) -> float:
        asked.append((start, end))
        return (start + end) / 2 + 0.1

    utterances = cut_utterances([(0.5, 30.5)], 31, quietest=quietest)
    assert utterances[0][0] == 0.5
    assert utterances[-1][1] == 30.5
    assert all(first[1] == second[0] for first, second in pairwise(utterances))
    assert all(2 <= one[1] - one[0] <= 12 for one in utterances)
    assert len(asked) == len(utterances) - 1


def test_heard_words_with_known_pauses_are_all_covered() -> None:
    plan = [0.5, 2.4, 1.1, 0.6, 0.5, 3.1, 1.5, 13.5, 1.0]
    activity = detect_activity([talk(plan)])
    utterances = cut_utterances(activity.regions(), activity.seconds, (), LENGTH, activity.quietest_s)
    for start, end in activity.regions():
        assert any(one[0] <= start + 1e-6 for one in utterances if one[1] > start)
        covered = sum(max(min(end, one[1]) - max(start, one[0]), 0) for one in utterances)
        assert covered >= end - start - 1e-6
    for start, end in _words(plan):
        inside = [min(end, one[1]) - max(start, one[0]) for one in utterances]
        assert sum(value for value in inside if value > 0) >= 0.85 * (end - start)  # the detector's own edges
        assert end - start > 12 or sum(value > 0.05 for value in inside) == 1
    assert all(one[1] - one[0] <= 12 for one in utterances)


def test_regions_that_overlap_or_leave_the_recording_are_put_right() -> None:
    assert cut_utterances([(4, 6), (-1, 2), (5, 7), (9, 12), (3, 3)], 10) == [(0, 2), (4, 7), (9, 10)]
    assert cut_utterances([], 10) == []


@pytest.mark.parametrize("limits", [(7, 12), (-1, 12), (2, 0), (2, float("inf")), (float("nan"), 12)])
def test_lengths_that_cannot_be_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(UsageError):
        DubOptions(utterance_length=limits)
