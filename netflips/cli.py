"""The installed command `netflips`: each subcommand is a command of its own elsewhere; only the chosen one is imported."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE
from avcore.loading import loading
from avcore.plain_text import print_text, shown
from avcore.usage import Parser, did_you_mean
from netflips import __version__

COMMANDS = {
    "demo": ("netflips.demo", "dub the clip that comes along, and let a portrait say it"),
    "dub": ("netflips.dub.command", "dub videos into another language"),
    "units": ("av2unit.inference", "speech and lips to units"),
    "translate": ("unit2unit.inference", "units of one language to units of another"),
    "speak": ("unit2av.inference_unit2a", "units to speech"),
    "say": ("netflips.say", "Korean text to speech"),
    "lip2speech": ("netflips.lip_speech.command", "speech for silent lips"),
    "lipsync": ("netflips.lipsync.command", "the lips of a video to speech that you have"),
    "portrait": ("netflips.portrait.command", "a still picture of a face that says any speech or text"),
    "avatar": ("netflips.avatar.command", "a portrait that answers what it is asked, in Korean"),
    "render": ("unit2av.inference_unit2av", "units to speech and lips"),
    "transcribe": ("netflips.transcribe", "what is said in videos and sound files, as text or subtitles"),
    "extract": ("netflips.bulk.command", "units of a whole corpus, in bulk"),
    "prepare": ("netflips.prepare", "a speech corpus or a folder of video to what training reads"),
    "manifest": ("avdata.manifest_command", "check, count, divide, join and convert manifests"),
    "models": ("netflips.published.command", "get models that others publish, and find them by name"),
    "convert": ("netflips.convert_command", "a checkpoint to safetensors and JSON"),
    "bundle": ("netflips.bundles.command", "pack and check the models that come with NetfLips"),
    "evaluate": ("netflips.evaluate.command", "how good the demo's models are, or one's own on a test split"),
    "serve": ("netflips.serve.command", "a web page to dub with: upload, look, correct, download"),
    "completion": ("netflips.completion", "what bash and zsh need to complete all this"),
    "info": ("netflips.info", "what a dubbed video, a checkpoint or the bundle says of itself"),
}

_STAGES = ("units", "translate", "speak", "render")
"""Commands of the stages, which go by other names when they are run as modules."""


def usage() -> str:
    """Return the list of subcommands."""
    lines = [f"  {name:<10} {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(["usage: netflips COMMAND INPUT... -o OUT [options]", "", *lines, "", "netflips help COMMAND says more."])


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--version"], ["-V"]):
        print_text(f"netflips {__version__}")
        return EXIT_DONE
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    if arguments[:1] in ([], ["-h"], ["--help"]):
        print_text(usage())
        return EXIT_DONE
    if arguments[0] not in COMMANDS:
        _complain(arguments[0])
        return EXIT_BAD_INPUT
    module, _ = COMMANDS[arguments[0]]
    with loading():
        command = import_module(module)
    if arguments[0] in _STAGES:
        return int(command.main(arguments[1:], prog=f"netflips {arguments[0]}"))
    return int(command.main(arguments[1:]))


def _complain(name: str) -> None:
    usual = {
        "tts": "say",
        "synthesize": "say",
        "lip-sync": "lipsync",
        "lips": "lipsync",
        "analyse": "units",
        "web": "serve",
        "ui": "serve",
    }
    meant = f"did you mean {usual[name]}?" if name in usual else did_you_mean(name, COMMANDS)
    parts = (f"no command called {shown(repr(name))}", meant, f"expected one of {', '.join(COMMANDS)}")
    if sys.stderr is not None:
        sys.stderr.write(f"netflips: error: {'; '.join(filter(None, parts))}\n")


def parser_of(name: str) -> Parser:
    """Return the parser of a command."""
    parser: Parser = import_module(COMMANDS[name][0]).build_parser()
    return parser


def program() -> NoReturn:
    """Return the installed command, a process of its own."""
    sys.exit(main())


if __name__ == "__main__":
    program()
