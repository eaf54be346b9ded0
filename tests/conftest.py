"""What tests of several rooms share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """The folder of numeric fixtures; its README says what is in it."""
    return Path(__file__).parent / "parity"
