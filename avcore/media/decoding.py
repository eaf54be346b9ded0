"""Decode frames in presentation order, from the start of a file or from its middle, progressive and SDR.

FFmpeg's filters deinterlace frames and convert HDR to SDR. Most frames need neither: they pass unchanged, and no filter is set up.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avcore.errors import MediaError
from avcore.files import private_folder
from avcore.media.colour import WideColours, cube_of, has_alpha, is_transparent, wide_colours, with_known_tags
from avcore.media.media_source import AnySource, MediaSource, OnceAFile
from avcore.media.opening import _stores_order_only, open_media, require_video
from avcore.notes import Note, NoteKind
from avcore.timeline import FRAME_RATE

_GOOD = "flags=bilinear+full_chroma_int+accurate_rnd"
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m"}
_WIDE_MATRIX = "bt2020"
_IN_BT709 = "range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
_TICK = Fraction(1, 25)
_LEAST_SIDE = 16
_FIELDS_APART, _LINES_APART = 1.04, 1.5
"""Thresholds of FFmpeg's filter `idet`."""
_EVERY_COLUMN = 4
_SURE = 12
_MOSTLY = 10
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
TRANSPARENT = NoteKind("transparent_frames", "transparent parts are shown on white")
_FIELDS = NoteKind("interlaced", "its frames are interlaced; each is deinterlaced into one")


@dataclass(frozen=True)
class Treatment:
    """The filters that the frames of a track need."""

    colours: WideColours | None = None
    """Colours to convert to SDR of BT.709, None = they stay."""
    is_interlaced: bool = False
    """The first frame holds two fields."""
    parity: str = "auto"
    """The field that is first: `auto` = as each frame states, `tff` or `bff`."""
    is_transparent: bool = False
    """The first frame is partly transparent; `frame_to_rgb` puts it on white."""

    @classmethod
    def of(cls, first: Any) -> "Treatment":
        """Return the treatment of a track by its first decoded frame."""
        return cls(wide_colours(first), _holds_fields(first), is_transparent=is_transparent(first))

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes for the user."""
        fields = (_FIELDS(),) if self.is_interlaced else ()
        alpha = (TRANSPARENT(),) if self.is_transparent else ()
        return (*fields, *alpha, *(() if self.colours is None else (self.colours.note,)))


AS_STORED = Treatment()
"""Progressive frames in SDR: no filters."""


class DecodedFrame(NamedTuple):
    """A decoded frame, not yet converted to RGB."""

    decoded: Any
    clock: Fraction
    """When it is shown, in the container's time (s; see `FileClock`)."""
    treatment: Treatment = AS_STORED


def treated(frames: Iterable[DecodedFrame], treatment: Treatment, are_fields_true: bool = True) -> Iterator[DecodedFrame]:
    """Yield the frames at the same times, deinterlaced and in SDR.

    are_fields_true: frames flagged as interlaced are interlaced; False = no frame is deinterlaced.
    """
    chain: _Chain | None = None
    has_fields = treatment.is_interlaced
    for frame in frames:
        # From the first frame with fields on, all go through the filter, which lets progressive ones pass (`deint=interlaced`).
        has_fields = has_fields or (are_fields_true and _holds_fields(frame.decoded))
        if not has_fields and treatment.colours is None:
            yield frame._replace(treatment=treatment) if treatment.is_transparent else frame
            continue
        if chain is None or not chain.takes(frame.decoded, has_fields):
            yield from () if chain is None else chain.end()
            chain = _Chain(frame.decoded, treatment, has_fields)
        yield from chain.feed(frame)
    yield from () if chain is None else chain.end()


def _holds_fields(frame: Any) -> bool:
    return bool(frame.interlaced_frame) and min(frame.width, frame.height) >= _LEAST_SIDE


