"""The work of `netflips lipsync`: pictures of one file, sound of another, and lips that fit, as streams; what is done is kept."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import checkpoints_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import LOG
from avcore.compute.threads import pictures_at_once
from avcore.contracts import Extractor
from avcore.errors import InputError, NoFaceError, NoSpeechError
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.footage import settle_pictures
from avcore.faces.geometry import MOUTH_CUT, MOUTH_HIDDEN
from avcore.faces.select import parse_face_choice
from avcore.files import private_folder
from avcore.journal import file_digest, key_of
from avcore.media import PictureSource, iter_speech_blocks, probe, read_speech, require_media
from avcore.media.carried import CarriedOver
from avcore.media.sound import settle_track
from avcore.media.writer import synthetic_comment
from avcore.notes import several, tell
from avcore.progress import Progress, run_bar, silent, track
from avcore.speech.voice_activity import SpeechActivity, detect_activity
from avcore.timeline import exact, frames_covering, samples_to_seconds, samples_to_units, seconds_to_units, units_to_samples
from avcore.units import Ids, Units
from avcore.work_folder import Arrays, WorkFolder
from netflips.dubbing.begin import media_of
from netflips.dubbing.clock import StageClock
from netflips.dubbing.frame import Finish, Frame, speech_as_it_is
from netflips.dubbing.job import digest_of
from netflips.dubbing.options import settings_told
from netflips.dubbing.pieces import LONGEST_S, Studio, join_pieces, kept_work, num_hidden, quiet_borders, steady_pieces
from netflips.dubbing.write import work_told, written
from netflips.lipsync.options import LipsyncOptions
from netflips.lipsync.schedule import FaceBoxes, quiet_moments, scheduled
from netflips.recognition import stored_blocks
from netflips.report.files import reported
from netflips.script.types import SPEAKER, Script, SeenFaces, SpeakerOf, SpokenSound, TimeFit, TimeSpan, Utterance
from netflips.stages import load_unit_encoder
from unit2av.lipsync import Said
from unit2av.lipsync.backend import LipSyncChoice, backend_of, settled
from unit2av.renderer import BATCH_PICTURES
from unit2av.rendering import Talk, opened_lip_sync
from unit2av.stage import RENDERER

_SOUND = "speech.f32"
_TEMPORARY = "work"


@dataclass(frozen=True)
class _Files:
    """What a run reads and writes; encoder and renderer: None where the mouth needs no units."""

    video: Path
    speech: Path
    out: Path
    encoder: Path | None
    renderer: Path | None


def sync_lips(options: LipsyncOptions) -> Script:
    """Move the lips of a video as the options ask for; returns what was done. Raises NetflipsError for unusable files."""
    return reported(options.report, options.video, options.out, options.quiet, partial(_sync_lips, options))


def _sync_lips(options: LipsyncOptions) -> Script:
    choice = options.lips
    files = _files(options, choice)
    settle_track(files.video)
    settle_pictures(files.video)
    settle_track(files.speech, options.audio_track)
    source = _moving(files.video)
    with private_folder() as folder:
        speech, heard = _heard(files.speech, folder)
        seconds = samples_to_seconds(heard.num_samples) if options.fit != "video" else exact(source.info.duration_s)
        is_long = max(seconds, source.info.duration_s) > LONGEST_S
        kept = kept_work(files.out, options.work_dir, is_long, Frame.of(source.info, source.rate), float(seconds))
        work = kept or WorkFolder(folder / _TEMPORARY)
        with run_bar(options.quiet) as progress:
            script = _draw(options, choice, files, source, speech, heard, seconds, work, progress)
        work.settle(files.out)
    made = replace(script.result, work=None if kept is None else work_told(kept))
    pictures = several(made.pictures, "picture")
    LOG.info("%s: %.2f s, %s at %.3f Hz, lips by %s", files.out, float(seconds), pictures, float(source.rate), made.lips)
    return replace(script, made=made)


def _moving(path: Path) -> PictureSource:
    """Return the pictures of a video. Raises InputError for a single one."""
    info = probe(path)
    if info.still:
        hint = "netflips portrait makes a picture talk"
        raise InputError("this is a single picture", path=path, expected="a video", found=info.still, hint=hint)
    return PictureSource(path, info.steady_rate)


def _draw(
    options: LipsyncOptions, choice: LipSyncChoice, files: _Files, source: PictureSource, speech: Samples, heard: SpeechActivity,
    seconds: Fraction, work: WorkFolder, progress: Progress,
) -> Script:  # fmt: skip
    """Draw and write the result; returns what was done."""
    clock = StageClock()
    batch = pictures_at_once(source.info.width, source.info.height, BATCH_PICTURES)
    how = options.device, options.precision
    digests = [digest_of(source.info), digest_of(probe(files.speech))]
    backend, fit = settled(choice, files.renderer), options.fit
    total = max(1, frames_covering(seconds, source.rate))
    with opened_lip_sync(choice, files.renderer, *how, batch_size=batch) as mouth:
        LOG.info("lips by %s", mouth.name)
        with clock.stage("faces"):
            faces = _kept_faces(source, options.face, digests[0], work, progress)
        with clock.stage("av2unit"):
            units = _kept_units(files.encoder, speech, options, digests[1], work, progress)
        talk = Talk(1, Fraction(0), mouth.codes(Said(units, speech if mouth.needs_sound else None, quiet_moments(heard))))
        asked = [options.face, fit, options.label, mouth.name]
        encoder = None if files.encoder is None else file_digest(files.encoder)
        made_with = [*digests, *asked, encoder, *how, *backend.key(choice, files.renderer, how)]
        frame = Frame.of(source.info, source.rate)
        studio = Studio(frame, mouth, Finish(options.label), work, lambda done: progress("lips", done, total))
        shown, borders = partial(scheduled, source, faces, fit, talk), quiet_borders(heard, total, source.rate)
        with clock.stage("pictures"):
            encoded = studio.encode(steady_pieces(shown, borders, total, source.rate, backend.around_s, made_with))
    sound, comment = speech_as_it_is(files.speech, seconds), synthetic_comment("lips", [mouth.name])
    carried = CarriedOver(files.video, None if fit == "speech" else Fraction, seconds)
    writer = frame.joiner(files.out, sound, encoded[0].path, comment=comment, carried=carried)
    with clock.stage("write"):
        join_pieces(writer, encoded, sound)
    hidden = num_hidden(encoded)
    if hidden:
        tell(MOUTH_HIDDEN(count=hidden, total=total), source.path)
    said_s, length_s = float(samples_to_seconds(heard.num_samples)), float(seconds)
    num_units = 0 if units is None else len(units)
    utterance = Utterance(
        number=1,
        place=TimeSpan(0.0, float(source.info.duration_s)),
        speaker=SPEAKER,
        seen=SeenFaces(faces.told()),
        target=SpokenSound(str(files.speech), digests[1], keep_sound=True),
        fit=TimeFit(TimeSpan(0.0, length_s), num_units, said_s, min(said_s, length_s), cut_s=max(said_s - length_s, 0.0)),
        drawn=faces.drawn(source, fit, total, hidden),
    )
    settings = settings_told(options, "fit", "face", "label", "lips", "audio_track", "device", "precision")
    models = {UNIT_ENCODER.name: files.encoder, RENDERER.name: files.renderer}
    return Script(
        schedule="hold" if fit == "hold" else "to_and_fro",
        media=media_of(source.info, digests[0]),
        speakers=(SpeakerOf(SPEAKER, face=options.face),),
        utterances=(utterance,),
        made=written(files.out, writer, length_s, total, mouth.name, settings, clock, models),
    )


def _heard(path: Path, folder: Path) -> tuple[Samples, SpeechActivity]:
    """Return the speech of a file, float32 [S] at 16 kHz, which lies in a folder and not in memory, and where it is speech.

    Raises NoSpeechError where there is none of it.
    """
    stored = folder / _SOUND
    activity = detect_activity(stored_blocks(iter_speech_blocks(path), stored))
    if not activity.num_samples:
        raise NoSpeechError("the speech is empty", path=path)
    return np.memmap(stored, np.float32, "r"), activity


def _kept_faces(source: PictureSource, face: str, digest: str, work: WorkFolder, progress: Progress) -> FaceBoxes:
    """The face whose lips are moved, as it was found before or is found now."""

    def find() -> Arrays:
        found = _faces(source, face, progress)
        mouths = found.mouths
        boxes = [np.full(4, np.nan, np.float32) if box is None else box for box in mouths.boxes]
        shots = [-1 if number is None else number for number in found.track_numbers]
        places: Arrays = {"boxes": np.stack(boxes), "shots": np.array(shots, np.int64)}
        return places | {"strengths": mouths.strengths, "is_cut": mouths.is_cut}

    kept = work.arrays("faces", key_of("lipsync faces and mouths", digest, face), find)
    if kept["is_cut"].any():
        tell(MOUTH_CUT(count=int(kept["is_cut"].sum()), total=len(kept["is_cut"])), source.path)
    return FaceBoxes(kept["boxes"], kept["shots"], kept["strengths"], kept["is_cut"])


def _kept_units(
    encoder: Path | None, speech: Samples, options: LipsyncOptions, digest: str, work: WorkFolder, progress: Progress
) -> Units | None:
    """Return the units of the speech, as they were heard before or are heard now; None without an encoder."""
    if encoder is None:
        return None

    def hear() -> Arrays:
        heard = heard_units(encoder, speech, Running(options.device, options.precision), progress, options.speech)
        assert heard is not None  # there is an encoder
        labels = np.array([heard.language, heard.vocabulary])
        return {"frames": heard.frames(), "labels": labels}

    key = key_of("lipsync units", digest, file_digest(encoder), options.device, options.precision)
    kept = work.arrays("units", key, hear)
    return Units.from_frames(kept["frames"], *map(str, kept["labels"]))


def _files(options: LipsyncOptions, choice: LipSyncChoice) -> _Files:
    """Find what is wrong with the files before anything is read."""
    require_media(options.video, "the video")
    require_media(options.speech, "the speech")
    encoder = renderer = None
    if backend_of(choice, None).needs_units:
        found = checkpoints_or_bundle({UNIT_ENCODER: options.av2unit_path, RENDERER: options.unit2av_path})
        encoder, renderer = found[UNIT_ENCODER], found[RENDERER]
    settled(choice, renderer)
    return _Files(options.video, options.speech, options.out, encoder, renderer)


def _faces(source: PictureSource, face: str, progress: Progress) -> SpeakerFace:
    """The face whose lips are moved; its own sound tells which one speaks."""
    info, steady = source.info, PictureSource(source.path)
    own = read_speech(source.path) if info.has_audio else None
    try:
        return find_faces(steady, parse_face_choice(face), own, progress, len(steady), source.path, info.pixel_aspect)
    except NoFaceError as error:
        hint = "there must be a face whose lips can be moved"
        raise NoFaceError(error.what, path=error.path, found=error.found, hint=hint) from error


def heard_units(encoder: Path | None, speech: Samples, how: Running, progress: Progress, path: Path) -> Units | None:
    """Return the units of speech float32 [S], read at a path; None without an encoder, for a mouth that needs none."""
    if encoder is None:
        return None
    return units_of_speech(load_unit_encoder(encoder, how), speech, progress, path)


_PIECE, _OVERLAP = seconds_to_units(20), seconds_to_units(1)
"""Steps that are kept of a piece, and that are heard before and after them."""


def units_of_speech(
    extractor: Extractor, speech: NDArray[np.float32], progress: Progress = silent, path: Path | None = None
) -> Units:
    """Return the units of speech, with the durations they have in it. Raises NoSpeechError where it is too short.

    speech: float32 of shape [S] at 16 kHz in -1..1. path: where it was read, for what is said of it.
    """
    total = samples_to_units(len(speech))
    if not total:
        found = f"{float(samples_to_seconds(len(speech))):.3f} s"
        raise NoSpeechError("the speech is too short", path=path, expected="0.02 s or more", found=found)
    heard = list[Ids]()
    starts = range(0, total, _PIECE)
    language = vocabulary = ""
    for start in track(starts, "units", progress, len(starts)):
        first, stop = max(0, start - _OVERLAP), min(total, start + _PIECE + _OVERLAP)
        units = extractor.extract(np.array(speech[units_to_samples(first) : units_to_samples(stop)]), None)
        language, vocabulary = units.language, units.vocabulary
        frames = _filled(units.frames(), stop - first)
        heard.append(frames[start - first : min(start + _PIECE, total) - first])
    return Units.from_frames(np.concatenate(heard), language, vocabulary)


def _filled(frames: Ids, count: int) -> Ids:
    """As many steps as the sound has: the encoder hears a step less or more than there are at the end."""
    return np.append(frames[:count], np.full(max(0, count - len(frames)), frames[-1] if len(frames) else 0))
