"""Test policy: skips are printed, and only tests marked `gpu`, `cpu` or `local` may skip, and those without fairseq."""

import os

import pytest

os.environ["NETFLIPS_LANGUAGE"] = "en"  # whatever the locale is

_ALLOWED = {"gpu", "cpu", "local"}
_NO_FAIRSEQ = "make fairseq builds it"
"""Where no C++ compiler is, as tests/conftest.py says it."""
_SKIPPED: dict[str, tuple[str, bool]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note each skip with its reason and whether its marks allow it (also of tests that other processes ran)."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _SKIPPED[report.nodeid] = (reason, bool(_ALLOWED & set(report.keywords)) or _NO_FAIRSEQ in reason)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test skipped that may not."""
    if any(not allowed for _, allowed in _SKIPPED.values()) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the skips."""
    for node, (reason, allowed) in sorted(_SKIPPED.items()):
        verdict = "skipped" if allowed else "SKIPPED WITHOUT LEAVE (mark it gpu, cpu or local)"
        terminalreporter.write_line(f"{verdict}: {node}: {reason}")
