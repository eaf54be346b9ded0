"""`netflips transcribe`: what is said in videos and sound files, as text, subtitles or words with times."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import checkpoint_or_bundle, find_bundle
from avcore.command import EXIT_BAD_INPUT, LOG, Parser, add_common_options, device_name, run
from avcore.errors import NetflipsError, UsageError
from avcore.faces.select import parse_face_choice
from avcore.files import keep_other, require_file, require_place, write_text
from avcore.loading import loading
from avcore.outputs import keep_apart
from avcore.plain_text import several
from avcore.progress import bars
from avcore.usage import add_track_option
from unit2text.stage import TEXT_READER

if TYPE_CHECKING:
    from netflips.listening import Heard, Listener

_FORMATS = ("srt", "vtt", "txt", "json")
_PRINTED = "txt"


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="netflips transcribe", description="Write down what is said in videos and sound files, or shown by lips.")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="videos and sound files")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="for one file: a name that ends in .srt, .vtt, .txt or .json (default: printed)"
    )
    parser.add_argument("--out-dir", type=Path, metavar="DIR", help="for several: a folder for <stem>.<format>")
    parser.add_argument(
        "--format", choices=_FORMATS, help="; ".join(_FORMATS) + " (default: by the name of --out; else srt, printed txt)"
    )
    parser.add_argument(
        "--modalities", default="audio", help="audio,video or audio or video (default: audio; of lips alone: video)"
    )
    add_track_option(parser, "a file")
    parser.add_argument("--lang", help="language that is spoken, as en (default: the one whose text is most probable)")
    parser.add_argument("--face", default="auto", help="whose lips: auto (who speaks), largest, or N-th from the left")
    parser.add_argument(
        "--unit2text-path", type=Path, help="text reader: our own, or finetuned.pt, which reads lips (default: the bundle's)"
    )
    parser.add_argument("--av2unit-path", type=Path, help="unit encoder whose units the text reader knows (default: the bundle's)")
    parser.add_argument(
        "--recognizer", type=Path, metavar="DIR", help="a folder of faster-whisper in place of the text reader: hears the sound"
    )
    parser.add_argument("--beam", type=int, help="hypotheses of the beam search (default: as the checkpoint says, 20 as published)")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def reader_path(given: Path | None) -> Path:
    """The text reader of a command: that which was given, else the bundle's. Raises UsageError where it has none."""
    if given is not None:
        return require_file(given, "the text reader")
    bundle = find_bundle()
    if bundle is None or not bundle.checkpoint(TEXT_READER).is_file():
        where = "this installation" if bundle is None else str(bundle.about["name"])
        raise UsageError(
            f"no text reader comes with {where}", expected="--unit2text-path FILE", hint="python -m unit2text.train makes one"
        )
    return bundle.checkpoint(TEXT_READER)


def _work(options: argparse.Namespace) -> int | None:
    outputs = _outputs(options)
    face = parse_face_choice(options.face)
    reader_file = reader_path(options.unit2text_path) if options.recognizer is None else None
    inputs = {"a file to transcribe": options.files, "the text reader": reader_file, "the unit encoder": options.av2unit_path}
    keep_apart({"the transcript": [out for out in outputs.values() if out is not None]}, inputs)
    with loading():
        from avcore.media import require_media
        from avcore.speech.tracks import settle_track

    require = require_media if len(options.files) == 1 else require_file  # of several, each is opened when its turn comes
    for path in options.files:
        require(path, "the recording")
    listener = _listener(reader_file, options)
    asked = listener.settings(options.modalities, options.lang, face, options.beam)
    failed = 0
    for path, out in outputs.items():
        try:
            settle_track(path, options.audio_track)
            with bars(options.quiet) as progress:
                heard = listener.hear(path, asked, progress)
            _write(out, _format_of(options, out), heard, is_named=options.out is not None)
        except NetflipsError as error:
            if len(outputs) == 1:
                raise
            failed += 1
            LOG.error("netflips transcribe: error: %s", error)
            continue
        words = several(sum(len(one.words) for one in heard.transcripts), "word")
        LOG.info(
            "%s: %s in %s, confidence %.2f", out or path, words, several(len(heard.transcripts), "utterance"), heard.confidence
        )
    return EXIT_BAD_INPUT if failed else None


