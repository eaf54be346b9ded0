"""Speak the translations of a test split, each in the voice of its source, for ASR-BLEU: `python recipes/speak_rows.py --help`.

The output of `netflips evaluate translate --rows` or `netflips translate` becomes wav files and a manifest for `netflips evaluate
speech`: the spoken translation, its source, the reference text, and the reference recording where there is one.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.arrays import Floats
from avcore.command import LOG
from avcore.errors import InputError, NoSpeechError
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.journal import iter_rows, write_rows
from avcore.loading import loading
from avcore.progress import bars, track
from avcore.units import Units
from avdata.manifest import Entry, Manifest, read_manifest


@dataclass(frozen=True, kw_only=True)
class SpeakRowsOptions(QuietOptions):
    """Speak the translations of a test split, for ASR-BLEU."""

    rows: Path = positional("ROWS", file=Input("the translations"))
    """what netflips evaluate translate --rows or netflips translate wrote"""
    source: Path = flag(file=Input("the sources"))
    """manifest of the sources, whose voices speak"""
    target: Path | None = flag(default=None, file=Input("the targets"))
    """manifest of the right recordings, with text (default: the sources' translations are the right texts)"""
    unit2av_path: Path = flag(file=Input("the renderer"))
    """renderer whose voice speaks"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """speaker encoder, where the voice learnt with another than the one that comes along"""
    to: str = flag(default="ko", metavar="LANG")
    """the language (default: ko)"""
    out_dir: Path = flag(metavar="DIR")
    """folder for wav files and manifest.jsonl"""


def speak_rows(options: SpeakRowsOptions) -> None:
    """Do the work of the command; files that an interrupted run has spoken are kept."""
    with loading():
        from avcore.media import read_speech, write_speech
        from unit2av.speaker import encoder_for
        from unit2av.voice.speech import UnitVocoder

    sources = read_manifest(options.source)
    targets = sources if options.target is None else read_manifest(options.target)
    source, target = ({entry.id: entry for entry in one.entries} for one in (sources, targets))
    rows = [row for _, row in iter_rows(options.rows)]
    if unknown := [row["id"] for row in rows if row["id"] not in source or row["id"] not in target]:
        raise InputError("translations belong to no recording", path=options.rows, found=f"{len(unknown)}, as {unknown[0]}")
    if options.target is None and (mute := [row["id"] for row in rows if not source[row["id"]].translation]):
        raise InputError(
            "sources have no translation", path=options.source, found=f"{len(mute)}, as {mute[0]}", hint="give --target"
        )

    vocoder = UnitVocoder.from_checkpoint(options.unit2av_path, options.to)
    encoder = encoder_for(vocoder, options.speaker_encoder_path)
    voices, made = dict[str, Floats](), []

    for row in rows:
        try:
            voices[row["id"]] = encoder.embed(read_speech(_sound_of(sources, source[row["id"]])))
        except NoSpeechError as error:
            LOG.warning("%s: %s; the mean of the other voices speaks", row["id"], error.what)
    if not voices:
        raise NoSpeechError("no recording has enough sound to take a voice from", path=options.source, expected="0.5 s or more")

    mean = np.mean(list(voices.values()), axis=0)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    whole, translated = options.out_dir / "manifest.jsonl", options.rows.stat().st_mtime
    if whole.exists():  # a complete earlier run, possibly of other translations or with another voice
        for _, row in iter_rows(whole):
            (options.out_dir / Path(row["dub"]).name).unlink(missing_ok=True)
        whole.unlink()

    with bars(options.quiet) as progress:
        for row in track(rows, "speaking", progress, len(rows)):
            out = options.out_dir / f"{row['id'].replace('/', '_')}.wav"
            spoken = np.asarray(row["found"] if "found" in row else row["units"], np.int64)

            if not len(spoken):
                LOG.warning("%s: nothing was translated", row["id"])
                spoken = np.asarray(row.get("reference", [0])[:1], np.int64)
            # A file that is older than the translations may speak others.
            if not out.exists() or out.stat().st_mtime < translated:
                voice = voices.get(row["id"], mean / np.linalg.norm(mean))
                write_speech(out, vocoder.synthesize(Units(spoken), voice).samples)

            heard = _sound_of(sources, source[row["id"]]).absolute()
            line = {"id": row["id"], "dub": out.name, "source": str(heard), "language": options.to}
            if options.target is None:
                made.append(line | {"reference_text": source[row["id"]].translation})
                continue
            right = _sound_of(targets, target[row["id"]]).absolute()
            made.append(line | {"reference": str(right), "reference_text": target[row["id"]].text})
    write_rows(whole, made)
    LOG.info("%s: %d spoken", whole, len(made))


def _sound_of(manifest: Manifest, entry: Entry) -> Path:
    path = manifest.path(entry, "audio")
    if path is None:
        raise InputError("a recording is missing", path=entry.id, expected="audio in its line of the manifest")
    return path


_COMMAND = Command(SpeakRowsOptions, "speak_rows.py", speak_rows)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
