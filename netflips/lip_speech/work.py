"""The work of `netflips lip2speech`: one file's lips to speech, and what else is asked for of it."""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from av2unit.sources import VIDEO
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import bundle_of, checkpoints_or_bundle
from avcore.command import LOG
from avcore.compute.memory import peak_memory_bytes
from avcore.contracts import Speaker, SpeakerVoice
from avcore.errors import NoSpeechError, UsageError
from avcore.faces.footage import settle_pictures
from avcore.faces.select import parse_face_choice
from avcore.files import atomic_output, private_folder
from avcore.media import PictureSource, iter_speech_blocks, probe, require_media, require_video_name, write_speech_pieces
from avcore.media.carried import CarriedOver
from avcore.media.sound import settle_track
from avcore.media.writer import synthetic_comment
from avcore.notes import several
from avcore.progress import Progress, bars, track
from avcore.speech.voice_activity import find_speech
from avcore.timeline import SAMPLE_RATE, frames_to_seconds, samples_to_seconds, seconds_to_samples
from avcore.units import Units
from netflips.dubbing.begin import media_of
from netflips.dubbing.clock import StageClock
from netflips.dubbing.frame import Frame, speech_as_it_is
from netflips.dubbing.job import digest_of
from netflips.dubbing.options import settings_told
from netflips.lip_speech.speaking import Stretch, require_moving_lips, see_lips, speech_pieces
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import models_when_asked
from netflips.options import LipSpeechOptions
from netflips.script.types import (
    SPEAKER,
    HeardUnits,
    Made,
    ModelUsed,
    Script,
    SpeakerOf,
    TimeFit,
    TimeSpan,
    Timing,
    UnitList,
    UnitsGiven,
    Utterance,
    VoiceFile,
)
from netflips.version import __version__
from unit2av.rendering import write_in_step
from unit2av.speaker import neutral_voice, read_voice, slaney_filters, voice_of
from unit2av.stage import RENDERER, RendererCheckpoint, open_renderer_checkpoint

MELS, HOP, WINDOW = 80, 160, 640
"""Bands, and samples at 16 kHz: from column to column, and that a column is made of."""
_LEAST_HZ, _MOST_HZ = 55.0, 7500.0
_PEAK, _EMPHASIS, _FLOOR = 0.9, 0.97, 1e-5
_COLUMNS = 1000
"""Made at once."""


