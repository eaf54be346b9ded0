"""The work of `netflips portrait`: a head that moves, blinks and speaks, picture by picture."""

import argparse
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from avcore.command import LOG, device_name
from avcore.errors import NoSpeechError
from avcore.faces.crop import Box
from avcore.media import read_speech
from avcore.progress import bars, track
from avcore.timeline import FRAME_RATE, frames_covering, frames_to_seconds, samples_to_seconds
from netflips.dub.label import with_label
from netflips.lipsync.work import checked_models, heard_units
from netflips.lipsync.writing import Frame, write_talk
from netflips.portrait.command import SIZES
from netflips.portrait.motion import blinks, wander
from netflips.portrait.still import find_face, read_still, sized
from netflips.portrait.warp import HeadMove, StillHead
from unit2av.mouths.choose import opened_mouth
from unit2av.mouths.flags import mouth_choice
from unit2av.mouths.mouth import Said, Scene

_YAW, _PITCH, _ROLL = 0.14, 0.06, 0.045
"""Radians, standard deviation of the head's turns at motion 1."""
_RISE, _BREATH_HZ = 0.006, 0.25
"""How far the breath lifts the head, in widths of the face, and how often."""


def animate(options: argparse.Namespace) -> None:
    """Make a portrait talk as the options ask for. Raises NetflipsError for files that cannot be used."""
    choice = mouth_choice(options)
    out, encoder, renderer = checked_models(options, choice, {"the portrait": options.portrait})
    still = sized(read_still(options.portrait), SIZES[options.size])
    mesh, box = find_face(still, options.face, options.portrait)
    speech = read_speech(options.speech)
    if not speech.size:
        raise NoSpeechError("the speech is empty", path=options.speech)
    seconds = samples_to_seconds(len(speech))
    total = max(1, frames_covering(seconds))
    moves = movements(options.seed, total, options.motion, not options.no_blinks)
    with bars(options.quiet) as progress:
        said = Said(heard_units(encoder, speech, options, progress), speech)
        with opened_mouth(choice, renderer, device_name(options), options.precision) as mouth:
            scenes = _scenes(StillHead(still, mesh), moves, box)
            pictures = with_label(mouth.draw(mouth.codes(said), scenes), options.burn_label)
            frame = Frame(still.shape[1], still.shape[0], Fraction(FRAME_RATE))
            write_talk(out, frame, track(pictures, "portrait", progress, total), options.speech, seconds, mouth.name)
    LOG.info("%s: %.2f s, %d pictures, lips by %s", out, float(seconds), total, mouth.name)


def movements(seed: int, num_pictures: int, amount: float, has_blinks: bool) -> list[HeadMove]:
    """How the head moves in each picture at 25 fps; it begins as the picture shows it. amount: 0..1."""
    seconds = np.array([float(frames_to_seconds(number)) for number in range(num_pictures)])
    rng = np.random.default_rng([seed, 0])
    begun = np.clip(seconds / 1.5, 0, 1)
    yaw, pitch, roll = (amount * reach * begun * wander(rng, seconds) for reach in (_YAW, _PITCH, _ROLL))
    rise = amount * _RISE * np.sin(2 * np.pi * _BREATH_HZ * seconds)
    lids = blinks(np.random.default_rng([seed, 1]), num_pictures) if has_blinks else np.zeros(num_pictures)
    return [HeadMove(*(float(part[number]) for part in (yaw, pitch, roll, rise, lids))) for number in range(num_pictures)]


def _scenes(head: StillHead, moves: list[HeadMove], box: Box) -> Iterator[Scene]:
    """The head in each picture. The box goes along with the face."""
    first = None
    for number, move in enumerate(moves):
        picture, mesh = head.moved(move)
        middle = mesh[:, :2].mean(axis=0)
        first = middle if first is None else first
        shift = np.tile(middle - first, 2).astype(np.float32)
        yield Scene(picture, box + shift, frames_to_seconds(number), mesh=mesh)
