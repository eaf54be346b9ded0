"""The lip-sync backend that moves the person's own pixels. It is a stream that returns frames some time after it read them.

It reads a second ahead, to learn how the person looks at rest, where the face moves, and when something hides the mouth. How a
person's mouth moves is known from all footage, or else learnt in that second. A second thread analyses single frames beside the
drawing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels
from avcore.compute.threads import ahead, frames_at_once
from avcore.errors import UnitError
from avcore.timeline import FRAME_RATE, Seconds
from unit2av.lipsync import Scene, SpokenUnits
from unit2av.lipsync.mesh.album import MOST_MOUTHS, Album, Stretch, look
from unit2av.lipsync.mesh.follow import REACH, MeshFinder, Place, Sight, Steady, sights
from unit2av.lipsync.mesh.inside import Appearance, draw_inside, draw_line
from unit2av.lipsync.mesh.person import Person, acquaint, influence
from unit2av.lipsync.mesh.rewrite import Footage, Repertoire
from unit2av.lipsync.mesh.seen import lip_source
from unit2av.lipsync.mesh.shape import INNER_LOWER, INNER_UPPER, NUM_FACE, HeadPose, Points, smoothstep
from unit2av.lipsync.mesh.table import MouthTable, Parameters, no_faster, parameters_at
from unit2av.lipsync.mesh.warp import move_pixels

LOOK_AHEAD = FRAME_RATE
"""Frames that are held: a second; fewer very large ones."""
_SIGHTS_AHEAD = 2
"""Frames that are analysed beside the drawing, on another core: a third of the time."""
_CLOSING = (0.75, 0.45, 0.2, 0.05, 0.0)
"""Shares of its last shape by which a mouth closes after the speech."""
_LOOK_EVERY = 4
"""Every n-th frame of the first second is measured for the colours of the face."""
_SEEN_OPEN, _MET = (0.004, 0.01), 0.006
"""Gaps between the lips, in widths of the face: at which a source begins to count as open, the range over which it does, and
up to which lips meet."""


class MeshLipSync:
    """Lip sync by geometry; close it at the end."""

    name, needs_units, needs_sound, needs_whole, most_mouths = "mesh", True, False, True, MOST_MOUTHS

    def __init__(self, table: MouthTable) -> None:
        self._table, self._finder = table, MeshFinder()

    def close(self) -> None:
        """Free the networks that find the face."""
        self._finder.close()

    def codes(self, spoken: SpokenUnits) -> Parameters:
        """Return the mouth's parameters for each frame of 40 ms, float64 [n, 3] (see `MouthTable.parameters`); it closes at the
        end."""
        if spoken.units is None or not len(spoken.units):
            raise UnitError("there are no units to move the lips", expected="1 unit or more", found="0")
        moved = self._table.parameters(spoken.units)
        if spoken.quiet is not None:
            moved = moved * _spoken_share(spoken.quiet, len(moved))[:, None]
        # Once more, because silences and the closing at the end have changed the opening.
        return no_faster(np.concatenate([moved, np.outer(_CLOSING, moved[-1])]))

    def look(self, scenes: Iterable[Scene], quota: int, own: tuple[Seconds, Seconds] | None = None) -> Stretch:
        """See `FootageLipSync.look`."""
        return look(scenes, self._finder, quota, own)

    def acquaint(self, seen: Sequence[tuple[Callable[[], Stretch], Sequence[int]]]) -> Repertoire:
        """See `FootageLipSync.acquaint`."""
        return Repertoire(Album.of(seen))

    def misses(self, person: Repertoire, seen: Stretch, face: int) -> str:
        """See `FootageLipSync.misses`."""
        return person.misses(seen.mouths[seen.mouths["face"] == face])

    def on_footage(
        self, codes: Parameters, stretch_at: Callable[[Seconds], Stretch | None], person: Callable[[int], Repertoire]
    ) -> Footage:
        """See `FootageLipSync.on_footage`."""
        return Footage(codes, stretch_at, person)

    def draw(self, codes: Parameters | Footage, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """See `LipSync.draw`; a face that the mesh does not find, or that is hidden, keeps its own mouth."""
        if not isinstance(codes, Footage):
            yield from self._followed(codes, scenes)
            return
        for is_there, group in groupby(scenes, lambda one: None if one.box is None else (one.shot, one.face)):
            if is_there is None:
                yield from (scene.rgb for scene in group)
                continue
            shown = iter(group)
            own = codes.drawn_by(first := next(shown))
            shown = chain([first], shown)
            if own is not None:
                yield from own.frames(shown)
            else:
                yield from self._followed(codes.codes, map(codes.known, shown), codes.person_in(first))

    def _followed(self, codes: Parameters, scenes: Iterable[Scene], person: Person | None = None) -> Iterator[Pixels]:
        """Draw faces that are followed as they come, by moving their own lips. person: whose they are; None: it is learnt."""
        shot: _Shot | None = None

        # In a second thread: OpenCV and LiteRT release the interpreter's lock, so that two cores work.
        for sight in ahead(sights(scenes, self._finder), _SIGHTS_AHEAD):
            if shot is not None and sight.begins:
                yield from shot.rest()
                shot = None

            if sight.scene.box is None:
                yield sight.scene.rgb
                continue

            if shot is None:
                height, width = sight.scene.rgb.shape[:2]
                shot = _Shot(codes, frames_at_once(width, height, LOOK_AHEAD), person)
            yield from shot.add(sight)

        if shot is not None:
            yield from shot.rest()


class _Shot:
    """One face from one cut to the next. Frames come out some time after they went in."""

    def __init__(self, codes: Parameters, held: int, person: Person | None) -> None:
        # A face is placed by the frames on both sides, so as many after the one that is drawn must have been read.
        self._codes, self._steady = codes, Steady(max(held, REACH + 1))
        self._person = person
        self._appearance: Appearance | None = None
        self._first = list[tuple[Pixels, Points, Points, HeadPose]]()

    def add(self, sight: Sight) -> Iterator[Pixels]:
        """Take a frame in; one comes out if enough are held."""
        look = self._steady.add(sight)
        if look is not None and self._appearance is None:
            self._first.append((sight.scene.rgb, look.mesh, look.head, look.pose))
        if self._steady.is_full:
            yield self._next(*self._steady.next())

    def rest(self) -> Iterator[Pixels]:
        """Yield all frames that are held."""
        yield from (self._next(*found) for found in self._steady.rest())

    def _next(self, scene: Scene, place: Place | None) -> Pixels:
        if self._appearance is None and self._first:
            self._person = self._person or acquaint([head for _, _, head, _ in self._first])
            self._appearance, self._first = Appearance.of(self._first[::_LOOK_EVERY]), []
        if place is not None:
            place = replace(place, strength=place.strength * scene.strength)
        asked = parameters_at(self._codes, scene.time)
        return self._drawn(scene.rgb, place, asked)

    def _drawn(self, rgb: Pixels, place: Place | None, asked: Points) -> Pixels:
        if place is None or place.strength <= 0 or self._person is None or self._appearance is None:
            return rgb
        frame = rgb.copy()
        draw_mouth(frame, place, self._person, asked, self._appearance)
        return frame


def _spoken_share(quiet: NDArray[np.bool_], count: int) -> NDArray[np.float64]:
    """Return how much a mouth moves in each of `count` frames of 40 ms, [count]: it closes over a few where `quiet`, bool [n]."""
    still = np.zeros(count, bool)
    still[: len(quiet)] = quiet[:count]
    padded = np.pad(1.0 - still, 1, mode="edge")
    return np.where(still, (padded[:-2] + padded[1:-1] + padded[2:]) / 3, 1.0)


def draw_mouth(frame: Pixels, place: Place, person: Person, asked: Points, look: Appearance) -> None:
    """Draw a mouth into a frame uint8 [height, width, 3], in place. asked: its opening, width and press, [3]."""
    shape, share = person.shaped(*asked.tolist()), influence()[:, None]
    target = place.head + place.strength * share * (shape[:NUM_FACE] - place.head)
    source = place.head + share * (place.seen - place.head)
    seen, wanted = place.pose.to_image(source), place.pose.to_image(target)
    gap = float(source[INNER_LOWER[4], 1] - source[INNER_UPPER[4], 1])
    move_pixels(frame, lip_source(frame, seen, gap), wanted, place.pose)

    wanted_gap = float(target[INNER_LOWER[4], 1] - target[INNER_UPPER[4], 1])
    mended = float(smoothstep((gap - _SEEN_OPEN[0]) / _SEEN_OPEN[1]) * (1 - smoothstep((wanted_gap - _MET) / _MET)))
    if mended > 0:
        draw_line(frame, wanted, place.pose, look, place.strength * mended)

    inside = place.pose.to_image(shape[NUM_FACE:])
    draw_inside(frame, wanted, inside, place.pose, look, place.strength)
