"""What the tests of the lip trainers share."""

from pathlib import Path

import pytest

from tests.unit2av.lip_runs import sync_config, train_sync
from unit2av.drawn_lips import DrawnCorpus, draw_corpus


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnCorpus:
    """A small drawn corpus; nobody may change it."""
    return draw_corpus(tmp_path_factory.mktemp("drawn"), clips=20, frames=40, faces=1)


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where all tests keep the face crops of that corpus."""
    return tmp_path_factory.mktemp("crops")


@pytest.fixture(scope="session")
def sync_run(tmp_path_factory: pytest.TempPathFactory, drawn: DrawnCorpus, crops: Path) -> Path:
    """The folder of a sync expert that was trained on the drawn corpus."""
    folder = tmp_path_factory.mktemp("sync")
    train_sync(sync_config(drawn, crops, folder))
    return folder
