"""The installed command `netflips`. The subcommands are defined elsewhere; only the chosen one is imported."""

import argparse
import shlex
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

from avcore.command import Parser, did_you_mean
from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE
from avcore.flags import Command
from avcore.loading import loading
from avcore.notes import print_text, shown
from netflips.version import __version__

COMMANDS = {
    "demo": ("netflips.commands.options:demo", "dub the clip that comes with NetfLips, and let a portrait say it"),
    "dub": ("netflips.commands.dub", "dub videos into another language"),
    "live": ("netflips.commands.live", "dub while somebody speaks, a few seconds later"),
    "script": (
        "netflips.commands.script",
        "list, divide and join the sentences of a dub's script, list its terms, and store who speaks",
    ),
    "units": ("av2unit.inference", "extract units from speech and lips"),
    "translate": ("unit2unit.inference", "translate units of one language into units of another"),
    "speak": ("unit2av.inference_unit2a", "turn units into speech"),
    "say": ("netflips.commands.options:say", "speak Korean text"),
    "lip2speech": ("netflips.commands.options:lip2speech", "make speech for silent lips"),
    "lipsync": ("netflips.commands.options:lipsync", "fit the lips of a video to speech that you have"),
    "portrait": ("netflips.commands.options:portrait", "make a still image of a face say speech or text"),
    "avatar": ("netflips.commands.options:avatar", "let a portrait answer a question in Korean"),
    "render": ("netflips.commands.options:render", "turn units into speech and lips"),
    "transcribe": ("netflips.commands.options:transcribe", "write what is said in videos and sound files as text or subtitles"),
    "extract": ("netflips.commands.extract", "extract the units of a whole corpus"),
    "prepare": ("netflips.commands.prepare", "prepare a speech corpus or a folder of videos for training"),
    "manifest": ("avcore.data.manifest_command", "check, count, divide, join and convert manifests"),
    "models": ("netflips.commands.models", "download published models and list them"),
    "convert": ("netflips.commands.options:convert", "convert a checkpoint to safetensors and JSON"),
    "bundle": ("netflips.commands.bundle", "pack and check the models that come with NetfLips"),
    "evaluate": ("netflips.evaluate.command", "measure the demo's models, or your own on a test split"),
    "serve": ("netflips.serve.command", "start a web page: upload a video, correct the dub, download it"),
    "completion": ("netflips.commands.completion", "print the completion script for bash or zsh"),
    "info": ("netflips.commands.info", "describe a dubbed video, a checkpoint or a bundle"),
}

_STAGES = ("units", "translate", "speak")
"""Commands of the stages, which have other names when they are run as modules."""


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


