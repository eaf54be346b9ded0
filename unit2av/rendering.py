"""Rendering: the frames of a schedule, with lips that move to the new speech, and their sound, as streams.

A schedule is a stream of `OutputFrame`: which frame is shown when, which face is in it, and what that face says. `drawn` moves
the lips of any schedule; `write_in_step` writes frames and sound. Memory does not grow with the length of a video.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from avcore.arrays import Pixels, Samples
from avcore.faces.crop import UPPER, paste_face, paste_face_hard, visible_part
from avcore.faces.geometry import CUT_OFF, Box, Landmarks, MouthsToDraw
from avcore.media import Frame, FrameSource, SoundWriter, VideoWriter
from avcore.media.sound_writer import AlternateTrack
from avcore.media.source import Part, Patch, StoredFrame
from avcore.speech.audio import resample
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, Seconds, frames_to_seconds, pingpong, seconds_to_samples, units_to_frames
from avcore.units import Units
from unit2av.lipsync import DrawError, LipSync, Scene, SpokenUnits, TwoPassLipSync
from unit2av.lipsync.backend import LipSyncChoice, Opening, resolve_backend
from unit2av.lipsync.patches import Paste
from unit2av.renderer import BATCH_FRAMES, LipRenderer

_MARGIN = 8
"""Pixels around a face's box that a backend sees too, for the colours at its edge."""
_FACE = 96
"""Side of a face in pixels at which the strain of a frame is measured."""
_NOTHING = np.zeros((0, 0, 3), np.uint8)
_NO_PART = Part(slice(0, 0), slice(0, 0))


# Schedules


class Reason(IntEnum):
    """Why a frame with speech was left as it was, or that it was drawn."""

    DRAWN = 0
    NO_FACE = 1
    PROFILE = 2
    BLURRED = 3
    BRIEF = 4
    HIDDEN = 5
    CUT_OFF = 6
    FAILED = 7

    @property
    def text(self) -> str:
        """The reason in words, for reports."""
        return CUT_OFF if self is Reason.CUT_OFF else self.name.lower().replace("_", " ")


class FaceToDraw(NamedTuple):
    """The face in a frame whose lips are moved."""

    box: Box | None = None
    """None: the frame stays as it is"""
    strength: float = 1.0
    """as in `Scene`"""
    shot: int = 0
    """as in `Scene`"""
    mesh: Landmarks | None = None
    """as in `Scene`"""
    reason: Reason = Reason.DRAWN
    """why there is no box"""
    cover: float | None = None
    """as in `Scene`"""
    source: Seconds | None = None
    """as in `Scene`"""
    number: int = 0
    """as `Scene.face`"""
    strain: float = 0.0
    """of what was drawn, see `strain_of`"""


@dataclass(frozen=True, eq=False)
class Talk:
    """One utterance, as the frames show it."""

    number: int
    """from 1"""
    begin: Fraction
    """when it begins in the output (s)"""
    codes: Any
    """codes of its speech, from `LipSync.codes`"""


class OutputFrame(NamedTuple):
    """A frame of the output."""

    frame: Frame | StoredFrame
    """the frame of the source"""
    time: Fraction
    """when it is shown (s)"""
    talk: Talk | None = None
    """the utterance that it belongs to; None: nobody speaks"""
    face: FaceToDraw = FaceToDraw()
    """the face to draw"""
    patch: Patch | None = None
    """what is drawn into a stored frame; None: nothing"""

    @property
    def owner(self) -> int:
        """The number of its utterance, 0 for none."""
        return 0 if self.talk is None else self.talk.number

    @property
    def rgb(self) -> Pixels:
        """The frame as it is shown, uint8 [height, width, 3]."""
        if self.patch is None:
            return self.frame.rgb
        (rows, columns), (own_rows, own_columns) = self.patch.place, self.patch.place.within(self.patch.around)
        shown = self.frame.rgb.copy()
        shown[rows, columns] = self.patch.rgb[own_rows, own_columns]
        return shown


FaceOf = Callable[[Frame], FaceToDraw]
"""Returns the face to draw in a frame of the source."""


def steady(frames: Iterable[Frame], rate: Fraction | int, talk: Talk, face_of: FaceOf, first: int = 0) -> Iterator[OutputFrame]:
    """Yield frames one after another at a rate (Hz), from number `first` of the output on, all for one talk."""
    for number, frame in enumerate(frames, first):
        yield OutputFrame(frame, frames_to_seconds(number, rate), talk, face_of(frame))


def faces_by_index(mouths: MouthsToDraw) -> FaceOf:
    """Return a function that gives a frame's face by its index."""

    def face_of(frame: Frame) -> FaceToDraw:
        box = mouths.boxes[frame.index]
        return FaceToDraw(box, 1.0 if box is None else float(mouths.strengths[frame.index]))

    return face_of


