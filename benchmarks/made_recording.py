"""A made recording as people make them: `python -m benchmarks.made_recording out.mp4 --seconds 600` (29.97 fps, 48 kHz).

Drawn heads with espeak-ng voices talk alone, in turn and off screen, look away and fall silent; there are cuts, music and
stretches without a face. `out.json` beside it says who speaks when.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from avcore.files import private_folder, write_text
from avcore.media import VideoJoiner, VideoWriter
from avcore.speech.audio import resample
from avcore.timeline import frame_at, frames_covering, seconds_to_samples
from avdata.prepare.espeak import EspeakVoice, TimedSpeech, say
from workshop.heads.camera import Pose
from workshop.heads.head import Head, MouthShape, draw
from workshop.heads.motion import motion, mouth_track
from workshop.voices.phrasebook import phrasebook

HEIGHT = 1080
FRAME_RATE = Fraction(30000, 1001)
RATE = 48_000
_HELD = 2
"""Pictures that show one drawing."""
_LINE_PAUSE_S = 1.3
_VOICE, _MUSIC, _MUSIC_BELOW_VOICE = 0.25, 0.08, 0.02
_CHORDS = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (196.0, 246.9, 329.6))
_CHORD_S = 2.5


@dataclass(frozen=True)
class Person:
    """A head and a voice."""

    name: str
    head: int
    voice: EspeakVoice


@dataclass(frozen=True)
class Scene:
    """One shot. seen: who, with their poses. lines: who speaks, one after another. music: its level."""

    seen: tuple[tuple[str, Pose], ...]
    lines: tuple[str, ...]
    music: float = 0.0
    silence_s: float = 0.5


@dataclass(frozen=True)
class Line:
    """What is said. start, end: seconds. is_seen: whether the speaker is in the picture, and not turned away."""

    person: str
    start: float
    end: float
    is_seen: bool


@dataclass
class Shot:
    """A scene in its time. speech: by person, where in the recording it begins (s) and what is said."""

    scene: Scene
    start: float
    end: float
    speech: list[tuple[str, float, TimedSpeech]]


PEOPLE = {
    "Ann": Person("Ann", 1, EspeakVoice("en-us+f2", 160)),
    "Bob": Person("Bob", 2, EspeakVoice("en-us+m3", 165)),
    "Cal": Person("Cal", 4, EspeakVoice("en-gb-x-rp+m7", 150)),
}
_ALONE = Pose(scale=0.30, shift=(0.0, 0.06))
_LEFT, _RIGHT = Pose(scale=0.2, shift=(-0.42, 0.1)), Pose(scale=0.2, shift=(0.42, 0.1))
_AWAY = Pose(scale=0.30, shift=(0.0, 0.06), yaw=1.25)
SCENES = (
    Scene((), (), _MUSIC, 5.0),
    Scene((("Bob", _ALONE),), ("Bob", "Bob")),
    Scene((("Ann", _ALONE),), ("Ann", "Ann")),
    Scene((("Bob", _LEFT), ("Ann", _RIGHT)), ("Bob", "Ann", "Bob", "Ann")),
    Scene((), ("Cal", "Cal"), _MUSIC_BELOW_VOICE),
    Scene((("Cal", _ALONE),), ("Cal", "Cal")),
    Scene((("Ann", _LEFT), ("Cal", _RIGHT)), ("Cal", "Ann")),
    Scene((("Bob", _AWAY),), ("Bob",)),
    Scene((("Ann", _ALONE),), (), _MUSIC, 6.0),
)


def plan(seconds: float, seed: int) -> list[Shot]:
    """The shots of a recording; a shorter one is the beginning of a longer one."""
    rng = np.random.default_rng(seed)
    sentences = [pair.english for pair in phrasebook().choose(400, seed)]
    shots: list[Shot] = []
    now = 0.0
    while now < seconds:
        scene = SCENES[len(shots) % len(SCENES)]
        speech, at = [], now + scene.silence_s
        for name in scene.lines:
            words = rng.choice(sentences, int(rng.integers(2, 5)), replace=False)
            spoken = say(" ".join(words), PEOPLE[name].voice)
            speech.append((name, at, spoken))
            at += len(spoken.samples) / spoken.rate + _LINE_PAUSE_S * float(rng.uniform(0.7, 1.4))
        end = min(float(frame_at(at, FRAME_RATE) / FRAME_RATE), seconds)
        said = [one for one in speech if one[1] + len(one[2].samples) / one[2].rate < seconds - 0.3]
        shots.append(Shot(scene, now, end, said))
        now = end
    return shots


def sound(shots: list[Shot], seconds: float) -> np.ndarray:
    """Voices in the middle and music at both sides, float32 [S, 2] at `RATE`."""
    mixed = np.zeros((seconds_to_samples(seconds, RATE), 2), np.float32)
    for shot in shots:
        first, last = (seconds_to_samples(edge, RATE) for edge in (shot.start, shot.end))
        mixed[first:last] += shot.scene.music * _music(first, last)[: len(mixed[first:last])]
        for _, start, spoken in shot.speech:
            samples = resample(spoken.samples, spoken.rate, RATE)
            voice = samples * (_VOICE / max(float(np.abs(samples).max()), 1e-3))
            begin = seconds_to_samples(start, RATE)
            mixed[begin : begin + len(voice)] += voice[: len(mixed) - begin, None]
    return mixed


def _music(first: int, last: int) -> np.ndarray:
    """Slow chords, float32 [last - first, 2], faded at both ends."""
    time = np.arange(first, last) / RATE
    chord = (time / _CHORD_S).astype(int) % len(_CHORDS)
    swell = np.sin(np.pi * (time / _CHORD_S % 1)) ** 0.5
    sides = [sum(np.sin(2 * np.pi * np.array(_CHORDS)[chord, k] * (1 + side) * time) for k in range(3)) for side in (0, 0.002)]
    edge = np.minimum(np.arange(len(time)), np.arange(len(time))[::-1]) / (0.5 * RATE)
    return (np.stack(sides, axis=1) / 3 * (swell * np.clip(edge, 0, 1))[:, None]).astype(np.float32)


def pictures(shots: list[Shot], seconds: float, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Every picture, uint8 of shape [*size, 3], RGB; size: height and width."""
    heads = {name: Head(person.head) for name, person in PEOPLE.items()}
    drawn, drawn_for = np.zeros((*size, 3), np.uint8), -1
    stage: _Stage | None = None
    number = 0
    for index in range(frames_covering(seconds, FRAME_RATE)):
        time = float(index / FRAME_RATE)
        if stage is None or time >= shots[number].end - 1e-6 > 0:
            number = next((k for k, shot in enumerate(shots) if time < shot.end - 1e-6), len(shots) - 1)
            if stage is None or stage.shot is not shots[number]:
                stage, drawn_for = _Stage(shots[number], number, heads, size), -1
        if index // _HELD != drawn_for:
            drawn, drawn_for = stage.draw(time), index // _HELD
        yield drawn


