"""Lip-to-speech: speech for silent lips. The units of each utterance's lips are spoken in the time that they took, in the voice of
the person or of somebody else."""

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Doubles, Samples
from avcore.checkpoints.bundle import bundle_of
from avcore.command import LOG
from avcore.compute.memory import peak_memory_bytes
from avcore.contracts import SpeakerVoice
from avcore.errors import InputError, MediaError, NoSpeechError, UsageError
from avcore.faces.select import MIN_VARIATION
from avcore.files import atomic_output, private_folder
from avcore.media import (
    AnySource,
    FrameSource,
    MediaInfo,
    iter_speech_blocks,
    probe,
    require_media,
    require_video_name,
    write_speech_pieces,
)
from avcore.media.passthrough import PassthroughMetadata
from avcore.media.tracks import select_tracks
from avcore.media.writer import synthetic_comment
from avcore.notes import several
from avcore.progress import Progress, bars, silent, track
from avcore.speech.audio import resample
from avcore.timeline import (
    SAMPLE_RATE,
    Interval,
    frame_at,
    frames_covering,
    frames_to_seconds,
    frames_to_units,
    seconds_to_samples,
)
from avcore.units import Units
from netflips.commands.options import LipSpeechCommand
from netflips.dubbing.begin import media_of
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions, settings_as_json
from netflips.dubbing.recording import Recording, sound_of
from netflips.dubbing.roads.units import UnitRoad, as_units
from netflips.dubbing.schedules import Unspoken
from netflips.dubbing.segmentation import cut_utterances
from netflips.dubbing.shots import kept_shots
from netflips.dubbing.sound import Sound
from netflips.dubbing.speakers import assign_speakers
from netflips.dubbing.speech import synthesizer_of
from netflips.dubbing.store import Store, work_beside
from netflips.dubbing.track_faces import track_faces
from netflips.dubbing.video_format import VideoFormat, speech_as_it_is
from netflips.dubbing.voices import voice_for
from netflips.model_paths import paths_asked
from netflips.models import Models, models_when_asked
from netflips.script.targets import GivenUnits, UnitList
from netflips.script.types import SPEAKER, Made, ModelUsed, Schedule, Script, Timing, VoiceFile
from netflips.script.utterance import TimeFit, Utterance
from netflips.version import __version__
from unit2av.rendering import write_in_step
from unit2av.speaker import neutral_voice, slaney_filters
from unit2av.stage import RENDERER, RendererCheckpoint, open_renderer_checkpoint
from unit2av.voice.speech import rate_of

_SETTINGS = ("source", "voice", "face", "audio_track", "device", "precision")
"""Options that the script records."""
_MEL, _SPOKEN = ".npz", "speech.wav"
_WINDOW = frame_at(0.6)
"""Frames over which a mouth's movement is measured; a stretch that is found is longer by half of it on both sides."""
_LEAST_MOVING = MIN_VARIATION / 2
"""Least variation of a mouth at a moment of speech: half of that of a whole utterance."""
_SHORTEST = frame_at(0.8)
"""Frames. Anything shorter is a twitch of 0.2 s and no speech. Where a face comes into sight or leaves it, half a window less is
enough, because the window has nothing to reach into: a clip that was cut at its first word is short there."""
_AROUND = frame_at(1.0)
"""Frames before and after a moving mouth that belong to its speech: words such as "excuse me" move it as little as rest does, and
where it does rest the units are silence. Pauses shorter than two of these lie within an utterance, whose lips are read together."""
_PIECE_FRAMES = 250
"""Frames of silence made at once."""

Stretch = tuple[int, int]
"""First frame and the one after the last, at 25 fps."""
MELS, HOP, WINDOW = 80, 160, 640
"""Bands; samples at 16 kHz from column to column; samples in a column."""
_LEAST_HZ, _MOST_HZ = 55.0, 7500.0
_PEAK, _EMPHASIS, _FLOOR = 0.9, 0.97, 1e-5
_COLUMNS = 1000
"""Columns made at once."""


