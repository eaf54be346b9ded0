"""Animate an image of a face: the steps of a dub with a still schedule, whose one utterance is a given track."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from av2unit.stage import UNIT_ENCODER
from avcore.command import LOG
from avcore.faces.select import loudness
from avcore.journal import key_of
from avcore.media import QUICK, MediaSource, probe, require_media, write_speech_pieces
from avcore.media.tracks import select_audio_track
from avcore.notes import several
from avcore.progress import Progress
from avcore.progress import track as tracked
from avcore.timeline import SAMPLES_PER_FRAME, UNITS_PER_FRAME, frames_to_seconds
from avcore.units import Units, from_reference_codes, read_unit_file, units_of
from netflips.commands.given_audio import speak_along
from netflips.commands.options import PortraitCommand
from netflips.commands.run_progress import run_bar
from netflips.commands.say import NEUTRAL, TextVoice, choose_voice, speaker_voice
from netflips.dubbing.begin import begin_with_given_audio
from netflips.dubbing.given import track_of
from netflips.dubbing.job import Job, digest_of
from netflips.dubbing.options import DubOptions, settings_as_json
from netflips.dubbing.part import fitted, spoken_units
from netflips.dubbing.render import draw_segments, drawing, num_frames
from netflips.dubbing.roads.units import UnitRoad
from netflips.dubbing.schedules import GivenAudio
from netflips.dubbing.segments import Segment, constant_rate_segments, quiet_borders
from netflips.dubbing.speech import NewSpeech, Speeches
from netflips.dubbing.video_format import VideoFormat
from netflips.dubbing.write import write
from netflips.model_paths import paths_asked
from netflips.models import Models, models_when_asked
from netflips.portraits.head import MOVING, Portrait
from netflips.report.files import with_reports
from netflips.script.targets import GivenUnits, SpokenSound, Target, UnitList, WrittenText
from netflips.script.types import Script, VoiceFile
from text2unit.inference import warn_of_script
from text2unit.script import SpokenScript, script_of
from unit2av.lipsync import LipSync, SpokenUnits
from unit2av.lipsync.backend import backend_of, resolve_backend
from unit2av.stage import RENDERER
from unit2av.voice.speech import pieces_at_own_rate, rate_of

_SETTINGS = ("face", "motion", "seed", "blinks", "fill", "size", "label", "lips", "to", "voice", "speed", "device", "precision")
"""Settings that reports show."""
_SPOKEN = "spoken.wav"
_BEFORE, _BEHIND = 5, 13
"""Frames at rest before the speech and after it: 0.2 s and half a second."""


def animate(options: PortraitCommand) -> Script:
    """Make a portrait talk, and return the script of it. Raises NetflipsError for files that cannot be used."""
    return with_reports(options.report, options.portrait, options.out, options.quiet, lambda: _animated(options))


def _animated(options: PortraitCommand) -> Script:
    text = None
    if options.text is not None:
        text = script_of(options.text, options.to)
        warn_of_script(text)

    models = _models(options)
    chosen = NEUTRAL if options.speech is not None else choose_voice(models, options.voice)
    portrait = Portrait.open(options.portrait, options)
    asked = DubOptions(lips=options.lips, work_dir=options.work_dir, **options.marks)
    info, settings = portrait.info(options.portrait), settings_as_json(options, *_SETTINGS)
    voice = VoiceFile(str(chosen)) if isinstance(chosen, Path) else chosen

    with (
        run_bar(options.quiet) as progress,
        Job.for_given_audio(info, options.out, models, UnitRoad(), asked, settings, progress) as job,
    ):
        source, units, target = _given(options, text, models, job.scratch, progress)
        track = track_of(job, source, units)
        job = job.on(track)
        script = talk(begin_with_given_audio(job, "still", target, voice), job, track, portrait)

    report = options.out, script.output_s, several(script.result.frames, "frame"), job.lips.name
    LOG.info("%s: %.2f s, %s, lips by %s", *report)
    return script


def talk(script: Script, job: Job, track: GivenAudio, portrait: Portrait, lip_sync: LipSync | None = None) -> Script:
    """Make a portrait speak a track, with a rest before and after it, and write the video.

    lip_sync: the opened lip-sync backend, where several videos share it.
    """
    before_s, behind_s = frames_to_seconds(_BEFORE), frames_to_seconds(_BEHIND)
    track = replace(track, before_s=before_s, seconds=before_s + track.seconds + behind_s)
    job = replace(job, schedule=track).divided(script)

    script, speech, mixed = speak_along(script, job, track)
    rate = job.frame_rate

    count = num_frames(script, rate, track.seconds)
    made_of = [*QUICK.values(), job.digest, job.options.label, MOVING, *drawing(job.lips, job.renderer, job.models.arithmetic)]
    around_s = resolve_backend(job.lips, job.renderer).around_s
    schedule = partial(portrait_segments, script, portrait, speech, count, made_of, around_s)
    pieces = draw_segments(job, rate, count, schedule, lip_sync=lip_sync)
    return write(script, job, pieces, mixed)


def portrait_segments(
    script: Script,
    portrait: Portrait,
    speech: Speeches,
    count: int,
    made_of: Sequence[object],
    around_s: float,
    lips: LipSync,
    video_format: VideoFormat,
) -> list[Segment]:
    """Return the segments of a portrait, whose head moves with its speech all the time.

    count: number of frames. made_of: what all of them depend on. around_s: as in `constant_rate_segments`.
    """
    ((utterance, time_fit),) = fitted(script)
    units, new, choice = spoken_units(utterance, script.target), speech[utterance.number], portrait.choice
    levels = np.concatenate([loudness(np.zeros(_BEFORE * SAMPLES_PER_FRAME, np.float32)), loudness(new.samples)])
    shown = portrait.schedule(lips.codes(_behind_a_rest(units, new, lips.needs_sound)), count, levels)
    facts: list[object] = [choice.face, choice.motion, choice.seed, choice.blinks, choice.size, choice.fill]
    facts += [*speech.made_of[utterance.number], units.ids, time_fit.durations]

    assert speech.whole is not None  # a portrait speaks given speech
    _, *borders = quiet_borders(speech.whole.activity, count - _BEFORE, video_format.rate)
    borders = [0, *(border + _BEFORE for border in borders)]
    return constant_rate_segments(shown, borders, count, video_format.rate, around_s, [key_of("still", *made_of, *facts)])


def _behind_a_rest(units: Units, new: NewSpeech, needs_sound: bool) -> SpokenUnits:
    """Return the speech for the lips, which rest before it and where it is quiet."""
    silence = np.zeros(_BEFORE * SAMPLES_PER_FRAME, np.float32)
    quiet = np.pad(np.zeros(0, bool) if new.silent is None else new.silent, (_BEFORE, 0), constant_values=True)
    samples = np.concatenate([silence, new.samples]) if needs_sound else None
    if not len(units):
        return SpokenUnits(None, samples, quiet)
    frames = np.pad(units.frames(), (_BEFORE * UNITS_PER_FRAME, 0), mode="edge")
    return SpokenUnits(Units.from_frames(frames, units.language, units.vocabulary), samples, quiet)


def _models(options: PortraitCommand) -> Models:
    """Find the models: unit encoder for speech, unless lips follow the sound; text-to-unit model for text; renderer.

    Raises NetflipsError for missing files.
    """
    if options.speech is None:
        paths = paths_asked(options, RENDERER, spells="" if options.text is None else options.to)
    else:
        require_media(options.speech, "the speech")
        paths = paths_asked(options, *((UNIT_ENCODER, RENDERER) if backend_of(options.lips, None).needs_units else ()))
    resolve_backend(options.lips, paths.needed.get(RENDERER))
    return models_when_asked(paths, options, "" if options.speech is not None else options.to)


def _given(
    options: PortraitCommand, text: SpokenScript | None, models: Models, folder: Path, progress: Progress
) -> tuple[MediaSource, UnitList | None, Target]:
    """Return a file of the speech, the units that it was made from, and the target that it comes from. Raises NetflipsError.

    text: to be spoken into a file of the folder; None: the options have speech, or units.
    """
    if options.speech is not None:
        source = select_audio_track(options.speech)
        return source, None, SpokenSound(str(source), digest_of(probe(source)), keep_sound=True)

    scale = 1 / options.speed
    if text is not None:
        voice = TextVoice.of(models, options.to, scale, options.voice)
        return *speak_text(text, voice, folder, progress), WrittenText(options.text or "")

    assert options.units is not None  # exactly one of the three is given
    vocoder, speaker, path = models.vocoder, speaker_voice(models, options.voice), folder / _SPOKEN
    with units_of(options.units):
        codes = from_reference_codes(read_unit_file(options.units), vocoder.language)
        timed = vocoder.predict_durations(codes, scale)
        pieces = pieces_at_own_rate(vocoder, timed, speaker)
        write_speech_pieces(path, tracked(pieces, "speech", progress), rate_of(vocoder))
    return MediaSource(path), UnitList.of(timed), GivenUnits(UnitList.of(timed))


def speak_text(text: SpokenScript, voice: TextVoice, folder: Path, progress: Progress) -> tuple[MediaSource, UnitList]:
    """Speak a text sentence by sentence into a file of a folder, and return the file and the units that it was made from."""
    speech = voice.speak(text, progress)
    write_speech_pieces(folder / _SPOKEN, speech, speech.rate)
    return MediaSource(folder / _SPOKEN), UnitList.of(speech.units)
