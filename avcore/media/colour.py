"""Faithful colours: the YUV matrix of a frame, and conversion of HDR and BT.2020 to SDR in BT.709.

ITU-R BT.2100-2 defines the light of HLG and PQ signals; by ITU-R BT.2408 white paper has 203 cd/m2, 75 % of HLG. Light that SDR
can show is unchanged, so SDR that was converted to HLG or PQ comes back as it was; only brighter light is rolled off. The formulas
are sampled to a table for FFmpeg's filter `lut3d`.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.notes import Note, NoteKind

_UNSPECIFIED = 2
_SD_MAX_WIDTH = 1280
_SD_MAX_HEIGHT = 576
_AV_BT709 = 1
_AV_SMPTE170M = 6
_NAMED = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601}
"""The usual matrices by FFmpeg's numbers; 5 and 6 are the same matrix."""
_KNOWN_TRANSFERS = {1, 2, 4, 5, 6, 7, 8, *range(11, 19)}
_KNOWN_PRIMARIES = {1, 2, *range(4, 13), 22}
_MATRICES = {0, 1, 2, 4, 5, 6, 7, 9}
"""Matrices that FFmpeg 8 converts, by the numbers of ITU-T H.273."""
_LIKE_OTHERS = {10: 9}
"""BT.2020 with constant luminance is treated as without."""
USUAL = "yuv420p"
_OPAQUE = 255
_FULL_CHROMA = 0x2000
_ACCURATE_ROUNDING = 0x40000
# Without these flags swscale takes 0.3 ms less for a frame, and grays are 1.2 levels off throughout.
_QUALITY = int(Interpolation.BILINEAR) | _FULL_CHROMA | _ACCURATE_ROUNDING


def with_known_tags(frame: Any) -> Any:
    """Return a frame whose colour tags FFmpeg can convert: a reserved or unusual tag counts as not stated, as in players."""
    if frame.color_trc not in _KNOWN_TRANSFERS:
        frame.color_trc = _UNSPECIFIED
    if frame.color_primaries not in _KNOWN_PRIMARIES:
        frame.color_primaries = _UNSPECIFIED
    if frame.colorspace not in _MATRICES:
        frame.colorspace = _LIKE_OTHERS.get(frame.colorspace, _UNSPECIFIED)
    return frame


def is_hd(width: int, height: int) -> bool:
    """Return whether an untagged frame of this size counts as BT.709 (else BT.601), as in players."""
    return width >= _SD_MAX_WIDTH or height > _SD_MAX_HEIGHT


def matrix_of(frame: Any) -> Colorspace | None:
    """Return the matrix of a decoded frame, guessed by its size where it is untagged; None = an unusual one, named by its tag."""
    if frame.colorspace != _UNSPECIFIED:
        return _NAMED.get(frame.colorspace)
    return Colorspace.ITU709 if is_hd(frame.width, frame.height) else Colorspace.ITU601


def is_in_output_colours(frame: Any, is_bt709: bool) -> bool:
    """Return whether a decoded frame has the matrix and range of the output. is_bt709: BT.709 whatever the frame's size."""
    own = Colorspace.ITU709 if is_bt709 or is_hd(frame.width, frame.height) else Colorspace.ITU601
    return matrix_of(frame) == own and is_usual(frame)


def is_usual(frame: Any) -> bool:
    """Return whether a frame is stored as most are: 8 bits, limited range, one chroma sample for each block of 2 x 2 pixels."""
    return frame.format.name == USUAL and frame.color_range in (int(ColorRange.UNSPECIFIED), int(ColorRange.MPEG))


def planes(frame: Any) -> list[Pixels]:
    """Return the luma and both chroma planes of a yuv420p frame, uint8 [h, w] each; writable if the frame is."""
    return [np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width] for plane in frame.planes]


