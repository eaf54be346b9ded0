"""What the page needs of the files themselves: pictures before and after, and the outlines of the sounds."""

import logging
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.errors import NetflipsError
from avcore.media import PictureSource, iter_speech_blocks, pictures_at, probe
from avcore.progress import Progress, silent, track
from avcore.timeline import SAMPLES_PER_UNIT, seconds_to_units
from netflips.report import DubReport, UtteranceReport
from netflips.report.story import Hold, moments_in, output_time, source_time, speaker_box, utterances_of

LOG = logging.getLogger("netflips")

Region = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""
Envelope = NDArray[np.float32]
"""The outline of a sound, [T, 2]: lowest and highest sample of each 20 ms, -1 to 1."""

NOTHING: Envelope = np.zeros((0, 2), np.float32)

IMAGE_BYTES = 2_500_000
"""All pictures of one dub on the page, at most, in base64."""
_MOST_PAIRS = 3
_USUAL_BYTES = 8_000
"""A still takes about this much; the number of stills is planned by it."""
_BYTES_IN_BASE64 = 3 / 4
_AROUND_FACE = 1.7
"""Side of a close-up in sides of the face's box."""
_TRIALS = ((224, 80), (224, 62), (192, 45), (144, 35), (96, 30))
"""Longer side in pixels and JPEG quality, until the picture is small enough."""


@dataclass(frozen=True)
class PicturePair:
    """The same picture in input and output, as data URIs, and when it is shown (s)."""

    source_s: float
    output_s: float
    before: str
    after: str


@dataclass(frozen=True)
class Material:
    """pairs: by the utterance's number. source, output: outlines of the sounds. missing: what could not be had, and why."""

    pairs: dict[int, list[PicturePair]] = field(default_factory=dict)
    source: Envelope = field(default_factory=lambda: NOTHING)
    output: Envelope = field(default_factory=lambda: NOTHING)
    missing: tuple[str, ...] = ()


class _Moment(NamedTuple):
    """A picture to take. face: where, in pixels, or None."""

    utterance: UtteranceReport
    source_s: Fraction
    output_s: Fraction
    face: Region | None


def gather(report: DubReport, progress: Progress = silent, image_bytes: int = IMAGE_BYTES) -> Material:
    """Read pictures and sounds of a finished dub, each file once; memory does not grow with the pictures' number.

    A file that is gone or cannot be read costs its part of the page only: `missing` says so.
    """
    missing: list[str] = []
    pairs: dict[int, list[PicturePair]] = {}
    try:
        pairs = _pairs(report, progress, image_bytes)
    except NetflipsError as error:
        _note(missing, "pictures", error)
    source, output = (_sound(path, missing) for path in (report.input, report.output))
    return Material(pairs, source, output, tuple(missing))


def _sound(path: str, missing: list[str]) -> Envelope:
    try:
        return read_envelope(path) if probe(path).has_audio else NOTHING
    except NetflipsError as error:
        _note(missing, "sound", error)
        return NOTHING


def _note(missing: list[str], what: str, error: NetflipsError) -> None:
    LOG.warning("the report shows no %s: %s", what, error)
    missing.append(f"no {what} here: {error}")


def _pairs(report: DubReport, progress: Progress, image_bytes: int) -> dict[int, list[PicturePair]]:
    moments = _moments(report, image_bytes)
    if not moments:
        return {}
    most_bytes = int(image_bytes / (2 * len(moments)) * _BYTES_IN_BASE64)
    wanted = [(one.source_s, one.face) for one in moments]
    before = dict(track(_stills(report.input, wanted, most_bytes), "stills before", progress, len(moments)))
    times = [output_time(report, one.utterance, one.output_s, before[number][1]) for number, one in enumerate(moments)]
    wanted = [(time, one.face) for time, one in zip(times, moments, strict=True)]
    after = dict(track(_stills(report.output, wanted, most_bytes), "stills after", progress, len(moments)))
    pairs: dict[int, list[PicturePair]] = {}
    for number, one in enumerate(moments):
        pair = PicturePair(float(before[number][1]), float(one.output_s), before[number][0], after[number][0])
        pairs.setdefault(one.utterance.number, []).append(pair)
    return pairs


