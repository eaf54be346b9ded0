"""The server's side of the worker process: start it, give it a job, receive its progress, end it."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from netflips.script.files import value_from
from netflips.serve.jobs import KeptNote

LOG = logging.getLogger("netflips")

Heard = Callable[[str, int, int | None], None]
_GRACE_S = 5.0
"""Seconds after SIGTERM in which a command can remove what is half-written."""
WORKER = (sys.executable, "-m", "netflips.serve.worker")
_MOST_LINE = 1 << 24
"""Most bytes of a line: a note may name every utterance of a long recording."""
ENDED_BY_SIGNAL = (130, 143)
"""Exit codes of a command that was interrupted or terminated."""


class WorkerEndedError(Exception):
    """The worker ended in the middle of a job. code: its exit code, negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the worker ended with {code}")
        self.code = code


class WorkerProcess:
    """One worker process at a time, started when it is needed."""

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the worker if none runs. It loads its libraries while it waits."""
        if self._process is None or self._process.returncode is not None:
            # In a session of its own, because Ctrl-C is for the server, which then ends the worker in its own time.
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
                limit=_MOST_LINE,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    async def run(self, words: Sequence[str], folder: Path, reported: Heard, noted: Callable[[KeptNote], None]) -> int:
        """Let the worker run a command in a folder; returns its exit code. reported: gets its progress; noted: gets its notes.

        Raises WorkerEndedError when the worker ends before the command.
        """
        await self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None

        # A worker that has just died is noticed below, where its output ends.
        with suppress(ConnectionError):
            process.stdin.write(json.dumps({"words": list(words), "folder": str(folder.absolute())}).encode() + b"\n")
            await process.stdin.drain()

        while line := await process.stdout.readline():
            report = json.loads(line)
            if "end" in report:
                if report["end"] in ENDED_BY_SIGNAL:  # it is about to end itself
                    await process.wait()
                return int(report["end"])

            if "note" in report:
                noted(value_from(KeptNote, report["note"], "a note"))
            if "stage" in report:
                reported(report["stage"], report["done"], report["total"])
        raise WorkerEndedError(await process.wait())

    async def stop(self) -> None:
        """End the worker with its command. It has a few seconds to leave nothing half-written."""
        # Forgotten before it has ended, so that a job that begins meanwhile gets a new one.
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return

        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _GRACE_S)
        except TimeoutError:
            LOG.warning("the worker does not listen and is killed")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