def frame_to_rgb(
    frame: Any, width: int, height: int, matrix: Colorspace | None = None, interpolation: Any = _QUALITY
) -> NDArray[np.uint8]:
    """Convert a decoded frame of any pixel format to uint8 RGB [height, width, 3], as stored (not yet turned upright).

    matrix: for a part of a frame, the matrix of the whole. Transparent pixels are blended with white. interpolation: swscale's.
    """
    matrix = matrix or matrix_of(frame)
    if is_transparent(frame):
        rgba = frame.reformat(width, height, "rgba", src_colorspace=matrix, interpolation=interpolation, threads=1).to_ndarray()
        alpha = rgba[..., 3:].astype(np.float32) / _OPAQUE
        return np.asarray(np.rint(rgba[..., :3] * alpha + _OPAQUE * (1 - alpha)), np.uint8)
    rgb = frame.reformat(width, height, "rgb24", src_colorspace=matrix, interpolation=interpolation, threads=1)
    pixels: NDArray[np.uint8] = rgb.to_ndarray()
    return pixels


def has_alpha(frame: Any) -> bool:
    """Return whether a frame has an alpha channel."""
    return any(component.is_alpha for component in frame.format.components)


def is_transparent(frame: Any) -> bool:
    """Return whether a part of a frame is transparent; where all of it is, its alpha channel is ignored."""
    if not has_alpha(frame):
        return False
    alpha = frame.reformat(format="rgba", threads=1).to_ndarray()[..., 3]
    return bool(alpha.min() < _OPAQUE and alpha.max() > 0)


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


Colours = NDArray[np.float64]

