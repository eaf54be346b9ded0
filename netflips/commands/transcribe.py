"""Transcribe videos and sound files, as text, subtitles or words with times."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.bundle import optional_or_bundle
from avcore.command import LOG
from avcore.errors import EXIT_BAD_INPUT, NetflipsError, UsageError
from avcore.files import check_files, keep_other, require_own_names, require_place, write_text
from avcore.flags import declared_in
from avcore.loading import loading
from avcore.notes import several
from avcore.words import error_line
from netflips.commands.options import TranscribeCommand
from netflips.commands.run_progress import run_bar
from netflips.quality_estimation import QualityEstimate, report_quality, require_sure
from unit2text.stage import UNIT2TEXT

if TYPE_CHECKING:
    from netflips.script.types import Script

_FORMATS = ("srt", "vtt", "ttml", "txt", "json")
_PRINTED = "txt"


def transcribe_files(options: TranscribeCommand, found: "list[Script] | None" = None) -> int | None:
    """Transcribe; returns the exit code, 2 when some of several failed. found: gets the scripts, which are not printed then."""
    outputs = _outputs(options)
    if options.recognizer is None:
        optional_or_bundle(options.unit2text_path, UNIT2TEXT)  # before libraries are loaded
    if options.out_dir is not None:
        check_files(declared_in(options), writes={"the transcript": [out for out in outputs.values() if out is not None]})
    with loading():
        from avcore.media import probe, require_media
        from avcore.media.tracks import select_audio_track
        from netflips.commands.recognition import (
            Transcriber,
            joined,
            transcripts_of,
        )
        from netflips.dubbing.store import work_beside

    if len(options.recordings) == 1:  # of several, each is opened when its turn comes
        require_media(options.recordings[0], "the recording")
    transcriber = Transcriber.open(options, options.modalities, options.face, options.beam)

    failed = 0
    for path, out in outputs.items():
        try:
            source = select_audio_track(path, options.audio_track, options.source)
            with work_beside(out, options.work_dir, probe(source).duration_s) as store:
                with run_bar(options.quiet) as progress:
                    script = transcriber.transcribe(source, progress, store)
                quality = script.quality or QualityEstimate()
                report_quality(quality, path, options.verdict)
                if options.strict:
                    require_sure(quality)
                if found is not None:
                    found.append(script)
                text = _text(options.format or _form_of(out), script)
                if out is not None:
                    # In --out-dir the names are ours, so that a person's own file may lie there.
                    if options.out is None:
                        keep_other(out, text)
                    write_text(out, text)
                elif found is None:
                    sys.stdout.write(text)
        except NetflipsError as error:
            if len(outputs) == 1:
                raise
            failed += 1
            LOG.error("netflips transcribe: error: %s", error_line(error))
            continue
        words = joined(transcripts_of(script.utterances)).words
        LOG.info("%s: %s in %s", out or path, several(len(words), "word"), several(len(script.utterances), "utterance"))
    return EXIT_BAD_INPUT if failed else None


def _outputs(options: TranscribeCommand) -> Mapping[Path, Path | None]:
    """Return the output of each input; None = standard output. Raises UsageError or OutputError."""
    files = options.recordings
    if options.out is None and options.out_dir is None:
        if len(files) > 1:
            raise UsageError("say where the text goes", expected="--out-dir DIR for several", found=f"{len(files)} files")
        return {files[0]: None}

    if options.out is not None:
        if options.format is None and _form_of(options.out) not in _FORMATS:
            expected = ", ".join(f".{one}" for one in _FORMATS)
            raise UsageError("the output's format is not known", expected=expected, found=options.out)
        return {files[0]: options.out}

    assert options.out_dir is not None  # else the one above
    found = [(path, options.out_dir / f"{path.stem}.{options.format or _FORMATS[0]}") for path in files]
    require_place(found[0][1], "the transcript")
    require_own_names(found)
    return dict(found)


def _form_of(out: Path | None) -> str:
    return _PRINTED if out is None else out.suffix.lower().lstrip(".")


def _text(form: str, script: "Script") -> str:
    from netflips.commands.recognition import transcripts_of
    from netflips.subtitles.beside import subtitle_text
    from netflips.subtitles.cues import make_cues, rules_for

    if form == "json":
        return json.dumps(_facts(script), indent=1, ensure_ascii=False) + "\n"

    transcripts = transcripts_of(script.utterances)
    if form == "txt":
        return "".join(f"{transcript.text}\n" for transcript in transcripts)
    languages = [transcript.language for transcript in transcripts for _ in transcript.words]
    language = max(sorted(set(languages)), key=languages.count) if languages else ""
    cues = make_cues([transcript.words for transcript in transcripts], rules_for(language), script.cuts, script.input_s)
    return subtitle_text(form, cues, language)


def _facts(script: "Script") -> dict[str, Any]:
    """Return the transcript as JSON: every utterance with its words, and times in seconds."""
    from netflips.commands.recognition import transcripts_of

    utterances = [
        {
            "start_s": round(utterance.place.start_s, 3), "end_s": round(utterance.place.end_s, 3), "language": text.language,
            "text": text.text, "confidence": round(text.confidence, 4),
            "words": [
                {"text": word.text, "start_s": round(word.start_s, 3), "end_s": round(word.end_s, 3),
                 "confidence": round(word.confidence, 4)}
                for word in text.words
            ],
        }
        for utterance, text in zip(script.utterances, transcripts_of(script.utterances), strict=True)
    ]  # fmt: skip
    assert script.media is not None  # of what was transcribed
    assert script.quality is not None
    return {
        "file": Path(script.media.path).name,
        "duration_s": round(script.input_s, 3),
        "quality": script.quality.as_json(),
        "utterances": utterances,
    }
