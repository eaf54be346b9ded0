"""What targets say as a second target: pairs with their letters, its loss, and what is refused."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from avcore.train.entry import read_config
from tests.unit2unit.fairseq_side import setup
from tests.unit2unit.phrasebook import NUM_UNITS, TEXTS, prepare_stage, write_folders
from unit2unit.training.config import TrainingRun
from unit2unit.training.corpus import transcript_file
from unit2unit.training.entry import finetune as finetune
from unit2unit.training.launch import fairseq_config
from unit2unit.training.prepare_pairs import main as prepare_pairs

_WEIGHT = 0.5


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any, Path]:
    """Task, model, criterion and data folder; every second pair is joined to another, and nobody knows what the first two say."""
    root = tmp_path_factory.mktemp("text")
    data = prepare_stage(root, "finetune", 60, "--valid", "10", "--test", "5")
    path = transcript_file(data, "train")
    path.write_text("\n" * 2 + "".join(path.read_text().splitlines(keepends=True)[2:]))
    settings = [f"fairseq.task.text_weight={_WEIGHT}", "fairseq.task.joined_pairs=0.5", "fairseq.regularization.dropout=0"]
    settings += ["fairseq.regularization.attention_dropout=0", "fairseq.criterion.label_smoothing=0"]
    run = read_config(TrainingRun, "unit2unit/finetune_debug", [f"data_dir={data}", f"run_dir={root / 'run'}", *settings])
    task, model, criterion = setup(fairseq_config(run))
    for split in ("train", "valid"):
        task.load_dataset(split)
    return task, model.eval(), criterion.eval(), data


def _batch(task: Any, indices: list[int]) -> dict[str, Any]:
    dataset = task.dataset("train")
    return dataset.collater([dataset[index] for index in indices])  # type: ignore[no-any-return]


def test_pairs_bring_their_text_and_joined_pairs_both(parts: Any) -> None:
    task, _, criterion, data = parts
    letters = criterion.decoder.dictionary
    for split in ("train", "valid"):
        texts, dataset = transcript_file(data, split).read_text().split("\n"), task.dataset(split)
        joined, alone = 0, dataset.dataset.dataset if split == "train" else dataset.dataset
        for index in range(len(dataset)):
            item = dataset[index]
            assert (item.get("behind") is not None) == (len(item["target"]) > len(alone[index]["target"]))
            wanted = [texts[one] for one in (index, item.get("behind")) if one is not None]
            joined += len(wanted) == 2
            found = ["" if one in (letters.eos(), letters.pad()) else letters[one] for one in item["text"].tolist()]
            assert "".join(found) == (" ".join(wanted) if all(wanted) else "")
        assert 5 < joined < len(dataset) if split == "train" else joined == 0


def test_the_texts_of_a_batch_stand_in_the_order_of_its_pairs(parts: Any) -> None:
    task = parts[0]
    batch, dataset = _batch(task, list(range(16))), task.dataset("train")
    assert batch["id"].tolist() != list(range(16)), "longest first"
    for index, text in zip(batch["id"].tolist(), batch["text"], strict=True):
        own = dataset[index]["text"]
        assert text[: len(own)].tolist() == own.tolist()
        assert (text[len(own) :] == 1).all()


def test_the_loss_is_that_of_the_units_and_the_mean_of_the_letters(parts: Any) -> None:
    task, model, criterion, _ = parts
    batch = _batch(task, list(range(16)))
    loss, size, logged = criterion(model, batch)
    units, _, _ = criterion.units(model, batch)
    text, encoded = batch["text"], model.encoder(batch["net_input"]["src_tokens"], batch["net_input"]["src_lengths"])
    scores = criterion.decoder(torch.cat([torch.full((16, 1), 2), text[:, :-1]], 1), encoder_out=encoded)[0]
    mean = functional.cross_entropy(scores.flatten(0, 1), text.flatten(), ignore_index=1)
    torch.testing.assert_close(loss, units + _WEIGHT * size * mean)
    torch.testing.assert_close(logged["loss"], units.detach())
    torch.testing.assert_close(logged["text_loss"] / logged["letters"], mean.detach())


def test_the_encoder_and_all_of_the_text_s_decoder_learn_of_it(parts: Any) -> None:
    task, model, criterion, _ = parts
    batch = _batch(task, list(range(16)))
    (criterion(model, batch)[0] - criterion.units(model, batch)[0]).backward()
    for module in (model.encoder, criterion.decoder):
        still = [name for name, one in module.named_parameters() if one.grad is None or not one.grad.any()]
        assert [name for name in still if not name.endswith("k_proj.bias")] == []
    assert not any(
        name.startswith("decoder.") and one.grad.abs().max() > 1e-4 for name, one in model.decoder.layers.named_parameters()
    )


def test_pairs_that_say_nothing_known_learn_their_units_alone(parts: Any) -> None:
    task, model, criterion, _ = parts
    batch = _batch(task, [0, 1])
    assert not (batch["text"] > 3).any()
    loss, _, logged = criterion(model, batch)
    assert (loss.item(), logged["letters"]) == (criterion.units(model, batch)[0].item(), 0)
    criterion.zero_grad()
    loss.backward()
    assert all(one.grad is None or torch.isfinite(one.grad).all() for one in criterion.parameters())


def test_the_model_s_own_weights_are_those_of_a_training_without_text(parts: Any) -> None:
    _, model, criterion, _ = parts
    own = {id(one) for one in model.parameters()}
    assert not [name for name, one in criterion.named_parameters() if id(one) in own]
    kept = criterion.state_dict()
    criterion.load_state_dict(None)  # a checkpoint to start from
    assert all(torch.equal(kept[name], value) for name, value in criterion.state_dict().items())
    other = {name: torch.ones_like(value) for name, value in kept.items()}
    criterion.load_state_dict(other)
    assert all(torch.equal(other[name], value) for name, value in criterion.state_dict().items())
    criterion.load_state_dict(kept)


def test_texts_are_of_the_targets_and_no_longer_than_they(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = write_folders(tmp_path, 30)
    rows = [json.loads(line) for line in (tmp_path / TEXTS).read_text().splitlines()]
    rows[0]["text"], rows[1]["text"] = "길" * 13, " 두\n 말 "
    given = ["--source", str(folders["en"]), "--target", str(folders["ko"]), "--num-units", str(NUM_UNITS), "--valid", "4"]

    def prepare(name: str, rows: list[dict[str, str]]) -> int:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return prepare_pairs([*given, "--texts", str(path), "--out", str(tmp_path / name)])

    assert prepare("some", rows[:20]) == 0
    assert "11 pairs are without a text" in capsys.readouterr().err
    found: dict[str, str] = {}
    for split in ("train", "valid", "test"):
        names, texts = ((tmp_path / "some" / "text" / f"{split}.{kind}").read_text() for kind in ("ids", "transcript"))
        found |= dict(zip(names.splitlines(), texts.split("\n"), strict=False))
    assert found == {
        row["id"]: ["", "두 말"][place] if place < 2 else row["text"] for place, row in enumerate(rows[:20])
    } | dict.fromkeys((row["id"] for row in rows[20:]), "")
    assert prepare("none", [{"id": "x", "text": "말"}]) == 2
    assert "none.jsonl: the texts are of no target" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert prepare_pairs(["--splits", str(tmp_path), "--texts", str(tmp_path / TEXTS), "--out", str(tmp_path / "lines")]) == 2
    assert "--texts goes by ids, which lines of --splits do not have" in capsys.readouterr().err


def test_a_sentence_that_several_people_read_is_in_one_split_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two readings never have the same units: all that was held out was in train too, without a word."""
    folders = write_folders(tmp_path, 30)
    names = [json.loads(line)["id"] for line in (tmp_path / TEXTS).read_text().splitlines()]
    signs = ["", ".", " !"]
    said = {name: "가나다라마바사아자차"[place % 10] + signs[place // 10] for place, name in enumerate(names)}
    rows = [
        {"id": name, "text": text, "split": "train" if place < 20 else "test"} for place, (name, text) in enumerate(said.items())
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ["--source", str(folders["en"]), "--target", str(folders["ko"]), "--num-units", str(NUM_UNITS)]
    given += ["--texts", str(tmp_path / "rows.jsonl"), "--valid", "6"]

    assert prepare_pairs([*given, "--test", "3", "--out", str(tmp_path / "apart")]) == 0
    found = {
        split: {said[name][0] for name in (tmp_path / "apart" / "text" / f"{split}.ids").read_text().split()}
        for split in ("train", "valid", "test")
    }
    assert {split: len(letters) for split, letters in found.items()} == {"train": 7, "valid": 2, "test": 1}
    assert len(set.union(*found.values())) == 10
    capsys.readouterr()

    own = [*given, "--manifest", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "own")]
    assert prepare_pairs(own) == 0
    assert re.search(r"test: ([4-9]|10) of 10 say a sentence that train has too, in another reading", capsys.readouterr().err)


def test_a_folder_without_texts_is_refused(parts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = shutil.copytree(parts[3], tmp_path / "data")
    transcript_file(data, "valid").unlink()
    given = ["--config-name", "unit2unit/finetune_debug", f"data_dir={data}", f"run_dir={tmp_path / 'run'}", "check_only=true"]
    assert finetune([*given, "fairseq.task.text_weight=1"]) == 2
    told = capsys.readouterr().err
    assert "found no text/valid.transcript; make it with python -m unit2unit.utut_finetune.prepare_pairs --texts" in told
    assert "or train on units alone with fairseq.task.text_weight=0" in told
    assert finetune(given) == 0
