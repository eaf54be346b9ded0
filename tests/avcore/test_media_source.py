"""A video at 25 Hz: its length is known, it can be read again and again, to and fro, and little of it is held."""

import gc
import itertools
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from avcore.errors import MediaError
from avcore.media import Picture, PictureSource
from avcore.timeline import pingpong
from tests.avcore.media_samples import PICTURE_RATES, Film, at_constant_rate, clicks, shown_number


@pytest.mark.parametrize("rate", PICTURE_RATES, ids=str)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_length_is_what_iterating_gives(tmp_path: Path, name: str, rate: Fraction) -> None:
    source = PictureSource(Film(times=at_constant_rate(rate, 47), frame_rate=rate).write(tmp_path / name))
    pictures = list(source)
    assert len(source) == len(pictures)
    assert len(source) / 25 == pytest.approx(float(47 / rate), abs=0.04)
    assert [picture.index for picture in pictures] == list(range(len(pictures)))
    assert [shown_number(picture.rgb) for picture in source] == [shown_number(picture.rgb) for picture in pictures]


def test_a_part_is_a_slice_of_the_whole(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    source = PictureSource(Film(times=at_constant_rate(rate, 60), frame_rate=rate).write(tmp_path / "a.mp4"))
    whole = [(shown_number(picture.rgb), picture.time, picture.index) for picture in source]
    for start, stop in itertools.combinations(range(0, len(source) + 1, 9), 2):
        part = [(shown_number(picture.rgb), picture.time, picture.index) for picture in source.pictures(start, stop)]
        assert part == whole[start:stop]


@pytest.mark.parametrize("count", [1, 2, 5, 7, 30])
@pytest.mark.parametrize("stretch_bytes", [1, 1 << 30], ids=["short stretches", "one stretch"])
def test_to_and_fro(tmp_path: Path, count: int, stretch_bytes: int) -> None:
    path = Film(times=at_constant_rate(Fraction(25), count)).write(tmp_path / "a.mp4")
    source = PictureSource(path, buffer_bytes=stretch_bytes)
    assert len(source) == count
    pictures = list(source.pingpong(75))
    assert [shown_number(picture.rgb) for picture in pictures] == [pingpong(step, count) for step in range(75)]
    assert [picture.index for picture in pictures] == [pingpong(step, count) for step in range(75)]
    assert list(source.pingpong(0)) == []
    for start in (1, count - 1, count, count + 3, 3 * count + 1):
        shown = [picture.index for picture in source.pingpong(20, start)]
        assert shown == [pingpong(step, count) for step in range(start, start + 20)]


@pytest.mark.parametrize(("stretch_bytes", "again"), [(1, [(26, 29)]), (1 << 30, [])], ids=["short stretches", "held"])
def test_no_more_is_decoded_backwards_than_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch_bytes: int, again: list[tuple[int, int]]
) -> None:
    path = Film(times=at_constant_rate(Fraction(25), 30)).write(tmp_path / "a.mp4")
    source = PictureSource(path, buffer_bytes=stretch_bytes)
    asked, pictures = [], source.pictures

    def noted(start: int, stop: int) -> Iterator[Picture]:
        asked.append((start, stop))
        return pictures(start, stop)

    monkeypatch.setattr(source, "pictures", noted)
    assert [picture.index for picture in source.pingpong(33)][-4:] == [29, 28, 27, 26]
    assert asked == [(0, 30), *again]


def test_little_is_held(tmp_path: Path) -> None:
    source = PictureSource(Film(times=at_constant_rate(Fraction(25), 120)).write(tmp_path / "a.mp4"), buffer_bytes=1)
    held: set[int] = set()
    most, references = 0, []
    for number, picture in enumerate(source.pingpong(400)):
        held.add(number)
        references.append(weakref.ref(picture.rgb, lambda _, number=number: held.discard(number)))
        del picture
        gc.collect(0)
        most = max(most, len(held))
    assert most <= 10  # of 120: a stretch of 8 and what is on its way


def test_a_source_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no video track"):
        PictureSource(Film(times=(), sound=clicks(16000, 1, [0.5])).write(tmp_path / "a.m4a"))
