"""Draw and encode the frames of a long video in segments that are kept, so that a stopped run resumes where it was."""

import logging
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, groupby
from math import ceil
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from avcore.compute.memory import release_freed_memory
from avcore.compute.threads import Tally, ahead, frames_ahead, max_threads, run_in_threads
from avcore.errors import OutputError
from avcore.files import private_folder
from avcore.journal import key_of
from avcore.media import QUICK, SoundWriter, VideoJoiner
from avcore.speech.voice_activity import SpeechActivity
from avcore.timeline import exact, frame_at, frames_covering, frames_to_seconds
from netflips.dubbing.store import Store
from netflips.dubbing.video_format import VideoFormat, write_frame
from netflips.subtitles.drawing import Painter
from unit2av.lipsync import RENDERING, DrawError, LipSync, TwoPassLipSync
from unit2av.rendering import OutputFrame, Reason, SoundFeed, drawn, prepared_talks

LOG = logging.getLogger("netflips")

STAGE = "frames"
_BITS_PER_PIXEL = 0.2
"""Size of H.264 at the quality written here; frames with much noise take more, most take a half or a quarter."""
_BYTES_PER_SECOND = 64_000 + 3 * 250_000 + 300_000
"""Sound for recognition, lip crops at 25 fps of the visible faces, up to three on average, and places and pictures of mouths."""
_MEGA = 1e6
_MAX_WORKERS, _CORES_PER_WORKER, _RUNS_PER_WORKER = 6, 3, 3
"""Most workers, cores of each, and runs of segments for each. A worker keeps a decoder, a renderer and an encoder busy; with
several runs for each, all workers end at about the same time."""
SHORTEST_S, LONGEST_S = 10, 20
"""Length of a segment (s). Within these it ends at the quietest moment, where the mouth is at rest, or as near to it as it gets."""


@dataclass(frozen=True)
class Segment:
    """A stretch of the output that is encoded on its own."""

    key: str
    """digest of everything that is in it"""
    shown: Callable[[], Iterator[OutputFrame]]
    """yields its frames, and those around it that a backend wants to see"""
    begin: Fraction = Fraction(0)
    """when it begins in the output (s)"""
    times: Sequence[Fraction] = ()
    """when each of its frames is shown in the output (s); empty: that is not known beforehand"""

    def own(self, shown: Iterable[OutputFrame]) -> Iterator[OutputFrame]:
        """Yield the frames that belong to the segment, and stop reading after the last of them."""
        for one in shown:
            if not self.times or one.time >= self.times[0]:
                yield one
                if self.times and one.time == self.times[-1]:
                    return


def quiet_borders(activity: SpeechActivity, total: int, rate: Fraction) -> list[int]:
    """Return the first frames of the segments of `total` frames: the quietest moments of the speech, 10 to 20 s apart."""
    begins = [0]

    while total - begins[-1] > frames_covering(LONGEST_S, rate):
        at = float(frames_to_seconds(begins[-1], rate))
        until = at + LONGEST_S
        # Behind the end of the sound all is quiet: there a segment is as long as it may be.
        quiet = activity.quietest_s(at + SHORTEST_S, until) if until < activity.seconds else until
        # At least one frame further, however times are rounded: else the loop would not end.
        begins.append(min(max(frame_at(quiet, rate), begins[-1] + 1), total - 1))
    return begins


def constant_rate_segments(
    shown: Callable[[int, int], Iterator[OutputFrame]],
    borders: Sequence[int],
    total: int,
    rate: Fraction,
    around_s: float,
    made_with: Sequence[object],
) -> list[Segment]:
    """Return the segments of `total` frames at a constant rate.

    shown: yields the frames from a first number to before another. around_s: seconds of frames that a backend wants to see before
    and after a segment. made_with: everything that the frames depend on.
    """
    around, pieces = frame_at(exact(around_s), rate), []
    for start, stop in zip(borders, [*borders[1:], total], strict=True):
        key = key_of(STAGE, RENDERING, *QUICK.values(), made_with, start, stop, total)
        frames = partial(shown, max(0, start - around), min(total, stop + around))
        pieces.append(Segment(key, frames, times=[frames_to_seconds(number, rate) for number in range(start, stop)]))
    return pieces


