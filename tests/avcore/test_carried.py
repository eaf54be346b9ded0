"""Titles, chapters and tracks of subtitles: carried over from a video, and written."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet

from avcore.media import MediaSource, Subtitle, SubtitleTrack, VideoWriter, probe
from avcore.media.passthrough import PassthroughMetadata, titles_in
from avcore.notes import sentence

ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
SPOKEN = SubtitleTrack("en", [Subtitle(0.25, 0.75, "one\nand two"), Subtitle(1.0, 1.5, "three")])
OWN = SubtitleTrack("ko", [Subtitle(0.5, 1.0, "하나")])


def frame(number: int) -> np.ndarray:
    return np.full((48, 64, 3), 4 * number, np.uint8)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two seconds with titles, chapters and three tracks: text, styled text, bitmaps."""
    plain = tmp_path / "plain.mkv"
    with VideoWriter(plain, 64, 48, 25, 16_000, preset="ultrafast", subtitles=[SPOKEN]) as writer:
        for number in range(50):
            writer.write_rgb(frame(number))
    path = tmp_path / "source.mkv"
    with av.open(str(plain)) as given, av.open(str(path), "w") as out:
        out.metadata.update({"title": "My talk", "artist": "A. Speaker", "comment": "mine", "x-own": "kept by Matroska"})
        out.set_chapters([chapter(1, 0, 500, "Intro"), chapter(2, 500, 2000, "Main")])
        streams = {stream.index: out.add_stream_from_template(stream) for stream in given.streams}
        for old, new in zip(given.streams, streams.values(), strict=True):
            new.metadata["language"] = old.metadata.get("language", "fra")
        styled, bitmap = out.add_stream("ass"), out.add_stream("dvdsub")
        styled.codec_context.subtitle_header = ASS
        styled.metadata.update({"language": "fra", "title": "styled"})
        streams[given.streams.subtitles[0].index].disposition = av.stream.Disposition.default
        packets = [packet for packet in given.demux() if packet.size]
        for packet in packets:
            packet.stream = streams[packet.stream_index]
        for stream, content in ((styled, b"0,0,Default,,0,0,0,,{\\i1}un{\\i0}\\Net deux"), (bitmap, bytes(40))):
            packet = Packet(content)
            packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = stream, Fraction(1, 1000), 300, 300, 400
            packets.append(packet)
        for packet in sorted(packets, key=lambda one: float(one.dts * one.time_base)):
            out.mux(packet)
    return path


def chapter(number: int, start: int, end: int, title: str) -> dict[str, Any]:
    return {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}


def write(path: Path, carried: PassthroughMetadata, own: tuple[SubtitleTrack, ...] = ()) -> Path:
    arguments = {"preset": "ultrafast", "comment": "synthetic", "carried": carried, "language": "ko", "subtitles": own}
    with VideoWriter(path, 64, 48, 25, 16_000, **arguments) as writer:  # type: ignore[arg-type]
        for number in range(50):
            writer.write_rgb(frame(number))
    return path


