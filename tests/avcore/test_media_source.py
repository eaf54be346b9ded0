"""What a file holds is told; a video at 25 Hz is read again and again with little of it held."""

import gc
import itertools
import os
import stat
import weakref
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.errors import InputError, MediaError
from avcore.media import Frame, FrameSource, MediaInfo, VideoWriter, probe, read_frames, read_speech
from avcore.media.colour import is_hd, rgb_to_yuv420
from avcore.media.frames import FileClock
from avcore.media.media_source import MediaSource, OnceAFile
from avcore.media.probe import SoundTrack, VideoTrack
from avcore.media.source import Part, Patch, StoredFrame, read_stored
from avcore.timeline import pingpong
from tests.avcore.media_samples import FRAME_RATES, Film, at_constant_rate, clicks, numbered_frame, shown_number
from tests.avcore.test_sound_tracks import write_tracks
from tests.refusal import refused


@pytest.mark.parametrize("rate", FRAME_RATES, ids=str)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_length_is_what_iterating_gives(tmp_path: Path, name: str, rate: Fraction) -> None:
    source = FrameSource(Film(times=at_constant_rate(rate, 47), frame_rate=rate).write(tmp_path / name))
    frames = list(source)
    assert len(source) == len(frames)
    assert len(source) / 25 == pytest.approx(float(47 / rate), abs=0.04)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert [shown_number(frame.rgb) for frame in source] == [shown_number(frame.rgb) for frame in frames]
    refused(MediaError, "no video track", FrameSource, Film(times=(), sound=clicks(16000, 1, [0.5])).write(tmp_path / "a.m4a"))


def test_a_part_is_a_slice_of_the_whole(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    source = FrameSource(Film(times=at_constant_rate(rate, 60), frame_rate=rate).write(tmp_path / "a.mp4"))
    whole = [(shown_number(frame.rgb), frame.time, frame.index) for frame in source]
    for start, stop in itertools.combinations(range(0, len(source) + 1, 9), 2):
        part = [(shown_number(frame.rgb), frame.time, frame.index) for frame in source.frames(start, stop)]
        assert part == whole[start:stop]


@pytest.mark.parametrize("count", [1, 2, 5, 7, 30])
@pytest.mark.parametrize("stretch_bytes", [1, 1 << 30], ids=["short stretches", "one stretch"])
def test_to_and_fro(tmp_path: Path, count: int, stretch_bytes: int) -> None:
    path = Film(times=at_constant_rate(Fraction(25), count)).write(tmp_path / "a.mp4")
    source = FrameSource(path, buffer_bytes=stretch_bytes)
    assert len(source) == count
    frames = list(source.pingpong(75))
    assert [shown_number(frame.rgb) for frame in frames] == [pingpong(step, count) for step in range(75)]
    assert [frame.index for frame in frames] == [pingpong(step, count) for step in range(75)]
    assert list(source.pingpong(0)) == []
    for start in (1, count - 1, count, count + 3, 3 * count + 1):
        shown = [frame.index for frame in source.pingpong(20, start)]
        assert shown == [pingpong(step, count) for step in range(start, start + 20)]


@pytest.mark.parametrize(("stretch_bytes", "again"), [(1, [(26, 29)]), (1 << 30, [])], ids=["short stretches", "held"])
def test_no_more_is_decoded_backwards_than_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stretch_bytes: int, again: list[tuple[int, int]]
) -> None:
    path = Film(times=at_constant_rate(Fraction(25), 30)).write(tmp_path / "a.mp4")
    source = FrameSource(path, buffer_bytes=stretch_bytes)
    asked, frames = [], source.frames

    def noted(start: int, stop: int) -> Iterator[Frame]:
        asked.append((start, stop))
        return frames(start, stop)

    monkeypatch.setattr(source, "frames", noted)
    assert [frame.index for frame in source.pingpong(33)][-4:] == [29, 28, 27, 26]
    assert asked == [(0, 30), *again]


def test_little_is_held(tmp_path: Path) -> None:
    source = FrameSource(Film(times=at_constant_rate(Fraction(25), 120)).write(tmp_path / "a.mp4"), buffer_bytes=1)
    held: set[int] = set()
    most, references = 0, []
    for number, frame in enumerate(source.pingpong(400)):
        held.add(number)
        references.append(weakref.ref(frame.rgb, lambda _, number=number: held.discard(number)))
        del frame
        gc.collect(0)
        most = max(most, len(held))
    assert most <= 10  # of 120: a stretch of 8 and what is on its way


