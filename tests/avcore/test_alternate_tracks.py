"""Sound tracks beside the first: copied with their times, or encoded; players see which is which, and take the first."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from avcore.errors import OutputError
from avcore.media import MediaSource, SoundWriter, Subtitle, SubtitleTrack, VideoWriter, probe, read_speech
from avcore.media.sound_writer import AlternateTrack, SoundBlocks, can_copy_sound, require_several_tracks
from tests.avcore.media_samples import Film, clicks, numbered_frame
from tests.avcore.test_media_sound import click_times

KINDS = (".mp4", ".mov", ".mkv")
OWN, OTHER = [0.5, 1.5], [0.25, 1.0, 1.75]
SOURCES = {
    "aac.mp4": Film(sound=clicks(48000, 2, OTHER), audio_rate=48000),
    "late.mp4": Film(sound=clicks(48000, 1.5, [0.25, 1.0]), audio_rate=48000, audio_start_s=Fraction(1, 2)),
    "mp3.mkv": Film(sound=clicks(44100, 2, OTHER), audio_rate=44100, audio_codec="libmp3lame"),
    "opus.webm": Film(sound=clicks(48000, 2, OTHER), audio_rate=48000, audio_codec="libopus", codec="libvpx"),
    "pcm.mov": Film(sound=clicks(16000, 2, OTHER), audio_codec="pcm_s16le"),
    "ac3.ts": Film(sound=clicks(48000, 2, OTHER), audio_rate=48000, audio_codec="ac3"),
    "adts.ts": Film(sound=clicks(48000, 2, OTHER), audio_rate=48000, codec="mpeg2video", tick=Fraction(1, 25)),
}
COPIED = {"aac.mp4": KINDS, "late.mp4": KINDS, "mp3.mkv": KINDS, "ac3.ts": KINDS, "adts.ts": KINDS}
COPIED |= {"opus.webm": (".mp4", ".mkv"), "pcm.mov": (".mov", ".mkv")}


def written(path: Path, *tracks: AlternateTrack, seconds: int = 2) -> Path:
    with VideoWriter(
        path, 128, 96, 25, 16000, preset="ultrafast", language="ko", sound_title="Dubbed", alternates=tracks
    ) as writer:
        for number in range(25 * seconds):
            writer.write_rgb(numbered_frame(number))
        writer.write_sound(clicks(16000, seconds, OWN))
    return path


def payloads(path: Path, track: int) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[track]) if packet.size]


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("name", SOURCES)
def test_sound_is_copied_as_it_is_and_when_it_is(tmp_path: Path, name: str, suffix: str) -> None:
    source = MediaSource(SOURCES[name].write(tmp_path / name))
    assert can_copy_sound(source, Path(f"out{suffix}")) == (suffix in COPIED[name])
    if suffix not in COPIED[name]:
        return
    out = written(tmp_path / f"out{suffix}", AlternateTrack("eng", "Original", source))

    assert click_times(read_speech(out)) == pytest.approx(OWN, abs=0.003)
    copied = MediaSource(out, audio_track=2)
    assert click_times(read_speech(copied)) == pytest.approx(click_times(read_speech(source)), abs=0.003)
    assert np.abs(read_speech(copied)).max() == pytest.approx(np.abs(read_speech(source)).max(), abs=0.05)
    if name != "adts.ts":  # whose packets have headers of their own
        assert payloads(out, 1) == payloads(source.path, 0)
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 2
        assert container.streams.video[0].start_time * container.streams.video[0].time_base < 0.03


@pytest.mark.parametrize("suffix", KINDS)
def test_players_see_what_each_track_is_and_take_the_first(tmp_path: Path, suffix: str) -> None:
    source = MediaSource(SOURCES["aac.mp4"].write(tmp_path / "aac.mp4"))
    stereo = np.stack([clicks(44100, 3, OTHER), np.zeros(3 * 44100, np.float32)], axis=1)
    behind = SoundBlocks(np.array_split(stereo, 9), 44100, 2)
    out = written(tmp_path / f"out{suffix}", AlternateTrack("en", "Original", source), AlternateTrack("", "Background", behind))

    found = probe(out).tracks
    assert [(one.language, one.title, one.rate, one.channels, one.is_default) for one in found] == [
        ("kor", "Dubbed", 16000, 1, True),
        ("eng", "Original", 48000, 1, False),
        ("", "Background", 44100, 2, False),
    ]
    assert probe(out).track == 1
    assert click_times(read_speech(MediaSource(out, audio_track=3))) == pytest.approx(OTHER, abs=0.003)


def test_a_sound_file_holds_several_tracks_or_says_so(tmp_path: Path) -> None:
    source, other = MediaSource(SOURCES["aac.mp4"].write(tmp_path / "aac.mp4")), clicks(16000, 2, OWN)
    require_several_tracks(tmp_path / "out.m4a")
    beside = [AlternateTrack("en", "Original", source), AlternateTrack("", "", SoundBlocks([other], 16000, 1))]
    with SoundWriter(tmp_path / "out.m4a", 16000, language="ko", sound_title="Dubbed", alternates=beside) as writer:
        writer.write_sound(other)
    found = [(one.language, one.title, one.is_default) for one in probe(writer.path).tracks]
    assert found == [("kor", "Dubbed", True), ("eng", "Original", False), ("", "", False)]
    assert payloads(writer.path, 1) == payloads(source.path, 0)
    with pytest.raises(OutputError, match=r"out\.mp3: a file of this kind holds one sound track; expected a name ending in \.mp4"):
        require_several_tracks(tmp_path / "out.mp3")


def test_the_same_sound_gives_the_same_file(tmp_path: Path) -> None:
    source = MediaSource(SOURCES["aac.mp4"].write(tmp_path / "aac.mp4"))

    def made(name: str) -> bytes:
        behind = SoundBlocks([clicks(16000, 2, OTHER)], 16000, 1)
        tracks = AlternateTrack("en", "Original", source), AlternateTrack("", "Background", behind)
        return written(tmp_path / name, *tracks).read_bytes()

    assert made("a.mp4") == made("b.mp4")


@pytest.mark.parametrize("suffix", KINDS)
def test_players_prefer_the_default_subtitles(tmp_path: Path, suffix: str) -> None:
    line = [Subtitle(0.5, 1.0, "one")]
    tracks = [SubtitleTrack("en", line), SubtitleTrack("ko", line, is_default=True)]
    with VideoWriter(tmp_path / f"out{suffix}", 128, 96, 25, preset="ultrafast", subtitles=tracks) as writer:
        for number in range(50):
            writer.write_rgb(numbered_frame(number))
    with av.open(str(writer.path)) as container:
        found = [(one.metadata["language"], bool(one.disposition & Disposition.default)) for one in container.streams.subtitles]
    assert found == [("eng", False), ("kor", True)]
