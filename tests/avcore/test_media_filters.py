"""HDR becomes SDR and fields become frames, whatever the file; what is plain already is left alone."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.journal import file_digest
from avcore.media import FrameSource, VideoWriter, probe, read_frames
from avcore.media.colour import WHITE, WideColours, to_sdr
from avcore.media.decoding import AS_STORED
from avcore.media.source import read_stored
from avcore.notes import sentence
from netflips.dubbing.job import digest_of
from tests.avcore.media_samples import Film, numbered_frame

TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""ITU-R BT.2087-0: linear RGB of BT.709 in BT.2020."""
SDR = np.array(
    [[239, 199, 170], [150, 95, 70], [40, 90, 60], [128, 128, 128], [90, 60, 160], [16, 16, 16], [230, 230, 230], [200, 60, 50]]
)
TRANSFERS = {"HLG": 18, "PQ": 16, "BT.2020": 14}
DEEP, PLAIN, FULL = "yuv420p10le", "yuv420p", 2
SIDE = 32


def light_of(sdr: NDArray[Any]) -> NDArray[np.float64]:
    """Light in BT.2020 for SDR colours of 0..255; 1 = diffuse white."""
    return np.asarray((sdr / 255.0) ** 2.4 @ TO_2020.T)


def coded(light: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Signals of HLG or PQ for light in BT.2020: BT.2100-2, tables 4 and 5, the other way round; of BT.1886 for SDR."""
    if kind == "BT.2020":
        return np.asarray(light ** (1 / 2.4))
    if kind == "PQ":
        power = (light * WHITE / 10_000) ** (2610 / 16384)
        return np.asarray(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))
    shown = light * WHITE / 1000
    luminance = shown @ np.array([0.2627, 0.6780, 0.0593])
    scene = shown * luminance[:, None] ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


def write_hdr(
    path: Path, signals: NDArray[np.float64], kind: str, form: str = DEEP, colour_range: int = 1, primaries: int = 9
) -> Path:
    """A video of five frames with a square for each colour, lossless; signals: R'G'B' of 0..1 in BT.2020."""
    red, green, blue = signals.T
    bright = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    chroma = (blue - bright) / 1.8814, (red - bright) / 1.4746
    step = 4 if form == DEEP else 1
    if colour_range == FULL:
        low, span, grey, spread, top = 0, 256 * step - 1, 128 * step, 256 * step - 1, 256 * step - 1
    else:
        low, span, grey, spread, top = 16 * step, 219 * step, 128 * step, 224 * step, 256 * step - 1
    levels = [low + span * bright, *(grey + spread * one for one in chroma)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = SIDE * len(signals), SIDE, form
        context = stream.codec_context
        context.color_trc, context.color_primaries = TRANSFERS[kind], primaries
        context.colorspace, context.color_range = 9, colour_range
        for _ in range(5):
            frame = av.VideoFrame(stream.width, stream.height, form)
            for number, (plane, level) in enumerate(zip(frame.planes, levels, strict=True)):
                side = SIDE // (2 if number else 1)
                row = np.repeat(np.clip(np.round(level), 0, top), side).astype("<u2" if step == 4 else np.uint8)
                store = np.zeros((plane.height, plane.line_size // row.itemsize), row.dtype)
                store[:, : plane.width] = row
                plane.update(store.tobytes())
            frame.colorspace, frame.color_range = 9, colour_range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def squares(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The colour in the middle of each square."""
    return np.array([rgb[SIDE // 2 - 4 : SIDE // 2 + 4, x - 4 : x + 4].mean((0, 1)) for x in range(SIDE // 2, rgb.shape[1], SIDE)])


@pytest.mark.parametrize(
    ("kind", "form", "colour_range", "primaries", "slack"),
    [
        ("HLG", DEEP, 1, 9, 3),
        ("HLG", DEEP, FULL, 9, 3),
        ("HLG", DEEP, 1, 2, 3),  # primaries that are not said are those of HDR
        ("HLG", PLAIN, 1, 9, 5),
        ("PQ", DEEP, 1, 9, 3),
        ("PQ", DEEP, FULL, 9, 3),
        ("PQ", PLAIN, 1, 9, 6),
        ("BT.2020", DEEP, 1, 9, 3),
        ("BT.2020", PLAIN, FULL, 9, 4),
    ],
)
def test_sdr_put_into_hdr_comes_back(tmp_path: Path, kind: str, form: str, colour_range: int, primaries: int, slack: int) -> None:
    video = write_hdr(tmp_path / "a.mkv", coded(light_of(SDR), kind), kind, form, colour_range, primaries)
    for frame in (*read_frames(video), *FrameSource(video)):
        assert np.abs(squares(frame.rgb) - SDR).max() <= slack
    info = probe(video)
    name = kind if kind == "BT.2020" else f"HDR ({kind})"
    assert tuple(map(sentence, info.notes)) == (f"its colours are {name}; frames that are drawn or encoded turn into SDR (BT.709)",)
    assert digest_of(info) != file_digest(video)  # nothing that was kept of it before is believed
    assert next(read_stored(video)).is_plain  # so that it is not converted twice


def test_hdr_turned_upright_stays_so_and_is_tagged_as_it_became(tmp_path: Path) -> None:
    video = write_hdr(tmp_path / "a.mkv", coded(light_of(SDR), "HLG"), "HLG")
    turned = tmp_path / "b.mkv"
    with av.open(str(video)) as given, av.open(str(turned), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        stream.set_display_matrix([0, 65536, 0, -65536, 0, 0, 0, 0, 1073741824])
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    info = probe(turned)
    assert (info.width, info.height) == (SIDE, SIDE * len(SDR))
    assert info.rotation in (90, 270)
    colours = squares(np.rot90(next(read_frames(turned)).rgb, 1 if info.rotation == 270 else 3))
    assert np.abs(colours - SDR).max() <= 3
    with VideoWriter(tmp_path / "c.mp4", info.width, info.height, 25, is_bt709=info.is_bt709, crf=1) as writer:
        for frame in read_frames(turned):
            writer.write_rgb(frame.rgb)
    with av.open(str(tmp_path / "c.mp4")) as written:
        tags = written.streams.video[0].codec_context
        assert (tags.color_trc, tags.color_primaries, tags.colorspace, tags.color_range) == (1, 1, 1, 1)


@pytest.mark.parametrize("colours", [WideColours("HLG", 9, 1000), WideColours("PQ", 9, 1000), WideColours("PQ", 9, 10_000)])
def test_highlights_roll_off_smoothly_and_keep_their_hue(colours: WideColours) -> None:
    grey = to_sdr(np.repeat(np.linspace(0, 1, 500)[:, None], 3, 1), colours)
    assert np.all(np.diff(grey[:, 0]) >= -1e-12)
    assert np.diff(grey[:, 0]).max() < 4 / 255
    assert grey[-1].tolist() == pytest.approx([1, 1, 1])
    light = light_of(np.array([[200, 150, 110]])) * np.linspace(1, 4.5, 40)[:, None]
    shown = to_sdr(coded(light, colours.kind), colours) ** 2.4
    shares = shown / shown.sum(1, keepdims=True)
    assert np.abs(shares - shares[0]).max() < 0.01
    assert np.all(np.diff(shown[:, 0]) > 0)  # four times as bright as paper is still told from three times
    assert np.all(to_sdr(coded(light_of(np.array([[255, 255, 255]])), colours.kind), colours) > 243 / 255)


def fields(top_first: bool) -> list[NDArray[np.uint8]]:
    """Twelve interlaced frames of a bar that moves all the time; the two fields are half a frame apart."""

    def bar(time: float) -> NDArray[np.uint8]:
        rgb = np.full((96, 160, 3), 60, np.uint8)
        left = round(10 + 6 * time)
        rgb[20:76, left : left + 30] = 200
        return rgb

    woven, lines = [], slice(0 if top_first else 1, None, 2)
    for number in range(12):
        frame = bar(number + 0.5)
        frame[lines] = bar(number)[lines]
        woven.append(frame)
    return woven


def flagged(frames: Sequence[NDArray[np.uint8]], mode: str) -> Iterator[Any]:
    """The images as frames that say which field is first: tff, bff or prog."""
    graph = av.filter.Graph()
    height, width, _ = frames[0].shape
    steps = (
        graph.add("buffer", f"video_size={width}x{height}:pix_fmt=yuv422p:time_base=1/30:pixel_aspect=1/1"),
        graph.add("setfield", mode),
    )
    sink = graph.add("buffersink")
    graph.link_nodes(*steps, sink).configure()
    for number, image in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv422p")
        frame.pts = number
        steps[0].push(frame)
        yield sink.pull()


def write_fields(path: Path, frames: Sequence[NDArray[np.uint8]], mode: str, codec: str = "mpeg2video", rate: int = 30) -> Path:
    with av.open(str(path), "w") as container:
        mpeg2, x264 = {"flags": "+ildct+ilme", "qscale": "2", "global_quality": "236"}, {"x264-params": f"{mode}=1"}
        options = mpeg2 if codec == "mpeg2video" else x264
        stream = container.add_stream(codec, rate=rate, options=options)
        height, width, _ = frames[0].shape
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv422p"
        for frame in flagged(frames, mode):
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def combs(rgb: NDArray[np.uint8]) -> float:
    """How unlike neighbouring lines are, compared with lines two apart."""
    lines = rgb.astype(np.int32).mean(-1)
    return float(np.abs(np.diff(lines, axis=0)).mean() / np.abs(lines[2:] - lines[:-2]).mean())


@pytest.mark.parametrize("rate", [25, 30])
@pytest.mark.parametrize("name", ["a.mpg", "a.mkv", "a.mp4"])
@pytest.mark.parametrize("mode", ["tff", "bff"])
def test_fields_become_frames_at_the_same_times(tmp_path: Path, mode: str, name: str, rate: int) -> None:
    woven = fields(mode == "tff")
    codec = "libx264" if name.endswith("mp4") else "mpeg2video"
    video = write_fields(tmp_path / name, woven, mode, codec, rate)
    frames, info = list(read_frames(video)), probe(video)
    assert combs(woven[6]) > 1.2
    assert max(combs(frame.rgb) for frame in frames) < 0.75
    assert len(frames) == len(woven) == info.num_frames
    assert [round(frame.time * rate) for frame in frames] == list(range(len(woven)))
    assert tuple(map(sentence, info.notes)) == ("its frames are interlaced; each is deinterlaced into one",)
    assert info.treatment.parity == mode
    later = list(read_frames(video, frames[5].time))
    assert np.array_equal(later[-3].rgb, frames[-3].rgb)
    assert later[0].time == frames[5].time
    assert np.array_equal(later[0].rgb, frames[5].rgb)  # as if all before had been decoded


def test_progressive_frames_sent_as_fields_are_left_alone(tmp_path: Path) -> None:
    """25PsF: each frame says that it is interlaced, and its lines belong together."""
    noise = np.random.default_rng(0).integers(0, 255, (96, 400, 1), np.uint8)
    moving = [np.ascontiguousarray(np.broadcast_to(noise[:, 9 * k : 9 * k + 160], (96, 160, 3))) for k in range(26)]
    smooth = [np.asarray((one[:-1].astype(int) + one[1:]) // 2, np.uint8) for one in moving]
    smooth = [np.asarray(np.repeat(one[::8], 8, 0)[:96], np.uint8) for one in smooth]
    video = write_fields(tmp_path / "a.mkv", smooth, "tff", rate=25)
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
        assert all(frame.interlaced_frame for frame in frames)
        stored = [frame.to_ndarray(format="yuv422p") for frame in frames]
    assert probe(video).treatment == AS_STORED
    for image, one in zip(read_stored(video), stored, strict=True):
        assert np.array_equal(image._frame.decoded.to_ndarray(format="yuv422p"), one)


def test_plain_frames_go_through_no_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = Film(frames=[numbered_frame(k) for k in range(50)]).write(tmp_path / "a.mp4")

    def refuse(*_: object) -> None:
        raise AssertionError("a filter was set up")

    monkeypatch.setattr(av.filter, "Graph", refuse)
    assert len(list(read_frames(video))) == 50
    assert probe(video).reading == ()


@pytest.mark.parametrize("tags", [(0, 0, 3), (3, 3, 8), (9, 2, 10), (10, 1, 14), (1, 3, 17)])
def test_colour_tags_that_nothing_can_convert_count_as_not_said(tmp_path: Path, tags: tuple[int, int, int]) -> None:
    video = tmp_path / "a.mkv"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = tags
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), (200, 150, 110), np.uint8), "rgb24").reformat(format="yuv420p")
        frame.color_trc, frame.color_primaries, frame.colorspace = tags
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert np.abs(next(read_frames(video)).rgb.astype(int) - (200, 150, 110)).max() < 12
    assert probe(video).height == 48
