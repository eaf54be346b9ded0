"""Sound and video stay together at every frame rate, measured on the decoded output."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avcore.faces.boxes import write_boxes
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from tests.netflips.dubbing.made import decode, plain_frames, speech, steady_times, uneven_times, write_recording

RATE = 48_000
PLAN = [0.9, 2.5, 1.4, 2.7, 1.2]
SECONDS = sum(PLAN)
BOX = np.array([50, 20, 110, 100], np.float32)
MOUTH = slice(75, 90), slice(70, 90)
FLASH = slice(0, 12), slice(0, 12)


def _marks() -> list[float]:
    """Moments in pauses, half a second before each utterance begins."""
    edges = np.cumsum([0.0, *PLAN])
    return [float(edges[k]) - 0.5 for k in range(1, len(PLAN), 2)]


def _recording(path: Path, times: list[Fraction]) -> tuple[Path, Path]:
    """A recording with a flash and a click at each mark, and its face boxes."""
    frames, sound = plain_frames(times), speech(PLAN, RATE)
    for mark in _marks():
        shown = next(k for k, time in enumerate(times) if time >= mark)
        for k in range(shown, min(shown + 4, len(times))):
            frames[k][FLASH] = 255
        sound[round(float(times[shown]) * RATE) :][:96] = 0.9
    for k, frame in enumerate(frames):
        frame[FLASH] = 255 if (frame[FLASH] == 255).all() else k % 40
        frame[MOUTH] = 128
    boxes = path.with_suffix(".bbox.pkl")
    write_boxes(boxes, [BOX] * len(times))
    return write_recording(path, times, frames, sound, RATE), boxes


def _onsets(values: np.ndarray, threshold: float, apart: int) -> list[int]:
    """Where values first reach a threshold after having stayed below it."""
    above = np.flatnonzero(values >= threshold)
    return [int(k) for n, k in enumerate(above) if n == 0 or k - above[n - 1] > apart]


_RATES = {"25": 25, "29.97": Fraction(30000, 1001), "60": 60}
CASES = {**{name: steady_times(Fraction(rate), SECONDS) for name, rate in _RATES.items()}, "variable": uneven_times(SECONDS)}


@pytest.mark.parametrize(("name", "is_held"), [*((name, False) for name in CASES), ("29.97", True), ("variable", True)])
def test_sound_and_video_are_at_most_one_frame_apart(
    name: str, is_held: bool, telltale_models: Callable[[int], Models], options: DubOptions, tmp_path: Path
) -> None:
    path, boxes = _recording(tmp_path / "in.mp4", CASES[name])
    natural = 9 if is_held else 5  # 5.4 s fit nowhere; 3 s fit at a pace between the bounds
    wanted = replace(options, in_bbox_path=boxes, voice=tmp_path / "voice.npy", freeze_frame=is_held)
    np.save(tmp_path / "voice.npy", np.full(256, 1 / 16, np.float32))
    report = dub(path, tmp_path / "out.mp4", telltale_models(natural), wanted)
    assert len(report.processed) == 2
    source, dubbed = decode(path), decode(tmp_path / "out.mp4")
    held = sum(one.fit.freeze_s for one in report.processed)
    frame = 1 / report.media.frame_rate
    num_held = round(held / frame)
    assert (held > 0.5) == is_held
    assert (len(dubbed.frames), dubbed.rate) == (len(source.frames) + num_held, RATE)
    assert abs(len(dubbed.sound) - len(source.sound) - held * RATE) <= RATE * frame
    if not is_held:
        assert np.abs(dubbed.times - source.times).max() < 1e-4
        assert len(dubbed.sound) == len(source.sound)
    flashes = _onsets(dubbed.frames[:, 4:8, 4:8].mean((1, 2, 3)), 200, 8)
    mouths = _onsets(dubbed.frames[:, 80:86, 76:84].mean((1, 2, 3)), 200, 4)
    clicks = np.array(_onsets(np.abs(dubbed.sound).max(axis=1), 0.35, RATE // 20)) / RATE
    assert len(flashes) == len(mouths) == 2
    longest = np.diff(dubbed.times).max() + 1e-3
    for shown in flashes:
        assert np.abs(clicks - dubbed.times[shown]).min() < frame
    for one, shown in zip(report.processed, mouths, strict=True):
        # A mouth is shown with the code of its 40 ms, by the next frame at the latest.
        said = _said_mark(one.fit.output.start_s, one.fit.spoken_s, dubbed.sound, dubbed.rate)
        assert -0.04 - 1e-3 <= dubbed.times[shown] - said <= longest
        assert abs(dubbed.times[shown] - said) <= max(longest, 0.04)


def _said_mark(start_s: float, spoken_s: float, sound: np.ndarray, rate: int) -> float:
    """When the vocoder's click is heard between two times (s): half way through, as unit 16 of 30."""
    first, last = round((start_s + 0.3 * spoken_s) * rate), round((start_s + 0.7 * spoken_s) * rate)
    stretch = np.abs(sound[first:last]).max(axis=1)
    return (first + int(np.flatnonzero(stretch > 0.3 * stretch.max())[0])) / rate
