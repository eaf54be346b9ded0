"""The work of `netflips portrait`: a head that moves, blinks and speaks, picture by picture."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Pixels, Samples
from avcore.command import LOG
from avcore.faces.geometry import MOUTH_HIDDEN, Box, Landmarks
from avcore.faces.select import loudness
from avcore.journal import file_digest, key_of
from avcore.media import Picture, VideoWriter, probe
from avcore.media.writer import synthetic_comment
from avcore.notes import several, tell
from avcore.progress import Progress, run_bar, silent, track
from avcore.speech.voice_activity import detect_activity
from avcore.timeline import FRAME_RATE, frames_covering, frames_to_seconds, samples_to_seconds
from avcore.work_folder import WorkFolder
from netflips.dubbing.clock import StageClock
from netflips.dubbing.frame import Finish, Frame, speech_as_it_is
from netflips.dubbing.job import digest_of
from netflips.dubbing.options import settings_told
from netflips.dubbing.pieces import LONGEST_S, Studio, join_pieces, kept_work, num_hidden, quiet_borders, steady_pieces
from netflips.dubbing.write import work_told, written
from netflips.portrait.flags import PictureChoice
from netflips.portrait.layers import layers_of
from netflips.portrait.motion import accents, blinks, wander
from netflips.portrait.options import PortraitOptions
from netflips.portrait.still import find_face, read_still, sized
from netflips.portrait.warp import HeadMove, StillHead
from netflips.portrait.words import given_words, spoken
from netflips.report.files import reported
from netflips.script.types import (
    SPEAKER,
    DrawnPictures,
    Media,
    Script,
    SpeakerOf,
    SpokenSound,
    Target,
    TimeFit,
    TimeSpan,
    UnitList,
    UnitsGiven,
    Utterance,
    VoiceFile,
    WrittenText,
)
from text2unit.stage import SPELLER
from unit2av.lipsync import LipSync, Said
from unit2av.lipsync.backend import settled
from unit2av.rendering import FaceToDraw, Reason, Shown, Talk, counted, drawn, opened_lip_sync, write_in_step
from unit2av.stage import RENDERER

_YAW, _PITCH, _ROLL = 0.14, 0.06, 0.045
"""Radians, standard deviation of the head's turns at motion 1."""
_NOD = 0.055
"""Radians, of the largest nod at motion 1."""
_RISE, _BREATH_HZ = 0.006, 0.25
"""How far the breath lifts the head, in widths of the face, and how often."""
_MOVING = 1
"""Counts up whenever the same head moves or is drawn otherwise, so that pieces kept from before are made anew."""
_SETTINGS = ("face", "motion", "seed", "blinks", "fill", "size", "label", "lips", "to", "voice", "speed", "device", "precision")
"""That a report tells."""


class Portrait:
    """A picture of a face, ready to talk."""

    def __init__(self, still: Pixels, mesh: Landmarks, box: Box, choice: PictureChoice) -> None:
        """still: uint8 [height, width, 3]; mesh, box: of its face, as `find_face` gives them."""
        layers = layers_of(still, mesh) if choice.fills and choice.motion else None
        self._head, self._box, self._choice = StillHead(still, mesh, layers), box, choice
        self.frame, self.finish = Frame(still.shape[1], still.shape[0], Fraction(FRAME_RATE)), Finish(choice.label)

    @classmethod
    def open(cls, path: Path, choice: PictureChoice) -> "Portrait":
        """Read a picture and find its face. Raises InputError, NoFaceError or UsageError."""
        still = sized(read_still(path), choice.height)
        return cls(still, *find_face(still, choice.face, path), choice)

    def schedule(self, codes: Any, count: int, speech: Samples | None = None) -> Callable[[int, int], Iterator[Shown]]:
        """Return what gives its pictures from one number to before another, of `count` at 25 fps, each with the head as it moves.

        codes: of what it says; speech: the sound of that, float32 [S] at 16 kHz. The box goes along with the face.
        """
        choice, talk = self._choice, Talk(1, Fraction(0), codes)
        levels = None if speech is None else loudness(speech)
        moves = movements(choice.seed, count, choice.motion, choice.has_blinks, levels)
        first = self._head.moved(moves[0])[1][:, :2].mean(axis=0)

        def shown(start: int, stop: int) -> Iterator[Shown]:
            for number in range(start, stop):
                picture, mesh = self._head.moved(moves[number])
                shift = np.tile(mesh[:, :2].mean(axis=0) - first, 2).astype(np.float32)
                time = frames_to_seconds(number)
                yield Shown(Picture(picture, time, number), time, talk, FaceToDraw(self._box + shift, mesh=mesh))

        return shown


@dataclass(frozen=True)
class KeptPieces:
    """Where pieces of a long portrait are kept. made_with: all that they depend on; around_s: see `Backend`."""

    work: WorkFolder
    made_with: Sequence[object]
    around_s: float


