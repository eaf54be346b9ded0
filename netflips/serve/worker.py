"""The process that runs the jobs, one after another: it loads the libraries once and runs each job as its command.

It takes jobs as JSON lines on standard input and answers with JSON lines on standard output:

    {"words": ["dub", ...], "folder": "..."}  ->  {"stage": "look", "done": 3, "total": 9} ... {"note": {...}} ... {"end": 0}

It ends when its server ends (standard input closes) and on SIGTERM, like every command with nothing half-written. What a command
prints goes into `log.txt` in the job's folder.
"""

import gc
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from avcore.errors import EXIT_FAILED
from avcore.notes import GroupedNote, json_text, noted_by, sentence
from avcore.progress import report_to
from avcore.words import KOREAN
from netflips import cli
from netflips.serve.jobs import LOG_FILE
from netflips.serve.worker_process import ENDED_BY_SIGNAL

_EVERY_S = 0.1
"""Least seconds between two reports of the same stage."""
_GRACE_S = 5.0
_WARMED = ("netflips.commands.dub_videos", "netflips.report.page")
"""Modules that take seconds to load and that nearly every job needs."""


class Channel:
    """Answers to the server, from any thread."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, threading.Lock()
        self._stage, self._reported_s = "", 0.0

    def say(self, **content: Any) -> None:
        """Write one line."""
        with self._lock, suppress(OSError):  # the server is gone, and this process is about to end
            self._out.write(json_text(content) + "\n")
            self._out.flush()

    def note(self, grouped: GroupedNote) -> None:
        """Write a note of a command, with its sentences for a server that does not know its kind."""
        values = {"text": sentence(grouped, hint=False), "text_ko": sentence(grouped, KOREAN, hint=False), **grouped.note.values}
        self.say(note={"code": grouped.note.code, "values": values, "numbers": list(grouped.numbers), "differ": grouped.differ})

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Write the progress of a command, at most every 0.1 s for a stage."""
        now = time.monotonic()
        if stage != self._stage or now - self._reported_s >= _EVERY_S or done == total:
            self._stage, self._reported_s = stage, now
            self.say(stage=stage, done=int(done), total=None if total is None else int(total))


def main() -> int:
    """Run jobs until standard input closes; returns the exit code."""
    channel = Channel(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # so that what a library prints is not taken for an answer
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, jobs), daemon=True).start()

    for name in _WARMED:
        __import__(name)
    channel.say(ready=True)

    while True:
        job = jobs.get()
        code = _run(job["words"], Path(job["folder"]), channel)
        channel.say(end=code)
        if code in ENDED_BY_SIGNAL:
            return code
        gc.collect()


def _listen(source: TextIO, jobs: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Put jobs into the queue. When the input ends, the server has ended, and this process ends too."""
    for line in source:
        jobs.put(json.loads(line))
    os.kill(os.getpid(), signal.SIGTERM)
    # Python notices a signal only between steps of its own, and a long call of a library would hold it up.
    time.sleep(_GRACE_S)
    os._exit(EXIT_FAILED)


def _run(words: Sequence[str], folder: Path, channel: Channel) -> int:
    """Run a command in a folder, with its output in the folder's log; returns its exit code."""
    os.chdir(folder)

    # The descriptors and not sys.stdout: libraries and programs that the command runs write there as well.
    before = os.dup(1), os.dup(2)
    log = os.open(LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)

    try:
        with report_to(channel.progress), noted_by(channel.note):
            return cli.main(words)
    except SystemExit as end:  # as argparse ends
        return end.code if isinstance(end.code, int) else EXIT_FAILED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for kept, number in zip(before, (1, 2), strict=True):
            os.dup2(kept, number)
            os.close(kept)


if __name__ == "__main__":
    sys.exit(main())
