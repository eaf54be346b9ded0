"""Tracks of text in a video: what players read is what was written, when it was meant; the rest of the file stays as it is."""

from pathlib import Path

import av
import numpy as np
import pytest

from avcore.media import Subtitle, SubtitleTrack, VideoWriter, probe

ENGLISH = SubtitleTrack("en", [Subtitle(0.0, 0.5, "one\nand {two}"), Subtitle(0.6, 1.2, "<i> & three")])
KOREAN = SubtitleTrack("ko", [Subtitle(0.2, 1.9, "안녕하세요?")])


def write(path: Path, subtitles: tuple[SubtitleTrack, ...]) -> Path:
    with VideoWriter(path, 64, 48, 25, 16_000, preset="ultrafast", subtitles=subtitles) as writer:
        for number in range(50):
            writer.write_picture(np.full((48, 64, 3), 4 * number, np.uint8))
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
    path = write(tmp_path / f"x{ending}", (ENGLISH, KOREAN))
    with av.open(str(path)) as container:
        assert [stream.language for stream in container.streams.subtitles] == ["eng", "kor"]
    assert texts(path, 0) == [(0.0, 0.5, "one\nand {two}"), (0.6, 1.2, "<i> & three")]
    assert texts(path, 1) == [(0.2, 1.9, "안녕하세요?")]


def test_pictures_and_sound_are_those_of_a_video_without_tracks(tmp_path: Path) -> None:
    plain, other = write(tmp_path / "plain.mp4", ()), write(tmp_path / "other.mp4", (ENGLISH, KOREAN))

    def packets(path: Path) -> list[tuple[str, int | None, bytes]]:
        with av.open(str(path)) as container:
            streams = [container.streams.video[0], container.streams.audio[0]]
            return [(packet.stream.type, packet.pts, bytes(packet)) for packet in container.demux(streams) if packet.size]

    assert sorted(packets(other)) == sorted(packets(plain))
    assert probe(other).duration_s == probe(plain).duration_s


def test_a_track_without_texts_is_no_trouble(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "x.mp4", (SubtitleTrack("ko", []),)), 0) == []
