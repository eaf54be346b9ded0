"""Rendering: the pictures of a schedule, with lips that move to what is said, and the sound with them, as streams.

A schedule is a stream of `OutputFrame`: which frame is seen when, whose face is in it, and what that face says. `drawn` moves
the lips, whatever the schedule; `write_in_step` writes pictures and sound. Nothing here grows with the length of a video.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avcore.arrays import Pixels, Samples
from avcore.faces.crop import UPPER, paste_face, paste_face_hard, visible_part
from avcore.faces.geometry import CUT_OFF, Box, Landmarks, MouthsToDraw
from avcore.media import Picture, PictureSource, VideoWriter
from avcore.media.source import Part, Patch, StoredPicture
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, Seconds, frames_to_seconds, pingpong, seconds_to_samples, units_to_frames
from avcore.units import Units
from unit2av.lipsync import LipSync, Scene, SpokenUnits
from unit2av.lipsync.backend import LipSyncChoice, Opening, resolve_backend
from unit2av.lipsync.patches import Paste
from unit2av.renderer import BATCH_PICTURES, LipRenderer

_MARGIN = 8
"""Pixels around a face's box that are shown to a backend with it, for the colours at its edge."""
_NOTHING = np.zeros((0, 0, 3), np.uint8)
_NO_PART = Part(slice(0, 0), slice(0, 0))


# Schedules


class Reason(IntEnum):
    """Why a picture in which somebody speaks was left as it was, or that it was not."""

    DRAWN = 0
    NO_FACE = 1
    PROFILE = 2
    BLURRED = 3
    BRIEF = 4
    HIDDEN = 5
    CUT_OFF = 6

    @property
    def text(self) -> str:
        """In words, for reports."""
        return CUT_OFF if self is Reason.CUT_OFF else self.name.lower().replace("_", " ")


class FaceToDraw(NamedTuple):
    """The face in a picture whose lips are moved. box: None = the picture stays as it is. strength, shot, mesh, cover: as in
    `Scene`."""

    box: Box | None = None
    strength: float = 1.0
    shot: int = 0
    mesh: Landmarks | None = None
    reason: Reason = Reason.DRAWN
    cover: float | None = None


@dataclass(frozen=True, eq=False)
class Talk:
    """One utterance in the pictures. number: from 1. begin: when it begins in the output (s). codes: a backend's, of its speech."""

    number: int
    begin: Fraction
    codes: Any


class OutputFrame(NamedTuple):
    """A picture of the output. time: when it is shown (s). talk: the utterance that it belongs to. patch: what is drawn into a
    picture as it is stored, None = nothing."""

    picture: Picture | StoredPicture
    time: Fraction
    talk: Talk | None = None
    face: FaceToDraw = FaceToDraw()
    patch: Patch | None = None

    @property
    def owner(self) -> int:
        """The number of the utterance that it belongs to, 0 for none."""
        return 0 if self.talk is None else self.talk.number

    @property
    def rgb(self) -> Pixels:
        """What is shown, uint8 [height, width, 3]."""
        if self.patch is None:
            return self.picture.rgb
        (rows, columns), (own_rows, own_columns) = self.patch.place, self.patch.place.within(self.patch.around)
        shown = self.picture.rgb.copy()
        shown[rows, columns] = self.patch.rgb[own_rows, own_columns]
        return shown


FaceOf = Callable[[Picture], FaceToDraw]
"""The face to draw in a picture of the footage."""


def steady(pictures: Iterable[Picture], rate: Fraction | int, talk: Talk, face_of: FaceOf, first: int = 0) -> Iterator[OutputFrame]:
    """Show pictures one after another at a rate (Hz), from number `first` of the output on, all of them of one talk."""
    for number, picture in enumerate(pictures, first):
        yield OutputFrame(picture, frames_to_seconds(number, rate), talk, face_of(picture))


def faces_by_index(mouths: MouthsToDraw) -> FaceOf:
    """Return what gives the face of a picture by its index."""

    def face_of(picture: Picture) -> FaceToDraw:
        box = mouths.boxes[picture.index]
        return FaceToDraw(box, 1.0 if box is None else float(mouths.strengths[picture.index]))

    return face_of


# Lips


@contextmanager
def opened_lip_sync(
    choice: LipSyncChoice,
    renderer: Path | None,
    device: str = "cpu",
    precision: str = "float32",
    drawn_by: LipRenderer | None = None,
    batch_size: int = BATCH_PICTURES,
    soft_paste: Paste = paste_face,
) -> Iterator[LipSync]:
    """Open a backend for the length of a block.

    renderer: the checkpoint of the face renderer, None = there is none. drawn_by: it, where it is loaded already. soft_paste: how
    patches are put into pictures unless the choice is hard; it leaves `UPPER` of them out. Raises UsageError, InputError,
    CheckpointError.
    """
    paste, upper = (paste_face_hard, 0.0) if choice.is_hard else (soft_paste, UPPER)
    opening = Opening(renderer, drawn_by, device, precision, batch_size, paste, upper)
    with resolve_backend(choice, renderer).open(choice, opening) as mouth:
        yield mouth


