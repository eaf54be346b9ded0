"""Programs that a user has: run without a shell, within a limit of time, and ended with all that they began.

A command line with placeholders is run once for each piece of work. One without any is started once and answers lines of JSON.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from avcore.errors import InputError, UsageError
from avcore.plain_text import shown
from avcore.runs.cache import file_digest

_MOST_LINE = 1 << 20
"""Bytes of a line that a program answers."""
_MOST_LINES = 10_000
"""Lines that are no answer, such as a library's own words."""
_MOST_WORDS = 200
_START_S = 600.0
"""In which a program that is started once gives its first answer: models load."""
_PATIENCE_S = 3.0
_DIGESTED = 16 << 20
"""Bytes up to which a file that a command names is read to tell whether it changed; of a larger one its length counts."""


def parse_command(text: str, flag: str) -> tuple[str, ...]:
    """Return the words of a command line, as a shell divides them; nothing else of a shell is done.

    flag: that it was given with. Raises UsageError for no words, a quote that is not closed, and a program that is not there.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{flag} cannot be read", found=error) from error
    if not words or "\0" in text:
        raise UsageError(f"{flag} names no program", expected='as "python answer.py"', found=repr(text[:40]))
    if shutil.which(words[0]) is None:
        raise UsageError(f"the program of {flag} is not there", found=words[0], hint="give its path, or check that it may be run")
    return tuple(words)


def takes(words: Sequence[str], *names: str) -> bool:
    """Tell whether a command has one of some placeholders."""
    return any(f"{{{name}}}" in word for word in words for name in names)


def filled(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Replace the placeholders of a command, once: what is put in is not looked at again, and other braces stay."""
    return [_filled(word, values) for word in words]


def _filled(word: str, values: Mapping[str, str]) -> str:
    pieces, rest = [], word
    while there := {place: name for name in values if (place := rest.find(f"{{{name}}}")) >= 0}:
        place = min(there)
        pieces += [rest[:place], values[there[place]]]
        rest = rest[place + len(there[place]) + 2 :]
    return "".join([*pieces, rest])


def program_name(words: Sequence[str]) -> str:
    """Return what a person calls a command: its program, or the script or module that an interpreter runs."""
    named = [Path(word).name for word in words if "{" not in word]
    return next(
        (name for name in named if name.endswith((".py", ".sh"))), words[words.index("-m") + 1] if "-m" in words[:-1] else named[0]
    )


def command_key(words: Sequence[str]) -> list[list[str]]:
    """Return what a command's answers depend on, for the names of kept work: its words, and the files that they name."""
    return [[word, _file_key(Path(word))] for word in words]


def _file_key(path: Path) -> str:
    with suppress(OSError, ValueError):
        if path.is_file():
            size = path.stat().st_size
            return file_digest(path) if size <= _DIGESTED else str(size)
    return ""


def run_program(words: Sequence[str], limit_s: float, what: str) -> None:
    """Run a program to its end. what: its name in messages.

    Raises InputError, with its own last words, where it cannot be started, fails, or takes longer than `limit_s` seconds.
    """
    # What it prints is kept apart: it comes late, behind the error that is wanted.
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as printed:
        process = _started(words, what, log, stdin=subprocess.DEVNULL, stdout=printed)
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"{what} did not end", path=words[0], found=f"nothing within {limit_s:g} s") from error
        finally:
            end_program(process)
        if code:
            raise InputError(f"{what} failed", path=words[0], found=f"exit code {code}{_last_words(log) or _last_words(printed)}")


def _started(words: Sequence[str], what: str, log: Any, **pipes: Any) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(list(words), stderr=log, start_new_session=True, **pipes)
    except (OSError, ValueError) as error:
        raise InputError(f"{what} could not be run", path=words[0], found=error) from error


def _last_words(log: Any) -> str:
    """Return ": " and the last line that a program wrote, "" for none."""
    log.seek(max(log.seek(0, os.SEEK_END) - 4096, 0))
    lines = log.read().decode(errors="replace").strip().splitlines()
    return f": {shown(lines[-1].strip())[:_MOST_WORDS]}" if lines else ""


def end_program(process: "subprocess.Popen[bytes]") -> None:
    """End a program that was started in a session of its own, and all that it began there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


class LineProgram:
    """A program that is started when it is asked first, and answers each line of JSON with one.

    A request is an object; an answer is an object with `"ok": true` and what was asked for, or with `"error": "why"`. Other lines
    that it prints are passed over. One that ends, or takes too long, is started again for the next request.
    """

    def __init__(self, words: Sequence[str], limit_s: float, what: str) -> None:
        """limit_s: seconds for an answer; the first one may take longer, since models load. what: its name in messages."""
        self._words, self._limit_s, self._what = tuple(words), limit_s, what
        self._process: subprocess.Popen[bytes] | None = None
        self._log: Any = None
        self._is_warm = False

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request. Raises InputError where there is none, or it says that it failed."""
        if self._process is None:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the program
            pipe = subprocess.PIPE
            self._process, self._is_warm = _started(self._words, self._what, self._log, stdin=pipe, stdout=pipe), False
        limit_s = self._limit_s if self._is_warm else max(self._limit_s, _START_S)
        found: list[dict[str, Any]] = []
        line = json.dumps(request, ensure_ascii=False).encode() + b"\n"
        thread = Thread(target=_exchange, args=(self._process, line, found), daemon=True)
        thread.start()
        thread.join(limit_s)
        if not found:
            why = f"no answer within {limit_s:g} s" if thread.is_alive() else f"it ended without an answer{self._ended()}"
            self.close()
            raise InputError(f"{self._what} did not answer", path=self._words[0], found=why)
        self._is_warm = True
        if found[0].get("ok") is not True:
            why = shown(str(found[0].get("error", "neither ok nor error")))[:_MOST_WORDS]
            raise InputError(f"{self._what} failed", path=self._words[0], found=why)
        return found[0]

    def _ended(self) -> str:
        """Return with which code and words it ended."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        return f", exit code {self._process.poll()}{_last_words(self._log)}"

    def close(self) -> None:
        """End it: it may do so itself when its input ends."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        if self._is_warm:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_S)
        end_program(process)
        self._log.close()


def _exchange(process: "subprocess.Popen[bytes]", line: bytes, found: list[dict[str, Any]]) -> None:
    """Hand over a line, and read lines until one is an answer."""
    assert process.stdin is not None  # both are pipes
    assert process.stdout is not None
    with suppress(OSError, ValueError):  # it may end, or be ended
        process.stdin.write(line)
        process.stdin.flush()
        for _ in range(_MOST_LINES):
            said = process.stdout.readline(_MOST_LINE)
            if not said:
                return
            with suppress(ValueError, RecursionError):
                answer = json.loads(said)
                if isinstance(answer, dict) and ("ok" in answer or "error" in answer):
                    found.append(answer)
                    return
