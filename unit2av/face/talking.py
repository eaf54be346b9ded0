"""Speak and show: a speaker's pictures with lips that say given units, and the sound with them, as streams.

Nothing here grows with the length of a video: pictures are drawn a batch at a time, while they are written.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from avcore.arrays import Floats, Pixels, Samples
from avcore.contracts import Voice
from avcore.faces.crop import Box, crop_face, visible_part
from avcore.faces.geometry import Landmarks
from avcore.media import PictureSource, VideoWriter
from avcore.progress import Progress, silent, track
from avcore.timeline import Seconds, frames_to_seconds, frames_to_units, units_to_frames, units_to_samples
from avcore.units import Units
from unit2av.lipsync.mouth import Mouth, Said, Scene
from unit2av.renderer import in_batches
from unit2av.voice.speech import Speaker

Paste = Callable[[Pixels, Pixels, Box], Pixels]
"""Puts a face patch into the box of a picture and returns a new picture: `paste_face`, or `paste_face_hard` as published."""
Meshes = Callable[[int], Landmarks | None]
"""Landmarks float32 [468, 3] of the face in a picture of the footage, by its number; None where they are not known."""


def played_to_and_fro(
    source: PictureSource,
    boxes: Sequence[Box | None],
    num_pictures: int,
    mesh_at: Meshes | None = None,
    strengths: Floats | None = None,
) -> Iterator[Scene]:
    """Yield `num_pictures` scenes at 25 Hz, the footage's own pictures played to and fro as long as it takes.

    boxes: one for each picture of `source`, which runs at 25 Hz; strengths: of their mouths, None = all are whole. mesh_at: see
    `Meshes`.
    """
    for number, picture in enumerate(source.pingpong(num_pictures, among=source.own)):
        box, mesh = boxes[picture.index], None if mesh_at is None else mesh_at(picture.index)
        strength = 1.0 if strengths is None or box is None else float(strengths[picture.index])
        yield Scene(picture.rgb, box, frames_to_seconds(number), mesh=mesh, strength=strength)


def drawn_pictures(
    draw: Callable[[Sequence[Pixels], Sequence[Seconds]], Pixels], scenes: Iterable[Scene], paste: Paste, batch_size: int
) -> Iterator[Pixels]:
    """Yield the scenes' pictures with what `draw` makes of their faces put into them.

    draw: takes face crops uint8 [96, 96, 3] and when they are shown (s), and gives uint8 [n, 96, 96, 3].
    """
    for batch in in_batches(scenes, batch_size):
        faces = [(scene.rgb, scene.box, scene.time) for scene in batch if scene.box is not None]
        crops = [crop_face(rgb, box) for rgb, box, _ in faces]
        patches = iter(draw(crops, [time for _, _, time in faces]) if faces else ())
        for scene in batch:
            yield scene.rgb if scene.box is None else _mixed(scene, paste(scene.rgb, next(patches), scene.box))


def _mixed(scene: Scene, pasted: Pixels) -> Pixels:
    """A new picture with a mouth in it uint8 [height, width, 3], or what lies between it and the scene's own, by its strength."""
    part = None if scene.box is None else visible_part(scene.box, *scene.rgb.shape[:2])
    if part is None or scene.strength >= 1:
        return pasted
    below = scene.rgb[part].astype(np.float32)
    pasted[part] = np.rint(below + (pasted[part] - below) * scene.strength).astype(np.uint8)
    return pasted


def num_pictures_for(units: Units) -> int:
    """Pictures at 25 Hz that units are shown with: as published an odd last unit gets none, but there is always one."""
    return max(units_to_frames(units.num_steps), 1)


def write_in_step(
    writer: VideoWriter,
    pictures: Iterable[Pixels],
    sound: Iterable[Samples],
    progress: Progress = silent,
    total: int | None = None,
) -> None:
    """Write pictures at 25 Hz and sound at 16 kHz so that neither runs far ahead of the other.

    sound: float32 [S] pieces. progress: told pictures of `total`.
    """
    pieces, heard = iter(sound), 0
    for shown, picture in enumerate(track(pictures, "lips", progress, total), 1):
        while heard < units_to_samples(frames_to_units(shown)) and (piece := next(pieces, None)) is not None:
            writer.write_sound(piece)
            heard += len(piece)
        writer.write_picture(picture)
    for piece in pieces:
        writer.write_sound(piece)


def speak_and_show(
    units: Units,
    speaker: Speaker,
    vocoder: Voice,
    mouth: Mouth,
    source: PictureSource,
    boxes: Sequence[Box | None],
    writer: VideoWriter,
    progress: Progress = silent,
    mesh_at: Meshes | None = None,
    strengths: Floats | None = None,
) -> Units:
    """Say units in a voice and show the speaker of a video saying them, into a writer at 25 Hz and 16 kHz.

    units: durations are taken as they are, or predicted when None. speaker: the voice, float [speaker_dim], or with its pitch.
    source: the footage at 25 Hz, played to and fro when the speech is longer; boxes, strengths, mesh_at: see
    `played_to_and_fro`. Returns the units as they were said, with durations. Raises UnitError and VocabularyError as the vocoder
    and the mouth do.
    """
    units = vocoder.predict_durations(units) if units.durations is None else units
    total = num_pictures_for(units)
    said, sound = told_of_speech(mouth, units, vocoder.iter_synthesize(units, speaker))
    pictures = mouth.draw(mouth.codes(said), played_to_and_fro(source, boxes, total, mesh_at, strengths))
    write_in_step(writer, pictures, sound, progress, total)
    return units


def told_of_speech(mouth: Mouth, units: Units, sound: Iterator[Samples]) -> tuple[Said, Iterator[Samples]]:
    """What a mouth is told of speech, and its sound float32 [S] in pieces, which is made first for a mouth that listens to it."""
    if not mouth.needs_sound:
        return Said(units), sound
    pieces = list(sound)
    return Said(units, np.concatenate(pieces) if pieces else np.zeros(0, np.float32)), iter(pieces)
