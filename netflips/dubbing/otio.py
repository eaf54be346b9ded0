"""The timeline of a dub for video editors, as OpenTimelineIO's JSON (timeline).

One edit rate for all of it, the output's; positions are whole frames. Media are named relative to the file where they lie beside
or below it, else by a file URL. Schema versions are those that DaVinci Resolve 18.5, Kdenlive 25 and OpenTimelineIO 0.15 read.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from avcore.files import write_text
from avcore.media import MediaInfo, probe
from avcore.notes import json_text, sentence
from avcore.timeline import FRAME_RATE, Interval, Seconds, frame_at, frames_covering, nearest_frame, plain_rate, timecode_frames
from avcore.words import user_language
from netflips.dubbing.job import Job
from netflips.dubbing.part import OutputClock, fitted
from netflips.script.notes import FOUND_FAULTS
from netflips.script.types import Script
from netflips.script.utterance import Utterance

Json = dict[str, Any]
_MOST_NAMED = 40
"""Letters of a text in the name of its clip."""


class _Piece(NamedTuple):
    """A stretch of a file on a track. All numbers are frames."""

    start: int
    """where it begins on the timeline"""
    stop: int
    """where it ends there"""
    first: int
    """where it begins in the file"""
    name: str = ""
    """"" = the file's"""


@dataclass(frozen=True)
class _Layout:
    """Writes parts of a timeline."""

    folder: Path
    """the timeline's folder"""
    rate: Fraction
    """frames per second"""

    def track(self, name: str, kind: Literal["Video", "Audio"], info: MediaInfo, pieces: Sequence[_Piece], *, is_on: bool) -> Json:
        """Return a track with pieces of one file, in order, and gaps between them. is_on: whether it is seen or heard."""
        begin = timecode_frames(info.timecode, self.rate)
        media = {
            "OTIO_SCHEMA": "ExternalReference.1",
            "name": info.path.name,
            "target_url": self._address(info.path),
            "available_range": self.range(begin, max(nearest_frame(info.duration_s, self.rate), 1)),
        }
        children, end = list[Json](), 0
        for piece in pieces:
            if piece.start > end:
                children.append({"OTIO_SCHEMA": "Gap.1", "source_range": self.range(0, piece.start - end)})
            clip = {
                "OTIO_SCHEMA": "Clip.2",
                "name": piece.name or info.path.name,
                "source_range": self.range(begin + piece.first, piece.stop - piece.start),
                "media_references": {"DEFAULT_MEDIA": media},
                "active_media_reference_key": "DEFAULT_MEDIA",
            }
            children.append(clip)
            end = piece.stop
        return {"OTIO_SCHEMA": "Track.1", "name": name, "kind": kind, "enabled": is_on, "children": children}

    def marker(self, utterance: Utterance, place: Interval) -> Json:
        """Return the marker of an utterance that has notes, at a place on the timeline (s): red where a check found faults."""
        faults = () if utterance.checked is None else utterance.checked.reported
        what = faults or dict.fromkeys(note.code for note in utterance.notes)
        notes = sorted(utterance.notes, key=lambda note: note.code != FOUND_FAULTS.code)  # what the check found comes first
        comment = "\n".join(sentence(note, user_language(), who="", hint=False) for note in notes)
        start, stop = place.frames(self.rate)
        return {
            "OTIO_SCHEMA": "Marker.2",
            "name": f"{utterance.number}: {', '.join(name.replace('_', ' ') for name in what)}",
            "color": "RED" if faults else "YELLOW",
            "marked_range": self.range(start, max(stop - start, 1)),
            "comment": comment,
            "metadata": {"Resolve_OTIO": {"Note": comment}},
        }

    def range(self, start: int, length: int) -> Json:
        """Return a range of frames."""
        return {"OTIO_SCHEMA": "TimeRange.1", "start_time": self.time(start), "duration": self.time(length)}

    def time(self, frames: int) -> Json:
        """Return a number of frames as a time."""
        return {"OTIO_SCHEMA": "RationalTime.1", "value": float(frames), "rate": float(self.rate)}

    def _address(self, path: Path) -> str:
        # As OpenTimelineIO's own functions have it: letters of all scripts and spaces as they are, for not every reader decodes.
        path = Path(os.path.abspath(path))  # with the names that the user knows, not where links lead
        is_beside = path.is_relative_to(self.folder)
        place = path.relative_to(self.folder) if is_beside else path
        return ("" if is_beside else "file://") + "".join(quote(sign) if sign in "%#?:" else sign for sign in place.as_posix())


