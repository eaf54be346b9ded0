"""Pictures that change their size, or the shape of their pixels, on the way are neither squeezed nor thrown away."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.media import probe, read_pictures
from avcore.media.decoding import DecodedFrame
from avcore.media.opening import notes_of
from avcore.media.pictures import View
from avcore.media.shapes import Shape
from avcore.media.source import read_stored
from avcore.notes import sentence
from tests.avcore.media_samples import Film, at_constant_rate, joined, shown_number


def film(count: int, size: tuple[int, int], **more: object) -> Film:
    return Film(times=at_constant_rate(Fraction(25), count), size=size, tick=Fraction(1, 25), **more)  # type: ignore[arg-type]


def bars(rgb: NDArray[np.uint8]) -> tuple[int, int]:
    """Rows and columns that are black."""
    light = rgb.max(axis=2) > 8
    return int((~light.any(axis=1)).sum()), int((~light.any(axis=0)).sum())


CODECS = [
    ("vp8.webm", "libvpx"),
    ("vp9.webm", "libvpx-vp9"),
    ("h264.ts", "libx264"),
    ("h264.h264", "libx264"),
    ("hevc.ts", "libx265"),
]


@pytest.mark.parametrize(("name", "codec"), CODECS, ids=[name for name, _ in CODECS])
def test_a_call_that_begins_small_is_as_large_as_it_gets(tmp_path: Path, name: str, codec: str) -> None:
    """Also where the small pictures are most of it."""
    how = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    sizes = [(128, 96), (256, 192), (192, 144), (128, 96)]
    path = joined(tmp_path / name, *(film(10, size, codec=codec, options=how) for size in sizes))
    info, pictures = probe(path), list(read_pictures(path))
    assert (info.width, info.height) == (256, 192)
    assert [picture.rgb.shape for picture in pictures] == [(192, 256, 3)] * 40
    assert [shown_number(picture.rgb) for picture in pictures] == [*range(10)] * 4
    assert "128x96, 256x192, 192x144" in sentence(info.notes[0])
    assert len(info.notes) == 1


def test_a_telephone_that_is_turned(tmp_path: Path) -> None:
    """The form that lasts longest is the output's; in the other nothing is squeezed."""
    path = joined(tmp_path / "a.ts", film(10, (128, 96)), film(15, (96, 128)))
    info, pictures = probe(path), list(read_pictures(path))
    assert (info.width, info.height) == (96, 128)
    assert bars(pictures[0].rgb) == (128 - 72, 0)
    assert bars(pictures[20].rgb) == (0, 0)
    assert [shown_number(picture.rgb[28:100]) for picture in pictures[:10]] == [*range(10)]
    assert [shown_number(picture.rgb) for picture in pictures[10:]] == [*range(15)]


def test_bars_lie_around_pictures_that_are_turned_upright() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 200, np.uint8))
    turned = View(Fraction(0), Shape(96, 128), (0, 1, -1, 0)).picture(DecodedFrame(frame, Fraction(0)), 0).rgb
    assert turned.shape == (96, 128, 3)
    assert bars(turned) == (0, 128 - 72)


def test_a_short_screen_does_not_set_the_form(tmp_path: Path) -> None:
    path = joined(tmp_path / "a.webm", film(5, (320, 90), codec="libvpx"), film(20, (128, 96), codec="libvpx"))
    assert (probe(path).width, probe(path).height) == (128, 96)


def test_pixels_that_change_their_shape_become_square(tmp_path: Path) -> None:
    """A broadcast of 4:3 with an advertisement of 16:9."""
    wide, narrow = (
        film(10, (180, 144), codec="mpeg2video", pixel_aspect=aspect) for aspect in (Fraction(64, 45), Fraction(16, 15))
    )
    path = joined(tmp_path / "a.ts", narrow, wide, narrow)
    info, pictures = probe(path), list(read_pictures(path))
    assert (info.width, info.height, info.pixel_aspect) == (192, 144, Fraction(1))
    assert [bars(pictures[number].rgb) for number in (0, 15, 25)] == [(0, 0), (36, 0), (0, 0)]
    assert "192x144, 256x144" in sentence(info.notes[0])


def test_pixels_that_stay_as_they_are_stay(tmp_path: Path) -> None:
    one, other = (film(10, size, pixel_aspect=Fraction(16, 15)) for size in ((176, 144), (180, 144)))
    path = joined(tmp_path / "a.ts", other, one)
    assert (probe(path).width, probe(path).height, probe(path).pixel_aspect) == (180, 144, Fraction(16, 15))
    assert bars(list(read_pictures(path))[-1].rgb)[1] in (0, 4)  # 176 of 180 columns, and no row less


def test_pictures_that_look_as_large_need_no_line(tmp_path: Path) -> None:
    """MPEG-2 says how large a picture looks, not what shape its pixels have."""
    one, other = (film(10, size, codec="mpeg2video", pixel_aspect=Fraction(16, 15)) for size in ((176, 144), (180, 144)))
    path = joined(tmp_path / "a.ts", other, one)
    assert (probe(path).width, probe(path).height, probe(path).pixel_aspect) == (192, 144, Fraction(1))
    assert probe(path).notes == ()


def test_reading_from_the_middle_and_as_stored_is_the_same(tmp_path: Path) -> None:
    path = joined(tmp_path / "a.webm", film(10, (128, 96), codec="libvpx"), film(15, (96, 128), codec="libvpx"))
    pictures, stored = list(read_pictures(path)), list(read_stored(path))
    for picture, later in zip(pictures[5:], read_pictures(path, Fraction(1, 5)), strict=True):
        assert np.array_equal(picture.rgb, later.rgb)
    assert [one.is_plain for one in stored] == [False] * 10 + [True] * 15
    for picture, one in zip(pictures, stored, strict=True):
        assert np.array_equal(picture.rgb, one.rgb)


def test_a_file_that_is_not_probed_first_is_read_alike(tmp_path: Path) -> None:
    path = joined(tmp_path / "a.webm", film(5, (128, 96), codec="libvpx"), film(10, (256, 192), codec="libvpx"))
    assert {picture.rgb.shape for picture in read_pictures(path)} == {(192, 256, 3)}


def test_ordinary_files_have_one_shape(tmp_path: Path) -> None:
    path = Film(options={"g": "5"}).write(tmp_path / "a.mp4")
    assert probe(path).changing is None
    assert probe(path).notes == ()


@pytest.mark.filterwarnings("error")
def test_a_size_that_changes_between_keyframes_is_told_when_it_is_read(tmp_path: Path) -> None:
    """No header of a packet says it before: AV1 refers to pictures of another size."""
    options = {"preset": "12", "svtav1-params": "resize-mode=1:resize-denom=16:resize-kf-denom=8"}
    path = film(10, (256, 192), codec="libsvtav1", options=options).write(tmp_path / "a.mkv")
    assert probe(path).notes == ()
    pictures = list(read_pictures(path))
    assert [picture.rgb.shape for picture in pictures] == [(192, 256, 3)] * 10
    assert [shown_number(picture.rgb) for picture in pictures] == [*range(10)]
    assert ["256x192, ..." in sentence(note) for note in notes_of(path)] == [True]
    assert probe(path).notes == notes_of(path)
