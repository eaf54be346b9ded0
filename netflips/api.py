"""NetfLips in Python: a function for each command, with the command's options as typed keywords and the same defaults.

    import netflips
    netflips.dub("talk.mp4", "talk_ko.mp4", to="ko")

Paths may be text. What you can put right is a `NetflipsError` (`avcore.errors`). Libraries are loaded when a function is called.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from av2unit.inference import UnitsOptions, extract_to_file
from avcore.checkpoints.bundle import shipped_files
from avcore.command import named_models
from avcore.errors import UsageError
from avcore.files import check_files
from avcore.flags import declared_in
from netflips.avatar.options import AvatarOptions
from netflips.bulk.command import ExtractOptions, extract_corpus
from netflips.dubbing.options import DubCommand
from netflips.lip_speech.options import LipSpeechOptions
from netflips.lipsync.options import LipsyncOptions
from netflips.portrait.options import PortraitOptions
from netflips.render_command import RenderCommand, render_units
from netflips.say import SayOptions, say_text
from netflips.transcribe import TranscribeOptions, transcribe_files
from unit2unit.inference import TranslateOptions, translate_files

if TYPE_CHECKING:
    from netflips.recognition import Recognised
    from netflips.script.types import Script

Keywords = ParamSpec("Keywords")
Options = TypeVar("Options")
Result = TypeVar("Result")


def _function(
    name: str, options: Callable[Concatenate[Any, Keywords], Options], work: Callable[[Options], Result]
) -> Callable[Concatenate[Any, Keywords], Result]:
    """Return a function that takes the fields of a command's options, checks its files as the command does, and does its work."""

    @wraps(options, updated=())
    def run(first: Any, /, *more: Keywords.args, **keywords: Keywords.kwargs) -> Result:
        asked = options(first, *more, **keywords | named_models(keywords))  # type: ignore[arg-type]
        check_files(declared_in(asked), shipped_files())
        return work(asked)

    run.__name__ = run.__qualname__ = name
    return run


def _dub(options: DubCommand) -> "Script":
    """Dub one video; returns what was done."""
    from netflips.dubbing.work import dub_videos

    options = options.with_fetched()
    scripts: list[Script] = []
    _require_one(options.videos)
    dub_videos(options, reports=scripts)
    return scripts[0]


def _require_one(files: tuple[Path, ...]) -> None:
    if len(files) != 1 or files[0].is_dir():
        raise UsageError("this takes one file", found=", ".join(map(str, files)), hint="call it for each")


def _lipsync(options: LipsyncOptions) -> "Script":
    from netflips.lipsync.work import sync_lips

    return sync_lips(options)


def _portrait(options: PortraitOptions) -> "Script":
    from netflips.portrait.work import animate

    return animate(options)


def _avatar(options: AvatarOptions) -> None:
    from netflips.avatar.work import answer_question

    answer_question(options)


def _lip2speech(options: LipSpeechOptions) -> None:
    from netflips.lip_speech.work import speak_video

    speak_video(options)


def _render(options: RenderCommand) -> "Script":
    return render_units(options)


def _transcribe(options: TranscribeOptions) -> "Recognised":
    """Transcribe one file; returns its utterances, with their words and times."""
    heard: list[Recognised] = []
    _require_one(options.recordings)
    transcribe_files(options, heard)
    return heard[0]


dub = _function("dub", DubCommand, _dub)
lipsync = _function("lipsync", LipsyncOptions, _lipsync)
portrait = _function("portrait", PortraitOptions, _portrait)
avatar = _function("avatar", AvatarOptions, _avatar)
say = _function("say", SayOptions, say_text)
transcribe = _function("transcribe", TranscribeOptions, _transcribe)
lip2speech = _function("lip2speech", LipSpeechOptions, _lip2speech)
analyse = _function("analyse", UnitsOptions, extract_to_file)
translate = _function("translate", TranslateOptions, translate_files)
render = _function("render", RenderCommand, _render)
extract = _function("extract", ExtractOptions, extract_corpus)
