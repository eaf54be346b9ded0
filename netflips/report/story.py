"""One view of short clips and recordings for the page: utterances, places of the videos, and which moments of both correspond."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import quote

from avcore.media.frames import LONGEST_STAY_S
from avcore.notes import Note
from avcore.timeline import Interval, exact, frame_at, frames_to_seconds, pingpong
from netflips.script.types import Script
from netflips.script.utterance import DrawnFrames, TimeFit, Utterance

_BELOW = 0.1
"""How much less likely right than the median an utterance must be to be shown."""
ROUNDING_S = Fraction(1, 500)
"""Containers round times; this long after it begins, a frame is on screen for certain."""


class Hold(NamedTuple):
    """A freeze frame."""

    at: float
    """when it begins in the recording (s)"""
    seconds: float
    """its length"""


class ShownStretch(NamedTuple):
    """A stretch of the output in which the recording is shown at its own pace."""

    start: float
    """in the output (s)"""
    stop: float
    """in the output (s)"""
    source: float
    """time of the recording at `start` (s)"""


class VideoAddresses(NamedTuple):
    """Addresses of the videos of one dub, relative to the page's folder; None = the file is not there."""

    original: str | None
    dub: str | None


@dataclass(frozen=True)
class OnPage:
    """An utterance as the page shows it."""

    utterance: Utterance
    source: Interval
    """in the original; as `output` where it has no place there"""
    output: Interval
    """in the dub"""

    @property
    def number(self) -> int:
        """Its number in the script."""
        return self.utterance.number

    @property
    def speaker(self) -> str:
        """Its speaker in the script."""
        return self.utterance.speaker

    @property
    def fit(self) -> TimeFit:
        """How its new speech was fitted; without values where it was left alone."""
        return self.utterance.fit or TimeFit(self.output)

    @property
    def drawn(self) -> DrawnFrames:
        """How many of its frames have new lips, and why others do not."""
        return self.utterance.drawn or DrawnFrames()

    @property
    def alone(self) -> Note | None:
        """The note with the reason why it was left alone; None = it was not."""
        return self.utterance.note("left_alone")


def on_page(script: Script) -> list[OnPage]:
    """Return the utterances of a dub that were processed; a short clip is one utterance."""
    outputs = ((utterance, output_span(script, utterance)) for utterance in script.processed)
    return [OnPage(utterance, utterance.place or output, output) for utterance, output in outputs]


def output_span(script: Script, utterance: Utterance) -> Interval:
    """Return where an utterance is in the output; if it was left alone, where its original is."""
    if utterance.fit is not None:
        return utterance.fit.output

    place = utterance.place or Interval(0.0, 0.0)
    begin = place.start_s - dubbed_part(script).start_s + sum(hold.seconds for hold in holds_of(script) if hold.at <= place.start_s)
    return Interval(begin, begin + place.seconds)


def speakers_of(utterances: Sequence[OnPage]) -> list[str]:
    """Return the speakers in the order in which they first speak."""
    return list(dict.fromkeys(utterance.speaker for utterance in utterances))


def below_usual(script: Script) -> frozenset[int]:
    """Return the numbers of the utterances whose quality is below what is usual for this dub; the page highlights them.

    They are not understood, much less likely right than the median, or have a cause that most others lack.
    """
    judged = {utterance.number: utterance.quality for utterance in script.processed if utterance.quality is not None}
    unsure = {number: found for number, found in judged.items() if found.words in ("unsure", "not_understood")}
    shares = [found.share for found in judged.values() if found.share is not None]
    usual, common = median(shares) if shares else 0.0, Counter(cause for found in judged.values() for cause in set(found.causes))

    return frozenset(
        number
        for number, found in unsure.items()
        if found.words == "not_understood"
        or (found.share is not None and found.share < usual - _BELOW)
        or any(2 * common[cause] <= len(judged) for cause in found.causes if cause != "unheard")  # which is in the share already
    )


