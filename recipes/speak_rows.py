"""Speak the translations of a test split, each in the voice of its source, for ASR-BLEU: `python recipes/speak_rows.py --help`.

The output of `netflips evaluate translate --rows` or `netflips translate` becomes wav files and a manifest for `netflips evaluate
speech`: the spoken translation, its source, the reference text, and the reference recording where there is one.
"""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avcore.arrays import Floats
from avcore.bounds import Count
from avcore.command import LOG
from avcore.data.manifest import Entry, Manifest, read_manifest
from avcore.errors import InputError, NoSpeechError
from avcore.files import Input, private_folder
from avcore.flags import Command, CommonOptions, flag, positional
from avcore.journal import Rows, iter_rows, key_of, write_rows
from avcore.loading import loading
from avcore.parts import Part, share
from avcore.progress import bars, track
from avcore.units import Units, write_unit_file

if TYPE_CHECKING:
    from avcore.contracts import Speaker

_SPOKEN = "spoken"
"""Begin of the names of the journals, which say how each file was made."""


@dataclass(frozen=True, kw_only=True)
class SpeakRowsOptions(CommonOptions):
    """Speak the translations of a test split, for ASR-BLEU. What was spoken before, by the same voice, is kept."""

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
    faces: Path | None = flag(default=None, metavar="DIR")
    """folder of videos of the speakers, ID.mp4: where there is one, lips that say it are drawn on it, and the result is ID.mp4"""
    out_dir: Path = flag(metavar="DIR")
    """folder for wav files and manifest.jsonl"""
    part: Part | None = flag(default=None, type=Part.of, metavar="K/N", group="spreading the work")
    """speak only this part, as 3/16 in a task of an array; the same without --part writes the manifest"""
    workers: Count = flag(default=1)
    """processes, each on a GPU of its own where there are several (default: 1)"""


@dataclass(frozen=True)
class Voices:
    """The voices of the sources of translations."""

    encoder: "Speaker"
    sounds: dict[str, Path]
    """recordings by id"""

    def of(self, name: str) -> Floats:
        """Return the voice of a recording, float32 [E]; where nothing is heard in it, the mean of all others."""
        voice = self._embedded(name)
        return self._mean if voice is None else voice

    def _embedded(self, name: str) -> Floats | None:
        from avcore.media import read_speech

        try:
            return self.encoder.embed(read_speech(self.sounds[name]))
        except NoSpeechError as error:
            LOG.warning("%s: %s; the mean of the other voices speaks", name, error.what)
            return None

    @cached_property
    def _mean(self) -> Floats:
        voices = [voice for name in self.sounds if (voice := self._embedded(name)) is not None]
        if not voices:
            raise NoSpeechError("no recording has enough sound to take a voice from", expected="0.5 s or more")
        mean: Floats = np.mean(voices, axis=0)
        return mean / np.linalg.norm(mean)


def speak_rows(options: SpeakRowsOptions) -> None:
    """Do the work of the command; what an interrupted run, or another part, has spoken is kept."""
    sources = read_manifest(options.source)
    targets = sources if options.target is None else read_manifest(options.target)
    source, target = ({entry.id: entry for entry in manifest.entries} for manifest in (sources, targets))
    rows = {str(row["id"]): row for _, row in iter_rows(options.rows)}
    if unknown := [name for name in rows if name not in source or name not in target]:
        raise InputError("translations belong to no recording", path=options.rows, found=f"{len(unknown)}, as {unknown[0]}")
    if options.target is None and (mute := [name for name in rows if not source[name].translation]):
        raise InputError(
            "sources have no translation", path=options.source, found=f"{len(mute)}, as {mute[0]}", hint="give --target"
        )
    if options.workers > 1:
        share(options.workers, options.device)

    sounds = {name: _sound_of(sources, source[name]).absolute() for name in rows}
    options.out_dir.mkdir(parents=True, exist_ok=True)
    _speak(options, {name: _units(row) for name, row in rows.items() if options.part is None or options.part.has(name)}, sounds)
    if options.part is not None:
        return

    made = list[dict[str, Any]]()
    for name in rows:
        line = {"id": name, "dub": _file(name, _face_of(options, name)), "source": str(sounds[name]), "language": options.to}
        if options.target is None:
            made.append(line | {"reference_text": source[name].translation})
        else:
            right = str(_sound_of(targets, target[name]).absolute())
            made.append(line | {"reference": right, "reference_text": target[name].text})
    write_rows(options.out_dir / "manifest.jsonl", made)
    LOG.info("%s: %d spoken", options.out_dir / "manifest.jsonl", len(made))


