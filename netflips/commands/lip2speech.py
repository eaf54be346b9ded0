"""Lip-to-speech: speech for silent lips. The units of each utterance's lips are spoken in the time that they took, in the voice of
the person or of somebody else."""

import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from av2unit.sources import VIDEO
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Doubles, Samples
from avcore.checkpoints.bundle import bundle_of
from avcore.command import LOG
from avcore.compute.memory import peak_memory_bytes
from avcore.contracts import Extractor, SpeakerVoice, Speech, Voice
from avcore.errors import InputError, MediaError, Message, NoFaceError, NoSpeechError, UsageError
from avcore.faces.select import MIN_VARIATION, FaceChoice, choose_tracks, parse_face_choice
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
from avcore.progress import Progress, StageClock, bars, silent, track
from avcore.speech.audio import resample
from avcore.timeline import (
    SAMPLE_RATE,
    frame_at,
    frames_covering,
    frames_to_seconds,
    frames_to_units,
    samples_to_seconds,
    seconds_to_samples,
)
from avcore.units import Units
from netflips.commands.options import LipSpeechCommand
from netflips.dubbing.begin import media_of
from netflips.dubbing.job import digest_of
from netflips.dubbing.options import settings_as_json
from netflips.dubbing.recording import Recording, sound_of
from netflips.dubbing.roads.units import as_units
from netflips.dubbing.segmentation import Span, cut_utterances
from netflips.dubbing.shots import kept_shots
from netflips.dubbing.store import Store, work_beside
from netflips.dubbing.track_faces import Face, FaceSearch, FrameSpan, KeptFaces
from netflips.dubbing.video_format import VideoFormat, speech_as_it_is
from netflips.model_paths import paths_asked
from netflips.models import Models, models_when_asked
from netflips.script.targets import GivenUnits, UnitList
from netflips.script.types import SPEAKER, Made, ModelUsed, Script, SpeakerOf, Timing, VoiceFile
from netflips.script.utterance import SourceUnits, TimeFit, TimeSpan, Utterance
from netflips.version import __version__
from unit2av.rendering import write_in_step
from unit2av.speaker import neutral_voice, read_voice, slaney_filters, voice_of
from unit2av.stage import RENDERER, RendererCheckpoint, open_renderer_checkpoint
from unit2av.voice.speech import RENDERING, pieces_at_own_rate, rate_of

_SETTINGS = ("source", "voice", "face", "audio_track", "device", "precision")
"""Options that the script records."""
_MEL, _STORED, _SPOKEN, _SPOKEN_LIPS = ".npz", (".npy", ".npz"), "speech.wav", "spoken_lips"
_ENOUGH, _LEAST = seconds_to_samples(20), seconds_to_samples(1)
"""Samples of speech that a voice is taken from, and the least it needs."""
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
    clock, checkpoint = StageClock(), open_renderer_checkpoint(paths.unit2av)
    language = _language(options.source, checkpoint)
    models = models_when_asked(paths, options, language)
    vocoder, units = models.vocoder, list[UnitList]()

    with (
        bars(options.quiet) as progress,
        private_folder() as folder,
        work_beside(options.out, options.work_dir, info.duration_s) as store,
    ):
        digest = digest_of(info)
        voice, whose = _voice(options, info, models, store, digest)
        LOG.info("voice: %s", whose)

        spoken = folder / _SPOKEN  # it is read again, which an output that is a pipe cannot be
        with clock.stage("faces"):
            lips = see_lips(info, parse_face_choice(options.face), KeptFaces(store, digest), progress)
        with clock.stage("speech"):
            made_by = vocoder.language, str(vocoder.unit_offset), str(RENDERING)
            made_of, rate = (*models.fingerprints.values(), models.arithmetic, *made_by), rate_of(vocoder)
            pieces = speech_pieces(lips, models.extractor, vocoder, voice, units.append, progress, made_of)
            seconds = write_speech_pieces(spoken, pieces, rate) / rate
            with atomic_output(options.out) as temporary:
                shutil.copyfile(spoken, temporary)
        if options.save_mel is not None:
            LOG.info("%s: %s", options.save_mel, several(write_mel(options.save_mel, spoken), "column"))
        if options.out_vid_path is not None:
            source = FrameSource(info.source, info.steady_rate)
            _write_video(source, options.out_vid_path, spoken, checkpoint.source.fingerprint, progress)

    LOG.info("%s: %.2f s, %s in '%s'", options.out, seconds, several(len(units), "utterance"), vocoder.language)
    return Script(
        source=language,
        target=language,
        schedule="sound" if options.out_vid_path is None else "own",
        media=media_of(info, digest),
        cuts=lips.cuts,
        notes=info.notes,
        speakers=(SpeakerOf(SPEAKER, "own" if options.voice is None else VoiceFile(str(options.voice)), options.face),),
        utterances=tuple(_utterance(k, *one) for k, one in enumerate(zip(lips.utterances, units, strict=True), 1)),
        made=Made(
            version=__version__,
            output=str(options.out),
            duration_s=seconds,
            models=tuple(ModelUsed(part, fingerprint) for part, fingerprint in models.fingerprints.items()),
            settings=settings_as_json(options, *_SETTINGS),
            timings=tuple(Timing(name, took) for name, took in clock.seconds.items()),
            peak_memory_bytes=peak_memory_bytes(),
        ),
    )


