"""Sound comes out in mono at the rate asked for, on the clock of its file."""

import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.errors import InputError, MediaError, OutputError
from avcore.media import iter_sound_blocks, iter_speech_blocks, probe, read_sound, read_speech, write_speech
from avcore.media.media_source import MediaSource
from avcore.notes import sentence
from tests.avcore.media_samples import Film, clicks
from tests.refusal import refused


def sine(rate: int, seconds: float = 1.0, hertz: float = 440.0, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def click_times(samples: np.ndarray, rate: int = 16000) -> list[float]:
    """The times (s) at which clicks begin."""
    loud = np.flatnonzero(np.abs(samples) > 0.25)
    return [float(loud[k]) / rate for k in range(len(loud)) if k == 0 or loud[k] - loud[k - 1] > rate // 10]


def write_wav(path: Path, pcm: np.ndarray, rate: int) -> Path:
    """pcm: int16 [time, channel]."""
    with wave.open(str(path), "wb") as file:
        file.setparams((pcm.shape[1], 2, rate, 0, "NONE", ""))
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def test_a_wav_of_16_khz_comes_back_exactly_and_as_far_as_it_goes(tmp_path: Path) -> None:
    pcm = np.random.default_rng(0).integers(-32768, 32768, (30_001, 1)).astype(np.int16)
    path = write_wav(tmp_path / "a.wav", pcm, 16000)
    speech = read_speech(path)
    assert speech.dtype == np.float32
    assert np.array_equal(speech, pcm[:, 0].astype(np.float32) / 32768)
    assert np.array_equal(speech, np.concatenate(list(iter_speech_blocks(path))))  # as a decoder reads it
    assert read_speech(path, 8000).size == pytest.approx(15_000, abs=2)
    path.write_bytes(path.read_bytes()[:-2000])
    assert np.array_equal(read_speech(path), pcm[:-1000, 0].astype(np.float32) / 32768)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_is_resampled_in_place(tmp_path: Path, rate: int, channels: int) -> None:
    pcm = np.repeat(np.round(sine(rate) * 32767)[:, None], channels, axis=1)
    speech = read_speech(write_wav(tmp_path / "a.wav", pcm, rate))
    assert len(speech) == pytest.approx(16000, abs=1)
    expected = sine(16000)[: len(speech)]
    inner = slice(200, 15_800)
    assert np.abs(speech[inner] - expected[inner]).max() < 2e-3


@pytest.mark.parametrize(("loudest", "read"), [(2.7, 2.7), (5.3, 1.0), (300.0, 1.0)])
def test_floating_sound_far_above_full_scale_is_scaled_and_told(tmp_path: Path, loudest: float, read: float) -> None:
    sound = np.stack([sine(16000, amplitude=loudest), 0.1 * sine(16000)])
    source = MediaSource(Film(times=(), sound=sound, layout="stereo", audio_codec="pcm_f32le").write(tmp_path / "a.wav"))
    assert np.abs(np.concatenate(list(iter_sound_blocks(source)))).max() == pytest.approx(read, rel=1e-3)
    assert np.abs(read_speech(source)).max() < 4
    told = [sentence(note) for note in source.notes]
    assert told == ([] if read > 1 else [f"its samples reach {loudest}, and are scaled to 1"])


def test_stereo_is_averaged_and_surround_keeps_its_centre_in_front(tmp_path: Path) -> None:
    left, right = sine(16000, hertz=300), sine(16000, hertz=800)
    stereo = Film(times=(), sound=np.stack([left, right]), layout="stereo", audio_codec="pcm_s16le").write(tmp_path / "a.wav")
    assert np.abs(read_speech(stereo) - (left + right) / 2).max() < 1e-4
    six = np.zeros((6, 16000), np.float32)
    names = [channel.name for channel in av.AudioLayout("5.1").channels]
    for name, expected_gain in {"FC": 1 / 3.4142, "FL": 0.7071 / 3.4142, "BL": 0.5 / 3.4142, "LFE": 0.0}.items():
        six[:] = 0
        six[names.index(name)] = left
        path = Film(times=(), sound=six, layout="5.1", audio_codec="flac").write(tmp_path / f"{name}.flac")
        assert np.abs(read_speech(path) - expected_gain * left).max() < 1e-3


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.mp4", "aac", 44100, "stereo"),
        ("a.mp4", "aac", 48000, "5.1"),
        ("a.mov", "aac", 16000, "mono"),
        ("a.mov", "pcm_s16le", 48000, "stereo"),
        ("a.mkv", "flac", 48000, "stereo"),
        ("a.mkv", "libopus", 48000, "stereo"),
        ("a.mkv", "ac3", 48000, "5.1"),
        ("a.ts", "aac", 48000, "stereo"),
        ("a.mp4", "libmp3lame", 44100, "stereo"),
    ],
)
def test_a_click_stays_with_its_frame(tmp_path: Path, name: str, codec: str, rate: int, layout: str) -> None:
    channels = av.AudioLayout(layout).nb_channels
    sound = np.repeat(clicks(rate, 2, [0.5, 1.5])[None], channels, axis=0)
    path = Film(sound=sound, audio_codec=codec, audio_rate=rate, layout=layout).write(tmp_path / name)
    info = probe(path)
    assert (info.audio_rate, info.audio_channels) == (rate, channels)
    scale = 1 / np.abs(read_speech(path)).max()
    assert click_times(read_speech(path) * scale) == pytest.approx([0.5, 1.5], abs=0.005)
    assert len(read_speech(path)) / 16000 == pytest.approx(2.0, abs=0.05)
    own, own_rate = read_sound(path)
    assert own_rate == rate
    assert own.shape[1] == channels