# Lips


@contextmanager
def opened_lip_sync(
    choice: LipSyncChoice,
    renderer: Path | None,
    device: str = "cpu",
    precision: str = "float32",
    drawn_by: Callable[[], LipRenderer] | None = None,
    batch_size: int = BATCH_FRAMES,
    soft_paste: Paste = paste_face,
) -> Iterator[LipSync]:
    """Open a lip-sync backend for the length of a block.

    renderer: checkpoint of the face renderer, None = there is none. drawn_by: returns that renderer where several videos share it;
    None = it is read here if the backend draws with it. soft_paste: puts patches into frames, without the upper `UPPER` of them,
    unless the choice is hard. Raises UsageError, InputError, CheckpointError.
    """
    paste, upper = (paste_face_hard, 0.0) if choice.is_hard else (soft_paste, UPPER)
    drawn_by = drawn_by or partial(LipRenderer.from_checkpoint, str(renderer), device, precision)
    opening = Opening(renderer, drawn_by, device, precision, batch_size, paste, upper)
    with resolve_backend(choice, renderer).open(choice, opening) as lip_sync:
        yield lip_sync


def prepared_talks(
    lips: LipSync, shown: Callable[[], Iterable[OutputFrame]], folder: Path, report: Callable[[int, DrawError], None]
) -> list[Any] | None:
    """Return what a backend of two passes finds in each talk, for `drawn`; None for any other backend.

    shown: yields the frames. folder: for files that it reads again while it draws. report: called with the number of a talk whose
    lips cannot be drawn, and why.
    """
    if not isinstance(lips, TwoPassLipSync):
        return None
    found = list[Any]()
    for talk, group in groupby(shown(), key=lambda one: one.talk):
        if talk is None:
            continue
        parts = folder / str(len(found))
        parts.mkdir()
        try:
            found.append(lips.first_pass(talk.codes, (_scene(one, _view(lips, one), talk) for one in group), parts))
        except DrawError as error:
            report(talk.number, error)
            found.append(None)
    return found


def drawn(lips: LipSync, shown: Iterable[OutputFrame], found: Sequence[Any] | None = None) -> Iterator[OutputFrame]:
    """Yield the frames with their lips drawn; frames without a talk are passed on untouched.

    The frames of a talk follow one another. A backend learns a face anew in each talk, so a talk does not depend on what was
    drawn before it. found: by `prepared_talks`, for a backend of two passes.
    """
    left = deque(found or ())
    # Talks are equal only to themselves, so two utterances with the same codes stay two groups.
    for talk, group in groupby(shown, key=lambda one: one.talk):
        if talk is None:
            yield from group
            continue
        codes = talk.codes if found is None else left.popleft()
        if codes is None and found is not None:
            yield from (one if one.face.box is None else one._replace(face=FaceToDraw(reason=Reason.FAILED)) for one in group)
        else:
            yield from _talking(lips, talk, codes, group)


def _talking(lips: LipSync, talk: Talk, codes: Any, shown: Iterable[OutputFrame]) -> Iterator[OutputFrame]:
    waiting = deque[tuple[OutputFrame, _View]]()
    """Frames that the backend has read and not returned yet, with their views: it reads ahead."""

    def scenes() -> Iterator[Scene]:
        for one in shown:
            view = _view(lips, one)
            waiting.append((one, view))
            yield _scene(one, view, talk)

    for rgb in lips.draw(codes, scenes()):
        one, view = waiting.popleft()
        if view.box is None:
            yield one
        elif rgb is view.rgb:
            # The backend returns the very array that it got where it draws nothing.
            yield one._replace(face=one.face._replace(reason=Reason.HIDDEN))
        else:
            face = one.face._replace(strain=strain_of(view.rgb, rgb, view.box))
            if isinstance(one.frame, Frame):
                yield one._replace(frame=one.frame._replace(rgb=rgb), face=face)
            else:
                yield one._replace(patch=Patch(rgb, view.around, view.place), face=face)


