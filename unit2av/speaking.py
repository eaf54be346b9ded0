"""The work of `unit2av.inference_unit2a` and `unit2av.inference_unit2av`: units of a file, spoken in a voice or by a face."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.checkpoints.vocoder_files import read_unit_item
from avcore.command import LOG
from avcore.compute.threads import frames_at_once
from avcore.contracts import Voice
from avcore.errors import InputError, NoFaceError, NoSpeechError
from avcore.faces.boxes import read_boxes_for
from avcore.faces.find import find_faces
from avcore.faces.geometry import MOUTH_HIDDEN, MouthsToDraw, mouths_in_boxes
from avcore.faces.select import parse_face_choice
from avcore.files import check_files, private_folder, require_file, require_place
from avcore.flags import declared_in
from avcore.media import QUICK, FrameSource, VideoWriter, read_speech, write_speech_pieces
from avcore.media.tracks import select_tracks
from avcore.media.writer import synthetic_comment
from avcore.notes import report_note, several
from avcore.progress import Progress, bars, track
from avcore.texts import read_json
from avcore.timeline import FRAME_RATE, units_to_seconds
from avcore.units import Units, from_reference_codes, normalise_language, read_unit_file, units_of
from unit2av.inference_options import RenderOptions, SpeakOptions
from unit2av.lipsync.backend import resolve_backend
from unit2av.renderer import BATCH_FRAMES, LipRenderer
from unit2av.rendering import (
    Reason,
    counted,
    drawn,
    faces_by_index,
    opened_lip_sync,
    ping_pong_frames,
    ping_pong_indices,
    prepared_talks,
    write_in_step,
)
from unit2av.speaker import encoder_for, read_voice
from unit2av.stage import RENDERER, open_training_checkpoint
from unit2av.voice.speech import PIECE_STEPS, UnitVocoder, pieces_at_own_rate

_ITEM_SUFFIX = "_preprocessed"


def speak_file(options: SpeakOptions) -> None:
    """Speak units of a text file in the voice of a recording."""
    path = checkpoint_or_bundle(options.unit2av_path, RENDERER)
    assert options.units is not None  # as the options say
    assert options.voice is not None
    assert options.out is not None
    given, out = options.voice, options.out

    codes = read_unit_file(options.units)
    language = normalise_language(options.to)
    device = options.device
    vocoder = UnitVocoder.from_checkpoint(path, language, device, options.precision, options.vocoder_unit_offset)
    units = Units.from_frames(codes[codes >= 0], language) if not options.durations else from_reference_codes(codes, language)

    voice = read_voice(given, lambda: encoder_for(vocoder, options.speaker_encoder_path, device))
    with units_of(options.units):
        _speak(vocoder, units, voice, out, options)


def speak_item(options: SpeakOptions) -> None:
    """Speak the frame-level units and the voice of one .pt file with a training checkpoint."""
    assert options.input_file is not None  # as the options say
    assert options.checkpoint is not None
    stem = options.input_file.stem
    step = options.checkpoint.stem.removeprefix("g_")
    out = options.output_folder / f"{stem[: -len(_ITEM_SUFFIX)]}_{step}step.wav"
    check_files(declared_in(options), writes={"the output wav": out})

    item = read_unit_item(options.input_file)
    checkpoint = open_training_checkpoint(options.checkpoint, options.to, _read_settings(options.config))
    vocoder = UnitVocoder.from_checkpoint(checkpoint, options.to, options.device, options.precision, options.vocoder_unit_offset)
    require_place(out, "the output wav")
    units = Units.from_frames(item.codes, vocoder.language)
    with units_of(options.input_file):
        _speak(vocoder, units, item.speaker, out, options)


def _speak(vocoder: UnitVocoder, units: Units, voice: Any, out: Path, options: SpeakOptions) -> None:
    timed = units if units.durations is not None else vocoder.predict_durations(units, 1 / options.speed)
    with bars(options.quiet) as progress:
        pieces = track(pieces_at_own_rate(vocoder, timed, voice), "speech", progress, -(-timed.num_steps // PIECE_STEPS))
        write_speech_pieces(out, pieces, vocoder.rate)
    LOG.info("%s: %s, %.2f s of speech", out, several(len(timed), "unit"), units_to_seconds(timed.num_steps))


def _read_settings(path: Path | None) -> dict[str, Any]:
    """Read the sizes that tensors don't show from a published config.json; without a file, return the published sizes."""
    if path is None:
        return {}
    content = read_json(require_file(path, "the vocoder's configuration"), "the vocoder's configuration")
    if not isinstance(content, dict):
        raise InputError("the configuration is not a JSON object", path=path, found=type(content).__name__)

    names = {"upsample_rates": "upsample_rates", "resblock_dilation_sizes": "dilations"}
    return {own: content[name] for name, own in names.items() if name in content}


