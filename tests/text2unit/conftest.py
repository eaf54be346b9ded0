"""What the tests of the text-to-unit model share."""

from pathlib import Path

import pytest

from recipes.made.babble import BabbleCorpus, babble_corpus
from tests.text2unit.runs import export, words
from text2unit.train import main


@pytest.fixture(scope="session")
def babble(tmp_path_factory: pytest.TempPathFactory) -> BabbleCorpus:
    """A small made-up corpus; nobody may change it."""
    return babble_corpus(tmp_path_factory.mktemp("babble"), sentences=160)


@pytest.fixture(scope="session")
def trained(babble: BabbleCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("trained")
    assert main(words(babble, run_dir)) == 0
    return run_dir


@pytest.fixture(scope="session")
def trained_aligned(babble: BabbleCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("aligned")
    assert main(words(babble, run_dir, config="aligned_debug")) == 0
    return run_dir


@pytest.fixture(scope="session")
def text_to_unit(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of that run."""
    path = tmp_path_factory.mktemp("text-to-unit") / "text2unit.safetensors"
    assert export(trained, path) == 0
    return path
