"""Our own format, the fingerprint, tensors of eight bits, and strict loading into modules."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.checkpoint import (
    SCALES,
    fingerprint_tensors,
    from_eight_bits,
    load_strict,
    read_checkpoint,
    rewrite_config,
    to_eight_bits,
    write_checkpoint,
)
from avcore.checkpoints.layouts import is_same
from avcore.checkpoints.pickles import file_checksum
from avcore.checkpoints.stages import Checkpoint, Stage
from avcore.errors import CheckpointError, InputError
from tests.refusal import refused
from unit2av.stage import RENDERER, SPEAKER_ENCODER
from unit2unit.stage import SHARED_TABLES, TRANSLATOR


@pytest.fixture
def speaker(parity_dir: Path) -> Checkpoint:
    return read_checkpoint(parity_dir / "unit2av_spk_encoder.pt", SPEAKER_ENCODER)


def test_a_shared_table_is_stored_once_or_not_at_all(parity_dir: Path, tmp_path: Path, speaker: Checkpoint) -> None:
    published = read_checkpoint(parity_dir / "utut.pt", TRANSLATOR)
    path = write_checkpoint(tmp_path / "x.safetensors", TRANSLATOR, published.config, published.tensors)
    assert all(name.encode() not in path.read_bytes() for name in SHARED_TABLES[1:])
    own = read_checkpoint(path, TRANSLATOR)
    assert len({own.tensors[name].data_ptr() for name in SHARED_TABLES}) == 1
    tensors = {**published.tensors, SHARED_TABLES[2]: published.tensors[SHARED_TABLES[2]] + 1}
    with pytest.raises(CheckpointError, match="with different content"):
        write_checkpoint(tmp_path / "y.safetensors", TRANSLATOR, published.config, tensors)
    with pytest.raises(CheckpointError, match="not a renderer's; found linear"):
        write_checkpoint(tmp_path / "y.safetensors", RENDERER, {}, speaker.tensors)
    assert {path.stem for path in tmp_path.iterdir()} == {"x"}


def test_views_of_one_memory_and_strided_tensors_are_written(speaker: Checkpoint, tmp_path: Path) -> None:
    flat = torch.arange(24.0)
    tensors = {**speaker.tensors, "linear.weight": flat.view(4, 6).T, "linear.bias": flat[:6], "similarity_weight": flat[5]}
    own = read_checkpoint(write_checkpoint(tmp_path / "x", SPEAKER_ENCODER, {}, tensors), SPEAKER_ENCODER)
    assert all(is_same(own.tensors[key], tensors[key]) for key in tensors)


def test_more_settings_are_kept_and_count(speaker: Checkpoint, tmp_path: Path) -> None:
    config = {"vocabulary": "sha256:0", "이름": [1, 2.5, None], "decoding": {"penalty": 0.1}}
    own = read_checkpoint(write_checkpoint(tmp_path / "x", SPEAKER_ENCODER, config, speaker.tensors), SPEAKER_ENCODER)
    assert own.config == config
    assert own.fingerprint != speaker.fingerprint
    assert "이름" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_fingerprint_sees_names_shapes_formats_and_values(speaker: Checkpoint, tmp_path: Path) -> None:
    key = "lstm.weight_hh_l1"
    weight = speaker.tensors[key]
    first, last = weight.clone(), weight.clone()
    first[0, 0] += 1e-6
    last[-1, -1] += 1e-6
    others = [
        {**speaker.tensors, key: first},
        {**speaker.tensors, key: last},
        {**speaker.tensors, key: weight.reshape(-1, 1)},
        {**speaker.tensors, key: weight.to(torch.bfloat16)},
        {**speaker.tensors, "linear.extra": torch.empty(0)},
        {name: tensor for name, tensor in speaker.tensors.items() if name != key},
    ]
    prints = {speaker.fingerprint}
    for index, tensors in enumerate(others):
        path = write_checkpoint(tmp_path / str(index), SPEAKER_ENCODER, {}, tensors)
        prints.add(read_checkpoint(path, SPEAKER_ENCODER).fingerprint)
    assert len(prints) == len(others) + 1


def test_an_own_file_of_another_kind_or_with_a_wrong_configuration(speaker: Checkpoint, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "x.safetensors", SPEAKER_ENCODER, {}, speaker.tensors)
    with pytest.raises(CheckpointError, match=r"no renderer checkpoint.*found a speaker encoder; give it to --speaker-enc"):
        read_checkpoint(path, RENDERER)
    beside = tmp_path / "x.json"
    good = json.loads(beside.read_text())
    bad = {
        "is no JSON": "not JSON",
        'expected JSON with "kind"': json.dumps({"config": {}}),
        "found 'checksum'": json.dumps({key: good[key] for key in ("kind", "config", "format", "tensors")}),
        "'vocoder' is not a valid Kind": json.dumps({**good, "kind": "vocoder"}),
        "the tensors are not a renderer's": json.dumps({**good, "kind": "renderer"}),
        "incomplete; expected task, model, dictionaries": json.dumps({**good, "kind": "unit encoder"}),
        "unknown format.*netflips-checkpoint-9": json.dumps({**good, "format": "netflips-checkpoint-9"}),
        "do not belong together": json.dumps({**good, "tensors": "sha256:0123456789abcdef"}),
    }
    for message, text in bad.items():
        beside.write_text(text)
        refused(CheckpointError, message, read_checkpoint, path, SPEAKER_ENCODER)
    beside.unlink()
    with pytest.raises(InputError, match=r"configuration of a safetensors checkpoint is not there; keep it beside x\.safetensors"):
        read_checkpoint(path, SPEAKER_ENCODER)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.norm = nn.BatchNorm1d(3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight


def _state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def test_load_strict_takes_tensors_without_copying_and_keeps_ties(speaker: Checkpoint) -> None:
    tensors = _state(Tied())
    tensors["out.weight"] = tensors["embed.weight"]
    with torch.device("meta"):
        module = Tied()
    load_strict(module, tensors, speaker)
    assert module.out.weight is module.embed.weight
    assert module.embed.weight.data_ptr() == tensors["embed.weight"].data_ptr()
    assert module.embed.weight.requires_grad
    assert all(tensor.device.type == "cpu" for tensor in module.state_dict().values())


def test_load_strict_keeps_the_modules_number_format(speaker: Checkpoint) -> None:
    tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in _state(Tied()).items()}
    module = Tied()
    load_strict(module, tensors, speaker)
    assert module.embed.weight.dtype == torch.float32
    assert torch.equal(module.embed.weight, tensors["embed.weight"].float())
    assert module.norm.num_batches_tracked.dtype == torch.int64


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(speaker: Checkpoint, value: float) -> None:
    """A face was drawn black by them, without a word."""
    tensors = _state(Tied())
    tensors["embed.weight"].fill_(3e38)  # numbers, though their sum is none
    load_strict(Tied(), tensors, speaker)
    tensors["norm.weight"][1] = value
    message = refused(CheckpointError, "", load_strict, Tied(), tensors, speaker)
    wanted = "the speaker encoder's weights are damaged; expected numbers; found NaN or infinity in norm.weight"
    assert message == f"{speaker.path}: {wanted}"


def test_load_strict_names_every_misfit(speaker: Checkpoint) -> None:
    tensors = _state(Tied())
    del tensors["norm.weight"]
    tensors["head.bias"] = torch.ones(1)
    tensors["embed.weight"] = torch.ones(6, 3)
    message = refused(CheckpointError, "", load_strict, Tied(), tensors, speaker)
    assert message.startswith(f"{speaker.path}: the speaker encoder's tensors do not fit the model; expected 7 tensors")
    assert "1 missing: norm.weight" in message
    assert "1 unexpected: head.bias" in message
    assert "1 of another shape: embed.weight [6, 3] instead of [5, 3]" in message


@pytest.mark.parametrize("section", ["task", "model"])
@pytest.mark.parametrize("content", ["words", 7, None, [1, 2]])
def test_settings_that_are_no_objects_are_told(parity_dir: Path, tmp_path: Path, section: str, content: object) -> None:
    encoder = read_checkpoint(parity_dir / "mavhubert.pt", UNIT_ENCODER)
    path = write_checkpoint(tmp_path / "x", encoder.stage, {**encoder.config, section: content}, encoder.tensors)
    with pytest.raises(CheckpointError, match=f"x.json: {section} of the configuration cannot be read; expected an object"):
        read_checkpoint(path, UNIT_ENCODER)


def test_each_row_is_off_by_half_a_step_at_most() -> None:
    sizes = torch.tensor([1e-3, 1.0, 1e3, 0.0, 1e-30])[:, None, None]
    rows = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0)) * sizes
    back = from_eight_bits(to_eight_bits({"kernel": rows}))["kernel"]
    assert back.shape == rows.shape
    steps = rows.abs().amax((1, 2)) / 127
    assert ((back - rows).abs().amax((1, 2)) <= steps * 0.501).all()
    assert not is_same(back, rows)


@pytest.mark.parametrize(
    "tensor",
    [torch.randn(100), torch.randn(100, 15), torch.arange(64).view(2, 32), torch.full((2, 16), float("inf")), torch.zeros(0, 16)],
    ids=["vector", "short rows", "whole numbers", "infinite", "empty"],
)
def test_what_is_left_as_it_is(tensor: torch.Tensor) -> None:
    assert is_same(from_eight_bits(to_eight_bits({"x": tensor}))["x"], tensor)


def test_half_precision_comes_back_as_float32() -> None:
    stored = to_eight_bits({"x": torch.ones(2, 16, dtype=torch.float16)})
    assert {name: tensor.dtype for name, tensor in stored.items()} == {"x": torch.int8, f"x{SCALES}": torch.float32}
    assert is_same(from_eight_bits(stored)["x"], torch.ones(2, 16))


@pytest.mark.parametrize(
    ("name", "kind"), [("mavhubert.pt", UNIT_ENCODER), ("utut.pt", TRANSLATOR), ("unit2av_renderer.pt", RENDERER)]
)
def test_a_checkpoint_is_a_quarter_and_reads_back_rounded(parity_dir: Path, tmp_path: Path, name: str, kind: Stage) -> None:
    source = read_checkpoint(parity_dir / name, kind)
    whole = write_checkpoint(tmp_path / "whole", kind, source.config, source.tensors)
    small = write_checkpoint(tmp_path / "small", kind, source.config, source.tensors, eight_bits=True)
    assert small.stat().st_size < 0.4 * whole.stat().st_size
    own, expected = read_checkpoint(small, kind), from_eight_bits(to_eight_bits(source.tensors))
    assert own.tensors.keys() == source.tensors.keys()
    assert all(is_same(own.tensors[key], expected[key]) for key in expected)
    assert json.loads((tmp_path / "small.json").read_text())["tensors"] == fingerprint_tensors(own.tensors)
    if kind is TRANSLATOR:
        assert len({own.tensors[key].data_ptr() for key in SHARED_TABLES}) == 1


def test_another_configuration_leaves_the_tensors_as_stored(parity_dir: Path, tmp_path: Path) -> None:
    source = read_checkpoint(parity_dir / "unit2av_spk_encoder.pt", SPEAKER_ENCODER)
    path = write_checkpoint(tmp_path / "x", SPEAKER_ENCODER, {"a": 1}, source.tensors, eight_bits=True)
    before, stored = read_checkpoint(path, SPEAKER_ENCODER), path.read_bytes()
    rewrite_config(before, {**before.config, "이름": 2})
    after = read_checkpoint(path, SPEAKER_ENCODER)
    assert path.read_bytes() == stored
    assert after.config == {"a": 1, "이름": 2}
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("scales", [None, torch.ones(3)], ids=["of nothing", "of other rows"])
def test_scales_that_do_not_fit_are_an_error(parity_dir: Path, tmp_path: Path, scales: torch.Tensor | None) -> None:
    source = read_checkpoint(parity_dir / "unit2av_spk_encoder.pt", SPEAKER_ENCODER)
    path = write_checkpoint(tmp_path / "x", SPEAKER_ENCODER, {}, source.tensors, eight_bits=True)
    stored = load_file(path)
    stored |= {f"absent{SCALES}": torch.ones(2)} if scales is None else {f"linear.weight{SCALES}": scales}
    save_file(stored, path)
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"checksum": file_checksum(path)}))
    refused(CheckpointError, "does not fit a tensor of 8 bits", read_checkpoint, path, SPEAKER_ENCODER)
