"""Loading a pickled checkpoint runs and imports nothing, and foreign objects do not hinder it."""

import argparse
import collections
import enum
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import CheckpointError
from unit2unit.stage import TRANSLATOR

FORMATS = pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "old"])


class Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def translator(**changes: Any) -> dict[str, Any]:
    """A file in fairseq's layout that is recognised as a translator."""
    table = torch.arange(12.0).reshape(6, 2)
    names = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.output_projection.weight"
    cfg = {"task": {"_name": "t", "langs": "en,ko"}, "model": argparse.Namespace(encoder_layers=2), "generation": {"beam": 20}}
    return {"args": None, "cfg": cfg, "model": collections.OrderedDict((name, table.clone()) for name in names), **changes}


def write(path: Path, content: Any, is_zip: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    return path


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that exists while a file is written."""
    module = types.ModuleType("made_up.package")
    monkeypatch.setitem(sys.modules, "made_up", types.ModuleType("made_up"))
    monkeypatch.setitem(sys.modules, "made_up.package", module)
    for name, base in {"Meter": object, "Meters": collections.OrderedDict, "Names": list}.items():
        setattr(module, name, type(name, (base,), {"__module__": "made_up.package"}))
    module.Choice = enum.Enum("Choice", {"ONE": "one"}, module="made_up.package")
    return module


@FORMATS
def test_a_system_call_is_refused_any_other_is_inert_and_nothing_is_run(tmp_path: Path, is_zip: bool) -> None:
    marker = tmp_path / "ran"
    path = write(tmp_path / "x.pt", translator(extra_state=Calls(os.system, f"touch {marker}")), is_zip)
    with pytest.raises(CheckpointError, match=r"nothing of it was run.*system"):
        read_checkpoint(path, TRANSLATOR)
    path = write(tmp_path / "x.pt", translator(extra_state=Calls(eval, f"open({str(marker)!r}, 'w')")), is_zip)
    assert read_checkpoint(path, TRANSLATOR).config["generation"] == {"beam": 20}
    assert not marker.exists()


@pytest.mark.parametrize(
    ("section", "key"), [("model", "encoder_layers"), ("task", "langs"), ("generation", "beam")], ids=lambda value: value
)
def test_call_where_we_read_is_refused(tmp_path: Path, section: str, key: str) -> None:
    content = translator()
    content["cfg"][section] = {key: Calls(eval, "[2]")}
    with pytest.raises(CheckpointError, match=rf"plain data in {section}\.{key}; found <builtins\.eval>"):
        read_checkpoint(write(tmp_path / "x.pt", content), TRANSLATOR)


def test_call_in_place_of_a_tensor_is_refused(tmp_path: Path) -> None:
    content = translator()
    content["model"]["encoder.layer_norm.weight"] = Calls(eval, "1")
    with pytest.raises(CheckpointError, match=r"a tensor in model\.encoder\.layer_norm\.weight; found <builtins\.eval>"):
        read_checkpoint(write(tmp_path / "x.pt", content), TRANSLATOR)


@FORMATS
def test_foreign_objects_do_not_hinder(tmp_path: Path, foreign: types.ModuleType, is_zip: bool) -> None:
    meter, meters, names = foreign.Meter(), foreign.Meters(), foreign.Names(["a"])
    meter.val, meters["loss"], meters.kind, names.extra = np.float32(1.5), foreign.Meter(), "meters", foreign.Choice.ONE
    extra = {
        "loss": np.float64(3.779), "choice": foreign.Choice.ONE, "meters": meters, "array": np.arange(3), "path": Path("a/b"),
        "counts": collections.defaultdict(list, {"a": [1]}), "queue": collections.deque([1, 2], 3), "sets": [{1}, frozenset({2})],
    }  # fmt: skip
    content = translator(
        extra_state=extra,
        optimizer_history=[meter, collections.Counter("aab"), 1 << 70, b"bytes", complex(1, 2)],
        last_optimizer_state={"state": {0: {"step": np.int64(3), foreign.Choice.ONE: slice(1)}}, "names": foreign.Names("ab")},
    )
    del names.extra
    content["cfg"]["task"]["unread"] = foreign.Choice.ONE
    path = write(tmp_path / "x.pt", content, is_zip)
    plain = read_checkpoint(write(tmp_path / "plain.pt", translator()), TRANSLATOR)
    loaded = read_checkpoint(path, TRANSLATOR)
    assert loaded.config == plain.config
    assert loaded.fingerprint == plain.fingerprint


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "never_imported.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import never_imported

    path = write(tmp_path / "x.pt", translator(extra_state=never_imported.Thing()))
    monkeypatch.delitem(sys.modules, "never_imported")
    read_checkpoint(path, TRANSLATOR)
    assert "never_imported" not in sys.modules


def test_what_others_allowed_is_neither_used_nor_lost(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = write(tmp_path / "x.pt", translator(extra_state=Calls(eval, f"open({str(marker)!r}, 'w')")))
    with torch.serialization.safe_globals([eval]):
        before = set(torch.serialization.get_safe_globals())
        read_checkpoint(path, TRANSLATOR)
        assert not marker.exists()
        assert set(torch.serialization.get_safe_globals()) == before
        assert eval in before


def test_settings_read_alike_from_dicts_namespaces_and_omegaconf(tmp_path: Path) -> None:
    task = {"_name": "t", "langs": ["en", "ko"], "rate": "${model.nested.rate}", "none": None, "scale": 0.5}
    model = {"_name": "m", "nested": {"rate": 25, "flags": [True, {"deep": "${task.scale}"}]}}
    nested = {"rate": 25, "flags": [True, {"deep": 0.5}]}
    resolved = {"task": {**task, "rate": 25}, "model": {"_name": "m", "nested": nested}, "generation": {}}
    forms = {
        "dict": {"task": task, "model": model},
        "namespace": {"task": argparse.Namespace(**task), "model": argparse.Namespace(**model)},
        "omegaconf": OmegaConf.create({"task": task, "model": model}),
    }
    for name, cfg in forms.items():
        path = write(tmp_path / f"{name}.pt", translator(cfg=cfg))
        assert read_checkpoint(path, TRANSLATOR).config == resolved, name


def _endless() -> dict[str, Any]:
    endless: dict[str, Any] = {"langs": "en"}
    endless["again"] = endless
    return endless


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        (lambda _: {"task": {"langs": "${task.absent}"}, "model": {}}, r"plain data in task\.langs"),
        (lambda _: {"task": {"langs": "${task.langs}"}, "model": {}}, r"plain data in task\.langs"),
        (lambda foreign: {"task": {"langs": ["en", foreign.Choice.ONE]}, "model": {}}, r"plain data in task\.langs"),
        (lambda _: {"task": _endless(), "model": {}}, "contain themselves"),
        (lambda foreign: foreign.Meter(), r"plain data in cfg; found <made_up\.package\.Meter>"),
    ],
    ids=["unknown reference", "endless reference", "list with a hole", "within themselves", "foreign object"],
)
def test_settings_that_are_no_plain_data_are_refused(tmp_path: Path, foreign: types.ModuleType, cfg: Any, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(write(tmp_path / "x.pt", translator(cfg=cfg(foreign))), TRANSLATOR)


def test_old_file_with_args_in_place_of_cfg(tmp_path: Path) -> None:
    args = argparse.Namespace(task="translation", arch="mbart_large", langs="en,ko", encoder_layers=2, beam=5)
    content = translator(args=args)
    del content["cfg"]
    config = read_checkpoint(write(tmp_path / "x.pt", content, is_zip=False), TRANSLATOR).config
    assert (config["task"]["_name"], config["model"]["_name"]) == ("translation", "mbart_large")
    assert (config["task"]["langs"], config["model"]["encoder_layers"], config["generation"]["beam"]) == ("en,ko", 2, 5)


def test_newer_pickle_protocol_is_a_clear_error(tmp_path: Path) -> None:
    torch.save(translator(), tmp_path / "x.pt", pickle_protocol=4)
    with pytest.raises(CheckpointError, match="cannot be read; found Unsupported operand"):
        read_checkpoint(tmp_path / "x.pt", TRANSLATOR)
