"""Progress where there is no terminal: a line now and then."""

import logging
import sys

import pytest

from avcore import progress
from avcore.progress import bars


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_off_a_terminal_a_line_is_told_every_30_s(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netflips")
    with bars(prefix="talk.mp4: ") as report:
        for second in range(100):
            clock[0] = second
            report("faces" if second < 50 else "write", second, 200 if second < 50 else None)
    assert [record.getMessage() for record in caplog.records] == [
        "talk.mp4: faces: 30 of 200, after 0:00:30",
        "talk.mp4: write: 60, after 0:01:00",
        "talk.mp4: write: 90, after 0:01:30",
    ]


def test_quiet_and_a_closed_stderr_tell_nothing(
    clock: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "netflips")
    with bars(is_quiet=True) as report:
        clock[0] = 40
        report("faces", 1, 2)
    monkeypatch.setattr(sys, "stderr", None)
    with bars() as report:
        clock[0] = 90
        report("faces", 2, 2)
    assert not caplog.records


def test_a_listener_hears_all_bars_also_those_that_are_off() -> None:
    heard: list[tuple[str, int, int | None]] = []
    with progress.report_to(lambda *told: heard.append(told)), bars(is_quiet=True) as report:
        report("faces", 1, 2)
    with bars(is_quiet=True) as report:
        report("faces", 2, 2)
    assert heard == [("faces", 1, 2)]
