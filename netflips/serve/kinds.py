"""The kinds of jobs: each is a subcommand, with its form, the words of its command line, and the files it makes.

A job's command runs in the job's own folder, so that all names in it are ours and no report has paths of the machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avcore.files import write_text
from avcore.notes import json_text
from avcore.timeline import Interval
from avcore.units import UTUT_LANGUAGES
from netflips.commands.dub_options import DubCommand
from netflips.commands.options import AvatarOptions, LipsyncCommand, PortraitCommand, SayCommand, TranscribeCommand
from netflips.dubbing.segmentation import LENGTH
from netflips.script.files import write_script
from netflips.script.targets import SpokenSound, Target, WrittenText
from netflips.script.types import Script, SpeakerOf, Term, VoiceFile
from netflips.script.utterance import Utterance
from netflips.serve.exports import words_of
from netflips.serve.fields import (
    AUTO,
    SOUND_OR_VIDEO,
    Field,
    File,
    ReviewRow,
    choice,
    field_of,
    name_field,
    number,
    switch,
    text,
)
from netflips.serve.jobs import DRAFT, DRAFT_FILE, QUALITY_FILE
from netflips.serve.settings import Settings
from unit2av.lipsync.backend import NONE, lip_sync_names, value_options

_MOUTH = choice("mouth", lip_sync_names(), flag="--lips")
_MOUTH_OR_NONE = choice("mouth", lip_sync_names(can_be_none=True), flag="--lips")
_MOUTH_FLAGS = tuple(option.flag for option in value_options())
_VOICE_MODELS = ("--unit2av-path", "--speaker-encoder-path")
_LIP_MODELS = ("--av2unit-path", "--unit2av-path", *_MOUTH_FLAGS)
_LANGUAGES = (*UTUT_LANGUAGES, "ko")
_LANGUAGE = (AUTO, *_LANGUAGES)
SPEECH = "speech"
"""Name of a track of speech for the whole video; followed by a number, of the speech of one utterance."""
CONSENT_FILE = "consent.json"
CONFIG_FILE, _READINGS_FILE = "options.yaml", "readings.txt"
_AGREED = "their image and voice in a video that is made with generative AI"
AGREEMENT = (switch("agreed"), text("people", 200, is_line=True), text("agreed_until", 10, is_line=True))
"""Fields in which a visitor assures an operator that the people in the video agreed."""
SCRIPT_FILE = "script.json"
"""A visitor's corrections of the utterances of a dub."""
_FEW_S = LENGTH[1]
"""A longer video is certainly a recording, and its work is kept with its upload."""


@dataclass(frozen=True)
class Asked:
    """What a form asks for."""

    values: Mapping[str, Any]
    """its checked fields"""
    names: Mapping[str, str]
    """of its files in the job's folder, by field"""
    length_s: float
    """of the first file"""
    shared: str
    """folder for work that later jobs with the same file may use, relative to the job's folder"""
    settings: Settings
    has_reader: bool = False
    """whether there is a unit-to-text model"""
    rows: Sequence[ReviewRow] = ()
    """of a review"""
    voices: Mapping[str, str] = field(default_factory=dict)
    """files by speaker"""
    terms: Mapping[str, str] = field(default_factory=dict)
    """how names and terms are spoken, by word"""
    parts: Mapping[Interval, SpokenSound] = field(default_factory=dict)
    """of a track of speech, by the times of the row"""
    is_draft: bool = False
    """whether only the texts of a dub are wanted"""
    is_sound: bool = False
    """whether the first file has no frames"""

    def target(self, number: int, row: ReviewRow) -> Target | None:
        """Return what is spoken in a row: its own speech, its text, or its part of a track; None = the translation."""
        name, track, keeps = self.names.get(f"{SPEECH} {number}"), self.names.get(SPEECH), self.values.get("keep_sound", False)
        if name is not None:
            return SpokenSound(name, keep_sound=keeps)
        if row.spoken or track is None:
            return WrittenText(row.spoken) if row.spoken else None
        place = Interval(row.start_s, row.end_s)
        return self.parts.get(place, SpokenSound(track, from_s=place.start_s, to_s=place.end_s, keep_sound=keeps))