def drawn(lips: LipSync, shown: Iterable[OutputFrame]) -> Iterator[OutputFrame]:
    """Yield the pictures as they are shown, those of a talk with its lips; all others are passed on untouched.

    Pictures of a talk follow one another. What a backend learns of a face it learns anew in each talk, so that a talk is drawn
    alike whatever was drawn before.
    """
    for talk, group in groupby(shown, key=lambda one: one.talk):
        if talk is None:
            yield from group
        else:
            yield from _talking(lips, talk, group)


def _talking(lips: LipSync, talk: Talk, shown: Iterable[OutputFrame]) -> Iterator[OutputFrame]:
    waiting = deque[tuple[OutputFrame, _View]]()
    """What the backend has read and not given back, as it looks ahead, and what of it was to be drawn on."""

    def scenes() -> Iterator[Scene]:
        for one in shown:
            face, view = one.face, _view(lips, one)
            waiting.append((one, view))
            yield Scene(view.rgb, view.box, one.time - talk.begin, face.shot, face.mesh, face.strength, face.cover)

    for rgb in lips.draw(talk.codes, scenes()):
        one, view = waiting.popleft()
        if view.box is None:
            yield one
        elif rgb is view.rgb:
            yield one._replace(face=one.face._replace(reason=Reason.HIDDEN))
        elif isinstance(one.picture, Picture):
            yield one._replace(picture=one.picture._replace(rgb=rgb))
        else:
            yield one._replace(patch=Patch(rgb, view.around, view.place))


def counted(shown: Iterable[OutputFrame], reasons: Counter[int]) -> Generator[OutputFrame, None, None]:
    """Yield pictures as they come; count why each was left as it is, or that it was not."""
    for one in shown:
        reasons[int(one.face.reason)] += 1
        yield one


class _View(NamedTuple):
    """What a backend is shown of a picture, uint8 [h, w, 3]: the part `around`. box: of the face, counted from its corner; None =
    nothing is to be drawn. place: what may be changed.
    """

    rgb: Pixels
    box: Box | None
    around: Part = _NO_PART
    place: Part = _NO_PART


def _view(lips: LipSync, one: OutputFrame) -> _View:
    """Return all of a picture that is decoded, and for a backend that needs it, else what of it lies close to the box."""
    picture, box = one.picture, one.face.box
    if isinstance(picture, Picture):
        return _View(picture.rgb, box)
    whole = picture.whole
    if lips.needs_whole:
        return _View(picture.rgb, box, whole, whole)
    covered = None if box is None else visible_part(box, *whole.shape)
    if box is None or covered is None:
        return _View(_NOTHING, None)
    place = Part(*covered)
    around = place.widened(_MARGIN, *whole.shape)
    corner = np.array([around.columns.start, around.rows.start] * 2, np.float32)
    return _View(picture.part(around), box - corner, around, place)


# Sound, and both into a file


class SoundFeed:
    """Sound on its way into a video, never far ahead of the pictures. blocks: float32 [time] or [time, channel] at `rate` Hz."""

    def __init__(self, blocks: Iterable[Samples], rate: int = SAMPLE_RATE, channels: int = 1) -> None:
        self.rate, self.channels, self._blocks, self._heard = rate, channels, iter(blocks), 0

    def reach(self, writer: VideoWriter, seconds: Seconds) -> None:
        """Write what is heard until a time."""
        until = seconds_to_samples(seconds, self.rate)
        while self._heard < until and (block := next(self._blocks, None)) is not None:
            writer.write_sound(block)
            self._heard += len(block)

    def end(self, writer: VideoWriter) -> None:
        """Write the rest."""
        for block in self._blocks:
            writer.write_sound(block)


def write_in_step(writer: VideoWriter, pictures: Iterable[Pixels], sound: SoundFeed) -> None:
    """Write pictures uint8 [height, width, 3] one after another, and sound so that neither runs far ahead of the other."""
    for shown, picture in enumerate(pictures, 1):
        sound.reach(writer, frames_to_seconds(shown, writer.frame_rate))
        writer.write_picture(picture)
    sound.end(writer)


# Units that are said and shown


def num_pictures_for(units: Units) -> int:
    """Pictures at 25 Hz that units are shown with: as published an odd last unit gets none, but there is always one."""
    return max(units_to_frames(units.num_steps), 1)


def ping_pong_frames(
    lips: LipSync, units: Units, sound: Iterable[Samples], source: PictureSource, face_of: FaceOf
) -> tuple[Iterator[OutputFrame], SoundFeed]:
    """Return a clip's own pictures, to and fro for as long as units are said (as published), and the sound.

    sound: float32 [S] in pieces; it is made first for a backend that listens to it.
    """
    said = SpokenUnits(units)
    if lips.needs_sound:
        sound = list(sound)
        said = SpokenUnits(units, np.concatenate(sound) if sound else np.zeros(0, np.float32))
    footage = source.pingpong(num_pictures_for(units), among=source.own)
    return steady(footage, FRAME_RATE, Talk(1, Fraction(0), lips.codes(said)), face_of), SoundFeed(sound)


def ping_pong_indices(source: PictureSource, units: Units) -> list[int]:
    """Return the index of each of these pictures, as `Picture.index`."""
    own = source.own
    return [own[pingpong(step, len(own))] for step in range(num_pictures_for(units))]
