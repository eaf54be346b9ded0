"""What is transcribed by default, on the demo bundle: sound and lips where they belong together, else what is there."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import netflips
from avcore.arrays import Samples
from avcore.media import FrameSource, VideoWriter, read_speech, write_speech
from netflips.commands.options import TranscribeOptions
from unit2text.text import character_errors

CLIP = Path(__file__).resolve().parents[2] / "docs" / "clip" / "clip.mp4"
TEXT = "Excuse me, where is the airport?"
BY_SOUND, BY_LIPS = TranscribeOptions(modalities="audio"), TranscribeOptions(modalities="video")


def _video(path: Path, speech: Samples | None, frames: list[NDArray[np.uint8]]) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, Fraction(25), None if speech is None else 16_000, 1) as writer:
        if speech is not None:
            writer.write_sound(speech[:, None])
        for number, frame in enumerate(frames):
            writer.write_rgb(frame, Fraction(number, 25))
    return path


@pytest.fixture(scope="module")
def frames() -> list[NDArray[np.uint8]]:
    return [frame.rgb for frame in FrameSource(CLIP)]


def test_sound_and_lips_together_are_better_than_the_sound() -> None:
    together, by_sound = netflips.transcribe(CLIP), netflips.transcribe(CLIP, options=BY_SOUND)
    assert together.source_text == TEXT
    with_lips, without = (found.utterances[0].source_units.confidence for found in (together, by_sound))
    assert with_lips > without


def test_what_is_there_is_taken(frames: list[NDArray[np.uint8]], tmp_path: Path) -> None:
    speech = read_speech(CLIP)
    by_sound = netflips.transcribe(CLIP, options=BY_SOUND).source_text
    write_speech(tmp_path / "sound.wav", speech)
    _require_nearly(netflips.transcribe(tmp_path / "sound.wav").source_text, by_sound)
    blank = [np.full_like(frames[0], 90)] * len(frames)
    _require_nearly(netflips.transcribe(_video(tmp_path / "no_face.mp4", speech, blank)).source_text, by_sound)
    silent = _video(tmp_path / "silent.mp4", None, frames)
    assert netflips.transcribe(silent).source_text == netflips.transcribe(silent, options=BY_LIPS).source_text != ""


def _require_nearly(read: str, by_sound: str) -> None:
    """Sixteen bits of a sample may turn one letter."""
    assert character_errors(by_sound, read).errors <= 1


def test_lips_that_do_not_belong_to_the_sound_are_left_out(frames: list[NDArray[np.uint8]], tmp_path: Path) -> None:
    still = _video(tmp_path / "still.mp4", read_speech(CLIP), [frames[0]] * len(frames))
    assert netflips.transcribe(still).source_text == netflips.transcribe(still, options=BY_SOUND).source_text


def test_sound_that_goes_on_behind_the_frames_is_not_lost(frames: list[NDArray[np.uint8]], tmp_path: Path) -> None:
    speech = np.concatenate([read_speech(CLIP), np.zeros(24_000, np.float32), read_speech(CLIP)])
    longer = _video(tmp_path / "longer.mp4", speech, frames)
    assert netflips.transcribe(longer).source_text.count("Excuse me") == 2