def _utterance(number: int, frames: Stretch, units: UnitList) -> Utterance:
    """Return the utterance of a stretch of frames with its units, as it is spoken."""
    place = TimeSpan(*map(_seconds, frames))
    return Utterance(
        number=number,
        place=place,
        speaker=SPEAKER,
        source_units=SourceUnits(units, VIDEO),
        target=GivenUnits(units, by="source"),
        units=units,
        fit=TimeFit(place, len(units.ids), place.seconds, place.seconds, durations=units.durations or ()),
    )


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


def _voice(options: LipSpeechCommand, info: MediaInfo, models: Models, store: Store, digest: str) -> tuple[SpeakerVoice, str]:
    """Return the voice to speak in, and its origin in words: from --voice, else from the video's own sound, else neutral.

    Raises what `read_voice` raises, and NoSpeechError for a recording shorter than 1 s.
    """
    given, dim = options.voice, models.vocoder.speaker_dim
    if given is not None:
        is_sound = given.suffix.lower() not in _STORED and given.is_file()
        if is_sound and (length := probe(given).duration_s) < samples_to_seconds(_LEAST):
            expected, found = "1 s of speech or more", f"{float(length):.2f} s"
            raise NoSpeechError("the voice is too short", path=given, expected=expected, found=found)
        return read_voice(given, lambda: models.speaker_encoder), f"that of {given}"

    if not info.has_audio:
        return neutral_voice(dim), "neutral, as the video has no sound and no --voice is given"
    sound = sound_of(info, digest, store, silent)
    spoken = np.concatenate([np.zeros(0, np.float32), *(sound.between(*one) for one in sound.regions)])[:_ENOUGH]
    if len(spoken) < _LEAST:
        return neutral_voice(dim), "neutral, as the video's sound has too little speech and no --voice is given"
    seconds = float(samples_to_seconds(len(spoken)))
    return voice_of(spoken, models.speaker_encoder), f"that of the video's own sound, {seconds:.1f} s of it"


def _write_video(source: FrameSource, out: Path, speech: Path, made_by: str, progress: Progress) -> None:
    """Write the frames of a video as they are, with other speech."""
    info = source.info
    frames = track((frame.rgb for frame in source), "video", progress, len(source))
    sound, carried = speech_as_it_is(speech, info.duration_s), PassthroughMetadata(info.source, Fraction, info.duration_s)
    with VideoFormat.of(info, source.rate).writer(
        out, sound, comment=synthetic_comment("speech", [made_by]), carried=carried
    ) as writer:
        write_in_step(writer, frames, sound)


# Lips to units to speech


@dataclass(frozen=True, eq=False)
class ReadLips:
    """The lips that are read, frame by frame at 25 fps, and when they speak."""

    kept: KeptFaces
    """where the lips are"""
    span: FrameSpan
    """all its frames"""
    face: tuple[Face, ...]
    """the tracks of the face, which do not overlap in time"""
    cuts: tuple[float, ...] = ()
    """times (s) of the frames that begin a new shot"""

    @cached_property
    def track_numbers(self) -> list[int | None]:
        """The track of each frame's face, None where it is not in the frame."""
        numbers: list[int | None] = [None] * self.span.length
        for one in self.face:
            numbers[one.first : one.last + 1] = [one.number] * len(one.boxes)
        return numbers

    @cached_property
    def openings(self) -> Doubles:
        """The opening of the mouth in each frame, float64 [T]; NaN where the face is not in the frame."""
        openings = np.full(self.span.length, np.nan)
        for one in self.face:
            openings[one.first : one.last + 1] = one.openings
        return openings

    @cached_property
    def utterances(self) -> list[Stretch]:
        """The stretches in which the lips speak."""
        return spoken_stretches(self.openings, self.track_numbers)

    def between(self, first: int, last: int) -> NDArray[np.uint8]:
        """Return the lips of frames `first` to `last` - 1, uint8 [T, 96, 96]."""
        return self.kept.lips(self.span, self.face, first, last)


