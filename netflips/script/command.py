"""`netflips script list | split | join`: the utterances of a script, divided and joined as on the page."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG
from avcore.files import Input
from avcore.flags import Command, Commands, QuietOptions, flag, out_flag, positional
from avcore.notes import print_text, several, shown
from netflips.script.edit import join, split
from netflips.script.files import read_script, require_own_files, write_script
from netflips.script.types import Script


@dataclass(frozen=True, kw_only=True)
class ListOptions(QuietOptions):
    """List the utterances: number, times, speaker, and what is heard and said."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""


@dataclass(frozen=True, kw_only=True)
class JoinOptions(QuietOptions):
    """Join an utterance with the next one."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""
    number: int = positional("NUMBER", type=int)
    """of the utterance, as netflips script list has it"""
    out: Path = out_flag("the new script")
    """for netflips dub --script-in"""


@dataclass(frozen=True, kw_only=True)
class SplitOptions(JoinOptions):
    """Divide an utterance in two."""

    at: float | None = flag(default=None, type=float, metavar="SECONDS")
    """where, in the video's time (default: at its longest pause)"""


def _list(options: ListOptions) -> None:
    print_text("\n".join(map(shown, _lines(read_script(options.script)))))


def _lines(script: Script) -> Iterator[str]:
    for one in script.utterances:
        texts = " -> ".join(text.text for text in (one.text, one.said) if text is not None)
        yield f"{one.number:3} {one.place.start_s:8.2f} to {one.place.end_s:.2f} s  {one.speaker or '?'}: {texts or '(no text)'}"


def _split(options: SplitOptions) -> None:
    _write(split(read_script(options.script), options.number, options.at), options)


def _join(options: JoinOptions) -> None:
    _write(join(read_script(options.script), options.number), options)


def _write(script: Script, options: JoinOptions) -> None:
    require_own_files(script, options.out)  # named from the script's folder
    write_script(options.out, script)
    LOG.info("%s: %s", options.out, several(len(script.utterances), "utterance"))


_COMMANDS = Commands(
    "netflips script",
    "List, divide and join the utterances of a script.",
    {
        "list": Command(ListOptions, "netflips script list", _list),
        "split": Command(SplitOptions, "netflips script split", _split),
        "join": Command(JoinOptions, "netflips script join", _join),
    },
)
build_parser, main = _COMMANDS.parser, _COMMANDS.main

if __name__ == "__main__":
    sys.exit(main())
