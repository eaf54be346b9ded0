"""The work of `netflips lipsync`: pictures of one file, sound of another, and lips that fit, as streams."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path

from av2unit.extractor import UnitExtractor
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import checkpoints_or_bundle
from avcore.command import LOG, device_name
from avcore.compute.ahead import pictures_at_once
from avcore.errors import MediaError, NoFaceError, NoSpeechError
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.select import parse_face_choice
from avcore.files import require_file, require_place
from avcore.media import Picture, PictureSource, probe, read_speech
from avcore.outputs import keep_apart
from avcore.progress import Progress, bars, track
from avcore.timeline import frame_at, frames_covering, frames_to_seconds, samples_to_seconds
from avcore.units import Units
from netflips.dub.label import with_label
from netflips.lipsync.listening import units_of_speech
from netflips.lipsync.writing import Frame, write_talk
from unit2av.mouths.choose import opened_mouth, settled
from unit2av.mouths.flags import AUTO, WAV2LIP, MouthChoice, mouth_choice
from unit2av.mouths.mouth import Said, Scene
from unit2av.renderer import BATCH_PICTURES
from unit2av.stage import RENDERER


@dataclass(frozen=True)
class _Files:
    """What a run reads and writes; encoder and renderer: None where the mouth needs no units."""

    video: Path
    speech: Path
    out: Path
    encoder: Path | None
    renderer: Path | None


def sync_lips(options: argparse.Namespace) -> None:
    """Move the lips of a video as the options ask for. Raises NetflipsError for files that cannot be used."""
    choice = mouth_choice(options)
    files = _check(options, choice)
    source = PictureSource(files.video, probe(files.video).frame_rate or 25)
    speech = read_speech(files.speech)
    if not speech.size:
        raise NoSpeechError("the speech is empty", path=files.speech)
    batch = pictures_at_once(source.info.width, source.info.height, BATCH_PICTURES)
    opened = opened_mouth(choice, files.renderer, device_name(options), options.precision, batch_size=batch)
    with bars(options.quiet) as progress, opened as mouth:
        LOG.info("lips by %s", mouth.name)
        faces = _faces(source, options.face, progress)
        said = Said(heard_units(files.encoder, speech, options, progress), speech)
        seconds = samples_to_seconds(len(speech)) if options.fit != "video" else source.info.duration_s
        total = max(1, frames_covering(seconds, source.rate))
        pictures = with_label(mouth.draw(mouth.codes(said), _scenes(source, faces, total, options.fit)), options.burn_label)
        frame = Frame(source.info.width, source.info.height, source.rate, source.info.pixel_aspect)
        write_talk(files.out, frame, track(pictures, "lips", progress, total), files.speech, seconds, mouth.name)
    LOG.info("%s: %.2f s, %d pictures at %.3f Hz", files.out, float(seconds), total, float(source.rate))


def _check(options: argparse.Namespace, choice: MouthChoice) -> _Files:
    """Find what is wrong with the paths before anything is read."""
    require_file(options.video, "the video")
    return _Files(options.video, options.speech, *checked_models(options, choice, {"the video": options.video}))


def checked_models(
    options: argparse.Namespace, choice: MouthChoice, picture: dict[str, Path]
) -> tuple[Path, Path | None, Path | None]:
    """The output's path, and the unit encoder and the renderer, None where the mouth needs no units; nothing is read yet.

    picture: what the pictures come from, in words and by path.
    """
    require_file(options.speech, "the speech")
    encoder = renderer = None
    if not (choice.name == WAV2LIP or (choice.name == AUTO and choice.wav2lip is not None)):
        found = checkpoints_or_bundle({UNIT_ENCODER: options.av2unit_path, RENDERER: options.unit2av_path})
        encoder, renderer = found[UNIT_ENCODER], found[RENDERER]
    settled(choice, renderer)
    inputs = {
        **picture, "the speech": options.speech, "the unit encoder": encoder, "the renderer": renderer,
        "the Wav2Lip checkpoint": choice.wav2lip, "the mouth's table": choice.table,
    }  # fmt: skip
    keep_apart({"the result": options.out_vid_path}, inputs)
    return require_place(options.out_vid_path, "the result"), encoder, renderer


def _faces(source: PictureSource, face: str, progress: Progress) -> SpeakerFace:
    """The face whose lips are moved; its own sound tells which one speaks."""
    info, steady = source.info, PictureSource(source.path)
    own = read_speech(source.path) if info.has_audio else None
    try:
        return find_faces(steady, parse_face_choice(face), own, progress, len(steady), source.path, info.pixel_aspect)
    except NoFaceError as error:
        hint = "there must be a face whose lips can be moved"
        raise NoFaceError(error.what, path=error.path, found=error.found, hint=hint) from error


def heard_units(encoder: Path | None, speech: Samples, options: argparse.Namespace, progress: Progress) -> Units | None:
    """The units of speech float32 [S]; None without an encoder, for a mouth that needs none."""
    if encoder is None:
        return None
    extractor = UnitExtractor.from_checkpoint(encoder, device_name(options), options.precision)
    return units_of_speech(extractor, speech, progress)


def _scenes(source: PictureSource, faces: SpeakerFace, total: int, fit: str) -> Iterator[Scene]:
    """The pictures that are shown, at the video's own rate, each with its face."""
    pictures = _held(source, total) if fit == "hold" else source.pingpong(total)
    boxes = faces.steady_boxes
    for number, picture in enumerate(pictures):
        frame = min(frame_at(picture.time), len(boxes) - 1)
        shot = faces.track_numbers[frame]
        yield Scene(picture.rgb, boxes[frame], frames_to_seconds(number, source.rate), -1 if shot is None else shot)


def _held(source: PictureSource, total: int) -> Iterator[Picture]:
    """The pictures of a video once, then the last one for as long as is needed."""
    last: Picture | None = None
    for picture in islice(source, total):
        last = picture
        yield picture
    if last is None:
        raise MediaError("it has no pictures", path=source.path)
    yield from repeat(last, max(0, total - len(source)))