def write_mel(path: Path, speech: Path) -> int:
    """Write the mel spectrogram of a 16 kHz file as `mel` float32 [80, T], T = samples / 160; returns T.

    The sound's peak is made 0.9 and high tones are lifted (pre-emphasis 0.97); a column is the natural logarithm, from 1e-5 up, of
    the magnitudes in 640 samples about it (Hann), in 80 bands from 55 to 7,500 Hz. A stretch is held at a time.
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
    """Columns of a file, float32 [80, n], `total` of them."""
    filters = slaney_filters(MELS, WINDOW, SAMPLE_RATE, _MOST_HZ, _LEAST_HZ)
    window = torch.hann_window(WINDOW)
    edge = WINDOW // 2
    held, done = np.zeros(edge, np.float32), 0
    for block in _emphasised(speech, gain, edge):
        held = np.append(held, block)
        while (
            done < total
            and (ready := min(_columns_in(len(held)), total - done)) > 0
            and (ready >= _COLUMNS or ready == total - done)
        ):
            count = min(ready, _COLUMNS)
            frames = torch.from_numpy(held[: (count - 1) * HOP + WINDOW].copy()).unfold(0, WINDOW, HOP)
            magnitudes = torch.fft.rfft(frames * window).abs().T
            yield torch.log((filters @ magnitudes).clamp(min=_FLOOR)).numpy()
            held, done = held[count * HOP :], done + count


def _columns_in(samples: int) -> int:
    return 0 if samples < WINDOW else (samples - WINDOW) // HOP + 1


def _emphasised(speech: Path, gain: float, edge: int) -> Iterator[Samples]:
    """Yield the sound of a file as float32 [n], each sample less 0.97 of the one before; silence of `edge` samples at the end."""
    before = np.zeros(1, np.float32)
    for block in iter_speech_blocks(speech):
        sound = np.append(before, block * np.float32(gain)).astype(np.float32)
        yield sound[1:] - np.float32(_EMPHASIS) * sound[:-1]
        before = sound[-1:]
    yield np.zeros(edge, np.float32)


_MEL = ".npz"
_SETTINGS = ("source", "voice", "face", "audio_track", "device", "precision")
"""That a script tells."""


def speak_video(options: LipSpeechOptions) -> Script:
    """Speak what the options ask for; returns what was done.

    Raises NetflipsError for files that cannot be used; then nothing is written.
    """
    require_media(options.video, "the video")
    found = checkpoints_or_bundle({UNIT_ENCODER: options.av2unit_path, RENDERER: options.unit2av_path})
    if options.save_mel is not None and options.save_mel.suffix != _MEL:
        raise UsageError(f"the name of a mel spectrogram must end in {_MEL}", found=options.save_mel.name)
    if options.out_vid_path is not None:
        require_video_name(options.out_vid_path)
    settle_track(options.video, options.audio_track)
    settle_pictures(options.video)
    info = require_moving_lips(options.video)
    paths, clock = ModelPaths.of(found, options.speaker_encoder_path, {}), StageClock()
    checkpoint = open_renderer_checkpoint(paths.unit2av)
    language = _language(options.source, checkpoint)
    models = models_when_asked(paths, RunOptions(options.device, options.precision), language)
    vocoder = models.vocoder
    voice, whose = choose_voice(options.voice, options.video, vocoder.speaker_dim, lambda: models.speaker_encoder)
    LOG.info("voice: %s", whose)
    heard = list[Units]()
    with bars(options.quiet) as progress:
        with clock.stage("faces"):
            face, utterances = see_lips(options.video, parse_face_choice(options.face), progress)
        with clock.stage("speech"):
            pieces = speech_pieces(face, utterances, models.extractor, vocoder, voice, progress, heard.append)
            samples = write_speech_pieces(options.out, pieces)
        if options.save_mel is not None:
            LOG.info("%s: %s", options.save_mel, several(write_mel(options.save_mel, options.out), "column"))
        if options.out_vid_path is not None:
            source = PictureSource(options.video, info.steady_rate)
            _write_video(source, options.out_vid_path, options.out, checkpoint.source.fingerprint, progress)
    seconds = float(samples_to_seconds(samples))
    LOG.info("%s: %.2f s, %s in '%s'", options.out, seconds, several(len(utterances), "utterance"), vocoder.language)
    return Script(
        source=language,
        target=language,
        schedule="sound" if options.out_vid_path is None else "own",
        media=media_of(info, digest_of(info)),
        cuts=tuple(float(frames_to_seconds(cut)) for cut in face.cuts),
        speakers=(SpeakerOf(SPEAKER, "own" if options.voice is None else VoiceFile(str(options.voice)), options.face),),
        utterances=tuple(_utterance(*one) for one in enumerate(zip(utterances, heard, strict=True), 1)),
        made=Made(
            version=__version__,
            output=str(options.out),
            duration_s=seconds,
            models=tuple(ModelUsed(part, fingerprint) for part, fingerprint in models.fingerprints.items()),
            settings=settings_told(options, *_SETTINGS),
            timings=tuple(Timing(name, took) for name, took in clock.seconds.items()),
            peak_memory_bytes=peak_memory_bytes(),
        ),
    )


def _utterance(number: int, said: tuple[Stretch, Units]) -> Utterance:
    """Return what a mouth said in a stretch of the pictures, as it is spoken."""
    (first, last), units = said
    place = TimeSpan(*(float(frames_to_seconds(edge)) for edge in (first, last)))
    listed = UnitList.of(units)
    return Utterance(
        number=number,
        place=place,
        speaker=SPEAKER,
        heard=HeardUnits(listed, VIDEO),
        target=UnitsGiven(listed, by="heard"),
        units=listed,
        fit=TimeFit(place, len(units), place.seconds, place.seconds, durations=listed.durations or ()),
    )


def _language(asked: str | None, checkpoint: RendererCheckpoint) -> str:
    """Return the language to speak: the one asked for, else the only one that there is a voice for, else that of a bundle's
    clips."""
    if asked is not None:
        return asked
    if len(checkpoint.languages) == 1:
        return checkpoint.languages[0]
    bundle = bundle_of(checkpoint.source.path)
    learnt = None if bundle is None else bundle.languages
    if learnt is None or learnt[0] not in checkpoint.languages:
        raise UsageError("say which language is spoken", expected=f"--from {'|'.join(checkpoint.languages) or 'LANG'}")
    return learnt[0]


def _write_video(source: PictureSource, out: Path, speech: Path, made_by: str, progress: Progress) -> None:
    """The pictures of a video as they are, with other speech."""
    info = source.info
    pictures = track((picture.rgb for picture in source), "video", progress, len(source))
    sound, carried = speech_as_it_is(speech, info.duration_s), CarriedOver(source.path, Fraction, info.duration_s)
    with Frame.of(info, source.rate).writer(out, sound, comment=synthetic_comment("speech", [made_by]), carried=carried) as writer:
        write_in_step(writer, pictures, sound)


_WINDOW = seconds_to_samples(30)
"""Samples that are searched for speech at once."""
_ENOUGH, _LEAST = seconds_to_samples(20), seconds_to_samples(1)
"""Samples of speech that a voice is taken from, and that it needs."""
_STORED = (".npy", ".npz")


def choose_voice(given: Path | None, video: Path, speaker_dim: int, encoder: Callable[[], Speaker]) -> tuple[SpeakerVoice, str]:
    """Return the voice to speak in, and in words where it is from.

    given: a recording, a video or a stored voice; None = that of the video's own sound, or neutral if it has none. Raises what
    `read_voice` raises, and NoSpeechError for a recording shorter than 1 s.
    """
    if given is not None:
        if (
            given.suffix.lower() not in _STORED
            and given.is_file()
            and (length := probe(given).duration_s) < samples_to_seconds(_LEAST)
        ):
            raise NoSpeechError(
                "the voice is too short", path=given, expected="1 s of speech or more", found=f"{float(length):.2f} s"
            )
        return read_voice(given, encoder), f"that of {given}"
    if not probe(video).has_audio:
        return neutral_voice(speaker_dim), "neutral, as the video has no sound and no --voice is given"
    spoken = _speech_in(video)
    if len(spoken) >= _LEAST:
        return voice_of(spoken, encoder()), f"that of the video's own sound, {float(samples_to_seconds(len(spoken))):.1f} s of it"
    return neutral_voice(speaker_dim), "neutral, as the video's sound has too little speech and no --voice is given"


def _speech_in(video: Path) -> Samples:
    """Speech of a video's sound, float32 [S] at 16 kHz: the first 20 s, or what there is."""
    found = [np.zeros(0, np.float32)]
    for window in _windows(iter_speech_blocks(video)):
        found += [window[seconds_to_samples(start) : seconds_to_samples(end)] for start, end in find_speech(window)]
        if sum(map(len, found)) >= _ENOUGH:
            break
    return np.concatenate(found)


def _windows(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Blocks put together to pieces of about 30 s."""
    held = list[Samples]()
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= _WINDOW:
            yield np.concatenate(held)
            held.clear()
    if held:
        yield np.concatenate(held)
