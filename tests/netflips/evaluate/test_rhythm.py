"""When it is spoken: pauses that meet or do not, syllables, and the original voice under a dub."""

import numpy as np
import pytest

from avcore.speech.figures import leak, syllables
from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics.rhythm import pause_alignment
from tests.netflips.evaluate.made import SPEECH

S = 16_000


@pytest.mark.parametrize(
    ("text", "count"), [("공항이 어디에 있어요?", 9), ("Where is the airport?", 6), ("3시 30분", 5), ("...", 0)]
)
def test_syllables(text: str, count: int) -> None:
    assert syllables(text) == count


@pytest.mark.parametrize(
    ("made", "source", "score"),
    [
        ([(0, S), (2 * S, 3 * S)], [(0, S), (2 * S, 3 * S)], 1.0),
        ([(0, S), (S * 3 // 2, S * 5 // 2)], [(0, S), (2 * S, 3 * S)], 0.5),  # half as long
        ([(0, 3 * S)], [(0, S), (2 * S, 3 * S)], 0.0),
        ([(0, S), (2 * S, 3 * S), (4 * S, 5 * S)], [(0, 3 * S)], 0.0),
        ([(0, S), (2 * S, 9 * S)], [(0, 7 * S), (8 * S, 9 * S)], 0.0),  # one at an eighth, one at seven
    ],
)
def test_pauses_meet_by_place_and_length(made: list[tuple[int, int]], source: list[tuple[int, int]], score: float) -> None:
    assert pause_alignment(made, source) == pytest.approx(score)


def test_without_pauses_there_is_nothing_to_compare() -> None:
    assert isinstance(pause_alignment([(0, S)], [(0, S)]), Missing)


@pytest.mark.parametrize(("share", "late"), [(0.0, 0), (0.1, 200), (0.1, -200), (0.5, 400)])
def test_the_original_voice_is_measured_wherever_it_was_moved(share: float, late: int) -> None:
    dub = SPEECH[::-1] + share * np.roll(SPEECH, late)
    assert leak(dub, SPEECH) == pytest.approx(share, rel=0.1, abs=0.012)


def test_a_common_hum_and_a_silent_source_are_no_leak() -> None:
    hum = 0.1 * np.sin(2 * np.pi * 50 * np.arange(len(SPEECH)) / S).astype(np.float32)
    assert leak(SPEECH[::-1] + hum, SPEECH + hum) < 0.012
    assert leak(SPEECH, np.zeros_like(SPEECH)) == 0