def holds_of(script: Script) -> list[Hold]:
    """Return the freeze frames of a dub, in order."""
    held = (
        (utterance.place, utterance.fit)
        for utterance in script.processed
        if utterance.place is not None and utterance.fit is not None and utterance.fit.freeze_s
    )
    return [Hold(max(place.start_s + fit.spoken_s - fit.freeze_s, place.end_s), fit.freeze_s) for place, fit in held]


def stretches_of(script: Script) -> list[ShownStretch]:
    """Return which parts of the recording are shown at which times of the output, in order; between two of them a frame is held."""
    if script.schedule != "own":
        return [ShownStretch(0.0, 0.0 if script.media is None else script.media.duration_s, 0.0)]
    start, stop = dubbed_part(script)
    found, position, played = [], start, 0.0

    for hold in holds_of(script):
        at = min(max(hold.at, position), stop)
        found.append(ShownStretch(played, played + at - position, position))
        played, position = played + at - position + hold.seconds, at
    return [*found, ShownStretch(played, played + stop - position, position)]


def dubbed_part(script: Script) -> Interval:
    """Return the part of the original that was dubbed."""
    if script.made is not None and script.made.part is not None:
        return script.made.part
    return Interval(0.0, 0.0 if script.media is None else script.media.duration_s)


def moments_in(output: Interval, count: int) -> list[Fraction]:
    """Return times of the output (s), spread evenly over the new speech."""
    start, length = exact(output.start_s), exact(output.end_s) - exact(output.start_s)
    return [start + length * (2 * k + 1) / (2 * count) for k in range(count)]


def source_time(script: Script, one: OnPage, output_s: Fraction, own: range) -> Fraction:
    """Return the time of the recording whose frame is shown at a time of an utterance in the output.

    own: the frames at 25 fps that the input itself has; they are played forwards and backwards, or the last one is held.
    """
    if script.schedule == "own":
        return exact(one.source.start_s) + output_s - exact(one.output.start_s)
    step = frame_at(output_s)
    return frames_to_seconds(own[min(step, len(own) - 1) if script.schedule == "hold" else pingpong(step, len(own))])


def output_time(script: Script, one: OnPage, output_s: Fraction, shown_since: Fraction) -> Fraction:
    """Return a time of the output at which a frame of the recording is on screen for certain.

    output_s: about when; shown_since: when that frame begins in the recording (s). A frame that stays long is repeated.
    """
    if script.schedule == "own":
        begins = exact(one.output.start_s) + shown_since - exact(one.source.start_s)
        return (begins if output_s - begins <= LONGEST_STAY_S else output_s) + ROUNDING_S
    return frames_to_seconds(frame_at(output_s)) + ROUNDING_S


def speaker_box(one: OnPage, source_s: Fraction) -> tuple[float, float, float, float] | None:
    """Return where the speaker's face is around a time of the recording: x1, y1, x2, y2 in pixels; None = unknown.

    Tracks count frames at 25 fps from the utterance's first one.
    """
    tracks = () if one.utterance.seen is None else one.utterance.seen.tracks
    chosen = [track for track in tracks if track.is_chosen]
    here = frame_at(source_s) - frame_at(one.source.start_s)
    there = [track for track in chosen if track.first <= here <= track.last] or chosen
    if not there:
        return None
    return there[0].mean_box


def paths_of(script: Script) -> tuple[str, str]:
    """Return the files of the original ("" = it is an image) and of the dub ("" = there is none)."""
    original = "" if script.media is None or script.schedule == "still" else script.media.path
    return original, "" if script.made is None else script.made.output


def addresses_of(script: Script, folder: Path) -> VideoAddresses:
    """Return the addresses of the videos of a dub. folder: where the page is, or will be."""
    original, dub = (address(path, folder) if os.path.isfile(path) else None for path in paths_of(script))
    return VideoAddresses(original, dub)


def address(path: str | Path, folder: Path) -> str:
    """Return a file's address relative to a folder, percent-encoded, so that both can be moved together."""
    try:
        way = os.path.relpath(path, folder)
    except ValueError:  # there is no way to another drive
        return Path(path).absolute().as_uri()
    # Bytes, since a name need not be UTF-8; and quoted, so that its # and ? are no parts of the address.
    return quote(os.fsencode(way.replace(os.sep, "/")))
