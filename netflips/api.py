"""NetfLips in Python: a function for each thing that people make. `netflips.load()` is for many calls, and for models of your own.

    import netflips
    netflips.dub("talk.mp4", "talk_ko.mp4", netflips.DubOptions(subtitles="source,target"))

`progress` is called with a step's name, the amount done, and the total or None; without it, a bar is drawn in a terminal and in a
notebook. Errors that you can put right are `NetflipsError`.
Libraries are loaded when a function is called.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from avcore.checkpoints.bundle import shipped_files
from avcore.command import named_models
from avcore.files import check_files
from avcore.flags import CommonOptions, declared_in
from avcore.progress import Progress, report_to, silent
from netflips.commands.options import (
    LipSpeechCommand,
    LipSpeechOptions,
    LipsyncCommand,
    LipsyncOptions,
    PortraitCommand,
    PortraitOptions,
    SayCommand,
    SayOptions,
    TranscribeCommand,
    TranscribeOptions,
)
from netflips.dubbing.options import DubOptions
from netflips.loaded import load

if TYPE_CHECKING:
    from netflips.script.types import Script

StrPath = str | os.PathLike[str]
Asked = TypeVar("Asked", bound=CommonOptions)


def dub(
    video: StrPath, out: StrPath, options: DubOptions | None = None, *, to: str = "ko", progress: Progress | None = None
) -> "Script":
    """Dub a video of someone speaking into another language, with lips that fit; returns the script of what was done.

    The models are the bundle's, or those that were fetched for dubs over text. to: the language, where the options do not say it.
    """
    from netflips.commands.run_progress import run_bar

    asked = options or DubOptions()
    loaded = load(asked.source, asked.to or to, asked)
    with run_bar() as bar:
        return loaded.dub(video, out, asked, progress=progress or bar)


def info(path: StrPath | None = None) -> Mapping[str, Any]:
    """Return what is known of a video, a sound file, a model or a bundle, as `netflips info --json` prints it.

    path: None = the bundle that comes with NetfLips.
    """
    from netflips.commands.info import describe

    return describe(None if path is None else Path(path), None)[0]


def read_script(path: StrPath) -> "Script":
    """Read a script that a dub or a draft wrote; what they found out about an earlier output is dropped."""
    from netflips.script.files import read_script

    return read_script(Path(path))


def write_script(path: StrPath, script: "Script") -> None:
    """Write a script, as `script_in` of another dub reads it."""
    from netflips.script.files import write_script

    write_script(Path(path), script)


def transcribe(
    recording: StrPath, out: StrPath | None = None, options: TranscribeOptions | None = None, *, progress: Progress = silent
) -> "Script":
    """Transcribe a video or sound file, by its sound or its lips; returns a script of its utterances, with words and times.

    out: a file for it, whose ending says its form, as .srt.
    """
    from netflips.commands.transcribe import transcribe_files

    scripts: list[Script] = []
    asked = _asked(TranscribeCommand, options or TranscribeOptions(), recordings=(Path(recording),), out=out)
    with report_to(progress):
        transcribe_files(asked, scripts)
    return scripts[0]


def say(text: str, out: StrPath, options: SayOptions | None = None, *, progress: Progress = silent) -> None:
    """Speak Korean text in a given voice, and write it as a wav file."""
    from netflips.commands.say import say_text

    with report_to(progress):
        say_text(_asked(SayCommand, options or SayOptions(), text=text, out=out))


def lipsync(
    video: StrPath, speech: StrPath, out: StrPath, options: LipsyncOptions | None = None, *, progress: Progress = silent
) -> "Script":
    """Move the lips of a video to speech that you have; returns the script of what was done."""
    from netflips.commands.given_audio import sync_lips

    with report_to(progress):
        return sync_lips(_asked(LipsyncCommand, options or LipsyncOptions(), video=video, speech=speech, out=out))


def portrait(
    image: StrPath,
    out: StrPath,
    options: PortraitOptions | None = None,
    *,
    speech: StrPath | None = None,
    text: str | None = None,
    units: StrPath | None = None,
    progress: Progress = silent,
) -> "Script":
    """Let a still portrait speak given speech, text or units; returns the script of what was done."""
    from netflips.commands.portrait import animate

    said = {"speech": speech, "text": text, "units": units}
    with report_to(progress):
        return animate(_asked(PortraitCommand, options or PortraitOptions(), portrait=image, out=out, **said))


def lip2speech(video: StrPath, out: StrPath, options: LipSpeechOptions | None = None, *, progress: Progress = silent) -> "Script":
    """Make speech from the lips of a video, at its own times; returns the script of what was done."""
    from netflips.commands.lip2speech import speak_video

    with report_to(progress):
        return speak_video(_asked(LipSpeechCommand, options or LipSpeechOptions(), video=video, out=out))


def _asked(command: Callable[..., Asked], options: CommonOptions, **given: Any) -> Asked:
    """Return what a command is asked: its options and its files, which are checked as on the command line."""
    values = {option.name: getattr(options, option.name) for option in fields(options)} | given
    asked = command(**{**values, **named_models(values)})
    check_files(declared_in(asked), shipped_files())
    return asked
