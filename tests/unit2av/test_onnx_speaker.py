"""A speaker encoder in an ONNX file, from its vectors to a dub that refuses another one."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchaudio.compliance.kaldi

from avcore.errors import CheckpointError, InputError, NoSpeechError
from avcore.media import write_speech
from avcore.units import Units
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import models_when_asked
from recipes.made.tones import TonesCorpus
from tests.refusal import refused
from tests.unit2av.voices import SMALL, random_vocoder, save_renderer
from unit2av.inference_unit2a import main as speak
from unit2av.onnx_speaker import OnnxSpeaker, kaldi_filter_bank
from unit2av.speaker import (
    SpeakerEncoder,
    encoder_fingerprint,
    encoder_for,
    open_speaker_encoder,
    read_voice,
    voice_of,
    write_voice,
)
from unit2av.train_unit2a import export_vocoder
from unit2av.train_unit2a import main as train_unit2a
from unit2av.voice.speech import UnitVocoder

pytestmark = pytest.mark.local
RATE = 16_000
Node = tuple[str, str, str, dict[str, Any]]
STATISTICS: tuple[Node, ...] = (
    ("Abs", "x", "size", {}),
    ("ReduceMean", "x", "a", {"axes": [1]}),
    ("ReduceMax", "x", "b", {"axes": [1]}),
    ("ReduceMean", "size", "c", {"axes": [1]}),
    ("Concat", "a b c", "y", {"axis": 1}),
)
"""Mean, largest and mean size of what comes in: a vector of 3."""


def made_encoder(
    path: Path, nodes: Sequence[Node] = STATISTICS, shape: Sequence[int | str] = (1, "S"), rate: int = 0, name: str = "g"
) -> Path:
    """Write a network of "x" to "y". rate: Hz that the file states, 0 = none. name: makes files of equal networks differ."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    given, found = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), helper.make_tensor_value_info("y", 1, None)
    made = [helper.make_node(kind, inputs.split(), [output], **how) for kind, inputs, output, how in nodes]
    graph = helper.make_graph(made, name, [given], [found])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if rate:
        helper.set_model_props(model, {"sample_rate": str(rate)})
    onnx.save(model, path)
    return path


def noise(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (np.random.default_rng(seed).standard_normal(round(seconds * RATE)) / 10).astype(np.float32)


def test_the_filter_bank_is_that_of_kaldi() -> None:
    samples = torch.from_numpy(noise(1.0)) * 2**15
    theirs = torchaudio.compliance.kaldi.fbank(samples[None], num_mel_bins=80, window_type="hamming")
    np.testing.assert_allclose(kaldi_filter_bank(samples, 80, RATE), theirs, atol=1e-3)


def test_a_network_of_sound_gives_vectors_of_unit_length(tmp_path: Path) -> None:
    encoder, speech = OnnxSpeaker(made_encoder(tmp_path / "x.onnx")), noise(2.0)
    wanted = np.array([speech.mean(), speech.max(), np.abs(speech).mean()])
    np.testing.assert_allclose(encoder.embed(speech), wanted / np.linalg.norm(wanted), atol=1e-5)
    assert encoder.embedding_dim == 3
    assert encoder.fingerprint == encoder_fingerprint(tmp_path / "x.onnx")
    assert encoder.fingerprint.startswith("sha256:")
    refused(NoSpeechError, "", encoder.embed, np.zeros(RATE, np.float32))

    halves = [encoder.embed(half) for half in (noise(20.0), noise(20.0, seed=1))]
    long = encoder.embed(np.concatenate([noise(20.0), noise(20.0, seed=1)]))
    np.testing.assert_allclose(long, sum(halves) / np.linalg.norm(sum(halves)), atol=1e-6)


def test_the_file_says_its_rate_before_what_stands_beside_it(tmp_path: Path) -> None:
    same: tuple[Node, ...] = (("Identity", "x", "y", {}),)
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 24000}')
    assert OnnxSpeaker(made_encoder(tmp_path / "silent.onnx", same)).embed(noise(1.0)).shape == (24_000,)
    assert OnnxSpeaker(made_encoder(tmp_path / "says.onnx", same, rate=8000)).embed(noise(1.0)).shape == (8_000,)


def test_a_network_of_filter_banks_gets_them_less_their_mean(tmp_path: Path) -> None:
    """As WeSpeaker's and 3D-Speaker's exports take them: then how loud it is does not matter."""
    largest: tuple[Node, ...] = (("ReduceMax", "x", "y", {"axes": [1], "keepdims": 0}),)
    encoder = OnnxSpeaker(made_encoder(tmp_path / "x.onnx", largest, (1, "T", 80)))
    loud, quiet = encoder.embed(noise(2.0)), encoder.embed(noise(2.0) / 4)
    assert loud.shape == (80,)
    np.testing.assert_allclose(loud, quiet, atol=1e-4)
    assert encoder.embed(noise(2.0, seed=1)) @ loud < 0.999
    assert loud.min() > 0  # of each band, less its mean