@dataclass(frozen=True)
class MadeFile:
    """A file that a job may make."""

    name: str
    shows: str = ""
    """how the page shows it"""


@dataclass(frozen=True)
class JobKind:
    """A kind of job."""

    name: str
    command: tuple[str, ...]
    """subcommand of NetfLips, then the options that it always gets"""
    fields: tuple[Field, ...]
    files: tuple[MadeFile, ...]
    """files that it may make"""
    models: tuple[str, ...]
    """flags of the models that it takes"""
    more: Callable[[Asked], list[str]] = lambda asked: []
    """returns more words of its command line"""
    prepare: Callable[[Asked, Path], None] = lambda asked, folder: None
    """writes what the command reads into the folder"""
    is_marked: bool = False
    """whether an operator may offer it to others, because its results are labelled; people shown in them must have agreed"""

    @property
    def uploads(self) -> tuple[File, ...]:
        """Its fields that are files."""
        return tuple(one for one in self.fields if isinstance(one, File))

    def words(self, asked: Asked) -> list[str]:
        """Return the command line of a job."""
        words, keys = self._divided(asked)
        return [*words, *(["--config", CONFIG_FILE] if keys else [])]

    def _divided(self, asked: Asked) -> tuple[list[str], dict[str, str | int | bool]]:
        """Return the words of a command line, and apart from them what has no flag there, but a key of --config."""
        words, keys = list[str](), dict[str, str | int | bool]()
        given = self._all_words(asked)
        known = DubCommand.keys if self.command[0] == "dub" else ()
        while given:
            word = given.pop(0)
            if (name := word.removeprefix("--").replace("-", "_")) not in known or name == word:
                words.append(word)
            elif not given or given[0].startswith("--"):
                keys[name] = True
            else:
                value = given.pop(0)
                keys[name] = int(value) if value.isdecimal() else value
        return words, keys

    def _all_words(self, asked: Asked) -> list[str]:
        name, *always = self.command
        places, flags = list[str](), list[str]()
        for one in self.fields:
            value = asked.names.get(one.name, "") if isinstance(one, File) else asked.values.get(one.name, "")
            (flags if one.flag else places).extend(one.words(value))

        settings = asked.settings
        marks = ["--operator", settings.operator, "--consent", CONSENT_FILE, *settings.signing] if self.is_agreed(settings) else []
        return [name, *places, *always, *flags, *self.more(asked), *marks, *settings.words_for(self.models), *settings.running]

    def is_agreed(self, settings: Settings) -> bool:
        """Return whether the people who are seen and heard must have agreed."""
        return bool(settings.operator) and AGREEMENT[0] in self.fields

    def write(self, asked: Asked, folder: Path) -> None:
        """Write what its command reads; for an operator, also who agreed."""
        if self.is_agreed(asked.settings):
            agreed = {"who": asked.values["people"], "agreed_to": _AGREED, "until": asked.values["agreed_until"]}
            write_text(folder / CONSENT_FILE, json_text([agreed]))
        if keys := self._divided(asked)[1]:
            write_text(folder / CONFIG_FILE, json_text(keys))
        self.prepare(asked, folder)


