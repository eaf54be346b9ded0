"""Face tracks of each utterance, with the evidence that a face speaks it (active speaker detection), and its lips."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from avcore.compute.memory import release_freed_memory
from avcore.compute.threads import Tally, ahead, max_threads, run_in_threads
from avcore.faces.boxes import read_boxes_for
from avcore.faces.crop import LIP_SIDE
from avcore.faces.find import Follower, nearest_rows
from avcore.faces.geometry import Box, box_lip_margin, cut_mouths
from avcore.faces.select import loudness, speech_evidence
from avcore.journal import key_of
from avcore.media import read_frames
from avcore.media.frames import LONGEST_STAY_S, read_lip_crops
from avcore.progress import Progress
from avcore.timeline import Interval, exact, frame_at, frames_covering, frames_to_seconds, frames_to_units, units_to_samples
from netflips.dubbing.job import Job
from netflips.dubbing.recording import Recording
from netflips.dubbing.shots import num_ahead, with_following
from netflips.dubbing.store import Store
from netflips.script.types import Script
from netflips.script.utterance import Utterance

SPEAKS = 0.6
"""Evidence (see `speech_evidence`) at or above which a face is taken for the speaker's: a real talker has 1.6, drawn faces that
move their mouths to other words have 0.8 to 1.3, a listener with a still mouth has next to none."""
UNJUDGED = 0.35
"""Evidence of a face in a freeze frame: too little to be taken for the speaker's, enough if the voice is known to be the face's."""
_LEAST_MOVING = frame_at(0.4)
"""The fewest moving frames by which a face is judged."""
_APART_S = 10
"""Between utterances that are further apart, frames are not decoded."""
_MAX_WORKERS, _MIN_PER_WORKER = 2, frame_at(5)
"""Most threads that track faces: half of the work holds Python's lock, and 8 threads on 16 cores took longer than one. And the
fewest frames for which a thread with its own decoder pays."""
_FACES, _LIPS = "faces", "lips"
_VERSION = 3
"""Increased whenever kept faces must be found anew."""

Lips = NDArray[np.uint8]


class FaceMeasures(NamedTuple):
    """What is measured of a face in each of its N frames."""

    yaw: NDArray[np.float32]
    """float32 [N], radians"""
    pitch: NDArray[np.float32]
    """float32 [N], radians"""
    sharpness: NDArray[np.float32]
    """float32 [N], of the lips"""
    lip_margin: NDArray[np.float32]
    """float32 [N], margin of the lips within the frame, see `lip_margin`"""
    opening: NDArray[np.float32]
    """float32 [N], the gap between the lips"""


@dataclass(frozen=True, eq=False)
class Face:
    """A face track: a face in consecutive frames of one shot."""

    number: int
    shot: int
    """number of its shot"""
    first: int
    """its first frame at 25 fps, counted from the utterance's first"""
    row: int
    """row of its first lip crop among those of the utterance"""
    boxes: NDArray[np.float32]
    """float32 [N, 4], x1, y1, x2, y2 in pixels"""
    measures: FaceMeasures
    """of each frame"""
    appearance: NDArray[np.float32]
    """float32 [D], face embedding"""
    evidence: float = 0.0
    """evidence that it speaks, see `speech_evidence`"""
    is_judged: bool = True
    """False: it is in a freeze frame, so that its evidence is `UNJUDGED`"""

    @property
    def last(self) -> int:
        """Its last frame (inclusive)."""
        return self.first + len(self.boxes) - 1

    @property
    def openings(self) -> NDArray[np.float64]:
        """The opening of the mouth in each frame, float64 [N]."""
        return self.measures.opening.astype(np.float64)

    @property
    def is_cut_off(self) -> NDArray[np.bool_]:
        """Whether the edge of the frame cuts the mouth off, bool [N]."""
        return cut_mouths(self.measures.lip_margin)

    def num_before(self, stop: int) -> int:
        """Return in how many of the frames before `stop` it is."""
        return max(min(self.last + 1, stop) - self.first, 0)


class FrameSpan(NamedTuple):
    """The frames at 25 fps that are searched for the faces of an utterance."""

    first: int
    """the first frame"""
    own: int
    """number of the utterance's own frames; the rest are in the pause that its dub may take"""
    stop: int
    """the frame after the last"""

    @property
    def length(self) -> int:
        """Number of frames."""
        return max(self.stop - self.first, 0)


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """All faces that are seen during an utterance and the pause behind it."""

    span: FrameSpan
    faces: tuple[Face, ...] = ()

    @cached_property
    def num_with_faces(self) -> int:
        """Number of the utterance's own frames with a face."""
        is_there = np.zeros(max(self.span.own, 1), bool)
        for face in self.faces:
            is_there[face.first : face.first + face.num_before(self.span.own)] = True
        return int(is_there.sum())