def _moments(report: DubReport, image_bytes: int) -> list[_Moment]:
    """As many moments as fit the limit, up to three of an utterance; with too many utterances, every n-th has one."""
    utterances = utterances_of(report)
    affordable = image_bytes // (2 * _USUAL_BYTES)
    each = min(affordable // max(len(utterances), 1), _MOST_PAIRS)
    every = 1 if each else -(-len(utterances) // max(affordable, 1))
    num_pictures = len(PictureSource(report.input)) if report.recording is None else 0
    moments = []
    for one in utterances[::every]:
        for time in moments_in(one, 1 if one.left_alone else max(each, 1)):
            source_s = source_time(report, one, time, num_pictures)
            moments.append(_Moment(one, source_s, time, speaker_box(one, source_s)))
    return moments


def _stills(
    path: str, wanted: Sequence[tuple[Fraction, Region | None]], most_bytes: int
) -> Iterator[tuple[int, tuple[str, Fraction]]]:
    """For each wanted time its number, the still, and when its picture begins (s), in the order of time."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number][0])
    pictures = pictures_at(path, [wanted[number][0] for number in order])
    for number, picture in zip(order, pictures, strict=True):
        yield number, (still(picture.rgb, wanted[number][1], most_bytes), picture.time)


def read_envelope(path: str | Path) -> Envelope:
    """The outline of a file's sound; raises InputError or MediaError as `iter_speech_blocks` does."""
    pieces = list(_outlines(iter_speech_blocks(path)))
    return np.concatenate(pieces) if pieces else NOTHING


def _outlines(blocks: Iterable[NDArray[np.float32]]) -> Iterator[Envelope]:
    rest = np.zeros(0, np.float32)
    for block in blocks:
        joined = np.concatenate([rest, block])
        whole = len(joined) - len(joined) % SAMPLES_PER_UNIT
        rest = joined[whole:]
        if whole:
            steps = joined[:whole].reshape(-1, SAMPLES_PER_UNIT)
            yield np.stack([steps.min(axis=1), steps.max(axis=1)], axis=1)
    if len(rest):
        yield np.array([[rest.min(), rest.max()]], np.float32)


def between(outline: Envelope, start_s: float, stop_s: float) -> Envelope:
    """The part between two times, filled up with silence where the sound ends before."""
    first, last = max(seconds_to_units(start_s), 0), max(seconds_to_units(stop_s), 0)
    part = outline[first:last]
    return np.pad(part, ((0, max(last - first - len(part), 0)), (0, 0)))


def as_played(outline: Envelope, start_s: float, holds: Sequence[Hold]) -> Envelope:
    """A recording's outline on the clock of the output: from the part's start on, with silence where the picture is held."""
    pieces, position = [], seconds_to_units(start_s)
    for hold in holds:
        at = seconds_to_units(hold.at)
        pieces += [outline[position:at], np.zeros((seconds_to_units(hold.seconds), 2), np.float32)]
        position = max(at, position)
    return np.concatenate([*pieces, outline[position:]])


def thinned(outline: Envelope, num_bins: int) -> Envelope:
    """At most `num_bins` lowest and highest values of equal parts."""
    if len(outline) <= num_bins:
        return outline
    edges = np.linspace(0, len(outline), num_bins + 1).astype(int)[:-1]
    return np.stack([np.minimum.reduceat(outline[:, 0], edges), np.maximum.reduceat(outline[:, 1], edges)], axis=1)


def still(rgb: Pixels, face: Region | None, most_bytes: int) -> str:
    """A picture uint8 [height, width, 3] as a data URI, cut to the face (x1, y1, x2, y2) where there is one.

    The last and smallest trial is taken even where it is larger than `most_bytes`.
    """
    part = rgb if face is None else _close_up(rgb, face)
    encoded = b""
    for side, quality in _TRIALS:
        encoded = _jpeg(part, side, quality)
        if len(encoded) <= most_bytes:
            break
    return "data:image/jpeg;base64," + b64encode(encoded).decode("ascii")


def _close_up(rgb: Pixels, face: Region) -> Pixels:
    """A square around a face, moved to lie within the picture."""
    height, width = rgb.shape[:2]
    x1, y1, x2, y2 = face
    side = int(min(max(_AROUND_FACE * max(x2 - x1, y2 - y1), 16), height, width))
    left = int(min(max((x1 + x2 - side) / 2, 0), width - side))
    top = int(min(max((y1 + y2 - side) / 2, 0), height - side))
    return rgb[top : top + side, left : left + side]


def _jpeg(rgb: Pixels, side: int, quality: int) -> bytes:
    scale = min(side / max(rgb.shape[:2]), 1.0)
    size = max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()
