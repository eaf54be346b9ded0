"""Which YUV matrix a picture is in, so that colours come out as they went in."""

from typing import Any

import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray

from avcore.arrays import Pixels

_UNSPECIFIED = 2
_SD_MAX_WIDTH = 1280
_SD_MAX_HEIGHT = 576
_AV_BT709 = 1
_AV_SMPTE170M = 6
_NAMED = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601}
"""The usual matrices by FFmpeg's numbers; 5 and 6 are two names of one."""
_TRANSFERS = {1, 2, 4, 5, 6, 7, 8, *range(11, 19)}
_PRIMARIES = {1, 2, *range(4, 13), 22}
_MATRICES = {0, 1, 2, 4, 5, 6, 7, 9}
"""What FFmpeg 8 converts, by the numbers of ITU-T H.273."""
_LIKE_OTHERS = {10: 9}
"""BT.2020 with constant luminance is taken as without."""
USUAL = "yuv420p"
_FULL_CHROMA = 0x2000
_ACCURATE_ROUNDING = 0x40000
_QUALITY = int(Interpolation.BILINEAR) | _FULL_CHROMA | _ACCURATE_ROUNDING


def with_known_tags(frame: Any) -> Any:
    """Return a frame whose colour tags FFmpeg can convert: a reserved or unusual tag counts as not stated, as in players."""
    if frame.color_trc not in _TRANSFERS:
        frame.color_trc = _UNSPECIFIED
    if frame.color_primaries not in _PRIMARIES:
        frame.color_primaries = _UNSPECIFIED
    if frame.colorspace not in _MATRICES:
        frame.colorspace = _LIKE_OTHERS.get(frame.colorspace, _UNSPECIFIED)
    return frame


def is_hd(width: int, height: int) -> bool:
    """Return whether an untagged picture of this size is taken to be BT.709 (else BT.601), as players do."""
    return width >= _SD_MAX_WIDTH or height > _SD_MAX_HEIGHT


def matrix_of(frame: Any) -> Colorspace | None:
    """Return the matrix that a decoded frame is taken to be in; None = the one that it names, if any."""
    if frame.colorspace != _UNSPECIFIED:
        return _NAMED.get(frame.colorspace)
    return Colorspace.ITU709 if is_hd(frame.width, frame.height) else Colorspace.ITU601


def is_in_output_colours(frame: Any, is_bt709: bool) -> bool:
    """Return whether a decoded frame is in the matrix and range that videos of its size are written in, or BT.709 in any."""
    own = Colorspace.ITU709 if is_bt709 or is_hd(frame.width, frame.height) else Colorspace.ITU601
    return matrix_of(frame) == own and is_usual(frame)


def is_usual(frame: Any) -> bool:
    """Return whether a frame is stored as most are: 8 bits, limited range, one colour for each block of 2 x 2 pixels."""
    return frame.format.name == USUAL and frame.color_range in (int(ColorRange.UNSPECIFIED), int(ColorRange.MPEG))


def planes(frame: Any) -> list[Pixels]:
    """Return brightness and both colours of a frame of the usual kind, uint8 [h, w] each; writable if the frame is."""
    return [np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width] for plane in frame.planes]


def frame_to_rgb(frame: Any, width: int, height: int, matrix: Colorspace | None = None) -> NDArray[np.uint8]:
    """Convert a decoded frame of any pixel format to uint8 RGB [height, width, 3], as stored (not yet turned upright).

    matrix: for a part of a frame, that of the whole one.
    """
    matrix = matrix or matrix_of(frame)
    rgb = frame.reformat(width, height, "rgb24", src_colorspace=matrix, interpolation=_QUALITY, threads=1)
    pixels: NDArray[np.uint8] = rgb.to_ndarray()
    return pixels


def rgb_to_yuv420(frame: Any, is_bt709: bool) -> Any:
    """Convert an RGB frame to limited-range yuv420p, in BT.709 or BT.601."""
    matrix = Colorspace.ITU709 if is_bt709 else Colorspace.SMPTE170M
    return frame.reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG, interpolation=_QUALITY, threads=1
    )


def tag_stream(stream: Any, is_bt709: bool) -> None:
    """Declare matrix, primaries, transfer and range of an output stream: BT.709 or BT.601."""
    context, hd = stream.codec_context, is_bt709
    context.colorspace = _AV_BT709 if hd else _AV_SMPTE170M
    context.color_primaries = int(ColorPrimaries.BT709 if hd else ColorPrimaries.SMPTE170M)
    context.color_trc = int(ColorTrc.BT709 if hd else ColorTrc.SMPTE170M)
    context.color_range = int(ColorRange.MPEG)
