"""The speaker's pitch in a dub: taken from the clip, or from the file that the voice is stored in."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.contracts import SpeakerVoice
from avcore.media import read_speech
from avcore.speech.pitch import Pitch, measure_pitch
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.report.files import summary_of
from tests.netflips.dubbing.made import write_times
from tests.unit2av.voices import TINY, random_harmonic
from unit2av.speaker import write_voice
from unit2av.stage import RENDERER
from unit2av.voice.speech import UnitVocoder


@pytest.fixture
def pitched(models: Models) -> Models:
    sizes = replace(TINY, num_units=models.vocoder.num_units + models.vocoder.unit_offset, speaker_dim=models.vocoder.speaker_dim)
    network = random_harmonic(sizes).eval().requires_grad_(False)
    vocoder = UnitVocoder(network, models.vocoder.language, models.vocoder.unit_offset, models.vocoder.vocabulary)
    return replace(models, loaded=models.loaded | {RENDERER: vocoder})


@pytest.fixture
def options(boxes: Path, parity_dir: Path) -> DubOptions:
    return DubOptions(
        beam=1, max_target_units=40, in_bbox_path=boxes, in_lip_path=parity_dir / "clip_long.lip.mp4", modalities="audio"
    )


def stored(folder: Path, hz: float, models: Models) -> Path:
    vector = np.full(models.vocoder.speaker_dim, models.vocoder.speaker_dim**-0.5, np.float32)
    return write_voice(folder / f"voice_{hz:.0f}.npz", SpeakerVoice(vector, Pitch(math.log(hz), 0.05)))


@pytest.mark.parametrize("timing", ["free", "source"])
def test_a_dub_has_the_pitch_of_its_voice(clip: Path, pitched: Models, options: DubOptions, tmp_path: Path, timing: str) -> None:
    if timing == "source":
        options = replace(options, timing=timing, script_in=write_times(tmp_path / "times.json", (0.1, 1.9)))
    found = []
    for hz in (100.0, 200.0):
        out = tmp_path / f"{hz:.0f}.mp4"
        report = dub(clip, out, pitched, replace(options, voice=stored(tmp_path, hz, pitched)))
        assert report.speaker(report.processed[0].speaker).pitch_hz == pytest.approx(hz)
        found.append(measure_pitch(read_speech(out)).hz)
    assert 12 * abs(math.log2(found[1] / found[0]) - 1) < 1.0


def test_the_clips_own_pitch_is_measured_and_said(clip: Path, pitched: Models, options: DubOptions, tmp_path: Path) -> None:
    own = measure_pitch(read_speech(clip))
    report = dub(clip, tmp_path / "x.mp4", pitched, options)
    assert report.speakers[0].pitch_hz == pytest.approx(own.hz, abs=0.1)
    assert f"at the speaker's own pitch, {own.hz:.0f} Hz" in summary_of(report)
    source = replace(options, timing="source", script_in=write_times(tmp_path / "times.json", (0.0, 2.0)))
    assert dub(clip, tmp_path / "y.mp4", pitched, source).speakers[0].pitch_hz == pytest.approx(own.hz, rel=0.1)


def test_a_published_voice_is_told_no_pitch(clip: Path, models: Models, options: DubOptions, tmp_path: Path) -> None:
    report = dub(clip, tmp_path / "x.mp4", models, replace(options, voice=stored(tmp_path, 150.0, models)))
    assert report.speakers[0].pitch_hz is None
    assert "pitch" not in summary_of(report)