class _Chain:
    """FFmpeg's filters for frames of one format; each input frame comes out once, in order."""

    def __init__(self, frame: Any, treatment: Treatment, has_fields: bool) -> None:
        self._form, self._treatment, self._has_fields = _form(frame), treatment, has_fields
        self._clocks, self._number = deque[Fraction](), 0

        self._graph = av.filter.Graph()
        form = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={_TICK}:pixel_aspect=1/1"
        source = f"{form}:colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"
        chain: list[tuple[str, str | dict[str, str]]] = [("buffer", source)]
        if has_fields:
            chain.append(("bwdif", f"mode=send_frame:parity={treatment.parity}:deint=interlaced"))
        if treatment.colours is None:
            self._set_up(chain)
            return

        matrix, alpha = _MATRICES.get(frame.colorspace, _WIDE_MATRIX), "a" * has_alpha(frame)
        with private_folder() as folder:  # the table is read once, here
            table = folder / "colours.cube"
            table.write_text(cube_of(treatment.colours), encoding="ascii")
            chain += [
                ("scale", f"{_GOOD}:out_range=pc" + ("" if frame.format.is_rgb else f":in_color_matrix={matrix}")),
                ("format", f"gbr{alpha}p16le"),
                # Tetrahedra share the diagonal of a cell, so that greys stay grey.
                ("lut3d", {"file": str(table), "interp": "tetrahedral"}),
                ("scale", f"{_GOOD}:out_color_matrix=bt709:out_range=tv"),
                ("format", f"yuv{alpha}420p"),
                ("setparams", _IN_BT709),
            ]
            self._set_up(chain)

    def _set_up(self, chain: Sequence[tuple[str, str | dict[str, str]]]) -> None:
        steps = [
            self._graph.add(name, **how) if isinstance(how, dict) else self._graph.add(name, how)
            for name, how in (*chain, ("buffersink", None))
        ]
        self._graph.link_nodes(*steps).configure()
        self._first, self._last = steps[0], steps[-1]

    def takes(self, frame: Any, has_fields: bool) -> bool:
        """Return whether the filters were set up for a frame's format."""
        return _form(frame) == self._form and has_fields == self._has_fields

    def feed(self, frame: DecodedFrame) -> Iterator[DecodedFrame]:
        """Put a frame in, and yield the frames that come out, maybe one late."""
        # Filters may change times: frames are numbered, and each output takes the clock of its input.
        frame.decoded.pts, frame.decoded.time_base = self._number, _TICK
        self._number += 1
        self._clocks.append(frame.clock)
        self._first.push(frame.decoded)
        yield from self._ready()

    def end(self) -> Iterator[DecodedFrame]:
        """Yield the frames that are left."""
        self._first.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[DecodedFrame]:
        while self._clocks:
            try:
                frame = self._last.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield DecodedFrame(frame, self._clocks.popleft(), self._treatment)


def _form(frame: Any) -> tuple[object, ...]:
    tags = frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries
    return frame.width, frame.height, frame.format.name, *tags


def true_parity(runs: Iterable[Iterable[Any]]) -> str | None:
    """Find the field order of decoded frames that are flagged as interlaced.

    Returns `tff` or `bff` where one field is clearly first, `auto` where that is not clear, None for progressive frames that were
    sent as fields. runs: stretches of consecutive frames. The measure is that of FFmpeg's filter `idet`.
    """
    found: Counter[str] = Counter()
    for frames in runs:
        luma = (frame.reformat(format="gray").to_ndarray()[:, ::_EVERY_COLUMN] for frame in frames)
        # Signed: differences of bytes would wrap round.
        lines = [np.asarray(one, np.int32) for one in luma]
        threes = zip(lines, lines[1:], lines[2:], strict=False)
        found.update(_fields(*three) for three in threes if len({one.shape for one in three}) == 1)

    top, bottom, whole = found["tff"], found["bff"], found["whole"]
    if whole >= _SURE and whole > _MOSTLY * (top + bottom):
        return None
    return "tff" if top > _MOSTLY * bottom else "bff" if bottom > _MOSTLY * top else "auto"


def _fields(before: NDArray[np.int32], now: NDArray[np.int32], after: NDArray[np.int32]) -> str:
    """Return `idet`'s class of a frame, by how well its lines fit between those of its neighbours: tff, bff, whole or unclear."""
    above_and_below = now[:-2] + now[2:]
    earlier, later, own = (np.abs(above_and_below - 2 * one[1:-1]).sum(1, dtype=np.int64) for one in (before, after, now))
    odd, even = slice(0, None, 2), slice(1, None, 2)  # row 0 of these is line 1 of the frame
    first = int(earlier[even].sum() + later[odd].sum())
    second = int(earlier[odd].sum() + later[even].sum())
    if first > _FIELDS_APART * second:
        return "tff"
    if second > _FIELDS_APART * first:
        return "bff"
    return "whole" if second > _LINES_APART * int(own.sum()) else "unclear"


_Treat = Callable[[Iterable[DecodedFrame]], Iterator[DecodedFrame]]

_SEEK_BACK_S = (0, 1, 5, 30)
_PLACES, _PLACE_FRAMES = 4, 10
_FRAMES_AROUND = Fraction(2)

_DAMAGED = NoteKind("bad_video_packets", "{count} damaged video packets were skipped")


def decode_frames(container: Any, stream: Any, source: MediaSource, packets: Iterable[Any] | None = None) -> Iterator[DecodedFrame]:
    """Decode from the container's current position, as stored; damaged packets are skipped with one note.

    packets: of the stream, where the caller reads them.
    """
    clock, num_damaged, decoder = _Clock(container, stream), 0, _decoder_of(stream)
    for packet in container.demux(stream) if packets is None else packets:
        clock.feed(packet)
        try:
            frames = decoder.decode(packet)
        except av.error.InvalidDataError:
            clock.drop()
            num_damaged += 1
            continue
        for frame in frames:
            yield DecodedFrame(with_known_tags(frame), clock.stamp(frame))

    if num_damaged:
        source.note(_DAMAGED(count=num_damaged))


def _decoder_of(stream: Any) -> Any:
    """Return the decoder of a stream. FFmpeg's own decoders of VP8 and VP9 drop the alpha channel, those of libvpx keep it."""
    name = _WITH_ALPHA.get(stream.codec_context.name)
    if name is None or {key.lower(): value for key, value in stream.metadata.items()}.get("alpha_mode") != "1":
        return stream.codec_context
    decoder = av.CodecContext.create(name, "r")
    decoder.options = stream.codec_context.options
    return decoder


