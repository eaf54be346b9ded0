"""Burnt-in subtitles (hard subtitles): drawn into the frames, in a font that the user gives or that is installed for it."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from avcore.errors import InputError, UsageError, pip_line
from avcore.files import require_file
from avcore.journal import file_digest
from avcore.timeline import Seconds, exact
from netflips.subtitles.cues import Cue

Pixels = NDArray[np.uint8]

_PACKAGE, _FONT = "pylopdf_fonts_ko", "NotoSansKR-Regular.otf"
"""What the extra `subtitles` installs: Noto Sans KR (SIL Open Font License 1.1)."""
_HEIGHT_SHARE, _LEAST_PIXELS = 1 / 18, 9
_WIDTH_SHARE = 0.94
_ABOVE_EDGE = 0.05
_OUTLINE = 0.08
"""Width of the line around letters, as a share of their height."""
_SHAPE_PIXELS = 24
_NO_SIGN = "\U0010ffff"
"""Never a letter: a font draws it as it draws any letter that it lacks."""


class _Overlay(NamedTuple):
    """What is laid over a frame."""

    top: int
    """its first row in the frame"""
    left: int
    """its first column in the frame"""
    ink: NDArray[np.float32]
    """float32 [height, width, 1], how white it is, 0 to 1"""
    cover: NDArray[np.float32]
    """float32 [height, width, 1], how much of the frame it hides, 0 to 1"""


def font_file(given: Path | None) -> Path:
    """Return the file of the font: the given one, else the installed one. Raises UsageError if none is installed, InputError if the
    file is not there."""
    if given is not None:
        return require_file(given, "the font")
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise UsageError(
            "there is no font to draw subtitles in",
            expected="subtitle_font FILE",
            hint=f"{pip_line('subtitles')} brings one with Korean letters",
        )
    return require_file(Path(spec.origin).with_name(_FONT), "the font")


def require_letters(path: Path, text: str) -> None:
    """Raise InputError for a file that is no font, or a font that lacks a letter of a text."""
    lacking = lacking_letters(path, text)
    if lacking:
        raise InputError(
            "this font cannot show these subtitles",
            path=path,
            expected=f"a font with letters such as {text}",
            found=f"none for {' '.join(lacking)}",
        )


def lacking_letters(path: Path, text: str) -> str:
    """Return the letters of a text that a font lacks, each once. Raises InputError for a file that is no font."""
    nothing = _shape(path, _NO_SIGN)
    return "".join(sign for sign in dict.fromkeys(text) if not sign.isspace() and _shape(path, sign) == nothing)


class Painter:
    """Draws each subtitle into the frames of its time."""

    def __init__(self, cues: Sequence[Cue], font: Path) -> None:
        """cues: in order of time, not overlapping. font: its file. Raises InputError for a file that is no font."""
        self._cues, self._font = list(cues), font
        self._starts = [exact(cue.start_s) for cue in cues]
        self._digest = file_digest(font)
        _open(font, _LEAST_PIXELS)

    def paint(self, frame: Pixels, seconds: Seconds) -> Pixels:
        """Return a frame, uint8 [height, width, 3], with the subtitle at a time of the output (s), or as it is if there is none."""
        moment = exact(float(seconds))  # to the microsecond, as the cues' times: one that ends with its shot must not outlast it
        number = bisect_right(self._starts, moment) - 1
        if number < 0 or moment >= exact(self._cues[number].end_s):
            return frame
        height, width = frame.shape[:2]
        return _laid_over(frame, _overlay(self._cues[number].lines, self._font, height, width))

    def between(self, start: Seconds, stop: Seconds | None) -> list[object]:
        """Return a key of what is drawn between two times (s; stop: None = the end), for kept frames; empty = nothing is drawn."""
        last = None if stop is None else exact(stop)
        shown = [
            [exact(cue.start_s), exact(cue.end_s), list(cue.lines)]
            for cue in self._cues
            if exact(cue.end_s) > exact(start) and (last is None or exact(cue.start_s) < last)
        ]
        return ["subtitles", self._digest, shown] if shown else []


def draw_sign(frame: Pixels, text: str, font: Path, height_share: float) -> Pixels:
    """Return a frame, uint8 [height, width, 3], with a line of text in its upper left corner.

    height_share: height of its letters, as a share of the frame's. A line that would not fit is made smaller; if that is not
    enough, it is broken at " · ".
    """
    return _laid_over(frame, _sign(text, font, *frame.shape[:2], height_share))


@lru_cache(maxsize=4)
def _sign(text: str, font: Path, height: int, width: int, height_share: float) -> _Overlay:
    size, left = round(height * height_share), round(width * (1 - _WIDTH_SHARE) / 2)
    image, outline = _fitting((text,), font, size, width)
    if image.width > width * _WIDTH_SHARE:
        image, outline = _fitting(tuple(text.split(" · ")), font, size, width)
    ink, cover = (np.asarray(one, np.float32)[:height, : width - left, None] / 255 for one in (image, outline))
    return _Overlay(min(size // 2, height - ink.shape[0]), left, ink, cover)


# A subtitle stays for many frames, and is drawn once.
@lru_cache(maxsize=4)
def _overlay(lines: tuple[str, ...], font: Path, height: int, width: int) -> _Overlay:
    """Return a subtitle at the bottom of a frame, centred. Its letters are smaller if they would not fit."""
    image, outline = _fitting(lines, font, round(height * _HEIGHT_SHARE), width)
    # Cropped, since even the smallest letters of a long line may not fit into the frame.
    ink, cover = (np.asarray(one, np.float32)[:height, :width, None] / 255 for one in (image, outline))
    top = max(height - ink.shape[0] - round(height * _ABOVE_EDGE), 0)
    return _Overlay(top, (width - ink.shape[1]) // 2, ink, cover)


def _fitting(lines: tuple[str, ...], font: Path, size: int, width: int) -> tuple[Image.Image, Image.Image]:
    """Return what `_drawn` returns, with smaller letters if it would be too wide. width: of the frame."""
    size = max(_LEAST_PIXELS, size)
    image, outline = _drawn(lines, font, size)
    while image.width > width * _WIDTH_SHARE and size > _LEAST_PIXELS:
        # At least a pixel smaller: rounded, the size might stay, and the loop would not end.
        size = max(_LEAST_PIXELS, min(size - 1, int(size * width * _WIDTH_SHARE / image.width)))
        image, outline = _drawn(lines, font, size)
    return image, outline


def _drawn(lines: tuple[str, ...], path: Path, size: int) -> tuple[Image.Image, Image.Image]:
    """Return the letters of a text, and the letters with the line around them, as gray images of the same size."""
    font, text = _open(path, size), "\n".join(lines)
    stroke = max(1, round(size * _OUTLINE))
    plain = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = plain.multiline_textbbox((0, 0), text, font, align="center", stroke_width=stroke)
    extent = max(1, round(right - left)), max(1, round(bottom - top))

    letters, outline = Image.new("L", extent), Image.new("L", extent)
    at = (-left, -top)
    for image, edge in ((letters, 0), (outline, 255)):
        ImageDraw.Draw(image).multiline_text(at, text, 255, font, align="center", stroke_width=stroke, stroke_fill=edge)
    return letters, outline


def _laid_over(frame: Pixels, over: _Overlay) -> Pixels:
    """Return a copy of a frame with white letters and a black line around them."""
    shown = frame.copy()
    height, width = over.ink.shape[:2]
    part = shown[over.top : over.top + height, over.left : over.left + width]
    part[:] = np.round(part * (1 - over.cover) + 255 * np.minimum(over.ink, over.cover)).astype(np.uint8)
    return shown


def _shape(path: Path, sign: str) -> bytes:
    """Return the pixels that a font draws for a character."""
    image = Image.new("L", (2 * _SHAPE_PIXELS, 2 * _SHAPE_PIXELS))
    ImageDraw.Draw(image).text((_SHAPE_PIXELS // 2, 0), sign, 255, _open(path, _SHAPE_PIXELS))
    return image.tobytes()


@lru_cache(maxsize=8)
def _open(path: Path, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise InputError("this is no font", path=path, expected="a .ttf or .otf file", found=error) from error
