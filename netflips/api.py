"""NetfLips in Python: a function for each command, with the command's options as keywords and the same defaults.

    import netflips
    netflips.dub("talk.mp4", "talk_ko.mp4", to="ko")

Each docstring has the help of the options. Paths may be text. Errors that you can put right are `NetflipsError`
(`avcore.errors`). Libraries are loaded when a function is called. `make stub` writes `__init__.pyi`, the signatures for editors.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from av2unit.inference import UnitsOptions, extract_to_file
from avcore.errors import InputError, UsageError
from netflips.bulk.command import ExtractOptions, extract_corpus
from netflips.dubbing.options import DubCommand
from netflips.evaluate.command import DemoEvaluation
from netflips.keywords import StrPath, command
from netflips.options import (
    AvatarOptions,
    LipSpeechOptions,
    LipsyncOptions,
    PortraitOptions,
    RenderCommand,
    SayOptions,
    TranscribeOptions,
)
from netflips.published.command import GetOptions
from unit2av.inference_options import SpeakOptions
from unit2unit.inference import TranslateOptions, translate_files

if TYPE_CHECKING:
    from avcore.units import Units
    from netflips.script.types import Script


@command(
    DubCommand,
    "videos out",
    "to source cascade voice subtitles report draft script_in start end strict work_dir",
    without="one_file",
)
def dub(options: DubCommand) -> "Script":
    """Dub a video of someone speaking into another language, with lips that fit; returns the script of what was done."""
    scripts: list[Script] = []
    asked = options.in_each_language()
    if len(asked) > 1:
        raise UsageError("dub returns the script of one language", found=options.to, hint="dub_each takes several")
    from netflips.dubbing.work import dub_videos

    dub_videos(asked, scripts)
    return scripts[0]


@command(DubCommand, "videos out", "to source cascade voice subtitles report draft start end strict work_dir", needed="to")
def dub_each(options: DubCommand) -> "dict[str, Script]":
    """Dub a video into several languages, as `to="ko,es"`: speech, faces and speakers are found once. Returns the script of each
    by its language; files are named after it, as talk_ko.mp4."""
    scripts: list[Script] = []
    from netflips.dubbing.work import dub_videos

    dub_videos(options.in_each_language(), scripts)
    return {one.target: one for one in scripts}


@command(LipsyncOptions, "video out", "speech")
def lipsync(options: LipsyncOptions) -> "Script":
    """Move the lips of a video to speech that you have; returns the script of what was done."""
    from netflips.dubbing.given_audio import sync_lips

    return sync_lips(options)


@command(PortraitOptions, "portrait out", "speech text units voice")
def portrait(options: PortraitOptions) -> "Script":
    """Let a still portrait speak given speech, text or units; returns the script of what was done."""
    from netflips.dubbing.portrait import animate

    return animate(options)


@command(AvatarOptions, "portrait out", "listen voice")
def avatar(options: AvatarOptions) -> "Script":
    """Let a portrait answer a spoken question in Korean; returns a script of the recognized question and the answer."""
    from netflips.dialogue.work import answer_question

    return answer_question(options)


@command(SayOptions, "text out", "voice")
def say(options: SayOptions) -> Path:
    """Speak Korean text in a given voice, write its units, or both; returns the file of the speech, else that of the units."""
    from netflips.text_voice import say_text

    say_text(options)
    made = options.out or options.units_path
    assert made is not None  # as the options say
    return made


@command(TranscribeOptions, "recordings out", "source recognizer format")
def transcribe(options: TranscribeOptions) -> "Script":
    """Transcribe a video or sound file, by its sound or its lips; returns a script of its utterances, with words and times."""
    scripts: list[Script] = []
    from netflips.transcription import transcribe_files

    transcribe_files(options, scripts)
    return scripts[0]


@command(LipSpeechOptions, "video out", "voice")
def lip2speech(options: LipSpeechOptions) -> "Script":
    """Make speech from the lips of a video, at its own times; returns the script of what was done."""
    from netflips.lip_speech import speak_video

    return speak_video(options)


@command(UnitsOptions, "video out", "modalities")
def analyse(options: UnitsOptions) -> "Units":
    """Extract the units of a video or sound file; returns them."""
    return extract_to_file(options)


@command(TranslateOptions, "units out", "source to")
def translate(options: TranslateOptions) -> Path:
    """Translate units of one language into units of another; returns the file, or of many the folder."""
    made = options.out or options.out_dir
    assert made is not None  # as the options say
    if translate_files(options):
        raise InputError("some of the units could not be translated", path=made, hint="the others are there")
    return made


@command(RenderCommand, "units out", "video to voice")
def render(options: RenderCommand) -> "Script":
    """Turn units into a video, in which a speaker's face and voice speak them; returns the script of what was done."""
    from netflips.dubbing.given_audio import render_units

    return render_units(options)


@command(ExtractOptions, "in_path out_dir", "source workers retry_failed")
def extract(options: ExtractOptions) -> Path:
    """Extract the units of a corpus; returns their folder, which also has a list of what was set aside."""
    extract_corpus(options)
    return options.out_dir


_PUBLISHED = "checkpoint config input_file output_folder"
"""Options that only the published command has."""


@command(SpeakOptions, "units out", "voice to", without=_PUBLISHED, needed="units out voice")
def speak(options: SpeakOptions) -> Path:
    """Turn units into speech in a given voice; returns its file."""
    from unit2av.speaking import speak_file

    speak_file(options)
    assert options.out is not None  # it must be given
    return options.out


@command(DemoEvaluation, "", "bundle out_dir number", without="write_docs docs")
def evaluate_demo(options: DemoEvaluation) -> Path:
    """Measure a bundle on unseen material, which is made as needed; returns the folder of the figures. It needs a checkout. For
    other evaluations see `evaluate`."""
    from netflips.evaluate.command import measure_demo

    measure_demo(options)
    return options.out_dir


@command(GetOptions, "*names", "accept_licence", without="yes verbose")
def get_models(options: GetOptions) -> dict[str, Path]:
    """Download models or a set of them, check them, and return where each is. Asks about a licence that is not accepted."""
    from netflips.published.command import get

    return get(options)


def list_models() -> list[dict[str, Any]]:
    """Return the published models: name, flag, about, licence, commercial, and whether each is on this machine (is_here)."""
    from netflips.published.command import facts_of_all

    return facts_of_all()


def evaluate(*words: StrPath) -> int:
    """Measure your own clips, dubs or units; returns the exit code.

    words: arguments of `netflips evaluate`, as ("dubs", "dubs/", "--jobs", "2").
    """
    from netflips.evaluate.command import main

    return main([os.fspath(word) for word in words])


def prepare(*words: StrPath) -> int:
    """Prepare a corpus; returns the exit code. words: arguments of `netflips prepare`, as ("video", "clips/", "prepared/")."""
    from netflips.prepare import main

    return main([os.fspath(word) for word in words])