def _units(row: dict[str, Any]) -> Units:
    spoken = np.asarray(row["found"] if "found" in row else row["units"], np.int64)
    if not len(spoken):
        LOG.warning("%s: nothing was translated", row["id"])
        spoken = np.asarray(row.get("reference", [0])[:1], np.int64)
    return Units(spoken)


def _speak(options: SpeakRowsOptions, rows: dict[str, Units], sounds: dict[str, Path]) -> None:
    """Speak units, by id, into files, but for those whose file was made of the same units by the same voice."""
    with loading():
        from avcore.media import write_speech
        from unit2av.speaker import encoder_for
        from unit2av.voice.speech import UnitVocoder

    vocoder = UnitVocoder.from_checkpoint(options.unit2av_path, options.to, options.device, options.precision)
    voices = Voices(encoder_for(vocoder, options.speaker_encoder_path, options.device), sounds)

    name = _SPOKEN if options.part is None else f"{_SPOKEN}-{options.part.index}of{options.part.count}"
    own, known = Rows[str](options.out_dir / f"{name}.jsonl", "id", "key"), dict[tuple[str, str], int]()
    own.repair()
    for path in options.out_dir.glob(f"{_SPOKEN}*.jsonl"):
        known |= {(row["id"], row["key"]): row["bytes"] for row in Rows[str](path, "id", "key", "bytes").values()}

    made_by = [vocoder.fingerprint, voices.encoder.fingerprint, options.precision]
    with bars(options.quiet) as progress:
        for name, units in track(rows.items(), "speaking", progress, len(rows)):
            heard = sounds[name].stat()
            face = _face_of(options, name)
            key = key_of(*made_by, units.ids, str(sounds[name]), heard.st_size, heard.st_mtime_ns, str(face))
            out = options.out_dir / _file(name, face)
            if not out.is_file() or out.stat().st_size != known.get((name, key)):
                out.unlink(missing_ok=True)
                if face is None:
                    write_speech(out, vocoder.synthesize(units, voices.of(name)).samples)
                else:
                    _draw(options, units, face, sounds[name], out)
                own.add([{"id": name, "key": key, "bytes": out.stat().st_size}], is_flushed=False)


def _draw(options: SpeakRowsOptions, units: Units, face: Path, voice: Path, out: Path) -> None:
    """Speak units by a face: the video, forwards and backwards, with lips that say them. The models are loaded for each row."""
    with loading():
        from unit2av.inference_options import RenderOptions
        from unit2av.speaking import speak_and_draw

    with private_folder() as folder:
        write_unit_file(folder / "units.txt", units.ids)
        asked = RenderOptions(
            units=folder / "units.txt", out=out, video=face, voice=voice, to=options.to, unit2av_path=options.unit2av_path,
            speaker_encoder_path=options.speaker_encoder_path, device=options.device, precision=options.precision, quiet=True,
        )  # fmt: skip
        speak_and_draw(asked)


def _face_of(options: SpeakRowsOptions, name: str) -> Path | None:
    """Return the video of the speaker of a row: ID.mp4, or by the last two parts of an id; None where there is none."""
    if options.faces is None:
        return None
    places = (options.faces / f"{name}.mp4", options.faces / f"{'/'.join(name.split('/')[-2:])}.mp4")
    return next((place for place in places if place.is_file()), None)


def _file(name: str, face: Path | None) -> str:
    return f"{name.replace('/', '_')}.{'wav' if face is None else 'mp4'}"


def _sound_of(manifest: Manifest, entry: Entry) -> Path:
    path = manifest.path(entry, "audio")
    if path is None:
        raise InputError("a recording is missing", path=entry.id, expected="audio in its line of the manifest")
    return path


_COMMAND = Command(SpeakRowsOptions, "speak_rows.py", speak_rows)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
