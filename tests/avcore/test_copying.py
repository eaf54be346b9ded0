"""Frames are copied as they are stored: the same packets at the same times, with colours, turn and shape of pixels."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.media import MediaSource, SoundWriter, probe, read_speech
from avcore.media.copying import CopiedFrames, VideoCopier, frames_to_copy, write_with_tracks
from avcore.media.sound import read_sound
from avcore.media.sound_writer import AlternateTrack
from tests.avcore.media_samples import Film, clicks
from tests.avcore.test_media_filters import SDR, coded, light_of, write_hdr
from tests.avcore.test_media_sound import click_times

QUARTER = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30]
UNEVEN = [Fraction(k, 1000) for k in (0, 20, 60, 150, 190, 400, 430, 500, 560, 900)]
KEYS = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:open-gop=0:bframes=2"}


def packets(path: Path) -> list[tuple[float, bytes]]:
    """When each packet of the video is shown, and its content."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(float(one.pts * one.time_base), bytes(one)) for one in container.demux(stream) if one.size]


def copied(given: Path, out: Path) -> CopiedFrames:
    frames = frames_to_copy(probe(given), out)
    assert isinstance(frames, CopiedFrames), frames
    seconds = float(probe(given).duration_s)
    with VideoCopier(out, frames, 16000, comment="synthetic: NetfLips", language="ko") as writer:
        writer.write_sound(clicks(16000, seconds, [seconds / 2]))
    return frames


@pytest.mark.parametrize("name", ["o.mp4", "o.mov", "o.mkv"])
@pytest.mark.parametrize(
    ("given", "film"),
    [
        ("a.mp4", Film()), ("a.mkv", Film()), ("a.mp4", Film(times=UNEVEN, tick=Fraction(1, 1000))),
        ("a.mp4", Film(sound=clicks(16000, 2, [1]), audio_start_s=Fraction(-1, 10))),
        ("a.mkv", Film(pixel_aspect=Fraction(4, 3))), ("a.mp4", Film(display_matrix=QUARTER)),
        ("a.mp4", Film(codec="libx265", pixel_format="yuv420p10le", options={"x265-params": "log-level=none"})),
        ("a.mov", Film(codec="mjpeg", pixel_format="yuvj420p")),
    ],
    ids=["h264", "matroska", "uneven", "early sound", "wide pixels", "turned", "10 bits", "mjpeg"],
)  # fmt: skip
def test_packets_stay_bit_for_bit_in_their_places(tmp_path: Path, given: str, film: Film, name: str) -> None:
    source, out = film.write(tmp_path / given), tmp_path / name
    frames = copied(source, out)
    old, new = packets(source), packets(out)
    assert [content for _, content in new] == [content for _, content in old]
    begin = float(probe(source).clock.start)
    np.testing.assert_allclose([time for time, _ in new], [time - begin for time, _ in old], atol=0.0011)  # of Matroska's ticks

    one, other = probe(source), probe(out)
    assert frames.count == other.num_frames == one.num_frames
    assert (other.width, other.height, other.rotation) == (one.width, one.height, one.rotation)
    assert (other.pixel_aspect, other.is_variable_rate) == (one.pixel_aspect, one.is_variable_rate)
    assert other.comment == "synthetic: NetfLips"
    assert click_times(read_speech(out)) == pytest.approx([float(one.duration_s) / 2], abs=0.002)
    with av.open(str(source)) as first, av.open(str(out)) as second:
        forms = [file.streams.video[0].codec_context.pix_fmt for file in (first, second)]
        shown = [[bytes(plane) for frame in file.decode(video=0) for plane in frame.planes] for file in (first, second)]
    assert forms[0] == forms[1]
    assert shown[0] == shown[1]


@pytest.mark.parametrize("kind", ["PQ", "HLG"])
def test_hdr_stays_hdr(tmp_path: Path, kind: str) -> None:
    source, out = write_hdr(tmp_path / "a.mkv", coded(light_of(SDR), kind), kind), tmp_path / "o.mp4"
    copied(source, out)
    with av.open(str(source)) as one, av.open(str(out)) as other:
        told = [
            (at.color_trc, at.color_primaries, at.colorspace, at.color_range, at.pix_fmt)
            for at in (file.streams.video[0].codec_context for file in (one, other))
        ]
    assert told[0] == told[1]
    assert packets(out)[0][1] == packets(source)[0][1]


def test_hevc_has_the_name_that_players_of_apple_take(tmp_path: Path) -> None:
    source = Film(codec="libx265", options={"x265-params": "log-level=none"}).write(tmp_path / "a.mkv")
    for name in ("o.mp4", "o.mov"):
        copied(source, tmp_path / name)
        with av.open(str(tmp_path / name)) as file:
            assert file.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize(
    ("given", "film", "name", "why"),
    [
        ("a.webm", Film(codec="libvpx"), "o.mp4", "codec"),
        ("a.mov", Film(codec="prores_ks", pixel_format="yuv422p10le"), "o.mp4", "codec"),
        ("a.avi", Film(), "o.mp4", "times"),
    ],
)  # fmt: skip
def test_what_cannot_be_copied_says_why(tmp_path: Path, given: str, film: Film, name: str, why: str) -> None:
    assert frames_to_copy(probe(film.write(tmp_path / given)), tmp_path / name) == why
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("first", "late_s", "name"), [(1, 0.0, "o.mp4"), (0, 0.2, "o.mkv")])
def test_a_stream_that_begins_within_a_group_is_not_copied(tmp_path: Path, first: int, late_s: float, name: str) -> None:
    whole, given = Film(options=KEYS).write(tmp_path / "a.mp4"), tmp_path / ("b.mp4" if late_s else "b.mkv")
    with av.open(str(whole)) as old, av.open(str(given), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in [one for one in old.demux(video=0) if one.size][first:]:
            late = round(late_s / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - late, packet.dts - late, stream
            new.mux(packet)
    assert frames_to_copy(probe(given), tmp_path / name) == "cut"


def test_sounds_become_tracks_of_one_file(tmp_path: Path) -> None:
    made = [tmp_path / f"{number}.m4a" for number in (1, 2)]
    for number, path in enumerate(made, 1):
        with SoundWriter(path, 16_000, comment="ours") as writer:
            writer.write_sound(np.sin(np.arange(50_000, dtype=np.float32) / 10 / number))
    tracks = [AlternateTrack(name, "Dubbed", MediaSource(one), name == "en") for name, one in zip(("ko", "en"), made, strict=True)]
    write_with_tracks(tmp_path / "both.m4a", made[0], tracks)
    info = probe(tmp_path / "both.m4a")
    assert (info.comment, info.has_video) == ("ours", False)
    assert [(one.language, one.is_default) for one in info.tracks] == [("kor", False), ("eng", True)]
    for number, path in enumerate(made, 1):
        assert np.array_equal(read_sound(MediaSource(info.path, number))[0], read_sound(path)[0])
