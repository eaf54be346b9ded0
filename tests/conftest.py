"""What tests of several rooms share."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """The folder of numeric fixtures; its README says what is in it."""
    return Path(__file__).parent / "parity"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands note in a user's cache goes into a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in ("NETFLIPS_MODELS", "NETFLIPS_CATALOGUE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def packs_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models are laid out for the CPU as those of published size are."""
    monkeypatch.setattr("avcore.compute.modules._LEAST_PACKED", 0)
