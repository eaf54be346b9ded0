"""A program of the user's that answers: it gets what was asked on standard input, and what it prints is spoken."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

from avcore.errors import InputError
from avcore.programs import end_program

_MOST_BYTES = 16 << 10
"""Of an answer; some ten minutes of speech."""
_FLAG = "--reply-command"


class Program:
    """A `Replier` (see `netflips.avatar.replies`) that asks a program."""

    def __init__(self, command: Sequence[str], limit_s: float) -> None:
        """command: its words, run without a shell. limit_s: seconds in which it must answer."""
        self._command, self._limit_s = tuple(command), limit_s

    def reply(self, heard: str) -> str:
        """What the program prints for a question. Raises InputError where it fails, says nothing, too much, or takes too long."""
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error
        try:
            return self._read(process, heard)
        finally:
            end_program(process)

    def _read(self, process: subprocess.Popen[bytes], heard: str) -> str:
        said: list[bytes] = []
        thread = Thread(target=_talk, args=(process, f"{heard}\n".encode(), said), daemon=True)
        thread.start()
        thread.join(self._limit_s)
        content = b"".join(said)
        if thread.is_alive():
            raise self._failed(f"no answer within {self._limit_s:g} s", "make it quicker, or give --reply-seconds")
        if len(content) > _MOST_BYTES:
            raise self._failed(f"more than {_MOST_BYTES:,} bytes", "let it say less")
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._limit_s)
        if process.returncode:
            raise self._failed(f"exit code {process.returncode}")
        try:
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise self._failed("an answer that is no UTF-8") from error
        if not text:
            raise self._failed("no answer", "let it print what is to be said")
        return text

    def _failed(self, found: str, hint: str | None = None) -> InputError:
        return InputError(f"the program of {_FLAG} did not answer", path=self._command[0], found=found, hint=hint)


def _talk(process: subprocess.Popen[bytes], question: bytes, said: list[bytes]) -> None:
    """Hand over the question and read the answer, no more of it than can be spoken."""
    assert process.stdin is not None  # both are pipes
    assert process.stdout is not None
    with suppress(OSError):  # it need not read the question
        process.stdin.write(question)
        process.stdin.close()
    left = _MOST_BYTES + 1
    while left > 0 and (piece := os.read(process.stdout.fileno(), left)):
        said.append(piece)
        left -= len(piece)
