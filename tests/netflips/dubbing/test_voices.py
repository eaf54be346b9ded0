"""Voices compared without what plays behind them: turns in short pauses, one person over music and without, laughs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.speech.audio import level_dbfs
from avcore.speech.voice_activity import STEP_SAMPLES, SpeechActivity
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store
from netflips.dubbing.voice_groups import Voices, without_background

_LOUD = 0.3
"""Level of a voice whose angle is 0; another's is so much quieter as its angle says (rad)."""


def _voice(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


class _Encoder:
    """Hears a voice by its level: the angle is what it is below _LOUD."""

    fingerprint = "levels"

    def embed(self, speech: np.ndarray) -> np.ndarray:
        return _voice(float(_LOUD - np.abs(speech).max()) * 10)


def _voices(folder: Path, sound: Sound) -> Voices:
    encoder: Any = _Encoder()
    return Voices(sound, Store(folder), "digest", encoder)


def _sound(folder: Path, said: Sequence[tuple[float, float, float, float]], music: Sequence[Interval] = ()) -> Sound:
    """Write buzzes from when to when (s), each with an angle and a pitch (Hz), over a chord at some times."""
    length = int((max(end for _, end, _, _ in said) + 1) * SAMPLE_RATE)
    times, sound = np.arange(length) / SAMPLE_RATE, np.zeros(length)
    spoken = np.zeros(-(-length // STEP_SAMPLES))
    middles = (np.arange(len(spoken)) + 0.5) * STEP_SAMPLES / SAMPLE_RATE
    for start, end, angle, hz in said:
        inside = (times >= start) & (times < end)
        sound[inside] += (_LOUD - angle / 10) * (2 * ((times[inside] * hz) % 1) - 1)
        spoken[(middles >= start) & (middles < end)] = 1
    for start, end in music:
        inside = (times >= start) & (times < end)
        sound[inside] += 0.05 * np.sin(2 * np.pi * 1000 * times[inside]) + 0.05 * np.sin(2 * np.pi * 1500 * times[inside])
    sound.astype(np.float32).tofile(folder / "sound.f32")
    activity = SpeechActivity(spoken.astype(np.float32), np.where(spoken > 0, -15.0, -90.0).astype(np.float32), length)
    return Sound(folder / "sound.f32", activity)


def test_what_sounds_on_behind_a_voice_is_taken_from_it_once(tmp_path: Path) -> None:
    sound = _sound(tmp_path, [(2.0, 4.0, 0.0, 100.0)], music=[(0.0, 6.0)])
    store = Store(tmp_path / "work")
    alone = without_background(sound, store, "digest", None)
    assert level_dbfs(sound.between(0.5, 1.5)) > -30
    assert level_dbfs(alone.between(0.5, 1.5)) < -60  # nobody speaks there
    spectrum = [np.abs(np.fft.rfft(one.between(2.5, 3.5))) for one in (sound, alone)]
    assert spectrum[1][1000] < 0.5 * spectrum[0][1000]
    assert without_background(sound, store, "digest", None).path == alone.path
    assert store.made["sound"] == 1


def test_an_answer_after_a_short_pause_is_another_turn(tmp_path: Path) -> None:
    said = [(0.5, 3.0, 0.0, 100.0), (3.2, 4.1, 1.2, 220.0), (4.6, 7.0, 0.0, 100.0), (7.5, 10.0, 1.2, 220.0)]
    assert _voices(tmp_path, _sound(tmp_path, said)).changes() == pytest.approx([3.1, 4.35, 7.25], abs=0.05)
    for number, angle in enumerate((0.6, 0.1)):  # like both, or the same person's
        said[1] = (3.2, 4.1, angle, 150.0)
        assert _voices(tmp_path / str(number), _sound(tmp_path, said)).changes() == pytest.approx([7.25], abs=0.05)
    assert _voices(tmp_path / "alone", _sound(tmp_path, said[:1])).changes() == []


@pytest.mark.parametrize(
    ("angle", "hz", "music", "seconds", "people"),
    [
        (0.5, 105.0, False, 3, 1),  # cosine 0.88
        (0.7, 105.0, False, 3, 2),  # 0.76: somebody else ...
        (0.7, 105.0, True, 3, 1),  # ... unless only music makes him so
        (0.7, 150.0, True, 3, 2),  # and not another pitch
        (0.8, 105.0, True, 3, 2),  # nor much of another voice: 0.70
        (0.62, 105.0, False, 1.7, 1),  # 0.81: little is said in it
        (0.62, 105.0, False, 3, 2),  # much is
    ],
)
def test_music_makes_no_two_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, angle: float, hz: float, music: bool, seconds: float, people: int
) -> None:  # fmt: skip
    said = [(1.5, 5.5, 0.0, 100.0), (6.5, 10.5, 0.0, 100.0), (13.0, 13.0 + seconds, 0.1, hz), (18.0, 18.0 + seconds, 0.1, hz)]
    sound = _sound(tmp_path, said, music=[(11.5, 23.0)] if music else [])
    monkeypatch.setattr(_Encoder, "embed", lambda self, speech: _voice(0.0 if len(speech) == 4 * SAMPLE_RATE else angle))
    monkeypatch.setattr("netflips.dubbing.voice_groups.SAME_VOICE", 0.95)  # so that they are two at first
    assert len({*_voices(tmp_path, sound).groups([Interval(start, end) for start, end, _, _ in said])}) == people


def test_a_laugh_is_in_a_strange_voice(tmp_path: Path) -> None:
    said = [(0.5, 3.5, 0.0, 100.0), (4.5, 5.5, 1.4, 180.0), (6.5, 9.5, 0.3, 100.0)]
    speaking = _voices(tmp_path, _sound(tmp_path, said))
    assert [speaking.is_strange((start, end)) for start, end, _, _ in said] == [False, True, False]
