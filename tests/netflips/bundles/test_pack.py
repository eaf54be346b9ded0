"""Packing, checking and describing a bundle."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from av2unit.extractor import UnitExtractor
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import ABOUT as ABOUT_FILE
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.errors import CheckpointError, NetflipsError, OutputError, UsageError, VocabularyError
from netflips.bundles import pack
from netflips.bundles.describe import bundle_files, check_bundle, note
from netflips.bundles.pack import pack_bundle
from netflips.bundles.references import nearest_reference, read_references
from netflips.commands import bundle as command
from netflips.commands import info
from netflips.model_paths import ModelPaths, RunOptions, bundle_paths
from netflips.models import load_models
from tests.netflips.bundles.conftest import ABOUT, write_references
from tests.refusal import refused
from unit2av.stage import RENDERER
from unit2unit.stage import TRANSLATOR


@pytest.fixture
def own(packed: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed.folder, tmp_path / "own"))


def test_a_packed_bundle_is_whole_and_half_as_large(packed: Bundle, paths: ModelPaths) -> None:
    assert sorted(path.name for path in packed.folder.iterdir()) == sorted([*bundle_files(packed), ABOUT_FILE])
    assert check_bundle(packed.folder).about["made"]["commit"] == "0123abc"
    before = read_checkpoint(paths.utut, TRANSLATOR).tensors
    after = read_checkpoint(packed.checkpoint(TRANSLATOR), TRANSLATOR).tensors
    assert {tensor.dtype for tensor in after.values() if tensor.dim() > 1} == {torch.float16}
    assert {tensor.dtype for tensor in after.values() if tensor.dim() == 1} == {torch.float32}
    name = "encoder.layers.0.fc1.weight"
    assert torch.equal(after[name], before[name].half())


def test_its_models_load_and_share_the_quantizer_of_the_original(packed: Bundle, paths: ModelPaths) -> None:
    models = load_models(bundle_paths(packed), "en", "ko", RunOptions(device="cpu"))
    original = UnitExtractor.from_checkpoint(paths.av2unit)
    assert models.extractor.vocabulary == original.vocabulary == packed.about["vocabulary"]
    speech = np.random.default_rng(0).standard_normal(32000).astype(np.float32) / 10
    packed_units, units = (one.extract(speech).frames() for one in (models.extractor, original))
    assert (packed_units == units).mean() > 0.95


def test_folders_of_the_machine_stay_behind_and_parts_as_they_are(paths: ModelPaths, references: Path, tmp_path: Path) -> None:
    source = read_checkpoint(paths.utut, TRANSLATOR)
    model = {**source.config["model"], "save_dir": "/data/me/run", "user_dir": "C:\\me", "arch": "a/b"}
    translator = write_checkpoint(tmp_path / "x", TRANSLATOR, {**source.config, "model": model}, source.tensors)
    kept = {UNIT_ENCODER: torch.float16, TRANSLATOR: torch.float16, RENDERER: None}
    bundle = pack_bundle(paths.av2unit, translator, paths.unit2av, references, ABOUT, tmp_path / "bundle", kept)
    stored = read_checkpoint(bundle.checkpoint(TRANSLATOR), TRANSLATOR).config["model"]
    assert stored["arch"] == "a/b"
    assert not {"save_dir", "user_dir"} & stored.keys()
    tensors = read_checkpoint(bundle.checkpoint(RENDERER), RENDERER).tensors
    assert torch.float16 not in {tensor.dtype for tensor in tensors.values()}


def test_eight_bits_make_it_smaller_and_hear_the_same(packed: Bundle, paths: ModelPaths, references: Path, tmp_path: Path) -> None:
    small = pack_bundle(paths.av2unit, paths.utut, paths.unit2av, references, ABOUT, tmp_path / "bundle", torch.int8)
    kinds = UNIT_ENCODER, TRANSLATOR, RENDERER
    size, usual = (sum(bundle.checkpoint(kind).stat().st_size for kind in kinds) for bundle in (small, packed))
    assert size < 0.65 * usual
    speech = np.random.default_rng(0).standard_normal(32000).astype(np.float32) / 10
    files = small.checkpoint(UNIT_ENCODER), paths.av2unit
    heard, wanted = (UnitExtractor.from_checkpoint(path).extract(speech).frames() for path in files)
    assert (heard == wanted).mean() > 0.9


def test_models_of_other_units_are_refused(paths: ModelPaths, references: Path, tmp_path: Path) -> None:
    source = read_checkpoint(paths.utut, TRANSLATOR)
    other = write_checkpoint(tmp_path / "other", TRANSLATOR, {**source.config, "vocabulary": "sha256:other"}, source.tensors)
    with pytest.raises(VocabularyError, match="another quantizer"):
        pack_bundle(paths.av2unit, other, paths.unit2av, references, ABOUT, tmp_path / "bundle")
    foreign = write_references(tmp_path / "foreign.jsonl", "sha256:other")
    with pytest.raises(VocabularyError, match=r"foreign\.jsonl: s0"):
        pack_bundle(paths.av2unit, paths.utut, paths.unit2av, foreign, ABOUT, tmp_path / "bundle")
    refused(VocabularyError, "another quantizer", load_models, replace(paths, utut=other), "en", "ko", RunOptions(device="cpu"))
    assert not (tmp_path / "bundle").exists()


def test_what_is_too_heavy_leaves_the_old(own: Path, paths: ModelPaths, references: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "MOST_BYTES", 2**20)
    with pytest.raises(OutputError, match=r"weighs too much; expected 1 MiB; found unit_encoder\.safetensors"):
        pack_bundle(paths.av2unit, paths.utut, paths.unit2av, references, ABOUT, own)
    with pytest.raises(UsageError, match=r"domain, made\.configs, made\.commit, made\.seconds"):
        pack_bundle(paths.av2unit, paths.utut, paths.unit2av, references, {"made": {"seed": 1}}, own)
    check_bundle(own)
    assert sorted(path.name for path in own.parent.iterdir()) == ["own"]


def test_a_new_bundle_replaces_the_old_and_nothing_else(own: Path, paths: ModelPaths, references: Path, tmp_path: Path) -> None:
    new = {**ABOUT, "made": {**ABOUT["made"], "commit": "4567def"}}
    pack_bundle(paths.av2unit, paths.utut, paths.unit2av, references, new, own)
    assert check_bundle(own).about["made"]["commit"] == "4567def"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]
    (own / "thesis.txt").write_text("years of work")
    refused(OutputError, r"thesis\.txt", pack_bundle, paths.av2unit, paths.utut, paths.unit2av, references, new, own)


def test_notes_are_added_and_a_changed_bundle_is_noticed(own: Path) -> None:
    note(own, metrics={"top1": 0.97})
    assert check_bundle(own).about["metrics"] == {"top1": 0.97}
    path = own / "translator.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    refused(NetflipsError, r"translator\.safetensors", check_bundle, own)
    refused(CheckpointError, r"translator\.safetensors", note, own, metrics={})
    path.unlink()
    refused(NetflipsError, r"translator\.safetensors", check_bundle, own)


def test_the_nearest_reference(packed: Bundle) -> None:
    references = read_references(packed.references)
    wanted = references[1]
    assert (wanted.text, wanted.translation) == ("문장 1", "Sentence 1")
    changed = replace(wanted.units, ids=wanted.units.ids[1:].copy(), is_merged=False)
    match = nearest_reference(changed, references)
    assert (match.reference.id, match.distance) == (wanted.id, 1)
    assert match.error_rate == pytest.approx(1 / len(wanted.units))


def test_it_packs_notes_and_checks(paths: ModelPaths, references: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, about, metrics = tmp_path / "bundle", tmp_path / "about.json", tmp_path / "metrics.json"
    about.write_text(json.dumps(ABOUT))
    metrics.write_text('{"top1": 0.5}')
    place = ["--bundle-dir", str(folder)]
    models = ["--unit-encoder", str(paths.av2unit), "--translator", str(paths.utut), "--renderer", str(paths.unit2av)]
    told = ["--references", str(references), "--about", str(about)]
    assert command.main(["pack", *models, *told, "--keep", "renderer", *place]) == 0
    assert command.main(["note", "metrics", str(metrics), *place]) == 0
    assert command.main(["check", *place]) == 0
    assert "commit 0123abc" in capsys.readouterr().err
    assert info.main([str(folder)]) == 0
    assert "training: 3 minutes of a core (av2unit 60 s, unit2unit 120 s)" in capsys.readouterr().out
    about.write_text("{")
    assert command.main(["pack", *models, *told, *place]) == 2
    assert "the description is no JSON" in capsys.readouterr().err


@pytest.mark.usefixtures("default_bundle")
def test_info_without_a_path_tells_of_the_default_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    assert info.main([]) == 0
    assert capsys.readouterr().out.startswith("the demo bundle: a few sentences that nobody trained it on")