@dataclass(frozen=True)
class KeptFaces:
    """The faces of utterances in the store, and their lips in files of their own, because they are large."""

    store: Store
    digest: str
    """of the video, see `digest_of`"""

    def made_of(self, span: FrameSpan) -> tuple[object, ...]:
        """Return what the faces in some frames depend on."""
        return self.digest, *span, _VERSION

    def find(self, span: FrameSpan) -> FoundFaces | None:
        """Return the faces in some frames, None unless they and their lips are kept."""
        made_of = self.made_of(span)
        has_lips = self.store.has(_LIPS, key_of(*made_of), ".npy")
        return self.store.find(FoundFaces, _FACES, made_of) if has_lips else None

    def keep(self, found: FoundFaces, lips: Iterator[Lips], num_lips: int) -> FoundFaces:
        """Keep faces with their lips, uint8 [num_lips, 96, 96].

        The lips come track by track: those of a long clip would take much memory.
        """
        made_of = self.made_of(found.span)
        with self.store.new_file(_LIPS, key_of(*made_of), ".npy") as path:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                # The header comes first, so that crops can follow one by one, and be mapped into memory when they are read.
                header = {"descr": "|u1", "fortran_order": False, "shape": (num_lips, LIP_SIDE, LIP_SIDE)}
                np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
                for one in lips:
                    file.write(one.tobytes())
        return self.store.keep(_FACES, made_of, found)

    def lips(self, span: FrameSpan, chosen: Sequence[Face], start: int = 0, stop: int | None = None) -> Lips:
        """Return the lips of a face in frames `start` to `stop` - 1 of those of `span`, uint8 [T, 96, 96]; they must be kept.

        chosen: tracks that do not overlap in time. A frame without the face gets the crop nearest in time: a still mouth adds no
        speech.
        """
        rows = np.full(span.length, -1)
        for face in chosen:
            rows[face.first : face.last + 1] = face.row + np.arange(len(face.boxes))

        path = self.store.find_file(_LIPS, key_of(*self.made_of(span)), ".npy")
        assert path is not None  # it was kept with the faces
        return np.asarray(np.load(path, mmap_mode="r")[nearest_rows(rows)[start:stop]], np.uint8)


@dataclass(frozen=True)
class Faces:
    """The faces of utterances by their numbers. Lip crops stay on the disk."""

    kept: KeptFaces
    spans: Mapping[int, FrameSpan]
    """frames of each utterance, also of those that were not searched"""
    seen: Mapping[int, FoundFaces] = field(default_factory=dict)
    """faces of the utterances that were searched"""
    boxes: Sequence[Box | None] | None = None
    """boxes of a side file, at 25 fps from the beginning of the video; None: there is none"""
    side_lips: Lips | None = None
    """lip crops of a side file, likewise"""
    size: tuple[int, int] | None = None
    """height and width of the frames, by which a mouth in those boxes counts as cut off; None: none does"""

    def chosen(self, utterance: Utterance) -> list[Face]:
        """Return the tracks of the speaker's face. They do not overlap in time."""
        numbers = {track.number for track in utterance.seen.tracks if track.is_chosen} if utterance.seen is not None else set()
        return (
            [face for face in self.seen[utterance.number].faces if face.number in numbers] if utterance.number in self.seen else []
        )

    def drawn(self, utterance: Utterance) -> list[Face]:
        """Return the tracks that are drawn in an utterance: those of the side file, or the speaker's."""
        if utterance.seen is not None and utterance.seen.absent == "not_wanted":
            return []
        return self.chosen(utterance) if self.boxes is None else _given_faces(self.spans[utterance.number], self.boxes, self.size)

    def lips(self, utterance: Utterance) -> Lips | None:
        """Return the speaker's lips in each of the utterance's own frames, uint8 [T, 96, 96]; None if there are no usable ones."""
        start, stop = utterance.place.frames()
        if self.side_lips is not None:
            crops = self.side_lips[start:stop]
        else:
            chosen = self.chosen(utterance)
            if not any(face.is_judged for face in chosen):
                return None  # no face, or one in a freeze frame
            crops = self.kept.lips(self.seen[utterance.number].span, chosen, 0, stop - start)
        if not len(crops):
            return None
        return np.pad(crops, ((0, stop - start - len(crops)), (0, 0), (0, 0)), mode="edge")


