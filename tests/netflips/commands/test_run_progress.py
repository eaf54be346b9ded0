"""Progress of a whole run: what it does, how far it is, and what is left."""

import logging
import re
import sys
from importlib.resources import files
from itertools import groupby, pairwise

import pytest

from avcore import progress
from netflips.commands import run_progress
from netflips.commands.run_progress import run_bar, seconds_left, share_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_run_tells_what_it_does_how_far_it_is_and_what_is_left(
    clock: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, "netflips")
    with run_bar(prefix="talk.mp4: ") as report:
        clock[0] = 31
        report("look", 5, 10)
        clock[0] = 70
        report("frames", 5, 10)
        report("stills after", 0, 9)
        clock[0] = 105
        report("stills after", 9, 9)  # "about 0 s left" would be said of what is not over
    assert [record.getMessage() for record in caplog.records] == [
        "talk.mp4: following faces: 18 %, about 0:02:21 left",
        "talk.mp4: drawing lips: 84 %, about 0:00:13 left",
        "talk.mp4: writing the report: 100 %",
    ]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with run_bar(prefix="talk.mp4: ") as report:
        clock[0] = 100
        report("translate", 1, 2)
    assert "talk.mp4: translating  45 %|" in capsys.readouterr().err


def test_shares_of_a_run_and_the_time_that_is_left() -> None:
    assert (share_of("frames", 5, 10, 0.0), share_of("look", 1, 10, 0.5)) == (pytest.approx(0.84), 0.5)
    assert [share_of(stage, 9, 9, 0.0, is_draft=True) for stage in ("speech", "texts")] == [0.76, 1.0]  # then it is over
    assert share_of("listen", 30, None, 0.0) == pytest.approx(0.04)
    assert share_of("something else", 1, 1, 0.2) == 0.2
    assert seconds_left(0.5, 10) == 10
    assert seconds_left(0.01, 10) is None


def test_a_resumed_run_is_judged_by_the_stage_that_works() -> None:
    left = run_progress.TimeLeft(is_resumed=True)
    assert left.report("texts", 9, 9, 5.0) is None  # half of the run is kept work, found in a moment
    assert left.report("frames", 0, 100, 20.0) is None
    assert left.report("frames", 10, 100, 24.0) == (pytest.approx(36 + 40 * 0.04 / 0.24), False)


TALK = {"listen": 9, "look": 51, "hear": 180, "translate": 60, "speech": 24, "check": 324, "frames": 65, "loudness": 2}
"""Seconds of the stages of a talk of 210 s over text."""


@pytest.mark.parametrize("slow", [None, "hear", "frames"])
def test_the_time_left_falls_or_a_word_says_why(slow: str | None, clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netflips")
    with run_bar() as report:
        for stage, seconds in TALK.items():
            steps = seconds * (8 if stage == slow else 1)
            for second in range(steps + 1):
                clock[0] += 1
                report(stage, second, steps)
    told = [re.search(r"^([a-z ]+): .* about (\d+):(\d\d):(\d\d) left(.*)", record.getMessage()) for record in caplog.records]
    left = [(one[1], 3600 * int(one[2]) + 60 * int(one[3]) + int(one[4]), one[5]) for one in told if one]
    assert len(left) > 15
    rises = {doing: why for (_, before, _), (doing, after, why) in pairwise(left) if after > before}
    assert all("slower" in why for why in rises.values())
    assert not slow or run_progress._doing(slow) in rises
    assert left[-1][1] < 0.05 * clock[0]
    standing = [len([*rows]) for _, rows in groupby(seconds for _, seconds, _ in left)]
    assert max(standing) <= 5
    assert len(standing) > len(left) / 2


def test_the_page_has_words_for_each_stage() -> None:
    table = re.search(r"const STAGES = \{(.*?)\};", files("netflips.serve").joinpath("page/parts.js").read_text(), re.DOTALL)
    named = {one.strip('"') for one in re.findall(r'("[\w ]+"|\w+): "', table[1])}
    assert {*run_progress._RUN, "cuts", "read"} - named == set()
