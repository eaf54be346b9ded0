"""Draw a shot with the person's own mouths: choose them in a stream of frames, and mix two where one run of mouths ends."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from avcore.arrays import Floats, Pixels
from avcore.timeline import Seconds, frames_to_seconds
from unit2av.lipsync import Scene
from unit2av.lipsync.mesh.album import Album, Mouths, Stretch, place_of, usable
from unit2av.lipsync.mesh.choose import Chooser, Search
from unit2av.lipsync.mesh.compose import Donor, draw, moved_to
from unit2av.lipsync.mesh.follow import Place
from unit2av.lipsync.mesh.person import Person, acquaint
from unit2av.lipsync.mesh.shape import Points, nose_base, smoothstep
from unit2av.lipsync.mesh.table import Parameters, parameters_at

_PARTED, _MOST_TEETH = (0.001, 0.006), 0.3
"""Visible gap over that of the most closed mouths, in widths of the face, from which lips are apart, and the range in which they
part; share of the line with teeth from which they are, whatever the gap."""
_SHAPE_SIGMA, _REACH = 0.8, 3
"""Frames over which the shape is averaged where mouths of different moments follow each other, and how far that reaches."""
_FADE = (0.7,)
"""Opacity of a frame's own run beside a jump, and one frame further."""
_MOST_OPENED, _PARTED_BY = 1.15, 0.004
"""How far a mouth is opened at most: so many times its own gap, and so many widths of the face more. Beyond, its teeth get long."""
_FEWEST, _LEAST_RANGE = 25, 0.03
"""Fewest mouths to choose from, and least range of their gaps (nobody speaks, or holds a smile), in widths of the face."""
_TURNED = 6.0
"""Cost of a head's turn (see `Chooser.turned`) up to which a mouth suits a shot."""
_USUAL_TALK = np.stack([np.linspace(0, 0.6, 13), np.zeros(13), np.zeros(13)], axis=1)
_LIKE, _LEAST_LIKE = 0.015, 0.12
"""Difference of gaps up to which a mouth is like a wanted one (widths of the face), and the least share of mouths that are, in the
middle of what a talk asks for: a smile that comes and goes has 0.04 to 0.08, talks have 0.2 or more."""


