"""Test policy: skips are printed, and only tests marked `gpu` or `local` may skip."""

import pytest

_ALLOWED = {"gpu", "local"}
_SKIPPED: dict[str, tuple[str, bool]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Note each skip with its reason and whether its marks allow it."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        marks = {mark.name for mark in item.iter_markers()}
        _SKIPPED[item.nodeid] = (reason, bool(marks & _ALLOWED))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test skipped that may not."""
    if any(not allowed for _, allowed in _SKIPPED.values()) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the skips."""
    for node, (reason, allowed) in _SKIPPED.items():
        verdict = "skipped" if allowed else "SKIPPED WITHOUT LEAVE (mark it gpu or local)"
        terminalreporter.write_line(f"{verdict}: {node}: {reason}")