def test_a_gap_in_the_sound_stays_a_gap(tmp_path: Path) -> None:
    path = Film(times=(), sound=sine(16000, 2.0), audio_codec="pcm_s16le").write(tmp_path / "whole.mkv")
    holes = tmp_path / "holes.mkv"
    with av.open(str(path)) as source, av.open(str(holes), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.pts is not None and not 0.5 < packet.pts * packet.time_base < 1.0:
                packet.stream = stream
                target.mux(packet)
    speech = read_speech(holes)
    assert len(speech) == 32_000
    assert np.abs(speech[9500:15000]).max() == 0
    assert np.abs(speech[17_500:] - sine(16000, 2.0)[17_500:]).max() < 1e-3


def test_blocks_add_up_to_the_whole(tmp_path: Path) -> None:
    path = Film(sound=np.stack([sine(44100, 3), sine(44100, 3, 700)]), audio_rate=44100, layout="stereo").write(tmp_path / "a.mp4")
    blocks = list(iter_speech_blocks(path))
    assert len(blocks) > 20
    assert max(len(block) for block in blocks) < 16000
    assert np.array_equal(np.concatenate(blocks), read_speech(path))
    assert np.array_equal(np.concatenate(list(iter_sound_blocks(path))), read_sound(path)[0])
    assert len(read_speech(path, rate=44100)) == 3 * 44100


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_sample_formats(tmp_path: Path, codec: str) -> None:
    path = Film(times=(), sound=sine(16000), audio_codec=codec).write(tmp_path / "a.wav")
    assert np.abs(read_speech(path) - sine(16000)).max() < (0.01 if codec == "pcm_u8" else 1e-4)


def test_frames_alone_have_no_sound_and_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = Film().write(tmp_path / "a.mp4")
    for read in (read_speech, read_sound):
        refused(MediaError, r"no sound track.*video only", read, path)
    os.mkfifo(tmp_path / "a.wav")
    refused(InputError, "", read_speech, tmp_path / "a.wav")


def test_written_speech_is_rounded_as_published_and_whole_or_absent(tmp_path: Path) -> None:
    samples = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 1e-6, -1e-6, 0.1], np.float32)
    write_speech(tmp_path / "new folder" / "a.wav", samples)
    with wave.open(str(tmp_path / "new folder" / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        pcm = np.frombuffer(file.readframes(99), "<i2")
    assert pcm.tolist() == [0, 16384, -16384, 32767, -32768, 32767, 0, -1, 3276]
    refused(ValueError, "not finite", write_speech, tmp_path / "b.wav", np.array([0.0, np.nan], np.float32))
    refused(OutputError, "", write_speech, tmp_path, np.zeros(3, np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["new folder"]


def test_a_wav_of_a_codec_that_nobody_knows_is_one_error_of_ours(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "x.wav", np.zeros((1600, 1), np.int16), 16_000)
    content = bytearray(path.read_bytes())
    content[20:22] = (0x4321).to_bytes(2, "little")  # the tag of the codec
    path.write_bytes(content)
    refused(MediaError, "", probe, path)


@pytest.mark.parametrize(("codec", "is_skipped"), [("ac3", True), ("pcm_f32le", False)])
def test_what_a_decoder_makes_of_damaged_sound_is_skipped(
    codec: str, is_skipped: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Far beyond full scale is damage where sound was encoded; where samples are stored, somebody wrote it so: it is scaled."""
    sound = sine(48_000, 3.0)
    sound[60_000:72_000] *= 40
    speech = read_speech(Film(times=(), sound=sound, audio_codec=codec, audio_rate=48_000).write(tmp_path / "a.mkv"))
    assert len(speech) == pytest.approx(48_000, abs=2048)
    assert ("damaged sound packets were skipped" in caplog.text) == is_skipped
    usual = 0.5 if is_skipped else 0.5 / 20
    assert np.abs(speech).max() < (4.5 if is_skipped else 1.05)
    assert np.abs(speech[8000:16000]).max() == pytest.approx(usual, rel=0.1)
    assert np.abs(speech[-8000:-2000]).max() == pytest.approx(usual, rel=0.1), "and all else is where it was"
    if is_skipped:
        assert not speech[21_500:22_500].any()
