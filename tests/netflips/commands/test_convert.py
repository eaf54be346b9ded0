"""Converted checkpoints are bit-equal, smaller, and readable."""

import json
from pathlib import Path

import pytest
import safetensors
import torch

from av2unit.config import vocabulary_of
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.checkpoints.layouts import is_same
from avcore.checkpoints.pickles import Format, load_pickled
from avcore.errors import CheckpointError
from netflips.commands.convert import convert_checkpoint
from netflips.commands.options import convert
from recipes.demo.random.random_checkpoints import write_random_checkpoints
from unit2av.stage import RENDERER, SPEAKER_ENCODER
from unit2unit.stage import SHARED_TABLES


def test_every_layout_has_a_bit_equal_twin(parity_dir: Path, tmp_path: Path) -> None:
    made = list(write_random_checkpoints(tmp_path / "made", with_text=True).values())
    files = [path for folder in (parity_dir, parity_dir / "unit2text") for path in sorted(folder.glob("*.pt"))]
    files = [path for path in files if path.parent.name != "unit2text" or path.name != "mavhubert.pt"]  # has no configuration
    kinds = set()
    for path in [*files, *made]:
        source = read_checkpoint(path, None)
        assert convert.main([str(path), "--out", str(tmp_path / "x.safetensors"), "--quiet"]) == 0, path
        twin = read_checkpoint(tmp_path / "x.safetensors", source.stage)
        assert (twin.config, twin.fingerprint) == (source.config, source.fingerprint), path
        assert twin.tensors.keys() == source.tensors.keys()
        assert all(is_same(twin.tensors[key], source.tensors[key]) for key in source.tensors)
        content = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
        assert (content["kind"], content["config"]) == (source.kind, source.config)
        kinds.add(source.kind)
    assert kinds >= {"unit encoder", "unit translator", "renderer", "speaker encoder", "unit-to-text model", "text-to-unit model"}