def speak_video(options: LipSpeechCommand) -> Script:
    """Make speech from the lips of a video as the options ask; returns the script of what was done.

    Raises NetflipsError for files that cannot be used; then nothing is written.
    """
    require_media(options.video, "the video")
    paths = paths_asked(options, UNIT_ENCODER, RENDERER)
    if options.save_mel is not None and options.save_mel.suffix != _MEL:
        raise UsageError(f"the name of a mel spectrogram must end in {_MEL}", found=options.save_mel.name)
    if options.out_vid_path is not None:
        require_video_name(options.out_vid_path)

    info = require_moving_lips(select_tracks(options.video, options.audio_track))
    checkpoint = open_renderer_checkpoint(paths.unit2av)
    models = models_when_asked(paths, options, language := _language(options.source, checkpoint))
    rate = rate_of(models.vocoder)
    with (
        bars(options.quiet) as progress,
        private_folder() as folder,
        work_beside(options.out, options.work_dir, info.duration_s) as store,
    ):
        asked = DubOptions(face=options.face, voice=options.voice, modalities="video")
        job = Job.to_understand(info, models, UnitRoad(), asked, _LipTimed(), store, progress)
        # A voice that cannot be used is refused before hours of work.
        given = None if options.voice is None else (voice_for(Script(), job, Sound.none(), SPEAKER), f"that of {options.voice}")
        script = read_lips(job, "sound" if options.out_vid_path is None else "own")
        voice, whose = given or _own_voice(script, job)
        LOG.info("voice: %s", whose)

        spoken = folder / _SPOKEN  # it is read again, which an output that is a pipe cannot be
        with job.clock.stage("speech"):
            seconds = write_speech_pieces(spoken, speech_pieces(script, job, voice), rate) / rate
            with atomic_output(options.out) as temporary:
                shutil.copyfile(spoken, temporary)
        if options.save_mel is not None:
            LOG.info("%s: %s", options.save_mel, several(write_mel(options.save_mel, spoken), "column"))
        if options.out_vid_path is not None:
            source = FrameSource(info.source, info.steady_rate)
            _write_video(source, options.out_vid_path, spoken, checkpoint.source.fingerprint, progress)

    LOG.info("%s: %.2f s, %s in '%s'", options.out, seconds, several(len(script.utterances), "utterance"), language)
    made = Made(
        version=__version__,
        output=str(options.out),
        duration_s=seconds,
        models=tuple(ModelUsed(part, fingerprint) for part, fingerprint in models.fingerprints.items()),
        settings=settings_as_json(options, *_SETTINGS),
        timings=tuple(Timing(name, took) for name, took in job.clock.seconds.items()),
        peak_memory_bytes=peak_memory_bytes(),
    )
    own_or_file = "own" if options.voice is None else VoiceFile(str(options.voice))
    speakers = tuple(replace(speaker, voice=own_or_file) for speaker in script.speakers)
    return replace(script, speakers=speakers, notes=info.notes, made=made)


def _language(asked: str | None, checkpoint: RendererCheckpoint) -> str:
    """Return the language to speak: the given one, else the only one with a voice, else that of a bundle's clips."""
    if asked is not None:
        return asked
    if len(checkpoint.languages) == 1:
        return checkpoint.languages[0]
    bundle = bundle_of(checkpoint.source.path)
    learnt = None if bundle is None else bundle.languages
    if learnt is None or learnt[0] not in checkpoint.languages:
        raise UsageError("say which language is spoken", expected=f"--from {'|'.join(checkpoint.languages) or 'LANG'}")
    return learnt[0]


def _own_voice(script: Script, job: Job) -> tuple[SpeakerVoice, str]:
    """Return the voice in the video's own sound, else a neutral one, and its origin in words."""
    neutral = neutral_voice(job.models.vocoder.speaker_dim)
    if not job.info.has_audio:
        return neutral, "neutral, as the video has no sound and no --voice is given"
    try:
        sound = sound_of(job.info, job.digest, job.store, job.progress)
        return voice_for(script, job, sound, SPEAKER), "that of the video's own sound"
    except NoSpeechError:
        return neutral, "neutral, as the video's sound has too little speech and no --voice is given"


def _write_video(source: FrameSource, out: Path, speech: Path, made_by: str, progress: Progress) -> None:
    """Write the frames of a video as they are, with other speech."""
    info = source.info
    frames = track((frame.rgb for frame in source), "video", progress, len(source))
    sound, carried = speech_as_it_is(speech, info.duration_s), PassthroughMetadata(info.source, Fraction, info.duration_s)
    with VideoFormat.of(info, source.rate).writer(
        out, sound, comment=synthetic_comment("speech", [made_by]), carried=carried
    ) as writer:
        write_in_step(writer, frames, sound)


# Lips to units to speech: the steps of a dub over a face alone


class _LipTimed(Unspoken):
    """The schedule of speech that takes the time of the lips."""

    without_face = "there must be a face whose lips can be read"