def chapters_in(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as container:
        found = [(one["start"], one["end"], float(one["time_base"]), one["metadata"]["title"]) for one in container.chapters()]
    return [(start * tick, end * tick, title) for start, end, tick, title in found]


def tracks_in(path: Path) -> list[tuple[str, str, list[tuple[float, float, str]]]]:
    """Language, codec and texts of each track: from, to (s), text; bitmaps are not read."""
    found = []
    with av.open(str(path)) as container:
        count = len(container.streams.subtitles)
    for number in range(count):
        with av.open(str(path)) as container:
            stream, shown = container.streams.subtitles[number], []
            codec = stream.codec_context.codec
            for packet in container.demux(stream):
                texts = [one.dialogue.decode() for one in stream.decode(packet)] if packet.size and codec.text_sub else []
                if texts or (packet.size and codec.bitmap_sub):
                    start = float(packet.pts * packet.time_base)
                    shown.append((round(start, 3), round(start + float(packet.duration * packet.time_base), 3), "".join(texts)))
            found.append((stream.language, codec.canonical_name, shown))
    return found


_LEFT = "its subtitle track 3 (dvd_subtitle) is left out: a .mov file cannot hold it"
ENGLISH = [(0.25, 0.75, "one\nand two"), (1.0, 1.5, "three")]
FRENCH = [(0.3, 0.7, "un\net deux")]
STYLED = [(0.3, 0.7, "{\\i1}un{\\i0}\net deux")]
BITMAP = ("dvd_subtitle", [(0.3, 0.7, "")])


@pytest.mark.parametrize(
    ("ending", "tracks", "left"),
    [
        (".mp4", [("mov_text", ENGLISH), ("mov_text", FRENCH), BITMAP], ()),
        (".mov", [("mov_text", ENGLISH), ("mov_text", FRENCH)], (_LEFT,)),
        (".mkv", [("subrip", ENGLISH), ("ass", STYLED), BITMAP], ()),
    ],
)
def test_what_is_in_a_file_goes_over(source: Path, tmp_path: Path, ending: str, tracks: list[Any], left: tuple[str, ...]) -> None:
    path = write(tmp_path / f"out{ending}", PassthroughMetadata(given := MediaSource(source), Fraction, Fraction(2)))
    with av.open(str(path)) as container:
        tags = {name.lower(): value for name, value in container.metadata.items()}
        assert container.streams.audio[0].language == "kor"
        assert [bool(one.disposition & av.stream.Disposition.default) for one in container.streams.subtitles][:2] == [True, False]
    assert (tags["title"], tags["artist"], tags["comment"]) == ("My talk", "A. Speaker", "synthetic")
    assert chapters_in(path) == [(0.0, 0.5, "Intro"), (0.5, 2.0, "Main")]
    found = tracks_in(path)
    assert [(codec, shown) for _, codec, shown in found] == tracks
    assert [language for language, _, _ in found[:2]] == ["eng", "fra"]
    assert tuple(map(sentence, given.notes)) == left


def test_times_are_those_of_the_new_video(source: Path, tmp_path: Path) -> None:
    """A part from 0.5 to 1.25 s, with a freeze frame for a quarter of a second at 1 s."""
    at = lambda time: time - Fraction(1, 2) + (Fraction(1, 4) if time >= 1 else 0)  # noqa: E731
    path = write(tmp_path / "out.mkv", PassthroughMetadata(MediaSource(source), at, Fraction(1)), (OWN,))
    assert chapters_in(path) == [(0.0, 1.0, "Main")]
    own, english, french, _ = tracks_in(path)
    assert own == ("kor", "subrip", [(0.5, 1.0, "하나")])
    assert english[2] == [(0.0, 0.25, "one\nand two"), (0.75, 1.0, "three")]
    assert french[2] == [(0.0, 0.2, STYLED[0][2])]
    with av.open(str(path)) as container:
        assert not any(one.disposition & av.stream.Disposition.default for one in container.streams.subtitles)


def test_titles_become_others_and_nothing_else_does(source: Path, tmp_path: Path) -> None:
    asked = MediaSource(source)
    assert titles_in(asked, 0, 2) == ["My talk", "Intro", "Main"]
    assert titles_in(asked, 0.6, 1) == ["My talk", "Main"]
    titles = {"My talk": "내 강연", "Main": "본론", "A. Speaker": "아무개"}
    path = write(tmp_path / "out.mkv", PassthroughMetadata(asked, Fraction, Fraction(2), titles))
    with av.open(str(path)) as container:
        tags = {name.lower(): value for name, value in container.metadata.items()}
    assert (tags["title"], tags["artist"]) == ("내 강연", "A. Speaker")
    assert chapters_in(path) == [(0.0, 0.5, "Intro"), (0.5, 2.0, "본론")]


def test_where_times_change_titles_go_over_alone(source: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", PassthroughMetadata(MediaSource(source)))
    with av.open(str(path)) as container:
        assert container.metadata["title"] == "My talk"
        assert not container.streams.subtitles
    assert chapters_in(path) == []


IN_ENGLISH = SubtitleTrack("en", [Subtitle(0.0, 0.5, "one\nand {two}"), Subtitle(0.6, 1.2, "<i> & three")])
IN_KOREAN = SubtitleTrack("ko", [Subtitle(0.2, 1.9, "안녕하세요?")])


def with_tracks(path: Path, subtitles: tuple[SubtitleTrack, ...]) -> Path:
    with VideoWriter(path, 64, 48, 25, 16_000, preset="ultrafast", subtitles=subtitles) as writer:
        for number in range(50):
            writer.write_rgb(np.full((48, 64, 3), 4 * number, np.uint8))
        writer.write_sound(np.zeros(32_000, np.float32))
    return path


def texts(path: Path, number: int) -> list[tuple[float, float, str]]:
    """From, to (s) and text of what a track shows; each is decoded, too."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[number]
        for packet in container.demux(stream):
            stored = bytes(packet) if packet.size else b""
            if path.suffix != ".mkv":  # timed text: its length before it, 0 between two of them
                stored = stored[2:][: int.from_bytes(stored[:2], "big")]
            if stored:
                start = float(packet.pts * packet.time_base)
                found.append((round(start, 3), round(start + float(packet.duration * packet.time_base), 3), stored.decode()))
                assert any(one.dialogue for one in stream.decode(packet))
    return found


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_tracks_are_read_again_as_they_were_written(tmp_path: Path, ending: str) -> None:
    path = with_tracks(tmp_path / f"x{ending}", (IN_ENGLISH, IN_KOREAN))
    with av.open(str(path)) as container:
        assert [stream.language for stream in container.streams.subtitles] == ["eng", "kor"]
    assert texts(path, 0) == [(0.0, 0.5, "one\nand {two}"), (0.6, 1.2, "<i> & three")]
    assert texts(path, 1) == [(0.2, 1.9, "안녕하세요?")]


def test_a_track_may_be_empty_and_video_and_sound_stay_the_same(tmp_path: Path) -> None:
    plain, other = with_tracks(tmp_path / "plain.mp4", ()), with_tracks(tmp_path / "other.mp4", (IN_ENGLISH, IN_KOREAN))

    def packets(path: Path) -> list[tuple[str, int | None, bytes]]:
        with av.open(str(path)) as container:
            streams = [container.streams.video[0], container.streams.audio[0]]
            return [(packet.stream.type, packet.pts, bytes(packet)) for packet in container.demux(streams) if packet.size]

    assert sorted(packets(other)) == sorted(packets(plain))
    assert probe(other).duration_s == probe(plain).duration_s
    assert texts(with_tracks(tmp_path / "x.mp4", (SubtitleTrack("ko", []),)), 0) == []
