"""Bounds on a model's own score, and what is said below them."""

from math import nan
from pathlib import Path

import numpy as np
import pytest

from avcore.domain import KEY, Domain, Reading, calibrate, outside_notice
from avcore.errors import CheckpointError, InputError


def test_the_bound_is_what_a_share_of_the_scores_falls_below() -> None:
    scores = np.random.default_rng(0).permutation(np.linspace(-1, 0, 1001)).tolist()
    domain = calibrate(scores, "a test", 0.05)
    assert domain == Domain("a test", pytest.approx(-0.95), 0.05, 1001)
    assert [domain.knows(score) for score in (0.0, -0.949, -0.951, -5.0, nan)] == [True, True, False, False, False]


@pytest.mark.parametrize("scores", [[], [0.0, nan]])
def test_no_bound_without_scores(scores: list[float]) -> None:
    with pytest.raises(InputError, match="scores of its own speech"):
        calibrate(scores, "a test")


def test_a_domain_comes_back_from_a_configuration() -> None:
    domain = Domain("a test", -0.5, 0.01, 40)
    assert Domain.from_config({KEY: domain.to_config()}, Path("x")) == domain
    assert Domain.from_config({}, Path("x")) is None
    with pytest.raises(CheckpointError, match="domain cannot be read"):
        Domain.from_config({KEY: {"what": "a test"}}, Path("x"))


def test_the_notice_names_the_scores_that_are_strange_and_what_to_do() -> None:
    known, strange, silent = (
        Reading("the first score", -0.2, Domain("a phrase", -0.5, 0.01, 40)),
        Reading("the second score", -2.0, Domain("a phrase", -0.75, 0.01, 40)),
        Reading("the third score", -9.0, None),
    )
    assert outside_notice([known, silent]) is None
    notice = outside_notice([known, strange, silent])
    assert notice is not None
    assert "hardly a phrase" in notice
    assert "the second score -2.00, usual is -0.75 or more" in notice
    assert "first" not in notice
    assert "third" not in notice
    assert all(flag in notice for flag in ("--av2unit-path", "--utut-path", "--unit2av-path"))
