"""Bounds on a model's own scores, and how much is understood."""

from math import nan
from pathlib import Path

import numpy as np
import pytest

from avcore.domain import KEY, PICTURE_CAUSE, Domain, DomainScore, common_bounds, outside_note, steps_below, weakest_stretch
from avcore.errors import CheckpointError, InputError
from avcore.notes import KOREAN, sentence
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


def test_one_bound_is_what_a_share_of_the_scores_falls_below() -> None:
    scores = np.random.default_rng(0).permutation(np.linspace(-1, 0, 1001))
    (least,) = common_bounds(scores[None], [1.0], 0.05)
    assert least == pytest.approx(-0.95, abs=2e-3)
    domain = Domain("a test", -0.95, 0.05, 1001)
    assert [domain.knows(score) for score in (0.0, -0.949, -0.951, -5.0, nan)] == [True, True, False, False, False]


def test_all_bounds_together_miss_no_more_than_the_share() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(3, 4000))
    bounds = common_bounds(scores, [1.0, 1.0, 0.25], 0.06)
    missed = scores < bounds[:, None]
    assert 0.055 < missed.any(axis=0).mean() <= 0.06
    each = missed.mean(axis=1)
    assert each[0] == pytest.approx(each[1], abs=2e-3)
    assert each[2] == pytest.approx(each[0] / 4, abs=2e-3)
    alike = np.repeat(scores[:1], 3, axis=0)  # bounds that miss the same utterances leave one another room
    assert common_bounds(alike, [1.0, 1.0, 1.0], 0.06)[0] > bounds[0]


@pytest.mark.parametrize("scores", [[], [0.0, nan]])
def test_no_bound_without_scores(scores: list[float]) -> None:
    with pytest.raises(InputError, match="scores of its own speech"):
        common_bounds(np.array([scores]), [1.0], 0.01)


def test_the_weakest_stretch_is_where_neighbours_are_low() -> None:
    scores = np.full(30, -0.1)
    scores[4] = -1.0  # one bad step
    scores[20:24] = -0.5  # a bad word
    for width, expected in ((4, (-0.5, 20, 24)), (1, (-1.0, 4, 5))):
        assert weakest_stretch(scores, width) == pytest.approx(expected)
    assert weakest_stretch(scores[:3], 4) == pytest.approx((-0.1, 0, 3))
    assert weakest_stretch(scores[:0], 4) is None


@pytest.mark.parametrize("stretches", [{}, {"weakest": -0.9}, {"weakest": -0.9, "nearest": -0.4}])
def test_a_domain_comes_back_from_a_configuration(stretches: dict[str, float]) -> None:
    domain = Domain("a test", -0.5, 0.01, 40, **stretches)
    stored = domain.to_config()
    assert set(stored) == {"what", "least", "share", "samples", *stretches}
    assert Domain.from_config({KEY: stored}, Path("x")) == domain
    assert Domain.from_config({}, Path("x")) is None
    assert domain.knows(-0.8, "weakest") is True
    assert domain.knows(-1.0, "weakest") is not bool(stretches)


@pytest.mark.parametrize(
    "stored", [{"what": "a test"}, "a test", {"what": "x", "least": 0, "share": 0.1, "samples": 9, "nearest": "low"}]
)
def test_a_domain_that_cannot_be_read_is_an_error(stored: object) -> None:
    with pytest.raises(CheckpointError, match="domain cannot be read"):
        Domain.from_config({KEY: stored}, Path("x"))


def test_the_notice_names_the_scores_that_are_strange_and_what_to_do() -> None:
    known, strange, silent = (
        DomainScore("the first score", -0.2, Domain("a phrase", -0.5, 0.01, 40)),
        DomainScore("the second score", -2.0, Domain("a phrase", -0.75, 0.01, 40)),
        DomainScore("the third score", -9.0, None),
    )
    assert outside_note([known, silent]) is None
    note = outside_note([known, strange, silent])
    assert note is not None
    notice = sentence(note)
    assert "hardly a phrase" in notice
    assert "the second score -2.00, usual is -0.75 or more" in notice
    assert "first" not in notice
    assert "third" not in notice
    assert all(flag in notice for flag in ("--av2unit-path", "--utut-path", "--unit2av-path"))
    assert "--" not in sentence(note, hint=False)
    assert "the second score 14 %, usual is 47 % or more" in sentence(note, in_shares=True)
    assert sentence(note, KOREAN).startswith("모델이 배운 말(a phrase)이 아닌 것 같습니다(the second score 14 %, 보통 47 % 이상).")


def test_an_odd_word_is_told_with_its_time() -> None:
    domain = Domain("a phrase", -0.5, 0.01, 40, weakest=-0.9, nearest=-0.4)
    mean, weak, unlike = (
        DomainScore("the mean", -0.2, domain),
        DomainScore("the weakest", -1.5, domain, "weakest", "at 0.2 to 0.4 s"),
        DomainScore("the likeness", -2.0, domain, "nearest", "at 1.2 to 1.5 s"),
    )
    note = outside_note([mean, weak, unlike], PICTURE_CAUSE)
    assert note is not None
    notice = sentence(note)
    assert notice.startswith("at 1.2 to 1.5 s this is hardly a phrase")
    assert "the weakest -1.50, usual is -0.90 or more; the likeness -2.00, usual is -0.40 or more" in notice
    assert "the mean" not in notice
    assert "says something else there; where the picture shows somebody else, or hides" in notice
    whole = sentence(outside_note([mean._replace(score=-3.0), weak]))
    assert whole.startswith("this is hardly a phrase, least of all at 0.2 to 0.4 s")
    assert "means nothing; for real speech" in whole
    unsaid = DomainScore("the likeness", -2.0, Domain("a phrase", -0.5, 0.01, 40), "nearest", "at 1.2 to 1.5 s")
    assert outside_note([unsaid]) is None  # a model of before, which says nothing of stretches


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
