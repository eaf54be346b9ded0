"""Loading a pickled checkpoint runs and imports nothing; content that changed on the disk is found."""

import argparse
import collections
import enum
import os
import pickle
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from avcore.checkpoints.checkpoint import load_exactly, read_checkpoint, write_checkpoint
from avcore.checkpoints.pickles import Format, load_pickled, no_memory, require_stored
from avcore.errors import CheckpointError, is_no_memory
from tests.refusal import refused
from unit2av.stage import SPEAKER_ENCODER
from unit2unit.stage import TRANSLATOR

FORMATS = pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "old"])


class Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def translator(**changes: Any) -> dict[str, Any]:
    """A file in fairseq's layout that is recognized as a translator."""
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
def test_a_system_call_is_refused_others_are_inert_nothing_is_run(tmp_path: Path, is_zip: bool) -> None:
    marker = tmp_path / "ran"
    path = write(tmp_path / "x.pt", translator(extra_state=Calls(os.system, f"touch {marker}")), is_zip)
    refused(CheckpointError, r"nothing of it was run.*system", read_checkpoint, path, TRANSLATOR)
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
    assert (loaded.config, loaded.fingerprint) == (plain.config, plain.fingerprint)


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
    refused(CheckpointError, words, read_checkpoint, write(tmp_path / "x.pt", translator(cfg=cfg(foreign))), TRANSLATOR)


def test_old_file_with_args_in_place_of_cfg(tmp_path: Path) -> None:
    args = argparse.Namespace(task="translation", arch="mbart_large", langs="en,ko", encoder_layers=2, beam=5)
    content = translator(args=args)
    del content["cfg"]
    config = read_checkpoint(write(tmp_path / "x.pt", content, is_zip=False), TRANSLATOR).config
    assert (config["task"]["_name"], config["model"]["_name"]) == ("translation", "mbart_large")
    assert (config["task"]["langs"], config["model"]["encoder_layers"], config["generation"]["beam"]) == ("en,ko", 2, 5)


def test_newer_pickle_protocol_is_a_clear_error(tmp_path: Path) -> None:
    torch.save(translator(), tmp_path / "x.pt", pickle_protocol=4)
    refused(CheckpointError, "cannot be read; found Unsupported operand", read_checkpoint, tmp_path / "x.pt", TRANSLATOR)


NAME = "unit2av_spk_encoder.pt"


def test_holes_of_zeros_are_refused(parity_dir: Path, tmp_path: Path) -> None:
    whole = (parity_dir / NAME).read_bytes()
    largest = max(zipfile.ZipFile(parity_dir / NAME).infolist(), key=lambda member: member.file_size)
    middle = largest.header_offset + largest.file_size // 2
    path = tmp_path / NAME
    path.write_bytes(whole[:middle] + bytes(16) + whole[middle + 16 :])
    with pytest.raises(CheckpointError, match=r"other bytes than were stored in \w+.*; download the file again"):
        read_checkpoint(path, SPEAKER_ENCODER)


