"""The stored models are small, and stand for those of published size."""

import pytest


@pytest.fixture(autouse=True)
def _as_published(packs_all: None) -> None:
    """Their layers are laid out for the CPU."""
