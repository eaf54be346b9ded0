"""Clips of the bench: what is said lies where the subtitles say, a pause is silent, and a stopped run goes on."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.media import FrameSource, probe, read_speech
from avcore.progress import silent
from avcore.speech.espeak import EspeakVoice, espeak_speech
from netflips.evaluate.bench import MANIFEST, read_clips
from netflips.subtitles.given import read_subtitles
from recipes.demo.evaluate import bench_clips

SIDE, RATE = 64, 16_000


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clips of two people and of a pause, in a plain voice and small."""
    monkeypatch.setattr(bench_clips, "KINDS", ("two", "pause"))
    monkeypatch.setattr(bench_clips, "_SIDE", SIDE)
    monkeypatch.setattr(bench_clips, "require_synthesisers", lambda **_: None)
    monkeypatch.setattr(bench_clips, "say", lambda text, _: espeak_speech(text, EspeakVoice("en-us", 200)))
    bench_clips.make_clips(tmp_path, 2, silent)
    return tmp_path


def test_clips_say_what_their_subtitles_say_where_they_say_it(made: Path) -> None:
    for clip, width, count in zip(read_clips(made), (2 * SIDE, SIDE), (2, 1), strict=True):
        assert next(iter(FrameSource(clip.source))).rgb.shape == (SIDE, width, 3)
        assert clip.subtitles is not None
        cues = read_subtitles(clip.subtitles, "en", "ko").cues
        assert " ".join(cue.text for cue in cues) == clip.reference_text
        assert len(cues) == count
        speech, end = read_speech(clip.source), float(probe(clip.source).duration_s)
        assert all(0 < cue.start_s < cue.end_s < end for cue in cues)
        within = np.zeros(len(speech), np.bool_)
        for cue in cues:
            within[round((cue.start_s - 0.05) * RATE) : round((cue.end_s + 0.05) * RATE)] = True
        assert np.abs(speech[within]).max() > 20 * np.abs(speech[~within]).max()


def test_a_pause_lies_inside_the_sentence(made: Path) -> None:
    levels = np.abs(read_speech(read_clips(made)[1].source))
    quiet = np.convolve(levels > 0.01, np.ones(RATE // 2), "valid") == 0
    loud = np.flatnonzero(levels > 0.05)
    assert quiet[loud[0] : loud[-1] - RATE // 2].any()


def test_made_clips_are_kept(made: Path) -> None:
    first = [json.loads(line) for line in (made / MANIFEST).read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in first] == ["two_1", "pause_2"]
    before = {path: path.stat().st_mtime_ns for path in (made / "clips").glob("*.mp4")}
    bench_clips.make_clips(made, 3, silent)
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())
    assert len(read_clips(made)) == 3