def track_faces(script: Script, job: Job, recording: Recording) -> Faces:
    """Find the faces in each utterance and keep them.

    If only a part is dubbed, its own utterances are searched, and faces of the others are used if they are kept already: so the
    part is dubbed as it is in the whole. A dub has no faces whose units need no lips, and which draws none, as a draft does.
    """
    options, info, kept = job.options, job.info, KeptFaces(job.store, job.digest)
    boxes = None if options.in_bbox_path is None else read_boxes_for(job.source, options.in_bbox_path)
    lips = None if options.in_lip_path is None else read_lip_crops(options.in_lip_path)
    total, slack = len(job.source) if info.has_video else 0, job.part.slack
    spans = {utterance.number: frame_span_of(utterance.place, total, slack[utterance.number]) for utterance in script.utterances}
    faces = Faces(kept, spans, {}, boxes, lips, None if options.hard_paste else (info.height, info.width))

    is_blind = boxes is not None and (lips is not None or not options.uses_video)
    if is_blind or ((options.is_draft or not job.lips.draws) and not options.uses_video):
        return faces
    with job.clock.stage("faces"):
        search = FaceSearch(recording, total, kept)
        return replace(faces, seen=search.find(spans, job.part.numbers, job.progress))


def frame_span_of(place: Interval, total: int, slack_s: Fraction = Fraction(0)) -> FrameSpan:
    """Return the frames of an utterance and of the pause that it may take. total: frames of the video."""
    first, own_stop = place.frames()
    stop = min(frames_covering(exact(place.end_s) + slack_s), total)
    return FrameSpan(first, min(own_stop, stop) - first, stop)


@dataclass(frozen=True)
class FaceSearch:
    """Tracks the faces of a video's utterances, and keeps them."""

    recording: Recording
    """a track ends where its shot does, and is compared with the sound"""
    num_frames: int
    """frames of the video at 25 fps"""
    kept: KeptFaces

    def find(self, spans: Mapping[int, FrameSpan], wanted: Collection[int], progress: Progress) -> dict[int, FoundFaces]:
        """Find and keep the faces of the wanted utterances. Returns them by number, with those of others that were kept before."""
        seen = {number: found for number, one in spans.items() if (found := self.kept.find(one)) is not None}
        missing = {number: one for number, one in spans.items() if number in wanted and number not in seen}
        new = {one.span: one for one in self.in_threads(list(missing.values()), progress)}
        seen |= {number: new.get(one, FoundFaces(one)) for number, one in missing.items()}
        return {number: seen[number] for number in spans if number in seen}

    def in_threads(self, spans: Sequence[FrameSpan], progress: Progress) -> list[FoundFaces]:
        """Track the faces of utterances in several threads: the faces of one do not depend on another."""
        total = sum(span.length for span in spans)
        tally = Tally(lambda done: progress("look", int(frames_to_seconds(done)), int(frames_to_seconds(total))))
        workers = min(max_threads(), _MAX_WORKERS)

        def look(cluster: Sequence[FrameSpan], check: Callable[[], None]) -> list[FoundFaces]:
            def report(count: int) -> None:
                check()
                tally.add(count)

            return list(self.look(cluster, report))

        found = run_in_threads(_clusters(spans, max(ceil(total / workers), _MIN_PER_WORKER)), look, workers)
        tally.add(0)  # this thread may have finished first: reports what the others did since
        return [one for seen in found for one in seen]

    def look(self, spans: Sequence[FrameSpan], report: Callable[[int], None]) -> Iterator[FoundFaces]:
        """Track the faces of utterances in one decoding, and keep those of each as soon as it is over.

        report: called with the number of frames that were searched.
        """
        from avcore.faces.detect import FaceDetector  # LiteRT takes time to load, and not every dub needs it

        waiting, open_ones = [one for one in spans if one.length], list[tuple[FrameSpan, Follower, list[bool]]]()
        info, shots = self.recording.info, self.recording.shots
        begin, stop = frames_to_seconds(spans[0].first), max(one.stop for one in spans)
        # Every frame, in accurate colours: with quick ones the units of lips come out otherwise, and every second frame alone hides
        # movements of the mouth (benchmarks/NOTES.md).
        read = read_frames(info.source, begin, clock=info.clock)

        with FaceDetector() as detector, closing(ahead(read, num_ahead(info))) as frames:
            for here, following in with_following(frames):
                last = self.num_frames if following is None else frames_covering(following.time)
                numbers = range(frames_covering(here.time), last)
                if numbers.start >= stop:
                    break
                report(len(numbers) if open_ones else 0)
                is_held, shot = frames_to_seconds(len(numbers)) > LONGEST_STAY_S, shots.shot_at(here.time)

                # A video frame stands for several or none of the frames at 25 fps; each of these is a step of every open utterance.
                for number in numbers:
                    while waiting and waiting[0].first <= number:
                        open_ones.append((waiting.pop(0), Follower(detector, info.pixel_aspect), []))
                    for _, follower, held in open_ones:
                        follower.step(here.rgb, shot)
                        held.append(is_held)
                    for ended in [(span, follower, held) for span, follower, held in open_ones if number + 1 >= span.stop]:
                        open_ones.remove(ended)
                        yield self._keep(*ended)
            for still_open in open_ones:
                yield self._keep(*still_open)

    def _keep(self, span: FrameSpan, follower: Follower, held: Sequence[bool]) -> FoundFaces:
        """Keep the faces of an utterance, each with the evidence that it speaks. held: whether each frame is a freeze frame."""
        edges = [units_to_samples(frames_to_units(edge)) for edge in (span.first, span.stop)]
        sound = self.recording.sound
        levels = loudness(sound.read(*edges)) if sound.is_there else None
        moving = np.ones(span.length, bool)
        moving[: len(held)] = ~np.array(held, bool)[: span.length]

        faces, row, tracks = list[Face](), 0, follower.finish()
        for track in tracks:
            rows = [[at.pose.yaw, at.pose.pitch, at.sharpness, at.margin, at.opening] for at in track.frames]
            measures = FaceMeasures(*np.array(rows, np.float32).T)
            boxes = np.array([at.box for at in track.frames], np.float32)
            face = Face(track.number, track.shot, track.first, row, boxes, measures, track.appearance)
            faces.append(_judged(face, span.own, levels, moving))
            row += len(track.frames)

        found = self.kept.keep(FoundFaces(span, tuple(faces)), (track.lips() for track in tracks), row)
        release_freed_memory()  # threads that come and go fragment it, more with each utterance
        return found


