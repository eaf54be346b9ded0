"""The ceiling that true units give."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avcore.media import read_speech, write_speech
from avcore.units import Units
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.suite import say_true_units
from netflips.options import ModelPaths
from unit2av.inference_unit2a import UnitVocoder
from unit2av.speakers import voice_of


def test_true_units_are_said_once_for_each_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocoder says the reference's own units with their durations, in the source's voice."""
    said = []

    def synthesize(units: Units, voice: str) -> SimpleNamespace:
        said.append((units.ids.tolist(), voice))
        return SimpleNamespace(samples=np.full(320, 0.25, np.float32))

    vocoder = SimpleNamespace(synthesize=synthesize)
    monkeypatch.setattr(UnitVocoder, "from_checkpoint", lambda *_: vocoder)
    monkeypatch.setattr(voice_of, "voice_of", lambda speech, encoder: f"voice of {len(speech)} samples")
    monkeypatch.setattr(Judges, "extractor", SimpleNamespace(extract=lambda speech: Units.from_frames(np.array([len(speech), 7]))))
    monkeypatch.setattr(Judges, "speaker", None)
    monkeypatch.setattr(Judges, "identity", lambda self, need: need)
    write_speech(tmp_path / "source.wav", np.zeros(800, np.float32))
    write_speech(tmp_path / "true.wav", np.zeros(640, np.float32))
    files = [tmp_path / name for name in ("source.wav", "true.wav")]
    with_truth = CaseFiles("a", files[0], files[0], files[1], language="ko")
    models = ModelPaths(*[files[0]] * 3)
    found = say_true_units([with_truth, CaseFiles("b", files[0], files[0])], Judges(JudgePaths()), models, tmp_path / "out")
    assert list(found) == ["a"]
    assert said == [([640, 7], "voice of 800 samples")]
    assert read_speech(found["a"]) == pytest.approx(0.25, abs=1e-3)
    assert say_true_units([with_truth], Judges(JudgePaths()), models, tmp_path / "out") == found
    assert len(said) == 1
