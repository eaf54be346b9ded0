"""Steps that depend on one another: run in parallel where possible, and never twice."""

import math
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG, Terminated, stopped_by_sigterm
from avcore.errors import InputError
from avcore.journal import Row, Rows

_STOP_S = 60.0


@dataclass(frozen=True)
class Step:
    """Commands that are run in order."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    needs: tuple[str, ...] = ()
    """names of steps that must be done before"""


class StepRunner:
    """Runs steps in a folder: logs/<step>.log has the output of a step, steps.jsonl the seconds of each, and its commands once it
    is done.

    Seconds are the sum over all runs of a step, except runs that were killed.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._folder, self._threads = folder, threads
        self._rows = Rows[str](folder / "steps.jsonl", "step", "seconds")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped, self._starting = False, threading.Lock()

    def run(self, steps: Sequence[Step], at_once: int, minutes: float = 0.0) -> bool:
        """Run all steps that are not done yet, up to `at_once` in parallel, and return whether all are done.

        minutes: time after which running steps are stopped, to go on next time; 0 = no limit. Raises InputError naming the step
        that failed; the others are stopped then, too.
        """
        (self._folder / "logs").mkdir(parents=True, exist_ok=True)
        self._rows.repair()
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

    def record(self, name: str) -> Row | None:
        """Return the record of a finished step, its commands and seconds; None for another step."""
        row = self._rows.get(name, {})
        return row if "commands" in row else None

    def _do(self, step: Step) -> None:
        log, start = self._folder / "logs" / f"{step.name}.log", time.monotonic()
        before = float(self._rows.get(step.name, {}).get("seconds", 0))
        LOG.info("%s: begins (%s)", step.name, log)

        try:
            for command in step.commands:
                self._call(step, command, log)
        except BaseException:
            # The seconds count even so: those of all runs are added.
            self._rows.add([{"step": step.name, "seconds": round(before + time.monotonic() - start, 1)}])
            raise

        seconds = before + time.monotonic() - start
        self._rows.add([{"step": step.name, "seconds": round(seconds, 1), "commands": step.commands}])
        LOG.info("%s: done in %.0f s", step.name, seconds)

    def _call(self, step: Step, command: Sequence[str], log: Path) -> None:
        # PASSIVE: waiting threads spin by default, and take the core of the training beside them.
        environment = os.environ | {"OMP_NUM_THREADS": str(self._threads), "OMP_WAIT_POLICY": "PASSIVE"}
        with log.open("ab") as output:
            # Under the lock, because a process that starts while the others are being stopped would go on.
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
