"""What is written opens again: same frames, same colours, sound in its place, whole or not at all."""

import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avcore.errors import OutputError
from avcore.media import VideoWriter, probe, read_frames, read_gray_video, read_sound, read_speech, write_lip_video
from tests.avcore.media_samples import FRAME_RATES, at_constant_rate, clicks, numbered_frame, shown_number
from tests.avcore.test_media_sound import click_times
from tests.refusal import refused

BLACK = np.full((96, 128, 3), 16, np.uint8)
WHITE = np.full((96, 128, 3), 235, np.uint8)


def write_flashes(path: Path, rate: Fraction, seconds: int, audio_rate: int | None, channels: int = 1) -> Path:
    """A flash (one frame) and a click in the middle of every second, at exactly the same time."""
    flash_times = [second + Fraction(1, 2) for second in range(seconds)]
    flashes = {int(-(-time * rate // 1)) for time in flash_times}
    with VideoWriter(path, 128, 96, rate, audio_rate, channels) as writer:
        for k in range(round(seconds * rate)):
            writer.write_rgb(WHITE if k in flashes else BLACK)
        if audio_rate:
            sound = clicks(audio_rate, seconds, [float(k / rate) for k in sorted(flashes)])
            for piece in np.array_split(np.repeat(sound[:, None], channels, axis=1), 7):
                writer.write_sound(piece)
    return path


@pytest.mark.parametrize("rate", FRAME_RATES, ids=str)
@pytest.mark.parametrize(("name", "audio_rate", "channels"), [("a.mp4", 16000, 1), ("a.mov", 44100, 2), ("a.mkv", 16000, 1)])
def test_flash_and_click_stay_together(tmp_path: Path, name: str, rate: Fraction, audio_rate: int, channels: int) -> None:
    path = write_flashes(tmp_path / name, rate, 3, audio_rate, channels)
    lit = [float(frame.time) for frame in read_frames(path) if frame.rgb.mean() > 128]
    heard = click_times(read_speech(path))
    assert len(lit) == len(heard) == 3
    # Far below one frame: Matroska rounds to a millisecond, AAC smears a click by a few samples.
    assert np.abs(np.array(lit) - heard).max() < 0.003
    info = probe(path)
    sound, own_rate = read_sound(path)
    assert (info.frame_rate, own_rate, sound.shape[1]) == (rate, audio_rate, channels)
    assert info.num_frames == round(3 * rate)
    assert abs(float(info.duration_s) - len(sound) / own_rate) < 1 / rate


@pytest.mark.parametrize(("frames", "seconds_of_sound"), [(50, 0.5), (50, 2.0), (50, 2.3), (10, 3.0), (1, 0.2), (50, 0)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_both_end_within_a_frame(tmp_path: Path, name: str, frames: int, seconds_of_sound: float) -> None:
    with VideoWriter(tmp_path / name, 128, 96, 25, 16000) as writer:
        for k in range(frames):
            writer.write_rgb(numbered_frame(k))
        writer.write_sound(np.full(round(16000 * seconds_of_sound), 0.1, np.float32))
    shown = list(read_frames(tmp_path / name))
    length = max(frames / 25, seconds_of_sound)
    assert len(read_speech(tmp_path / name)) / 16000 == pytest.approx(length, abs=0.001)
    assert len(shown) / 25 == pytest.approx(length, abs=0.04)
    # Nothing is lost: the last frame is held, or silence follows.
    assert [shown_number(frame.rgb) for frame in shown[:frames]] == list(range(frames))
    assert {shown_number(frame.rgb) for frame in shown[frames:]} <= {frames - 1}


@pytest.mark.parametrize("size", [(128, 96), (127, 96), (128, 95), (127, 95), (1, 1)])
def test_odd_sides_grow_by_one(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    frame = np.ascontiguousarray(numbered_frame(0b10110010)[:height, :width])
    with VideoWriter(tmp_path / "a.mp4", width, height, 25) as writer:
        writer.write_rgb(frame)
    assert (writer.out_width, writer.out_height) == (width + width % 2, height + height % 2)
    assert writer.grew == (size != (128, 96))
    (read,) = read_frames(tmp_path / "a.mp4")
    assert read.rgb.shape == (writer.out_height, writer.out_width, 3)
    grown = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    assert np.abs(read.rgb.astype(int) - grown).mean() < 4


@pytest.mark.parametrize("size", [(640, 480), (720, 576), (1280, 720), (720, 1280)], ids=str)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_colours_come_back(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    width, height = size
    patches = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    frame = patches.repeat(height // 8, axis=0).repeat(width // 8, axis=1)
    with VideoWriter(tmp_path / name, width, height, 25, crf=4) as writer:
        for _ in range(2):
            writer.write_rgb(frame)
    read = list(read_frames(tmp_path / name))[-1].rgb
    assert np.abs(read[height // 16 :: height // 8, width // 16 :: width // 8].astype(int) - patches).max() <= 3
    assert abs((read.astype(int) - frame).mean()) < 0.3
    with av.open(str(tmp_path / name)) as container:
        context = container.streams.video[0].codec_context
        bt709, smpte170m, limited = 1, 6, 1
        expected = smpte170m if height <= 576 else bt709
        assert (context.colorspace, context.color_primaries, context.color_trc) == (expected,) * 3
        assert context.color_range == limited
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


@pytest.mark.parametrize("name", ["a.mp4", "a.m4v", "a.mov", "a.mkv", "A.MP4"])
def test_the_comment_and_the_shape_of_pixels_are_kept(tmp_path: Path, name: str) -> None:
    comment = "synthetic: NetfLips 0.1.0, en->ko, models sha256:0123456789abcdef 한국어"
    with VideoWriter(tmp_path / name, 128, 96, 25, comment=comment, pixel_aspect=Fraction(16, 15)) as writer:
        writer.write_rgb(BLACK)
    assert (probe(tmp_path / name).comment, probe(tmp_path / name).pixel_aspect) == (comment, Fraction(16, 15))


def test_mp4_starts_fast(tmp_path: Path) -> None:
    content = write_flashes(tmp_path / "a.mp4", Fraction(25), 2, 16000).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(("given", "written"), [(16000, 16000), (192000, 96000), (37800, 32000), (6000, 8000)])
def test_rates_that_aac_lacks_are_resampled(tmp_path: Path, given: int, written: int) -> None:
    path = write_flashes(tmp_path / "a.mp4", Fraction(25), 2, given)
    assert probe(path).audio_rate == written
    assert click_times(read_speech(path)) == pytest.approx([0.52, 1.52], abs=0.003)
    assert len(read_speech(path)) == pytest.approx(32000, abs=2)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_stay_in_order(tmp_path: Path, channels: int) -> None:
    times = np.arange(48000) / 48000
    sound = np.stack([0.3 * np.sin(2 * np.pi * 100 * (n + 1) * times) for n in range(channels)], axis=1).astype(np.float32)
    with VideoWriter(tmp_path / "a.mp4", 128, 96, 25, 48000, channels) as writer:
        for _ in range(25):
            writer.write_rgb(BLACK)
        writer.write_sound(sound)
    read, _ = read_sound(tmp_path / "a.mp4")
    assert read.shape == sound.shape
    for channel in range(channels):
        # The low-frequency channel of 5.1 is cut off above 120 Hz.
        if (channels, channel) != (6, 3):
            assert np.corrcoef(read[2000:-2000, channel], sound[2000:-2000, channel])[0, 1] > 0.99


@pytest.mark.parametrize("name", ["a.avi", "a.webm", "a", "a.txt"])
def test_an_unknown_ending_and_channels_that_aac_lacks_are_refused(tmp_path: Path, name: str) -> None:
    refused(OutputError, r"\.mp4, \.m4v, \.mov, \.mkv", VideoWriter, tmp_path / name, 128, 96, 25)
    refused(OutputError, "1, 2, 3, 4, 5, 6, 8 channels; found 7", VideoWriter, tmp_path / "a.mp4", 128, 96, 25, 48000, 7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OutputError("x")])
def test_nothing_stays_behind(tmp_path: Path, error: BaseException | type[BaseException]) -> None:
    kind = error if isinstance(error, type) else type(error)
    with pytest.raises(kind), VideoWriter(tmp_path / "a.mp4", 128, 96, 25, 16000) as writer:
        for _ in range(60):
            writer.write_rgb(BLACK)
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="no frame"), VideoWriter(path, 128, 96, 25):
        pass
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 128, 96, 25, 16000, 2) as writer:
        writer.write_rgb(BLACK)
        refused(ValueError, "expected uint8", writer.write_rgb, BLACK[:-1])
        with pytest.raises(ValueError, match="expected uint8"):
            writer.write_rgb(BLACK.astype(np.float32))  # type: ignore[arg-type]
        refused(ValueError, "2 channels", writer.write_sound, np.zeros(160, np.float32))


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    script = """
        import resource, signal, sys
        import numpy as np
        from avcore.errors import OutputError
        from avcore.media import VideoWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        noise = np.random.default_rng(0)
        try:
            with VideoWriter(sys.argv[1], 128, 96, 25) as writer:
                for _ in range(200):
                    writer.write_rgb(noise.integers(0, 256, (96, 128, 3), dtype=np.uint8))
        except OutputError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "a.mp4")]
    done = subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[2], text=True, check=True)
    assert "the output cannot be written; found File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_lip_videos_come_back_nearly_as_they_were(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(96), np.arange(96))
    frames = np.stack([(ramp + 3 * k) % 192 for k in range(30)]).astype(np.uint8)
    for given in (frames, iter(frames)):
        write_lip_video(tmp_path / "a.lip.mp4", given)
        read = read_gray_video(tmp_path / "a.lip.mp4")
        assert read.shape == frames.shape
        assert np.abs(read.astype(int) - frames).mean() < 1.5
    assert probe(tmp_path / "a.lip.mp4").frame_rate == 25
    assert [frame.time for frame in read_frames(tmp_path / "a.lip.mp4")] == at_constant_rate(Fraction(25), 30)
    refused(ValueError, "no lip crops", write_lip_video, tmp_path / "b.lip.mp4", [])


def test_the_same_lips_always_give_the_same_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lips = np.stack([cv2.GaussianBlur(rng.integers(0, 255, (96, 96), np.uint8), (0, 0), 5) for _ in range(40)])
    files = set()
    for _ in range(6):
        write_lip_video(tmp_path / "lips.mp4", lips)
        files.add((tmp_path / "lips.mp4").read_bytes())
    assert len(files) == 1
