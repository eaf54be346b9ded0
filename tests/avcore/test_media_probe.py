"""What a file holds is told, and what is wrong with it is told in one sentence."""

import stat
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avcore.errors import InputError, MediaError
from avcore.media import MediaInfo, probe, read_pictures, read_speech
from avcore.media.pictures import FileClock
from avcore.media.probe import PictureTrack, SoundTrack
from tests.avcore.media_samples import Film, at_constant_rate, clicks, numbered_picture


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return Film(times=at_constant_rate(Fraction(25), 100), sound=clicks(16000, 4, [1.0])).write(tmp_path / "a.mp4")


def test_everything_is_told(film: Path) -> None:
    assert replace(probe(film), tags=()) == MediaInfo(
        path=film, has_video=True, has_audio=True, width=128, height=96, frame_rate=Fraction(25), duration_s=Fraction(4),
        num_frames=100, audio_rate=16000, audio_channels=1, longest_picture_s=Fraction(1, 25), usual_picture_s=Fraction(1, 25),
        tracks=(SoundTrack(1, "", "", "aac", 16000, 1, is_default=True),), track=1,
        picture_tracks=(PictureTrack(1, "", "", "h264", 128, 96, is_default=True),), picture_track=1,
        clock=FileClock(Fraction(0), Fraction(0)), picture_s=(Fraction(0), Fraction(4)), sound_s=(Fraction(0), Fraction(4)),
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
    with pytest.raises(MediaError, match="no video track"):
        next(read_pictures(path))


def test_the_track_marked_as_default_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "two_languages.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16000, layout="mono") for _ in range(2)]
        streams[0].disposition = av.stream.Disposition.dub
        streams[1].disposition = av.stream.Disposition.default
        for number, stream in enumerate(streams):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1600), 1000 * (number + 1), np.int16), "s16", "mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
    assert np.allclose(read_speech(path), 2000 / 32768)


def test_pixel_aspect_is_as_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)
        stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_picture(1)).reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    assert probe(path).pixel_aspect == Fraction(15, 16)


@pytest.mark.parametrize("name", ["말하는 사람 1.mp4", "with spaces.mp4", "100%.mp4", "a:b.mp4", "semi;colon'quote.mp4"])
def test_names(film: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, bare, and in a folder that may only be read."""
    renamed = film.rename(film.with_name(name))
    before = sorted(film.parent.iterdir())
    monkeypatch.chdir(film.parent)
    film.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        for path in (renamed, Path(name)):
            assert probe(path).num_frames == len(list(read_pictures(path))) == 100
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
    with pytest.raises(kind, match=words) as caught:
        probe(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def _with_cover_art(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 128, 96, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(clicks(16000, 1, [0.5])[None], "fltp", "mono")
        frame.sample_rate = 16000
        pieces = av.AudioResampler("fltp", "mono", 16000, 1024)
        picture = av.VideoFrame.from_ndarray(numbered_picture(3)).reformat(format="yuvj420p")
        container.mux(cover.encode(picture) + cover.encode(None))
        position = 0
        for piece in pieces.resample(frame) + pieces.resample(None):
            piece.pts, position = position, position + piece.samples
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path
