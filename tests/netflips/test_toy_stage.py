"""A new stage is a package with a module `stage`, its name and its loader in netflips/stages.py: everything else finds it there."""

import argparse
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from avcore.checkpoints.bundle import VARIABLE
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Stage, stages_of
from avcore.errors import CheckpointError, NetflipsError, UsageError
from netflips import stages
from netflips.bulk.dubbing import DubModels
from netflips.bundles.describe import bundle_lines, check_bundle
from netflips.commands import bundle as bundle_command
from netflips.commands import info
from netflips.commands.options import convert
from netflips.model_paths import ModelPaths, RunOptions, bundle_paths, given_or_bundle
from netflips.models import Models, load_models
from recipes.demo.random import random_checkpoints
from tests.netflips.bundles.conftest import ABOUT, write_references
from tests.refusal import refused
from unit2av.stage import RENDERER

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = {
    "__init__.py": '"""A stage that reads units to text."""\n',
    "stage.py": """
from avcore.checkpoints.stages import Stage


def _random(size, seed):
    import torch
    return {"toy_reader.pt": lambda: {"toy_state": {"toy.table": torch.full((6, 4), float(seed))}}}


def _layout(recognizes):
    from toyreader.model import PublishedReader
    return PublishedReader(recognizes)


READER = Stage(
    kind="toy reader", file="toy_reader.safetensors", recognizes=lambda names: "toy.table" in names,
    name="toyreader", flag="--toy-path", example="toy_reader.pt", needed=("model",), make_layout=_layout, random=_random,
)
SPELLER = Stage(
    kind="toy text-to-unit model", file="toy_speller.safetensors", recognizes=lambda names: "spell.table" in names,
    name="toyspeller", flag="--toy-speller-path", example="toy_speller.safetensors", by_language=True,
)
STAGE = (READER, SPELLER)
""",
    "model.py": """
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.layouts import plain_tensors
from avcore.checkpoints.stages import CheckpointLayout


class Reader:
    def __init__(self, table, fingerprint):
        self.table, self.fingerprint = table, fingerprint

    @classmethod
    def from_checkpoint(cls, path, stage):
        checkpoint = read_checkpoint(path, stage)
        return cls(next(iter(checkpoint.tensors.values())), checkpoint.fingerprint)

    def read(self, units):
        return " ".join(str(int(self.table[unit].argmax())) for unit in units.ids)


class PublishedReader(CheckpointLayout):
    def identify(self, payload, path):
        return "toy_state" in payload

    def extract(self, payload, path):
        return {"model": {"width": 4}, "languages": ["ko"]}, plain_tensors(payload["toy_state"], "toy_state", path)
""",
}
TABLE = torch.arange(24, dtype=torch.float32).reshape(6, 4)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stage]]:
    """The package, and its line in the list of stages."""
    folder = tmp_path / "path" / "toyreader"
    folder.mkdir(parents=True)
    for name, content in PACKAGE.items():
        (folder / name).write_text(content)
    monkeypatch.syspath_prepend(folder.parent)
    listed = tuple(chain.from_iterable(map(stages_of, (*stages.PACKAGES, "toyreader"))))
    monkeypatch.setattr(stages, "STAGES", listed)
    for stage in listed[-2:]:
        monkeypatch.setitem(stages.LOADERS, stage, lambda path, how, stage=stage: _reader().from_checkpoint(path, stage))
    yield {stage.part: stage for stage in listed}
    for name in [name for name in sys.modules if name.partition(".")[0] == "toyreader"]:
        del sys.modules[name]


