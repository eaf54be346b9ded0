"""Shot boundary detection, and the face tracks of each utterance."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil, inf
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from avcore.compute.memory import release_freed_memory
from avcore.compute.threads import Tally, ahead, num_cores, pictures_ahead, run_in_threads
from avcore.faces.boxes import read_boxes_for
from avcore.faces.crop import LIP_SIDE
from avcore.faces.find import SMALL_SIDE, Cuts, Follower, Small, nearest_rows, shrink
from avcore.faces.geometry import Box, box_lip_margin, cut_mouths
from avcore.faces.select import loudness, speech_evidence
from avcore.journal import key_of
from avcore.media import read_pictures
from avcore.media.pictures import LONGEST_STAY_S, read_lip_crops, read_small_pictures
from avcore.timeline import Seconds, exact, frame_at, frames_covering, frames_to_seconds, frames_to_units, units_to_samples
from netflips.dubbing.job import Job
from netflips.dubbing.sound import Sound
from netflips.script.types import Script, TimeSpan, Utterance

SPEAKS = 0.6
"""Evidence (see `speech_evidence`) from which on a face is taken for the speaker's: a real talker has 1.6, drawn faces that move
their mouths to other words have 0.8 to 1.3, a listener with a still mouth has next to none."""
UNJUDGED = 0.35
"""Evidence of a face in a freeze frame: too little to be taken for the speaker's, enough if the voice is known to be the face's."""
_LEAST_MOVING = frame_at(0.4)
"""The fewest moving frames by which a face is judged."""
_STRETCH_S, _LEAD_S = 60, 1
"""Cuts are kept by stretches of this length, so that a stopped search resumes. The search of a stretch also sees the lead on both
sides: the motion before its first cut, and what follows its last."""
_ROUNDING_S = Fraction(1, 2000)
"""Tolerance of times that are stored as floats: a frame this little before a cut is the first of the new shot."""
_APART_S = 10
"""Between utterances that are further apart, frames are not decoded."""
_MAX_WORKERS, _MIN_PER_WORKER = 2, frame_at(5)
"""Most threads that track faces: half of the work holds Python's lock, and 8 threads on 16 cores took longer than one. And the
fewest frames for which a thread with its own decoder pays."""
_AHEAD = 8
"""Most frames that are decoded ahead of face detection: a frame may take three times as long as another on either side."""
_SCENES, _FACES, _LIPS = "scenes", "faces", "lips"
_VERSION = 1
"""Increased whenever kept faces must be found anew."""

Lips = NDArray[np.uint8]
_Seen = TypeVar("_Seen")


# Shots


class Shots:
    """The shots of a video. cuts: times (s) of the frames that begin a new shot, in order."""

    def __init__(self, cuts: Sequence[float]) -> None:
        self.cuts = list(cuts)
        self._edges = [exact(cut) - _ROUNDING_S for cut in cuts]

    def shot_at(self, seconds: Seconds) -> int:
        """Return the number of the shot at a time, from 0."""
        return bisect_right(self._edges, exact(seconds))


def detect_shots(job: Job, script: Script) -> Shots:
    """Find the shots of the video, or of the part that is dubbed and what its last utterance may need behind it."""
    options, length_s = job.options, job.info.duration_s
    if options.end is not None and script.is_source_timed:  # an utterance that begins in the part may end behind it
        length_s = min(length_s, exact(options.end) + exact(2 * options.utterance_length[1]))
    with job.clock.stage("faces"):
        whole = range(0, max(int(job.info.duration_s), 1), _STRETCH_S)
        starts = [start for start in whole if start < length_s]
        found = {start: job.store.find(tuple[float, ...], _SCENES, (job.digest, start)) for start in starts}
        missing = [start for start in starts if found[start] is None]
        for run in _runs_of(missing):
            found |= _find_cuts(job, run, is_last=run[-1] == whole[-1])
        return Shots([cut for start in starts for cut in found[start] or ()])


class _Small(NamedTuple):
    time: Fraction
    small: Small


def _find_cuts(job: Job, starts: Sequence[int], is_last: bool) -> dict[int, tuple[float, ...]]:
    """Find and keep the cuts of consecutive stretches in one decoding.

    Each stretch has its own finder and sees nothing beyond its lead, so that it gets the same cuts when it is searched alone.
    """
    open_ones: dict[int, list[float]] = {start: [] for start in starts}
    finders: dict[int, Cuts] = defaultdict(Cuts)
    done: dict[int, tuple[float, ...]] = {}
    begin, stop = max(starts[0] - _LEAD_S, 0), inf if is_last else starts[-1] + _STRETCH_S + _LEAD_S
    length = int(job.info.duration_s)
    pictures = read_small_pictures(job.info.source, begin, job.info.clock, SMALL_SIDE)

    # Frames are shrunk in the thread that decodes: it is ahead, and has time for it.
    with closing(ahead((_Small(time, shrink(rgb)) for time, rgb in pictures), _depth(job))) as small:
        for here, following in _with_following(small):
            if here.time >= stop:
                break
            job.progress("cuts", int(here.time), length)
            own = int(here.time // _STRETCH_S) * _STRETCH_S
            for start in range(max(own - _STRETCH_S, 0), ceil((following or here).time + _LEAD_S), _STRETCH_S):
                end = start + _STRETCH_S + _LEAD_S
                if start in open_ones and here.time < end:
                    after = following if following is not None and following.time < end else here
                    if finders[start].is_cut(here.small, after.small) and start == own:
                        open_ones[start].append(float(here.time))
            for start in [start for start in open_ones if start + _STRETCH_S + _LEAD_S <= here.time]:
                done[start] = job.store.keep(_SCENES, (job.digest, start), tuple(open_ones.pop(start)))

    for start, times in open_ones.items():
        done[start] = job.store.keep(_SCENES, (job.digest, start), tuple(times))
    return done


def _runs_of(starts: Sequence[int]) -> list[list[int]]:
    """Group stretches into runs of consecutive ones."""
    runs: list[list[int]] = []
    for start in starts:
        if runs and start - runs[-1][-1] == _STRETCH_S:
            runs[-1].append(start)
        else:
            runs.append([start])
    return runs


# Faces


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
    figures: NDArray[np.float32]
    """float32 [N, 5]: yaw, pitch (radians), sharpness of the lips, their margin within the frame (see `lip_margin`), and the gap
    between them"""
    appearance: NDArray[np.float32]
    """float32 [D], face embedding"""
    evidence: float = 0.0
    """evidence that it speaks, see `speech_evidence`"""

    @property
    def last(self) -> int:
        """Its last frame (inclusive)."""
        return self.first + len(self.boxes) - 1

    @property
    def openings(self) -> NDArray[np.float64]:
        """The opening of the mouth in each frame, float64 [N]."""
        return self.figures[:, 4].astype(np.float64)

    @property
    def is_cut_off(self) -> NDArray[np.bool_]:
        """Whether the edge of the frame cuts the mouth off, bool [N]."""
        return cut_mouths(self.figures[:, 3])

    def num_before(self, stop: int) -> int:
        """Return in how many of the frames before `stop` it is."""
        return max(min(self.last + 1, stop) - self.first, 0)


class Watched(NamedTuple):
    """The frames at 25 fps that are searched for an utterance."""

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
class InSight:
    """All faces that are seen during an utterance and the pause behind it."""

    watch: Watched
    faces: tuple[Face, ...] = ()

    @cached_property
    def num_with_faces(self) -> int:
        """Number of the utterance's own frames with a face."""
        is_there = np.zeros(max(self.watch.own, 1), bool)
        for one in self.faces:
            is_there[one.first : one.first + one.num_before(self.watch.own)] = True
        return int(is_there.sum())


