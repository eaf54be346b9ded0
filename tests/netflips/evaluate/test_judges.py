"""A recognizer by way of units hears as `netflips transcribe` does: utterance by utterance, with times from the beginning."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.answers import Extraction, Transcript, Word
from avcore.errors import CheckpointError, LanguageError, UsageError
from avcore.runs.cache import file_digest
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units
from avcore.units.vocabulary import require_language
from netflips.evaluate.face_clips import AS_PUBLISHED, LeastFace
from netflips.evaluate.judges import JudgePaths, Judges, UnitHearing, asked
from netflips.evaluate.needs import SYNCNET, user_judge
from netflips.evaluate.suite_command import read_judges
from tests.avcore.made_speech import talk


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
    def extract_scored(speech: np.ndarray, lips: None) -> Extraction:
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
    plain = JudgePaths(syncnet=parity_dir / "syncnet_v2_tiny.model")
    keys = [Judges(replace(plain, watched=one)).identity(SYNCNET) for one in (AS_PUBLISHED, LeastFace(20), LeastFace(20, 40))]
    assert keys[0] == Judges(plain).identity(SYNCNET) == file_digest(parity_dir / "syncnet_v2_tiny.model")
    assert len(set(keys)) == 3


@pytest.mark.local
def test_an_onnx_file_of_the_users_own_is_a_judge(tmp_path: Path) -> None:
    """It takes sound float32 [1, S] and answers with a number or a vector; another file is told."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    given, answer = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [1, None]), ("y", [1]))
    )
    graph = helper.make_graph([helper.make_node("ReduceMax", ["x"], ["y"], axes=[1], keepdims=0)], "g", [given], [answer])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "judge.onnx")
    judges = Judges(JudgePaths(others={"mos": tmp_path / "judge.onnx"}))
    assert user_judge("mos") in judges.there
    assert judges.identity(user_judge("mos")) == file_digest(tmp_path / "judge.onnx")
    path = judges.model(user_judge("mos"))
    assert asked(path, np.array([0.1, 0.75, 0.5], np.float32)).tolist() == [0.75]
    assert read_judges([f"mos={tmp_path}"]) == {"mos": path}
    (tmp_path / "none.onnx").write_bytes(b"none")
    with pytest.raises(CheckpointError, match="this is no ONNX file"):
        asked(tmp_path / "none.onnx", np.zeros(3, np.float32))
