"""The parser of all commands: a usage error is one line that says what was probably meant."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from avcore.checkpoints.stages import named_model
from avcore.errors import EXIT_BAD_INPUT, NetflipsError
from avcore.plain_text import shown


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`did you mean X?` for what is nearest to a word that is not known; "" where nothing is near."""
    near = get_close_matches(given.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def find_named_models(options: argparse.Namespace) -> None:
    """Put the path of a model that was fetched in place of its name (`--recognizer whisper-small`); a path that exists stays.

    Raises NetflipsError for a model that is published but not here, and one that is damaged.
    """
    for option, given in vars(options).items():
        if isinstance(given, Path) and given.parts == (given.name,) and not given.exists():
            setattr(options, option, named_model(given.name, f"--{option.replace('_', '-')}") or given)


class Parser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` whose errors are one line on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """End the process with the complaint, without the synopsis before it."""
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {shown(message)}; see {self.prog} --help\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments. An option that is not known is the first thing to be said, with the one that is nearest."""
        given = sys.argv[1:] if args is None else list(args)
        known = self._options_for(given)
        for text in given[: given.index("--")] if "--" in given else given:
            flag = text.partition("=")[0]
            if flag.startswith("--") and not any(option.startswith(flag) for option in known):
                self.error("; ".join(filter(None, (f"unrecognized option {flag}", did_you_mean(flag, known)))))
        options = super().parse_args(given, namespace)
        try:
            find_named_models(options)
        except NetflipsError as error:
            self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {shown(error)}\n")
        return options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(one) for one in action.choices]
            expected = f"expected {' or '.join(choices) if len(choices) < 4 else ', '.join(choices)}"
            raise argparse.ArgumentError(
                action, "; ".join(filter(None, (f"unknown value {value!r}", did_you_mean(str(value), choices), expected)))
            )

    def _options_for(self, given: Sequence[str]) -> list[str]:
        """Option strings of this parser, and of the subcommands that are named."""
        known = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                chosen = [one for name, one in action.choices.items() if name in given]
                known += [option for one in chosen for option in one._option_string_actions]
        return known


def add_track_option(parser: argparse._ActionsContainer, whose: str) -> None:
    """Add --audio-track to a parser or a group of options. whose: the file, as `the video`."""
    parser.add_argument(
        "--audio-track",
        metavar="N|LANG",
        help=f"the sound track of {whose} that is heard: a number from 1, or a language (default: the first with speech)",
    )


def add_quiet_options(parser: argparse._ActionsContainer, besides: str = "") -> None:
    """Add --quiet and --verbose to a parser or a group of options. besides: what is printed with --quiet all the same."""
    extra = f", and {besides}" if besides else ""
    parser.add_argument("--quiet", action="store_true", help=f"print errors and warnings only{extra}")
    parser.add_argument("--verbose", action="store_true", help="print details, and tracebacks of unexpected errors")
