"""How much is understood: one measure, in words and per cent."""

import numpy as np
import pytest

from avcore.understanding import (
    Evidence,
    Understanding,
    of_hearing,
    of_recording,
    of_speaker,
    of_text,
    of_utterance,
    other_words,
    repeats_a_stretch,
    worst,
)
from avcore.units.domain import Domain, DomainScore, steps_below

DOMAIN = Domain("a phrase", -0.4, 0.01, 40, weakest=-0.9, nearest=-1.3)
GOOD = Understanding("good", 1.0)
BAD = Understanding("bad", 0.1, ("outside",))


def mean(score: float) -> DomainScore:
    return DomainScore("the mean", score, DOMAIN)


PART = DomainScore("the likeness", -2.0, DOMAIN, "nearest")


@pytest.mark.parametrize(
    ("evidence", "grade", "share", "causes"),
    [
        (Evidence([mean(-0.2)], 1.0), "good", 1.0, ()),
        (Evidence([mean(-0.2), PART], 0.8), "doubtful", 0.8, ("part",)),
        (Evidence([mean(-0.2), PART], 0.4), "bad", 0.4, ("outside",)),
        (Evidence([mean(-1.4)], None), "bad", np.exp(-1.0), ("outside",)),
        (Evidence([mean(float("nan"))], 1.0), "bad", 0.0, ("outside",)),
        (Evidence([mean(-0.2)], 1.0, is_cut=True), "bad", 1.0, ("cut",)),
        (Evidence([mean(-0.2)], 1.0, repeats=True), "bad", 1.0, ("loop",)),
        (Evidence([mean(-0.2)], 1.0, says_other=True), "doubtful", 1.0, ("other",)),
        (Evidence([DomainScore("published", -9.0, None)]), "unknown", None, ()),
        (Evidence([DomainScore("published", -9.0, None)], is_cut=True), "bad", None, ("cut",)),
    ],
)
def test_an_utterance(evidence: Evidence, grade: str, share: float | None, causes: tuple[str, ...]) -> None:
    found = of_utterance(evidence)
    assert (found.grade, found.causes) == (grade, causes)
    assert found.share == pytest.approx(share)


@pytest.mark.parametrize(
    ("rows", "grade", "share"),
    [
        ([(BAD, 3.0)], "bad", 0.1),
        ([(GOOD, 9.0), (BAD, 1.0)], "doubtful", 0.91),
        ([(GOOD, 1.0), (BAD, 1.0)], "bad", 0.55),
        ([(GOOD, 99.0), (Understanding("doubtful", 0.8, ("part",)), 1.0)], "good", 0.998),
        ([(GOOD, 99.0), (Understanding("doubtful", 1.0, ("other",)), 1.0)], "doubtful", 1.0),
        ([(worst(GOOD, of_speaker(0.79)), 2.0)] * 2, "doubtful", 1.0),
        ([(worst(Understanding(), of_speaker(0.79)), 2.0)] * 2, "doubtful", None),
        ([(worst(BAD, of_speaker(0.79)), 2.0)] * 2, "bad", BAD.share),
        ([(worst(GOOD, of_speaker(0.16), of_speaker(None)), 2.0)] * 2, "good", 1.0),
        ([(GOOD, 99.0), (Understanding("bad", 1.0, ("cut",)), 1.0)], "bad", 1.0),
        ([(Understanding(), 2.0), (GOOD, 1.0)], "good", 1.0),
        ([(Understanding(), 2.0)], "unknown", None),
        ([], "unknown", None),
    ],
)
def test_a_recording(rows: list[tuple[Understanding, float]], grade: str, share: float | None) -> None:
    found = of_recording(rows)
    assert found.grade == grade
    assert found.share == pytest.approx(share)


def test_what_is_heard_and_what_is_to_be_said() -> None:
    assert [of_hearing(one).grade for one in (None, 0.2, 0.5, 0.9)] == ["unknown", "bad", "doubtful", "good"]
    assert [of_text(one).grade for one in (None, 0.5, 0.75, 1.0)] == ["unknown", "bad", "doubtful", "good"]


def test_it_is_told_in_both_languages_and_comes_back_from_json() -> None:
    one = Understanding("bad", 0.274, ("outside", "cut"))
    assert one.words().startswith("understood: about 27 % (bad: the result most likely means nothing); it is hardly anything")
    assert one.words("ko").startswith("이해한 정도: 약 27 % (나쁨")
    assert Understanding("doubtful", 0.9999).share_words() == "about 99 %"
    assert "all of it (good)" in GOOD.words()
    assert Understanding().words() == "these models do not say what they know"
    assert Understanding.from_json(one.as_json()) == one
    assert Understanding.from_json(None) is None


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], False),
        (list(range(40)), False),
        ([1, 2, 3, 4, 5] * 2, False),  # a word that is doubled
        ([9, *[1, 2, 3, 4] * 3, 8], True),
        ([1, 2] * 4, False),
        ([*range(16), *range(16)], True),
        ([*range(15), *range(15)], False),
        ([*range(16), 50, *range(16)], False),  # something is between
    ],
)
def test_a_stretch_that_is_repeated(ids: list[int], expected: bool) -> None:
    assert repeats_a_stretch(np.array(ids, dtype=np.int64)) is expected


def test_words_that_differ() -> None:
    assert other_words("Can you speak Korean?", "can you speak German.") == [("korean", "german")]
    assert other_words("The same here.", "the same, here") == []


def test_steps_that_lie_in_a_strange_stretch() -> None:
    scores = np.array([0.0, 0, 0, -4, -4, 0, 0, 0])
    assert steps_below(scores, 2, -3.0).tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert steps_below(scores, 2, -1.9).tolist() == [False] * 2 + [True] * 4 + [False] * 2
    assert not steps_below(scores, 2, None).any()
    assert steps_below(scores[:1], 9, 1.0).tolist() == [True]