@dataclass(frozen=True)
class Faces:
    """The faces of utterances by their numbers. Lip crops stay on the disk."""

    job: Job
    watches: Mapping[int, Watched]
    """frames of each utterance, also of those that were not searched"""
    seen: Mapping[int, InSight] = field(default_factory=dict)
    """faces of the utterances that were searched"""
    boxes: Sequence[Box | None] | None = None
    """boxes of a side file, at 25 fps from the beginning of the video; None: there is none"""
    side_lips: Lips | None = None
    """lip crops of a side file, likewise"""

    def chosen(self, one: Utterance) -> list[Face]:
        """Return the tracks of the speaker's face. They do not overlap in time."""
        numbers = {track.number for track in one.seen.tracks if track.is_chosen} if one.seen is not None else set()
        return [face for face in self.seen[one.number].faces if face.number in numbers] if one.number in self.seen else []

    def drawn(self, one: Utterance) -> list[Face]:
        """Return the tracks that are drawn in an utterance: those of the side file, or the speaker's."""
        if one.seen is not None and one.seen.absent == "not_wanted":
            return []
        if self.boxes is None:
            return self.chosen(one)
        info, is_hard = self.job.info, self.job.options.hard_paste
        return _given_faces(self.watches[one.number], self.boxes, None if is_hard else (info.height, info.width))

    def lips(self, one: Utterance) -> Lips | None:
        """Return the speaker's lips in each of the utterance's own frames, uint8 [T, 96, 96]; None if there are no usable ones.

        A frame without the face gets the crop nearest in time: a still mouth adds no speech.
        """
        start, stop = frames_of(one.place)
        if self.side_lips is not None:
            crops = self.side_lips[start:stop]
        else:
            chosen = self.chosen(one)
            if all(face.evidence == UNJUDGED for face in chosen):
                return None  # no face, or one in a freeze frame
            watch = self.seen[one.number].watch
            rows = np.full(watch.length, -1)
            for face in chosen:
                rows[face.first : face.last + 1] = face.row + np.arange(len(face.boxes))
            path = self.job.store.find_file(_LIPS, key_of(*_made_of(self.job, watch)), ".npy")
            assert path is not None  # it was kept with the faces
            crops = np.load(path, mmap_mode="r")[nearest_rows(rows)[: stop - start]]
        if not len(crops):
            return None
        return np.pad(crops, ((0, stop - start - len(crops)), (0, 0), (0, 0)), mode="edge")