def write_timeline(path: Path, script: Script, job: Job, clock: OutputClock) -> None:
    """Write the timeline of a dub that is written, with its stems and the original. clock: of the output. Raises OutputError."""
    layout = _Layout(Path(os.path.abspath(path.parent)), plain_rate(job.frame_rate or FRAME_RATE))
    dubbed, original, rate, effects = probe(job.out), job.info, layout.rate, job.options.background_audio
    end = max(nearest_frame(script.output_s, rate), 1)
    whole, beside = [_Piece(0, end, 0)], _pieces_of_original(script, original, clock, rate)
    lines, stems = _pieces_of_speech(script, rate, end), [probe(stem) for stem in job.options.stem_files(job.out)]

    tracks = list[Json]()
    if original.has_video:  # the upper of two comes last
        tracks.append(layout.track("original", "Video", original, beside, is_on=False))
    if dubbed.has_video:
        tracks.append(layout.track("dub", "Video", dubbed, whole, is_on=True))
    for name, stem in zip(("speech", "background", "mix") if stems else (), stems, strict=True):
        tracks.append(layout.track(name, "Audio", stem, lines if name == "speech" else whole, is_on=name != "mix"))
    tracks.append(layout.track("dub", "Audio", dubbed, whole if stems else _with_rest(lines, end), is_on=not stems))
    if original.has_audio:
        tracks.append(layout.track("original", "Audio", original, beside, is_on=False))
    if effects is not None:
        info = probe(effects)
        tracks.append(layout.track("music and effects", "Audio", info, _pieces_of_original(script, info, clock, rate), is_on=False))

    places = {utterance.number: fit.output for utterance, fit in fitted(script)}
    for utterance in job.part.utterances(script):  # those that are left alone stay where they are
        places.setdefault(
            utterance.number, Interval(float(clock.at(utterance.place.start_s)), float(clock.at(utterance.place.end_s)))
        )
    markers = [
        layout.marker(utterance, places[utterance.number])
        for utterance in script.utterances
        if utterance.notes and utterance.number in places
    ]
    begin = timecode_frames(original.timecode, rate) + nearest_frame(clock.part.start, rate)
    content = {
        "OTIO_SCHEMA": "Timeline.1",
        "name": job.out.stem,
        "global_start_time": layout.time(begin),
        "tracks": {"OTIO_SCHEMA": "Stack.1", "name": "tracks", "markers": markers, "children": tracks},
    }
    write_text(path, json_text(content, indent=1) + "\n")


def _pieces_of_original(script: Script, info: MediaInfo, clock: OutputClock, rate: Fraction) -> list[_Piece]:
    """Return the pieces of the original beside the dub: from the part's beginning, with gaps at freeze frames.

    Of a clip, whose frames the dub plays forwards and backwards, it is the whole. info: the original, or music and effects of the
    same length.
    """
    last = min(clock.part.stop, info.duration_s)
    if not script.is_source_timed:
        return [_Piece(0, nearest_frame(info.duration_s, rate), 0)]
    edges: list[Seconds] = [clock.part.start, *(at for at, _ in clock.freezes if clock.part.start < at < last), last]
    found = []
    for begin, stop in pairwise(edges):
        start, first = nearest_frame(clock.at(begin), rate), nearest_frame(begin, rate)
        if (length := nearest_frame(stop, rate) - first) > 0:
            found.append(_Piece(start, start + length, first))
    return found


def _pieces_of_speech(script: Script, rate: Fraction, end: int) -> list[_Piece]:
    """Return a piece for each utterance that is spoken, in frames that cover it; two never overlap."""
    spoken = sorted(fitted(script), key=lambda one: one[1].output.start_s)
    starts = [*(frame_at(fit.output.start_s, rate) for _, fit in spoken), end]
    found = []
    for (utterance, fit), (start, after) in zip(spoken, pairwise(starts), strict=True):
        text = "" if utterance.spoken is None else utterance.spoken.text
        name = f"{utterance.number} {utterance.speaker}: {text[:_MOST_NAMED]}".rstrip(" :")
        if (stop := min(frames_covering(fit.output.end_s, rate), after)) > start:
            found.append(_Piece(start, stop, start, name))
    return found


def _with_rest(pieces: Sequence[_Piece], end: int) -> list[_Piece]:
    """Return the pieces with what lies between them, so that the whole file up to frame `end` is there."""
    edges = [0, *(edge for piece in pieces for edge in (piece.start, piece.stop)), end]
    between = [_Piece(start, stop, start) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]
    return sorted([*pieces, *between])