# What `netflips help` prints: the commands by their use, examples of each, and the usual options of a command that has many

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Start": ("demo", "dub", "live", "script", "serve", "info", "completion"),
    "Make": ("say", "transcribe", "lipsync", "portrait", "avatar", "lip2speech"),
    "Stages": ("units", "translate", "speak", "render"),
    "Train and measure": ("prepare", "manifest", "extract", "evaluate"),
    "Models": ("models", "bundle", "convert"),
}
"""Commands by what somebody wants to do."""
USUAL: Mapping[str, tuple[str, ...]] = {
    "dub": (
        "--out",
        "--from",
        "--to",
        "--cascade",
        "--voice",
        "--speak-with",
        "--subtitles",
        "--draft",
        "--script-in",
        "--timing",
        "--preview",
        "--report",
    ),
}
"""Options that most people need, for commands that have many."""
EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "demo": (("the clip that comes with NetfLips", "netflips demo"),),
    "dub": (
        ("a short clip", "netflips dub clip.mp4 -o clip_ko.mp4 --to ko"),
        ("a talk, over text, with subtitles", "netflips dub talk.mp4 -o talk_ko.mp4 --cascade --subtitles source,target"),
        ("read and correct it first", "netflips dub talk.mp4 --draft talk.json"),
        ("and go on from there", "netflips dub talk.mp4 -o talk_ko.mp4 --script-in talk.json"),
    ),
    "script": (
        ("what is said, by number", "netflips script list talk.json"),
        ("divide a sentence where it pauses", "netflips script split talk.json 3 -o talk2.json"),
        ("join it with the next", "netflips script join talk2.json 5 -o talk3.json"),
        ("give a speaker a name", 'netflips script rename talk.json "speaker 1" Ann -o named.json'),
        ("keep the named voices for the next dub", "netflips script speakers named.json -o people"),
        ("names and terms, to decide how they are said", "netflips script terms talk.json"),
    ),
    "live": (
        ("a file at its own pace, to try it", "netflips live talk.mp4 -o talk_live.mkv --clock virtual"),
        ("a stream, over text", "netflips live rtmp://localhost/talk -o talk_live.mkv --cascade --record talk.json"),
        ("a microphone, into a folder of HLS", "netflips live mic -o live --subtitles source,target"),
    ),
    "serve": (
        ("a page on this computer", "netflips serve"),
        ("a service for others", 'netflips serve --operator "Your Name"'),
    ),
    "info": (("what a dub says of itself", "netflips info clip_ko.mp4"),),
    "completion": (("for this shell", "netflips completion bash"),),
    "say": (
        ("in the first of the voices that come along", "netflips say 안녕하세요? -o hello.wav"),
        ("in the voice of a recording", "netflips say --text-path text.txt -o text.wav --voice me.wav"),
    ),
    "transcribe": (
        ("on the screen", "netflips transcribe clip.mp4"),
        ("as subtitles, by the sound alone", "netflips transcribe talk.mp4 -o talk.srt --modalities audio"),
    ),
    "lipsync": (("an actor's speech", "netflips lipsync clip.mp4 -o moved.mp4 --speech actor.wav"),),
    "portrait": (
        ("with your speech", "netflips portrait face.jpg -o talking.mp4 --speech hello.wav"),
        ("with a text", "netflips portrait face.jpg -o talking.mp4 --text 안녕하세요?"),
    ),
    "avatar": (("a spoken question", "netflips avatar face.jpg -o answer.mp4 --listen question.wav"),),
    "lip2speech": (("of a silent video", "netflips lip2speech silent.mp4 -o lips.wav --from en"),),
    "units": (("from sound and lips", "netflips units clip.mp4 -o en.txt"),),
    "translate": (("from English into Korean", "netflips translate en.txt -o ko.txt --from en --to ko"),),
    "speak": (("in the voice of a recording", "netflips speak --input_file ko.txt -o ko.wav --voice clip.mp4"),),
    "render": (("with a speaker's face and voice", "netflips render ko.txt -o rendered.mp4 --video clip.mp4"),),
    "prepare": (
        ("AIHub Ko-X", "netflips prepare kox --help"),
        ("a folder of videos", "netflips prepare video --help"),
    ),
    "manifest": (("hours, speakers and quality", "netflips manifest stats train.jsonl"),),
    "extract": (("all units of a corpus", "netflips extract train.jsonl -o units --workers 2"),),
    "evaluate": (("the demo's models", "netflips evaluate demo"),),
    "models": (
        ("what there is, and what may be sold", "netflips models list"),
        ("a set for dubs into Korean", "netflips models get korean-free"),
    ),
    "bundle": (("the one that is used", "netflips bundle check"),),
    "convert": (("a published checkpoint", "netflips convert utut_ko.pt -o utut_ko.safetensors"),),
}
"""Examples of each command: what the example does, and its line."""
_WIDTH = 79
_NAMES = 25


def usage(purposes: Mapping[str, str]) -> str:
    """Return the list of commands. purposes: what each command is for, in words."""
    lines = ["usage: netflips COMMAND INPUT... -o OUT [options]"]
    for title, names in GROUPS.items():
        lines += ["", title, *(f"  {name:<10} {purposes[name]}" for name in names)]
    return "\n".join([*lines, "", "`netflips help COMMAND` describes a command; `netflips --version` says which this is."])


def help_of(name: str, parser: Parser, is_all: bool) -> str:
    """Return a command's help: its options and examples. If it has many options, only the usual ones unless `is_all`."""
    indent, rows = " " * _NAMES, parser.keys.items()
    keys = [textwrap.fill(words, _WIDTH, initial_indent=f"  {key:<22} ", subsequent_indent=indent) for key, words in rows]
    examples = "\n".join(["examples:", *(f"  {line}\n      {what}" for what, line in EXAMPLES[name])])
    if is_all or name not in USUAL:
        flags = parser.format_help().rstrip()
        return "\n\n".join([flags, *(["\n".join(["keys of --config, beside these options:", *keys])] if keys else []), examples])

    about = textwrap.fill(" ".join((parser.description or "").split()), _WIDTH)
    wanted = [one for flag in USUAL[name] for one in parser._actions if flag in one.option_strings]
    options = "\n".join(["options:", *(line for one in wanted for line in _option(one))])
    rest = f"`netflips help {name} --all` lists all {len(parser._actions)} options, and {len(keys)} keys of --config."
    return f"usage: netflips {name} INPUT -o OUT [options]\n\n{about}\n\n{options}\n\n{rest}\n\n{examples}"


def _option(action: argparse.Action) -> Iterator[str]:
    value = "" if action.nargs == 0 else f" {action.metavar or '{' + ','.join(map(str, action.choices or ())) + '}'}"
    names = f"  {', '.join(action.option_strings)}{value}"
    words = textwrap.wrap(" ".join((action.help or "").split()), _WIDTH - _NAMES)
    if len(names) + 2 > _NAMES:
        yield names
    else:
        words = [f"{names:<{_NAMES}}{words[0]}", *words[1:]]
        yield words.pop(0)
    yield from (" " * _NAMES + line for line in words)


def words_of(line: str) -> list[str]:
    """Return the arguments of an example, after the command's name."""
    return shlex.split(line)[2:]


if __name__ == "__main__":
    program()
