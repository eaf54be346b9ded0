"""Long input: what is cut where, and what is joined again."""

from itertools import pairwise

import numpy as np
import pytest

from avcore.contracts import Transcript, Word, of_words
from avcore.errors import UsageError
from avcore.units import Units
from unit2text.windows import Window, WindowSettings, join_windows, pauses_of, plan_windows

SETTINGS = WindowSettings(longest_s=10.0, shortest_s=4.0, overlap_s=2.0)


def covered(windows: list[Window], num_steps: int) -> None:
    """Every step is read, by one window or by two that follow one another."""
    assert windows[0].first == 0
    assert windows[-1].last == num_steps
    for one, following in pairwise(windows):
        assert one.first < following.first <= one.last < following.last
    assert all(one.last - one.first <= 500 for one in windows)


def test_short_input_is_one_window_and_without_a_pause_windows_overlap() -> None:
    assert plan_windows(500, 50, [], SETTINGS) == [Window(0, 500)]
    assert plan_windows(0, 50, [], SETTINGS) == [Window(0, 0)]
    windows = plan_windows(1200, 50, [], SETTINGS)
    covered(windows, 1200)
    assert [(one.first, one.last) for one in windows] == [(0, 500), (400, 900), (800, 1200)]


def test_cuts_lie_in_the_longest_pause_that_a_window_may_end_at() -> None:
    pauses = [(1.0, 1.9), (5.0, 5.4), (7.0, 7.6), (12.0, 12.3)]
    windows = plan_windows(800, 50, pauses, SETTINGS)
    covered(windows, 800)
    assert windows == [Window(0, 365), Window(365, 800)]


@pytest.mark.parametrize("seed", range(5))
def test_any_input_is_covered_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    starts = np.sort(random.uniform(0, 100, 20))
    pauses = [(float(start), float(start + random.uniform(0.1, 1))) for start in starts]
    covered(plan_windows(5000, 50, pauses, SETTINGS), 5000)


def heard(*words: tuple[str, float, float], by: Window) -> list[Word]:
    begin = by.first / 50
    return [Word(text, start - begin, end - begin, 1.0) for text, start, end in words]


ONE, OTHER = Window(0, 500), Window(400, 900)  # both hear 8 to 10 s


def joined(before: list[tuple[str, float, float]], after: list[tuple[str, float, float]]) -> str:
    words = join_windows([ONE, OTHER], [heard(*before, by=ONE), heard(*after, by=OTHER)], 50)
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    return " ".join(word.text for word in words)


def test_windows_are_joined_behind_a_word_that_both_heard() -> None:
    before = [("The", 7.0, 7.2), ("weather", 7.5, 8.2), ("is", 8.4, 8.6), ("nice", 8.7, 9.2), ("toaster", 9.4, 10.0)]
    after = [("other", 8.0, 8.2), ("is", 8.4, 8.6), ("nice,", 8.7, 9.2), ("today", 9.4, 9.9), ("again", 10.1, 10.5)]
    assert joined(before, after) == "The weather is nice today again"


def test_without_such_a_word_nothing_is_said_twice_or_left_out() -> None:
    """Half a word at the end of a window or at the beginning of the next is never kept beside the whole one."""
    before = [("near", 7.2, 7.5), ("the", 7.6, 7.8), ("muse", 9.6, 10.0)]
    assert joined(before, [("museum", 9.6, 10.3), ("today", 10.5, 10.9)]) == "near the museum today"
    before = [("near", 7.2, 7.5), ("the", 7.6, 7.8), ("museum", 7.9, 8.6)]
    assert joined(before, [("seum", 8.0, 8.6), ("closes", 9.0, 9.4)]) == "near the museum closes"


def test_words_said_again_stay_and_a_window_that_heard_nothing_takes_nothing_away() -> None:
    before = [("very", 8.2, 8.5), ("very", 9.2, 9.5)]
    assert joined(before, [("very", 8.2, 8.5), ("very", 9.2, 9.5), ("well", 10.2, 10.5)]) == "very very well"
    assert joined([("near", 7.2, 7.5), ("it", 8.6, 8.9)], []) == "near it"
    assert joined([], [("near", 8.6, 8.9), ("it", 10.6, 10.9)]) == "near it"


def test_times_never_go_back() -> None:
    windows = [Window(0, 100), Window(100, 200)]
    joined = join_windows(windows, [[Word("a", 1.5, 2.3, 1.0)], [Word("b", 0.1, 0.5, 1.0)]], 50)
    edges = [edge for word in joined for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


def test_a_unit_that_lasts_is_a_pause_and_lengths_must_go_together() -> None:
    units = Units(np.array([3, 0, 5, 0, 7]), np.array([10, 5, 10, 20, 10]))
    assert pauses_of(units) == [(0.5, 0.9)]
    with pytest.raises(UsageError, match="2 x overlap <= shortest <= longest"):
        WindowSettings(longest_s=2.0)


def test_transcripts_can_be_said_later() -> None:
    spoken = of_words([Word("a", 0.0, 0.5, 0.5), Word("b", 0.5, 1.0, 1.0)], "en")
    assert spoken.text == "a b"
    assert spoken.confidence == 0.75
    assert [word.start_s for word in spoken.shifted(2.0).words] == [2.0, 2.5]
    assert Transcript("", "en").confidence == 0
