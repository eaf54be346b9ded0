"""What is transparent in a video is white, as in a portrait, and a line says so: nothing that was keyed out comes back."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.media import probe, read_pictures
from avcore.notes import sentence

GREEN, SKIN = (20, 200, 20), (200, 150, 120)


HLG = {"color_trc": 18, "color_primaries": 9, "colorspace": 9}


def keyed(path: Path, codec: str, pixel_format: str, alpha: int = 0, first: int | None = None, **tags: int) -> Path:
    """A square of skin before a green wall that was keyed out. alpha: of the wall; first: of it in the first picture."""
    rgba = np.empty((96, 128, 4), np.uint8)
    rgba[:] = (*GREEN, alpha)
    rgba[24:72, 32:96] = (*SKIN, 255)
    with av.open(str(path), "w") as container:
        options = {"auto-alt-ref": "0"} if codec.startswith("libvpx") else {}
        stream = container.add_stream(codec, rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pixel_format
        if path.suffix == ".webm":
            stream.metadata["alpha_mode"] = "1"
        for number in range(5):
            rgba[rgba[..., 1] == GREEN[1], 3] = alpha if number or first is None else first
            frame = av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for tag, value in tags.items():
                setattr(frame, tag, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("vp9.webm", "libvpx-vp9", "yuva420p"),
        ("vp8.webm", "libvpx", "yuva420p"),
        ("prores.mov", "prores_ks", "yuva444p10le"),
        ("animation.mov", "qtrle", "argb"),
    ],
)
def test_a_wall_that_was_keyed_out_is_white(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    path = keyed(tmp_path / name, codec, pixel_format)
    pictures = list(read_pictures(path))
    assert len(pictures) == 5
    for picture in (*pictures, *read_pictures(path, Fraction(2, 25))):
        np.testing.assert_allclose(picture.rgb[8, 8], 255, atol=4)
        np.testing.assert_allclose(picture.rgb[48, 64], SKIN, atol=8)
    assert [sentence(note) for note in probe(path).notes] == ["transparent parts are shown on white"]


def test_a_wall_that_was_keyed_out_of_hdr_is_white(tmp_path: Path) -> None:
    path = keyed(tmp_path / "a.mov", "prores_ks", "yuva444p10le", **HLG)
    for picture in read_pictures(path):
        np.testing.assert_allclose(picture.rgb[8, 8], 255, atol=4)
        assert picture.rgb[48, 64, 2] < 150
    told = [sentence(note) for note in probe(path).notes]
    assert ["transparent" in line for line in told] == [True, False]
    assert "HLG" in told[1]


def test_what_becomes_transparent_later_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = keyed(tmp_path / "a.mov", "qtrle", "argb", first=255)
    assert probe(path).notes == ()
    shown = [tuple(picture.rgb[8, 8]) for picture in read_pictures(path)]
    assert shown == [GREEN] + [(255, 255, 255)] * 4
    assert ["transparent" in sentence(note) for note in probe(path).notes] == [True]


@pytest.mark.parametrize("alpha", [255, 128])
def test_what_is_opaque_stays_and_half_is_half(tmp_path: Path, alpha: int) -> None:
    path = keyed(tmp_path / "a.mov", "qtrle", "argb", alpha)
    seen = next(read_pictures(path)).rgb[8, 8]
    np.testing.assert_allclose(seen, np.array(GREEN) * alpha / 255 + (255 - alpha), atol=2)
    assert len(probe(path).notes) == (alpha < 255)


def test_alpha_that_hides_all_means_nothing(tmp_path: Path) -> None:
    """Some programs store colours without ever setting their alpha."""
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 128, 96, "argb"
        rgba = np.zeros((96, 128, 4), np.uint8)
        rgba[..., :3] = SKIN
        container.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format="argb")))
        container.mux(stream.encode(None))
    np.testing.assert_allclose(next(read_pictures(path)).rgb[48, 64], SKIN, atol=2)
