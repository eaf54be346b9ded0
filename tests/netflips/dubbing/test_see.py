"""Cuts and faces are the same however often the search was stopped, and nothing is decoded twice for them."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from avcore.faces.cuts import with_shots
from avcore.media import FrameSource, read_frames
from avcore.media.frames import read_small_frames
from avcore.notes import Notes
from avcore.progress import silent
from avcore.timeline import Interval
from netflips.dubbing import shots as cutting
from netflips.dubbing import track_faces as seeing
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions
from netflips.dubbing.recording import Recording, read
from netflips.dubbing.roads.units import UnitRoad
from netflips.dubbing.shots import Shots
from netflips.dubbing.store import Store
from netflips.dubbing.track_faces import Faces, FrameSpan, track_faces
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from tests.netflips.dubbing.made import plain_frames, uneven_times, write_recording
from unit2av.lipsync.backend import LipSyncChoice

DEMO = Path(__file__).parents[3] / "docs" / "clip" / "clip.mp4"
CUTS = [1.3, 2.0, 3.98, 4.02, 6.5, 7.99]
"""About when the recording changes its frame; some lie at the edge of a stretch."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds and a half without a face, some frames longer than others; all that moves is a little."""
    times = uneven_times(9.5)
    frames = plain_frames(times)
    for number, (one, time) in enumerate(zip(frames, times, strict=True)):
        one[:] = (one // 8 + 40 * (sum(time >= cut for cut in CUTS) % 5) + number % 3).astype(np.uint8)
    return write_recording(tmp_path_factory.mktemp("made") / "shots.mp4", times, frames, None)


class Seeing:
    """A job with a store, how often its frames were decoded, and what was shown to those who follow faces."""

    def __init__(self, recording: Path, work: Path, monkeypatch: pytest.MonkeyPatch, workers: int = 1) -> None:
        self.shown: list[list[tuple[int, int]]] = []
        self.num_decodings = 0
        unused: Any = None
        source, options = FrameSource(recording), DubOptions(timing="source")
        notes = Notes(recording)
        lips, store = LipSyncChoice("mesh"), Store(work)
        self.job = Job(source.info, work / "x.mp4", unused, UnitRoad(), options, "digest", lips, store, work, silent, notes, {})

        def follower(*_: object) -> SimpleNamespace:
            shown: list[tuple[int, int]] = []
            self.shown.append(shown)
            return SimpleNamespace(step=lambda rgb, shot: shown.append((hash(rgb.tobytes()), shot)), finish=lambda: [])

        def counted(read: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
            def reading(*arguments: Any, **named: Any) -> Iterator[Any]:
                self.num_decodings += 1
                return read(*arguments, **named)

            return reading

        monkeypatch.setattr(seeing, "Follower", follower)
        monkeypatch.setattr(seeing, "read_frames", counted(read_frames))
        monkeypatch.setattr(cutting, "read_small_frames", counted(read_small_frames))
        monkeypatch.setattr(cutting, "_STRETCH_S", 2)
        monkeypatch.setattr(seeing, "max_threads", lambda: workers)
        monkeypatch.setattr("avcore.faces.detect.FaceDetector", nullcontext)

    def cuts(self) -> list[float]:
        return list(read(self.job).shots.cuts)

    def look(self, shots: Sequence[float], *places: tuple[float, float]) -> Faces:
        script = _script(shots, places)
        return track_faces(script, self.job.divided(script), Recording(self.job.info, shots=Shots(shots)))

    def expected(self, seen: FrameSpan, shots: Shots) -> list[tuple[int, int]]:
        frames = self.job.source.frames(seen.first, seen.stop)
        return [(hash(one.rgb.tobytes()), shots.shot_at(one.time)) for one in frames]


def _script(shots: Sequence[float], places: Sequence[tuple[float, float]]) -> Script:
    utterances = tuple(Utterance(number, Interval(*place)) for number, place in enumerate(places, 1))
    return Script(schedule="own", utterances=utterances, cuts=tuple(shots))


@pytest.fixture
def watching(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Seeing]:
    return lambda: Seeing(recording, tmp_path, monkeypatch)


def test_cuts_are_the_same_however_often_it_was_stopped(recording: Path, watching: Callable[[], Seeing], tmp_path: Path) -> None:
    first = watching()
    found = first.cuts()
    assert first.num_decodings == 1
    assert found == pytest.approx(CUTS, abs=0.09)
    alone = []
    for start in range(0, 9, 2):
        shots = list(with_shots(read_frames(recording, max(start - 3, 0), start + 5)))
        begun = [after.frame.time for before, after in pairwise(shots) if after.shot != before.shot]
        alone += [float(time) for time in begun if start <= time < start + 2]
    assert found == alone
    kept = sorted((tmp_path / "scenes").glob("*.npz"))
    assert len(kept) == 5
    for lost in ([0], [1, 2], [4], [0, 2, 4]):
        for number in lost:
            kept[number].unlink()
        again = watching()
        assert (again.cuts(), again.job.store.made["scenes"]) == (found, len(lost))


@pytest.mark.parametrize("rate", [25, 50])
def test_a_dissolve_is_a_change_of_the_shot_at_any_rate(rate: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    one, other = (cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (128, 72)) for _ in range(2))
    shares = np.clip((np.arange(4 * rate) / rate - 1.6) / 0.6, 0, 1)  # from 1.6 to 2.2 s
    frames = [cv2.addWeighted(one, 1 - share, other, share, 0) for share in shares]
    path = write_recording(tmp_path / "x.mp4", [Fraction(number, rate) for number in range(4 * rate)], frames, None)
    info = FrameSource(path).info
    for _ in range(2):  # found, and kept
        shots = cutting.kept_shots(info, info.duration_s, Store(tmp_path / "work"), "digest", silent)
        ((start_s, end_s, kind),) = shots.transitions
        assert (kind, start_s, end_s) == ("dissolve", pytest.approx(1.6, abs=0.1), pytest.approx(2.2, abs=0.1))
        assert shots.cuts == (pytest.approx(1.9, abs=0.05),)


def test_of_a_part_no_more_is_looked_at_than_it_takes(watching: Callable[[], Seeing]) -> None:
    shots, places, once = watching().cuts(), [(0.4, 1.2), (1.56, 2.76), (6.0, 6.5)], watching()
    once.job = replace(once.job, options=DubOptions(timing="source", end=1.4, utterance_length=(0.1, 0.2)))
    faces = once.look(shots, *places)
    assert faces.seen.keys() == {1}
    assert once.shown == [once.expected(faces.spans[1], Shots(shots))]

    (made,) = watching().job.store.folder.glob("scenes")
    shutil.rmtree(made)
    assert once.cuts() == [cut for cut in shots if cut < 2]  # of stretches of 2 s
    assert once.job.store.made["scenes"] == 1
    assert watching().cuts() == shots


def test_faces_of_near_utterances_are_found_in_one_decoding(watching: Callable[[], Seeing]) -> None:
    shots, once, places = watching().cuts(), watching(), [(0.4, 1.2), (1.56, 2.76), (8.0, 8.4)]
    faces = once.look(shots, *places)
    assert once.num_decodings == 1
    assert once.shown == [once.expected(faces.spans[number], Shots(shots)) for number in (1, 2, 3)]
    assert [faces.seen[number].span for number in (1, 2, 3)] == [faces.spans[number] for number in (1, 2, 3)]
    again = watching()
    assert again.look(shots, *places).seen.keys() == {1, 2, 3}
    assert (again.num_decodings, again.shown) == (0, [])
    more = watching()
    faces = more.look(shots, *places[:2], (6.0, 6.5), places[2])
    assert more.num_decodings == 1
    assert more.shown == [more.expected(faces.spans[3], Shots(shots))]  # the new one alone, with the pause behind it


def test_lanes_show_each_utterance_what_one_lane_shows(
    recording: Path, watching: Callable[[], Seeing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots, places = watching().cuts(), [(0.4, 1.2), (1.56, 2.76), (2.9, 5.0), (6.0, 6.5), (8.0, 8.4)]
    monkeypatch.setattr(seeing, "_MIN_PER_WORKER", 1)
    workers = Seeing(recording, tmp_path, monkeypatch, workers=3)
    faces = workers.look(shots, *places)
    assert workers.num_decodings > 2
    expected = [workers.expected(faces.spans[number], Shots(shots)) for number in range(1, 6)]
    assert sorted(workers.shown) == sorted(expected)
    assert [faces.seen[number].span for number in range(1, 6)] == [faces.spans[number] for number in range(1, 6)]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people beside each other, one of whom turns the head, and after a cut one of them alone."""
    clip, frames = list(read_frames(DEMO, 0, 2)), []
    for number, one in enumerate(clip[:44]):
        face = cv2.resize(one.rgb, (224, 224))
        turn = 1 - 0.25 * np.sin(number / 5) ** 2
        other = cv2.warpAffine(face[:, ::-1], np.array([[turn, 0, 112 * (1 - turn)], [0, 1, 0]]), (224, 224))
        frames.append(np.hstack([face, other]) if number < 26 else np.pad(face, ((0, 0), (112, 112), (0, 0))))
    path = tmp_path_factory.mktemp("people") / "people.mp4"
    return write_recording(path, [Fraction(number, 25) for number in range(44)], frames, None)


def test_an_utterance_behind_the_last_frame_has_no_faces(watching: Callable[[], Seeing]) -> None:
    once = watching()
    end = len(once.job.source) / 25
    faces = once.look([], (end + 0.2, end + 0.4))
    assert (faces.spans[1].length, faces.seen[1].faces) == (0, ())


def test_shots_are_numbered_from_the_first_cut_on() -> None:
    assert [Shots([1.0, 2.0]).shot_at(Fraction(time, 10)) for time in (0, 9, 10, 19, 20, 30)] == [0, 0, 1, 1, 2, 2]