def _clusters(spans: Sequence[FrameSpan], most: int) -> list[list[FrameSpan]]:
    """Group utterances that are decoded together, up to `most` frames or a single utterance."""
    clusters: list[list[FrameSpan]] = []
    for span in spans:
        last = clusters[-1] if clusters else []
        is_near = bool(last) and span.first - max(other.stop for other in last) <= _APART_S * frame_at(1)
        if is_near and sum(other.length for other in [*last, span]) <= most:
            last.append(span)
        else:
            clusters.append([span])
    return clusters


def _judged(face: Face, own: int, levels: Floats | None, moving: NDArray[np.bool_]) -> Face:
    """Return a face with the evidence that it speaks an utterance of `own` frames (active speaker detection).

    levels: of the sound, see `loudness`. moving: bool [frames], False in a freeze frame, where no mouth moves whoever speaks.
    """
    num_own = face.num_before(own)
    if not num_own:
        return face
    first, stop = _longest_run(moving[face.first : face.first + num_own])

    # With a freeze frame, what is seen of the rest counts for a face and never against it.
    is_held = stop - first < num_own
    if is_held and stop - first < _LEAST_MOVING:
        return replace(face, evidence=UNJUDGED, is_judged=False)

    measures = FaceMeasures(*(values[first:stop] for values in face.measures))
    part = replace(face, first=face.first + first, boxes=face.boxes[first:stop], measures=measures)
    evidence = speech_evidence(part, levels)
    if is_held and evidence < SPEAKS:
        return replace(face, evidence=UNJUDGED, is_judged=False)
    return replace(face, evidence=evidence)


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of true ones begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))


def _given_faces(span: FrameSpan, boxes: Sequence[Box | None], size: tuple[int, int] | None) -> list[Face]:
    """Return the face of a side file, a track for each run of boxes. Pose and sharpness are unknown and count as good.

    size: height and width of the frames, to estimate whether the mouth is within them; None = it is.
    """
    own = boxes[span.first : max(span.stop, 0)]
    there = [place for place, box in enumerate(own) if box is not None]
    edges = [0, *(k + 1 for k, (one, other) in enumerate(pairwise(there)) if other > one + 1), len(there)]

    faces = []
    for start, stop in pairwise(edges):
        rows = np.array([own[place] for place in there[start:stop]], np.float32).reshape(-1, 4)
        zeros, infinite = np.zeros(len(rows), np.float32), np.full(len(rows), np.inf, np.float32)
        margin = infinite if size is None else np.array([box_lip_margin(box, size) for box in rows], np.float32)
        measures = FaceMeasures(yaw=zeros, pitch=zeros, sharpness=infinite, lip_margin=margin, opening=zeros)
        if len(rows):
            faces.append(Face(0, 0, there[start], 0, rows, measures, np.zeros(0, np.float32)))
    return faces
