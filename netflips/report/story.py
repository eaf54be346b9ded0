"""Short clips and recordings seen in one way: utterances, where the videos are, which moments of both belong together."""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from avcore.media.clock import LONGEST_STAY_S
from avcore.pingpong import pingpong
from avcore.timeline import exact, frame_at, frames_to_seconds
from netflips.report import DubReport, UtteranceReport

ROUNDING_S = Fraction(1, 500)
"""Containers round times; a picture is on screen for sure this long after it begins."""


class Hold(NamedTuple):
    """The picture stands still at `at` of the recording for `seconds`."""

    at: float
    seconds: float


class ShownStretch(NamedTuple):
    """From `start` to `stop` of the output (s) the recording is shown from `source` on, at its own pace."""

    start: float
    stop: float
    source: float


class VideoAddresses(NamedTuple):
    """Addresses of the videos of one dub, as seen from the page's folder; None = the file is not there."""

    original: str | None
    dub: str | None


def utterances_of(report: DubReport) -> tuple[UtteranceReport, ...]:
    """The utterances of a dub; a short clip is one."""
    if report.recording is not None:
        return report.recording.utterances
    unseen = report.num_pictures - report.pictures_with_face - sum(report.left.values())
    return (
        UtteranceReport(
            number=1,
            speaker="speaker 1",
            source_start_s=0.0,
            source_end_s=report.input_s,
            output_start_s=0.0,
            output_end_s=report.output_s,
            source_units=report.source_units,
            target_units=report.target_units,
            translation_score=report.translation_score,
            unit_confidence=report.unit_confidence,
            is_outside_domain=report.is_outside_domain,
            units_from=report.units_from,
            units_why=report.units_why,
            pitch_hz=report.pitch_hz,
            heard_text=report.heard_text,
            heard_confidence=report.heard_confidence,
            said_text=report.said_text,
            said_confidence=report.said_confidence,
            is_truncated=report.is_truncated,
            understood=report.understood,
            natural_s=report.output_s,
            spoken_s=report.output_s,
            pictures=report.num_pictures,
            drawn=report.pictures_with_face,
            left=({"no face": unseen} if unseen else {}) | report.left,
            face=_face_of(report),
            tracks=report.faces,
        ),
    )


def _face_of(report: DubReport) -> dict[str, float]:
    """What a short clip's report says of the face."""
    heights = [track["mean_box"][3] - track["mean_box"][1] for track in report.faces if track.get("is_chosen")]
    if not heights or not report.num_pictures:
        return {}
    seen = report.pictures_with_face + sum(report.left.values())
    return {"share_of_pictures": seen / report.num_pictures, "height_px": heights[0]}


def speakers_of(utterances: Sequence[UtteranceReport]) -> list[str]:
    """Who speaks, in the order of appearance."""
    return list(dict.fromkeys(one.speaker for one in utterances))


def holds_of(utterances: Sequence[UtteranceReport]) -> list[Hold]:
    """Where the picture stands still, in order."""
    return [
        Hold(max(one.source_start_s + one.spoken_s - one.held_s, one.source_end_s), one.held_s) for one in utterances if one.held_s
    ]


def stretches_of(report: DubReport) -> list[ShownStretch]:
    """Which parts of the recording belong to which times of the output, in order; between two of them its picture is held."""
    if report.recording is None:
        return [ShownStretch(0.0, report.input_s, 0.0)]
    start, stop = report.recording.part
    found, position, played = [], start, 0.0
    for hold in holds_of(report.recording.utterances):
        at = min(max(hold.at, position), stop)
        found.append(ShownStretch(played, played + at - position, position))
        played, position = played + at - position + hold.seconds, at
    return [*found, ShownStretch(played, played + stop - position, position)]


def moments_in(one: UtteranceReport, count: int) -> list[Fraction]:
    """Times of the output (s), spread over the new speech."""
    start, length = exact(one.output_start_s), exact(one.output_end_s) - exact(one.output_start_s)
    return [start + length * (2 * k + 1) / (2 * count) for k in range(count)]


def source_time(report: DubReport, one: UtteranceReport, output_s: Fraction, own: range) -> Fraction:
    """The time of the recording whose picture is shown at a time of an utterance in the output.

    own: the pictures at 25 fps that the input itself has; those of short clips are played to and fro.
    """
    if report.recording is not None:
        return exact(one.source_start_s) + output_s - exact(one.output_start_s)
    return frames_to_seconds(own[pingpong(frame_at(output_s), len(own))])


def output_time(report: DubReport, one: UtteranceReport, output_s: Fraction, shown_since: Fraction) -> Fraction:
    """A time of the output at which a picture of the recording is on screen for sure.

    output_s: about when; shown_since: when that picture begins in the recording (s). One that stays for long comes again.
    """
    if report.recording is not None:
        begins = exact(one.output_start_s) + shown_since - exact(one.source_start_s)
        return (begins if output_s - begins <= LONGEST_STAY_S else output_s) + ROUNDING_S
    return frames_to_seconds(frame_at(output_s)) + ROUNDING_S


def speaker_box(one: UtteranceReport, source_s: Fraction) -> tuple[float, float, float, float] | None:
    """Where the speaker's face is about a time of the recording: x1, y1, x2, y2 in pixels.

    Tracks count pictures at 25 fps from the utterance's first one.
    """
    chosen: list[dict[str, Any]] = [track for track in one.tracks if track.get("is_chosen") and track.get("mean_box")]
    here = frame_at(source_s) - frame_at(one.source_start_s)
    there = [track for track in chosen if track["first"] <= here <= track["last"]] or chosen
    if not there:
        return None
    x1, y1, x2, y2 = there[0]["mean_box"]
    return float(x1), float(y1), float(x2), float(y2)


def addresses_of(report: DubReport, folder: Path) -> VideoAddresses:
    """Look for the videos of a dub. folder: where the page lies, or will lie."""
    original, dub = (address(path, folder) if os.path.isfile(path) else None for path in (report.input, report.output))
    return VideoAddresses(original, dub)


def address(path: str | Path, folder: Path) -> str:
    """A file's address as seen from a folder, percent-encoded: relative, so that both can be moved together."""
    try:
        way = os.path.relpath(path, folder)
    except ValueError:  # there is no way to another drive
        return Path(path).absolute().as_uri()
    return quote(os.fsencode(way.replace(os.sep, "/")))