def _listener(reader: Path | None, options: argparse.Namespace) -> "Listener":
    """What listens: a text reader, or the recogniser of --recognizer. Raises UsageError for options of both."""
    if options.recognizer is not None and (options.unit2text_path or options.av2unit_path):
        raise UsageError("--recognizer stands in place of --unit2text-path and --av2unit-path", hint="leave those out")
    with loading():
        from netflips.listening import Listener, RecognizerEar
        from netflips.recognizers import open_whisper
    device = device_name(options)
    if reader is None:
        return Listener(RecognizerEar(open_whisper(options.recognizer, device, options.precision)))
    return Listener.load(reader, lambda: checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER), device, options.precision)


def _outputs(options: argparse.Namespace) -> Mapping[Path, Path | None]:
    """The output of each input, None = standard output. Raises UsageError or OutputError."""
    files: list[Path] = options.files
    if options.out is not None and options.out_dir is not None:
        raise UsageError("give either --out (one file) or --out-dir (several)")
    if options.out is None and options.out_dir is None:
        if len(files) > 1:
            raise UsageError("say where the text goes", expected="--out-dir DIR for several", found=f"{len(files)} files")
        return {files[0]: None}
    if options.out is not None:
        if len(files) > 1:
            raise UsageError("--out is for one file", expected="--out-dir DIR for several", found=f"{len(files)} files")
        ending = options.out.suffix.lower().lstrip(".")
        if options.format is None and ending not in _FORMATS:
            raise UsageError(
                "the output's format is not known", expected=", ".join(f".{one}" for one in _FORMATS), found=options.out
            )
        require_place(options.out, "the transcript")
        return {files[0]: options.out}
    found = {path: options.out_dir / f"{path.stem}.{options.format or _FORMATS[0]}" for path in files}
    require_place(next(iter(found.values())), "the transcript")
    if len(found) < len(files):
        raise UsageError("a file is named twice", found=", ".join(map(str, files)))
    return found


def _format_of(options: argparse.Namespace, out: Path | None) -> str:
    return options.format or (_PRINTED if out is None else out.suffix.lower().lstrip("."))


def _write(out: Path | None, form: str, heard: "Heard", is_named: bool) -> None:
    text = _text(form, heard)
    if out is None:
        sys.stdout.write(text)
        return
    if not is_named:
        keep_other(out, text)
    write_text(out, text)


def _text(form: str, heard: "Heard") -> str:
    from netflips.subtitles.formats import srt_text, vtt_text

    if form == "json":
        return json.dumps(_facts(heard), indent=1, ensure_ascii=False) + "\n"
    if form == "txt":
        return "".join(f"{one.text}\n" for one in heard.transcripts)
    return vtt_text(heard.cues()) if form == "vtt" else srt_text(heard.cues())


def _facts(heard: "Heard") -> dict[str, Any]:
    """The transcript as JSON: every utterance with its words, times in seconds."""
    utterances = [
        {
            "start_s": round(span[0], 3), "end_s": round(span[1], 3), "language": one.language, "text": one.text,
            "confidence": round(one.confidence, 4),
            "words": [
                {"text": word.text, "start_s": round(word.start_s, 3), "end_s": round(word.end_s, 3),
                 "confidence": round(word.confidence, 4)}
                for word in one.words
            ],
        }
        for span, one in zip(heard.spans, heard.transcripts, strict=True)
    ]  # fmt: skip
    return {"file": heard.path.name, "duration_s": round(heard.duration_s, 3), "utterances": utterances}


if __name__ == "__main__":
    sys.exit(main())