def speak_lips(
    video: AnySource,
    vocoder: Voice,
    extractor: Extractor,
    speaker: SpeakerVoice | Samples,
    face: FaceChoice = "auto",
    progress: Progress = silent,
) -> Speech:
    """Return speech from the lips of a video, as long as the video, with silence where the mouth rests or is out of sight.

    speaker: the voice, float32 [E], or a voice with its pitch. Returns all samples (float32 [S] at 16 kHz), and the units of the
    utterances with their durations, without the pauses between them. Raises MediaError, NoFaceError or NoSpeechError as `see_lips`
    does.
    """
    info, spoken = require_moving_lips(video), list[UnitList]()
    with private_folder() as folder:
        lips = see_lips(info, face, KeptFaces(Store(folder), digest_of(info)), progress)
        pieces = list(speech_pieces(lips, extractor, vocoder, speaker, spoken.append, progress))
    frames = np.concatenate([as_units(one, vocoder.language).frames() for one in spoken])
    samples = resample(np.concatenate(pieces), rate_of(vocoder), SAMPLE_RATE)
    return Speech(samples, Units.from_frames(frames, vocoder.language, spoken[0].vocabulary))


def see_lips(info: MediaInfo, face: FaceChoice, kept: KeptFaces, progress: Progress = silent) -> ReadLips:
    """Return the lips that are read, and when they speak. The sound is not used.

    Raises NoFaceError, and NoSpeechError for lips at rest.
    """
    total = len(FrameSource(info.source))
    shots = kept_shots(info, info.duration_s, kept.store, kept.digest, progress)
    span, recording = FrameSpan(0, total, total), Recording(info, shots=shots)
    (seen,) = FaceSearch(recording, total, kept).find({1: span}, (1,), progress).values()
    chosen = choose_tracks(list(seen.faces), face)
    if not chosen:
        what = Message("there is no face number {face} in any shot", face=face) if seen.faces else "no face was found in any frame"
        hint = "try --face auto" if seen.faces else "there must be a face whose lips can be read"
        raise NoFaceError(what, path=info.path, found=several(total, "frame"), hint=hint)

    lips = ReadLips(kept, span, tuple(chosen), shots.cuts)
    if not lips.utterances:
        raise NoSpeechError(
            "the lips do not move as those of somebody who speaks",
            path=info.path,
            found=f"{several(sum(len(one.boxes) for one in chosen), 'frame')} with the face",
            hint="--face N chooses another face",
        )
    return lips


def require_moving_lips(video: AnySource) -> MediaInfo:
    """Return the facts of a video. Raises MediaError where it has no frames, InputError where it has only one."""
    info = probe(video)
    if not info.has_video:
        raise MediaError("it has sound only: lip-to-speech needs a face", path=info.path, expected="a video", found="no video")
    if info.num_frames < 2:
        raise InputError("this is a still image, which says nothing", path=info.path, hint="netflips portrait makes one talk")
    return info


class _Spoken(NamedTuple):
    units: UnitList
    samples: Samples


def speech_pieces(
    lips: ReadLips,
    extractor: Extractor,
    vocoder: Voice,
    speaker: SpeakerVoice | Samples,
    take: Callable[[UnitList], object],
    progress: Progress = silent,
    made_of: tuple[str, ...] = (),
) -> Iterator[Samples]:
    """Yield the speech of a face in pieces, float32 [n] at the voice's own rate, together 40 ms for each frame.

    One utterance is held in memory. take: called with the units of each utterance. made_of: what utterances depend on beside lips
    and voice, under which they are kept. Raises VocabularyError where the vocoder does not know the encoder's units.
    """
    at, rate = 0, rate_of(vocoder)
    voice = (speaker.vector, str(speaker.pitch)) if isinstance(speaker, SpeakerVoice) else (speaker,)
    for first, last in track(lips.utterances, "speech", progress, len(lips.utterances)):
        crops, steps = lips.between(first, last), frames_to_units(last - first)

        # Defaults hold the values of this turn of the loop.
        def speak(crops: NDArray[np.uint8] = crops, steps: int = steps) -> _Spoken:
            units = extractor.extract(None, crops)
            frames = units.frames()[:steps]
            # The encoder may return a step less or more than the lips have.
            every = np.append(frames, np.full(steps - len(frames), frames[-1]))
            timed = Units.from_frames(every, units.language, units.vocabulary)
            return _Spoken(UnitList.of(timed), np.concatenate(list(pieces_at_own_rate(vocoder, timed, speaker))))

        found = lips.kept.store.kept(_Spoken, _SPOKEN_LIPS, (crops, *voice, rate, *made_of), speak)
        take(found.units)
        yield from _silence(first - at, rate)
        yield found.samples
        at = last
    yield from _silence(lips.span.length - at, rate)