class _Stage:
    """What is needed to draw one shot."""

    def __init__(self, shot: Shot, number: int, heads: dict[str, Head], size: tuple[int, int]) -> None:
        self.shot, self._heads, self._size = shot, heads, size
        count = frames_covering(shot.end - shot.start) + 1
        self._wall = heads[shot.scene.seen[0][0]].wall(size) if shot.scene.seen else _slide(number, size)
        self._moves = {name: motion(1000 + number * 10 + place, count, pose) for place, (name, pose) in enumerate(shot.scene.seen)}
        self._mouths = {name: self._mouth(name, count) for name, _ in shot.scene.seen}

    def draw(self, time: float) -> np.ndarray:
        """The picture at a time (s) of the recording."""
        step = frame_at(max(time - self.shot.start, 0.0))
        picture = self._wall
        if not self.shot.scene.seen:
            picture = np.roll(picture, 4 * step, axis=1)
        for name, _ in self.shot.scene.seen:
            opening, width = (float(track[step]) for track in self._mouths[name])
            picture = draw(self._heads[name], self._moves[name][step], MouthShape(opening, width), self._size, onto=picture)
        return picture

    def _mouth(self, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        phonemes = [
            (phoneme, at - self.shot.start + begin, at - self.shot.start + end)
            for speaker, at, spoken in self.shot.speech
            if speaker == name
            for phoneme, begin, end in spoken.phonemes
        ]
        return mouth_track(phonemes, count, "en")


def _slide(number: int, size: tuple[int, int]) -> np.ndarray:
    """A picture without a face: blots of colour, uint8 [*size, 3]."""
    small = np.random.default_rng([number, 9]).integers(40, 200, (5, 9, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def lines_of(shots: list[Shot]) -> list[Line]:
    """Who speaks when."""
    lines = []
    for shot in shots:
        seen = {name for name, pose in shot.scene.seen if abs(pose.yaw) < 1}
        lines += [Line(name, at, at + len(said.samples) / said.rate, name in seen) for name, at, said in shot.speech]
    return lines


def write_made_recording(path: Path, seconds: float, round_s: float = 120.0, seed: int = 0, height: int = HEIGHT) -> None:
    """Write a recording, and beside it as JSON who speaks when. It is drawn for `round_s` (s), and then shown again."""
    size = (height, height * 16 // 9)
    num_rounds = max(round(seconds / round_s), 1)
    num_pictures = frame_at(seconds / num_rounds, FRAME_RATE)
    length = num_pictures / FRAME_RATE
    shots = plan(float(length), seed)
    mixed = sound(shots, float(length))
    with private_folder() as scratch:
        piece = scratch / "round.mp4"
        with VideoWriter(piece, size[1], size[0], FRAME_RATE, preset="ultrafast", crf=20) as writer:
            for picture in islice(pictures(shots, float(length), size), num_pictures):
                writer.write_picture(picture)
        with VideoJoiner(path, size[1], size[0], FRAME_RATE, RATE, 2, first_piece=piece) as joiner:
            for begin in (number * length for number in range(num_rounds)):
                joiner.write_piece(piece, [begin + index / FRAME_RATE for index in range(num_pictures)])
                first, last = seconds_to_samples(begin, RATE), seconds_to_samples(begin + length, RATE)
                for start in range(0, last - first, RATE):
                    joiner.write_sound(mixed[start : min(start + RATE, last - first)])
    starts = [float(number * length) for number in range(num_rounds)]
    lines = [replace(line, start=begin + line.start, end=begin + line.end) for begin in starts for line in lines_of(shots)]
    cuts = [begin + shot.start for begin in starts for shot in shots if begin + shot.start]
    write_text(path.with_suffix(".json"), json.dumps({"lines": [asdict(line) for line in lines], "cuts": cuts}, indent=1))


def main() -> None:
    """Make a recording."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.made_recording", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--round", type=float, default=120.0, help="seconds that are drawn; a longer recording shows them again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--height", type=int, default=HEIGHT, help="rows of a picture, 16:9 (default: 1080)")
    options = parser.parse_args()
    write_made_recording(options.out, options.seconds, options.round, options.seed, options.height)


if __name__ == "__main__":
    main()
