"""Files are recognized by content, and every accident has a clear error."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.checkpoints.pickles import Format, load_pickled
from avcore.checkpoints.stages import Stage
from avcore.errors import CheckpointError, InputError
from tests.refusal import refused
from unit2av.stage import RENDERER, SPEAKER_ENCODER
from unit2unit.stage import SHARED_TABLES, TRANSLATOR

PUBLISHED = {
    "mavhubert.pt": UNIT_ENCODER,
    "utut.pt": TRANSLATOR,
    "utut_ko.pt": TRANSLATOR,
    "unit2av_renderer.pt": RENDERER,
    "unit2av_spk_encoder.pt": SPEAKER_ENCODER,
}
WEIGHTS = {"a.weight": torch.ones(2, 3)}


def test_what_the_published_layouts_hold(parity_dir: Path) -> None:
    encoder = read_checkpoint(parity_dir / "mavhubert.pt", UNIT_ENCODER)
    assert encoder.config["task"]["_name"] == "av_hubert_unit_pretraining"
    assert encoder.config["model"]["encoder_embed_dim"] == encoder.tensors["encoder.layer_norm.weight"].numel() == 64
    assert [symbols[:5] for symbols in encoder.config["dictionaries"]] == [["<s>", "<pad>", "</s>", "<unk>", "0"]] * 2
    assert sum(map(len, encoder.config["dictionaries"])) == len(encoder.tensors["label_embs_concat"])
    translator = read_checkpoint(parity_dir / "utut_ko.pt", TRANSLATOR)
    assert translator.config["task"]["langs"].endswith("ko")
    assert translator.config["generation"]["beam"] == 20
    assert {translator.tensors[name].data_ptr() for name in SHARED_TABLES} == {translator.tensors[SHARED_TABLES[0]].data_ptr()}
    renderer = read_checkpoint(parity_dir / "unit2av_renderer.pt", RENDERER)
    assert renderer.config == {}
    assert len(renderer.section("audio.en")) == len(renderer.section("audio.ko")) == 304
    assert len(renderer.section("video")) == 274
    assert renderer.section("audio.ko")["dict.weight"].shape == (1024, 16)


@pytest.mark.parametrize(("name", "kind"), PUBLISHED.items())
def test_another_stages_checkpoint_says_what_it_is(parity_dir: Path, name: str, kind: Stage) -> None:
    for wanted in set(PUBLISHED.values()) - {kind}:
        message = refused(CheckpointError, "", read_checkpoint, parity_dir / name, wanted)
        assert message.startswith(f"{parity_dir / name}: this is no {wanted.kind} checkpoint")
        assert f"found a {kind.kind}; give it to {kind.flag}" in message
        assert wanted.flag in message


def _avhubert(task: str, **more: Any) -> dict[str, Any]:
    names = "label_embs_concat", "post_extract_proj.weight", "feature_extractor_audio.proj.weight"
    return {"cfg": {"task": {"_name": task}, "model": {}}, "model": {name: torch.ones(2, 2) for name in names}, **more}


@pytest.mark.parametrize(
    ("wanted", "content", "message"),
    [
        (RENDERER, {"generator": WEIGHTS}, r"vocoder training checkpoint \(g_XXXXXXXX\).*--add-vocoder"),
        (RENDERER, {"mpd": WEIGHTS, "msd": WEIGHTS, "steps": 1}, "discriminators of vocoder training"),
        (RENDERER, WEIGHTS, "bare state dict"),
        (RENDERER, {"state_dict": WEIGHTS, "optimizer": {}}, "another program"),
        (RENDERER, {"audio": {}, "video": {}}, "keys audio, video"),
        (UNIT_ENCODER, _avhubert("av_hubert_pretraining"), "without the two unit heads.*av_hubert_pretraining"),
        (
            UNIT_ENCODER,
            {"cfg": {}, "model": {"encoder.w2v_model.mask_emb": torch.ones(2), "decoder.embed_tokens.weight": torch.ones(2, 2)}},
            "fine-tuned for recognition",
        ),
        (UNIT_ENCODER, {"cfg": {}, "model": {"feature_extractor_video.proj.bias": torch.ones(2)}}, "without the two unit"),
        (UNIT_ENCODER, {"model": WEIGHTS}, "another model"),
        (UNIT_ENCODER, _avhubert("av_hubert_unit_pretraining"), "2 fairseq dictionaries"),
        (TRANSLATOR, [1, 2], "a pickled list"),
        (TRANSLATOR, {}, "an empty dict"),
        (TRANSLATOR, {"epoch": 3}, "keys epoch"),
        (RENDERER, {"audio": 3, "video": WEIGHTS}, "state dicts by language in audio"),
        (RENDERER, {"audio": {"en": WEIGHTS, "ko": 3}}, r"tensors in audio\.ko"),
        (SPEAKER_ENCODER, {"model_state": {"lstm.weight_ih_l0": 3}}, r"model_state\.lstm\.weight_ih_l0"),
    ],
)
def test_foreign_checkpoints_say_what_they_are(tmp_path: Path, wanted: Stage, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    refused(CheckpointError, message, read_checkpoint, tmp_path / "x.pt", wanted)


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 1302672385\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LFS.encode(), "git-lfs pointer to 1,302,672,385 bytes.*git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title>", "an HTML page saved"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML page saved"),
        (b'{"error": "not found"}', "a text file that begins '{\"error"),
        ("유닛\n".encode(), "a text file that begins '유닛'"),
        (bytes(range(128, 256)) * 20, "bytes that begin 80 81 82"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(500), "bytes that begin 00 00 00 18"),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_is_no_checkpoint_says_so(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    refused(CheckpointError, message, read_checkpoint, path, TRANSLATOR)


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    for name, message in {"absent.pt": "is not there", "empty.pt": "is empty", "": "found a folder"}.items():
        with pytest.raises(InputError, match=rf"the renderer checkpoint.*{message}|{message}.*--unit2av-path"):
            read_checkpoint(tmp_path / name, RENDERER)


def _truncate_zip(source: Path, folder: Path) -> Path:
    return _cut(source.read_bytes(), folder / "x.pt")


def _truncate_old(source: Path, folder: Path) -> Path:
    torch.save(load_pickled(source, Format.ZIP)["model"], folder / "old.pt", _use_new_zipfile_serialization=False)
    return _cut((folder / "old.pt").read_bytes(), folder / "x.pt")


def _truncate_safetensors(source: Path, folder: Path) -> Path:
    checkpoint = read_checkpoint(source, TRANSLATOR)
    path = write_checkpoint(folder / "x.safetensors", TRANSLATOR, checkpoint.config, checkpoint.tensors)
    return _cut(path.read_bytes(), path)


def _cut(content: bytes, path: Path) -> Path:
    path.write_bytes(content[: len(content) * 2 // 3])
    return path


@pytest.mark.parametrize("truncate", [_truncate_zip, _truncate_old, _truncate_safetensors])
def test_truncated_file_says_so(parity_dir: Path, tmp_path: Path, truncate: Callable[[Path, Path], Path]) -> None:
    path = truncate(parity_dir / "utut.pt", tmp_path)
    refused(CheckpointError, r"is truncated.*only its first .* bytes; download the file again", read_checkpoint, path, TRANSLATOR)


@pytest.mark.parametrize("length", [3, 9, 40, 200])
def test_old_file_cut_within_its_pickles(tmp_path: Path, length: int) -> None:
    torch.save({"model_state": WEIGHTS}, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "x.pt").write_bytes((tmp_path / "x.pt").read_bytes()[:length])
    refused(CheckpointError, "", read_checkpoint, tmp_path / "x.pt", SPEAKER_ENCODER)


def test_a_damaged_zip_a_zip_around_a_checkpoint_and_torchscript(parity_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes((parity_dir / "utut.pt").read_bytes().replace(b"PK\x01\x02", b"PK\x01\x03"))
    refused(CheckpointError, "cannot be read; found Bad magic number", read_checkpoint, tmp_path / "x.pt", TRANSLATOR)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(parity_dir / "utut.pt", "utut.pt")
    refused(CheckpointError, r"a zip archive with utut\.pt; unpack it", read_checkpoint, tmp_path / "x.zip", TRANSLATOR)
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "x.ts"))
    refused(CheckpointError, "TorchScript", read_checkpoint, tmp_path / "x.ts", TRANSLATOR)


@pytest.mark.parametrize("name", SHARED_TABLES[1:])
def test_shared_tables_that_differ_are_an_error(parity_dir: Path, tmp_path: Path, name: str) -> None:
    content = load_pickled(parity_dir / "utut.pt", Format.ZIP)
    content["model"][name] = content["model"][name].clone()
    content["model"][name][1003, 5] += 1e-6
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=f"three names with different content; expected {name}"):
        read_checkpoint(tmp_path / "x.pt", TRANSLATOR)


def test_dictionaries_of_another_class_are_an_error(parity_dir: Path, tmp_path: Path) -> None:
    content = load_pickled(parity_dir / "mavhubert.pt", Format.ZIP)
    for state in ({"dictionaries": [["<s>", "0"]] * 2}, {}, None):
        torch.save({**content, "task_state": state}, tmp_path / "x.pt")
        refused(CheckpointError, "the unit dictionaries cannot be read", read_checkpoint, tmp_path / "x.pt", UNIT_ENCODER)
