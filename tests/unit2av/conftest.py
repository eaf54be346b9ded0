"""What the tests of the trainers share."""

from pathlib import Path

import pytest

from recipes.made.drawn_lips import DrawnCorpus, draw_corpus
from recipes.made.tones import TonesCorpus, sing_corpus
from tests.unit2av.lip_runs import sync_config, train_sync
from unit2av.train_unit2a import main as train_unit2a


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


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> TonesCorpus:
    """A small sung corpus; nobody may change it."""
    return sing_corpus(tmp_path_factory.mktemp("tones"), utterances=24, steps=60)


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> TonesCorpus:
    """Eight short songs; nobody may change them."""
    return sing_corpus(tmp_path_factory.mktemp("songs"), utterances=8, steps=40)


@pytest.fixture(scope="session")
def trained(tones: TonesCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("trained")
    data = [f"data.train={tones.manifest}", f"data.units={tones.units}", f"run_dir={run_dir}", "edge_unit=auto"]
    loop = ["loop.max_steps=60", "loop.log_every=5", "loop.validate_every=30"]
    assert train_unit2a(["--config-name", "unit2av/unit2a_debug", *data, *loop]) == 0
    return run_dir
