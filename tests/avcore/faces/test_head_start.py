"""Faces that another process follows are those that this one would have followed."""

from pathlib import Path

import numpy as np
import pytest

from avcore.faces import head_start
from avcore.faces.find import chosen_face, follow_faces
from avcore.faces.handed_over import packed, unpacked
from avcore.faces.head_start import HeadStart
from avcore.media import PictureSource
from tests.avcore.faces.drawn import Actor, clip

CLIP = Path(__file__).parents[3] / "demo" / "clip.mp4"


def test_what_was_followed_arrives_as_it_was() -> None:
    followed = follow_faces(clip([Actor(1, (-0.45, 0), 0.3), Actor(2, (0.45, 0.05), 0.25, frames=range(5, 20))], 20, (360, 640)))
    assert len(followed.tracks) == 2
    arrived = unpacked(packed(followed))
    for one, other in zip(followed.tracks, arrived.tracks, strict=True):
        assert (one.number, one.shot, one.first, one.num_portraits) == (other.number, other.shot, other.first, other.num_portraits)
        assert [frame[1:] for frame in one.frames] == [frame[1:] for frame in other.frames]
        assert one.boxes.tobytes() == other.boxes.tobytes()
        assert one.portraits.tobytes() == other.portraits.tobytes()
        assert one.lips().tobytes() == other.lips().tobytes()
        found, again = one.landmarks(one.first), other.landmarks(one.first)
        assert found is not None
        assert again is not None
        assert found.tobytes() == again.tobytes()
    assert unpacked(packed(follow_faces([])))[:2] == ([], 0)


def test_another_process_follows_the_same_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_start, "_pays", lambda video: True)
    with HeadStart(CLIP, 12.0) as begun:
        here, there = chosen_face(follow_faces(PictureSource(CLIP))), begun.followed()
        assert there is not None
        other = chosen_face(there)
    assert np.array_equal(here.lips, other.lips)
    assert here.tracks == other.tracks
    assert [frame is None for frame in here.frames] == [frame is None for frame in other.frames]


@pytest.mark.parametrize(("content", "most_s"), [(None, 1.0), (b"no video", 12.0)])
def test_what_it_cannot_do_is_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, most_s: float
) -> None:
    monkeypatch.setattr(head_start, "_pays", lambda video: True)
    video = tmp_path / "a.mp4"
    video.write_bytes(CLIP.read_bytes() if content is None else content)
    with HeadStart(video, most_s) as begun:
        assert begun.followed() is None


def test_nobody_waits_for_a_process_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_start, "_pays", lambda video: True)
    with HeadStart(CLIP, 12.0) as begun:
        process = begun._process
        assert process is not None
    assert process.returncode == -9


def test_with_torch_loaded_there_is_nothing_to_wait_for() -> None:
    import torch  # noqa: F401

    with HeadStart(CLIP, 12.0) as begun:
        assert begun.followed() is None
