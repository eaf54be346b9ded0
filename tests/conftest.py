"""What tests of several rooms share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """The folder of numeric fixtures; its README says what is in it."""
    return Path(__file__).parent / "parity"


@pytest.fixture
def packs_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models are laid out for the CPU as those of published size are."""
    monkeypatch.setattr("avcore.compute.modules._LEAST_PACKED", 0)
