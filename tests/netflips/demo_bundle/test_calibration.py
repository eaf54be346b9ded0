"""Where a bundle's domain ends, found with made-up speech in place of a synthesiser's."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from avcore.bundle import Bundle
from avcore.checkpoint import Kind, read_checkpoint
from avcore.domain import KEY
from avcore.progress import silent
from avcore.timeline import SAMPLE_RATE
from netflips.demo.cast import Voice
from netflips.demo.espeak import TimedSpeech
from netflips.demo.phrasebook import phrasebook
from netflips.demo_bundle import calibration
from netflips.demo_bundle.calibration import CONFIDENCE, SCORE, Scores, calibrate_bundle, outside_sentences
from netflips.demo_bundle.describe import check_bundle, tell
from unit2unit.translator import UnitTranslator


def _hum(text: str, voice: Voice) -> TimedSpeech:
    """A third of a second, another for each text."""
    return TimedSpeech(np.random.default_rng(len(text)).normal(0, 0.1, SAMPLE_RATE // 3).astype(np.float32), SAMPLE_RATE, ())


def test_bounds_are_stored_with_the_models_and_told(packed: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(packed.folder, tmp_path / "own"))
    monkeypatch.setattr(calibration, "say", _hum)
    monkeypatch.setattr(calibration, "outside_sentences", lambda: ["one", "another"])
    calibrate_bundle(folder, count=3, seed=1, share=0.5, progress=silent)
    told = check_bundle(folder).about["out_of_domain"]
    for name, kind in ((CONFIDENCE, Kind.UNIT_ENCODER), (SCORE, Kind.TRANSLATOR)):
        stored = read_checkpoint(folder / packed.checkpoint(kind).name, kind).config[KEY]
        assert stored == told[name]
        assert (stored["share"], stored["samples"]) == (0.5, 3)
        assert stored["least"] < 0
        assert told["warned_inside"][name] == pytest.approx(1 / 3)  # of three, one is below the middle one
    assert told["warned_outside"]["samples"] == 2
    assert "warned outside" in "\n".join(tell(check_bundle(folder)))
    assert UnitTranslator.from_checkpoint(folder / "translator.safetensors").domain is not None


def test_warnings_are_counted_once_an_utterance() -> None:
    domains = {CONFIDENCE: calibration.calibrate([-1.0], "x"), SCORE: calibration.calibrate([-2.0], "x")}
    told = calibration.summary(
        domains, Scores([-0.5, -0.6], [-1.0, -1.0]), Scores([-3.0, -3.0, -0.1, -0.1], [-9.0, 0.0, -9.0, 0.0])
    )
    assert told["warned_inside"]["share"] == 0
    assert told["warned_outside"] == {"samples": 4, "share": 0.75, CONFIDENCE: 0.5, SCORE: 0.5}


def test_what_is_called_outside_is_in_no_phrasebook() -> None:
    sentences = outside_sentences()
    assert len(set(sentences)) == len(sentences) == 60
    assert not {pair.english for pair in phrasebook().all_pairs()} & set(sentences)
