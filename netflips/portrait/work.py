"""The work of `netflips portrait`: a head that moves, blinks and speaks, picture by picture."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels, Samples
from avcore.command import LOG
from avcore.faces.crop import Box
from avcore.faces.geometry import Landmarks
from avcore.faces.select import loudness
from avcore.media import Picture
from avcore.plain_text import several
from avcore.progress import Progress, bars, silent, track
from avcore.provenance import synthetic_comment
from avcore.timeline import FRAME_RATE, frames_covering, frames_to_seconds, samples_to_seconds
from netflips.portrait.flags import PictureChoice
from netflips.portrait.layers import layers_of
from netflips.portrait.motion import accents, blinks, wander
from netflips.portrait.options import PortraitOptions
from netflips.portrait.still import find_face, read_still, sized
from netflips.portrait.warp import HeadMove, StillHead
from netflips.portrait.words import given_words, spoken
from netflips.render.writing import Finish, Frame, speech_as_it_is
from unit2av.lipsync.choose import opened_mouth
from unit2av.lipsync.mouth import Mouth, Said
from unit2av.rendering import FaceToDraw, Shown, Talk, drawn, write_in_step

_YAW, _PITCH, _ROLL = 0.14, 0.06, 0.045
"""Radians, standard deviation of the head's turns at motion 1."""
_NOD = 0.055
"""Radians, of the largest nod at motion 1."""
_RISE, _BREATH_HZ = 0.006, 0.25
"""How far the breath lifts the head, in widths of the face, and how often."""


class Portrait:
    """A picture of a face, ready to talk."""

    def __init__(self, still: Pixels, mesh: Landmarks, box: Box, choice: PictureChoice) -> None:
        """still: uint8 [height, width, 3]; mesh, box: of its face, as `find_face` gives them."""
        layers = layers_of(still, mesh) if choice.fills and choice.motion else None
        self._head, self._box, self._choice = StillHead(still, mesh, layers), box, choice
        self.frame = Frame(still.shape[1], still.shape[0], Fraction(FRAME_RATE))

    @classmethod
    def open(cls, path: Path, choice: PictureChoice) -> "Portrait":
        """Read a picture and find its face. Raises InputError, NoFaceError or UsageError."""
        still = sized(read_still(path), choice.height)
        return cls(still, *find_face(still, choice.face, path), choice)

    def pictures(self, mouth: Mouth, said: Said, count: int) -> Iterator[Pixels]:
        """`count` pictures at 25 fps, uint8 [height, width, 3], of the portrait that says something."""
        talk = Talk(1, Fraction(0), mouth.codes(said))
        return Finish(self._choice.label).all(drawn(mouth, self._shown(talk, count, said.samples)))

    def _shown(self, talk: Talk, count: int, speech: Samples | None = None) -> Iterator[Shown]:
        """The schedule of a still: its head as it moves. The box goes along with the face."""
        choice, first = self._choice, None
        levels = None if speech is None else loudness(speech)
        for number, move in enumerate(movements(choice.seed, count, choice.motion, choice.has_blinks, levels)):
            picture, mesh = self._head.moved(move)
            middle = mesh[:, :2].mean(axis=0)
            first = middle if first is None else first
            shift = np.tile(middle - first, 2).astype(np.float32)
            time = frames_to_seconds(number)
            yield Shown(Picture(picture, time, number), time, talk, FaceToDraw(self._box + shift, mesh=mesh))


def write_portrait(
    out: Path, portrait: Portrait, mouth: Mouth, speech: Path, said: Said, what: str = "lips", progress: Progress = silent
) -> int:
    """Write a portrait that says what is heard in a speech file; returns how many pictures it has. said.samples: of that file."""
    assert said.samples is not None  # the length is theirs
    seconds = samples_to_seconds(len(said.samples))
    count = max(1, frames_covering(seconds))
    pictures = track(portrait.pictures(mouth, said, count), "portrait", progress, count)
    sound = speech_as_it_is(speech, seconds)
    with portrait.frame.writer(out, sound, comment=synthetic_comment(what, [mouth.name])) as writer:
        write_in_step(writer, pictures, sound)
    return count


def animate(options: PortraitOptions) -> None:
    """Make a portrait talk as the options ask for. Raises NetflipsError for files that cannot be used."""
    given = given_words(options)
    portrait = Portrait.open(options.portrait, options.picture_choice)
    what = "lips" if given.speech is not None else "speech and lips"
    opened = opened_mouth(options.lips, given.renderer, options.device, options.precision)
    with bars(options.quiet) as progress, opened as mouth, spoken(given, options, progress) as (speech, said):
        count = write_portrait(options.out, portrait, mouth, speech, said, what, progress)
    seconds = float(frames_to_seconds(count))
    LOG.info("%s: %.2f s, %s, lips by %s", options.out, seconds, several(count, "picture"), mouth.name)


def movements(
    seed: int, num_pictures: int, amount: float, has_blinks: bool, levels: NDArray[np.float32] | None = None
) -> list[HeadMove]:
    """How the head moves in each picture at 25 fps; it begins as the picture shows it. amount: 0..1. levels: of the speech in each
    picture, see `loudness`; None = it does not go along with any."""
    seconds = np.array([float(frames_to_seconds(number)) for number in range(num_pictures)])
    rng = np.random.default_rng([seed, 0])
    begun = np.clip(seconds / 1.5, 0, 1)
    yaw, pitch, roll = (amount * reach * begun * wander(rng, seconds) for reach in (_YAW, _PITCH, _ROLL))
    rise = amount * _RISE * np.sin(2 * np.pi * _BREATH_HZ * seconds)
    lids = blinks(np.random.default_rng([seed, 1]), num_pictures) if has_blinks else np.zeros(num_pictures)
    brows = np.zeros(num_pictures)
    if levels is not None:
        nods, raises = accents(np.random.default_rng([seed, 2]), levels, num_pictures)
        pitch, brows = pitch + amount * _NOD * nods, min(amount / 0.6, 1.0) * raises
    parts = yaw, pitch, roll, rise, lids, brows
    return [HeadMove(*(float(part[number]) for part in parts)) for number in range(num_pictures)]
