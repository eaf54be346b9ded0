"""Transcribe: what is said in videos and sound files, as text, subtitles or words with times."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import checkpoint_or_bundle, find_bundle
from avcore.command import LOG
from avcore.errors import EXIT_BAD_INPUT, NetflipsError, UsageError
from avcore.faces.select import parse_face_choice
from avcore.files import check_files, keep_other, require_file, require_own_names, require_place, write_text
from avcore.flags import declared_in
from avcore.loading import loading
from avcore.notes import several
from avcore.progress import run_bar
from avcore.words import error_line
from netflips.options import TranscribeOptions
from netflips.understanding import tell_verdict
from unit2text.stage import TEXT_READER

if TYPE_CHECKING:
    from netflips.recognition import Listener, Recognised

_FORMATS = ("srt", "vtt", "txt", "json")
_PRINTED = "txt"


def reader_path(given: Path | None) -> Path:
    """Return the text reader of a command: that which was given, else the bundle's. Raises UsageError where it has none."""
    if given is not None:
        return require_file(given, "the text reader")
    bundle = find_bundle()
    if bundle is None or not bundle.checkpoint(TEXT_READER).is_file():
        where = "this installation" if bundle is None else str(bundle.about["name"])
        raise UsageError(
            f"no text reader comes with {where}", expected="--unit2text-path FILE", hint="python -m unit2text.train makes one"
        )
    return bundle.checkpoint(TEXT_READER)


def transcribe_files(options: TranscribeOptions, found: "list[Recognised] | None" = None) -> int | None:
    """Transcribe; returns the exit code, 2 when some of several failed. found: gets what was heard in place of being printed."""
    outputs = _outputs(options)
    if options.recognizer is None:
        reader_path(options.unit2text_path)  # before libraries are loaded
    if options.out_dir is not None:
        check_files(declared_in(options), writes={"the transcript": [out for out in outputs.values() if out is not None]})
    with loading():
        from avcore.media import require_media
        from avcore.media.sound import settle_track

    if len(options.recordings) == 1:  # of several, each is opened when its turn comes
        require_media(options.recordings[0], "the recording")
    listener = _listener(options)
    asked = listener.settings(options.modalities, options.source, parse_face_choice(options.face), options.beam)
    failed = 0
    for path, out in outputs.items():
        try:
            settle_track(path, options.audio_track)
            with run_bar(options.quiet) as progress:
                heard = listener.hear(path, asked, progress)
            tell_verdict(heard.understood, path, options.strict)
            if found is not None:
                found.append(heard)
            if found is None or out is not None:
                _write(out, _format_of(options, out), heard, is_named=options.out is not None)
        except NetflipsError as error:
            if len(outputs) == 1:
                raise
            failed += 1
            LOG.error("netflips transcribe: error: %s", error_line(error))
            continue
        words = several(sum(len(one.words) for one in heard.transcripts), "word")
        LOG.info(
            "%s: %s in %s, confidence %.2f", out or path, words, several(len(heard.transcripts), "utterance"), heard.confidence
        )
    return EXIT_BAD_INPUT if failed else None


def _listener(options: TranscribeOptions) -> "Listener":
    """Return what listens: a text reader, or the recogniser of --recognizer. Raises UsageError for options of both."""
    if options.recognizer is not None and (options.unit2text_path or options.av2unit_path):
        raise UsageError("--recognizer stands in place of --unit2text-path and --av2unit-path", hint="leave those out")
    with loading():
        from netflips.recognition import Listener, SpeechRecogniser
        from netflips.recognizers.whisper import open_whisper
    device = options.device
    if options.recognizer is not None:
        return Listener(SpeechRecogniser(open_whisper(options.recognizer, device, options.precision)))
    return Listener.load(
        reader_path(options.unit2text_path),
        lambda: checkpoint_or_bundle(options.av2unit_path, UNIT_ENCODER),
        device,
        options.precision,
    )


def _outputs(options: TranscribeOptions) -> Mapping[Path, Path | None]:
    """Return the output of each input, None = standard output. Raises UsageError or OutputError."""
    files = options.recordings
    if options.out is None and options.out_dir is None:
        if len(files) > 1:
            raise UsageError("say where the text goes", expected="--out-dir DIR for several", found=f"{len(files)} files")
        return {files[0]: None}
    if options.out is not None:
        ending = options.out.suffix.lower().lstrip(".")
        if options.format is None and ending not in _FORMATS:
            raise UsageError(
                "the output's format is not known", expected=", ".join(f".{one}" for one in _FORMATS), found=options.out
            )
        return {files[0]: options.out}
    assert options.out_dir is not None  # else the one above
    found = [(path, options.out_dir / f"{path.stem}.{options.format or _FORMATS[0]}") for path in files]
    require_place(found[0][1], "the transcript")
    require_own_names(found)
    return dict(found)


def _format_of(options: TranscribeOptions, out: Path | None) -> str:
    return options.format or (_PRINTED if out is None else out.suffix.lower().lstrip("."))


def _write(out: Path | None, form: str, heard: "Recognised", is_named: bool) -> None:
    text = _text(form, heard)
    if out is None:
        sys.stdout.write(text)
        return
    if not is_named:
        keep_other(out, text)
    write_text(out, text)


def _text(form: str, heard: "Recognised") -> str:
    from netflips.subtitles.formats import srt_text, vtt_text

    if form == "json":
        return json.dumps(_facts(heard), indent=1, ensure_ascii=False) + "\n"
    if form == "txt":
        return "".join(f"{one.text}\n" for one in heard.transcripts)
    return vtt_text(heard.cues()) if form == "vtt" else srt_text(heard.cues())


def _facts(heard: "Recognised") -> dict[str, Any]:
    """Return the transcript as JSON: every utterance with its words, times in seconds."""
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
    return {
        "file": heard.path.name,
        "duration_s": round(heard.duration_s, 3),
        "understood": heard.understood.as_json(),
        "utterances": utterances,
    }