def frames_of(place: TimeSpan) -> tuple[int, int]:
    """Return the frames at 25 fps that a place touches: the first, and the one after the last."""
    return frame_at(place.start_s), frames_covering(place.end_s)


def track_faces(job: Job, script: Script, sound: Sound | None) -> Faces:
    """Find the faces in each utterance and keep them.

    If only a part is dubbed, its own utterances are searched, and faces of the others are used if they are kept already: so the
    part is dubbed as it is in the whole. A draft whose units need no lips has no faces.
    """
    options = job.options
    boxes = None if options.in_bbox_path is None else read_boxes_for(job.source, options.in_bbox_path)
    lips = None if options.in_lip_path is None else read_lip_crops(options.in_lip_path)
    watches = _watches(job, script)
    is_blind = boxes is not None and (lips is not None or not options.uses_video)
    if is_blind or (options.is_draft and not options.uses_video):
        return Faces(job, watches, {}, boxes, lips)

    with job.clock.stage("faces"):
        kept = {number: found for number, one in watches.items() if (found := _kept(job, one)) is not None}
        missing = {number: one for number, one in watches.items() if number in job.part.numbers and number not in kept}
        new = {one.watch: one for one in _track_in_threads(job, script, sound, list(missing.values()))}
        seen = kept | {number: new.get(one, InSight(one)) for number, one in missing.items()}
        return Faces(job, watches, {number: seen[number] for number in watches if number in seen}, boxes, lips)


def _watches(job: Job, script: Script) -> dict[int, Watched]:
    """Return the frames of each utterance and of the pause that it may take; of a clip, all."""
    total, watches = len(job.source), {}
    for one in script.utterances:
        first, own_stop = frames_of(one.place)
        stop = min(frames_covering(exact(one.place.end_s) + job.part.slack[one.number]), total)
        watches[one.number] = Watched(first, min(own_stop, stop) - first, stop)
    return watches


def _track_in_threads(job: Job, script: Script, sound: Sound | None, watches: Sequence[Watched]) -> list[InSight]:
    """Track the faces of utterances in several threads: the faces of one do not depend on another."""
    total = sum(one.length for one in watches)
    tally = Tally(lambda done: job.progress("look", int(frames_to_seconds(done)), int(frames_to_seconds(total))))
    workers = min(num_cores(), _MAX_WORKERS)

    def look(cluster: Sequence[Watched], check: Callable[[], None]) -> list[InSight]:
        def report(count: int) -> None:
            check()
            tally.add(count)

        return list(_look(job, script, sound, cluster, report))

    found = run_in_threads(_clusters(watches, max(ceil(total / workers), _MIN_PER_WORKER)), look, workers)
    tally.add(0)  # this thread may have finished first: reports what the others did since
    return [one for seen in found for one in seen]


def _clusters(watches: Sequence[Watched], most: int) -> list[list[Watched]]:
    """Group utterances that are decoded together, up to `most` frames or a single utterance."""
    clusters: list[list[Watched]] = []
    for one in watches:
        last = clusters[-1] if clusters else []
        is_near = bool(last) and one.first - max(other.stop for other in last) <= _APART_S * frame_at(1)
        if is_near and sum(other.length for other in [*last, one]) <= most:
            last.append(one)
        else:
            clusters.append([one])
    return clusters


