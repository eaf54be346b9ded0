"""Signals for processes that tests start."""

import signal


def hear_ctrl_c() -> None:
    """For a new process: listen to Ctrl-C even where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