@dataclass(frozen=True, eq=False)
class Repertoire:
    """What a person's mouths can show."""

    album: Album

    @cached_property
    def chooser(self) -> Chooser:
        """Chooses among them."""
        return Chooser(self.album)

    @cached_property
    def person(self) -> Person:
        """How the person's mouth moves."""
        every = range(0, len(self.album), max(1, len(self.album) // 200))
        return acquaint([self.album.places[number].seen for number in every])

    @cached_property
    def parted(self) -> Floats:
        """How far the lips of each mouth are visibly apart, [n]: 0 for a mouth that is really closed, 1 for an open one."""
        by_gap = smoothstep((self.chooser.open - _PARTED[0]) / _PARTED[1])
        return np.asarray(np.maximum(by_gap, smoothstep(self.album.mouths["teeth"] / _MOST_TEETH)), np.float32)

    @cached_property
    def strengths(self) -> Callable[[Stretch], Floats]:
        """Returns the opacity of the mouths of a stretch, before which something may be, float32 [n]."""
        return lru_cache(4)(lambda seen: self.album.examples.strengths(seen.mouths["thumb"], seen.mouths["face"]))

    @cached_property
    def lacks(self) -> str:
        """Why no mouths are chosen from it: "few", "still" or "open"; "": they are."""
        if len(self.album) < _FEWEST:
            return "few"
        if self.chooser.range.high - self.chooser.range.low < _LEAST_RANGE:
            return "still"
        return "open" if float(np.sort(self.parted)[:3].mean()) > 0.5 else ""

    def misses(self, shot: Mouths) -> str:
        """Return why it does not suit a shot, as `lacks`, or "unlike"; "": it does. shot: mouths of the person in it."""
        shot = shot[usable(shot)]
        if self.lacks or not len(shot):
            return self.lacks or "few"
        near = self.chooser.turned(np.median(shot["turn"], axis=0)) < _TURNED
        wanted = self.chooser.range.wanted(_USUAL_TALK)[:, :1]
        like = (np.abs(wanted - self.album.mouths["gap"][None, near]) < _LIKE).sum(axis=1) / max(int(near.sum()), 1)
        is_closed = near.any() and self.parted[near].min() < 0.5
        return "" if near.sum() >= _FEWEST and is_closed and float(np.median(like)) >= _LEAST_LIKE else "unlike"


@dataclass(frozen=True, eq=False)
class Footage:
    """A talk that is drawn on footage."""

    codes: Parameters
    stretch_at: Callable[[Seconds], Stretch | None]
    """returns what was seen around a time of the source"""
    person: Callable[[int], Repertoire]
    """returns what the mouths can show of the person that a face is (`Scene.face`)"""

    def drawn_by(self, first: Scene) -> "Rewrite | None":
        """Return what draws the shot of a face that a scene begins; None: its mouths do not suit."""
        stretch = None if first.source is None else self.stretch_at(first.source)
        if stretch is None:
            return None
        mouths, repertoire = stretch.mouths, self.person(first.face)
        if repertoire.misses(mouths[mouths["face"] == first.face]):
            return None
        step = float(np.median(np.diff(mouths["time"]))) if len(mouths) > 1 else float(frames_to_seconds(1))
        return Rewrite(self, repertoire, float(frames_to_seconds(1)) / max(step, 1e-3))

    def person_in(self, first: Scene) -> Person | None:
        """Return how the mouth of a scene's face moves; None: too little was seen of it."""
        if first.source is None or self.stretch_at(first.source) is None:
            return None
        repertoire = self.person(first.face)
        return repertoire.person if len(repertoire.album) >= _FEWEST else None

    def known(self, scene: Scene) -> Scene:
        """Return a scene with what is known of it, for who follows its face anew."""
        stretch = None if scene.source is None else self.stretch_at(scene.source)
        row = None if stretch is None or scene.source is None else stretch.row(scene.source)
        if stretch is None or row is None:
            return scene
        place, is_free = place_of(stretch.mouths[row]), self.person(scene.face).strengths(stretch)[row] > 0
        return replace(scene, mesh=place.pose.to_image(place.head).astype(np.float32), cover=scene.cover if is_free else 1.0)


class _Chosen(NamedTuple):
    """A frame and its mouth."""

    scene: Scene
    asked: Points
    """opening, width and press, [3]"""
    place: Place | None = None
    """where its face is; None: it stays as it is"""
    soft: float = 0.0
    """blur of its edges in pixels"""
    number: int = -1
    """its mouth in the album; -1: none"""


@dataclass(frozen=True, eq=False)
class Rewrite:
    """Draws one face from one cut to the next."""

    footage: Footage
    repertoire: Repertoire
    pace: float = 1.0
    """frames in 40 ms"""

    def frames(self, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """Yield the frames of scenes with their mouths. They come out some time after they went in."""
        window = deque[_Chosen | None]([None] * _REACH)
        for chosen in chain(self._choose(scenes), [None] * _REACH):
            window.append(chosen)
            if len(window) > 2 * _REACH:
                yield self._drawn(list(window))
                window.popleft()

    def _choose(self, scenes: Iterable[Scene]) -> Iterator[_Chosen]:
        """Yield the frames with their mouths, in order."""
        search, waiting = Search(self.repertoire.chooser, self.pace), deque[_Chosen]()

        def ready(number: int | None) -> Iterator[_Chosen]:
            if number is not None:
                while waiting[0].place is None:
                    yield waiting.popleft()
                yield waiting.popleft()._replace(number=number)

        for scene in scenes:
            chosen, mouth = self._seen(scene)
            waiting.append(chosen)
            if mouth is not None:
                yield from ready(search.add(self.repertoire.chooser.costs(chosen.asked, mouth)))
        for number in search.rest():
            yield from ready(number)
        yield from waiting

    def _seen(self, scene: Scene) -> tuple[_Chosen, Any]:
        """Return a frame with the place of its face, and its own mouth; None where no mouth is drawn."""
        asked, time = parameters_at(self.footage.codes, scene.time), scene.source
        stretch = None if time is None else self.footage.stretch_at(time)
        row = None if stretch is None or time is None else stretch.row(time)
        if stretch is None or row is None:
            return _Chosen(scene, asked), None
        mouth = stretch.mouths[row]
        strength = float(mouth["strength"]) * scene.strength * float(self.repertoire.strengths(stretch)[row])
        if strength <= 0:
            return _Chosen(scene, asked), None
        return _Chosen(scene, asked, replace(place_of(mouth), strength=strength), float(mouth["soft"])), mouth

    def _drawn(self, window: list[_Chosen | None]) -> Pixels:
        """Draw the middle frame of a window of consecutive frames; None: there is none."""
        here = window[_REACH]
        assert here is not None
        if here.place is None or here.number < 0:
            return here.scene.rgb
        gap, width = self.repertoire.chooser.range.wanted(here.asked[None])[0]
        gap = min(gap, _MOST_OPENED * float(self.repertoire.album.mouths["gap"][here.number]) + _PARTED_BY)
        line = float(1 - self.repertoire.parted[here.number]) * self.repertoire.chooser.range.closed
        shape = moved_to(self._shape(window, here.place), gap, width, self.repertoire.person, float(here.asked[2]), line)
        return draw(here.scene.rgb, here.place, shape, self._donors(window), float(here.asked[2]), here.soft)

    def _shape(self, window: list[_Chosen | None], place: Place) -> Points:
        """Return the mean of the mouths of neighbouring frames, below the nose of the middle one, [468, 3]."""
        near = [(away, one.number) for away, one in enumerate(window, -_REACH) if one is not None and one.number >= 0]
        weights = np.exp(-0.5 * np.square([away / (_SHAPE_SIGMA * max(self.pace, 1)) for away, _ in near]))
        mouths = np.stack([self.repertoire.album.places[number].seen for _, number in near])
        mouths[..., :2] += nose_base(place.head) - np.stack([nose_base(mouth) for mouth in mouths])[:, None]
        return np.asarray(np.tensordot(weights / weights.sum(), mouths, axes=1), np.float64)

    def _donors(self, window: list[_Chosen | None]) -> list[Donor]:
        """Return the mouth of the middle frame, and beside a jump that of the other run, which goes on beyond it."""
        numbers = [-1 if one is None else one.number for one in window]
        own = numbers[_REACH]
        for away, share in enumerate(_FADE):
            for way in (1, -1):
                near, far = numbers[_REACH + way * away], numbers[_REACH + way * (away + 1)]
                if near < 0 or far < 0 or self._follow(near, far):
                    continue
                other = self._along(far, -way * (away + 1))
                return [self._donor(own, 1.0), self._donor(other, 1 - share)]
        return [self._donor(own, 1.0)]

    def _follow(self, one: int, other: int) -> bool:
        runs = self.repertoire.album.runs
        return bool(runs[one] == runs[other]) and abs(one - other) <= _REACH

    def _along(self, number: int, by: int) -> int:
        """Return the mouth that is `by` frames further in the run of one, or the last before the run's end."""
        runs = self.repertoire.album.runs
        own = np.flatnonzero(runs == runs[number])
        return int(np.clip(number + by, own[0], own[-1]))

    def _donor(self, number: int, share: float) -> Donor:
        album, apart = self.repertoire.album, float(self.repertoire.parted[number])
        soft = float(album.mouths["soft"][number])
        return Donor(album.picture(number), album.places[number], album.corners[number].astype(np.float64), apart, soft, share)