def _silence(num_frames: int, rate: int) -> Iterator[Samples]:
    for start in range(0, num_frames, _PIECE_FRAMES):
        yield np.zeros(seconds_to_samples(frames_to_seconds(min(_PIECE_FRAMES, num_frames - start)), rate), np.float32)


def spoken_stretches(openings: Doubles, track_numbers: Sequence[int | None]) -> list[Stretch]:
    """Return the utterances of a face, in order and without overlap, none longer than suits the models (12 s).

    openings: of the mouth in each frame at 25 fps, float64 [T]. track_numbers: of the face in each frame; None = not in the frame.
    """
    total = len(openings)
    movement = np.zeros(total)
    spans, borders = list[Span](), list[float]()

    for first, last in _runs(track_numbers):
        mean, square = _mean(openings[first:last]), _mean(np.square(openings[first:last]))
        # At least 0: rounding may leave a variance just below it.
        movement[first:last] = np.sqrt(np.maximum(square - np.square(mean), 0))  # standard deviation around each frame
        borders.append(_seconds(first))
        moving = [None if moved < _LEAST_MOVING else 0 for moved in movement[first:last]]
        for a, b in _runs(moving):
            is_at_end = a == 0 or b == last - first
            if b - a >= _SHORTEST - is_at_end * (_WINDOW // 2):
                spans.append((_seconds(max(first, first + a - _AROUND)), _seconds(min(first + b + _AROUND, last))))

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
    duration = seconds_to_samples(probe(speech).duration_s)
    peak = max((float(np.abs(block).max(initial=0)) for block in iter_speech_blocks(speech)), default=0.0)
    total = duration // HOP

    with atomic_output(path) as temporary, private_folder(parent=temporary.parent) as folder:
        stored = folder / "mel.npy"
        mel = np.lib.format.open_memmap(stored, "w+", np.float32, (MELS, total))  # type: ignore[no-untyped-call]
        at = 0
        for columns in _columns(speech, _PEAK / peak if peak > 0 else 1.0, total):
            mel[:, at : at + columns.shape[1]] = columns
            at += columns.shape[1]
        mel.flush()
        del mel
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.write(stored, stored.name)
    return total


def _columns(speech: Path, gain: float, total: int) -> Iterator[Samples]:
    """Yield the columns of a file, float32 [80, n], `total` in all."""
    filters = slaney_filters(MELS, WINDOW, SAMPLE_RATE, _MOST_HZ, _LEAST_HZ)
    window = torch.hann_window(WINDOW)
    edge = WINDOW // 2

    # Half a window of silence before and behind the sound: each column is centred on its samples.
    held, done = np.zeros(edge, np.float32), 0
    for block in _emphasised(speech, gain, edge):
        held = np.append(held, block)
        while (
            done < total
            and (ready := min((len(held) - WINDOW) // HOP + 1, total - done)) > 0
            and (ready >= _COLUMNS or ready == total - done)
        ):
            count = min(ready, _COLUMNS)
            frames = torch.from_numpy(held[: (count - 1) * HOP + WINDOW].copy()).unfold(0, WINDOW, HOP)
            magnitudes = torch.fft.rfft(frames * window).abs().T
            yield torch.log((filters @ magnitudes).clamp(min=_FLOOR)).numpy()
            held, done = held[count * HOP :], done + count


def _emphasised(speech: Path, gain: float, edge: int) -> Iterator[Samples]:
    """Yield the sound of a file as float32 [n], each sample minus 0.97 of the one before it; then `edge` samples of silence."""
    before = np.zeros(1, np.float32)
    for block in iter_speech_blocks(speech):
        sound = np.append(before, block * np.float32(gain)).astype(np.float32)
        yield sound[1:] - np.float32(_EMPHASIS) * sound[:-1]
        before = sound[-1:]
    yield np.zeros(edge, np.float32)