def test_a_file_is_looked_at_once_until_it_changes(tmp_path: Path) -> None:
    path, looked = tmp_path / "a", list[str]()

    def look(source: MediaSource) -> str:
        looked.append(source.path.read_text())
        return looked[-1]

    found = OnceAFile(look, most=3)
    path.write_text("one")
    assert (found(path), found(path), looked) == ("one", "one", ["one"])
    path.write_text("two")
    os.utime(path, ns=(0, 0))
    assert (found(path), found(path), looked[1:]) == ("two", "two", ["two"])
    assert (found(MediaSource(path, 2)), found(MediaSource(path, 2)), looked[2:]) == ("two", "two", ["two"])
    assert (found(path), looked[3:]) == ("two", [])
    path.unlink()
    refused(InputError, "not there", found, path)


def test_results_of_another_way_are_kept_and_failures_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x")

    def look(_: MediaSource) -> str:
        raise ValueError("no")

    found = OnceAFile(look)
    for _ in range(2):
        refused(ValueError, "no", found, path)
    found.keep(path, "told")
    assert found(path) == "told"


ONE = 1 << 16
SIZES = {"small": (128, 96), "hd": (1280, 720), "not a multiple of 16": (150, 98)}


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Colours that change from pixel to pixel, around those that change slowly."""
    rng = np.random.default_rng(seed)
    slow = np.linspace(40, 200, width)[None, :, None] * np.array([1, 0.6, 0.3]) + np.linspace(0, 50, height)[:, None, None]
    return np.asarray(np.clip(slow + rng.normal(0, 20, (height, width, 3)), 0, 255), np.uint8)


def stored(path: Path, **settings: object) -> StoredFrame:
    film = Film(times=(Fraction(0),), **settings)  # type: ignore[arg-type]
    film.frames = [noise(*film.size)]
    return next(read_stored(film.write(path)))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_part_is_the_whole_frames_part(tmp_path: Path, size: tuple[int, int]) -> None:
    frame, (width, height) = stored(tmp_path / "a.mp4", size=size), size
    whole = frame.part(frame.whole)
    assert frame.is_plain
    assert np.abs(whole.astype(int) - frame.rgb).mean() < 2  # colours lie half a pixel to the side
    for rows, columns in (
        (slice(20, 60), slice(30, 90)),
        (slice(21, 58), slice(33, 86)),
        (slice(0, 31), slice(0, 17)),
        (slice(height - 33, height), slice(width - 21, width)),
        (slice(0, height), slice(0, width)),
    ):
        np.testing.assert_array_equal(frame.part(Part(rows, columns)), whole[rows, columns])


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_patch_changes_its_place_as_a_whole_turn_would_alone(tmp_path: Path, size: tuple[int, int]) -> None:
    frame, (width, height) = stored(tmp_path / "a.mp4", size=size), size
    own = frame.patched(None).to_ndarray()
    for place in (Part(slice(20, 60), slice(30, 90)), Part(slice(31, height), slice(0, 53))):
        around = place.widened(8, height, width)
        new = frame.part(around)
        rows, columns = place.within(around)
        new[rows, columns] = noise(*place.shape[::-1], seed=1)
        whole = frame.part(frame.whole)
        whole[place.rows, place.columns] = new[rows, columns]
        drawn = frame.patched(Patch(new, around, place)).to_ndarray()
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
    frame = stored(tmp_path / "a.mp4", **settings)
    assert not frame.is_plain
    np.testing.assert_array_equal(frame.part(Part(slice(3, 40), slice(5, 70))), frame.rgb[3:40, 5:70])


def test_undrawn_frames_come_through_without_a_turn_of_colours(tmp_path: Path) -> None:
    path = Film(frames=[noise(128, 96, seed) for seed in range(50)], options={"crf": "10"}).write(tmp_path / "a.mp4")
    with VideoWriter(tmp_path / "b.mp4", 128, 96, 25, crf=0) as writer:
        for one in read_stored(path):
            writer.write_frame(one.patched(None), one.time)
    with VideoWriter(tmp_path / "c.mp4", 128, 96, 25, crf=0) as writer:
        for one in read_stored(path):
            writer.write_rgb(one.rgb, one.time)
    own, through, turned = ([one.rgb for one in read_frames(tmp_path / name)] for name in ("a.mp4", "b.mp4", "c.mp4"))
    np.testing.assert_array_equal(through, own)
    assert not np.array_equal(turned, own)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return Film(times=at_constant_rate(Fraction(25), 100), sound=clicks(16000, 4, [1.0])).write(tmp_path / "a.mp4")


def test_everything_is_told(film: Path) -> None:
    assert replace(probe(film), tags=()) == MediaInfo(
        MediaSource(film), has_video=True, has_audio=True, width=128, height=96, frame_rate=Fraction(25), duration_s=Fraction(4),
        num_frames=100, audio_rate=16000, audio_channels=1, longest_frame_s=Fraction(1, 25), usual_frame_s=Fraction(1, 25),
        tracks=(SoundTrack(1, "", "", "aac", 16000, 1, is_default=True),), track=1,
        video_tracks=(VideoTrack(1, "", "", "h264", 128, 96, is_default=True),), video_track=1,
        clock=FileClock(Fraction(0), Fraction(0)), video_s=(Fraction(0), Fraction(4)), sound_s=(Fraction(0), Fraction(4)),
    )  # fmt: skip


def test_sound_files(tmp_path: Path) -> None:
    for name, codec in (("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.m4a", "aac"), ("a.mp3", "libmp3lame")):
        info = probe(Film(times=(), sound=clicks(16000, 1, [0.5]), audio_codec=codec).write(tmp_path / name))
        assert (info.has_video, info.has_audio, info.audio_rate, info.width) == (False, True, 16000, 0)
        assert float(info.duration_s) == pytest.approx(1, abs=0.1)


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    path = _with_cover_art(tmp_path / "song.m4a")
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    assert not probe(path).has_video
    assert len(read_speech(path)) == 16000
    refused(MediaError, "no video track", next, read_frames(path))


def test_the_track_marked_as_default_is_taken(tmp_path: Path) -> None:
    one, other = (np.full(1600, level, np.float32) for level in (0.1, 0.2))
    path = write_tracks(tmp_path / "two_languages.mkv", [(one, "", ""), (other, "", "")], default=1)
    assert np.allclose(read_speech(path), 0.2, atol=1e-4)


def test_pixel_aspect_is_as_shown(tmp_path: Path) -> None:
    turned = (0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30)
    film = Film(times=[Fraction(0)], pixel_aspect=Fraction(16, 15), display_matrix=turned)
    assert probe(film.write(tmp_path / "a.mp4")).pixel_aspect == Fraction(15, 16)


@pytest.mark.parametrize("name", ["말하는 사람 1.mp4", "with spaces.mp4", "100%.mp4", "a:b.mp4", "semi;colon'quote.mp4"])
def test_names(film: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, bare, and in a folder that may only be read."""
    renamed = film.rename(film.with_name(name))
    before = sorted(film.parent.iterdir())
    monkeypatch.chdir(film.parent)
    film.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        for path in (renamed, Path(name)):
            assert probe(path).num_frames == len(list(read_frames(path))) == 100
            assert len(read_speech(path)) == 64_000
        assert sorted(film.parent.iterdir()) == before
    finally:
        film.parent.chmod(stat.S_IRWXU)


