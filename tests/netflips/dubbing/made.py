"""Made recordings: drawn heads that babble with known pauses, at any frame rate, and what was written in their place."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from avcore.media import VideoWriter
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.script.files import write_script
from netflips.script.notes import why_left
from netflips.script.targets import Text, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from recipes.demo.heads.motion import motion
from tests.avcore.faces.drawn import head_of
from tests.avcore.made_speech import talk

SIZE = (120, 160)
"""Height and width."""
PLAN = [0.8, 2.6, 1.4, 2.3, 1.2, 2.4, 1.3]
"""Seconds of pause and speech in turn, of the recording that most tests dub."""
RATE, FRAME_RATE = 44_100, Fraction(15000, 1001)
"""Its samples and frames a second."""
CUT_S = 4.0
"""A cut of its frame, in the first pause but one."""


@dataclass(frozen=True)
class Decoded:
    """A video as a player sees it. frames: uint8 [T, height, width, 3]; times: s; sound: float32 [S, channel] at rate Hz."""

    frames: np.ndarray
    times: np.ndarray
    sound: np.ndarray
    rate: int


def steady_times(rate: Fraction, seconds: float) -> list[Fraction]:
    return [k / Fraction(rate) for k in range(int(seconds * rate))]


def uneven_times(seconds: float) -> list[Fraction]:
    """Times of frames that stay for 20, 30, 40, 60 or 90 ms."""
    rng, times, now = np.random.default_rng(0), [], 0
    while now < seconds * 1000:
        times.append(Fraction(now, 1000))
        now += int(rng.choice([20, 30, 40, 60, 90]))
    return times


def head_frames(times: Sequence[Fraction], seed: int = 3) -> list[np.ndarray]:
    """One head in all frames, talking all the time; drawn at 12.5 Hz to be quick, each drawing shown again."""
    return [_drawing(seed, int(time * 12.5) % 64) for time in times]


@cache
def _drawing(seed: int, step: int) -> np.ndarray:
    pose = motion(seed, 64, Pose(scale=0.42))[step]
    drawn: np.ndarray = draw(head_of(seed), pose, MouthShape(0.4 - 0.4 * float(np.cos(step))), SIZE)
    return drawn


def plain_frames(times: Sequence[Fraction]) -> list[np.ndarray]:
    """Frames without a face, each of its own."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    still = columns * 255 // SIZE[1], rows * 255 // SIZE[0]
    return [np.stack([*still, (rows + columns + 3 * k) % 256], -1).astype(np.uint8) for k in range(len(times))]


def speech(plan: Sequence[float], rate: int = 44_100, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Silence and babble in turn (s), float32 [S, channel] at `rate` Hz."""
    return np.repeat(resample(talk(list(plan), seed), SAMPLE_RATE, rate)[:, None], channels, axis=1)


def write_recording(
    path: Path, times: Sequence[Fraction], frames: Sequence[np.ndarray], sound: np.ndarray | None, rate: int = RATE
) -> Path:
    height, width = frames[0].shape[:2]
    fps = Fraction(len(times)) / (times[-1] + times[1] - times[0])
    channels = 1 if sound is None else sound.shape[1]
    with VideoWriter(path, width, height, fps, None if sound is None else rate, channels, preset="ultrafast") as writer:
        if sound is not None:
            for start in range(0, len(sound), rate):
                writer.write_sound(sound[start : start + rate])
        for time, frame in zip(times, frames, strict=True):
            writer.write_rgb(frame, time)
    return path


def decode(path: Path) -> Decoded:
    """Decode all of a small video with PyAV alone, so that nothing of ours stands between file and test."""
    plain = VideoReformatter()  # one for all: a frame's own is made anew for each
    with av.open(str(path)) as container:
        frames = [(frame.pts * frame.time_base, plain.reformat(frame, format="rgb24")) for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        blocks = [(frame.to_ndarray(), frame.sample_rate) for frame in container.decode(audio=0)] if container.streams.audio else []
    return Decoded(
        np.stack([frame.to_ndarray() for _, frame in frames]),
        np.array([float(time) for time, _ in frames]),
        np.concatenate([block for block, _ in blocks], axis=1).T if blocks else np.zeros((0, 1), np.float32),
        blocks[0][1] if blocks else 0,
    )


def write_times(path: Path, *rows: tuple[Any, ...]) -> Path:
    """Write a script of some utterances: beginning, end (s), and if need be the text that is said and the one that is heard."""
    filled = [(Interval(start, end), *texts, "", "")[:3] for start, end, *texts in rows]
    said = [(place, said and WrittenText(said), heard and Text(heard)) for place, said, heard in filled]
    utterances = tuple(Utterance(place=place, target=target or None, text=text or None) for place, target, text in said)
    write_script(path, Script(utterances=utterances))
    return path


def why_alone(one: Utterance) -> str:
    """Why an utterance was left alone, "" = it was not."""
    note = one.note("left_alone")
    return "" if note is None else why_left(note.values)


def given_text(one: Utterance) -> str:
    return one.target.text if isinstance(one.target, WrittenText) and one.target.by != "cascade" else ""


def work_made(report: Script) -> dict[str, int]:
    """How many pieces of work of each kind were made, and not kept from an earlier run."""
    return {stage: count["made"] for stage, count in report.result.work_counts.items() if count["made"]}
