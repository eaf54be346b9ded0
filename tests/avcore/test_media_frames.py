"""Frames come out upright, in order and at their time; pieces are joined; what is transparent is white, as in a portrait."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.errors import InputError, MediaError, OutputError
from avcore.media import Frame, VideoJoiner, VideoWriter, at_rate, iter_sound_at, probe, read_frames, write_speech
from avcore.media.decoding import DecodedFrame
from avcore.media.frames import View
from avcore.media.media_source import MediaSource
from avcore.media.shapes import Shape
from avcore.media.source import read_stored
from avcore.notes import sentence
from tests.avcore.media_samples import Film, at_constant_rate, clicks, joined, numbered_frame, shown_number
from tests.refusal import refused

ONE = 1 << 16
# a, b, c, d of the display matrix, and how a player shows a stored frame with it.
ORIENTATIONS = {
    "as stored": ((ONE, 0, 0, ONE), lambda stored: stored),
    "a quarter to the left": ((0, -ONE, ONE, 0), lambda stored: np.rot90(stored, 1)),
    "half a turn": ((-ONE, 0, 0, -ONE), lambda stored: np.rot90(stored, 2)),
    "a quarter to the right": ((0, ONE, -ONE, 0), lambda stored: np.rot90(stored, 3)),
    "mirrored": ((-ONE, 0, 0, ONE), lambda stored: stored[:, ::-1]),
    "upside down": ((ONE, 0, 0, -ONE), lambda stored: stored[::-1]),
    "transposed": ((0, ONE, ONE, 0), lambda stored: stored.transpose(1, 0, 2)),
    "transposed the other way": ((0, -ONE, -ONE, 0), lambda stored: np.rot90(stored, 2).transpose(1, 0, 2)),
}
ROTATIONS = {"as stored": 0, "a quarter to the left": 90, "half a turn": 180, "a quarter to the right": 270}


def numbers(path: Path, start: float | None = None, end: float | None = None) -> list[int]:
    return [shown_number(frame.rgb) for frame in read_frames(path, start, end)]


@pytest.mark.parametrize(
    ("name", "film"),
    [
        ("a.mp4", Film()),
        ("a.mov", Film(options={"bf": "3", "g": "12"})),
        ("a.mkv", Film(options={"bf": "3"})),
        ("vp9.webm", Film(codec="libvpx-vp9", options={"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"})),
        ("vp8.webm", Film(codec="libvpx", options={"auto-alt-ref": "1", "lag-in-frames": "16"})),
        ("mpeg4.avi", Film(codec="mpeg4", tick=Fraction(1, 25))),
        ("b_frames.avi", Film(codec="mpeg4", tick=Fraction(1, 25), options={"bf": "2"})),
        ("h264.avi", Film(tick=Fraction(1, 25), options={"bf": "3"})),
        ("a.ts", Film()),
        ("a.flv", Film(tick=Fraction(1, 1000))),
        ("raw.h264", Film(tick=Fraction(1, 25))),
        ("ten_bits.mkv", Film(codec="libx265", pixel_format="yuv420p10le", options={"x265-params": "log-level=none"})),
        ("full_chroma.mp4", Film(pixel_format="yuv444p")),
        ("odd.mkv", Film(pixel_format="yuv444p", size=(127, 95))),
        ("rgb.mkv", Film(codec="ffv1", pixel_format="bgr0")),
        ("gray.mkv", Film(codec="ffv1", pixel_format="gray")),
        ("full_range.mp4", Film(pixel_format="yuvj420p")),
        ("fragments.mp4", Film(options={"g": "10"}, muxer_options={"movflags": "frag_keyframe+empty_moov"})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_frame_in_order_at_its_time(tmp_path: Path, name: str, film: Film) -> None:
    path = film.write(tmp_path / name)
    frames = list(read_frames(path))
    assert [shown_number(frame.rgb) for frame in frames] == list(range(50))
    assert [frame.index for frame in frames] == list(range(50))
    assert [frame.time for frame in frames] == at_constant_rate(Fraction(25), 50)
    assert frames[0].rgb.shape == (film.size[1], film.size[0], 3)
    info = probe(path)
    assert (info.width, info.height, info.num_frames, info.duration_s) == (*film.size, 50, 2)
    assert (info.frame_rate, info.is_variable_rate) == (25, False)
    # From the middle: the frame on screen at the start, up to the last one that begins before the end.
    assert numbers(path, 1.01, 1.2) == [25, 26, 27, 28, 29]
    assert numbers(path, 1.96) == [49]
    assert numbers(path, 7.0) == [49]


@pytest.mark.parametrize("start", range(0, 50, 7))
@pytest.mark.parametrize("options", [{"g": "250", "bf": "4"}, {"g": "8", "bf": "2"}, {"g": "1"}], ids=str)
def test_reading_from_the_middle_equals_reading_on(tmp_path: Path, options: dict[str, str], start: int) -> None:
    path = Film(options=options).write(tmp_path / "a.mp4")
    everything = [frame for frame in read_frames(path) if frame.time >= Fraction(start, 25)]
    from_middle = list(read_frames(path, Fraction(start, 25)))
    assert [frame.time for frame in from_middle] == [frame.time for frame in everything]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(from_middle, everything, strict=True))


def test_a_variable_rate_is_followed(tmp_path: Path) -> None:
    gaps = [Fraction(n, 1000) for n in (17, 33, 40, 100, 5, 350, 41, 8, 8, 8, 8, 120, 33, 33, 33)]
    times = [sum(gaps[:k], Fraction(0)) for k in range(len(gaps))]
    path = Film(times=times).write(tmp_path / "a.mp4")
    info = probe(path)
    assert info.is_variable_rate
    assert [frame.time for frame in read_frames(path)] == times
    shown = list(at_rate(read_frames(path), duration_s=info.duration_s))
    for frame in shown:
        number = shown_number(frame.rgb)
        assert times[number] <= frame.time
        assert number + 1 == len(times) or frame.time < times[number + 1]
    assert len({shown_number(frame.rgb) for frame in shown}) > 5


def test_at_rate_by_hand() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    source = [Frame(pixels + n, Fraction(n, 30), n) for n in range(6)]
    assert [int(p.rgb[0, 0, 0]) for p in at_rate(iter(source), 25)] == [0, 1, 2, 3, 4]
    assert [int(p.rgb[0, 0, 0]) for p in at_rate(iter(source), 60)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [int(p.rgb[0, 0, 0]) for p in at_rate(iter(source), 25, duration_s=0.08)] == [0, 1]
    assert [int(p.rgb[0, 0, 0]) for p in at_rate(iter(source), 25, duration_s=0.4)] == [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]
    assert [p.index for p in at_rate(iter(source[3:]), 25, first=3)] == [3, 4]
    assert list(at_rate(iter([]), 25)) == []


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_frames_stand_upright(tmp_path: Path, orientation: str) -> None:
    (a, b, c, d), shown_as = ORIENTATIONS[orientation]
    stored = numbered_frame(0b00010110)
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = Film(times=(Fraction(0),), frames=[stored], display_matrix=matrix).write(tmp_path / "a.mp4")
    expected = shown_as(stored)
    (frame,) = read_frames(path)
    assert frame.rgb.shape == expected.shape
    assert np.abs(frame.rgb.astype(int) - expected).mean() < 6
    info = probe(path)
    assert (info.height, info.width) == expected.shape[:2]
    if orientation in ROTATIONS:
        assert info.rotation == ROTATIONS[orientation]


def test_edit_lists_hide_what_they_hide(tmp_path: Path) -> None:
    # The muxer stores negative times with an edit list, as phones do after trimming.
    times = [Fraction(k - 5, 25) for k in range(50)]
    path = Film(times=times, sound=clicks(16000, 2, [1.0]), options={"g": "50"}).write(tmp_path / "a.mp4")
    assert numbers(path) == list(range(5, 50))
    assert probe(path).video_s == (0, Fraction(45, 25))
    assert [frame.time for frame in read_frames(path)] == at_constant_rate(Fraction(25), 45)


def test_frames_may_not_be_drawn_on_and_sound_alone_has_none(tmp_path: Path) -> None:
    frame = next(read_frames(Film().write(tmp_path / "a.mp4")))
    with pytest.raises(ValueError, match="read-only"):
        frame.rgb[0, 0] = 0
    path = Film(times=(), sound=clicks(16000, 1, [0.5])).write(tmp_path / "a.m4a")
    refused(MediaError, r"no video track.*sound only", next, read_frames(path))
    refused(InputError, "not there", next, read_frames(tmp_path / "missing.mp4"))


def test_damage_in_the_middle_is_bridged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = Film(times=at_constant_rate(Fraction(25), 100), options={"g": "10"}).write(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + (content.rindex(b"moov") - content.index(b"mdat")) // 2
    content[middle : middle + 300] = bytes(np.random.default_rng(0).integers(0, 256, 300, dtype=np.uint8))
    path.write_bytes(content)
    frames = list(read_frames(path))
    assert 60 < len(frames) <= 100
    assert shown_number(frames[-1].rgb) == 99
    assert frames[-1].time == Fraction(99, 25)
    assert "damaged video packets were skipped" in caplog.text


SIZE = 64


def _frame(number: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), 40 + number % 160, np.uint8)


def _piece(path: Path, first: int, times: list[Fraction], rate: Fraction) -> Path:
    with VideoWriter(path, SIZE, SIZE, rate) as writer:
        for k, time in enumerate(times):
            writer.write_rgb(_frame(first + k), time - times[0])
    return path


def _join(path: Path, rate: Fraction, pieces: list[tuple[Path, list[Fraction]]], sound: np.ndarray | None = None) -> Path:
    with VideoJoiner(path, SIZE, SIZE, rate, None if sound is None else 16_000, first_piece=pieces[0][0]) as joiner:
        for piece, times in pieces:
            joiner.write_piece(piece, times)
        if sound is not None:
            joiner.write_sound(sound)
    return path


def _decoded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with av.open(str(path)) as container:
        frames = [(frame.to_ndarray(format="rgb24"), frame.pts * frame.time_base) for frame in container.decode(video=0)]
    return np.stack([pixels for pixels, _ in frames]), np.array([float(time) for _, time in frames])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25)])
def test_joined_pieces_show_the_same_frames_at_their_times(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    times = [k / rate for k in range(60)]
    bounds = [(0, 1), (1, 3), (3, 30), (30, 60)]
    pieces = [(_piece(tmp_path / f"{a}.mp4", a, times[a:b], rate), times[a:b]) for a, b in bounds]
    joined, shown = _decoded(_join(tmp_path / f"joined{suffix}", rate, pieces))
    assert np.array_equal(joined, np.concatenate([_decoded(piece)[0] for piece, _ in pieces]))
    assert shown == pytest.approx([float(time) for time in times], abs=1e-3 if suffix == ".mkv" else 1e-6)
    assert probe(tmp_path / f"joined{suffix}").frame_rate == rate


def test_uneven_times_and_sound_stay_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = [Fraction(int(time), 1000) for time in np.cumsum([0, *rng.choice([15, 40, 200], 49)])]
    rate = Fraction(len(times)) / times[-1]
    pieces = [(_piece(tmp_path / f"{a}.mp4", a, times[a : a + 10], rate), times[a : a + 10]) for a in range(0, 50, 10)]
    sound = 0.1 * np.sin(np.arange(16_000) / 7).astype(np.float32)
    path = _join(tmp_path / "joined.mp4", rate, pieces, sound)
    joined, shown = _decoded(path)
    assert shown == pytest.approx([float(time) for time in times], abs=1e-4)
    assert joined[:, 5, 5, 0] == pytest.approx([_frame(k)[0, 0, 0] for k in range(50)], abs=3)
    assert sum(len(block) for block in iter_sound_at(path, 16_000)) == 16_000


def test_a_piece_that_lacks_frames_is_refused(tmp_path: Path) -> None:
    times = [Fraction(k, 25) for k in range(10)]
    piece = _piece(tmp_path / "piece.mp4", 0, times[:9], Fraction(25))
    refused(OutputError, "10 frames", _join, tmp_path / "joined.mp4", Fraction(25), [(piece, times)])
    assert not (tmp_path / "joined.mp4").exists()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 8_000])
def test_a_stream_is_resampled_without_losing_its_place(tmp_path: Path, rate: int) -> None:
    tone = np.sin(np.arange(48_000) * 2 * np.pi * 440 / 16_000).astype(np.float32) / 2
    write_speech(tmp_path / "tone.wav", tone)
    found = np.concatenate(list(iter_sound_at(tmp_path / "tone.wav", rate)))
    assert found.shape[1] == 1
    assert abs(len(found) - 3 * rate) <= 64
    wanted = np.sin(np.arange(len(found)) * 2 * np.pi * 440 / rate) / 2
    assert np.abs(found[200:-200, 0] - wanted[200:-200]).max() < 0.02


def test_a_video_without_sound_has_none_to_resample(tmp_path: Path) -> None:
    mute = _piece(tmp_path / "mute.mp4", 0, [Fraction(0), Fraction(1, 25)], Fraction(25))
    refused(MediaError, "no sound track", list, iter_sound_at(mute, 16_000))


GREEN, SKIN = (20, 200, 20), (200, 150, 120)


HLG = {"color_trc": 18, "color_primaries": 9, "colorspace": 9}


def keyed(path: Path, codec: str, pixel_format: str, alpha: int = 0, first: int | None = None, **tags: int) -> Path:
    """A square of skin before a green wall that was keyed out. alpha: of the wall; first: of it in the first frame."""
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
    frames = list(read_frames(path))
    assert len(frames) == 5
    for frame in (*frames, *read_frames(path, Fraction(2, 25))):
        np.testing.assert_allclose(frame.rgb[8, 8], 255, atol=4)
        np.testing.assert_allclose(frame.rgb[48, 64], SKIN, atol=8)
    assert [sentence(note) for note in probe(path).notes] == ["transparent parts are shown on white"]


def test_a_wall_that_was_keyed_out_of_hdr_is_white(tmp_path: Path) -> None:
    path = keyed(tmp_path / "a.mov", "prores_ks", "yuva444p10le", **HLG)
    for frame in read_frames(path):
        np.testing.assert_allclose(frame.rgb[8, 8], 255, atol=4)
        assert frame.rgb[48, 64, 2] < 150
    told = [sentence(note) for note in probe(path).notes]
    assert ["transparent" in line for line in told] == [True, False]
    assert "HLG" in told[1]


def test_what_becomes_transparent_later_is_told_when_it_is_read(tmp_path: Path) -> None:
    source = MediaSource(keyed(tmp_path / "a.mov", "qtrle", "argb", first=255))
    assert probe(source).notes == ()
    shown = [tuple(frame.rgb[8, 8]) for frame in read_frames(source)]
    assert shown == [GREEN] + [(255, 255, 255)] * 4
    assert ["transparent" in sentence(note) for note in probe(source).notes] == [True]


@pytest.mark.parametrize("alpha", [255, 128])
def test_what_is_opaque_stays_and_half_is_half(tmp_path: Path, alpha: int) -> None:
    path = keyed(tmp_path / "a.mov", "qtrle", "argb", alpha)
    seen = next(read_frames(path)).rgb[8, 8]
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
    np.testing.assert_allclose(next(read_frames(path)).rgb[48, 64], SKIN, atol=2)


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
    """Also where the small frames are most of it."""
    how = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    sizes = [(128, 96), (256, 192), (192, 144), (128, 96)]
    path = joined(tmp_path / name, *(film(10, size, codec=codec, options=how) for size in sizes))
    info, frames = probe(path), list(read_frames(path))
    assert (info.width, info.height) == (256, 192)
    assert [frame.rgb.shape for frame in frames] == [(192, 256, 3)] * 40
    assert [shown_number(frame.rgb) for frame in frames] == [*range(10)] * 4
    assert "128x96, 256x192, 192x144" in sentence(info.notes[0])
    assert len(info.notes) == 1


def test_a_telephone_that_is_turned(tmp_path: Path) -> None:
    """The form that lasts longest is the output's; in the other nothing is squeezed."""
    path = joined(tmp_path / "a.ts", film(10, (128, 96)), film(15, (96, 128)))
    info, frames = probe(path), list(read_frames(path))
    assert (info.width, info.height) == (96, 128)
    assert (bars(frames[0].rgb), bars(frames[20].rgb)) == ((128 - 72, 0), (0, 0))
    assert [shown_number(frame.rgb[28:100]) for frame in frames[:10]] == [*range(10)]
    assert [shown_number(frame.rgb) for frame in frames[10:]] == [*range(15)]


