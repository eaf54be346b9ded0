"""A file's clock covers its frames and its sound. Headers that ask for more than any footage is are refused before work."""

import struct
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from avcore.errors import MediaError
from avcore.media import FrameSource, VideoWriter, frames_at, iter_sound_blocks, probe, read_frames, read_speech, write_speech
from avcore.media.source import read_stored
from avcore.timeline import SAMPLE_RATE, frames_to_seconds, plain_rate
from tests.avcore.media_samples import Film, at_constant_rate, clicks, numbered_frame, shown_number
from tests.refusal import refused

FRAMES, RATE = 50, 48_000
CONTAINERS = ("mp4", "mkv", "mov", "ts")
ROUNDING_S = 0.045
"""A frame, and the rounding of containers and coders."""


def film(path: Path, frames_at_s: float, sound_at_s: float, sound_s: float, **named: object) -> Path:
    """Two seconds of numbered images, and sound with a click 0.1 s after its beginning and 0.1 s before its end."""
    begins = Fraction(frames_at_s).limit_denominator(1000)
    times = [begins + frames_to_seconds(number) for number in range(FRAMES)]
    sound = clicks(RATE, sound_s, [0.1, sound_s - 0.1])
    return Film(times=times, sound=sound, audio_rate=RATE, audio_start_s=Fraction(sound_at_s), **named).write(path)  # type: ignore[arg-type]


def expect(path: Path, frames_at_s: float, sound_at_s: float, sound_s: float) -> None:
    """Check everything that is read of such a film, on its clock."""
    end = max(frames_at_s + 2, sound_at_s + sound_s)
    info = probe(path)
    assert float(info.duration_s) == pytest.approx(end, abs=ROUNDING_S)
    assert [float(time) for time in info.video_s] == pytest.approx([frames_at_s, frames_at_s + 2], abs=ROUNDING_S)
    assert [float(time) for time in info.sound_s] == pytest.approx([sound_at_s, sound_at_s + sound_s], abs=2 * ROUNDING_S)

    speech = read_speech(path)
    loud = np.flatnonzero(np.abs(speech) > 0.2) / SAMPLE_RATE
    assert [loud[0], loud[-1]] == pytest.approx([sound_at_s + 0.1, sound_at_s + sound_s - 0.1], abs=ROUNDING_S)
    assert len(speech) / SAMPLE_RATE == pytest.approx(sum(map(len, iter_sound_blocks(path))) / RATE, abs=0.001)

    def number_at(time: float) -> int:
        return min(max(round((time - frames_at_s) * 25 - 0.5), 0), FRAMES - 1)

    steady = list(FrameSource(path))
    # A part of a frame at the end is shown as a whole one, and coded sound may last a block longer.
    assert len(steady) == pytest.approx(end * 25, abs=1.5)
    middles = [float(frame.time) + 0.02 for frame in steady]
    assert all(abs(shown_number(one.rgb) - number_at(time)) <= 2 for one, time in zip(steady, middles, strict=True))
    stored = list(read_stored(path))
    assert stored[0].time == 0
    assert float(stored[-1].time + 1 / info.frame_rate) == pytest.approx(end, abs=2 * ROUNDING_S), "as long as the file"
    assert max(after.time - before.time for before, after in pairwise(stored)) < 0.09, "held frames come again"
    assert all(abs(shown_number(one.rgb) - number_at(float(one.time) + 0.02)) <= 2 for one in stored)
    for start in (0.31, end / 2, end - 0.3):
        entered = list(read_stored(path, start))
        assert [one.time for one in entered] == [one.time for one in stored[-len(entered) :]], "the same wherever it is entered"
        assert entered[0].time <= Fraction(start).limit_denominator(1000) < entered[1].time
        (frame,) = frames_at(path, [start])
        assert abs(shown_number(frame.rgb) - number_at(start + 0.02)) <= 2


@settings(max_examples=16, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(CONTAINERS), st.integers(-10, 10), st.integers(2, 14))
@example("ts", -10, 4)
@example("mp4", 10, 14)
@example("ts", 1, 7)
def test_streams_that_begin_and_end_at_other_times(tmp_path: Path, container: str, offset: int, length: int) -> None:
    """offset: when the frames begin, after the sound; length: of the sound, the frames last 2 s; both in halves of a second."""
    frames_at_s, sound_at_s = max(offset, 0) / 2, max(-offset, 0) / 2
    expect(film(tmp_path / f"a.{container}", frames_at_s, sound_at_s, length / 2), frames_at_s, sound_at_s, length / 2)