def _make_unfinished(path: Path, film: Path) -> None:
    path.write_bytes(film.read_bytes()[: film.stat().st_size // 2])


def _make_cut_faststart(path: Path, film: Path) -> None:
    whole = Film(times=at_constant_rate(Fraction(25), 100), muxer_options={"movflags": "+faststart"}, options={"g": "25"})
    whole.write(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])


def _make_cut_mkv(path: Path, film: Path) -> None:
    content = Film(times=at_constant_rate(Fraction(25), 100), options={"g": "25"}).write(path.with_suffix(".mkv")).read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def _make_joined(path: Path, film: Path) -> None:
    content = Film(times=at_constant_rate(Fraction(25), 100)).write(path.with_suffix(".ts")).read_bytes()
    path.write_bytes(content + content)


def _with(content: bytes) -> Any:
    return lambda path, film: path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda path, film: None, InputError, "not there"),
        (lambda path, film: path.mkdir(), InputError, "must be a file; found a folder"),
        (_with(b""), InputError, "is empty; found 0 bytes"),
        (_with("Das ist kein Film, sondern Prosa: für und wider.\n".encode() * 200), MediaError, "found a text file"),
        (_with(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"), MediaError, "found a text file"),
        (_with(np.random.default_rng(0).bytes(50_000)), MediaError, "found data of an unknown kind"),
        (_make_unfinished, MediaError, "cut short .its index, moov, is missing"),
        (_make_cut_faststart, MediaError, "cut short; expected 4.00 s; found [123]"),
        (_make_joined, MediaError, "clock jumps back"),
        (_make_cut_mkv, MediaError, "cut short; expected 4.00 s; found [123]"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, film: Path, make: Any, kind: type[InputError], words: str) -> None:
    path = tmp_path / "b.mp4"
    make(path, film)
    message = refused(kind, words, probe, path)
    assert message.startswith(str(path))
    assert "\n" not in message


def _with_cover_art(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 128, 96, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(clicks(16000, 1, [0.5])[None], "fltp", "mono")
        frame.sample_rate = 16000
        pieces = av.AudioResampler("fltp", "mono", 16000, 1024)
        image = av.VideoFrame.from_ndarray(numbered_frame(3)).reformat(format="yuvj420p")
        container.mux(cover.encode(image) + cover.encode(None))
        position = 0
        for piece in pieces.resample(frame) + pieces.resample(None):
            piece.pts, position = position, position + piece.samples
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path
