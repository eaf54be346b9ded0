"""One decoding finds cuts and faces, and finds the same however often it was stopped and whatever was guessed."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.faces.find import with_shots
from avcore.media import Picture, PictureSource, read_pictures
from avcore.progress import silent
from avcore.work_folder import WorkFolder
from netflips.dub.job import DubJob
from netflips.recording import tracking as seeing
from netflips.recording.plan import Watch
from netflips.recording.tracking import Scenes, look, track_faces
from tests.netflips.recording.made import plain_pictures, uneven_times, write_recording

CUTS = [1.3, 2.0, 3.98, 4.02, 6.5, 7.99]
"""About when the recording changes its picture; some lie at the edge of a stretch."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds and a half without a face, some pictures longer than others; all that moves is a little."""
    times = uneven_times(9.5)
    pictures = plain_pictures(times)
    for number, (one, time) in enumerate(zip(pictures, times, strict=True)):
        one[:] = (one // 8 + 40 * (sum(time >= cut for cut in CUTS) % 5) + number % 3).astype(np.uint8)
    return write_recording(tmp_path_factory.mktemp("made") / "shots.mp4", times, pictures, None)


class Seeing:
    """A job with a work folder, how often its pictures were decoded, and what was shown to those who follow faces."""

    def __init__(self, recording: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[list[tuple[int, int]]] = []
        self.num_decodings = 0
        unused: Any = None
        self.job = DubJob(
            PictureSource(recording), work / "x.mp4", "digest", unused, unused, WorkFolder(work), silent, unused, unused, unused
        )

        def follower(*_: object) -> SimpleNamespace:
            shown: list[tuple[int, int]] = []
            self.shown.append(shown)
            return SimpleNamespace(step=lambda rgb, shot: shown.append((hash(rgb.tobytes()), shot)), finish=lambda: [])

        def read(*arguments: Any, **named: Any) -> Iterator[Picture]:
            self.num_decodings += 1
            return read_pictures(*arguments, **named)

        monkeypatch.setattr(seeing, "Follower", follower)
        monkeypatch.setattr(seeing, "read_pictures", read)
        monkeypatch.setattr(seeing, "_STRETCH_S", 2)
        monkeypatch.setattr(seeing._View, "_detector", None)

    def expected(self, watch: Watch, scenes: Scenes) -> list[tuple[int, int]]:
        """What has to be shown for it."""
        pictures = self.job.source.pictures(watch.first, watch.stop)
        return [(hash(one.rgb.tobytes()), scenes.shot_at(one.time)) for one in pictures]


@pytest.fixture
def watching(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Seeing]:
    return lambda: Seeing(recording, tmp_path, monkeypatch)


def nothing(_: Scenes) -> Sequence[Watch]:
    return []


def test_cuts_are_those_of_each_stretch_alone_however_often_it_was_stopped(
    recording: Path, watching: Callable[[], Seeing], tmp_path: Path
) -> None:
    first = watching()
    cuts = track_faces(first.job, None, nothing).cuts
    assert first.num_decodings == 1
    assert cuts == pytest.approx(CUTS, abs=0.09)
    alone = []
    for start in range(0, 9, 2):
        shots = list(with_shots(read_pictures(recording, max(start - 1, 0), start + 3)))
        begun = [after.picture.time for before, after in pairwise(shots) if after.shot != before.shot]
        alone += [float(time) for time in begun if start <= time < start + 2]
    assert cuts == alone
    kept = sorted((tmp_path / "scenes").glob("*.npz"))
    assert len(kept) == 5
    for lost in ([0], [1, 2], [4], [0, 2, 4]):
        for number in lost:
            kept[number].unlink()
        again = watching()
        assert track_faces(again.job, None, nothing).cuts == cuts
        assert again.job.work.made["scenes"] == len(lost)


def test_faces_are_looked_for_on_the_way(watching: Callable[[], Seeing]) -> None:
    watches = [Watch(10, 20, 40), Watch(39, 30, 80), Watch(200, 10, 225)]
    once = watching()
    scenes = track_faces(once.job, None, lambda _: watches)
    faces = look(once.job, None, scenes, watches)
    assert once.num_decodings == 1
    assert once.shown == [once.expected(watch, scenes) for watch in watches]
    assert [one.watch for one in faces] == watches
    again = watching()
    look(again.job, None, track_faces(again.job, None, lambda _: watches), watches)
    assert (again.num_decodings, again.shown) == (0, [])


def test_a_cut_that_ends_an_utterance_in_a_pause_does_so_before_its_pictures_are_gone(watching: Callable[[], Seeing]) -> None:
    """The utterance that begins behind the pause begins with the cut; the one before ends a tenth of a second earlier."""
    whole, parts = [Watch(10, 90, 100)], [Watch(10, 35, 47), Watch(50, 50, 100)]
    once = watching()
    scenes = track_faces(once.job, None, lambda known: parts if any(abs(cut - 2) < 0.1 for cut in known.cuts) else whole)
    look(once.job, None, scenes, parts)
    assert once.num_decodings == 1
    assert once.shown == [once.expected(watch, scenes) for watch in parts]


def test_what_was_guessed_wrong_is_looked_at_again(watching: Callable[[], Seeing]) -> None:
    whole, parts = [Watch(10, 90, 100)], [Watch(5, 30, 40), Watch(45, 40, 100)]
    once = watching()
    scenes = track_faces(once.job, None, lambda known: parts if any(abs(cut - 2) < 0.1 for cut in known.cuts) else whole)
    look(once.job, None, scenes, parts)
    assert once.num_decodings == 3
    assert once.shown[1:] == [once.expected(watch, scenes) for watch in parts]


def test_an_utterance_behind_the_last_picture_has_no_faces(watching: Callable[[], Seeing]) -> None:
    once = watching()
    beyond = Watch(len(once.job.source) + 5, -5, len(once.job.source))
    (faces,) = look(once.job, None, Scenes([]), [beyond])
    assert (len(beyond), faces.followed) == (0, ())


def test_shots_are_numbered_from_the_first_cut_on() -> None:
    assert [Scenes([1.0, 2.0]).shot_at(Fraction(time, 10)) for time in (0, 9, 10, 19, 20, 30)] == [0, 0, 1, 1, 2, 2]