def write_portrait(
    out: Path, portrait: Portrait, mouth: LipSync, speech: Path, said: Said, what: str = "lips", progress: Progress = silent,
    kept: KeptPieces | None = None,
) -> tuple[VideoWriter, int]:  # fmt: skip
    """Write a portrait that says what is heard in a speech file; returns what wrote it, and in how many pictures something is
    before the mouth. said.samples: of that file.

    kept: the pictures are drawn in pieces, of which those that are there already are kept; None = all at once.
    """
    assert said.samples is not None  # the length is theirs
    seconds, frame, finish = samples_to_seconds(len(said.samples)), portrait.frame, portrait.finish
    count = _num_pictures(said.samples)
    shown = portrait.schedule(mouth.codes(said), count, said.samples)
    sound, comment = speech_as_it_is(speech, seconds), synthetic_comment(what, [mouth.name])
    if kept is None:
        counts = Counter[int]()
        pictures = track(finish.all(counted(drawn(mouth, shown(0, count)), counts)), "portrait", progress, count)
        with frame.writer(out, sound, comment=comment) as writer:
            write_in_step(writer, pictures, sound)
        return writer, counts[Reason.HIDDEN]
    studio = Studio(frame, mouth, finish, kept.work, lambda done: progress("portrait", done, count))
    borders = quiet_borders(detect_activity([said.samples]), count, frame.rate)
    pieces = studio.encode(steady_pieces(shown, borders, count, frame.rate, kept.around_s, kept.made_with))
    joiner = frame.joiner(out, sound, pieces[0].path, comment=comment)
    join_pieces(joiner, pieces, sound)
    return joiner, num_hidden(pieces)


def animate(options: PortraitOptions) -> Script:
    """Make a portrait talk as the options ask for; returns what was done. Raises NetflipsError for files that cannot be used."""
    return reported(options.report, options.portrait, options.out, options.quiet, partial(_animate, options))


def _animate(options: PortraitOptions) -> Script:
    given, clock = given_words(options), StageClock()
    portrait = Portrait.open(options.portrait, options.picture_choice)
    what = "lips" if given.speech is not None else "speech and lips"
    how = options.device, options.precision
    opened = opened_lip_sync(options.lips, given.renderer, *how)
    with run_bar(options.quiet) as progress, opened as mouth, spoken(given, options, progress) as (speech, said):
        assert said.samples is not None
        kept = _kept(options, given.renderer, portrait.frame, mouth, said)
        with clock.stage("pictures"):
            writer, hidden = write_portrait(options.out, portrait, mouth, speech, said, what, progress, kept)
    if kept is not None:
        kept.work.settle(options.out)
    count, spoken_s = _num_pictures(said.samples), float(samples_to_seconds(len(said.samples)))
    if hidden:
        tell(MOUTH_HIDDEN(count=hidden, total=count), options.portrait)
    seconds, num_units = float(frames_to_seconds(count)), 0 if said.units is None else len(said.units)
    LOG.info("%s: %.2f s, %s, lips by %s", options.out, seconds, several(count, "picture"), mouth.name)
    utterance = Utterance(
        number=1,
        speaker=SPEAKER,
        target=_target(options, said),
        fit=TimeFit(TimeSpan(0.0, spoken_s), num_units, spoken_s, spoken_s),
        drawn=DrawnPictures(count, count - hidden, {"hidden": hidden} if hidden else {}),
    )
    settings = settings_told(options, *_SETTINGS)
    models = {UNIT_ENCODER.name: given.encoder, SPELLER.name: given.speller, RENDERER.name: given.renderer}
    made = written(options.out, writer, seconds, count, mouth.name, settings, clock, models=models)
    return Script(
        target=options.to if options.speech is None else "",
        schedule="still",
        media=Media(str(options.portrait), file_digest(options.portrait), width=portrait.frame.width, height=portrait.frame.height),
        speakers=(SpeakerOf(SPEAKER, "neutral" if options.voice is None else VoiceFile(str(options.voice))),),
        utterances=(utterance,),
        made=replace(made, work=None if kept is None else work_told(kept.work)),
    )


def _target(options: PortraitOptions, said: Said) -> Target:
    """Return what the portrait was asked to say."""
    if options.speech is not None:
        return SpokenSound(str(options.speech), digest_of(probe(options.speech)), keep_sound=True)
    if options.text is not None:
        return WrittenText(options.text)
    assert said.units is not None  # they are those of a file
    return UnitsGiven(UnitList.of(said.units))


def _num_pictures(samples: Samples) -> int:
    return max(1, frames_covering(samples_to_seconds(len(samples))))


def _kept(options: PortraitOptions, renderer: Path | None, frame: Frame, mouth: LipSync, said: Said) -> KeptPieces | None:
    """Return where pieces are kept, if the portrait is long or a folder for them was given."""
    assert said.samples is not None
    seconds = float(samples_to_seconds(len(said.samples)))
    work = kept_work(options.out, options.work_dir, seconds > LONGEST_S, frame, seconds)
    if work is None:
        return None
    backend, how = settled(options.lips, renderer), (options.device, options.precision)
    units = None if said.units is None else [said.units.ids, said.units.durations]
    said_as = key_of(units, said.samples)  # once, not for each piece
    made_with = ["portrait", _MOVING, file_digest(options.portrait), astuple(options.picture_choice), said_as]
    return KeptPieces(work, [*made_with, mouth.name, *how, *backend.key(options.lips, renderer, how)], backend.around_s)


def movements(
    seed: int, num_pictures: int, amount: float, has_blinks: bool, levels: NDArray[np.float32] | None = None
) -> list[HeadMove]:
    """Return how the head moves in each picture at 25 fps; it begins as the picture shows it. amount: 0..1. levels: of the speech
    in each picture, see `loudness`; None = it does not go along with any."""
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
