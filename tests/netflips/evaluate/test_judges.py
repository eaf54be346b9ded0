"""A recognizer by way of units hears as `netflips transcribe` does: utterance by utterance, with times from the beginning."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.contracts import Extraction, Transcript, Word
from avcore.errors import CheckpointError, InputError, LanguageError, UsageError
from avcore.journal import file_digest
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units, require_language
from netflips.evaluate.command import MeasureOptions
from netflips.evaluate.judges import Judges, UnitHearing, asked, onnx_file
from tests.avcore.made_speech import talk
from tests.netflips.evaluate.made import made_network


class Reader:
    """Writes how long each utterance is."""

    languages, default_options, path = ("en", "ko"), None, Path("reader.safetensors")

    def __init__(self, takes: str = "units") -> None:
        self.takes = takes

    def require_language(self, language: str) -> str:
        return require_language(language, self.languages, "the reader")

    def read(self, units: Units, language: str | None, options: Any) -> Transcript:
        length = float(units.num_steps) / 50
        return Transcript(f"{length:.0f}", language or "en", (Word("x", 0.0, length, 1.0),))


def hearing(takes: str = "units") -> UnitHearing:
    def extract_scored(speech: np.ndarray, lips: None, *_: object) -> Extraction:
        return Extraction(Units.from_frames(np.arange(len(speech) // 320)), -0.1)

    extractor = SimpleNamespace(extract_scored=extract_scored, domain=None)
    return UnitHearing("by units", extractor, Reader(takes))  # type: ignore[arg-type]


def test_utterances_are_heard_one_by_one() -> None:
    found = hearing().hear(talk([0.2, 2.0, 3.0, 2.0, 0.2]), "ko")
    assert (found.text, found.language, len(found.words)) == ("2 2", "ko", 2)
    first, second = found.words
    assert first.start_s == pytest.approx(0.2, abs=0.3)
    assert second.start_s == pytest.approx(5.2, abs=0.3)
    assert second.end_s == pytest.approx(7.2, abs=0.3)


def test_nothing_is_heard_in_silence() -> None:
    assert hearing().hear(np.zeros(2 * SAMPLE_RATE, np.float32)) == Transcript("", "")


def test_other_languages_and_other_readers_are_refused() -> None:
    with pytest.raises(LanguageError):
        hearing().hear(talk([0.2, 1.0]), "fr")
    with pytest.raises(UsageError, match="must read units of sound"):
        hearing("lips")


def test_figures_of_syncnet_are_of_the_faces_that_it_looks_at(parity_dir: Path) -> None:
    """Those of other faces are measured again; the published ones keep the key that they have."""
    plain = MeasureOptions(syncnet=parity_dir / "syncnet_v2_tiny.model")
    keys = [
        Judges(replace(plain, **one)).identity("syncnet")
        for one in ({}, {"least_pictures": 20}, {"least_pictures": 20, "least_face": 40})
    ]
    assert keys[0] == file_digest(parity_dir / "syncnet_v2_tiny.model")
    assert len(set(keys)) == 3


@pytest.mark.local
def test_an_onnx_file_or_a_folder_with_one_is_a_judge(tmp_path: Path) -> None:
    """It takes sound float32 [1, S] and answers with a number or a vector; of several outputs the embeddings are meant."""
    made_network(tmp_path / "judge.onnx", [("ReduceMax", "x", "y", {"axes": [1], "keepdims": 0})], "y")
    judges = Judges(MeasureOptions(judge=(f"mos={tmp_path / 'judge.onnx'}",)))
    assert "judge:mos" in judges.there
    assert judges.identity("judge:mos") == file_digest(tmp_path / "judge.onnx")
    sound = np.array([0.1, 0.75, 0.5], np.float32)
    assert asked(judges.model("judge:mos"), sound).tolist() == [0.75]
    folder = tmp_path / "wavlm"
    (folder / "onnx").mkdir(parents=True)
    nodes = [("ReduceMax", "x", "logits", {"axes": [1]}), ("Identity", "x", "embeddings", {})]
    made_network(folder / "onnx" / "model.onnx", nodes, "logits", "embeddings")
    (folder / "onnx" / "model_quantized.onnx").write_bytes(b"another")
    assert asked(folder, sound).tolist() == sound.tolist()
    before = Judges(MeasureOptions(judge=(f"speaker={folder}",))).identity("judge:speaker")
    scaled = tmp_path / "scaled"
    shutil.copytree(folder, scaled)
    (scaled / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 16000}')
    assert asked(scaled, sound) == pytest.approx((sound - sound.mean()) / sound.std(), abs=1e-4)
    assert Judges(MeasureOptions(judge=(f"speaker={scaled}",))).identity("judge:speaker") != before


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({}, r"the judge's folder cannot be used.*expected one .onnx file, or one model.onnx.*found none"),
        ({"a.onnx": "a", "b.onnx": "b"}, r"the judge's folder cannot be used.*found a.onnx, b.onnx"),
    ],
)
def test_a_folder_with_no_network_or_with_several_is_refused(files: dict[str, str], error: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=error):
        onnx_file(tmp_path)


@pytest.mark.local
def test_what_is_no_network_of_sound_at_16_khz_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "none.onnx").write_bytes(b"none")
    with pytest.raises(CheckpointError, match="this is no ONNX file"):
        asked(tmp_path / "none.onnx", np.zeros(3, np.float32))
    made_network(tmp_path / "none.onnx", [("Identity", "x", "y", {})], "y")
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    with pytest.raises(InputError, match=r"the judge takes sound of another rate.*expected 16000 Hz.*found 8000"):
        asked(tmp_path, np.zeros(3, np.float32))
