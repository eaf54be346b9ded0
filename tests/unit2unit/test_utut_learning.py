"""Training reaches every parameter of the network."""

from pathlib import Path
from typing import Any

import pytest

from avtrain.entry import read_config
from tests.unit2unit.fairseq_side import setup
from tests.unit2unit.phrasebook import LANGUAGES, NUM_UNITS, write_folders
from unit2unit.training.config import TrainingRun
from unit2unit.training.options import fairseq_config
from unit2unit.utut_finetune.prepare_pairs import main as prepare_pairs
from unit2unit.utut_pretrain.prepare import main as prepare_tables


@pytest.fixture(params=["pretrain", "finetune"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any, Any]:
    """Task, model and criterion of a stage at debug size, without smoothing, dropout and noise."""
    folders = write_folders(tmp_path / "units", 40)
    common = ["--num-units", str(NUM_UNITS), "--valid", "4", "--quiet", "--out", str(tmp_path / "data")]
    if request.param == "pretrain":
        units = [f"{language}={folders[language]}" for language in LANGUAGES]
        assert prepare_tables(["--units", *units, *common]) == 0
    else:
        assert prepare_pairs(["--source", str(folders["en"]), "--target", str(folders["ko"]), *common, "--test", "1"]) == 0
    plain = [
        "fairseq.regularization.dropout=0",
        "fairseq.regularization.attention_dropout=0",
        "fairseq.criterion.label_smoothing=0",
    ]
    noise = ["fairseq.task.mask=0"] if request.param == "pretrain" else []
    settings = [f"data_dir={tmp_path / 'data'}", f"run_dir={tmp_path / 'run'}", *plain, *noise]
    run = read_config(TrainingRun, f"unit2unit/{request.param}_debug", settings)
    return setup(fairseq_config(run))


def _batch(task: Any) -> dict[str, Any]:
    task.load_dataset("train", combine=False)
    dataset = task.dataset("train")
    return dataset.collater([dataset[index] for index in range(16)])  # type: ignore[no-any-return]


def test_every_parameter_learns_from_one_step(parts: tuple[Any, Any, Any]) -> None:
    task, model, criterion = parts
    batch = _batch(task)
    loss, _, _ = criterion(model, batch)
    loss.backward()
    still = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    # A key's bias adds the same to all scores of a query, and softmax takes it out again: its gradient is 0 but for rounding.
    assert [name for name in still if not name.endswith("k_proj.bias")] == []
    table = model.encoder.embed_tokens.weight.grad
    assert (table[batch["target"].unique()].abs().sum(1) > 0).all()