@pytest.mark.parametrize("container", ["mkv", "mov"])
def test_moment_0_is_where_the_file_begins_in_any_container(tmp_path: Path, container: str) -> None:
    path = film(tmp_path / f"a.{container}", 100.5, 100.0, 2.0, muxer_options={"avoid_negative_ts": "disabled"})
    if container == "mkv":
        assert probe(path).clock.start == pytest.approx(100, abs=0.1)
    expect(path, 0.5, 0.0, 2.0)


def test_padding_of_sound_makes_no_file_longer(tmp_path: Path) -> None:
    info = probe(Film(sound=clicks(48_000, 2.03, [1.0]), audio_rate=48_000, audio_codec="pcm_s16le").write(tmp_path / "a.mkv"))
    assert (info.duration_s, info.video_s) == (2, (0, 2))
    late = [Fraction(3, 100) + frames_to_seconds(number) for number in range(FRAMES)]
    sound = clicks(48_000, 2, [1.0])
    info = probe(Film(times=late, sound=sound, audio_rate=48_000, audio_codec="pcm_s16le").write(tmp_path / "b.mkv"))
    assert (info.video_s, info.sound_s[0]) == ((0, 2), 0)


def test_a_gap_in_the_frames_is_held(tmp_path: Path) -> None:
    times = [frames_to_seconds(number if number < 25 else number + 75) for number in range(FRAMES)]
    path = Film(times=times, sound=clicks(SAMPLE_RATE, 5, [2.5])).write(tmp_path / "a.mp4")
    assert len(list(read_frames(path))) == FRAMES
    stored = list(read_stored(path))
    assert max(after.time - before.time for before, after in pairwise(stored)) < 0.12
    assert {shown_number(one.rgb) for one in stored if 1 < one.time < 4} == {24}
    assert stored[-1].time == times[-1]
    info = probe(path)
    assert (info.steady_rate, info.duration_s) == (25, 5)


SPEECH_RATE = 16_000


def _film(path: Path, **settings: object) -> Path:
    return Film(**({"sound": clicks(SPEECH_RATE, 2, [1.0])} | settings)).write(path)  # type: ignore[arg-type]


def _wav(path: Path, rate: int = SPEECH_RATE, seconds: float = 9) -> Path:
    write_speech(path, np.random.default_rng(0).uniform(-0.5, 0.5, round(SPEECH_RATE * seconds)).astype(np.float32), rate)
    return path


def _values(value: float) -> np.ndarray:
    sound = clicks(SPEECH_RATE, 2, [1.0])
    sound[SPEECH_RATE] = value
    return sound


ODD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "sound hours late": (lambda at: _film(at / "a.mkv", audio_start_s=Fraction(18_000)), "hours late.*found 18000 s"),
    "1 Hz": (lambda at: _wav(at / "a.wav", 1), "sample rate that cannot be right; expected 2000 to 768000 Hz; found 1 Hz"),
    "2^31 Hz": (lambda at: _wav(at / "a.wav", 2**31 - 1), "sample rate that cannot be right.*found 2147483647 Hz"),
    "not a number": (lambda at: _film(at / "a.mkv", sound=_values(np.nan), audio_codec="pcm_f32le"), "no sound;.*found nan"),
    "far too loud": (lambda at: _film(at / "a.mkv", sound=_values(1e38), audio_codec="pcm_f32le"), "no sound;.*found 1e[+]38"),
}


