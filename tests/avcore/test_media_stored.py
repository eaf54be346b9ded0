"""A part of a stored picture is the whole one's part, and what is put back changes nothing else."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.media import VideoWriter, read_pictures
from avcore.media.colour import is_hd, rgb_to_yuv420
from avcore.media.stored import Part, Patch, StoredPicture, read_stored
from tests.avcore.media_samples import Film

ONE = 1 << 16
SIZES = {"small": (128, 96), "hd": (1280, 720), "not a multiple of 16": (150, 98)}


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Colours that change from pixel to pixel, around those that change slowly."""
    rng = np.random.default_rng(seed)
    slow = np.linspace(40, 200, width)[None, :, None] * np.array([1, 0.6, 0.3]) + np.linspace(0, 50, height)[:, None, None]
    return np.asarray(np.clip(slow + rng.normal(0, 20, (height, width, 3)), 0, 255), np.uint8)


def stored(path: Path, **settings: object) -> StoredPicture:
    """The only picture of a film."""
    film = Film(times=(Fraction(0),), **settings)  # type: ignore[arg-type]
    film.pictures = [noise(*film.size)]
    return next(read_stored(film.write(path)))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_part_is_the_whole_pictures_part(tmp_path: Path, size: tuple[int, int]) -> None:
    picture, (width, height) = stored(tmp_path / "a.mp4", size=size), size
    whole = picture.part(picture.whole)
    assert picture.is_plain
    assert np.abs(whole.astype(int) - picture.rgb).mean() < 2  # colours lie half a pixel to the side
    for rows, columns in (
        (slice(20, 60), slice(30, 90)),
        (slice(21, 58), slice(33, 86)),
        (slice(0, 31), slice(0, 17)),
        (slice(height - 33, height), slice(width - 21, width)),
        (slice(0, height), slice(0, width)),
    ):
        np.testing.assert_array_equal(picture.part(Part(rows, columns)), whole[rows, columns])


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_patch_changes_its_place_as_if_all_had_been_converted_and_nothing_else(tmp_path: Path, size: tuple[int, int]) -> None:
    picture, (width, height) = stored(tmp_path / "a.mp4", size=size), size
    own = picture.frame(None).to_ndarray()
    for place in (Part(slice(20, 60), slice(30, 90)), Part(slice(31, height), slice(0, 53))):
        around = place.widened(8, height, width)
        new = picture.part(around)
        rows, columns = place.within(around)
        new[rows, columns] = noise(*place.shape[::-1], seed=1)
        whole = picture.part(picture.whole)
        whole[place.rows, place.columns] = new[rows, columns]
        drawn = picture.frame(Patch(new, around, place)).to_ndarray()
        wanted = rgb_to_yuv420(av.VideoFrame.from_ndarray(whole, "rgb24"), is_hd(width, height)).to_ndarray()
        inside = np.zeros((height, width), bool)
        inside[place.widened(0, height, width)] = True
        colours = np.concatenate([inside[::2, ::2].reshape(-1), inside[::2, ::2].reshape(-1)])
        is_place = np.concatenate([inside.reshape(-1), colours])
        np.testing.assert_array_equal(drawn.reshape(-1)[is_place], wanted.reshape(-1)[is_place])
        np.testing.assert_array_equal(drawn.reshape(-1)[~is_place], own.reshape(-1)[~is_place])


@pytest.mark.parametrize(
    "settings",
    [
        {"pixel_format": "yuv444p"},
        {"pixel_format": "yuvj420p"},
        {"pixel_format": "yuv420p10le"},
        {"display_matrix": (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30)},
    ],
    ids=["all colours", "full range", "ten bits", "on its side"],
)
def test_what_is_stored_otherwise_is_not_taken_for_plain(tmp_path: Path, settings: dict[str, object]) -> None:
    picture = stored(tmp_path / "a.mp4", **settings)
    assert not picture.is_plain
    np.testing.assert_array_equal(picture.part(Part(slice(3, 40), slice(5, 70))), picture.rgb[3:40, 5:70])


def test_pictures_that_nobody_drew_on_come_through_without_a_turn_of_their_colours(tmp_path: Path) -> None:
    path = Film(pictures=[noise(128, 96, seed) for seed in range(50)], options={"crf": "10"}).write(tmp_path / "a.mp4")
    with VideoWriter(tmp_path / "b.mp4", 128, 96, 25, crf=0) as writer:
        for one in read_stored(path):
            writer.write_frame(one.frame(None), one.time)
    with VideoWriter(tmp_path / "c.mp4", 128, 96, 25, crf=0) as writer:
        for one in read_stored(path):
            writer.write_picture(one.rgb, one.time)
    own, through, turned = ([one.rgb for one in read_pictures(tmp_path / name)] for name in ("a.mp4", "b.mp4", "c.mp4"))
    np.testing.assert_array_equal(through, own)
    assert not np.array_equal(turned, own)
