"""See a recording: its shots (shot boundary detection), and all faces in sight while somebody speaks, in one decoding."""

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avcore.compute.memory import release_freed_memory
from avcore.compute.threads import ahead, pictures_ahead
from avcore.errors import OutputError
from avcore.faces.find import Cuts, Follower, Small, shrink
from avcore.journal import key_of
from avcore.media import Picture, read_pictures
from avcore.media.pictures import LONGEST_STAY_S
from avcore.timeline import Seconds, exact, frame_at, frames_covering, frames_to_seconds, frames_to_units, units_to_samples
from avcore.work_folder import Arrays
from netflips.dub.job import DubJob
from netflips.recording.faces import Faces, Lips, faces_in
from netflips.recording.plan import GUARD_S, Watch
from netflips.recording.voice_activity import SpeechFile

if TYPE_CHECKING:
    from avcore.faces.detect import FaceDetector

_STRETCH_S = 60
"""Whose cuts are kept together, so that a stopped search goes on."""
_LEAD_S = 1
"""Seen on both sides of a stretch, so that the motion before its first cut is known, and what follows on its last one."""
_ROUNDING_S = Fraction(1, 2000)
"""Times are stored as floats; a picture this little before a cut is the cut's own."""
_DELAY = frames_covering(GUARD_S)
"""Pictures at 25 fps by which faces are followed later than cuts are found. A cut that ends an utterance in a pause within it is
so known before the utterance's last picture is gone."""
_AHEAD = 8
"""Pictures that are decoded while faces are looked for, at most: some take three times as long as others, on both sides."""
_SCENES, _FACES, _LIPS = "scenes", "faces", "lips"
_VERSION = "margins of lips"
"""Faces that were kept with another are not used."""


class Scenes:
    """The shots of a recording. cuts: times (s) of the pictures that begin a new shot, in order."""

    def __init__(self, cuts: Sequence[float]) -> None:
        self.cuts = list(cuts)
        self._edges = [exact(cut) - _ROUNDING_S for cut in cuts]

    def shot_at(self, seconds: Seconds) -> int:
        """Return the number of the shot that is on screen at a time, from 0."""
        return bisect_right(self._edges, exact(seconds))


Plan = Callable[[Scenes], Sequence[Watch]]
"""What is to be watched, as far as it can be told from the cuts known so far."""


