"""What can be known of decoding and encoding by a GPU without one: what FFmpeg offers, and that the CPU steps in."""

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available

from avcore.media import VideoWriter, decoding, gpu
from avcore.media.decoding import decode_from
from avcore.media.filters import DecodedFrame

CLIP = Path(__file__).resolve().parents[2] / "demo" / "clip.mp4"
CUDA = "cuda:0"


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    gpu._opens.cache_clear()
    gpu.say_that_the_cpu_does.cache_clear()


def without_gpu() -> bool:
    try:
        av.open(str(CLIP), hwaccel=av.codec.hwaccel.HWAccel("cuda")).close()
    except av.error.FFmpegError:
        return True
    return False


no_gpu = pytest.mark.skipif(not without_gpu(), reason="a GPU decodes here")


def write(path: Path) -> bytes:
    with VideoWriter(path, 64, 48, 25) as writer:
        for value in range(30):
            writer.write_picture(np.full((48, 64, 3), 8 * value, np.uint8))
    return path.read_bytes()


def frames(start: Fraction) -> list[tuple[Any, ...]]:
    def told(one: Any) -> tuple[Any, ...]:
        return one.format.name, one.colorspace, one.color_range, one.color_trc, one.color_primaries, one.to_ndarray().tobytes()

    return [(frame.clock, *told(frame.decoded)) for frame in decode_from(CLIP, start)]


def test_ffmpeg_as_it_is_installed_has_what_is_asked_for() -> None:
    assert "cuda" in hwdevices_available()
    for codec in ("h264", "hevc"):
        assert "cuda" in {config.device_type.name for config in av.Codec(codec, "r").hardware_configs}
    assert "yuv420p" in {form.name for form in av.Codec(gpu.ENCODER, "w").video_formats or []}


@pytest.mark.parametrize(("device", "is_on"), [("cpu", False), ("mps", False), ("cuda", True), ("cuda:1", True)])
def test_only_a_device_of_cuda_codes_and_only_inside_the_block(device: str, is_on: bool) -> None:
    with gpu.coding_on(device):
        assert (gpu.accelerator() is not None) == is_on
        with gpu.coding_on("cpu"):
            assert gpu.accelerator() is None
    assert gpu.accelerator() is None
    assert not gpu.encodes(64, 48)


@no_gpu
def test_without_a_gpu_the_cpu_does_the_same_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain, pictures = write(tmp_path / "plain.mp4"), frames(Fraction(0))
    gpu._opens.cache_clear()  # another test of this process may have been told
    gpu.say_that_the_cpu_does.cache_clear()
    with gpu.coding_on(CUDA), caplog.at_level(logging.INFO, "netflips.device"):
        assert write(tmp_path / "asked.mp4") == plain
        assert write(tmp_path / "again.mp4") == plain
        assert frames(Fraction(0)) == pictures == frames(Fraction(0))
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "pictures are encoded on the CPU",
        "pictures are decoded on the CPU",
    ]


@pytest.mark.parametrize("start", [Fraction(0), Fraction(1)])
def test_frames_that_come_back_from_a_gpu_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch, start: Fraction) -> None:
    """A decoder that is pretended: what PyAV copies from a GPU, pixels in two planes and the time, without tags."""
    expected, real, opened = frames(start), decoding.decode_frames, av.open
    on_gpu = []

    def opens(*arguments: Any, hwaccel: Any = None, **named: Any) -> Any:
        container = opened(*arguments, **named)
        on_gpu.extend([container] if hwaccel is not None else [])
        return container

    def decode(container: Any, stream: Any, path: Path, packets: Iterable[Any] | None = None) -> Iterator[DecodedFrame]:
        for frame in real(container, stream, path, packets):
            if container not in on_gpu:
                yield frame
                continue
            bare = frame.decoded.reformat(format="nv12")
            bare.colorspace = bare.color_trc = bare.color_primaries = 2
            bare.color_range = 0
            yield frame._replace(decoded=bare)

    monkeypatch.setattr(av, "open", opens)
    monkeypatch.setattr(decoding, "decode_frames", decode)
    with gpu.coding_on(CUDA):
        assert frames(start) == expected
        assert len(on_gpu) == 1
        assert len(list(islice(decode_from(CLIP), 1))) == 1  # the first picture alone does not ask the GPU
    assert len(on_gpu) == 1


def test_pictures_of_a_gpus_encoder_join_in_order_and_what_must_be_the_same_is_not_its_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = gpu.encoder_options(16.5)
    assert settings == {"preset": "p4", "rc": "constqp", "qp": "16", "bf": "0", "gpu": "0"}
    monkeypatch.setattr(gpu, "_opens", lambda *_: True)
    with gpu.coding_on("cuda:1"):
        assert VideoWriter(tmp_path / "o.mp4", 64, 48, 25)._codec == gpu.ENCODER
        assert VideoWriter(tmp_path / "o.mp4", 64, 48, 25)._options["gpu"] == "1"
        assert VideoWriter(tmp_path / "o.mp4", 64, 48, 25, is_reproducible=True)._codec == "libx264"
