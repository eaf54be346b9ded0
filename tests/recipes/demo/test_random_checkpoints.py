"""Random checkpoints have the published names, keys and sizes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from av2unit.config import AvHubertConfig
from av2unit.stage import UNIT_ENCODER as ENCODER_STAGE
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.units import UTUT_LANGUAGES
from recipes.demo.random.random_checkpoints import (
    KOREAN_TRANSLATOR,
    RENDERER,
    SPEAKER_ENCODER,
    TINY_UNIT_TO_TEXT,
    TRANSLATOR,
    UNIT2TEXT,
    UNIT_ENCODER,
    main,
    text_symbols,
    write_random_checkpoints,
)
from recipes.demo.random.random_layouts import (
    UnitToTextSize,
    face_renderer,
    speaker_encoder,
    translator,
    translator_config,
    unit_encoder,
    unit_to_text,
    vocoder,
    vocoder_config,
)
from unit2av.face.model import FaceModelSize
from unit2av.stage import RENDERER as RENDERER_STAGE
from unit2av.stage import SPEAKER_ENCODER as SPEAKER_STAGE
from unit2text.unit_reader import UnitReader
from unit2unit.stage import TRANSLATOR as TRANSLATOR_STAGE

FIXTURES = {
    UNIT_ENCODER: ("mavhubert.pt", ENCODER_STAGE),
    TRANSLATOR: ("utut.pt", TRANSLATOR_STAGE),
    KOREAN_TRANSLATOR: ("utut_ko.pt", TRANSLATOR_STAGE),
    RENDERER: ("unit2av_renderer.pt", RENDERER_STAGE),
    SPEAKER_ENCODER: ("unit2av_spk_encoder.pt", SPEAKER_STAGE),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    assert write_random_checkpoints(folder).keys() == FIXTURES.keys()
    return folder


@pytest.mark.parametrize("name", FIXTURES)
def test_tiny_files_have_the_fixtures_tensors(parity_dir: Path, folder: Path, name: str) -> None:
    fixture, kind = FIXTURES[name]
    expected, made = read_checkpoint(parity_dir / fixture, kind), read_checkpoint(folder / name, kind)
    assert _shapes(made, without="audio.es.") == _shapes(expected)


@pytest.mark.parametrize("name", [UNIT_ENCODER, TRANSLATOR, KOREAN_TRANSLATOR])
def test_settings_are_the_published_ones(parity_dir: Path, folder: Path, name: str) -> None:
    fixture, kind = FIXTURES[name]
    expected, made = (read_checkpoint(path, kind).config for path in (parity_dir / fixture, folder / name))
    assert (made.keys(), made.get("dictionaries")) == (expected.keys(), expected.get("dictionaries"))
    for section in set(made) - {"dictionaries"}:
        assert not {key: value for key, value in made[section].items() if expected[section][key] != value}


def test_published_sizes() -> None:
    with torch.device("meta"):
        encoder = unit_encoder(AvHubertConfig(), seed=0)
        both = (UTUT_LANGUAGES, (*UTUT_LANGUAGES, "ko"))
        translators = [translator(translator_config(languages), seed=0) for languages in both]
        voice = vocoder(vocoder_config(1000), seed=0)
        face = face_renderer(FaceModelSize(), seed=0)
        speaker = speaker_encoder(256, seed=0)
    assert (len(encoder), sum(tensor.numel() for tensor in encoder.values())) == (538, 325_671_548)
    assert encoder["label_embs_concat"].shape == (2008, 256)
    assert [len(state) for state in translators] == [515, 515]
    assert [state["encoder.embed_tokens.weight"].shape[0] for state in translators] == [1024, 1025]
    unique = {id(tensor): tensor.numel() for name, tensor in translators[0].items() if _is_parameter(name)}
    assert sum(unique.values()) == 353_767_424
    folded = {name: tensor for name, tensor in voice.items() if not name.endswith("weight_g")}
    assert (len(voice), sum(tensor.numel() for tensor in folded.values())) == (304, 13_966_658)
    assert len(face) == 274
    assert sum(tensor.numel() for name, tensor in face.items() if _is_parameter(name)) == 36_100_147
    assert (speaker["lstm.weight_ih_l0"].shape, len(speaker)) == ((1024, 40), 16)


def test_a_lip_reader_has_other_sizes_and_a_shuffled_dictionary(tmp_path: Path) -> None:
    reader = UnitReader.from_checkpoint(write_random_checkpoints(tmp_path, with_text=True)[UNIT2TEXT])
    lips, config = TINY_UNIT_TO_TEXT.lips, reader.config
    heads, width = config.lips.encoder.encoder_attention_heads, config.lips.resnet_width
    assert (heads, width) == (lips.encoder_attention_heads, lips.resnet_width)
    assert (config.encoder.conv_pos, config.encoder.conv_pos_groups, config.encoder.encoder_layers) == (96, 16, 3)
    assert (config.num_rows, config.decoder.num_heads, config.decoder.num_layers) == (1008, 6, 3)
    assert list(reader.text.symbols[4:]) == text_symbols(1008, 5)
    found = reader.read(np.random.default_rng(0).integers(0, 256, (9, 96, 96), dtype=np.uint8), "pt")
    assert found.language == "pt"
    assert all(0 <= word.start_s <= word.end_s <= 9 / 25 for word in found.words)
    with torch.device("meta"):
        published = unit_to_text(UnitToTextSize(), seed=0)
    assert len(published) == 800
    assert sum(tensor.numel() for name, tensor in published.items() if _is_parameter(name)) == 511_951_701


def _is_parameter(name: str) -> bool:
    return not name.endswith((".version", "_float_tensor", "running_mean", "running_var", "num_batches_tracked"))


def test_same_seed_same_content(folder: Path, tmp_path: Path) -> None:
    again, other = (write_random_checkpoints(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    for name, (_, kind) in FIXTURES.items():
        first = read_checkpoint(folder / name, kind).fingerprint
        assert read_checkpoint(again[name], kind).fingerprint == first
        assert read_checkpoint(other[name], kind).fingerprint != first


def test_the_command_leaves_out_what_korean_does_not_need(tmp_path: Path) -> None:
    assert main(["--out-dir", str(tmp_path), "--ko", "--quiet"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == FIXTURES.keys() - {TRANSLATOR}
    (tmp_path / "file").touch()
    assert main(["--out-dir", str(tmp_path / "file"), "--quiet"]) == 2


def test_pickling_dictionaries_leaves_no_modules_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins = ("fairseq", "fairseq.data", "fairseq.data.dictionary")
    for name in stand_ins:
        monkeypatch.delitem(sys.modules, name, raising=False)
    paths = write_random_checkpoints(tmp_path, only_korean=True)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(str(paths[UNIT_ENCODER])) == ["fairseq.data.dictionary.Dictionary"]
    assert not any(name in sys.modules for name in stand_ins)


def _shapes(checkpoint: Checkpoint, without: str = "-") -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in checkpoint.tensors.items() if not name.startswith(without)}
