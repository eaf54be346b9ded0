"""What is handed to the models from Python in another form is one error of ours, with expected and found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.errors import InputError, NetflipsError, UsageError
from avcore.units import Units
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models

RNG = np.random.default_rng(0)
SPEECH = RNG.uniform(-0.5, 0.5, 32_000).astype(np.float32)
SAID = Units(np.array([1, 2, 3]), np.array([5, 5, 5]))
VOICE = np.full(256, 1 / 16, dtype=np.float32)

CALLS: dict[str, Callable[[Models], Any]] = {
    "translate a list": lambda models: models.translator.translate([1, 2, 3], "en", "ko"),
    "translate an array": lambda models: models.translator.translate(np.array([1, 2, 3]), "en", "ko"),
    "translate floats": lambda models: models.translator.translate(Units(np.array([0.5])), "en", "ko"),
    "time a list": lambda models: models.vocoder.predict_durations([1, 2]),
    "say a list": lambda models: models.vocoder.synthesize([1, 2], VOICE),
    "say in a voice of words": lambda models: models.vocoder.synthesize(SAID, "ann.wav"),
    "say in no voice": lambda models: models.vocoder.synthesize(SAID, None),
    "say in a short voice": lambda models: models.vocoder.synthesize(SAID, VOICE[:3]),
    "draw a list": lambda models: list(models.renderer.render([1, 2], [None])),
    "draw gray faces": lambda models: list(models.renderer.render(SAID, [np.zeros((96, 96), np.uint8)])),
    "draw float faces": lambda models: list(models.renderer.render(SAID, [np.zeros((96, 96, 3))])),
    "draw faces with alpha": lambda models: list(models.renderer.render(SAID, [np.zeros((96, 96, 4), np.uint8)])),
    "draw a name": lambda models: list(models.renderer.render(SAID, ["face.png"])),
    "codes of a list": lambda models: models.renderer.codes([1]),
    "hear speech times 100": lambda models: models.extractor.extract(SPEECH * 100),
    "hear 16-bit samples": lambda models: models.extractor.extract((SPEECH * 32767).astype(np.int16)),
    "hear 16-bit samples as floats": lambda models: models.extractor.extract(SPEECH * 32767),
    "hear two channels": lambda models: models.extractor.extract(np.stack([SPEECH, SPEECH])),
    "hear a file's name": lambda models: models.extractor.extract("talk.wav"),
    "hear nothing": lambda models: models.extractor.extract(),
    "see colours": lambda models: models.extractor.extract(None, np.zeros((10, 96, 96, 3), np.uint8)),
    "see floats": lambda models: models.extractor.extract(None, np.zeros((10, 96, 96))),
    "embed speech times 100": lambda models: models.speaker_encoder.embed(SPEECH * 100),
    "embed two channels": lambda models: models.speaker_encoder.embed(np.stack([SPEECH, SPEECH])),
    "embed a file's name": lambda models: models.speaker_encoder.embed("talk.wav"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_another_form_is_an_error_of_ours(models: Models, call: Callable[[Models], Any]) -> None:
    with pytest.raises(InputError) as caught:
        call(models)
    assert caught.value.found is not None


def test_loud_speech_in_floating_point_is_let_through(models: Models) -> None:
    assert len(models.extractor.extract(SPEECH * 3))


def test_dub_takes_paths_and_options(models: Models, tmp_path: Path) -> None:
    for call in (
        lambda: dub(7, tmp_path / "x.mp4", models, DubOptions()),  # type: ignore[arg-type]
        lambda: dub("talk.mp4", None, models, DubOptions()),  # type: ignore[arg-type]
        lambda: DubOptions(voice=7),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.found is not None
    with pytest.raises(NetflipsError, match="is not there"):
        dub("nowhere.mp4", tmp_path / "x.mp4", models, DubOptions())