def track_faces(job: DubJob, speech: SpeechFile | None, plan: Plan) -> Scenes:
    """Find the cuts of a recording and, on the way, the faces in what is to be watched; both are kept."""
    starts = range(0, max(int(job.info.duration_s // 1), 1), _STRETCH_S)
    kept = {start: job.work.find_arrays(_SCENES, _scenes_key(job, start)) for start in starts}
    scenes = Scenes([cut for found in kept.values() if found is not None for cut in found["cuts"].tolist()])
    begin = starts.start
    while (first := next((start for start in starts if start >= begin and kept[start] is None), None)) is not None:
        begin = next((start for start in starts if start > first and kept[start] is not None), starts.stop)
        view = _View(job, speech, plan, scenes, range(first, begin, _STRETCH_S))
        view.run(first - _LEAD_S, begin if begin < starts.stop else None)
        scenes = view.scenes
    return scenes


def look(job: DubJob, speech: SpeechFile | None, scenes: Scenes, watches: Sequence[Watch]) -> list[Faces]:
    """Return the faces in each of these, as they were seen on the way; where they were not, they are looked for now."""
    looked = []
    for watch in watches:
        kept = _kept(job, watch)
        if kept is not None:
            looked.append(Faces.from_arrays(watch, _key(job, watch), kept))
            continue
        view = _View(job, speech, lambda _, watch=watch: [watch], scenes, range(0))  # type: ignore[misc]
        view.run(frames_to_seconds(watch.first), frames_to_seconds(watch.stop))
        looked.append(view.faces.get(watch) or Faces(watch, _key(job, watch), ()))
    return looked


def lips_of(job: DubJob, faces: Faces, tracks: frozenset[int]) -> Lips:
    """Return the lips of chosen tracks, uint8 [T, 96, 96]; they are kept apart, because they are large."""
    kept = job.work.read_arrays(_LIPS, faces.key)
    if kept is None:
        raise OutputError("lips that were kept in it are gone", path=job.work.folder, hint="start again: they are made anew")
    return faces.lips(tracks, kept["crops"])


class _Seen:
    """A picture of the recording, and a small one to find cuts by."""

    def __init__(self, picture: Picture) -> None:
        self.rgb, self.time = picture.rgb, picture.time
        self.small: Small = shrink(picture.rgb)


class _Step(NamedTuple):
    """A picture at 25 fps. is_held: it is on screen for so long that it says nothing of who speaks."""

    number: int
    rgb: NDArray[np.uint8]
    shot: int
    is_held: bool


@dataclass
class _Watcher:
    """An utterance whose pictures go by. held: which of them say nothing of who speaks."""

    watch: Watch
    follower: Follower
    held: list[bool] = field(default_factory=list)


class _View:
    """One decoding of a stretch of a recording: cuts in stretches that are `unseen`, faces in what is to be watched."""

    def __init__(self, job: DubJob, speech: SpeechFile | None, plan: Plan, scenes: Scenes, unseen: range) -> None:
        self._job, self._speech, self._ask, self._unseen = job, speech, plan, unseen
        self.scenes = scenes
        self.faces: dict[Watch, Faces] = {}
        self._cuts = {start: list[float]() for start in unseen}
        self._finders: dict[int, Cuts] = defaultdict(Cuts)
        self._waiting: deque[_Step] = deque()
        self._watchers: list[_Watcher] = []
        self._next, self._depth = 0, min(pictures_ahead(job.info.width, job.info.height), _AHEAD)
        self._plan_anew()

    def run(self, begin: Seconds, stop: Seconds | None) -> None:
        """Decode between two times (s; None = the end), and on until the utterances that have begun by then are over."""
        shown = read_pictures(self._job.source.path, max(begin, 0), clock=self._job.info.clock)
        # Small ones are made in the thread that decodes, which has time for it.
        pictures, seconds = ahead(map(_Seen, shown), self._depth), int(self._job.info.duration_s)
        for here, following in _with_following(pictures):
            if stop is not None and here.time >= stop and not self._watchers:
                break
            self._job.progress("look", int(here.time), seconds)
            if self._begins_shot(here, following):
                self._cut(here.time)
            self._show(here, following)
            self._keep_cuts(here.time)
        while self._waiting:
            self._follow(self._waiting.popleft())
        self._keep_cuts(None)

    # Cuts

    def _begins_shot(self, here: _Seen, following: _Seen | None) -> bool:
        """Return whether a shot begins with a picture. Each stretch is searched as if it was alone, so that it can be searched
        alone."""
        own, answer = here.time // _STRETCH_S * _STRETCH_S, False
        reached = (following or here).time + _LEAD_S
        for start in range(max(own - _STRETCH_S, 0), ceil(reached), _STRETCH_S):
            end = start + _STRETCH_S + _LEAD_S
            if start in self._unseen and here.time < end:
                after = following if following is not None and following.time < end else here
                is_cut = self._finders[start].is_cut(here.small, after.small)
                answer = is_cut if start == own else answer
        return answer

    def _cut(self, time: Fraction) -> None:
        self._cuts[time // _STRETCH_S * _STRETCH_S].append(float(time))
        self.scenes = Scenes(sorted([*self.scenes.cuts, float(time)]))
        if any(watch.first <= frame_at(time) <= watch.stop for watch in self._plan):  # else nothing was divided otherwise
            self._plan_anew()

    def _keep_cuts(self, before: Fraction | None) -> None:
        """Keep the cuts of each stretch that is over (None = of all)."""
        for start in [start for start in self._cuts if before is None or start + _STRETCH_S <= before]:
            cuts = np.array(self._cuts.pop(start), np.float64)
            self._job.work.keep_arrays(_SCENES, _scenes_key(self._job, start), {"cuts": cuts})
            self._finders.pop(start, None)

    # Faces

    def _plan_anew(self) -> None:
        """Ask what is to be watched; of the utterances that are going on those stay that begin as before and are not over."""
        self._plan = list(self._ask(self.scenes))
        self._beginning: dict[int, list[Watch]] = defaultdict(list)
        for watch in self._plan:
            self._beginning[watch.first].append(watch)
        for one in list(self._watchers):
            same = [watch for watch in self._beginning[one.watch.first] if watch.stop >= self._next]
            if same:
                one.watch = same[0]
            else:
                self._watchers.remove(one)
        self._finish()

    def _show(self, here: _Seen, following: _Seen | None) -> None:
        """Hand a picture on as the pictures at 25 fps in which it is on screen."""
        shot = self.scenes.shot_at(here.time)
        stop = len(self._job.source) if following is None else frames_covering(following.time)
        numbers = range(frames_covering(here.time), stop)
        is_held = frames_to_seconds(len(numbers)) > LONGEST_STAY_S
        for number in numbers:
            self._waiting.append(_Step(number, here.rgb, shot, is_held))
            if len(self._waiting) > _DELAY:
                self._follow(self._waiting.popleft())

    def _follow(self, step: _Step) -> None:
        for watch in self._beginning.get(step.number, ()):
            if len(watch) and _kept(self._job, watch) is None:
                self._watchers.append(_Watcher(watch, Follower(self._detector, self._job.info.pixel_aspect)))
        for one in self._watchers:
            one.follower.step(step.rgb, step.shot)
            one.held.append(step.is_held)
        self._next = step.number + 1
        self._finish()

    def _finish(self) -> None:
        """Keep the faces of the utterances that are over."""
        for one in [one for one in self._watchers if one.watch.stop <= self._next]:
            self._watchers.remove(one)
            self.faces[one.watch] = _keep(self._job, one, self._speech)

    @cached_property
    def _detector(self) -> "FaceDetector":
        from avcore.faces.detect import FaceDetector

        return FaceDetector()


def _with_following(pictures: Iterable[_Seen]) -> Iterator[tuple[_Seen, _Seen | None]]:
    """Yield each picture with the one that follows."""
    held: _Seen | None = None
    for seen in pictures:
        if held is not None:
            yield held, seen
        held = seen
    if held is not None:
        yield held, None


def _scenes_key(job: DubJob, start: int) -> str:
    return key_of(job.digest, start)


def _key(job: DubJob, watch: Watch) -> str:
    return key_of(job.digest, watch.first, watch.own, watch.stop, _VERSION)


def _kept(job: DubJob, watch: Watch) -> Arrays | None:
    """Return the faces that are kept together with their lips."""
    key = _key(job, watch)
    found = job.work.find_arrays(_FACES, key)
    return found if job.work.has(_LIPS, key) else None


def _keep(job: DubJob, watcher: _Watcher, speech: SpeechFile | None) -> Faces:
    watch = watcher.watch
    edges = [units_to_samples(frames_to_units(edge)) for edge in (watch.first, watch.stop)]
    sound = None if speech is None else speech.read(*edges)
    faces, crops = faces_in(watch, _key(job, watch), watcher.follower.finish(), sound, np.array(watcher.held, bool))
    job.work.keep_arrays(_LIPS, faces.key, {"crops": crops})
    job.work.keep_arrays(_FACES, faces.key, faces.as_arrays())
    release_freed_memory()  # threads that come and go leave it in pieces, more of them with each utterance
    return faces
