"""Conversions of decoded pictures before any use: fields become pictures, HDR becomes SDR.

Both are FFmpeg's filters. Pictures that need neither, as most, pass as they are: no filter is set up for them.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avcore.files import private_folder
from avcore.media.hdr import WideColours, cube_of, wide_colours
from avcore.notes import Note, NoteKind

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
_FIELDS = NoteKind(
    "interlaced",
    "its pictures are interlaced; they are deinterlaced, one picture for each frame",
    "비월 주사 영상이라 순차 주사로 바꾸어 썼습니다.",
)


@dataclass(frozen=True)
class Treatment:
    """What the pictures of a track need. colours: theirs, where they become SDR of BT.709. is_interlaced: whether the first frame
    holds two fields. parity: which field is first, `auto` = as each frame says, `tff` or `bff`.
    """

    colours: WideColours | None = None
    is_interlaced: bool = False
    parity: str = "auto"

    @classmethod
    def of(cls, first: Any) -> "Treatment":
        """Return the treatment of pictures whose first one, decoded, is `first`."""
        return cls(wide_colours(first), _holds_fields(first))

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes for the user."""
        fields = (_FIELDS(),) if self.is_interlaced else ()
        return fields if self.colours is None else (*fields, self.colours.note)


AS_STORED = Treatment()
"""Of progressive pictures in SDR."""


class DecodedFrame(NamedTuple):
    """A decoded frame, not yet converted, when it is shown as the container counts (s; see `FileClock`), and its treatment."""

    decoded: Any
    clock: Fraction
    treatment: Treatment = AS_STORED


def treated(frames: Iterable[DecodedFrame], treatment: Treatment, are_fields_true: bool = True) -> Iterator[DecodedFrame]:
    """Yield the same frames, at the same times, as progressive pictures with the colours of SDR.

    are_fields_true: whether a frame that says that it is interlaced is; False = no frame is deinterlaced.
    """
    chain: _Chain | None = None
    has_fields = treatment.is_interlaced
    for frame in frames:
        has_fields = has_fields or (are_fields_true and _holds_fields(frame.decoded))
        if not has_fields and treatment.colours is None:
            yield frame
            continue
        if chain is None or not chain.takes(frame.decoded, has_fields):
            yield from () if chain is None else chain.end()
            chain = _Chain(frame.decoded, treatment, has_fields)
        yield from chain.feed(frame)
    yield from () if chain is None else chain.end()


def _holds_fields(frame: Any) -> bool:
    return bool(frame.interlaced_frame) and min(frame.width, frame.height) >= _LEAST_SIDE


class _Chain:
    """FFmpeg's filters for frames of one form; each frame that goes in comes out once, in order."""

    def __init__(self, frame: Any, treatment: Treatment, has_fields: bool) -> None:
        self._form, self._treatment, self._has_fields = _form(frame), treatment, has_fields
        self._clocks, self._number = deque[Fraction](), 0
        self._graph = av.filter.Graph()
        chain: list[tuple[str, str | dict[str, str]]] = [("buffer", _source(frame))]
        if has_fields:
            chain.append(("bwdif", f"mode=send_frame:parity={treatment.parity}:deint=interlaced"))
        if treatment.colours is None:
            self._set_up(chain)
            return
        matrix = _MATRICES.get(frame.colorspace, _WIDE_MATRIX)
        with private_folder() as folder:  # the table is read once, here
            table = folder / "colours.cube"
            table.write_text(cube_of(treatment.colours), encoding="ascii")
            chain += [
                ("scale", f"{_GOOD}:out_range=pc" + ("" if frame.format.is_rgb else f":in_color_matrix={matrix}")),
                ("format", "gbrp16le"),
                ("lut3d", {"file": str(table), "interp": "tetrahedral"}),
                ("scale", f"{_GOOD}:out_color_matrix=bt709:out_range=tv"),
                ("format", "yuv420p"),
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
        """Return whether a frame is of the form that this was set up for."""
        return _form(frame) == self._form and has_fields == self._has_fields

    def feed(self, frame: DecodedFrame) -> Iterator[DecodedFrame]:
        """Put a frame in; yields what comes out, which may be the one before."""
        frame.decoded.pts, frame.decoded.time_base = self._number, _TICK
        self._number += 1
        self._clocks.append(frame.clock)
        self._first.push(frame.decoded)
        yield from self._ready()

    def end(self) -> Iterator[DecodedFrame]:
        """Yield what is left."""
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


def _source(frame: Any) -> str:
    form = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={_TICK}:pixel_aspect=1/1"
    return f"{form}:colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"


def true_parity(runs: Iterable[Iterable[Any]]) -> str | None:
    """Look at decoded frames that say that they are interlaced: `tff` or `bff` where one field is clearly first, `auto` where that
    is not clear, None where the lines of moving pictures belong together (progressive pictures sent as fields).

    runs: stretches of frames that follow one another. The measure is that of FFmpeg's filter `idet`.
    """
    found: Counter[str] = Counter()
    for frames in runs:
        lines = [_luma(frame) for frame in frames]
        threes = zip(lines, lines[1:], lines[2:], strict=False)
        found.update(_fields(*three) for three in threes if len({one.shape for one in three}) == 1)
    top, bottom, whole = found["tff"], found["bff"], found["whole"]
    if whole >= _SURE and whole > _MOSTLY * (top + bottom):
        return None
    return "tff" if top > _MOSTLY * bottom else "bff" if bottom > _MOSTLY * top else "auto"


def _luma(frame: Any) -> NDArray[np.int32]:
    """Return the brightness of every fourth column, int32 [lines, columns]."""
    return np.asarray(frame.reformat(format="gray").to_ndarray()[:, ::_EVERY_COLUMN], np.int32)


def _fields(before: NDArray[np.int32], now: NDArray[np.int32], after: NDArray[np.int32]) -> str:
    """Return what `idet` says of a frame by how well its lines fit between those of the frames around it: tff, bff, whole or
    unclear."""
    above_and_below = now[:-2] + now[2:]
    earlier, later, own = (np.abs(above_and_below - 2 * one[1:-1]).sum(1, dtype=np.int64) for one in (before, after, now))
    odd, even = slice(0, None, 2), slice(1, None, 2)  # row 0 of these is line 1 of the picture
    first = int(earlier[even].sum() + later[odd].sum())
    second = int(earlier[odd].sum() + later[even].sum())
    if first > _FIELDS_APART * second:
        return "tff"
    if second > _FIELDS_APART * first:
        return "bff"
    return "whole" if second > _LINES_APART * int(own.sum()) else "unclear"