@pytest.mark.parametrize(
    ("shape", "rate", "error"),
    [
        ((1, 80, "T"), 0, r"this is no speaker encoder; expected one input \[1, S\] or \[1, T, bands\]; found x \[1, 80, 'T'\]"),
        ((1, "S", 1, 1), 0, "this is no speaker encoder"),
        ((1, "S"), -5, "the sample rate of the file cannot be read; expected Hz, such as 16000; found -5"),
    ],
)
def test_another_network_is_refused(shape: Sequence[int | str], rate: int, error: str, tmp_path: Path) -> None:
    refused(CheckpointError, error, open_speaker_encoder, made_encoder(tmp_path / "x.onnx", shape=shape, rate=rate))


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "x.onnx").write_bytes(b"none")
    refused(CheckpointError, r"x\.onnx: this is no ONNX file", open_speaker_encoder, tmp_path / "x.onnx")


def test_a_voice_says_who_measured_it_and_another_vocoder_refuses_it(tmp_path: Path) -> None:
    encoder = OnnxSpeaker(made_encoder(tmp_path / "x.onnx"))
    kept = read_voice(write_voice(tmp_path / "ann.npz", voice_of(noise(2.0), encoder)), pytest.fail)
    assert kept.encoder == encoder.fingerprint
    path = save_renderer(tmp_path / "renderer.pt", ko=random_vocoder(replace(SMALL, speaker_dim=3)).state_dict())
    vocoder, units = UnitVocoder.from_checkpoint(path, "ko"), Units(np.array([5, 6]), np.array([3, 4]))
    assert vocoder.speaker_encoder == ""
    vocoder.synthesize(units, kept)  # it does not state whose vectors it takes
    vocoder.speaker_encoder = "sha256:0123456789abcdef"
    with pytest.raises(InputError, match=r"of another speaker encoder than the vocoder's; expected sha256:0123456789abcdef; found"):
        vocoder.synthesize(units, kept)
    vocoder.speaker_encoder = encoder.fingerprint
    vocoder.synthesize(units, kept)


def test_a_vocoder_states_its_encoder_and_refuses_another(
    songs: TonesCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = tmp_path / "units.jsonl"
    rows = [json.loads(line) for line in songs.units.read_text().splitlines()]
    kept = [{name: value for name, value in row.items() if name != "speaker_embedding"} for row in rows]
    units.write_text("".join(json.dumps(row) + "\n" for row in kept))
    mine, other = (made_encoder(tmp_path / f"{name}.onnx", name=name) for name in ("mine", "other"))
    config = ["--config-name", "unit2av/unit2a_debug", f"data.train={songs.manifest}", f"data.units={units}", "loop.num_workers=0"]
    config += ["loop.max_steps=1", "loop.validate_every=1", "batch.batch_size=4"]
    assert train_unit2a([*config, f"data.speaker_encoder={mine}", f"run_dir={tmp_path / 'run'}"]) == 0
    renderer = export_vocoder(tmp_path / "run" / "checkpoints" / "last.pt", tmp_path / "renderer.safetensors")
    vocoder = UnitVocoder.from_checkpoint(renderer, "ko")
    assert (vocoder.speaker_dim, vocoder.speaker_encoder) == (3, encoder_fingerprint(mine))
    assert encoder_for(vocoder, mine).fingerprint == vocoder.speaker_encoder

    write_speech(tmp_path / "ann.wav", noise(2.0))
    (tmp_path / "said.txt").write_text("5 5 6 6\n")
    words = [str(tmp_path / "said.txt"), "-o", str(tmp_path / "said.wav"), "--unit2av-path", str(renderer)]
    words += ["--voice", str(tmp_path / "ann.wav"), "--cpu", "--quiet"]
    refused = "the vocoder learnt with another speaker encoder; expected sha256:"
    for given, found in (([], "found resemblyzer's"), (["--speaker-encoder-path", str(other)], "found other.onnx (sha256:")):
        assert speak([*words, *given]) == 2
        said = capsys.readouterr().err
        assert refused in said
        assert found in said
    assert speak([*words, "--speaker-encoder-path", str(mine)]) == 0

    started = [f"init.checkpoint={renderer}", "init.language=ko", f"data.speaker_encoder={other}", f"run_dir={tmp_path / 'again'}"]
    assert train_unit2a([*config, *started]) == 2
    assert "the vocoder to start from learnt with another speaker encoder" in capsys.readouterr().err


def test_voices_are_told_apart_by_the_encoder_that_the_bounds_are_of(tmp_path: Path) -> None:
    renderer = save_renderer(tmp_path / "renderer.pt", ko=random_vocoder(replace(SMALL, speaker_dim=3)).state_dict())
    paths = ModelPaths(None, None, renderer, made_encoder(tmp_path / "x.onnx"))
    models = models_when_asked(paths, RunOptions("cpu"), "ko")
    assert models.speaker_encoder.embedding_dim == 3
    assert isinstance(models.likeness_encoder, SpeakerEncoder)
    models = models_when_asked(ModelPaths(None, None, renderer), RunOptions("cpu"), "ko")
    with pytest.raises(CheckpointError, match="the speaker encoder does not fit the vocoder; expected vectors of 3; found 256"):
        _ = models.speaker_encoder
