"""Whole runs of commands."""

from tests.netflips.conftest import no_recognizer_here  # noqa: F401  # of all of them
