"""Programs of the user: run without a shell, within a time limit, and ended together with all that they started.

A command line with placeholders is run once for each piece of work. One without placeholders is started once and answers lines of
JSON. A limit holds for a whole answer, however many pieces it comes in. A function can run in a process of its own as well: if a
library crashes on an untrusted file, that is an error of one line here.
"""

import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector, SelectorKey
from threading import Thread
from time import monotonic
from typing import Any, NoReturn, TypeVar

from avcore.errors import InputError, Message, NetflipsError, UsageError, reason
from avcore.journal import file_digest
from avcore.notes import shown

_Result = TypeVar("_Result")
_MOST_LINE = 1 << 20
"""Most bytes of a line that a program answers."""
_BLOCK = 1 << 16
_KEPT_WORDS = 4096
"""Bytes that are kept of what a program prints beside its answers, the last ones."""
_MOST_WORDS = 200
_OTHER_PYTHON = "if it needs NetfLips' environment, activate that first (source .venv/bin/activate), or give its Python's path"
_START_S = 600.0
"""Time limit of the first answer of a program that is started once, since models load."""
_SLOWER = 3.0
"""How many times longer than the previous one a start may take."""
_PATIENCE_S = 3.0
_SETTLE_S = 0.1
"""Time in which a program prints what it was not asked for."""
_LOOK_S = 0.2
"""Time between checks whether a program still runs: a child of it may hold its pipes open."""
_DIGESTED = 16 << 20
"""Bytes up to which a file that a command names is digested, to find out whether it changed; of a larger one the length counts."""


class Deadline:
    """A moment that is `limit_s` seconds from now."""

    def __init__(self, limit_s: float) -> None:
        self._end_s = monotonic() + limit_s

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; 0 once it has passed."""
        return max(self._end_s - monotonic(), 0.0)


def within(limit_s: float, work: Callable[[], _Result]) -> _Result:
    """Return what `work` returns; it runs in a thread, so that Ctrl-C and SIGTERM end the waiting.

    Raises what `work` raises, and TimeoutError where it takes longer than `limit_s` seconds; the thread then runs on.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again by the caller that waits
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(limit_s)
    except TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {limit_s:g} s") from error


def parse_command(text: str, flag: str) -> tuple[str, ...]:
    """Split a command line into words as a shell does, without anything else that a shell does.

    flag: the option that it was given with. Raises UsageError for no words, an unclosed quote, and a program that does not exist.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(Message("{what} cannot be read", what=flag), found=error) from error

    if not words or "\0" in text:
        raise UsageError(f"{flag} names no program", expected='as "python answer.py"', found=repr(text[:40]))
    if shutil.which(words[0]) is None:
        raise UsageError(f"the program of {flag} is not there", found=words[0], hint="give its path, or check that it may be run")
    return tuple(words)


def takes(words: Sequence[str], *names: str) -> bool:
    """Return whether a command has one of some placeholders."""
    return any(f"{{{name}}}" in word for word in words for name in names)


def filled(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Replace the placeholders of a command once: placeholders within values are not replaced, and other braces stay.

    A value never turns a word into an option: a blank is put before its dash.
    """
    put_in = [(word, _filled(word, values)) for word in words]
    return [f" {put}" if put.startswith("-") and not word.startswith("-") else put for word, put in put_in]


def _filled(word: str, values: Mapping[str, str]) -> str:
    pieces, rest = [], word
    while there := {place: name for name in values if (place := rest.find(f"{{{name}}}")) >= 0}:
        place = min(there)
        pieces += [rest[:place], values[there[place]]]
        rest = rest[place + len(there[place]) + 2 :]
    return "".join([*pieces, rest])


def program_name(words: Sequence[str]) -> str:
    """Return a readable name of a command: its program, or the script or module that an interpreter runs."""
    named = [Path(word).name for word in words if "{" not in word]
    return next(
        (name for name in named if name.endswith((".py", ".sh"))), words[words.index("-m") + 1] if "-m" in words[:-1] else named[0]
    )