WHITE = 203.0
"""cd/m2 of diffuse white in HDR: ITU-R BT.2408-7, table 1."""
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
"""The reference display of HLG: cd/m2, and its system gamma (BT.2100-2, table 5, note 5f)."""
_PQ_PEAK = 10_000.0
_GAMMA = 2.4
"""Gamma of an SDR display: ITU-R BT.1886."""
_KNEE = 0.94
"""SDR signal above which brightness is rolled off."""
_SIZES = {"HLG": 65, "PQ": 65, "BT.2020": 33}
"""Points a side of the table."""
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
_SDR_TRANSFERS = (1, 2, 6, 14, 15)
_BT2020 = 9
_WHITE_POINT = (0.3127, 0.3290)
_BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_CHROMATICITIES = {
    1: _BT709,
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    _BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Chromaticities of red, green and blue by FFmpeg's numbers (ITU-T H.273, table 2): BT.709, BT.601, BT.2020, Display P3."""

_COLOURS = NoteKind("hdr", "its colours are {kind}; frames that are drawn or encoded turn into SDR (BT.709)")


@dataclass(frozen=True)
class WideColours:
    """The colours of a frame that is not SDR of BT.709 or BT.601."""

    kind: str
    """HLG, PQ, or BT.2020 (SDR with its primaries)."""
    primaries: int
    """FFmpeg's number."""
    peak: float
    """The brightest light, cd/m2."""

    @property
    def note(self) -> Note:
        """The note for the user."""
        return _COLOURS(kind=self.kind if self.kind == "BT.2020" else f"HDR ({self.kind})")


def wide_colours(frame: Any) -> WideColours | None:
    """Return the wide colours of a decoded frame by its tags, whatever its bit depth; None where no conversion is needed."""
    kind, primaries = _HDR_TRANSFERS.get(frame.color_trc), frame.color_primaries
    if kind is None:
        is_wide = primaries == _BT2020 and frame.color_trc in _SDR_TRANSFERS
        return WideColours("BT.2020", primaries, WHITE) if is_wide else None
    primaries = primaries if primaries in _CHROMATICITIES else _BT2020
    return WideColours(kind, primaries, _HLG_PEAK if kind == "HLG" else _declared_peak(frame))


def _declared_peak(frame: Any) -> float:
    """Return the brightest light of a PQ frame (cd/m2) by its metadata (SMPTE ST 2086, CTA-861.3), which are often missing."""
    side_data = frame.reformat(16, 16, "gray").side_data  # of a tiny copy, see `avcore.media.frames`
    peak = 0.0
    if (light := side_data.get("CONTENT_LIGHT_LEVEL")) is not None:
        peak = float(struct.unpack_from("=I", bytes(light))[0])
    if not peak and (mastering := side_data.get("MASTERING_DISPLAY_METADATA")) is not None:
        # AVMasteringDisplayMetadata: primaries, white point and least luminance stand before, 9 fractions of 8 bytes.
        numerator, denominator, _, has_luminance = struct.unpack_from("=iiii", bytes(mastering), 72)
        peak = numerator / denominator if has_luminance and denominator else 0.0
    return float(np.clip(peak, _HLG_PEAK, _PQ_PEAK)) if peak else _PQ_PEAK


def to_sdr(signal: Colours, colours: WideColours) -> Colours:
    """Convert R'G'B' signals of 0..1, float64 [..., 3], to SDR signals of BT.709.

    The three components of a pixel are scaled by one factor, computed from the largest, so that highlights keep their hue. Colours
    outside of BT.709 are moved towards the grey of their luminance until they are inside, which keeps the hue, too.
    """
    light = _light(np.clip(signal, 0.0, 1.0), colours.kind) @ _to_bt709(colours.primaries).T
    largest = np.maximum(light.max(-1, keepdims=True), 1e-9)
    light *= _rolled_off(largest, colours) / largest
    grey = np.maximum(light @ _xyz(_BT709)[1], 0.0)[..., None]
    least = np.minimum(light.min(-1, keepdims=True), 0.0)
    # Along the line to grey, as far as the least of the three needs to reach 0.
    light = grey + (light - grey) * grey / np.maximum(grey - least, 1e-12)
    return np.asarray(np.clip(light, 0.0, 1.0) ** (1 / _GAMMA), np.float64)


def _light(signal: Colours, kind: str) -> Colours:
    """Return the display light of signals of 0..1, 1 = diffuse white."""
    if kind == "PQ":  # EOTF of BT.2100-2, table 4
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = signal ** (1 / m2)
        return np.asarray(_PQ_PEAK / WHITE * (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1 / m1))
    if kind == "HLG":  # inverse OETF and OOTF of BT.2100-2, table 5
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
        return np.asarray(_HLG_PEAK / WHITE * scene * luminance[..., None] ** (_HLG_GAMMA - 1))
    return np.asarray(signal**_GAMMA)


def _rolled_off(light: Colours, colours: WideColours) -> Colours:
    """Compress light of any brightness to that of an SDR display, up to 1.

    As in ITU-R BT.2446-1, method C, the curve is linear up to a knee and logarithmic above, with a continuous slope, and reaches 1
    at the peak; here on the scale of an SDR signal, with the knee at 0.94.
    """
    if colours.peak <= WHITE:
        return np.minimum(light, 1.0)

    signal, headroom = light ** (1 / _GAMMA), 1 - _KNEE
    # The a > 0 for which log(1 + a x) / a, whose slope at 0 is 1, is 1 at x = reach > 1.
    reach = ((colours.peak / WHITE) ** (1 / _GAMMA) - _KNEE) / headroom
    low, high = 1e-6, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.log1p(middle * reach) > middle else (low, middle)

    bend = high
    rolled = _KNEE + headroom * np.log1p(bend * np.maximum(signal - _KNEE, 0.0) / headroom) / bend
    return np.minimum(np.where(signal <= _KNEE, signal, rolled), 1.0) ** _GAMMA


def _xyz(primaries: tuple[tuple[float, float], ...]) -> Colours:
    """Return the matrix from linear RGB to CIE XYZ, float64 [3, 3] (SMPTE RP 177)."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in (*primaries, _WHITE_POINT)]).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


def _to_bt709(primaries: int) -> Colours:
    """Return the matrix from linear RGB of some primaries to BT.709, float64 [3, 3], as in ITU-R BT.2407 and BT.2087."""
    return np.asarray(np.linalg.solve(_xyz(_BT709), _xyz(_CHROMATICITIES[primaries])))


@lru_cache(maxsize=4)
def cube_of(colours: WideColours) -> str:
    """Return the table as text of a .cube file: SDR red, green and blue for each input, of which red runs fastest."""
    size = _SIZES[colours.kind]
    steps = np.linspace(0.0, 1.0, size)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    table = to_sdr(np.stack([red, green, blue], -1).reshape(-1, 3), colours)
    rows = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in table.tolist())
    return f"LUT_3D_SIZE {size}\n{rows}\n"
