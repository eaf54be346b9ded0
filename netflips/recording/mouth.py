"""The mouth of the speaker, drawn into the recording's own pictures."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avcore.faces.crop import Box, crop_face, visible_part
from avcore.faces.paste import paste_face, paste_face_hard
from avcore.media import Picture
from avcore.timeline import Seconds, frames_covering, frames_to_units, units_to_frames
from avcore.units import Units
from netflips.recording.facepath import FacePath, Reason
from netflips.recording.plan import Placed
from unit2av.renderer import BATCH_PICTURES, LipRenderer, in_batches

Pixels = NDArray[np.uint8]

BLEND_S = Fraction(4, 25)
"""Time in which a drawn mouth comes in and goes out."""
_CHEEKS, _NOSE = 0.42, 0.56
"""Rows of the face box, as shares of its height, between which the drawn mouth comes in from above."""


class Shown(NamedTuple):
    """A picture of the output. source: the recording's. time: when it is shown in the output (s).

    owner: number of the utterance it belongs to, 0 for none. reason: whether its mouth was drawn, and why not.
    """

    rgb: Pixels
    time: Fraction
    owner: int
    reason: Reason


class _Task(NamedTuple):
    picture: Picture
    time: Fraction
    owner: int
    reason: Reason
    box: Box | None
    strength: float
    moment: Fraction
    """Seconds since the utterance began."""


@dataclass(frozen=True)
class Talk:
    """One utterance's part of the picture.

    placed: when. begin: when it begins in the output (s). path: where the face is. codes: [T, width], what the mouth does
    in each 40 ms since it began; the last one holds on.
    """

    placed: Placed
    begin: Fraction
    path: FacePath
    codes: Tensor

    @property
    def end(self) -> Fraction:
        """Where its last picture stands in the recording (s)."""
        return self.placed.end


def mouth_codes(renderer: LipRenderer, said: Units, is_silent: NDArray[np.bool_], rest: int | None, seconds: Seconds) -> Tensor:
    """What the mouth does in each 40 ms: [T, width].

    said: units with durations. is_silent: bool [T]; where it is, and after it up to `seconds`, the mouth rests: it
    takes one shape and keeps it. rest: the unit of silence; None = the last unit said.
    """
    codes = renderer.codes(said)[: max(units_to_frames(said.num_steps), 1)]
    quiet = int(said.ids[-1]) if rest is None or rest >= renderer.num_units else rest
    still = Units.from_frames(np.full(frames_to_units(2 * _HALF_WINDOW), quiet), said.language, said.vocabulary)
    resting = renderer.codes(still)[_HALF_WINDOW]
    silent = torch.from_numpy(is_silent[: len(codes)].copy()).to(codes.device)
    codes = codes.clone()
    codes[: len(silent)][silent] = resting
    missing = max(frames_covering(seconds) + 1 - len(codes), 1)
    return torch.cat([codes, resting.expand(missing, -1)])


_HALF_WINDOW = 5
"""Codes are made in windows of 10; the middle of one that holds a single unit is that unit's own shape."""


def draw_mouths(
    renderer: LipRenderer,
    pictures: Iterable[tuple[Picture, Fraction, Talk | None]],
    is_hard: bool = False,
    batch_size: int = BATCH_PICTURES,
) -> Iterator[Shown]:
    """Yield the pictures as they are shown, those of a talk with its mouth; all others are passed on untouched.

    pictures: each with its time in the output and the talk it belongs to. is_hard: whole boxes without a soft edge.
    """
    for batch in in_batches(pictures, batch_size):
        drawn: dict[int, Pixels] = {}
        tasks = [_task(picture, time, talk) for picture, time, talk in batch]
        for talk in {id(talk): talk for _, _, talk in batch if talk is not None}.values():
            places = [place for place, (_, _, own) in enumerate(batch) if own is talk and tasks[place].box is not None]
            if places:
                faces = [crop_face(tasks[place].picture.rgb, _box(tasks[place])) for place in places]
                patches = renderer.draw(talk.codes, faces, [tasks[place].moment for place in places])
                drawn |= dict(zip(places, patches, strict=True))
        for place, task in enumerate(tasks):
            rgb = task.picture.rgb if place not in drawn else _pasted(task, drawn[place], is_hard)
            yield Shown(rgb, task.time, task.owner, task.reason)


def _task(picture: Picture, time: Fraction, talk: Talk | None) -> _Task:
    if talk is None:
        return _Task(picture, time, 0, Reason.DRAWN, None, 0.0, Fraction(0))
    box, strength, reason = talk.path.at(picture.time)
    moment = time - talk.begin
    share = min(strength, _presence(talk, moment), 1.0)
    return _Task(picture, time, talk.placed.utterance.number, reason, box if share > 0 else None, share, moment)


def _presence(talk: Talk, moment: Fraction) -> float:
    """How much of the mouth is there, 0 to 1: it comes in when the utterance begins and goes out when it ends."""
    left = talk.end - talk.placed.start + talk.placed.held - moment
    return float(min(moment / BLEND_S, left / BLEND_S, Fraction(1)))


def _box(task: _Task) -> Box:
    if task.box is None:
        raise ValueError("there is no face to draw")
    return task.box


def _pasted(task: _Task, patch: Pixels, is_hard: bool) -> Pixels:
    picture, box = task.picture.rgb, _box(task)
    pasted = paste_face_hard(picture, patch, box) if is_hard else paste_face(picture, patch, box)
    part = visible_part(box, *picture.shape[:2])
    if part is None:
        return picture
    rows = np.arange(part[0].start, part[0].stop, dtype=np.float32)
    height = (rows - box[1]) / max(float(box[3] - box[1]), 1e-6)
    weight = np.ones_like(rows) if is_hard else np.clip((height - _CHEEKS) / (_NOSE - _CHEEKS), 0, 1)
    weight = (task.strength * weight)[:, None, None]
    below = picture[part].astype(np.float32)
    pasted[part] = np.rint(below + (pasted[part] - below) * weight).astype(np.uint8)
    return pasted