def _more_of_dub(asked: Asked) -> list[str]:
    values, settings, models = asked.values, asked.settings, list[str]()
    is_over_text = values["road"] == "text"
    words = ["--out", (_SOUND if asked.is_sound else _VIDEO).name]
    words += ["--cascade"] if is_over_text else [] if values["modalities"] == AUTO else ["--modalities", values["modalities"]]
    words += ["--from", AUTO] if is_over_text and values["source"] == AUTO else []
    words += [*_timing(asked), *_readings(asked), *(["--tracks", "dub,original"] if values["original"] else [])]
    words += ["--subtitles", "source,target"] if asked.has_reader or is_over_text else []

    given = asked.names.get("subtitles", "")
    if asked.rows or given:
        words += ["--script-in", SCRIPT_FILE if asked.rows else given]
    if SPEECH in asked.names and not asked.rows:
        words += ["--speech-in", asked.names[SPEECH], *(["--keep-sound"] if values["keep_sound"] else [])]
    # Whoever has seen the texts knows how good they are, so the command need not ask.
    words += [] if asked.is_draft else words_of(values.get("export", ""))
    words += ["--yes", "--verdict", QUALITY_FILE, *([DRAFT, DRAFT_FILE] if asked.is_draft else [])]

    if is_over_text:
        models += ["--recognizer", "--text-translator", "--translate-with", "--translate-model", "--speak-with"]
    else:
        models += ["--utut-path", "--translator-unit-offset", *(["--unit2text-path"] if asked.has_reader else [])]
    models += ["--text2unit-path"] if is_over_text or asked.rows or given else []
    if not asked.is_sound and values["mouth"] != NONE:
        models += _MOUTH_FLAGS
    return words + settings.words_for(models)


def _timing(asked: Asked) -> list[str]:
    """Return the options for the dub's timing; its work is kept where its next step finds it."""
    timing, is_preview = asked.values["timing"], asked.values["preview"]
    if (
        asked.rows
        or asked.values["road"] == "text"
        or "subtitles" in asked.names
        or SPEECH in asked.names
        or is_preview
        or timing == "source"
        or (timing == AUTO and asked.length_s > _FEW_S)
    ):
        return ["--timing", "source", "--work-dir", asked.shared, *(["--preview"] if is_preview else [])]
    return ["--timing", timing, "--work-dir", asked.shared]


def _write_script(asked: Asked, folder: Path) -> None:
    """Write a visitor's corrections of the utterances, and pronunciations of words."""
    _write_readings(asked, folder)
    if asked.rows:
        utterances = (
            Utterance(place=Interval(row.start_s, row.end_s), speaker=row.speaker, target=asked.target(number, row))
            for number, row in enumerate(asked.rows, 1)
        )
        speakers = (SpeakerOf(name, VoiceFile(file)) for name, file in asked.voices.items())
        terms = (Term(word, spoken) for word, spoken in asked.terms.items())
        script = Script(speakers=tuple(speakers), utterances=tuple(utterances), terms=tuple(terms))
        write_script(folder / SCRIPT_FILE, script)


def _write_words(asked: Asked, folder: Path) -> None:
    write_text(folder / "text.txt", asked.values["text"] + "\n")
    _write_readings(asked, folder)


def _write_readings(asked: Asked, folder: Path) -> None:
    if asked.values["readings"]:
        write_text(folder / _READINGS_FILE, asked.values["readings"] + "\n")


def _readings(asked: Asked) -> list[str]:
    return ["--pronounce", _READINGS_FILE] if asked.values["readings"] else []


def _listener(asked: Asked) -> list[str]:
    """Return the options for the model that recognizes a question: a recognizer if there is one, else the unit-to-text model."""
    settings = asked.settings
    return settings.words_for(("--recognizer",) if "--recognizer" in settings.models else ("--unit2text-path", "--av2unit-path"))


_VIDEO, _SOUND = MadeFile("result.mp4", "video"), MadeFile("result.m4a", "sound")
_READINGS = text("readings", 5000)
_FORMATS = ("srt", "vtt", "ttml", "txt", "json")