def test_a_file_without_checksums_is_taken(parity_dir: Path, tmp_path: Path) -> None:
    content = load_pickled(parity_dir / NAME, Format.ZIP)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(content, tmp_path / "x.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert zipfile.ZipFile(tmp_path / "x.pt").testzip() is not None
    assert read_checkpoint(tmp_path / "x.pt", None).fingerprint == read_checkpoint(parity_dir / NAME, None).fingerprint


def test_one_bit_of_our_own_files_shows(parity_dir: Path, tmp_path: Path) -> None:
    source = read_checkpoint(parity_dir / NAME, SPEAKER_ENCODER)
    path = write_checkpoint(tmp_path / "x", SPEAKER_ENCODER, {}, source.tensors)
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 1
    path.write_bytes(content)
    refused(CheckpointError, "other bytes than were stored", read_checkpoint, path, SPEAKER_ENCODER)


def _zip(path: Path, pickled: bytes, how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/version", "3\n")
    return path


@pytest.mark.parametrize(
    ("pickled", "how", "words"),
    [
        (b"\x80\x02}.", zipfile.ZIP_DEFLATED, "is packed; expected tensors as torch.save stores them; found x/data.pkl, comp"),
        (b"\x80\x02(" + b"}" * (9 << 20) + b"l.", zipfile.ZIP_STORED, "too large; expected 8,388,608 bytes at most"),
    ],
)
def test_zips_that_torch_did_not_write(tmp_path: Path, pickled: bytes, how: int, words: str) -> None:
    path = _zip(tmp_path / "x.pt", pickled, how)
    for read in (lambda: read_checkpoint(path, None), lambda: require_stored(path)):
        refused(CheckpointError, words, read)


def test_settings_that_stand_for_too_many_values(tmp_path: Path) -> None:
    value: list[object] = [1]
    for _ in range(30):
        value = [value] * 10
    model = {"encoder.embed_tokens.weight": torch.zeros(2)}
    torch.save({"cfg": {"task": {"x": value}}, "model": model}, tmp_path / "x.pt")
    refused(CheckpointError, "settings of the checkpoint are too many", read_checkpoint, tmp_path / "x.pt", None)


def test_a_tensor_larger_than_what_is_stored(tmp_path: Path) -> None:
    state = {"lstm.weight_ih_l0": torch.zeros(1).expand(10**11)}
    torch.save({"model_state": state}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"larger than what is stored of it; expected 4 bytes .*\[100000000000\]"):
        read_checkpoint(tmp_path / "x.pt", None)


def test_no_memory_is_said_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zip(tmp_path / "x.pt", pickle.dumps({}, 2))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("unable to mmap 5 bytes from file <x>: Cannot allocate memory (12)")

    monkeypatch.setattr(torch, "load", fail)
    assert refused(CheckpointError, "not enough memory", read_checkpoint, path, None) == str(no_memory(path))
    assert not is_no_memory(ValueError("x"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not say how much of a file is in memory")
def test_weights_are_not_in_memory_before_they_are_used(parity_dir: Path, tmp_path: Path) -> None:
    def mapped_kib() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile:"))

    path, weights = tmp_path / "a.pt", {f"large.{number}": torch.arange(1 << 20) / (number + 1) for number in range(8)}
    payload = load_pickled(parity_dir / "utut_ko.pt", Format.ZIP)
    payload["model"].update(weights)
    torch.save(payload, path)
    before = mapped_kib()
    checkpoint = read_checkpoint(path, None)
    assert mapped_kib() - before < 8 << 10  # of 32 MB; a page of a file can be 2 MB

    module = torch.nn.ModuleDict({"large": torch.nn.ParameterList(torch.zeros(1 << 20) for _ in weights)})
    load_exactly(module, {name: checkpoint.tensors[name] for name in weights}, path, "model")
    assert mapped_kib() - before < 8 << 10  # though it was checked that all values are finite
    assert all(torch.equal(checkpoint.tensors[name], weight) for name, weight in weights.items())


def _old_form(parity_dir: Path, path: Path) -> bytes:
    """The fixture in torch's old form, without a zip and without checksums."""
    torch.save(load_pickled(parity_dir / NAME, Format.ZIP), path, _use_new_zipfile_serialization=False)
    return path.read_bytes()


def test_the_old_form_is_taken_with_a_word(parity_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.pt"
    _old_form(parity_dir, path)
    for _ in range(2):
        assert read_checkpoint(path, None).fingerprint == read_checkpoint(parity_dir / NAME, None).fingerprint
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: it has no checksums: only sizes and values were checked; netflips convert makes a file that has them"
    ]


def test_values_of_the_old_form_are_numbers(parity_dir: Path, tmp_path: Path) -> None:
    content = load_pickled(parity_dir / NAME, Format.ZIP)
    content["model_state"]["linear.bias"][3] = float("nan")
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    refused(CheckpointError, r"values that are no numbers in linear\.bias", read_checkpoint, tmp_path / "x.pt", None)
