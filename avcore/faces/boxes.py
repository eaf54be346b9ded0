"""Face boxes, one row per frame, and the side file `<stem>.bbox.pkl` with them, resampled to the frames that are shown.

The published side file is a pickle, and unpickling can run any code. The reader here accepts only lists, tuples, numbers, None and
numpy arrays of numbers; not even numpy's own code is called.
"""

import io
import pickle
from bisect import bisect_right
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from avcore.errors import InputError, Message, NoFaceError
from avcore.faces.geometry import Box
from avcore.files import atomic_output, require_file
from avcore.media import FrameSource, read_frames
from avcore.notes import several
from avcore.timeline import frames_to_seconds

_WHAT = "the face boxes"
_FARTHEST = 1 << 15
"""Pixels. No video is larger, and a face scaled to more would fill the memory."""
_FORM = "a pickled list with one row x1, y1, x2, y2 (or None) per frame"


def read_boxes(path: str | Path) -> list[Box | None]:
    """Read a side file: one box per frame, None where there is no face.

    Rows may be lists, tuples or arrays of 4 numbers or more, of which the first 4 count (RetinaFace writes 15); a box
    without width or height means no face. Returns float32 [4] boxes: x1, y1, x2, y2 in pixels. Raises InputError for a
    file that holds anything else.
    """
    path = require_file(path, _WHAT)
    try:
        rows = _plain(_Reader(path).load())
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(
            Message("{what} cannot be read", what=_WHAT), path=path, expected=_FORM, found=str(error) or type(error).__name__
        ) from error

    if not isinstance(rows, list):
        raise InputError(Message("{what} cannot be read", what=_WHAT), path=path, expected=_FORM, found=f"a {type(rows).__name__}")
    return [_box(row, index, path) for index, row in enumerate(rows)]


def write_boxes(path: str | Path, boxes: Sequence[Box | None]) -> None:
    """Write a side file as the published tools read it: a pickled list of float32 arrays [4], None where there is no face."""
    rows = [None if box is None else np.asarray(box, dtype=np.float32)[:4] for box in boxes]
    with atomic_output(path) as temporary, temporary.open("wb") as file:
        pickle.dump(rows, file, protocol=4)


def _box(row: object, index: int, path: Path) -> Box | None:
    if row is None:
        return None

    try:
        numbers = np.asarray(row, dtype=np.float32).reshape(-1)[:4]
    except (TypeError, ValueError, OverflowError):
        numbers = np.zeros(0, dtype=np.float32)

    if len(numbers) < 4 or not np.all(np.abs(numbers) <= _FARTHEST):  # also refuses NaN
        expected = f"4 numbers up to {_FARTHEST} pixels, or None"
        raise InputError(f"row {index} of {_WHAT} is not a box", path=path, expected=expected, found=_shown(row))
    x1, y1, x2, y2 = numbers
    return numbers if x2 > x1 and y2 > y1 else None


def _shown(row: object) -> str:
    try:
        return repr(row)[:60]
    except ValueError:
        return "numbers of thousands of digits"


class _Array:
    """Stands in for numpy.ndarray while a pickle is read; keeps the state from the pickle."""

    def __init__(self, *_: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def value(self) -> object:
        """Return the array as nested lists of numbers, or as a plain list when it holds objects."""
        _, shape, dtype, is_fortran, content = self.state
        if isinstance(content, list):
            return content
        return _numbers(content, dtype, shape, "F" if is_fortran else "C")


class _DType:
    """Stands in for numpy.dtype: its code (as 'f4') and byte order."""

    def __init__(self, code: str = "", *_: object) -> None:
        self.code = str(code)
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])


class _Value:
    """An array or number that comes with its content (numpy scalars; arrays of pickle protocol 5)."""

    def __init__(self, content: bytes, dtype: object, shape: tuple[int, ...], order: str = "C") -> None:
        self._arguments = content, dtype, shape, order

    def value(self) -> object:
        """Return the content as nested lists of numbers."""
        return _numbers(*self._arguments)


def _numbers(content: object, dtype: object, shape: object, order: str) -> object:
    if not isinstance(dtype, _DType) or dtype.code[:1] not in ("f", "i", "u"):
        raise ValueError("an array that does not hold numbers")
    if not isinstance(content, bytes | bytearray) or not isinstance(shape, tuple):
        raise ValueError("an array without content")
    kind = np.dtype((">" if dtype.order == ">" else "<") + dtype.code)
    if prod(shape) * kind.itemsize != len(content):
        raise ValueError("an array whose size is not that of its content")
    return np.frombuffer(bytes(content), kind).reshape(shape, order="F" if order == "F" else "C").tolist()


def _scalar(dtype: object, content: bytes) -> _Value:
    return _Value(content, dtype, ())


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(f"text in {encoding}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _latin1,
}
for _core in ("numpy.core", "numpy._core"):
    _STAND_INS[_core + ".multiarray", "_reconstruct"] = _Array
    _STAND_INS[_core + ".multiarray", "scalar"] = _scalar
    _STAND_INS[_core + ".numeric", "_frombuffer"] = _Value


class _Reader(pickle.Unpickler):
    def __init__(self, path: Path) -> None:
        super().__init__(io.BytesIO(path.read_bytes()))
        self._path = path

    def find_class(self, module: str, name: str) -> object:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise InputError(
                f"{_WHAT} ask for code to be run, refused",
                path=self._path,
                expected=_FORM,
                found=f"a pickle that names {module}.{name}",
            ) from None


def _plain(value: object, depth: int = 0) -> object:
    """Convert stand-ins to plain lists, numbers and None. Raises ValueError for anything else."""
    if depth > 4:
        raise ValueError("lists within lists")
    if isinstance(value, _Array | _Value):
        return _plain(value.value(), depth + 1)
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if value is None or isinstance(value, int | float):
        return value
    raise ValueError(f"a {type(value).__name__}")


def read_boxes_for(source: FrameSource, path: str | Path) -> list[Box | None]:
    """Read a side file for a video and return the box of each frame of `source`: len(source) boxes.

    The file may have one row per frame of `source`, or, as the published tools write it, one per frame stored in the video,
    whatever its rate: then each frame takes the row of the stored frame on screen. Raises InputError for a file that does not
    match the video, NoFaceError for one without any box.
    """
    boxes = read_boxes(path)
    if not any(box is not None for box in boxes):
        raise NoFaceError("there is no face box in it", path=path, found=f"{several(len(boxes), 'row')} without a box")
    if len(boxes) == len(source):
        return boxes
    times = [frame.time for frame in read_frames(source.info.source, clock=source.info.clock)]
    if len(boxes) != len(times):
        expected = f"{several(len(times), 'row')}, one per frame of {source.path.name}"
        raise InputError("the face boxes are of another video", path=path, expected=expected, found=several(len(boxes), "row"))
    shown = (bisect_right(times, frames_to_seconds(index, source.rate)) - 1 for index in range(len(source)))
    return [boxes[max(index, 0)] for index in shown]