def speak_and_draw(options: RenderOptions) -> None:
    """Render the units of a file as published: speech and lips. Raises NetflipsError for files that cannot be used."""
    checkpoint = checkpoint_or_bundle(options.unit2av_path, RENDERER)
    backend = resolve_backend(options.lips, checkpoint)
    out = options.out
    source = FrameSource(select_tracks(options.video))
    language, offset = normalise_language(options.to), options.vocoder_unit_offset
    vocoder = UnitVocoder.from_checkpoint(checkpoint, language, options.device, options.precision, offset)
    draws_lips = cache(lambda: LipRenderer.from_checkpoint(checkpoint, options.device, options.precision))
    if backend.uses_renderer:
        draws_lips()  # refused before faces are looked for

    comment = synthetic_comment(vocoder.language, [vocoder.fingerprint])
    info = source.info
    writer = VideoWriter(
        out, info.width, info.height, FRAME_RATE, vocoder.rate, comment=comment, **QUICK,
        pixel_aspect=info.pixel_aspect, is_bt709=info.is_bt709,
    )  # fmt: skip

    units = timed_units(options, vocoder)
    if options.voice is None and not source.info.has_audio:
        raise NoSpeechError(
            "the video has no sound to take the voice from", path=source.path, hint="give a voice with --voice x.wav or x.npy"
        )
    given = options.voice or source.info.source
    speaker = read_voice(given, lambda: encoder_for(vocoder, options.speaker_encoder_path, options.device))

    order = ping_pong_indices(source, units)
    total, counts = len(order), Counter[int]()
    with bars(options.quiet) as progress:
        # Faces are looked for only as far as the loop shows the footage.
        mouths = _mouths(options, source, min(order[0] + total, len(source)), progress)
        choice, batch = options.lips, frames_at_once(info.width, info.height, BATCH_FRAMES)
        opened = opened_lip_sync(choice, checkpoint, options.device, options.precision, draws_lips, batch)
        with opened as lip_sync, private_folder() as folder, writer, units_of(options.units):
            speech = pieces_at_own_rate(vocoder, units, speaker)
            shown, sound = ping_pong_frames(lip_sync, units, speech, vocoder.rate, source, faces_by_index(mouths))
            found = prepared_talks(lip_sync, shown, folder, _raise)
            moved = counted(drawn(lip_sync, shown(), found), counts)
            write_in_step(writer, track((one.rgb for one in moved), "lips", progress, total), sound)

    if writer.grew:
        LOG.info("%s: grew to %dx%d, because H.264 needs even sides", out, writer.out_width, writer.out_height)

    num_faces, num_hidden = sum(mouths.boxes[index] is not None for index in order), counts[Reason.HIDDEN]
    if num_hidden:
        report_note(MOUTH_HIDDEN(count=num_hidden, total=total), source.path)
    if mouths.note is not None:
        report_note(mouths.note, source.path)

    length = units_to_seconds(units.num_steps)
    figures = (out, several(len(units), "unit"), length, several(total, "frame"), num_faces, lip_sync.name)
    LOG.info("%s: %s, %.2f s, %s, %d of them with the face, lips by %s", *figures)


def _raise(_: int, error: InputError) -> None:
    raise error


def timed_units(options: RenderOptions, vocoder: Voice) -> Units:
    """Return the units of a file with durations. Raises InputError, and UnitError for units that the voice does not have."""
    codes = read_unit_file(options.units)
    with units_of(options.units):
        if not options.durations:
            return Units.from_frames(codes[codes >= 0], vocoder.language)
        return vocoder.predict_durations(from_reference_codes(codes, vocoder.language), 1 / options.speed)


def _mouths(options: RenderOptions, source: FrameSource, num_frames: int, progress: Progress) -> MouthsToDraw:
    """Return the mouths to draw in the first frames of the source, in given boxes or in those of faces that are found."""
    if options.in_bbox_path is not None:
        boxes = read_boxes_for(source, options.in_bbox_path)
        size = source.info.height, source.info.width
        return MouthsToDraw.of(boxes) if options.hard_paste else mouths_in_boxes(boxes, size)

    speech = read_speech(source.info.source) if source.info.has_audio else None
    frames = source.frames(0, num_frames)
    try:
        choice = parse_face_choice(options.face)
        found = find_faces(frames, choice, speech, progress, num_frames, source.path, source.info.pixel_aspect)
    except NoFaceError as error:
        hint = "give --in-bbox-path, or use inference_unit2a for the speech alone"
        raise NoFaceError(error.what, path=error.path, found=error.found, hint=hint) from error
    return found.mouths
