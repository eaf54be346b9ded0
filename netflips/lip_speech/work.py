"""The work of `netflips lip2speech`: one file's lips to speech, and what else is asked for of it."""

import argparse
from fractions import Fraction
from pathlib import Path

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import bundle_of, checkpoints_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import LOG, device_name
from avcore.errors import UsageError
from avcore.faces.select import parse_face_choice
from avcore.files import require_file, require_place
from avcore.media import PictureSource, require_media, require_video_name, write_speech_pieces
from avcore.media.carried import CarriedOver
from avcore.outputs import keep_apart
from avcore.plain_text import several
from avcore.progress import Progress, bars, track
from avcore.speech.tracks import settle_track
from avcore.timeline import samples_to_seconds
from netflips.lip_speech.mel import write_mel
from netflips.lip_speech.speaking import require_moving_lips, see_lips, speech_pieces
from netflips.lip_speech.voices import choose_voice
from netflips.lipsync.writing import Frame, write_talk
from netflips.stages import load_speaker_encoder, load_unit_encoder, load_voice
from unit2av.model import RendererCheckpoint, open_renderer_checkpoint
from unit2av.stage import RENDERER

_MEL = ".npz"


def speak_video(options: argparse.Namespace) -> None:
    """Speak what the options ask for. Raises NetflipsError for files that cannot be used; then nothing is written."""
    encoder, renderer = _check(options)
    settle_track(options.video)
    info = require_moving_lips(options.video)
    device = device_name(options)
    checkpoint = open_renderer_checkpoint(renderer)
    how = Running(device, options.precision, target=_language(options.lang, checkpoint))
    vocoder = load_voice(renderer, how)
    known = options.speaker_encoder_path
    voice, whose = choose_voice(options.speaker_path, options.video, vocoder.speaker_dim, lambda: load_speaker_encoder(known, how))
    LOG.info("voice: %s", whose)
    extractor = load_unit_encoder(encoder, how)
    with bars(options.quiet) as progress:
        face, utterances = see_lips(options.video, parse_face_choice(options.face), progress)
        samples = write_speech_pieces(options.out_path, speech_pieces(face, utterances, extractor, vocoder, voice, progress))
        if options.save_mel is not None:
            LOG.info("%s: %s", options.save_mel, several(write_mel(options.save_mel, options.out_path), "column"))
        if options.out_vid_path is not None:
            source = PictureSource(options.video, info.steady_rate)
            _write_video(source, options.out_vid_path, options.out_path, checkpoint.source.fingerprint, progress)
    seconds = float(samples_to_seconds(samples))
    LOG.info("%s: %.2f s, %s in '%s'", options.out_path, seconds, several(len(utterances), "utterance"), vocoder.language)


def _check(options: argparse.Namespace) -> tuple[Path, Path]:
    """Find what is wrong with the paths before anything is read; returns the unit encoder and the renderer."""
    require_media(options.video, "the video")
    found = checkpoints_or_bundle({UNIT_ENCODER: options.av2unit_path, RENDERER: options.unit2av_path})
    if options.speaker_path is not None:
        require_file(options.speaker_path, "the voice", hint="--speaker-path takes x.wav, x.npy, x.npz or a video")
    if options.save_mel is not None and options.save_mel.suffix != _MEL:
        raise UsageError(f"the name of a mel spectrogram must end in {_MEL}", found=options.save_mel.name)
    if options.out_vid_path is not None:
        require_video_name(options.out_vid_path)
    inputs = {
        "the video": options.video,
        "the voice": options.speaker_path,
        "the unit encoder": found[UNIT_ENCODER],
        "the renderer": found[RENDERER],
        "the speaker encoder": options.speaker_encoder_path,
    }
    outputs = {
        "the speech": options.out_path,
        "the video with speech": options.out_vid_path,
        "the mel spectrogram": options.save_mel,
    }
    keep_apart(outputs, inputs)
    for what, path in outputs.items():
        if path is not None:
            require_place(path, what)
    return found[UNIT_ENCODER], found[RENDERER]


def _language(asked: str | None, checkpoint: RendererCheckpoint) -> str:
    """The language to speak: the one asked for, else the only one that there is a voice for, else that of a bundle's clips."""
    if asked is not None:
        return asked
    if len(checkpoint.languages) == 1:
        return checkpoint.languages[0]
    bundle = bundle_of(checkpoint.source.path)
    learnt = None if bundle is None else bundle.languages
    if learnt is None or learnt[0] not in checkpoint.languages:
        raise UsageError("say which language is spoken", expected=f"--lang {'|'.join(checkpoint.languages) or 'LANG'}")
    return learnt[0]


def _write_video(source: PictureSource, out: Path, speech: Path, made_by: str, progress: Progress) -> None:
    """The pictures of a video as they are, with other speech."""
    info = source.info
    pictures = track((picture.rgb for picture in source), "video", progress, len(source))
    frame = Frame.of(info, source.rate, CarriedOver(source.path, Fraction, info.duration_s))
    write_talk(out, frame, pictures, speech, info.duration_s, made_by, "speech")