KINDS: Mapping[str, JobKind] = {
    job_kind.name: job_kind
    for job_kind in (
        JobKind(
            "dub",
            ("dub", "--report", "report.json", "--report", "report.html"),
            (
                field_of(DubCommand, "videos", "video", takes=SOUND_OR_VIDEO, stored="source", is_needed=True),
                field_of(DubCommand, "voice", takes=SOUND_OR_VIDEO),
                File("subtitles", str, stored="subtitles", takes=("subtitles",), is_needed=False),
                File(SPEECH, str, stored=SPEECH, takes=SOUND_OR_VIDEO, is_needed=False),
                field_of(DubCommand, "source", values=_LANGUAGE),
                field_of(DubCommand, "to", "target", values=_LANGUAGE),
                choice("road", ("units", "text")),
                choice("modalities", (AUTO, "audio,video", "audio", "video")),
                _MOUTH_OR_NONE,
                choice("timing", (AUTO, "source", "free")),
                field_of(DubCommand, "background", values=("keep", "mute", "under")),
                field_of(DubCommand, "freeze_frame", "hold"),
                switch("original"),
                switch("label", flag="--burn-label"),
                switch("keep_sound"),
                switch("preview"),
                _READINGS,
                *AGREEMENT,
            ),
            (
                _VIDEO,
                _SOUND,
                MadeFile("report.html", "page"),
                MadeFile("report.json"),
                *(MadeFile(f"result.{one}.{ending}") for one in _LANGUAGES for ending in ("srt", "vtt")),
            ),
            ("--av2unit-path", *_VOICE_MODELS, "--vocoder-unit-offset"),
            _more_of_dub,
            _write_script,
            is_marked=True,
        ),
        JobKind(
            "lipsync",
            ("lipsync", "--out", "result.mp4"),
            (
                field_of(LipsyncCommand, "video", takes=("video",), stored="source"),
                field_of(LipsyncCommand, "speech", takes=SOUND_OR_VIDEO),
                field_of(LipsyncCommand, "fit"),
                _MOUTH,
                *AGREEMENT,
            ),
            (_VIDEO,),
            _LIP_MODELS,
            is_marked=True,
        ),
        JobKind(
            "portrait",
            ("portrait", "--out", "result.mp4"),
            (
                field_of(PortraitCommand, "portrait", "image", takes=("image",)),
                field_of(PortraitCommand, "speech", takes=SOUND_OR_VIDEO, is_needed=True),
                field_of(PortraitCommand, "motion", least=0, most=1),
                _MOUTH,
                *AGREEMENT,
            ),
            (_VIDEO,),
            _LIP_MODELS,
            is_marked=True,
        ),
        JobKind(
            "say",
            ("say", "--text-path", "text.txt", "--out", "result.wav", "--verdict", QUALITY_FILE),
            (
                text("text", 5000, least=1),
                name_field("called", flag="--voice"),
                field_of(SayCommand, "voice", takes=SOUND_OR_VIDEO),
                field_of(SayCommand, "speed", least=0.5, most=2),
                _READINGS,
            ),
            (MadeFile("result.wav", "sound"),),
            ("--text2unit-path", *_VOICE_MODELS),
            _readings,
            _write_words,
        ),
        JobKind(
            "transcribe",
            ("transcribe", "--verdict", QUALITY_FILE),
            (
                field_of(TranscribeCommand, "recordings", "recording", takes=SOUND_OR_VIDEO, stored="source"),
                field_of(TranscribeCommand, "modalities", values=(AUTO, "audio", "audio,video", "video")),
                field_of(TranscribeCommand, "source", "language", values=_LANGUAGE),
                choice("format", _FORMATS),
            ),
            tuple(MadeFile(f"transcript.{one}", "text") for one in _FORMATS),
            ("--unit2text-path", "--av2unit-path"),
            lambda asked: ["--out", f"transcript.{asked.values['format']}"],
            is_marked=True,  # it makes no sound and no video
        ),
        JobKind(
            "avatar",
            ("avatar", "--out", "result.mp4", "--report", "answer.json"),
            (
                field_of(AvatarOptions, "portrait", "image", takes=("image",)),
                field_of(AvatarOptions, "listen", "question", takes=SOUND_OR_VIDEO),
                number("rate", 0.5, 1.5, 0.8, flag="--speed"),  # slower than the command speaks
                *AGREEMENT,
            ),
            (_VIDEO, MadeFile("answer.json", "answer")),
            ("--text2unit-path", *_VOICE_MODELS, *_MOUTH_FLAGS, "--replies", "--reply-command", "--blocked"),
            _listener,
            is_marked=True,
        ),
    )
}
"""Kinds of jobs by name, in the order of the page's tabs."""
