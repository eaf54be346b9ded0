"""What kinds of jobs there are: a subcommand each, with its form, the words of its command line, and the files it makes.

A job's command runs in the job's own folder, so that all names in it are ours and no report tells of the machine.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from avcore.files import write_text
from avcore.units.vocabulary import UTUT_LANGUAGES
from netflips.cascade.options import ROADS
from netflips.dub.utterances import UtteranceLength
from netflips.lipsync.options import Fit
from netflips.serve.fields import SOUND_OR_VIDEO, Choice, Field, File, Number, ReviewRow, Switch, Words
from netflips.serve.jobs import DRAFT, DRAFT_FILE, LOG_FILE, VERDICT_FILE
from netflips.serve.settings import Settings
from unit2av.lipsync.backend import file_options, lip_sync_names

_AUTO = "auto"
_MOUTH = Choice("mouth", lip_sync_names())
_MOUTH_FLAGS = tuple(one.flag for one in file_options())
_LANGUAGES = (*UTUT_LANGUAGES, "ko")
_LANGUAGE = (_AUTO, *_LANGUAGES)
_FEW_S = UtteranceLength().most_s
"""A longer video is a recording for certain, and its work is kept with its upload."""


@dataclass(frozen=True)
class Asked:
    """What a form asks for. values: its checked fields. names: of its files in the job's folder, by field.

    length_s: of the first file. shared: a folder for work that later jobs with the same file may take up, seen from the job's.
    rows: of a review. is_draft: only the texts of a dub are wanted.
    """

    values: Mapping[str, Any]
    names: Mapping[str, str]
    length_s: float
    shared: str
    settings: Settings
    has_reader: bool = False
    rows: Sequence[ReviewRow] = ()
    is_draft: bool = False

    def number(self, name: str) -> str:
        """Return a number as a word."""
        return f"{self.values[name]:.4g}"

    def language(self, flag: str, name: str) -> list[str]:
        """Return a language, where one was chosen."""
        return [] if self.values[name] == _AUTO else [flag, self.values[name]]

    def given(self, flag: str, field: str) -> list[str]:
        """Return a file that need not be there."""
        return [flag, self.names[field]] if field in self.names else []


@dataclass(frozen=True)
class MadeFile:
    """A file that a job may make. shows: how the page shows it."""

    name: str
    shows: str = ""


@dataclass(frozen=True)
class JobKind:
    """A kind of job.

    command: of NetfLips. files: what may come out. prepare: writes what the command reads into the folder.
    follows: the kind of the finished job whose files it reads, "" = none.
    """

    name: str
    command: str
    fields: tuple[Field, ...]
    words: Callable[[Asked], list[str]]
    files: tuple[MadeFile, ...]
    prepare: Callable[[Asked, Path], None] | None = None
    follows: str = ""

    @property
    def uploads(self) -> tuple[File, ...]:
        """Its fields that are files."""
        return tuple(one for one in self.fields if isinstance(one, File))


def _dub(asked: Asked) -> list[str]:
    values, settings = asked.values, asked.settings
    words = ["dub", asked.names["video"], "--out-vid-path", "result.mp4", "--report", "report.json", "--report", "report.html"]
    words += [*asked.language("--src-lang", "source"), *asked.language("--tgt-lang", "target")]
    over_text = values.get("road") == "text"
    words += ["--cascade"] if over_text else [] if values["modalities"] == _AUTO else ["--modalities", values["modalities"]]
    words += ["--mouth", values["mouth"], *asked.given("--speaker-path", "voice"), *_timing(asked)]
    words += ["--background", values["background"]] if values["background"] != "keep" else []
    words += ["--hold-picture"] if values["hold"] else []
    words += ["--burn-label"] if values["label"] else []
    words += ["--subtitles", "source,target"] if asked.has_reader or over_text else []
    if not asked.rows and asked.names.get("subtitles", "").endswith(".json"):
        words += ["--script-in", asked.names["subtitles"]]
    elif asked.rows or "subtitles" in asked.names:
        words += ["--segments-in", "segments.json" if asked.rows else asked.names["subtitles"]]
        words += ["--speaker-map", "speakers.json"] if any(one.speaker for one in asked.rows) else []
        words += settings.words_for(("--text2unit-path",))[:2] if "--text2unit-path" in settings.models and not over_text else []
    # Whoever has seen the texts knows how much of it was understood.
    words += ["--yes", "--verdict", VERDICT_FILE, *([DRAFT, DRAFT_FILE] if asked.is_draft else [])]
    models = ("--av2unit-path", "--unit2av-path", "--speaker-encoder-path", *_MOUTH_FLAGS)
    if over_text:
        cascade = ("--recognizer", "--text-translator", "--speak-with", "--text2unit-path", "--vocoder-unit-offset")
        return words + settings.words_for((*models, *cascade))
    models = (*models, "--utut-path")
    reader = ("--unit2text-path",) if asked.has_reader else ()
    return words + settings.words_for((*models, *reader, "--vocoder-unit-offset", "--translator-unit-offset"))


def _timing(asked: Asked) -> list[str]:
    """Return a recording keeps its work where its next dub finds it; a short clip is done before that is of use."""
    timing, is_preview = asked.values["timing"], asked.values["preview"]
    if (
        asked.rows
        or asked.values.get("road") == "text"
        or "subtitles" in asked.names
        or is_preview
        or timing == "source"
        or (timing == _AUTO and asked.length_s > _FEW_S)
    ):
        return ["--timing", "source", "--work-dir", asked.shared, *(["--preview"] if is_preview else [])]
    return ["--timing", timing]


def _write_rows(asked: Asked, folder: Path) -> None:
    if not asked.rows:
        return
    rows = [{"start_s": one.start_s, "end_s": one.end_s} | ({"target_text": one.said} if one.said else {}) for one in asked.rows]
    write_text(folder / "segments.json", json.dumps({"utterances": rows}, ensure_ascii=False, indent=1) + "\n")
    names = {str(number): one.speaker for number, one in enumerate(asked.rows, 1) if one.speaker}
    if names:
        write_text(folder / "speakers.json", json.dumps({"utterances": names}, ensure_ascii=False, indent=1) + "\n")


def _lipsync(asked: Asked) -> list[str]:
    words = ["lipsync", asked.names["video"], "--speech", asked.names["speech"], "--out-vid-path", "result.mp4"]
    words += ["--fit", asked.values["fit"], "--mouth", asked.values["mouth"]]
    return words + asked.settings.words_for(("--av2unit-path", "--unit2av-path", *_MOUTH_FLAGS))


def _portrait(asked: Asked) -> list[str]:
    words = ["portrait", asked.names["picture"], "--speech", asked.names["speech"], "--out-vid-path", "result.mp4"]
    words += ["--motion", asked.number("motion"), "--mouth", asked.values["mouth"]]
    return words + asked.settings.words_for(("--av2unit-path", "--unit2av-path", *_MOUTH_FLAGS))


def _say(asked: Asked) -> list[str]:
    words = ["say", "--text-path", "text.txt", "--out-path", "result.wav", "--duration-scale", asked.number("slower")]
    words += asked.given("--speaker-path", "voice")
    return words + asked.settings.words_for(("--text2unit-path", "--unit2av-path", "--speaker-encoder-path"))


def _write_words(asked: Asked, folder: Path) -> None:
    write_text(folder / "text.txt", asked.values["text"] + "\n")


def _transcribe(asked: Asked) -> list[str]:
    words = ["transcribe", asked.names["recording"], "--out", f"transcript.{asked.values['format']}"]
    words += ["--modalities", asked.values["modalities"], *asked.language("--lang", "language")]
    return words + asked.settings.words_for(("--unit2text-path", "--av2unit-path"))


def _figures(asked: Asked) -> list[str]:
    words = ["evaluate", "dub", "result.mp4", "--source", asked.names["video"], "--report", "report.json"]
    models = ("--recognizer", "--unit2text-path", "--av2unit-path", "--speaker-encoder-path", "--syncnet")
    return words + asked.settings.words_for(models)


def _avatar(asked: Asked) -> list[str]:
    words = ["avatar", "--portrait", asked.names["picture"], "--listen", asked.names["question"], "--out-vid-path", "result.mp4"]
    words += ["--report", "answer.json", "--rate", asked.number("rate")]
    # A question has one listener; the text reader of the other tabs is none beside a recogniser.
    ear = ("--recognizer",) if "--recognizer" in asked.settings.models else ("--unit2text-path", "--av2unit-path")
    models = (*ear, "--text2unit-path", "--unit2av-path", "--speaker-encoder-path", *_MOUTH_FLAGS)
    return words + asked.settings.words_for((*models, "--replies", "--reply-command", "--blocked"))


_VIDEO = MadeFile("result.mp4", "video")

KINDS: Mapping[str, JobKind] = {
    one.name: one
    for one in (
        JobKind(
            "dub",
            "dub",
            (
                File("video", "source", ("video",)),
                File("voice", "voice", SOUND_OR_VIDEO, is_needed=False),
                File("subtitles", "subtitles", ("subtitles",), is_needed=False),
                Choice("source", _LANGUAGE),
                Choice("target", _LANGUAGE),
                Choice("road", ROADS),
                Choice("modalities", (_AUTO, "audio,video", "audio", "video")),
                _MOUTH,
                Choice("timing", (_AUTO, "source", "free")),
                Choice("background", ("keep", "mute")),
                Switch("hold"),
                Switch("label"),
                Switch("preview"),
            ),
            _dub,
            (
                _VIDEO,
                MadeFile("report.html", "page"),
                MadeFile("report.json"),
                *(MadeFile(f"result.{one}.{ending}") for one in _LANGUAGES for ending in ("srt", "vtt")),
                MadeFile("segments.json"),
            ),
            _write_rows,
        ),
        JobKind(
            "lipsync",
            "lipsync",
            (
                File("video", "source", ("video",)),
                File("speech", "speech", SOUND_OR_VIDEO),
                Choice("fit", get_args(Fit)),
                _MOUTH,
            ),
            _lipsync,
            (_VIDEO,),
        ),
        JobKind(
            "portrait",
            "portrait",
            (
                File("picture", "picture", ("picture",)),
                File("speech", "speech", SOUND_OR_VIDEO),
                Number("motion", 0, 1, 0.6),
                _MOUTH,
            ),
            _portrait,
            (_VIDEO,),
        ),
        JobKind(
            "say",
            "say",
            (Words("text", 5000), File("voice", "voice", SOUND_OR_VIDEO, is_needed=False), Number("slower", 0.5, 2, 1)),
            _say,
            (MadeFile("result.wav", "sound"),),
            _write_words,
        ),
        JobKind(
            "transcribe",
            "transcribe",
            (
                File("recording", "source", SOUND_OR_VIDEO),
                Choice("modalities", ("audio", "audio,video", "video")),
                Choice("language", _LANGUAGE),
                Choice("format", ("srt", "vtt", "txt", "json")),
            ),
            _transcribe,
            tuple(MadeFile(f"transcript.{one}", "text") for one in ("srt", "vtt", "txt", "json")),
        ),
        JobKind("figures", "evaluate", (), _figures, (MadeFile(LOG_FILE, "text"),), follows="dub"),
        JobKind(
            "avatar",
            "avatar",
            (
                File("picture", "picture", ("picture",)),
                File("question", "question", SOUND_OR_VIDEO),
                Number("rate", 0.5, 1.5, 0.8),
            ),
            _avatar,
            (_VIDEO, MadeFile("answer.json", "answer")),
        ),
    )
}
"""By name, in the order of the page's tabs."""
