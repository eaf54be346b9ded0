"""What is written anew again and again: at once, and then for a twentieth of the time at most."""

import pytest

from avcore.runs.seldom import Seldom


def test_it_takes_a_twentieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now, times = [100.0], []
    monkeypatch.setattr("avcore.runs.seldom.time.monotonic", lambda: now[0])

    def act() -> None:
        times.append(now[0])
        now[0] += 0.01 * len(times)  # what is written grows

    report = Seldom(act)
    for _ in range(1000):
        now[0] += 0.1
        report.maybe()
    assert times[0] == pytest.approx(100.1)
    spent = sum(0.01 * number for number in range(1, len(times) + 1))
    assert 0.03 < spent / (now[0] - 100) < 0.06
    before = len(times)
    report.now()
    assert len(times) == before + 1
