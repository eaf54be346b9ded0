"""What the page needs of the files themselves: pictures before and after, and the outlines of the sounds."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from avcore.errors import NetflipsError
from avcore.media import PictureSource, pictures_at, probe
from avcore.progress import Progress, silent, track
from netflips.report import DubReport, UtteranceReport
from netflips.report.page.envelope import NOTHING, Envelope, read_envelope
from netflips.report.page.stills import Region, still
from netflips.report.page.story import face_box, moments_in, output_time, source_time, utterances_of

LOG = logging.getLogger("netflips")

IMAGE_BYTES = 2_500_000
"""All pictures of one dub on the page, at most, in base64."""
_MOST_PAIRS = 3
_USUAL_BYTES = 8_000
"""A still takes about this much; the number of stills is planned by it."""
_BYTES_IN_BASE64 = 3 / 4


@dataclass(frozen=True)
class Pair:
    """The same picture in input and output, as data URIs, and when it is shown (s)."""

    source_s: float
    output_s: float
    before: str
    after: str


@dataclass(frozen=True)
class Material:
    """pairs: by the utterance's number. source, output: outlines of the sounds. missing: what could not be had, and why."""

    pairs: dict[int, list[Pair]] = field(default_factory=dict)
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
    pairs: dict[int, list[Pair]] = {}
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


def _pairs(report: DubReport, progress: Progress, image_bytes: int) -> dict[int, list[Pair]]:
    moments = _moments(report, image_bytes)
    if not moments:
        return {}
    most_bytes = int(image_bytes / (2 * len(moments)) * _BYTES_IN_BASE64)
    wanted = [(one.source_s, one.face) for one in moments]
    before = dict(track(_stills(report.input, wanted, most_bytes), "stills before", progress, len(moments)))
    times = [output_time(report, one.utterance, one.output_s, before[number][1]) for number, one in enumerate(moments)]
    wanted = [(time, one.face) for time, one in zip(times, moments, strict=True)]
    after = dict(track(_stills(report.output, wanted, most_bytes), "stills after", progress, len(moments)))
    pairs: dict[int, list[Pair]] = {}
    for number, one in enumerate(moments):
        pair = Pair(float(before[number][1]), float(one.output_s), before[number][0], after[number][0])
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
            moments.append(_Moment(one, source_s, time, face_box(one, source_s)))
    return moments


def _stills(
    path: str, wanted: Sequence[tuple[Fraction, Region | None]], most_bytes: int
) -> Iterator[tuple[int, tuple[str, Fraction]]]:
    """For each wanted time its number, the still, and when its picture begins (s), in the order of time."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number][0])
    pictures = pictures_at(path, [wanted[number][0] for number in order])
    for number, picture in zip(order, pictures, strict=True):
        yield number, (still(picture.rgb, wanted[number][1], most_bytes), picture.time)