def strain_of(before: Pixels, after: Pixels, box: Box) -> float:
    """Return how steeply what was drawn departs from the frame: large where lips are moved far, torn, or end at a visible seam.

    It is the gradient of the difference that a two-hundredth of the face exceeds, in levels of grey a pixel of a face of 96 pixels.
    before, after: uint8 [height, width, 3]; box: of the face in them.
    """
    left, top, right, bottom = (round(edge) for edge in box)
    face = slice(max(top, 0), max(bottom, 1)), slice(max(left, 0), max(right, 1))
    if not before[face].size:
        return 0.0
    old, new = (
        cv2.cvtColor(cv2.resize(image[face], (_FACE, _FACE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for image in (before, after)
    )
    down, across = np.gradient(new.astype(np.float32) - old)
    return round(float(np.percentile(np.hypot(down, across), 99.5)), 2)


def counted(shown: Iterable[OutputFrame], reasons: Counter[int]) -> Generator[OutputFrame, None, None]:
    """Yield the frames as they come, and count their reasons."""
    for one in shown:
        reasons[int(one.face.reason)] += 1
        yield one


class _View(NamedTuple):
    """The part of a frame that a backend sees."""

    rgb: Pixels
    """uint8 [h, w, 3], the part `around`"""
    box: Box | None
    """box of the face, from the corner of `around`; None: nothing is drawn"""
    around: Part = _NO_PART
    """where it is in the frame"""
    place: Part = _NO_PART
    """the part of the frame that may be changed"""


def _scene(one: OutputFrame, view: _View, talk: Talk) -> Scene:
    face = one.face
    time = one.time - talk.begin
    return Scene(view.rgb, view.box, time, face.shot, face.mesh, face.strength, face.cover, face.source, face.number)


def _view(lips: LipSync, one: OutputFrame) -> _View:
    """Return the whole frame if it is decoded or the backend needs it, else the part around the box."""
    frame, box = one.frame, one.face.box
    if isinstance(frame, Frame):
        return _View(frame.rgb, box)
    whole = frame.whole

    if lips.needs_whole:
        return _View(frame.rgb, box, whole, whole)
    covered = None if box is None else visible_part(box, *whole.shape)
    if box is None or covered is None:
        return _View(_NOTHING, None)
    # Only this part of a stored frame becomes RGB and goes back: 2 ms in place of 18 (benchmarks/NOTES.md). The rest stays as it is
    # stored, bit for bit.
    place = Part(*covered)

    around = place.widened(_MARGIN, *whole.shape)
    corner = np.array([around.columns.start, around.rows.start] * 2, np.float32)
    return _View(frame.part(around), box - corner, around, place)


# Sound, and both into a file


class SoundFeed:
    """Writes sound into a file, in step with frames if it has some.

    blocks: float32 [time] or [time, channel] at `rate` Hz. alternates: tracks that the writer is to have beside it.
    """

    def __init__(
        self, blocks: Iterable[Samples], rate: int = SAMPLE_RATE, channels: int = 1, alternates: Sequence[AlternateTrack] = ()
    ) -> None:
        self.rate, self.channels, self.alternates = rate, channels, alternates
        self._blocks, self._written = iter(blocks), 0

    def reach(self, writer: SoundWriter, seconds: Seconds) -> None:
        """Write the sound up to a time."""
        until = seconds_to_samples(seconds, self.rate)
        # Sound that ends early does not stop the frames.
        while self._written < until and (block := next(self._blocks, None)) is not None:
            writer.write_sound(block)
            self._written += len(block)

    def end(self, writer: SoundWriter) -> None:
        """Write the rest."""
        for block in self._blocks:
            writer.write_sound(block)


def write_in_step(writer: VideoWriter, frames: Iterable[Pixels], sound: SoundFeed) -> None:
    """Write frames uint8 [height, width, 3] and sound, so that neither runs far ahead of the other."""
    for shown, frame in enumerate(frames, 1):
        sound.reach(writer, frames_to_seconds(shown, writer.frame_rate))
        writer.write_rgb(frame)
    sound.end(writer)


# A clip as a ping-pong loop


def num_frames_for(units: Units) -> int:
    """Return how many frames at 25 Hz units take: at least one. As published, an odd last unit gets none."""
    return max(units_to_frames(units.num_steps), 1)


def ping_pong_frames(
    lips: LipSync, units: Units, sound: Iterable[Samples], rate: int, source: FrameSource, face_of: FaceOf
) -> tuple[Callable[[], Iterator[OutputFrame]], SoundFeed]:
    """Return what yields a clip's own frames as a ping-pong loop, as long as the units take (as published), and their sound.

    sound: float32 [S] in pieces, at `rate` Hz. A backend that needs sound gets all of it first, at 16 kHz.
    """
    speech = SpokenUnits(units)
    if lips.needs_sound:
        sound = list(sound)
        whole = np.concatenate(sound) if sound else np.zeros(0, np.float32)
        speech = SpokenUnits(units, resample(whole, rate, SAMPLE_RATE))

    talk = Talk(1, Fraction(0), lips.codes(speech))
    feed = SoundFeed(sound, rate)
    return lambda: steady(source.pingpong(num_frames_for(units), among=source.own), FRAME_RATE, talk, face_of), feed


def ping_pong_indices(source: FrameSource, units: Units) -> list[int]:
    """Return the `Frame.index` of each frame of the loop."""
    own = source.own
    return [own[pingpong(step, len(own))] for step in range(num_frames_for(units))]
