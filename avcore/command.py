"""The parser of all commands, and how each of them runs and ends.

A usage error is one line that suggests what was probably meant. Files are declared with their options; all commands have options
for device and logging; failures have exit codes.
"""

import argparse
import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any, NoReturn

from avcore import INTERRUPTED
from avcore.checkpoints.stages import named_model, stages
from avcore.compute.memory import keep_freed_memory
from avcore.errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILED,
    NetflipsError,
    OutputError,
    UsageError,
    error_from,
    is_no_memory,
    reason,
)
from avcore.files import Input, Output, check_files
from avcore.loading import TERMINATED, end_start
from avcore.notes import GroupedNote, NoteKind, PlainFormatter, noted_by, notify_listeners, shown
from avcore.words import error_lines, gettext_in, user_language

PUBLISHED = {
    "--in-vid-path": "--video", "--in-unit-path": "--units", "--out-vid-path": "--out", "--out-unit-path": "--out",
    "--src-lang": "--from", "--tgt-lang": "--to", "--cpu": "--device=cpu",
}  # fmt: skip
"""Options as AV2AV published them, and their names here. In most commands a file to read has no flag."""
_USUAL = {
    "language": ("--to", "--from"), "lang": ("--to", "--from"), "target-language": ("--to",),
    "source-language": ("--from",), "output-dir": ("--out-dir",), "outdir": ("--out-dir",), "output-file": ("--out",),
    "outfile": ("--out",), "rate": ("--speed",), "speaker": ("--voice",), "reference": ("--voice",),
    "audio": ("--speech",), "gpu": ("--device",),
    "silent": ("--quiet",), "lip-sync": ("--lips",), "begin": ("--start",), "stop": ("--end",), "srt": ("--subtitles",),
    "json": ("--report",),
}  # fmt: skip
"""Options of other programs, and our options that do the same, the likeliest first."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return `did you mean X?` with the known name nearest to an unknown word; "" where none is near."""
    names = list(known)
    word = given.lower().lstrip("-").replace("_", "-")
    usual = [name for name in _USUAL.get(word, ()) if name in names] if given.startswith("-") else []
    near = usual or get_close_matches(given.lower().replace("_", "-"), names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def named_models(options: Mapping[str, object]) -> dict[str, Path]:
    """Find the models that options name (`recognizer="whisper-small"`), and return their paths by option.

    A path that exists is left out: the option stays as it is. Raises NetflipsError for a model that is published but not fetched
    yet, and for one that has changed.
    """
    given = {option: Path(value) for option, value in options.items() if isinstance(value, str | Path)}
    bare = {option: path for option, path in given.items() if path.parts == (path.name,) and not os.path.exists(path)}
    # A checkpoint may be of any kind: the command that takes it checks that.
    flags = {option: "" if option == "checkpoint" else f"--{option.replace('_', '-')}" for option in bare}
    found = {option: named_model(path.name, flags[option]) for option, path in bare.items()}
    return {option: path for option, path in found.items() if path is not None}


class Parser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` whose errors are one line on stderr and exit code 2."""

    was_used = False
    """Whether it parsed anything; the parsers of other subcommands than the one that was given did not."""
    keys: Mapping[str, str] = {}
    """Options without a flag, which a file of --config has, and their help."""

    def error(self, message: str) -> NoReturn:
        """End the process with the message, without the synopsis before it."""
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {shown(message)}; see {self.prog} --help\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments. An unknown option is reported before any other error, with the option nearest to it."""
        given = sys.argv[1:] if args is None else list(args)
        known = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                chosen = [one for name, one in action.choices.items() if name in given]
                known += [option for one in chosen for option in one._option_string_actions]

        for text in given[: given.index("--")] if "--" in given else given:
            flag = text.partition("=")[0]
            if (key := flag.removeprefix("--").replace("-", "_")) in self.keys and flag.startswith("--"):
                self.error(f"{flag} is a key of --config; write it into a YAML file, as `{key}: ...`")
            if flag.startswith("--") and flag not in PUBLISHED and not any(option.startswith(flag) for option in known):
                self.error("; ".join(filter(None, (f"unrecognized option {flag}", did_you_mean(flag, [*known, *PUBLISHED])))))

        options = super().parse_args(_in_our_names(given, known), namespace)
        try:
            vars(options).update(named_models(vars(options)))
        except NetflipsError as error:
            self.exit(EXIT_BAD_INPUT, f"{self.prog}: error: {shown(error)}\n")
        return options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and note in `was_used` that this parser was used."""
        self.was_used = True
        return super().parse_known_args(args, namespace)

    def declared(self, given: argparse.Namespace) -> Iterator[tuple[Input | Output, list[Path]]]:
        """Yield the file options of this parser and of the subcommand in use, with the files that were given for them."""
        seen = set[str]()
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                # Aliases of a subcommand are one parser under several names.
                for one in {id(choice): choice for choice in action.choices.values()}.values():
                    if one.was_used:
                        yield from one.declared(given)
            elif isinstance(action.type, Input | Output) and action.dest not in seen:
                seen.add(action.dest)
                yield action.type, list(_paths(getattr(given, action.dest, None)))

    def _get_option_tuples(self, option_string: str) -> Any:
        """Return the options that an abbreviation may stand for; several names of one option count as one."""
        found = super()._get_option_tuples(option_string)
        return found[:1] if len({id(one[0]) for one in found}) == 1 else found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            expected = f"expected {' or '.join(choices) if len(choices) < 4 else ', '.join(choices)}"
            raise argparse.ArgumentError(
                action, "; ".join(filter(None, (f"unknown value {value!r}", did_you_mean(str(value), choices), expected)))
            )


def _paths(value: Any) -> Iterator[Path]:
    """Yield the paths of an option's value: one, several, or lists of them. `-` is skipped: it means standard input."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _paths(one)
    elif value is not None and str(value) != "-":
        yield Path(value)


def _in_our_names(given: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return a command line in which the options that AV2AV published have our names; files without a flag come first."""
    files, rest, words = list[str](), list[str](), list(given)
    while words:
        name, equals, value = (word := words.pop(0)).partition("=")
        ours = name if name in known else PUBLISHED.get(name, name)
        if word == "--":
            return [*files, *rest, word, *words]

        if ours == name:
            rest.append(word)
        elif ours.partition("=")[0] in known:
            rest.append(ours + equals + value)
        elif name.startswith("--in-"):
            files += [value] if equals else []
            while words and not equals and not words[0].startswith("-"):
                files.append(words.pop(0))
        else:
            rest.append(word)

    return [*files, *rest]


def speed(text: str) -> float:
    """Read a speaking rate: 1 = as learnt, above 1 faster."""
    value = float(text)
    if not 0 < value < inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value


def add_quiet_options(parser: argparse._ActionsContainer) -> None:
    """Add --quiet and --verbose to a parser or a group of options."""
    parser.add_argument("-y", "--yes", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors and warnings only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print details, and tracebacks of unexpected errors")


LOG = logging.getLogger("netflips")
_REFUSED = (
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.EFBIG,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENOTDIR,
)
"""System errors about a name, a place or a limit, which a user can correct."""
_MOST_SHOWN = 200
_LESS = "close other programs, raise the limit (ulimit -v), or give something shorter"


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM; work under way ends as with Ctrl-C."""


def run(
    parser: Parser,
    work: Callable[[Any], int | None],
    argv: Sequence[str] | None = None,
    read: Callable[[argparse.Namespace], Any] | None = None,
) -> int:
    """Parse, set up logging on stderr, check the files that options name, do the work, and return the exit code.

    read: turns the parsed options into the argument of `work`; may raise NetflipsError.
    Exit codes: 0 done; 2 bad input or usage, in one line; 3 speech not understood; 1 anything else;
    130 after Ctrl-C; 143 after SIGTERM.
    """
    options = parser.parse_args(argv)

    from avcore.checkpoints.bundle import shipped_files  # imports NumPy, which help and errors of usage need not wait for

    is_verbose = getattr(options, "verbose", False)
    level = logging.DEBUG if is_verbose else logging.WARNING if getattr(options, "quiet", False) else logging.INFO
    _log_to_stderr()
    LOG.setLevel(level)
    end_start()
    keep_freed_memory()

    try:
        with stopped_by_sigterm(), noted_by():
            if not stages():
                raise UsageError("NetfLips is not installed", hint="run `pip install --no-deps -e .` in its folder")
            asked = options if read is None else read(options)
            files = list(parser.declared(options))
            if any(isinstance(file, Output) and paths for file, paths in files):
                check_files(files, shipped_files())
            else:
                check_files(files)
            return work(asked) or EXIT_DONE

    except NetflipsError as error:
        _complain(parser.prog, error, lasts=error.exit_code != EXIT_FAILED and not isinstance(error, OutputError))
        return error.exit_code
    except Terminated:
        LOG.error("%s: terminated", parser.prog)
        return TERMINATED
    except KeyboardInterrupt:
        LOG.error("%s: interrupted", parser.prog)
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _REFUSED:
            place = str(error.filename or "a file")[:_MOST_SHOWN]
            _complain(parser.prog, NetflipsError("it cannot be used", path=place, found=error.strerror))
            return EXIT_BAD_INPUT
        if is_no_memory(error):
            _complain(parser.prog, NetflipsError("there is not enough memory for this", found=reason(error), hint=_LESS))
            return EXIT_BAD_INPUT
        complaint = f"{type(error).__name__}: {error}"
        LOG.error("%s: %s: %s", parser.prog, gettext_in(user_language())("unexpected error"), complaint, exc_info=is_verbose)
        notify_listeners(GroupedNote(COMPLAINT(error=NetflipsError(complaint).as_json(), lasts=False)))
        return EXIT_FAILED


COMPLAINT = NoteKind("failed", lambda one, _: str(error_from(one["error"])))
"""Sent to listeners of a command's notes: the error that ended it. lasts: the same command on the same files would fail again."""


def _complain(prog: str, error: NetflipsError, lasts: bool = False) -> None:
    """Print the error that ends a command. Listeners get its parts."""
    line, *ways = error_lines(error)
    LOG.error("%s: %s: %s", prog, gettext_in(user_language())("error"), line)
    for way in ways:
        LOG.error("  %s", way)
    notify_listeners(GroupedNote(COMPLAINT(error=error.as_json(), lasts=lasts)))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which batch systems send, end the block as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_interrupted = False

    def stop(*_: object) -> None:
        nonlocal is_interrupted
        is_interrupted = True
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        if is_interrupted and not isinstance(error, Terminated):  # Ray makes a plain one of it while it waits
            raise Terminated from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


__all__ = [
    "EXIT_BAD_INPUT",
    "EXIT_DONE",
    "EXIT_FAILED",
    "LOG",
    "Input",
    "Output",
    "Parser",
    "Terminated",
    "run",
    "stopped_by_sigterm",
]
