"""Frames before and after dubbing, which the page takes from the files themselves."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import cv2

from avcore.arrays import Pixels
from avcore.errors import NetflipsError
from avcore.media import AnySource, FrameSource, MediaSource, frames_at
from avcore.notes import report_note
from avcore.progress import Progress, silent, track
from avcore.timeline import Interval
from netflips.report.story import OnPage, dubbed_part, moments_in, on_page, output_time, paths_of, source_time, speaker_box
from netflips.script.notes import REPORT_LACKS
from netflips.script.types import Script
from netflips.script.utterance import Utterance

Region = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""
IMAGE_BYTES = 2_500_000
"""Most bytes of all images of one dub on the page, in base64."""
_MOST_PAIRS = 3
_USUAL_BYTES = 8_000
"""Usual size of a still, from which the number of stills is planned."""
_POSTER_BYTES, _POSTER_SHARE = 60_000, 0.1
"""Most bytes of a poster, and its most share of all images; where that is less than a still takes, there is no poster."""
_BYTES_IN_BASE64 = 3 / 4
_AROUND_FACE = 1.7
"""Side of a close-up as a multiple of the side of the face's box."""
_TRIALS = ((224, 80), (224, 62), (192, 45), (144, 35), (96, 30))
_POSTER_TRIALS = ((640, 80), (640, 60), (480, 50), (320, 40))
"""Longer side in pixels and JPEG quality, tried in order until the image is small enough; for stills, and for posters."""


@dataclass(frozen=True)
class ImagePair:
    """The same frame in input and output."""

    source_s: float
    """when the input shows it (s)"""
    output_s: float
    """when the output shows it (s)"""
    before: str
    """as a data URI"""
    after: str
    """as a data URI"""


@dataclass(frozen=True)
class FinishedDub:
    """A dub on the page, with frames from its files."""

    script: Script
    pairs: dict[int, list[ImagePair]] = field(default_factory=dict)
    """by the utterance's number"""
    posters: ImagePair | None = None
    """what both videos show before they play; None = nothing"""
    worst: tuple[ImagePair, ...] = ()
    """the drawn frames to look at first"""
    missing: tuple[str, ...] = ()
    """what could not be read, and why"""


class _Moment(NamedTuple):
    """A frame to take."""

    utterance: OnPage
    source_s: Fraction
    """about when the input shows it"""
    output_s: Fraction
    """about when the output shows it"""
    face: Region | None
    """where the face is; None = unknown, or the whole frame is wanted"""
    is_poster: bool = False
    """whether it is to be large"""


def gather(script: Script, progress: Progress = silent, image_bytes: int = IMAGE_BYTES) -> FinishedDub:
    """Read frames of a finished dub, each file once; memory does not grow with the number of frames.

    If a file is gone or cannot be read, only its part of the page is lost; `missing` says why.
    """
    try:
        return _images(script, progress, image_bytes)
    except NetflipsError as error:
        report_note(REPORT_LACKS(what="images", error=str(error)))
        return FinishedDub(script, missing=(f"no images here: {error}",))


def _images(script: Script, progress: Progress, image_bytes: int) -> FinishedDub:
    """Return a dub with the stills of each utterance, those to look at first, and the posters."""
    before_path, after_path = paths_of(script)
    if not before_path or script.media is None or not (script.media.frame_rate and script.result.frames):
        return FinishedDub(script)
    original = MediaSource(Path(before_path), script.media.audio_track, script.media.video_track)
    own = FrameSource(original).own if script.schedule != "own" else range(0)

    of_poster = min(_POSTER_BYTES, int(image_bytes * _POSTER_SHARE))
    posters = [_poster(script, own)] if of_poster >= _USUAL_BYTES else []
    left = image_bytes - 2 * of_poster * len(posters)
    stills, worst = _moments(script, own, left), _worst(script, own)
    most = {True: of_poster, False: int(left / (2 * max(len(stills) + len(worst), 1)))}
    moments = [*stills, *worst, *posters]
    if not moments:
        return FinishedDub(script)

    before = dict(track(_stills(original, moments, most, "source_s"), "stills before", progress, len(moments)))
    shown = [
        one._replace(output_s=output_time(script, one.utterance, one.output_s, before[number][1]))
        for number, one in enumerate(moments)
    ]
    after = dict(track(_stills(after_path, shown, most, "output_s"), "stills after", progress, len(moments)))

    pairs: dict[int, list[ImagePair]] = {}
    found = [
        ImagePair(float(before[number][1]), float(one.output_s), before[number][0], after[number][0])
        for number, one in enumerate(moments)
    ]
    for one, pair in zip(stills, found[: len(stills)], strict=True):
        pairs.setdefault(one.utterance.number, []).append(pair)
    return FinishedDub(script, pairs, found[-1] if posters else None, tuple(found[len(stills) : len(stills) + len(worst)]))


