"""Models loaded once from Python: speech, units and text in memory, and the same dub as the command's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import netflips
from avcore.contracts import SpeakerVoice
from avcore.media import read_speech, write_speech
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.loaded import Loaded
from netflips.models import Models

QUICK = DubOptions(beam=1, max_target_units=20, modalities="audio")


@pytest.fixture
def loaded(models: Models) -> Loaded:
    return Loaded(models)


def test_units_go_through_the_stages_in_memory(loaded: Loaded, clip: Path, tmp_path: Path) -> None:
    speech = read_speech(clip)
    heard = loaded.units(speech)
    assert isinstance(heard, netflips.Units)
    assert heard == loaded.units(clip, modalities="audio") == replace(loaded.models.extractor.extract(speech), language="en")
    write_speech(tmp_path / "clip.wav", speech)
    assert loaded.units(tmp_path / "clip.wav").num_steps == heard.num_steps  # a sound file has no lips
    said = loaded.translate(heard)
    assert said == loaded.models.translator.translate(heard, "en", "ko").units
    voice = loaded.voice(speech)
    samples, rate = loaded.speak(said, voice)
    assert samples.dtype == np.float32
    assert rate == 16_000
    assert np.array_equal(samples, loaded.speak(said, speech)[0])
    assert not np.array_equal(samples, loaded.speak(said)[0])  # a neutral voice
    timed = loaded.models.vocoder.predict_durations(said)
    assert len(loaded.speak(timed, SpeakerVoice(voice.vector))[0]) == 320 * timed.num_steps


def test_a_dub_is_the_commands_and_its_progress_is_told(loaded: Loaded, clip: Path, tmp_path: Path) -> None:
    steps = []
    script = loaded.dub(clip, tmp_path / "a.mp4", QUICK, progress=lambda step, done, total: steps.append(step))
    assert script.utterances[0].units == dub(clip, tmp_path / "b.mp4", loaded.models, QUICK).utterances[0].units
    assert "frames" in steps


def test_what_is_wrong_is_an_error_of_ours(loaded: Loaded, tmp_path: Path) -> None:
    with pytest.raises(netflips.NetflipsError, match=r"none\.mp4"):
        loaded.units(tmp_path / "none.mp4")
    with pytest.raises(netflips.NetflipsError):
        loaded.say("안녕하세요?")  # these models have no text-to-unit model