@pytest.mark.parametrize(("make", "words"), ODD.values(), ids=ODD)
def test_sound_that_cannot_be_is_refused(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    path = make(tmp_path)
    assert refused(MediaError, words, read_speech, path).startswith(str(path))


@pytest.mark.parametrize("name", ["sound hours late", "1 Hz", "2^31 Hz"])
def test_headers_are_refused_before_anything_is_decoded(tmp_path: Path, name: str) -> None:
    make, words = ODD[name]
    refused(MediaError, words, probe, make(tmp_path))


def test_sound_that_begins_a_little_late_is_taken(tmp_path: Path) -> None:
    path = _film(tmp_path / "a.mkv", audio_start_s=Fraction(30))
    assert probe(path).has_audio
    assert len(read_speech(path)) == pytest.approx(32 * SPEECH_RATE, abs=1024)


def test_two_frames_in_ten_hours(tmp_path: Path) -> None:
    path = _film(tmp_path / "a.mkv", times=[Fraction(0), Fraction(36_000)], tick=Fraction(1, 1000))
    info = probe(path)
    assert (info.longest_frame_s, info.num_frames) == (36_000, 2)
    refused(MediaError, "one of its frames stays for hours; expected up to 7200 s a frame; found 36000 s", FrameSource, path)


@pytest.mark.parametrize("rate", [Fraction(1, 18_000), Fraction(1, 2003), Fraction(2, 3)])
def test_a_frame_may_stay_for_hours_in_what_is_written(tmp_path: Path, rate: Fraction) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48, rate, preset="ultrafast") as writer:
        for number in range(2):
            writer.write_rgb(numbered_frame(number, 64, 48))
    assert [frame.time for frame in read_frames(tmp_path / "a.mp4")] == [0, 1 / rate]


def test_rates_are_made_plain_and_huge_frames_spare_memory(tmp_path: Path) -> None:
    assert plain_rate(Fraction(30_000, 1001)) == Fraction(30_000, 1001)
    assert plain_rate(Fraction(25_000_001, 1_000_000)) == 25
    assert plain_rate(Fraction(1, 36_000)) == Fraction(1, 36_000)
    assert "rc-lookahead" in VideoWriter(tmp_path / "a.mp4", 7680, 4320, 25)._options
    assert "rc-lookahead" not in VideoWriter(tmp_path / "a.mp4", 3840, 2160, 25)._options
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W20000 H2 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(20_000 * 3))
    refused(MediaError, r"too large;.*found 20000 x 2", probe, path)


def _sound(name: str, codec: str) -> Callable[[Path], Path]:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 9 * SPEECH_RATE).astype(np.float32)
    return lambda folder: Film(times=(), sound=noise, audio_codec=codec).write(folder / name)


def _pcm_avi(folder: Path) -> Path:
    times = at_constant_rate(Fraction(25), 225)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 9 * SPEECH_RATE).astype(np.float32)
    return Film(times=times, sound=noise, audio_codec="pcm_s16le", tick=Fraction(1, 25)).write(folder / "a.avi")


def _long_wav(folder: Path) -> Path:
    """The form of wav for more than 4 GB."""
    content = _wav(folder / "plain.wav").read_bytes()
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 36 + len(content), len(content) - 44, 0, 0)
    path = folder / "a.wav"
    path.write_bytes(b"RF64" + b"\xff" * 4 + b"WAVE" + sizes + content[12:40] + b"\xff" * 4 + content[44:])
    return path


KINDS = {
    "wav": _sound("a.wav", "pcm_s16le"),
    "w64": _sound("a.w64", "pcm_s16le"),
    "caf": _sound("a.caf", "pcm_s16le"),
    "aiff": _sound("a.aiff", "pcm_s16be"),
    "au": _sound("a.au", "pcm_s16be"),
    "flac": _sound("a.flac", "flac"),
    "mp3": _sound("a.mp3", "libmp3lame"),
    "avi": _pcm_avi,
    "rf64": _long_wav,
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_file_that_ends_early_is_told(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    assert float(probe(path).duration_s) == pytest.approx(9, abs=0.1)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 35 // 100])
    refused(MediaError, r"the file is cut short; expected (9.0|8.9)\d s; found (2.9|3.)\d+ s", probe, path)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_that_came_through_a_pipe_is_whole(tmp_path: Path, size: int) -> None:
    path = _wav(tmp_path / "a.wav")
    content = path.read_bytes()
    path.write_bytes(content[:40] + struct.pack("<I", size) + content[44:])
    assert len(read_speech(path)) == 9 * SPEECH_RATE


def test_no_part_of_a_cut_wav_is_read_and_a_long_part_is_one_line(tmp_path: Path) -> None:
    path = _wav(tmp_path / "a.wav")
    content = path.read_bytes()
    path.write_bytes(content[:16] + struct.pack("<I", 1 << 20) + content[20:])
    refused(MediaError, "it cannot be read as video or sound", read_speech, path)
    path.write_bytes(content[: -SPEECH_RATE // 2])
    refused(MediaError, r"cut short; expected 9\.00 s; found 8\.75 s", read_speech, path)
