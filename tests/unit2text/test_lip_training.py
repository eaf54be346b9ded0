"""The second step of the paper: the published unit model behind AV-HuBERT learns to read lips."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_av_hubert
from unit2text.train import main
from unit2text.unit_reader import UnitReader

_LIP_ENCODER = "encoder.w2v_model."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of noise in place of lips, with words of the fixtures' invented language."""
    made = tmp_path_factory.mktemp("lips")
    random = np.random.default_rng(0)
    with (made / "clips.jsonl").open("w", encoding="utf-8") as rows:
        for number in range(6):
            np.save(made / f"{number}.npy", random.integers(0, 256, (8 + number, 96, 96), dtype=np.uint8))
            row: dict[str, object] = {"id": f"c{number}", "lips": f"{number}.npy", "frames": 8 + number, "language": "fr"}
            row["text"] = f"dãr{'r' * number} bu'a"
            rows.write(json.dumps(row, ensure_ascii=False) + "\n")
    return made


def train(folder: Path, run: str, parity_dir: Path, *more: str) -> int:
    files = parity_dir / "unit2text"
    data = ("data.lips=true", f"data.train={folder / 'clips.jsonl'}", "data.hold_out=1", f"run_dir={folder / run}")
    init = (f"init.checkpoint={files / 'unit_pretrained.pt'}", f"init.av_hubert={files / 'mavhubert.pt'}")
    steps = ("batch.batch_size=3", *(f"loop.{name}" for name in ("validate_every=2", "save_every=2", "log_every=1")))
    settings = (*data, *init, *steps, "optim.lr=1e-3", "optim.warmup_steps=0")
    return main(["--config-name", "unit2text/train_debug", *settings, *more])


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoints" / f"{name}.pt", weights_only=True)["modules"]["network"]
    return {key.removeprefix("model."): tensor for key, tensor in state.items()}


def test_av_hubert_rests_first_and_then_learns(folder: Path, parity_dir: Path) -> None:
    assert train(folder, "run", parity_dir, "loop.max_steps=4", "init.frozen_steps=2") == 0
    begun = read_av_hubert(parity_dir / "unit2text" / "mavhubert.pt").tensors
    resting, learnt = weights(folder / "run", "step_00000002"), weights(folder / "run")
    names = [name for name in resting if name.startswith(_LIP_ENCODER)]
    assert len(names) > 100
    assert all(torch.equal(resting[name], begun[name.removeprefix(_LIP_ENCODER)]) for name in names)
    assert sum(not torch.equal(resting[name], learnt[name]) for name in names) > 100
    assert not torch.equal(resting["ctc_proj.weight"], learnt["ctc_proj.weight"])


def test_what_is_exported_reads_lips(folder: Path, parity_dir: Path) -> None:
    assert train(folder, "out", parity_dir, "loop.max_steps=2") == 0
    path = folder / "lips.safetensors"
    assert main(["export", "--checkpoint", str(folder / "out" / "checkpoints" / "last.pt"), "--out-path", str(path)]) == 0
    reader = UnitReader.from_checkpoint(path)
    assert (reader.takes, reader.languages) == ("lips", ("en", "it", "fr", "es", "pt"))
    assert reader.config.lips.encoder.encoder_attention_heads == 4
    assert reader.read(np.load(folder / "0.npy"), "fr").language == "fr"
    assert train(folder, "again", parity_dir, "loop.max_steps=1", f"init.checkpoint={path}", "init.av_hubert=''") == 0


@pytest.mark.parametrize(
    "bad", ["init.checkpoint=''", "init.av_hubert=''", "data.languages=[ko]", "init.checkpoint={parity}/utut.pt"]
)
def test_what_cannot_be_trained(folder: Path, parity_dir: Path, bad: str) -> None:
    assert train(folder, "bad", parity_dir, bad.format(parity=parity_dir)) == 2
