"""Steps that depend on one another: run in parallel where possible, and never twice."""

import json
import math
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.command import LOG, Terminated, stopped_by_sigterm
from avcore.errors import InputError
from avcore.files import atomic_output
from avcore.texts import read_json

_STOP_S = 60.0


@dataclass(frozen=True)
class Step:
    """Commands that are run in order."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    needs: tuple[str, ...] = ()
    """names of steps that must be done before"""


class StepRunner:
    """Runs steps in a folder: logs/<step>.log has the output of a step, steps/<step>.json records that it is done, and its seconds.

    Seconds are the sum over all runs of a step, except runs that were killed.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._folder, self._threads = folder, threads
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped, self._starting = False, threading.Lock()

    def run(self, steps: Sequence[Step], at_once: int, minutes: float = 0.0) -> bool:
        """Run all steps that are not done yet, up to `at_once` in parallel, and return whether all are done.

        minutes: time after which running steps are stopped, to go on next time; 0 = no limit. Raises InputError naming the step
        that failed; the others are stopped then, too.
        """
        for name in ("logs", "steps"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._is_stopped = False
        end = time.monotonic() + minutes * 60 if minutes else math.inf
        done = {step.name for step in steps if self.record(step.name)}
        left = [step for step in steps if step.name not in done]
        waiting: dict[Future[None], Step] = {}

        with stopped_by_sigterm(), ThreadPoolExecutor(at_once) as pool:
            try:
                while left or waiting:
                    for step in [step for step in left if done.issuperset(step.needs)][: at_once - len(waiting)]:
                        left.remove(step)
                        waiting[pool.submit(self._do, step)] = step
                    left_s = None if end == math.inf else max(end - time.monotonic(), 0)
                    finished, _ = wait(waiting, left_s, return_when=FIRST_COMPLETED)
                    if not finished:
                        return False
                    for future in finished:
                        future.result()
                        done.add(waiting.pop(future).name)
            finally:
                self._stop()
        return True

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of a finished step, its commands and seconds; None for another step, or a damaged record."""
        path = self._place(name)
        if not path.is_file():
            return None
        try:
            content = read_json(path, "the note of a step")
        except InputError as error:
            LOG.warning("%s; it counts as none", error)
            return None
        return content if isinstance(content, dict) else None

    def _do(self, step: Step) -> None:
        log, start = self._folder / "logs" / f"{step.name}.log", time.monotonic()
        stopped = f"{step.name}.stopped"
        before = float((self.record(stopped) or {}).get("seconds", 0))
        LOG.info("%s: begins (%s)", step.name, log)
        try:
            for command in step.commands:
                self._call(step, command, log)
        except BaseException:
            self._note(stopped, {"seconds": round(before + time.monotonic() - start, 1)})
            raise
        seconds = before + time.monotonic() - start
        self._note(step.name, {"seconds": round(seconds, 1), "commands": step.commands})
        self._place(stopped).unlink(missing_ok=True)
        LOG.info("%s: done in %.0f s", step.name, seconds)

    def _note(self, name: str, content: Mapping[str, Any]) -> None:
        with atomic_output(self._place(name)) as path:
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def _place(self, name: str) -> Path:
        return self._folder / "steps" / f"{name}.json"

    def _call(self, step: Step, command: Sequence[str], log: Path) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(self._threads), "OMP_WAIT_POLICY": "PASSIVE"}
        with log.open("ab") as output:
            with self._starting:
                if self._is_stopped:
                    raise Terminated
                process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
                self._running.add(process)
            code = process.wait()
            self._running.discard(process)
        if self._is_stopped:  # a stopped trainer may exit with code 0 without being done
            raise Terminated
        if code:
            raise InputError(f"the step {step.name} failed", path=log, found=f"exit code {code}", hint="the log says why")

    def _stop(self) -> None:
        """Ask running commands to save and end, which trainers do at SIGTERM. Their steps do not count as done."""
        with self._starting:
            self._is_stopped = True
        for process in list(self._running):
            process.terminate()
        for process in list(self._running):
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