@pytest.mark.parametrize(
    ("value", "kept"),
    [(2**63 - 1, True), (-(2**63), True), (2**64 - 1, True), (2**64, False), (10**30, False), (float("nan"), False)],
)
def test_settings_are_written_as_far_as_they_can_be_read(parity_dir: Path, tmp_path: Path, value: object, kept: bool) -> None:
    content = load_pickled(parity_dir / "utut.pt", Format.ZIP)
    content["cfg"]["generation"]["softmax_batch"] = value
    torch.save({name: content[name] for name in ("cfg", "model")}, tmp_path / "x.pt")
    written = convert_checkpoint(tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert written.config["generation"].get("softmax_batch") == (value if kept else None)


def test_a_setting_that_would_not_be_read_again_is_not_written(parity_dir: Path, tmp_path: Path) -> None:
    source = read_checkpoint(parity_dir / "unit2av_spk_encoder.pt", SPEAKER_ENCODER)
    with pytest.raises(CheckpointError, match=r"x\.safetensors: a setting cannot be written .*; found a whole"):
        write_checkpoint(tmp_path / "x.safetensors", SPEAKER_ENCODER, {"step": 10**20}, source.tensors)
    assert not list(tmp_path.iterdir())


def test_optimizer_state_and_copies_stay_behind(parity_dir: Path, tmp_path: Path) -> None:
    content = torch.load(parity_dir / "unit2av_spk_encoder.pt", weights_only=True)
    content["optimizer_state"] = {"exp_avg": torch.zeros(1_000_000)}
    torch.save(content, tmp_path / "in.pt")
    speaker = convert_checkpoint(tmp_path / "in.pt", tmp_path / "speaker.safetensors")
    size = sum(tensor.nbytes for tensor in speaker.tensors.values())
    assert size <= speaker.path.stat().st_size < size + 10_000
    translator = convert_checkpoint(parity_dir / "utut.pt", tmp_path / "utut.safetensors")
    with safetensors.safe_open(translator.path, framework="pt") as file:
        assert set(file.keys()) == translator.tensors.keys() - set(SHARED_TABLES[1:])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_number_format(parity_dir: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    source = read_checkpoint(parity_dir / "unit2av_renderer.pt", RENDERER)
    half = convert_checkpoint(source.path, tmp_path / "half.safetensors", dtype=dtype)
    for name, tensor in source.tensors.items():
        assert is_same(half.tensors[name], tensor.to(dtype) if tensor.is_floating_point() else tensor), name
    back = convert_checkpoint(half.path, tmp_path / "back.safetensors", dtype=torch.float32)
    assert back.tensors["video.unit_embed.weight"].dtype == torch.float32
    assert back.tensors["video.face_encoder_blocks.0.0.conv_block.1.num_batches_tracked"].dtype == torch.int64
    source = read_checkpoint(parity_dir / "mavhubert.pt", UNIT_ENCODER)
    half = convert_checkpoint(source.path, tmp_path / "encoder.safetensors", dtype=dtype)
    assert not source.config.get("vocabulary")
    assert vocabulary_of(half) == vocabulary_of(source)


def test_overflow_is_an_error_and_nothing_is_written(parity_dir: Path, tmp_path: Path) -> None:
    content = torch.load(parity_dir / "unit2av_spk_encoder.pt", weights_only=True)
    content["model_state"]["linear.bias"][3] = 1e6
    torch.save(content, tmp_path / "in.pt")
    with pytest.raises(CheckpointError, match=r"linear\.bias is too large for torch\.float16"):
        convert_checkpoint(tmp_path / "in.pt", tmp_path / "x.safetensors", dtype=torch.float16)
    assert [path.name for path in tmp_path.iterdir()] == ["in.pt"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("is_zip", [True, False])
def test_weights_that_are_no_numbers_are_refused(parity_dir: Path, tmp_path: Path, value: float, is_zip: bool) -> None:
    content = torch.load(parity_dir / "unit2av_spk_encoder.pt", weights_only=True)
    content["model_state"]["linear.bias"][3] = value
    torch.save(content, tmp_path / "in.pt", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(CheckpointError, match=r"(NaN or infinity|values that are no numbers) in linear\.bias"):
        convert_checkpoint(tmp_path / "in.pt", tmp_path / "x.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["in.pt"]


def test_trained_vocoder_goes_into_a_renderer(parity_dir: Path, tmp_path: Path) -> None:
    renderer = read_checkpoint(parity_dir / "unit2av_renderer.pt", RENDERER)
    generator = {name: tensor + 1 for name, tensor in renderer.section("audio.ko").items()}
    torch.save({"generator": generator}, tmp_path / "g_00500000")
    out = tmp_path / "new.safetensors"
    arguments = [str(renderer.path), "--out", str(out), "--quiet"]
    for language in ("ko", "jpn"):
        arguments += ["--add-vocoder", f"{language}={tmp_path / 'g_00500000'}"]
    assert convert.main(arguments) == 0
    new = read_checkpoint(out, RENDERER)
    for language in ("ko", "jpn"):
        section = new.section(f"audio.{language}")
        assert section.keys() == generator.keys()
        assert all(is_same(section[name], generator[name]) for name in generator)
    assert all(is_same(new.tensors[name], tensor) for name, tensor in renderer.tensors.items() if not name.startswith("audio.ko."))


def test_settings_of_a_replaced_vocoder_go_with_it(parity_dir: Path, tmp_path: Path) -> None:
    renderer = read_checkpoint(parity_dir / "unit2av_renderer.pt", RENDERER)
    config = {"unit_offsets": {"en": 0, "ko": 4}, "vocoders": {"ko": {"dilations": [1, 3, 5]}}, "vocabulary": "sha256:0"}
    own = write_checkpoint(tmp_path / "own", RENDERER, config, renderer.tensors)
    torch.save({"generator": renderer.section("audio.en")}, tmp_path / "g_00000001")
    new = convert_checkpoint(own, tmp_path / "new.safetensors", vocoders={"ko": tmp_path / "g_00000001"})
    assert new.config == {"unit_offsets": {"en": 0}, "vocoders": {}, "vocabulary": "sha256:0"}


def test_what_is_no_vocoder_checkpoint_is_not_put_in(parity_dir: Path, tmp_path: Path) -> None:
    own = convert_checkpoint(parity_dir / "unit2av_spk_encoder.pt", tmp_path / "own.safetensors").path
    for path, found in {parity_dir / "unit2av_spk_encoder.pt": "a speaker encoder", own: "a safetensors file"}.items():
        with pytest.raises(CheckpointError, match=f"no vocoder training checkpoint.*found {found}"):
            convert_checkpoint(parity_dir / "unit2av_renderer.pt", tmp_path / "x.safetensors", vocoders={"ko": path})
    assert not (tmp_path / "x.safetensors").exists()
