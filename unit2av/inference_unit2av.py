"""Say units and show them: `python -m unit2av.inference_unit2av --in-unit-path x.txt --in-vid-path talk.mp4 ...`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avcore.bundle import checkpoint_or_bundle
from avcore.checkpoint_layouts import Kind
from avcore.command import LOG, add_common_options, device_name, run
from avcore.errors import NoFaceError, NoSpeechError, UsageError
from avcore.faces.boxes import FILL_POLICIES
from avcore.faces.crop import Box
from avcore.faces.paste import paste_face, paste_face_hard
from avcore.files import require_writable
from avcore.media import PictureSource, VideoWriter, read_speech
from avcore.pingpong import pingpong
from avcore.progress import Progress, bars
from avcore.provenance import synthetic_comment
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, units_to_seconds
from avcore.unit_files import read_unit_file, units_of
from avcore.units import Ids, Units, from_reference_codes
from avcore.vocabulary import normalise_language
from unit2av.inference_unit2a import unit_offset
from unit2av.model import open_renderer_checkpoint
from unit2av.renderer import LipRenderer
from unit2av.speaker import SpeakerEncoder
from unit2av.speech import SpeakerVoice, UnitVocoder
from unit2av.talking import num_pictures_for, speak_and_show
from unit2av.voice import read_voice


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="unit2av", description="Turn units into a video: a speaker's face and voice saying them.")
    parser.add_argument("--in-unit-path", type=Path, required=True, help="units as text: ids 0..999 with blanks between")
    parser.add_argument(
        "--in-vid-path", type=Path, required=True, help="video of the speaker; played to and fro when it is too short"
    )
    parser.add_argument(
        "--in-bbox-path", type=Path, help="face boxes x.bbox.pkl, one row per picture (default: faces are looked for)"
    )
    parser.add_argument("--out-vid-path", type=Path, required=True, help="the result, mp4")
    parser.add_argument("--tgt-lang", default="ko", help="the language of the units (default: ko)")
    parser.add_argument(
        "--unit2av-path", type=Path, help="unit_av_renderer_withKO.pt or another renderer checkpoint (default: the bundle's)"
    )
    parser.add_argument("--speaker-path", type=Path, help="another voice: x.wav, any sound or video file, or x.npy")
    parser.add_argument("--speaker-encoder-path", type=Path, help="encoder.pt (default: the weights that resemblyzer carries)")
    parser.add_argument(
        "--vocoder-unit-offset", type=unit_offset, default="auto", metavar="N|auto",
        help="row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)",
    )  # fmt: skip
    parser.add_argument("--no-durations", action="store_true", help="the ids are frames of 20 ms already: predict no durations")
    parser.add_argument("--duration-scale", type=float, default=1.0, help="above 1 speaks slower (default: 1)")
    parser.add_argument(
        "--face", default="auto", help="auto (the largest that speaks), largest, or N-th from the left (default: auto)"
    )
    parser.add_argument(
        "--fill-boxes", choices=FILL_POLICIES, default="keep",
        help="pictures without a box in --in-bbox-path: keep them as they are, or take the box before or nearest (default: keep)",
    )  # fmt: skip
    parser.add_argument("--hard-paste", action="store_true", help="paste the whole box without a soft edge, as published")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


@dataclass(frozen=True)
class _Models:
    vocoder: UnitVocoder
    renderer: LipRenderer
    fingerprint: str


def _work(options: argparse.Namespace) -> None:
    checkpoint = checkpoint_or_bundle(options.unit2av_path, Kind.RENDERER)
    out = _output_path(options)
    codes = read_unit_file(options.in_unit_path)
    source = PictureSource(options.in_vid_path)
    models = _load(options, checkpoint)
    comment = synthetic_comment(models.vocoder.language, [models.fingerprint])
    info = source.info
    writer = VideoWriter(out, info.width, info.height, FRAME_RATE, SAMPLE_RATE, comment=comment, pixel_aspect=info.pixel_aspect)
    with units_of(options.in_unit_path):
        units = _timed(options, codes, models.vocoder)
    speaker = _voice(options, source)
    total = num_pictures_for(units)
    with bars(options.quiet) as progress:
        boxes = _boxes(options, source, min(total, len(source)), progress)
        paste = paste_face_hard if options.hard_paste else paste_face
        with writer, units_of(options.in_unit_path):
            speak_and_show(units, speaker, models.vocoder, models.renderer, source, boxes, writer, paste, progress)
    if writer.grew:
        LOG.info("%s: grew to %dx%d, because H.264 needs even sides", out, writer.out_width, writer.out_height)
    num_faces = sum(boxes[pingpong(step, len(boxes))] is not None for step in range(total))
    length = units_to_seconds(units.num_steps)
    LOG.info("%s: %d units, %.2f s, %d pictures, %d of them with the face", out, len(units), length, total, num_faces)


def _output_path(options: argparse.Namespace) -> Path:
    out = require_writable(options.out_vid_path, "the output video")
    inputs = (
        options.in_unit_path, options.in_vid_path, options.in_bbox_path, options.unit2av_path, options.speaker_path,
        options.speaker_encoder_path,
    )  # fmt: skip
    if out.resolve() in [path.resolve() for path in inputs if path is not None]:
        raise UsageError("the output is one of the inputs", found=out, hint="choose another --out-vid-path")
    return out


def _load(options: argparse.Namespace, path: Path) -> _Models:
    """Load both halves; the checkpoint itself is let go, so that its weights are in memory once."""
    language, device = normalise_language(options.tgt_lang), device_name(options)
    checkpoint = open_renderer_checkpoint(path)
    vocoder = UnitVocoder.from_checkpoint(checkpoint, language, device, options.precision, options.vocoder_unit_offset)
    return _Models(vocoder, LipRenderer.from_checkpoint(checkpoint, device, options.precision), checkpoint.source.fingerprint)


def _timed(options: argparse.Namespace, codes: Ids, vocoder: UnitVocoder) -> Units:
    """Units with durations, of the codes in a file."""
    if options.no_durations:
        return Units.from_frames(codes[codes >= 0], vocoder.language)
    return vocoder.predict_durations(from_reference_codes(codes, vocoder.language), options.duration_scale)


def _voice(options: argparse.Namespace, source: PictureSource) -> SpeakerVoice:
    """The voice that was given, or that of the video."""
    if options.speaker_path is None and not source.info.has_audio:
        raise NoSpeechError(
            "the video has no sound to take the voice from",
            path=source.path,
            hint="give a voice with --speaker-path x.wav or x.npy",
        )
    path = options.speaker_path or source.path
    return read_voice(path, lambda: SpeakerEncoder.from_checkpoint(options.speaker_encoder_path, device_name(options)))


def _boxes(options: argparse.Namespace, source: PictureSource, num_pictures: int, progress: Progress) -> Sequence[Box | None]:
    """Boxes for the pictures of the source that are shown: given, or found."""
    # The detector and its models are loaded only when they are needed.
    if options.in_bbox_path is not None:
        from avcore.faces.given import read_boxes_for

        return read_boxes_for(source, options.in_bbox_path, options.fill_boxes)
    from avcore.faces.find import find_faces
    from avcore.faces.select import parse_face_choice

    speech = read_speech(source.path) if source.info.has_audio else None
    pictures = source.pictures(0, num_pictures)
    try:
        return find_faces(pictures, parse_face_choice(options.face), speech, progress, num_pictures, source.path).steady_boxes
    except NoFaceError as error:
        hint = "give --in-bbox-path, or use inference_unit2a for the speech alone"
        raise NoFaceError(error.what, path=error.path, found=error.found, hint=hint) from error


if __name__ == "__main__":
    sys.exit(main())
