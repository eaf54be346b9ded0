"""Of several tracks of video the one with a face is read, or the one that was asked for."""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.arrays import Pixels
from avcore.errors import MediaError
from avcore.media import probe, read_frames
from avcore.media.tracks import select_tracks
from avcore.notes import noted_by, sentence
from netflips import cli
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from tests.avcore.faces.drawn import head_of
from tests.avcore.media_samples import Film

SLIDE = np.full((96, 160, 3), 230, np.uint8)


@cache
def speaker() -> Pixels:
    return draw(head_of(901), Pose(scale=0.6), MouthShape(0.2, 0.0), 160)


@pytest.fixture(autouse=True)
def _new_command() -> Iterator[None]:
    with noted_by():
        yield


@pytest.fixture
def lecture(tmp_path: Path) -> Path:
    """Slides, which a player shows, and a speaker."""
    path = tmp_path / "lecture.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for image, title in ((SLIDE, "Slides"), (speaker(), "Speaker")):
            stream = container.add_stream("libx264", rate=Fraction(25))
            stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
            stream.metadata["title"] = title
            stream.disposition = av.stream.Disposition.default if title == "Slides" else av.stream.Disposition(0)
            streams.append((stream, image))
        for number in range(10):
            for stream, image in streams:
                frame = av.VideoFrame.from_ndarray(image)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream, _ in streams:
            container.mux(stream.encode(None))
    return path


def test_the_speaker_is_seen_and_the_slides_are_named(lecture: Path) -> None:
    assert next(read_frames(lecture)).rgb.shape == SLIDE.shape
    source = select_tracks(lecture)
    assert next(read_frames(source)).rgb.shape == speaker().shape
    assert (probe(source).width, probe(source).video_track) == (160, 2)
    assert [sentence(note, hint=False) for note in probe(source).notes] == ["video track 2 (Speaker) is taken, not 1 (Slides)"]
    assert next(read_frames(lecture)).rgb.shape == SLIDE.shape


def test_a_number_chooses_and_one_that_is_not_there_is_refused(lecture: Path) -> None:
    assert next(read_frames(select_tracks(lecture, video=1))).rgb.shape == SLIDE.shape
    with pytest.raises(MediaError, match=r"no such video track; expected 1 \(Slides\), 2 \(Speaker\); found video_track: 3"):
        select_tracks(lecture, video=3)


def test_info_lists_them(lecture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(lecture)]) == 0
    shown = capsys.readouterr().out
    assert "video track 1: Slides, h264, 160x96, default" in shown
    assert "video track 2: Speaker, h264, 160x160" in shown


def test_one_track_needs_no_word(tmp_path: Path) -> None:
    assert probe(select_tracks(Film().write(tmp_path / "a.mp4"))).notes == ()
