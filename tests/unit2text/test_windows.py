"""Long input: what is cut where, and what is joined again."""

from itertools import pairwise

import numpy as np
import pytest

from avcore.answers import Transcript, Word, of_words
from avcore.errors import UsageError
from avcore.units import Units
from unit2text.windows import Window, WindowSettings, join_windows, pauses_of, plan_windows

SETTINGS = WindowSettings(longest_s=10.0, shortest_s=4.0, overlap_s=2.0)


def covered(windows: list[Window], num_steps: int) -> None:
    """Every step is read, and belongs to one window."""
    assert windows[0].first == windows[0].keep_from == 0
    assert windows[-1].last == windows[-1].keep_to == num_steps
    for one, following in pairwise(windows):
        assert one.keep_to == following.keep_from
        assert following.first <= following.keep_from <= one.last
    assert all(one.last - one.first <= 500 for one in windows)


def test_short_input_is_one_window() -> None:
    assert plan_windows(500, 50, [], SETTINGS) == [Window(0, 500, 0, 500)]
    assert plan_windows(0, 50, [], SETTINGS) == [Window(0, 0, 0, 0)]


def test_cuts_lie_in_the_longest_pause_that_a_window_may_end_at() -> None:
    pauses = [(1.0, 1.9), (5.0, 5.4), (7.0, 7.6), (12.0, 12.3)]
    windows = plan_windows(800, 50, pauses, SETTINGS)
    covered(windows, 800)
    assert windows == [Window(0, 365, 0, 365), Window(365, 800, 365, 800)]


def test_without_a_pause_windows_overlap() -> None:
    windows = plan_windows(1200, 50, [], SETTINGS)
    covered(windows, 1200)
    assert [(one.first, one.last) for one in windows] == [(0, 500), (400, 900), (800, 1200)]


@pytest.mark.parametrize("seed", range(5))
def test_any_input_is_covered_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    starts = np.sort(random.uniform(0, 100, 20))
    pauses = [(float(start), float(start + random.uniform(0.1, 1))) for start in starts]
    covered(plan_windows(5000, 50, pauses, SETTINGS), 5000)


def test_words_found_twice_are_taken_from_the_window_in_whose_part_they_lie() -> None:
    windows = plan_windows(1000, 50, [], SETTINGS)
    cut = windows[0].keep_to / 50
    early, late = Word("early", cut - 0.6, cut - 0.2, 0.9), Word("late", cut + 0.2, cut + 0.6, 0.9)
    begin = windows[1].first / 50
    second = [one._replace(text=one.text.upper(), start_s=one.start_s - begin, end_s=one.end_s - begin) for one in (early, late)]
    joined = join_windows(windows, [[early, late], second, *([[]] * (len(windows) - 2))], 50)
    assert [word.text for word in joined] == ["early", "LATE"]
    assert [round(word.start_s - cut, 3) for word in joined] == [-0.6, 0.2]


def test_times_never_go_back() -> None:
    windows = [Window(0, 100, 0, 100), Window(100, 200, 100, 200)]
    joined = join_windows(windows, [[Word("a", 1.5, 2.3, 1.0)], [Word("b", 0.1, 0.5, 1.0)]], 50)
    edges = [edge for word in joined for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


def test_a_unit_that_lasts_is_a_pause() -> None:
    units = Units(np.array([3, 0, 5, 0, 7]), np.array([10, 5, 10, 20, 10]))
    assert pauses_of(units) == [(0.5, 0.9)]


def test_lengths_that_do_not_go_together() -> None:
    with pytest.raises(UsageError, match="2 x overlap <= shortest <= longest"):
        WindowSettings(longest_s=2.0)


def test_transcripts_can_be_said_later() -> None:
    spoken = of_words([Word("a", 0.0, 0.5, 0.5), Word("b", 0.5, 1.0, 1.0)], "en")
    assert spoken.text == "a b"
    assert spoken.confidence == 0.75
    assert [word.start_s for word in spoken.shifted(2.0).words] == [2.0, 2.5]
    assert Transcript("", "en").confidence == 0