def _reader() -> Any:
    return importlib.import_module("toyreader.model").Reader


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A file as its trainer might have written it; another stage takes it for something that it knows and cannot use."""
    torch.save({"toy_state": {"toy.table": TABLE}, "generator": {}}, tmp_path / "toy.pt")
    return tmp_path / "toy.pt"


@pytest.mark.usefixtures("toy")
def test_info_says_what_it_is_and_other_stages_send_it_away(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info.main([str(published)]) == 0
    told = capsys.readouterr().out
    assert "kind: toy reader\nlanguages: ko\n" in told
    assert "tensors: 1, 24 numbers" in told
    with pytest.raises(CheckpointError, match=r"no renderer checkpoint; .*found a toy reader; give it to --toy-path"):
        read_checkpoint(published, RENDERER)


def test_it_is_converted(toy: dict[str, Stage], published: Path, parity_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.safetensors"
    assert convert.main([str(published), "--out", str(out), "--kind", "toy-reader", "--quiet"]) == 0
    own = read_checkpoint(out, toy["toy-reader"])
    assert torch.equal(own.tensors["toy.table"], TABLE)
    assert own.config == {"model": {"width": 4}, "languages": ["ko"]}
    assert own.fingerprint == read_checkpoint(published, None).fingerprint
    speaker = str(parity_dir / "unit2av_spk_encoder.pt")
    assert convert.main([speaker, "--out", str(tmp_path / "x.safetensors"), "--kind", "toy-reader"]) == 2
    (tmp_path / "own.json").write_text((tmp_path / "own.json").read_text().replace('"model"', '"other"'))
    refused(CheckpointError, "the configuration of a toy reader is incomplete; expected model", read_checkpoint, out, None)


def _pack(paths: ModelPaths, published: Path, text_to_unit: Path, tmp_path: Path, *more: str) -> list[str]:
    about = tmp_path / "about.json"
    about.write_text(json.dumps(ABOUT))
    references = write_references(tmp_path / "references.jsonl")
    return [
        "pack", "--unit-encoder", str(paths.av2unit), "--translator", str(paths.utut), "--renderer", str(paths.unit2av),
        "--toy-reader", str(published), "--toy-speller", f"kor={text_to_unit}", "--references", str(references),
        "--about", str(about),
        "--bundle-dir", str(tmp_path / "bundle"), "--quiet", *more,
    ]  # fmt: skip


def test_it_travels_in_a_bundle_and_is_loaded(
    toy: dict[str, Stage], published: Path, paths: ModelPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"toy_state": {"toy.table": TABLE}}, tmp_path / "text_to_unit.pt")
    with pytest.raises(SystemExit):  # an option that nobody has asked for
        bundle_command.main([*_pack(paths, published, tmp_path / "text_to_unit.pt", tmp_path), "--toy", "x"])
    assert bundle_command.main(_pack(paths, published, tmp_path / "text_to_unit.pt", tmp_path)) == 2  # it is no text-to-unit model
    text_to_unit = _own_text_to_unit(toy, tmp_path)
    assert bundle_command.main(_pack(paths, published, text_to_unit, tmp_path, "--keep", "toy-reader")) == 0
    bundle = check_bundle(tmp_path / "bundle")
    assert [one.part for one in bundle.models] == ["unit-encoder", "translator", "renderer", "toy-reader", "toy-speller.ko"]
    assert {"toy_reader.safetensors", "toy_reader.json", "toy_speller.ko.safetensors"} <= bundle.about["files"].keys()
    assert "and more: toy-reader, toy-speller.ko" in list(bundle_lines(bundle))
    assert read_checkpoint(bundle.folder / "toy_reader.safetensors", None).config["vocabulary"] == bundle.about["vocabulary"]

    models = load_models(bundle_paths(bundle), "en", "ko", RunOptions(device="cpu"))
    _is_loaded(models, toy)
    with_it = DubModels(bundle_paths(bundle), RunOptions()).key()
    assert len(with_it) == len(DubModels(ModelPaths(*models.paths.needed.values()), RunOptions()).key()) + 2

    given = argparse.Namespace(**{stage.option: None for stage in stages.STAGES} | {"toy_speller_path": text_to_unit})
    monkeypatch.setenv(VARIABLE, str(bundle.folder))
    taken = given_or_bundle(given)
    assert (taken.utut, taken.others["toy-speller"]) == (bundle.folder / "translator.safetensors", text_to_unit)
    assert taken.others["toy-reader"] == bundle.folder / "toy_reader.safetensors"

    (bundle.folder / "toy_reader.safetensors").unlink()
    refused(NetflipsError, r"toy_reader\.safetensors", check_bundle, bundle.folder)
    # an installation without the stage reads the bundle and leaves alone what it does not know
    monkeypatch.setattr(stages, "STAGES", tuple(stage for stage in stages.STAGES if "toy" not in stage.kind))
    assert [one.part for one in check_bundle(bundle.folder).models] == ["unit-encoder", "translator", "renderer"]


def _own_text_to_unit(toy: dict[str, Stage], tmp_path: Path) -> Path:
    from avcore.checkpoints.checkpoint import write_checkpoint

    return write_checkpoint(tmp_path / "text-to-unit", toy["toy-speller"], {"language": "ko"}, {"spell.table": TABLE})


def _is_loaded(models: Models, toy: dict[str, Stage]) -> None:
    reader = models.other(toy["toy-reader"])
    assert torch.equal(reader.table, TABLE)
    assert models.other(toy["toy-reader"]) is reader
    assert models.other(toy["toy-speller"], "ko").fingerprint != reader.fingerprint
    with pytest.raises(
        UsageError, match="there is no toy text-to-unit model for this; expected --toy-speller-path, or a bundle with one"
    ):
        models.other(toy["toy-speller"], "en")


@pytest.mark.usefixtures("toy")
def test_random_checkpoints_have_one_of_it(tmp_path: Path) -> None:
    made = random_checkpoints.makers_of("tiny", 3)
    assert list(made)[-2:] == ["encoder.pt", "toy_reader.pt"]
    torch.save(made["toy_reader.pt"](), tmp_path / "toy_reader.pt")
    assert read_checkpoint(tmp_path / "toy_reader.pt", None).kind == "toy reader"


@pytest.mark.usefixtures("toy")
def test_an_old_bundle_needs_none_of_it(tmp_path: Path) -> None:
    about = json.loads((stages.SHIPPED / "bundle.json").read_text(encoding="utf-8"))
    kept = {name: facts for name, facts in about["files"].items() if not name.startswith(("unit_to_text", "text_to_unit"))}
    for name in kept:
        shutil.copy(stages.SHIPPED / name, tmp_path / name)
    (tmp_path / "bundle.json").write_text(json.dumps(about | {"files": kept}), encoding="utf-8")
    old = check_bundle(tmp_path)
    assert [one.part for one in old.models] == ["unit-encoder", "translator", "renderer"]
    assert bundle_paths(old).others == {}
    assert not any(line.startswith("and more") for line in bundle_lines(old))


def test_the_list_of_stages_costs_nothing_heavy_to_import() -> None:
    code = "import sys, netflips.stages; print(sorted({'torch', 'numpy', 'av', 'cv2', 'accelerate'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_stage_says_what_it_is() -> None:
    assert [f"{stage.part} {stage.flag} {stage.option} {stage.place}" for stage in stages.STAGES] == [
        "unit-encoder --av2unit-path av2unit_path needed", "translator --utut-path utut_path needed",
        "renderer --unit2av-path unit2av_path needed", "speaker-encoder --speaker-encoder-path speaker_encoder_path no",
        "unit-to-text --unit2text-path unit2text_path optional", "text-to-unit --text2unit-path text2unit_path optional",
    ]  # fmt: skip
    assert RENDERER.language_of("renderer.ko.safetensors") is None