def command_key(words: Sequence[str]) -> list[list[str]]:
    """Return what a command's answers depend on, for keys of kept work: its words, and the files that they name; of a program on
    the PATH only a script counts, so that another Python makes nothing anew."""
    program = Path(shutil.which(words[0]) or words[0])
    return [[word, _file_key(program if word == words[0] and _is_script(program) else Path(word))] for word in words]


def _is_script(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(2) == b"#!"
    return False


def _file_key(path: Path) -> str:
    with suppress(OSError, ValueError):
        if path.is_file():
            size = path.stat().st_size
            return file_digest(path) if size <= _DIGESTED else str(size)
    return ""


def run_program(
    words: Sequence[str], limit_s: float, what: str, given: str = "", most_bytes: int = 0, hint: str | None = None
) -> bytes:
    """Run a program to its end and return what it printed: all of it, or its last 4 KB where `most_bytes` is 0.

    given: its input. what: its name in messages. hint: for a program that takes too long. Raises InputError, with the last line
    that it printed, where it cannot be started, fails, prints more than `most_bytes` bytes, or takes longer than `limit_s` seconds.
    """
    deadline, process = Deadline(limit_s), _Process(words, what, (most_bytes or _KEPT_WORDS) + 1)
    try:
        process.give(given.encode(), is_all=True)
        process.wait(deadline, lambda: 0 < most_bytes < len(process.printed))
        if 0 < most_bytes < len(process.printed):
            raise InputError(Message("{what} failed", what=what), path=words[0], found=f"more than {most_bytes:,} bytes")
        if process.code is None:
            raise InputError(
                Message("{what} did not end", what=what), path=words[0], found=f"nothing within {limit_s:g} s", hint=hint
            )
        if process.code:
            raise InputError(
                Message("{what} failed", what=what),
                path=words[0],
                found=f"{process.ending}{process.last_words()}",
                hint=process.hint,
            )
        return bytes(process.printed)
    finally:
        process.end()


class _Process:
    """A running program in a session of its own. None of its pipes is waited for beyond a deadline.

    printed: bytes that it printed and nobody has taken yet, at most the last `most_bytes`.
    """

    def __init__(self, words: Sequence[str], what: str, most_bytes: int) -> None:
        pipe = subprocess.PIPE
        try:
            # A session of its own, so that `end` reaches all that the program started.
            self._process = subprocess.Popen(list(words), bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except (OSError, ValueError) as error:
            raise InputError(Message("{what} could not be run", what=what), path=words[0], found=error) from error

        self._pipes = [one for one in (self._process.stdin, self._process.stdout, self._process.stderr) if one is not None]
        self._input, output, errors = self._pipes
        self.printed, self._words, self._unread = bytearray(), bytearray(), bytearray()
        self._is_all = False
        self._selector = DefaultSelector()
        for one in self._pipes:
            os.set_blocking(one.fileno(), False)
        self._selector.register(output, EVENT_READ, (self.printed, most_bytes))
        self._selector.register(errors, EVENT_READ, (self._words, _KEPT_WORDS))
        self._output = output

    @property
    def code(self) -> int | None:
        """Its exit code; None = it has not ended, as far as known."""
        return self._process.returncode

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        signals = {-one.value: one.name for one in signal.Signals}
        return f"ended by {signals[self.code]}" if self.code in signals else f"exit code {self.code}"

    @property
    def is_mute(self) -> bool:
        """Whether it closed its output, so that nothing more can come."""
        return self._output not in self._selector.get_map()

    def give(self, content: bytes, *, is_all: bool = False) -> None:
        """Send it input, which it reads during `wait`. is_all: close its input after that."""
        self._unread += content
        self._is_all = is_all
        if self._input not in self._selector.get_map():
            self._selector.register(self._input, EVENT_WRITE)

    def wait(self, deadline: Deadline, is_done: Callable[[], bool] = lambda: False) -> None:
        """Write and read until `is_done`, until the program has ended and nothing more comes, or until the deadline."""
        while not is_done():
            has_ended = self._process.poll() is not None
            is_busy = self._exchange(0.0 if has_ended else min(deadline.left_s, _LOOK_S))
            if (has_ended and not is_busy) or not deadline.left_s:
                return
            if not self._selector.get_map():
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(deadline.left_s)

    def pass_over(self, limit_s: float) -> bool:
        """Discard what it has printed, or prints within a time. Returns whether it printed anything."""
        for _ in range(_MOST_LINE // _BLOCK):  # what a pipe can hold; it may print without an end
            if not self._exchange(limit_s):
                break
        has_printed = bool(self.printed)
        self.printed.clear()
        return has_printed

    def _exchange(self, limit_s: float) -> bool:
        """Write and read once what is possible within a time. Returns whether anything was."""
        ready = self._selector.select(limit_s)
        for key, _ in ready:
            with suppress(BlockingIOError):
                self._write() if key.fileobj is self._input else self._read(key)
        return bool(ready)

    def _read(self, key: SelectorKey) -> None:
        kept, most_bytes = key.data
        block = os.read(key.fd, _BLOCK)
        kept += block
        del kept[:-most_bytes]
        if not block:
            self._selector.unregister(key.fileobj)

    def _write(self) -> None:
        try:
            del self._unread[: os.write(self._input.fileno(), self._unread[:_BLOCK])]
        except BrokenPipeError:  # a program need not read all of its input
            self._unread.clear()
        if not self._unread:
            self._selector.unregister(self._input)
            if self._is_all:
                self._input.close()

    def last_words(self) -> str:
        """Return ": " and the last line that it printed; "" for none."""
        lines = (self._words.strip() or self.printed.strip()).decode(errors="replace").splitlines()
        return f": {shown(lines[-1].strip())[:_MOST_WORDS]}" if lines else ""

    @property
    def hint(self) -> str | None:
        """What may help, by its last words; None = unknown."""
        return _OTHER_PYTHON if "ModuleNotFoundError" in self.last_words() else None

    def end(self) -> None:
        """End it, and all processes of its session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        self._selector.close()
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.close()


class LineProgram:
    """A program that is started for its first request, and answers each line of JSON with one.

    A request is an object; an answer is an object with `"ok": true` and what was asked for, or with `"error": "why"`. Other lines
    are ignored, and so are answers that came before the request, answers with the `"number"` of another request, and answers
    without a number once one had it. A program that ends, or takes too long, is started again for the next request.
    """

    def __init__(self, words: Sequence[str], limit_s: float, what: str, start_s: float = _START_S) -> None:
        """limit_s: seconds for an answer. start_s: seconds for the first one, since models load. what: its name in messages."""
        self._words, self._limit_s, self._what = tuple(words), limit_s, what
        self._start_s = max(limit_s, start_s)
        self._process: _Process | None = None
        self._is_warm = self._is_numbered = self._says_more = False

    def ask(self, request: Mapping[str, Any], *, is_ok_enough: bool = True) -> dict[str, Any]:
        """Return the answer to a request. Raises InputError where there is none, or the program reports an error.

        is_ok_enough: whether `{"ok": true}` alone is an answer; if not, it only means that the program is ready.
        """
        if self._process is None:
            self._process = _Process(self._words, self._what, _MOST_LINE)
            self._is_warm = self._is_numbered = self._says_more = False
        process, limit_s = self._process, self._limit_s if self._is_warm else self._start_s
        found: list[dict[str, Any]] = []

        def is_answered() -> bool:
            while not found and (end := process.printed.find(b"\n") + 1):
                answers = [*_answers(process.printed[:end], request)]
                answers = [answer for answer in answers if not self._is_numbered or "number" in answer or "error" in answer]
                found.extend(answer for answer in answers if is_ok_enough or answer != {"ok": True})
                del process.printed[:end]
            return bool(found) or process.is_mute

        deadline = Deadline(limit_s)
        self._says_more = process.pass_over(_SETTLE_S if self._says_more else 0.0) and self._says_more
        process.give(json.dumps(request, ensure_ascii=False).encode() + b"\n")
        process.wait(deadline, is_answered)

        if not found:
            self._fail(process, limit_s, is_late=not deadline.left_s)
        if not self._is_warm:  # another start will not take much longer
            self._start_s = max(self._limit_s, min(self._start_s, _SLOWER * (limit_s - deadline.left_s)))
            self._says_more = "number" not in found[0]  # until `pass_over` finds that nothing else was printed

        self._is_warm, self._is_numbered = True, self._is_numbered or "number" in found[0]
        if found[0].get("ok") is not True:
            why = shown(str(found[0].get("error", "neither ok nor error")))[:_MOST_WORDS]
            raise InputError(Message("{what} failed", what=self._what), path=self._words[0], found=why)
        return found[0]

    def _fail(self, process: _Process, limit_s: float, *, is_late: bool) -> NoReturn:
        if not self._is_warm:
            self._start_s = self._limit_s
        if not is_late:
            process.wait(Deadline(_PATIENCE_S))
        ended = "it ended without an answer" + ("" if process.code is None else f", {process.ending}")
        why = f"no answer within {limit_s:g} s" if is_late else f"{ended}{process.last_words()}"
        self.drop()
        raise InputError(Message("{what} did not answer", what=self._what), path=self._words[0], found=why, hint=process.hint)

    def drop(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def close(self) -> None:
        """Close its input, which ends most programs, and end it if it runs on."""
        try:
            if self._process is not None and self._is_warm:
                self._process.give(b"", is_all=True)
                self._process.wait(Deadline(_PATIENCE_S))
        finally:
            self.drop()


def _answers(line: bytes | bytearray, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the answer in a line, if it answers the request."""
    with suppress(ValueError, RecursionError):
        answer = json.loads(line)
        numbers = [str(one["number"]) for one in (answer, request) if isinstance(one, Mapping) and "number" in one]
        is_same = len({number.removesuffix(".0") for number in numbers}) < 2
        if isinstance(answer, dict) and ("ok" in answer or "error" in answer) and is_same:
            yield answer


# A function in a process of its own

_MOST_BYTES = 64 << 20
"""Limit for the result of the function."""


def apart(work: Callable[..., Any], *given: Any, limit_s: float, what: str, most_memory: int = 0) -> Any:
    """Call a function of a module in another process and return its result. Arguments and result are JSON; arguments may be paths.

    what: its name in messages. most_memory: limit of its address space in bytes, 0 = no other than here. Raises InputError for
    any exception that it raises, for a crash, and where it takes longer than `limit_s` seconds.
    """
    paths = [number for number, one in enumerate(given) if isinstance(one, Path)]
    values = json.dumps([*(str(one) if isinstance(one, Path) else one for one in given)])
    words = [sys.executable, "-m", __name__, work.__module__, work.__qualname__, values, json.dumps(paths), str(most_memory)]
    outcome = json.loads(run_program(words, limit_s, what, most_bytes=_MOST_BYTES).splitlines()[-1])
    if "failed" in outcome:
        raise InputError(**outcome["failed"])
    return outcome["result"]


def main(argv: list[str]) -> int:
    """Call the function and print its result, or its error, as the last line."""
    module, name, values, paths, most_memory = argv
    # A crash is expected here, and leaves no core file.
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, int(most_memory) or resource.RLIM_INFINITY)):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))

    given = [Path(one) if number in json.loads(paths) else one for number, one in enumerate(json.loads(values))]

    try:
        outcome: dict[str, Any] = {"result": getattr(import_module(module), name)(*given)}
    except NetflipsError as error:
        names = ("what", "path", "expected", "found", "hint")
        outcome = {"failed": {one: None if (value := getattr(error, one)) is None else str(value) for one in names}}
    except BaseException as error:  # a Rust library's panic is no Exception
        outcome = {"failed": {"what": "it failed", "found": reason(error)}}

    # On a line of its own: what was called may have printed half a line.
    sys.stdout.write(f"\n{json.dumps(outcome)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
