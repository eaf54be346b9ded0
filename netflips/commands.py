"""The commands that show or speak but `netflips dub`: options, and the work, whose libraries are loaded when it begins."""

from importlib import import_module
from typing import Any

from avcore.flags import Command
from avcore.loading import loading
from netflips.options import (
    AvatarOptions,
    LipSpeechOptions,
    LipsyncOptions,
    PortraitOptions,
    RenderCommand,
    SayOptions,
    TranscribeOptions,
)


def _command(options: type[Any], name: str, module: str, work: str) -> Command[Any]:
    def run(asked: Any) -> int | None:
        with loading():
            function = getattr(import_module(module), work)
        done = function(asked)
        return done if isinstance(done, int) else None  # a script is for Python

    return Command(options, f"netflips {name}", run)


lipsync = _command(LipsyncOptions, "lipsync", "netflips.dubbing.lipsync", "sync_lips")
portrait = _command(PortraitOptions, "portrait", "netflips.dubbing.portrait", "animate")
avatar = _command(AvatarOptions, "avatar", "netflips.dialogue.work", "answer_question")
say = _command(SayOptions, "say", "netflips.text_voice", "say_text")
lip2speech = _command(LipSpeechOptions, "lip2speech", "netflips.lip_speech", "speak_video")
transcribe = _command(TranscribeOptions, "transcribe", "netflips.transcription", "transcribe_files")
render = _command(RenderCommand, "render", "netflips.dubbing.units", "render_units")
