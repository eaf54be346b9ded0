"""A run whose last checkpoint is damaged goes on from the newest that is whole, and says so."""

import os
import shutil
from pathlib import Path

import pytest

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import CheckpointError
from avtrain.entry import read_config
from tests.unit2unit.tiny import tiny_config, write_tiny
from unit2unit.stage import TRANSLATOR
from unit2unit.training.config import TrainingRun
from unit2unit.training.export import write_fairseq
from unit2unit.training.start import read_translator_start


def _run(folder: Path, *settings: str) -> TrainingRun:
    return read_config(TrainingRun, "unit2unit/finetune_debug", ["data_dir=d", f"run_dir={folder}", *settings])


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A checkpoint of a run, with an older one and a newer one that has a hole."""
    own = write_tiny(tmp_path / "own.safetensors", 0, tiny_config(20))
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    older, whole, holed = (folder / f"checkpoint_{name}.pt" for name in ("best", "1_10", "1_12"))
    write_fairseq(read_checkpoint(own, TRANSLATOR), older)
    shutil.copy(older, whole)
    holed.write_bytes(_with_hole(older))
    for seconds, path in enumerate((older, whole, holed)):
        os.utime(path, (seconds, seconds))
    return whole


def _with_hole(path: Path) -> bytes:
    content = path.read_bytes()
    middle = len(content) // 2
    return content[:middle] + bytes(500) + content[middle + 500 :]


@pytest.mark.parametrize("how", ["empty", "cut", "hole"])
def test_a_torn_last_checkpoint_gives_way_to_the_newest_whole_one(whole: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    last = whole.with_name("checkpoint_last.pt")
    torn = {"empty": b"", "cut": whole.read_bytes()[:1000], "hole": _with_hole(whole)}[how]
    last.write_bytes(torn)
    assert read_translator_start(_run(whole.parent.parent, "check_only=true")) is not None
    (line,) = (line for line in caplog.messages if "updates after it are made again" in line)
    assert str(last) in line
    assert str(whole) in line
    assert last.read_bytes() == torn
    assert read_translator_start(_run(whole.parent.parent)) is not None
    assert last.read_bytes() == whole.read_bytes()


def test_a_run_without_a_whole_checkpoint_is_refused(whole: Path) -> None:
    for path in (*whole.parent.iterdir(), whole.with_name("checkpoint_last.pt")):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no other checkpoint there is whole"):
        read_translator_start(_run(whole.parent.parent))
