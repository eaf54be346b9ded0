"""Bounds on a model's own scores."""

from pathlib import Path

import numpy as np
import pytest

from avcore.domain import KEY, VIDEO_CAUSE, Domain, DomainScore, outside_note, steps_below, weakest_stretch
from avcore.errors import CheckpointError
from avcore.notes import sentence
from avcore.words import KOREAN
from tests.refusal import refused


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
    for odd in ({"what": "a test"}, "a test", {"what": "x", "least": 0, "share": 0.1, "samples": 9, "nearest": "low"}):
        refused(CheckpointError, "domain cannot be read", Domain.from_config, {KEY: odd}, Path("x"))


def test_the_notice_names_strange_scores_and_what_to_do() -> None:
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
    assert "the second score 14 %, usual is 47 % or more" in notice
    assert "first" not in notice
    assert "third" not in notice
    assert all(way in notice for way in ("netflips dub --cascade", "netflips models get korean-free"))
    assert "--" not in sentence(note, hint=False)
    assert sentence(note, KOREAN).startswith("모델이 배운 말(a phrase)이 아닌 것 같습니다(the second score 14 %, 보통 47 % 이상).")


def test_an_odd_word_is_told_with_its_time() -> None:
    domain = Domain("a phrase", -0.5, 0.01, 40, weakest=-0.9, nearest=-0.4)
    mean, weak, unlike = (
        DomainScore("the mean", -0.2, domain),
        DomainScore("the weakest", -1.5, domain, "weakest", "at 0.2 to 0.4 s"),
        DomainScore("the likeness", -2.0, domain, "nearest", "at 1.2 to 1.5 s"),
    )
    note = outside_note([mean, weak, unlike], VIDEO_CAUSE)
    assert note is not None
    notice = sentence(note)
    assert notice.startswith("at 1.2 to 1.5 s this is hardly a phrase")
    assert "the weakest 22 %, usual is 41 % or more; the likeness 14 %, usual is 67 % or more" in notice
    assert "the mean" not in notice
    assert "says something else there; where the video shows somebody else, or hides" in notice
    whole = sentence(outside_note([mean._replace(score=-3.0), weak]))
    assert whole.startswith("this is hardly a phrase, least of all at 0.2 to 0.4 s")
    assert "means nothing; netflips dub --cascade" in whole
    unsaid = DomainScore("the likeness", -2.0, Domain("a phrase", -0.5, 0.01, 40), "nearest", "at 1.2 to 1.5 s")
    assert outside_note([unsaid]) is None  # a model of before, which says nothing of stretches


def test_steps_that_lie_in_a_strange_stretch() -> None:
    scores = np.array([0.0, 0, 0, -4, -4, 0, 0, 0])
    assert steps_below(scores, 2, -3.0).tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert steps_below(scores, 2, -1.9).tolist() == [False] * 2 + [True] * 4 + [False] * 2
    assert not steps_below(scores, 2, None).any()
    assert steps_below(scores[:1], 9, 1.0).tolist() == [True]