def test_bars_lie_around_frames_that_are_turned_upright() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 200, np.uint8))
    turned = View(Fraction(0), Shape(96, 128), (0, 1, -1, 0)).convert(DecodedFrame(frame, Fraction(0)), 0).rgb
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
    info, frames = probe(path), list(read_frames(path))
    assert (info.width, info.height, info.pixel_aspect) == (192, 144, Fraction(1))
    assert [bars(frames[number].rgb) for number in (0, 15, 25)] == [(0, 0), (36, 0), (0, 0)]
    assert "192x144, 256x144" in sentence(info.notes[0])


def test_pixels_that_stay_as_they_are_stay(tmp_path: Path) -> None:
    one, other = (film(10, size, pixel_aspect=Fraction(16, 15)) for size in ((176, 144), (180, 144)))
    path = joined(tmp_path / "a.ts", other, one)
    assert (probe(path).width, probe(path).height, probe(path).pixel_aspect) == (180, 144, Fraction(16, 15))
    assert bars(list(read_frames(path))[-1].rgb)[1] in (0, 4)  # 176 of 180 columns, and no row less


def test_frames_that_look_as_large_need_no_line(tmp_path: Path) -> None:
    """MPEG-2 says how large a frame looks, not what shape its pixels have."""
    one, other = (film(10, size, codec="mpeg2video", pixel_aspect=Fraction(16, 15)) for size in ((176, 144), (180, 144)))
    path = joined(tmp_path / "a.ts", other, one)
    assert (probe(path).width, probe(path).height, probe(path).pixel_aspect) == (192, 144, Fraction(1))
    assert probe(path).notes == ()