def speak_lips(video: AnySource, models: Models, voice: SpeakerVoice, face: str = "auto", progress: Progress = silent) -> Samples:
    """Return speech from the lips of a video, float32 [S] at 16 kHz, as long as the video, with silence where the mouth rests or is
    out of sight. Raises MediaError, NoFaceError or NoSpeechError."""
    info = require_moving_lips(video)
    with private_folder() as folder:
        asked = DubOptions(face=face, modalities="video")
        job = Job.to_understand(info, models, UnitRoad(), asked, _LipTimed(), Store(folder), progress)
        pieces = list(speech_pieces(read_lips(job), job, voice))
    return resample(np.concatenate(pieces), rate_of(models.vocoder), SAMPLE_RATE)


def read_lips(job: Job, schedule: Schedule = "sound") -> Script:
    """Return the script of what the lips of a video say: the utterances in which they move, each with its units, which take its
    time. The sound is not used. schedule: of the script.

    Raises NoFaceError, and NoSpeechError for lips at rest.
    """
    info, target = job.info, job.languages[1]
    recording = Recording(info, shots=kept_shots(info, info.duration_s, job.store, job.digest, job.progress))
    whole = Utterance(1, Interval(0.0, _seconds(len(job.source))))
    script = Script(target, target, "ping_pong", media_of(info, job.digest), utterances=(whole,), cuts=recording.shots.cuts)
    job = job.divided(script)
    faces = track_faces(script, job, recording)
    script = assign_speakers(script, job, recording, faces)

    seen, chosen = faces.seen[whole.number], faces.chosen(script.utterances[0])
    numbers, openings = list[int | None]([None] * seen.span.length), np.full(seen.span.length, np.nan)
    for face in chosen:
        numbers[face.first : face.last + 1] = [face.number] * len(face.boxes)
        openings[face.first : face.last + 1] = face.openings
    stretches = spoken_stretches(openings, numbers)
    if not stretches:
        found = f"{several(sum(len(face.boxes) for face in chosen), 'frame')} with the face"
        what, hint = "the lips do not move as those of somebody who speaks", "--face N chooses another face"
        raise NoSpeechError(what, path=info.path, found=found, hint=hint)

    places = (Interval(*map(_seconds, stretch)) for stretch in stretches)
    utterances = tuple(Utterance(number, place, SPEAKER) for number, place in enumerate(places, 1))
    script = replace(script, schedule=schedule, utterances=utterances)
    job = job.divided(script)
    script = job.road.understand(
        script, job, recording.sound, lambda utterance: faces.kept.lips(seen.span, chosen, *stretches[utterance.number - 1])
    )
    return replace(script, utterances=tuple(_in_its_time(utterance, target) for utterance in script.utterances))


def _in_its_time(utterance: Utterance, language: str) -> Utterance:
    """Return an utterance whose own units are spoken in the time of its lips."""
    assert utterance.source_units is not None  # its lips are seen
    place, steps = utterance.place, frames_to_units(frame_at(utterance.place.seconds))
    units = as_units(utterance.source_units.units, language)
    # The encoder may return a step less or more than the lips have.
    frames = units.frames()[:steps]
    every = np.append(frames, np.full(steps - len(frames), frames[-1]))
    timed = UnitList.of(Units.from_frames(every, language, units.vocabulary))
    fit = TimeFit(place, len(timed.ids), place.seconds, place.seconds, durations=timed.durations or ())
    source = replace(utterance.source_units, units=timed)
    return replace(utterance, source_units=source, target=GivenUnits(timed, by="source"), units=timed, fit=fit)


def speech_pieces(script: Script, job: Job, voice: SpeakerVoice) -> Iterator[Samples]:
    """Yield the speech of a script in pieces, float32 [n] at the voice's own rate, together 40 ms for each frame of the video.

    One utterance is held in memory. Raises VocabularyError where the vocoder does not know the encoder's units.
    """
    at, rate = 0, rate_of(job.models.vocoder)
    synthesizer = replace(synthesizer_of(script, job, Sound.none()), voice_of=lambda name: voice)
    for utterance in track(script.utterances, "speech", job.progress, len(script.utterances)):
        first = frame_at(utterance.place.start_s)
        yield from _silence(first - at, rate)
        yield synthesizer.speak(utterance).samples
        at = frame_at(utterance.place.end_s)
    yield from _silence(len(job.source) - at, rate)


def _silence(num_frames: int, rate: int) -> Iterator[Samples]:
    for start in range(0, num_frames, _PIECE_FRAMES):
        yield np.zeros(seconds_to_samples(frames_to_seconds(min(_PIECE_FRAMES, num_frames - start)), rate), np.float32)


def require_moving_lips(video: AnySource) -> MediaInfo:
    """Return the facts of a video. Raises MediaError where it has no frames, InputError where it has only one."""
    info = probe(video)
    if not info.has_video:
        raise MediaError("it has sound only: lip-to-speech needs a face", path=info.path, expected="a video", found="no video")
    if info.num_frames < 2:
        raise InputError("this is a still image, which says nothing", path=info.path, hint="netflips portrait makes one talk")
    return info


