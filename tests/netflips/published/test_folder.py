"""Folders for a model hub: what they hold, what their card says, that its lines run, and the way back."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.layouts import is_same
from avcore.checkpoints.stages import Stage
from avcore.errors import InputError
from avcore.units import Units
from netflips.commands.models import main as models
from netflips.commands.options import convert
from netflips.published.card import AV_HUBERT_NOTICE
from netflips.stages import SHIPPED, STAGES, named_model
from recipes.demo.random.random_checkpoints import RENDERER as PUBLISHED_RENDERER
from recipes.demo.random.random_checkpoints import UNIT_ENCODER as UNIT_ENCODER_FILE
from recipes.demo.random.random_checkpoints import write_random_checkpoints
from tests.unit2unit.tiny import write_tiny
from unit2av import stage as unit2av_stage
from unit2av.stage import RENDERER, SPEAKER_ENCODER

SHIPPED_FILES = {stage.name: Bundle(SHIPPED, {}).checkpoint(stage, "ko" if stage.by_language else "") for stage in STAGES}
SHIPPED_FILES[SPEAKER_ENCODER.name] = Path(unit2av_stage.__file__).with_name(SPEAKER_ENCODER.file)


def to_folder(path: Path, folder: Path, *words: str) -> Path:
    assert convert.main([str(path), "-o", str(folder), "--to", "hub", "--quiet", *words]) == 0
    return folder


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_folder_is_the_checkpoint_and_its_card_s_lines_run(stage: Stage, tmp_path: Path) -> None:
    path = SHIPPED_FILES[stage.name]
    folder = to_folder(path, tmp_path / "hub")
    source, there = read_checkpoint(path, None), read_checkpoint(folder / "model.safetensors", stage)
    assert (there.config, there.fingerprint) == (source.config, source.fingerprint)
    assert {"config.json", "model.safetensors", "README.md"} <= {one.name for one in folder.iterdir()}

    _, header, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "netflips"
    assert there.fingerprint in text
    assert there.stage.flag in text
    if vocabulary := there.stage.layout.vocabularies(there).get(""):
        assert vocabulary in text
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0].replace("FOLDER", str(folder))
    names = {
        "speech": np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32),
        "units": Units(np.array([18, 39, 48, 43]), np.array([4, 4, 5, 4])),
        "text": "안녕하세요?",
    }
    exec(code, names)

    assert convert.main([str(folder), "-o", str(tmp_path / "back.safetensors"), "--quiet"]) == 0
    back = read_checkpoint(tmp_path / "back.safetensors", None)
    assert (back.config, back.fingerprint) == (source.config, source.fingerprint)
    assert all(is_same(back.tensors[name], source.tensors[name]) for name in source.tensors)


def test_a_shipped_model_s_card_says_licence_languages_and_updates(tmp_path: Path) -> None:
    folder = to_folder(SHIPPED_FILES[RENDERER.name], tmp_path / "hub", "--dtype", "int8")
    card = (folder / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---\n")[1])
    assert (header["license"], header["language"]) == ("mit", ["en", "ko"])
    assert f"Units: {read_checkpoint(SHIPPED_FILES['av2unit'], None).config['vocabulary']}" in card
    assert re.search(r"Updates of its training: .*ko [1-9][\d,]+", card)
    assert (folder / "model.safetensors").stat().st_size < 1.01 * SHIPPED_FILES[RENDERER.name].stat().st_size
    for name in ("voices.npz", "mouth.npz"):  # a dub looks for them beside the renderer
        assert (folder / name).read_bytes() == (SHIPPED / name).read_bytes()
    again = to_folder(folder, tmp_path / "again", "--dtype", "int8")
    assert {one.name for one in again.iterdir()} == {one.name for one in folder.iterdir()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of the translator, with its pairs and scores, as a recipe leaves it."""
    folder, pairs = tmp_path / "run", tmp_path / "pairs"
    (folder / "checkpoints").mkdir(parents=True)
    pairs.mkdir()
    write_tiny(folder / "checkpoints" / "best.safetensors")
    init = write_tiny(tmp_path / "start.safetensors", task={"langs": "en,fr,ko", "begun_from": "utut_sts_ft.pt"})
    settings = {"data_dir": str(pairs), "init": str(init), "fairseq": {"common": {"seed": 7}, "optimizer": {"lr": [1e-4]}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    start = {"command": f"python -m x data_dir={pairs} init={init} a=3", "commit": "abc1234", "torch": "2.11", "time": "2026"}
    (folder / "starts.jsonl").write_text(json.dumps(start) + "\n")
    counts = {"pairs": 1200, "en units": 30000, "en hours": 2.5, "ko hours": 2.25}
    (pairs / "data.json").write_text(json.dumps({"splits": {"train": counts}}))
    scores = {"utterances": 60, "unit_error_rate": 0.25, "unit_error_rate_interval": {"low": 0.2, "high": 0.3}, "bleu": 40.5}
    (folder / "translate.json").write_text(json.dumps(scores))
    return folder


def test_what_a_run_knows_its_card_knows(run: Path, tmp_path: Path) -> None:
    card = (to_folder(run / "checkpoints" / "best.safetensors", tmp_path / "hub") / "README.md").read_text(encoding="utf-8")
    for line in (
        "- Base model: utut_sts_ft.pt (licence: not stated for the weights; research only, as far as one can tell;",
        "- Training: seed 7, rate [0.0001]",
        "- Made with: commit abc1234, torch 2.11, on 2026",
        "- train: 1,200 pairs, 30,000 en units, 2.5 en hours, 2.25 ko hours",
        "| unit error rate | 0.25 (0.2 to 0.3) | 60 |",
        "python -m x data_dir=",
        f"- {AV_HUBERT_NOTICE}",
        "- Unless its units are of an encoder that is not AV-HuBERT's",
        "- Cite NetfLips",
    ):
        assert line in card
    assert str(tmp_path) not in card, "a card tells of nobody's folders"


def test_who_is_under_av_huberts_licence(tmp_path: Path) -> None:
    """The published encoder is, and what was trained on the bundle's units is not."""
    encoder = write_random_checkpoints(tmp_path)[UNIT_ENCODER_FILE]
    card = (to_folder(encoder, tmp_path / "encoder") / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(card.split("---\n")[1])
    assert (header["license"], header["license_name"]) == ("other", "av-hubert")
    assert AV_HUBERT_NOTICE in card
    assert "- AV-HuBERT's licence allows non-commercial research only" in card
    vocabulary = read_checkpoint(SHIPPED_FILES["av2unit"], None).config["vocabulary"]
    free = write_tiny(tmp_path / "free.safetensors", vocabulary=vocabulary)
    card = (to_folder(free, tmp_path / "free") / "README.md").read_text(encoding="utf-8")
    assert "AV-HuBERT" not in card
    shipped = (to_folder(SHIPPED_FILES["av2unit"], tmp_path / "shipped") / "README.md").read_text(encoding="utf-8")
    assert AV_HUBERT_NOTICE not in shipped


def test_a_licence_that_no_list_knows_is_left_to_its_author(tmp_path: Path) -> None:
    made = write_random_checkpoints(tmp_path)[PUBLISHED_RENDERER]
    card = (to_folder(made, tmp_path / "published") / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "other"  # by its name, that of the published file
    assert AV_HUBERT_NOTICE in card, "it was trained on AV-HuBERT's units"
    card = (to_folder(made.rename(tmp_path / "mine.pt"), tmp_path / "mine") / "README.md").read_text(encoding="utf-8")
    assert "license" not in yaml.safe_load(card.split("---\n")[1])
    assert "Licence: not stated: write it here" in card


def test_a_folder_in_the_place_of_its_weights_is_told_so(tmp_path: Path) -> None:
    folder = to_folder(SHIPPED_FILES["av2unit"], tmp_path / "hub")
    with pytest.raises(InputError, match=re.escape(f"must be a file; found a folder; give {folder / 'model.safetensors'}")):
        read_checkpoint(folder, UNIT_ENCODER)


def test_a_fetched_folder_is_a_model_by_a_name_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = to_folder(SHIPPED_FILES[RENDERER.name], tmp_path / "hub")
    monkeypatch.setenv("NETFLIPS_MODELS", str(tmp_path / "models"))
    assert models(["add", str(folder), "--as", "mine", "--quiet"]) == 0
    found = named_model("mine", RENDERER.flag)
    assert read_checkpoint(found, RENDERER).fingerprint == read_checkpoint(folder / "model.safetensors", RENDERER).fingerprint
    assert found.with_name("voices.npz").is_file()