def decode_from(given: AnySource, start: Fraction = Fraction(0)) -> Iterator[DecodedFrame]:
    """Yield the first frame of a video, and then frames in order from around `start` (s after the first) to the end.

    The second part begins at or before `start`, so that no frame on screen from then on is missing. All frames are progressive
    and SDR (`Treatment`). Raises InputError or MediaError when no frame can be decoded.
    """
    source = MediaSource.of(given)
    with open_media(source) as container:
        stream = require_video(container, source)
        treat, from_start = decode_from_start(container, stream, source)
        first = next(from_start)
        yield first
        if first.treatment.is_interlaced:  # deinterlacing needs the frames around
            start = max(start - _FRAMES_AROUND / (stream.average_rate or stream.guessed_rate or FRAME_RATE), Fraction(0))
        frames = _seek(container, stream, source, first.clock + start) if start > 0 else from_start
        if frames is not None:
            yield from frames if frames is from_start else treat(frames)
            return
    yield from islice(decode_from(source), 1, None)


def decode_from_start(
    container: Any, stream: Any, source: MediaSource, packets: Iterable[Any] | None = None
) -> tuple[_Treat, Iterator[DecodedFrame]]:
    """Return the treatment of a video's frames as a function, and its treated frames from the first on.

    packets: see `decode_frames`. Raises MediaError when no frame can be decoded.
    """
    stored = decode_frames(container, stream, source, packets)
    lead = next(stored, None)
    if lead is None:
        raise MediaError("no frame in it can be decoded", path=source.path)
    treat = _treatment(source, lead.decoded)
    return treat, treat(chain([lead], stored))


def _treatment(source: MediaSource, first: Any) -> _Treat:
    """Return the treatment of a video's frames, by the first one, as a function from frames to frames."""
    treatment, are_fields_true = Treatment.of(first), True
    if treatment.is_interlaced:
        parity = _parity(source)
        are_fields_true = parity is not None
        treatment = replace(treatment, is_interlaced=are_fields_true, parity=parity or "auto")
    return partial(treated, treatment=treatment, are_fields_true=are_fields_true)


@OnceAFile
def _parity(source: MediaSource) -> str | None:
    """Return the `true_parity` of a file, from stretches of frames at four places."""
    with open_media(source) as container:
        stream = require_video(container, source)
        start, length = container.start_time or 0, container.duration or 0

        def stretches() -> Iterator[list[Any]]:
            for place in range(_PLACES if length else 1):
                container.seek(start + length * place // _PLACES)
                yield [frame.decoded for frame in islice(decode_frames(container, stream, source), _PLACE_FRAMES)]

        try:
            return true_parity(stretches())
        except av.error.FFmpegError:
            return "auto"


def _seek(container: Any, stream: Any, source: MediaSource, clock: Fraction) -> Iterator[DecodedFrame] | None:
    """Return frames from `clock` (container time, s) or earlier on, or None where the file cannot be entered in the middle.

    The index of some containers leads to a keyframe that is shown too late: then the seek is repeated from further back. Raw
    streams, and reordered ones in AVI, store no presentation times.
    """
    if stream.start_time is None or (_stores_order_only(container) and stream.codec_context.has_b_frames):
        return None

    for back in (*_SEEK_BACK_S, clock):
        try:
            container.seek(int((clock - back) / stream.time_base), stream=stream)
            frames = decode_frames(container, stream, source)
            lead = next(frames, None)
        except av.error.FFmpegError:
            continue
        if lead is not None and lead.clock <= clock:
            return chain([lead], frames)

    return None


class _Clock:
    """Presentation times of frames, from whatever times the container stores.

    Most containers store a time with each frame. AVI stores only the order of decoding: frames come out in the order of
    presentation, so the k-th frame takes the time of the k-th packet. Raw streams store none: frames follow at the usual rate.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self._tick = stream.time_base
        self._step = 1 / (stream.average_rate or stream.guessed_rate or Fraction(FRAME_RATE))
        self._order: deque[int] | None = deque() if _stores_order_only(container) else None
        self._last: Fraction | None = None

    def feed(self, packet: Any) -> None:
        """Record the time of a packet that goes to the decoder."""
        if self._order is not None and packet.size and packet.dts is not None:
            self._order.append(packet.dts)

    def drop(self) -> None:
        """Forget the last packet: it cannot be decoded."""
        if self._order:
            self._order.pop()

    def stamp(self, frame: Any) -> Fraction:
        """Return the time of the next frame (s); times always increase."""
        ticks = frame.pts if frame.pts is not None else frame.dts
        if self._order:
            ticks = self._order.popleft()
        earliest = None if self._last is None else self._last + (self._step if ticks is None else self._tick)
        clock = Fraction(0) if ticks is None else Fraction(ticks * self._tick)
        self._last = clock if earliest is None else max(clock, earliest)
        return self._last