def spoken_stretches(openings: Doubles, track_numbers: Sequence[int | None]) -> list[Stretch]:
    """Return the utterances of a face, in order and without overlap, none longer than suits the models (12 s).

    openings: of the mouth in each frame at 25 fps, float64 [T]. track_numbers: of the face in each frame; None = not in the frame.
    """
    total = len(openings)
    movement = np.zeros(total)
    spans, borders = list[Interval](), list[float]()

    for first, last in _runs(track_numbers):
        mean, square = _mean(openings[first:last]), _mean(np.square(openings[first:last]))
        # At least 0: rounding may leave a variance just below it.
        movement[first:last] = np.sqrt(np.maximum(square - np.square(mean), 0))  # standard deviation around each frame
        borders.append(_seconds(first))
        moving = [None if moved < _LEAST_MOVING else 0 for moved in movement[first:last]]
        for a, b in _runs(moving):
            is_at_end = a == 0 or b == last - first
            if b - a >= _SHORTEST - is_at_end * (_WINDOW // 2):
                spans.append(Interval(_seconds(max(first, first + a - _AROUND)), _seconds(min(first + b + _AROUND, last))))

    def quietest(start_s: float, end_s: float) -> float:
        start = frame_at(start_s)
        return _seconds(start + int(np.argmin(movement[start : max(frames_covering(end_s), start + 1)])))

    found, before = list[Stretch](), 0
    for start_s, end_s in cut_utterances(spans, _seconds(total), borders, quietest=quietest):
        first, last = max(frame_at(start_s), before), min(frames_covering(end_s), total)
        if last > first:
            found.append((first, last))
            before = last
    return found


def _runs(values: Sequence[int | None]) -> Iterator[Stretch]:
    """Yield the stretches of one value other than None; some are adjacent."""
    changes = [0, *(place + 1 for place, (one, other) in enumerate(pairwise(values)) if one != other), len(values)]
    yield from ((first, last) for first, last in pairwise(changes) if first < last and values[first] is not None)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centred moving average, float64 of the same shape [frames]; at the ends, the mean of the values there are."""
    kernel = np.ones(min(_WINDOW, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _seconds(frame: int) -> float:
    return float(frames_to_seconds(frame))


# What is written beside it


def write_mel(path: Path, speech: Path) -> int:
    """Write the mel spectrogram of a file, read at 16 kHz, as `mel`, float32 [80, T], T = samples / 160; returns T.

    The sound is scaled to a peak of 0.9, and high frequencies are raised (pre-emphasis 0.97). A column is the natural logarithm of
    the magnitudes, 1e-5 or more, of the 640 samples around it (Hann), in 80 bands from 55 to 7,500 Hz. Only a stretch of the sound
    is held in memory.
    """
    peak = max((float(np.abs(block).max(initial=0)) for block in iter_speech_blocks(speech)), default=0.0)
    gain = np.float32(_PEAK / peak if peak > 0 else 1.0)
    filters, window = slaney_filters(MELS, WINDOW, SAMPLE_RATE, _MOST_HZ, _LEAST_HZ), torch.hann_window(WINDOW)
    edge, before = np.zeros(WINDOW // 2, np.float32), np.zeros(1, np.float32)

    with atomic_output(path) as temporary, private_folder(parent=temporary.parent) as folder:
        raw, stored = folder / "sound.f32", folder / "mel.npy"
        with raw.open("wb") as file:
            # Half a window of silence before and behind the sound: each column is centred on its samples.
            file.write(edge.tobytes())
            for block in iter_speech_blocks(speech):
                scaled = np.append(before, block * gain).astype(np.float32)
                file.write((scaled[1:] - np.float32(_EMPHASIS) * scaled[:-1]).tobytes())
                before = scaled[-1:]
            file.write(edge.tobytes())

        sound = np.memmap(raw, np.float32, "r")
        total = (len(sound) - WINDOW) // HOP
        mel = np.lib.format.open_memmap(stored, "w+", np.float32, (MELS, total))  # type: ignore[no-untyped-call]
        for first in range(0, total, _COLUMNS):
            last = min(first + _COLUMNS, total)
            piece = torch.from_numpy(np.array(sound[first * HOP : (last - 1) * HOP + WINDOW]))
            magnitudes = torch.fft.rfft(piece.unfold(0, WINDOW, HOP) * window).abs().T
            mel[:, first:last] = torch.log((filters @ magnitudes).clamp(min=_FLOOR)).numpy()
        mel.flush()
        del mel
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.write(stored, stored.name)
    return total