def test_reading_from_the_middle_and_as_stored_is_the_same(tmp_path: Path) -> None:
    path = joined(tmp_path / "a.webm", film(10, (128, 96), codec="libvpx"), film(15, (96, 128), codec="libvpx"))
    frames, stored = list(read_frames(path)), list(read_stored(path))
    for frame, later in zip(frames[5:], read_frames(path, Fraction(1, 5)), strict=True):
        assert np.array_equal(frame.rgb, later.rgb)
    assert [one.is_plain for one in stored] == [False] * 10 + [True] * 15
    for frame, one in zip(frames, stored, strict=True):
        assert np.array_equal(frame.rgb, one.rgb)


def test_a_file_that_is_not_probed_first_is_read_alike(tmp_path: Path) -> None:
    path = joined(tmp_path / "a.webm", film(5, (128, 96), codec="libvpx"), film(10, (256, 192), codec="libvpx"))
    assert {frame.rgb.shape for frame in read_frames(path)} == {(192, 256, 3)}


def test_ordinary_files_have_one_shape(tmp_path: Path) -> None:
    path = Film(options={"g": "5"}).write(tmp_path / "a.mp4")
    assert probe(path).changing is None
    assert probe(path).notes == ()


@pytest.mark.filterwarnings("error")
def test_a_size_that_changes_between_keyframes_is_named_when_read(tmp_path: Path) -> None:
    """No header of a packet says it before: AV1 refers to frames of another size."""
    options = {"preset": "12", "svtav1-params": "resize-mode=1:resize-denom=16:resize-kf-denom=8"}
    source = MediaSource(film(10, (256, 192), codec="libsvtav1", options=options).write(tmp_path / "a.mkv"))
    assert probe(source).notes == ()
    frames = list(read_frames(source))
    assert [frame.rgb.shape for frame in frames] == [(192, 256, 3)] * 10
    assert [shown_number(frame.rgb) for frame in frames] == [*range(10)]
    assert ["256x192, ..." in sentence(note) for note in probe(source).notes] == [True]