@dataclass(frozen=True)
class Encoded:
    """A segment that was encoded."""

    path: Path
    """the file with its frames"""
    times: Sequence[Fraction]
    """when each frame is shown in the output (s)"""
    owners: Sequence[int]
    """as `OutputFrame.owner`, for each frame"""
    reasons: Sequence[int]
    """as `FaceToDraw.reason`, for each frame"""
    strains: Sequence[float]
    """as `FaceToDraw.strain`, for each frame"""


class Written(NamedTuple):
    """A frame that was encoded."""

    time: Fraction
    """when it is shown in the output (s)"""
    owner: int
    """as `OutputFrame.owner`"""
    reason: int
    """as `FaceToDraw.reason`"""
    strain: float
    """as `FaceToDraw.strain`"""


class _Notes(NamedTuple):
    """What is kept of a segment beside its video file."""

    times: tuple[str, ...]
    """times of its frames from its beginning (s), as exact fractions"""
    owners: tuple[int, ...]
    reasons: tuple[int, ...]
    strains: tuple[float, ...]

    @classmethod
    def of(cls, piece: Segment, written: Sequence["Written"]) -> "_Notes":
        times = tuple(str(one.time - piece.begin) for one in written)
        return cls(times, *(tuple(values) for values in list(zip(*written, strict=True))[1:] or [()] * 3))

    def of_segment(self, piece: Segment, path: Path) -> Encoded:
        return Encoded(path, [piece.begin + Fraction(time) for time in self.times], self.owners, self.reasons, self.strains)


