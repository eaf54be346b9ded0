"""By its first bytes a browser refuses a file before it is sent: nothing that the server would take in."""

import random
import re
from pathlib import Path

import av
import numpy as np
import pytest

from netflips.serve.preview import MEDIA, facts
from netflips.serve.uploads import HEADED, HEADS
from tests.netflips.serve.conftest import CLIP

PICTURES = (
    "3gp", "asf", "avi", "dv", "f4v", "flv", "gif", "h263", "h264", "hevc", "ismv", "ivf", "m4v", "matroska", "mjpeg", "mov", "mp4",
    "mpeg", "mpeg1video", "mpeg2video", "mpegts", "mxf", "nut", "obu", "ogv", "rm", "vob", "webm", "wtv", "yuv4mpegpipe",
)  # fmt: skip
SOUNDS = (
    "ac3", "adts", "aiff", "amr", "au", "caf", "eac3", "flac", "gxf", "latm", "mp2", "mp3", "opus", "sox", "tta", "voc", "w64",
    "wav", "wv",
)  # fmt: skip


def _is_let_through(content: bytes) -> bool:
    return re.match(HEADS, content[:1024].decode("latin-1")) is not None


def _write(path: Path, kind: str) -> None:
    """Write some pictures or some sound as FFmpeg does by itself for a kind of file."""
    with av.open(str(path), "w", format=kind) as file:
        if kind in PICTURES:
            stream = file.add_stream(file.default_video_codec, rate=25)
            stream.width, stream.height = (720, 576) if kind == "dv" else (176, 144)
            stream.pix_fmt = (stream.codec_context.codec.video_formats or [av.VideoFormat("yuv420p")])[0].name
            for number in range(12):
                shown = np.full((stream.height, stream.width, 3), 20 * number, np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24").reformat(format=stream.pix_fmt)))
        else:
            rate = {"amr": 8000, "opus": 48_000, "gxf": 48_000}.get(kind, 44_100)
            stream = file.add_stream(file.default_audio_codec, rate=rate, layout="mono")
            coder = stream.codec_context
            resampler = av.AudioResampler(coder.format.name, "mono", rate, frame_size=coder.frame_size or 1024)
            heard = av.AudioFrame.from_ndarray((8000 * np.sin(np.arange(22_050) / 9)).astype(np.int16)[None], "s16", "mono")
            heard.sample_rate = rate
            for part in resampler.resample(heard):
                file.mux(stream.encode(part))
        file.mux(stream.encode(None))


@pytest.mark.parametrize("kind", PICTURES + SOUNDS)
def test_what_the_server_takes_in_is_sent_whatever_it_is_called(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "talk.mp4"
    _write(path, kind)
    assert facts(path, MEDIA)["seconds"] > 0
    assert _is_let_through(path.read_bytes())


def test_what_begins_as_no_video_does_is_not_sent() -> None:
    noise = random.Random(0)
    others = [noise.randbytes(1024) for _ in range(100)]
    others += [b"not a video", b"%PDF-1.7", b"PK\3\4", b"\x89PNG\r\n\x1a\n", b"<html>", bytes(2000), b"\x7fELF", b"MZ", b"{}"]
    assert not any(map(_is_let_through, others))
    assert _is_let_through(bytes(7) + CLIP.read_bytes())  # zeros before it do not count


@pytest.mark.parametrize(("name", "is_looked_at"), [("a.mp4", True), ("a.mp4.mp3", False), ("a.ts", False), ("mp4", False)])
def test_raw_streams_are_left_to_the_server(name: str, is_looked_at: bool) -> None:
    assert (re.search(HEADED, name) is not None) == is_looked_at