def _worst(script: Script, own: range) -> list[_Moment]:
    """Return the drawn frames to look at first."""
    on_it, found = {one.number: one for one in on_page(script)}, list[_Moment]()
    for frame in script.result.worst:
        if (one := on_it.get(frame.utterance)) is not None:
            time = Fraction(frame.time_s)
            source_s = source_time(script, one, time, own)
            found.append(_Moment(one, source_s, time, speaker_box(one, source_s)))
    return found


def _moments(script: Script, own: range, image_bytes: int) -> list[_Moment]:
    """Return as many moments as fit the limit, up to three for an utterance; with too many utterances, one for every n-th."""
    utterances = on_page(script)
    affordable = image_bytes // (2 * _USUAL_BYTES)
    each = min(affordable // max(len(utterances), 1), _MOST_PAIRS)
    # Rounded up: with one still more, the limit would be exceeded.
    every = 1 if each else -(-len(utterances) // max(affordable, 1))

    moments = []
    for utterance in utterances[::every]:
        for time in moments_in(utterance.output, 1 if utterance.alone else max(each, 1)):
            source_s = source_time(script, utterance, time, own)
            moments.append(_Moment(utterance, source_s, time, speaker_box(utterance, source_s)))
    return moments


def _poster(script: Script, own: range) -> _Moment:
    """Return the middle of the first dubbed utterance, else of the first utterance, or of the whole dub where there is none."""
    utterances = on_page(script)
    length_s = 0.0 if script.made is None else script.made.duration_s
    all_of_it = OnPage(Utterance(), dubbed_part(script), Interval(0.0, length_s))
    first = next((utterance for utterance in utterances if utterance.alone is None), next(iter(utterances), all_of_it))
    (middle,) = moments_in(first.output, 1)
    return _Moment(first, source_time(script, first, middle, own), middle, None, is_poster=True)


def _stills(
    video: AnySource, moments: Sequence[_Moment], most_bytes: Mapping[bool, int], clock: Literal["source_s", "output_s"]
) -> Iterator[tuple[int, tuple[str, Fraction]]]:
    """Yield for each moment its number, its image, and when the frame begins (s), in the order of time.

    most_bytes: of a poster (True) and of a still (False), in base64. clock: the time that counts in this file.
    """
    wanted: list[Fraction] = [getattr(moment, clock) for moment in moments]
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    images = frames_at(video, [wanted[number] for number in order])
    for number, image in zip(order, images, strict=True):
        one = moments[number]
        most = int(most_bytes[one.is_poster] * _BYTES_IN_BASE64)
        yield number, (still(image.rgb, one.face, most, _POSTER_TRIALS if one.is_poster else _TRIALS), image.time)


def still(rgb: Pixels, face: Region | None, most_bytes: int, trials: Sequence[tuple[int, int]] = _TRIALS) -> str:
    """Return an image, uint8 [height, width, 3], as a data URI, cropped to the face (x1, y1, x2, y2) where there is one.

    trials: longer side in pixels and JPEG quality. The last and smallest trial is taken even where it is larger than `most_bytes`.
    """
    part = rgb
    if face is not None:  # a square around it, moved to lie within the image
        height, width = rgb.shape[:2]
        x1, y1, x2, y2 = face
        square = int(min(max(_AROUND_FACE * max(x2 - x1, y2 - y1), 16), height, width))
        left = int(min(max((x1 + x2 - square) / 2, 0), width - square))
        top = int(min(max((y1 + y2 - square) / 2, 0), height - square))
        part = rgb[top : top + square, left : left + square]

    encoded = b""
    for side, quality in trials:
        scale = min(side / max(part.shape[:2]), 1.0)
        size = max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1)
        # INTER_AREA averages the pixels that it drops; the other ways alias in an image that is made small.
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
        encoded = jpeg.tobytes()
        if len(encoded) <= most_bytes:
            break
    return "data:image/jpeg;base64," + b64encode(encoded).decode("ascii")