@dataclass(frozen=True)
class SegmentEncoder:
    """Draws and encodes segments."""

    video_format: VideoFormat
    lips: LipSync
    label: str
    """a text that is burnt in; "" = none"""
    painter: Painter | None
    """draws subtitles; None: there are none"""
    work: Store
    """where finished segments are kept"""
    report: Callable[[int], None]
    """called with the number of frames that are done"""
    report_failed: Callable[[int, DrawError], None]
    """called with the number of an utterance whose lips stay as they are, and why"""

    def encode(self, pieces: Iterable[Segment]) -> list[Encoded]:
        """Encode segments, or find them in the work folder. Those in which no frame begins are left out.

        With enough cores, several runs of segments are drawn and encoded at once.
        """
        listed, tally = list(pieces), Tally(self.report)
        workers = max(min(max_threads() // _CORES_PER_WORKER, _MAX_WORKERS), 1)
        length = ceil(len(listed) / (workers * _RUNS_PER_WORKER)) if workers > 1 else len(listed)
        runs = [listed[start : start + length] for start in range(0, len(listed), max(length, 1))]

        def encoded(run: Sequence[Segment], check: Callable[[], None]) -> list[Encoded]:
            def report(count: int) -> None:
                check()
                tally.add(count)

            return self._encode_run(run, report)

        return [one for found in run_in_threads(runs, encoded, workers) for one in found]

    def _encode_run(self, pieces: Sequence[Segment], report: Callable[[int], None]) -> list[Encoded]:
        """Encode segments one after another. report: called with the number of frames that are done since its last call.

        Decoding, drawing and encoding have a thread each, and none of them waits for the end of a segment.
        """
        encoded, depth = list[Encoded](), frames_ahead(self.video_format.width, self.video_format.height)
        frames = self._drawn(pieces, depth)
        # A backend of two passes draws in this thread, where Ctrl-C ends its program at once.
        with closing(frames if isinstance(self.lips, TwoPassLipSync) else ahead(frames, depth)) as ready:
            for piece, items in groupby(ready, itemgetter(0)):
                _, found = next(items)
                if isinstance(found, list):
                    report(sum(len(one.times) for one in found))
                else:
                    found = self._encoded(piece, (one for _, one in items if isinstance(one, OutputFrame)), report)
                encoded += found
        return encoded

    def _drawn(self, pieces: Iterable[Segment], depth: int) -> Generator[tuple[Segment, list[Encoded] | OutputFrame | None]]:
        """Yield each segment, first with what is kept of it (None: nothing is), then with each of its frames."""
        for piece in pieces:
            path, notes = self.work.find_file(STAGE, piece.key, ".mp4"), self.work.find(_Notes, STAGE, (piece.key,))
            if notes is not None and (path is not None or not notes.times):
                yield piece, [] if path is None else [notes.of_segment(piece, path)]
                continue

            yield piece, None
            with private_folder() as folder:
                prepared = prepared_talks(self.lips, piece.shown, folder, self.report_failed)
                with closing(ahead(piece.shown(), depth)) as shown:
                    yield from ((piece, one) for one in piece.own(drawn(self.lips, shown, prepared)))

    def _encoded(self, piece: Segment, shown: Iterator[OutputFrame], report: Callable[[int], None]) -> list[Encoded]:
        """Encode and keep the frames of a segment; nothing is returned for one without frames."""
        with self.work.new_file(STAGE, piece.key, ".mp4") as path:
            written = self._write(path, shown, report)
            # Kept even where no frame begins in the segment: a resumed dub need not decode it to find that out. What could not be
            # drawn is tried again.
            if all(one.reason != Reason.FAILED for one in written):
                self.work.keep(STAGE, (piece.key,), _Notes.of(piece, written))
        release_freed_memory()  # encoders and threads fragment the memory, more with each file
        return [Encoded(path, *map(list, zip(*written, strict=True)))] if written else []

    def _write(self, path: Path, shown: Iterator[OutputFrame], report: Callable[[int], None]) -> list["Written"]:
        """Write frames, and return what is known of each."""
        written = list[Written]()
        # A writer that was opened leaves a file, so the first frame is asked for before.
        first = next(shown, None)
        if first is None:
            return written

        with self.video_format.writer(path) as writer:
            for one in chain([first], shown):
                write_frame(writer, one, one.time - first.time, self.label, self.painter)
                written.append(Written(one.time, one.owner, int(one.face.reason), one.face.strain))
                report(1)
        return written


def num_hidden(pieces: Iterable[Encoded]) -> int:
    """Return the number of frames in which something hides the mouth that was to be drawn."""
    return sum(list(piece.reasons).count(Reason.HIDDEN) for piece in pieces)


def join_segments(writer: SoundWriter, pieces: Sequence[Encoded], sound: SoundFeed) -> None:
    """Write encoded frames as they are, if there are any, and the sound in step with them.

    The file appears only when all of it was written.
    """
    with writer:
        for piece in pieces:
            assert isinstance(writer, VideoJoiner)  # as there are frames
            writer.write_piece(piece.path, piece.times)
            sound.reach(writer, piece.times[-1])
        sound.end(writer)


# The work folder


def expected_bytes(video_format: VideoFormat, seconds: float, seen_s: float | None = None) -> int:
    """Return the bytes that a work folder and the output may take for `seconds` of frames, which are in both.

    seen_s: seconds of which sound and faces are kept; None: the same.
    """
    frames = video_format.width * video_format.height * float(video_format.rate) * _BITS_PER_PIXEL / 8
    return int(seconds * 2 * frames + (seconds if seen_s is None else seen_s) * _BYTES_PER_SECOND)


def announce(folder: Path, video_format: VideoFormat, seconds: float, seen_s: float | None = None) -> None:
    """Log where finished work is kept and how large it may become. Raises OutputError when the disk is too full for it.

    seen_s: length of a recording of which a part may be dubbed, see `expected_bytes`.
    """
    needed, free = expected_bytes(video_format, seconds, seen_s), shutil.disk_usage(folder).free
    LOG.info(
        "finished work is kept in %s: up to about %.0f MB with the output, %.0f MB are free; delete it when you are done",
        folder,
        needed / _MEGA,
        free / _MEGA,
    )

    if needed > free:
        raise OutputError(
            "there is too little room on this disk",
            path=folder,
            expected=f"about {needed / _MEGA:.0f} MB",
            found=f"{free / _MEGA:.0f} MB",
            hint="choose another disk with --work-dir" + ("" if seen_s is None else ", or dub a part with --start and --end"),
        )