def _look(
    job: Job, script: Script, sound: Sound | None, watches: Sequence[Watched], report: Callable[[int], None]
) -> Iterator[InSight]:
    """Track the faces of utterances in one decoding, and keep those of each as soon as it is over.

    report: called with the number of frames that were searched.
    """
    from avcore.faces.detect import FaceDetector  # LiteRT takes time to load, and not every dub needs it

    shots, total = Shots(script.cuts), len(job.source)
    waiting, open_ones = [one for one in watches if one.length], list[tuple[Watched, Follower, list[bool]]]()
    begin, stop = frames_to_seconds(watches[0].first), max(one.stop for one in watches)
    read = read_pictures(job.info.source, begin, clock=job.info.clock)

    with FaceDetector() as detector, closing(ahead(read, _depth(job))) as pictures:
        for here, following in _with_following(pictures):
            numbers = range(frames_covering(here.time), total if following is None else frames_covering(following.time))
            if numbers.start >= stop:
                break
            report(len(numbers) if open_ones else 0)
            is_held, shot = frames_to_seconds(len(numbers)) > LONGEST_STAY_S, shots.shot_at(here.time)
            # A video frame stands for several or none of the frames at 25 fps; each of these is a step of every open utterance.
            for number in numbers:
                while waiting and waiting[0].first <= number:
                    open_ones.append((waiting.pop(0), Follower(detector, job.info.pixel_aspect), []))
                for _, follower, held in open_ones:
                    follower.step(here.rgb, shot)
                    held.append(is_held)
                for one in [one for one in open_ones if number + 1 >= one[0].stop]:
                    open_ones.remove(one)
                    yield _keep(job, sound, *one)
        for one in open_ones:
            yield _keep(job, sound, *one)


def _keep(job: Job, sound: Sound | None, watch: Watched, follower: Follower, held: Sequence[bool]) -> InSight:
    """Keep the faces of an utterance; the lips in a file of their own, because they are large."""
    edges = [units_to_samples(frames_to_units(edge)) for edge in (watch.first, watch.stop)]
    levels = None if sound is None else loudness(sound.read(*edges))
    moving = np.ones(watch.length, bool)
    moving[: len(held)] = ~np.array(held, bool)[: watch.length]

    faces, row, tracks, made_of = list[Face](), 0, follower.finish(), _made_of(job, watch)
    for one in tracks:
        figures = [[at.pose.yaw, at.pose.pitch, at.sharpness, at.margin, at.opening] for at in one.frames]
        boxes = np.array([at.box for at in one.frames], np.float32)
        face = Face(one.number, one.shot, one.first, row, boxes, np.array(figures, np.float32), one.appearance)
        faces.append(_judged(face, watch.own, levels, moving))
        row += len(one.frames)

    with job.store.new_file(_LIPS, key_of(*made_of), ".npy") as path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:  # track by track: the lips of a long clip would take much memory
            header = {"descr": "|u1", "fortran_order": False, "shape": (row, LIP_SIDE, LIP_SIDE)}
            np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
            for one in tracks:
                file.write(one.lips().tobytes())
    release_freed_memory()  # threads that come and go fragment it, more with each utterance
    return job.store.keep(_FACES, made_of, InSight(watch, tuple(faces)))


def _kept(job: Job, watch: Watched) -> InSight | None:
    """Return the faces of an utterance, None unless they and their lips are kept."""
    made_of = _made_of(job, watch)
    has_lips = job.store.has(_LIPS, key_of(*made_of), ".npy")
    return job.store.find(InSight, _FACES, made_of) if has_lips else None


def _made_of(job: Job, watch: Watched) -> tuple[object, ...]:
    return job.digest, *watch, _VERSION


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
        return replace(face, evidence=UNJUDGED)
    part = replace(face, first=face.first + first, boxes=face.boxes[first:stop], figures=face.figures[first:stop])
    evidence = speech_evidence(part, levels)
    return replace(face, evidence=UNJUDGED if is_held and evidence < SPEAKS else evidence)


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of true ones begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))


def _given_faces(watch: Watched, boxes: Sequence[Box | None], size: tuple[int, int] | None) -> list[Face]:
    """Return the face of a side file, a track for each run of boxes. Pose and sharpness are unknown and count as good.

    size: height and width of the frames, to estimate whether the mouth is within them; None = it is.
    """
    own = boxes[watch.first : max(watch.stop, 0)]
    there = [place for place, box in enumerate(own) if box is not None]
    edges = [0, *(k + 1 for k, (one, other) in enumerate(pairwise(there)) if other > one + 1), len(there)]
    faces = []
    for start, stop in pairwise(edges):
        rows = np.array([own[place] for place in there[start:stop]], np.float32).reshape(-1, 4)
        figures = np.zeros((len(rows), 5), np.float32)
        figures[:, 2] = np.inf
        figures[:, 3] = np.inf if size is None else [box_lip_margin(box, size) for box in rows]
        if len(rows):
            faces.append(Face(0, 0, there[start], 0, rows, figures, np.zeros(0, np.float32)))
    return faces


def _depth(job: Job) -> int:
    return min(pictures_ahead(job.info.width, job.info.height), _AHEAD)


def _with_following(pictures: Iterable[_Seen]) -> Iterator[tuple[_Seen, _Seen | None]]:
    """Yield each frame with the next one, None after the last."""
    held: _Seen | None = None
    for seen in pictures:
        if held is not None:
            yield held, seen
        held = seen
    if held is not None:
        yield held, None
