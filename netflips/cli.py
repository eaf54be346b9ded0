"""The installed command `netflips`: each subcommand is a command of its own elsewhere; only the chosen one is imported."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from avcore.command import Parser, did_you_mean
from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE
from avcore.flags import Command
from avcore.loading import loading
from avcore.notes import print_text, shown
from netflips.help import help_of, usage
from netflips.version import __version__

COMMANDS = {
    "demo": ("netflips.demo", "dub the clip that comes with NetfLips, and let a portrait say it"),
    "dub": ("netflips.dubbing.command", "dub videos into another language"),
    "script": ("netflips.script.command", "list, divide and join the sentences of a dub's script"),
    "units": ("av2unit.inference", "extract units from speech and lips"),
    "translate": ("unit2unit.inference", "translate units of one language into units of another"),
    "speak": ("unit2av.inference_unit2a", "turn units into speech"),
    "say": ("netflips.commands:say", "speak Korean text"),
    "lip2speech": ("netflips.commands:lip2speech", "make speech for silent lips"),
    "lipsync": ("netflips.commands:lipsync", "fit the lips of a video to speech that you have"),
    "portrait": ("netflips.commands:portrait", "make a still picture of a face say speech or text"),
    "avatar": ("netflips.commands:avatar", "let a portrait answer a question in Korean"),
    "render": ("netflips.commands:render", "turn units into speech and lips"),
    "transcribe": ("netflips.commands:transcribe", "write what is said in videos and sound files as text or subtitles"),
    "extract": ("netflips.bulk.command", "extract the units of a whole corpus"),
    "prepare": ("netflips.prepare", "prepare a speech corpus or a folder of videos for training"),
    "manifest": ("avdata.manifest_command", "check, count, divide, join and convert manifests"),
    "models": ("netflips.published.command", "download published models and list them"),
    "convert": ("netflips.convert_command", "convert a checkpoint to safetensors and JSON"),
    "bundle": ("netflips.bundles.command", "pack and check the models that come with NetfLips"),
    "evaluate": ("netflips.evaluate.command", "measure the demo's models, or your own on a test split"),
    "serve": ("netflips.serve.command", "start a web page: upload a video, correct the dub, download it"),
    "completion": ("netflips.completion", "print the completion script for bash or zsh"),
    "info": ("netflips.info", "describe a dubbed video, a checkpoint or a bundle"),
}

_STAGES = ("units", "translate", "speak")
"""Commands of the stages, which go by other names when they are run as modules."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--version"], ["-V"]):
        print_text(f"netflips {__version__}")
        return EXIT_DONE
    if arguments[:1] in ([], ["-h"], ["--help"]) or arguments in (["help"], ["help", "--help"]):
        print_text(usage({name: purpose for name, (_, purpose) in COMMANDS.items()}))
        return EXIT_DONE
    if arguments[0] == "help" and arguments[1] in COMMANDS:
        print_text(help_of(arguments[1], parser_of(arguments[1]), "--all" in arguments))
        return EXIT_DONE
    arguments = arguments[1:] if arguments[0] == "help" else arguments
    if arguments[0] not in COMMANDS:
        _complain(arguments[0])
        return EXIT_BAD_INPUT
    with loading():
        command = command_of(arguments[0])
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


def command_of(name: str) -> Any:
    """Return a command: a module with `main` and `build_parser`, or a `Command`."""
    module, _, one = COMMANDS[name][0].partition(":")
    found = import_module(module)
    return getattr(found, one) if one else found


def parser_of(name: str) -> Parser:
    """Return the parser of a command."""
    command = command_of(name)
    parser: Parser = command.parser() if isinstance(command, Command) else command.build_parser()
    return parser


def program() -> NoReturn:
    """Run the installed command; the process ends with its exit code."""
    sys.exit(main())


if __name__ == "__main__":
    program()
