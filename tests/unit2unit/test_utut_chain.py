"""From random published layouts to a Korean translator, as the pages say it, without a setting that a user would have to guess."""

import json
from pathlib import Path

import pytest
import torch

from netflips.cli import main as netflips
from recipes.demo.random.random_checkpoints import TRANSLATOR, write_random_checkpoints
from tests.unit2unit.phrasebook import prepare_stage, run
from unit2unit.inference import main as translate
from unit2unit.utut_finetune.add_language import main as add_language

_FINETUNE = "unit2unit.utut_finetune.finetune"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of the published layout and small size, one with Korean to start from, and pairs of units."""
    folder = tmp_path_factory.mktemp("chain")
    write_random_checkpoints(folder)
    assert add_language([str(folder / TRANSLATOR), str(folder / "start.pt"), "--language", "ko"]) == 0
    prepare_stage(folder, "finetune", 60, "--num-units", "1000", "--valid", "5", "--test", "5")
    return folder


def test_a_random_checkpoint_is_finetuned_and_translates(folder: Path, tmp_path: Path) -> None:
    """By the published recipe; the one for trials has tests of its own."""
    settings = [f"data_dir={folder / 'data'}", f"init={folder / 'start.pt'}", f"run_dir={tmp_path / 'run'}"]
    settings += ["fairseq.optimization.max_update=2", "fairseq.dataset.num_workers=0"]
    done = run(_FINETUNE, "--config-name", "unit2unit/finetune", *settings)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 + 2 layers of width 64" in done.stderr
    if not torch.cuda.is_available():
        assert "half precision (fp16) needs a GPU" in done.stderr
    best = tmp_path / "run" / "checkpoints" / "checkpoint_best.pt"
    (tmp_path / "en.txt").write_text("3 17 29 4 0")
    given = ["--in-unit-path", str(tmp_path / "en.txt"), "--out-unit-path", str(tmp_path / "ko.txt"), "--utut-path", str(best)]
    assert translate([*given, "--src-lang", "en", "--tgt-lang", "ko", "--cpu", "--beam", "2"]) == 0
    assert (tmp_path / "ko.txt").exists()
    given = ["evaluate", "translate", "--pairs", str(folder / "data"), "--utut-path", str(best)]
    given += ["--json", str(tmp_path / "score.json")]
    assert netflips([*given, "--cpu", "--beam", "1", "--max-target-units", "20"]) == 0
    assert json.loads((tmp_path / "score.json").read_text())["utterances"] == 5
