"""Processes on this machine that do the work of a pool, with one thread each.

They are started afresh, not forked: LiteRT's threads do not survive a fork, and a script that uses the pool needs no guard. Each
gets its calls through a pipe, and ends when the pipe is closed, however the process at the other end ended.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import spawn
from multiprocessing.connection import Connection, Pipe, wait
from queue import SimpleQueue
from typing import Any, cast

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "MKL_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
"""More processes make better use of the cores than more threads in each."""
# `python -c` searches the current folder, not the script's: the child gets the path of its parent instead.
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from avcore.processes import serve; serve(int(sys.argv[1]))"
_PATIENCE_S = 10.0
"""Time that a stopped process has to clean up what it was writing."""
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_WORKER_DIED = "the process that worked on it died: out of memory, or a crash of a decoder"
_READER_DIED = "the process that read it died"


@dataclass(frozen=True)
class PoolSize:
    """The size of a pool and what each worker gets."""

    workers: int = 1
    readers: int = 1
    """Parts that are read at a time."""
    gpus: float = 0.0
    """GPUs of each worker; below 1, several workers share one."""
    cpus: float = 0.0
    """CPUs that a cluster reserves for each worker."""
    queue: int = 2
    """Tasks that a worker is given at a time: 2 keep it busy while results travel, 1 suits long tasks."""


@dataclass(frozen=True)
class Crew:
    """The work of a pool's processes."""

    worker_class: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    """Arguments of `worker_class`."""
    read: Callable[..., Any] | None = None
    """Reads a part, given `read_arguments` and the part's items. None = workers get the items themselves."""
    read_arguments: tuple[Any, ...] = ()


class DiedError(Exception):
    """A call has no answer, because its process died."""

    def __init__(self, reason: str, *, was_worker: bool = True, is_blamed: bool = True) -> None:
        """was_worker: False = it was a reader. is_blamed: its input may have killed it; False where its machine went away."""
        super().__init__(reason)
        self.reason, self.was_worker, self.is_blamed = reason, was_worker, is_blamed


@dataclass(eq=False)
class Call:
    """A call to a process, and its result or error once it is done."""

    is_done: bool = False
    result: Any = None
    error: Exception | None = None


class _Process:
    """A process that answers calls, one after the other."""

    def __init__(self, beginning: bytes, environment: dict[str, str], is_silent: bool) -> None:
        self.calls = deque[Call]()
        self.connection, theirs = Pipe()
        handle, sink = theirs.fileno(), subprocess.DEVNULL if is_silent else None

        self._popen = subprocess.Popen(
            [sys.executable, "-c", _START, str(handle), json.dumps(sys.path)],
            env={**os.environ, **ONE_THREAD, **environment},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            pass_fds=[handle],
            start_new_session=True,  # Ctrl-C is for the main process alone
        )

        # Only the child may hold its end: with a copy here, its death would not close the pipe.
        theirs.close()
        with suppress(OSError):
            self.connection.send_bytes(beginning)

    def ask(self, name: str, *arguments: Any) -> Call:
        """Call a method of `_Doer` there."""
        self.calls.append(Call())
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died, which `receive` finds out
            self.connection.send((name, arguments))
        return self.calls[-1]

    def receive(self, died: str, was_worker: bool) -> bool:
        """Take an answer from the pipe. Returns False where the process has died: all of its calls then fail with `died`."""
        try:
            result, error = self.connection.recv()
        except (EOFError, OSError):
            for call in self.calls:
                call.is_done, call.error = True, DiedError(died, was_worker=was_worker)
            self.calls.clear()
            return False

        call = self.calls.popleft()
        call.is_done, call.result, call.error = True, result, error
        return True

    def stop(self) -> None:
        """Ask it to clean up and end."""
        self._popen.terminate()

    def end(self, until: float = 0.0) -> None:
        """Wait for its end, and kill it if it takes too long. until: time limit on the monotonic clock."""
        try:
            self._popen.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self.connection.close()


class LocalProcesses:
    """Workers and readers of a crew on this machine (see `avcore.pool.Processes`). is_silent: discard what they print."""

    def __init__(self, crew: Crew, size: PoolSize, is_silent: bool = False) -> None:
        self._crew, self._size, self._is_silent = crew, size, is_silent
        self._workers: list[_Process] = []
        self._readers: list[_Process] = []
        self._unread: deque[tuple[Call, tuple[Any, ...]]] = deque()
        self._at_readers: dict[Call, Call] = {}

    def new_worker(self, place: int) -> _Process:
        """Start the process of a worker, which sees only its own GPUs."""
        devices = {_VISIBLE: visible_gpus(place, self._size.gpus)} if self._size.gpus else {}
        self._workers.append(self._start(devices))
        return self._workers[-1]

    def load(self, worker: _Process) -> Call:
        """Make and load the worker in its process."""
        return worker.ask("load")

    def read(self, items: tuple[Any, ...]) -> Call:
        """Let a reader read a part."""
        if self._crew.read is None:
            return Call(True, items)
        call = Call()
        self._unread.append((call, items))
        self._employ_readers()
        return call

    def process(self, worker: _Process, parts: Sequence[Call]) -> Call:
        """Let a worker do a task; if a part could not be read, the call fails at once."""
        errors = [part.error for part in parts if part.error is not None]
        return Call(True, error=errors[0]) if errors else worker.ask("process", *(part.result for part in parts))

    def wait(self, calls: Sequence[Call]) -> Sequence[Call]:
        """Wait until at least one of the calls has ended; returns those that have."""
        while not (ended := [call for call in calls if call.is_done]):
            busy = {one.connection: one for one in (*self._workers, *self._readers) if one.calls}
            for connection in wait(list(busy)):
                self._receive(busy[cast(Connection, connection)])
            self._employ_readers()
        return ended

    def result(self, call: Call) -> Any:
        """Wait for a call and return its result, or raise its error."""
        self.wait([call])
        if call.error is not None:
            raise call.error
        return call.result

    def end(self, worker: _Process) -> None:
        """End the process of a worker."""
        self._workers.remove(worker)
        worker.stop()
        worker.end()

    def close(self) -> None:
        """End all processes; those at work clean up first."""
        processes, until = (*self._workers, *self._readers), time.monotonic() + _PATIENCE_S
        for process in processes:
            process.stop()
        for process in processes:
            process.end(until)

    def _start(self, environment: dict[str, str]) -> _Process:
        crew = pickle.dumps(self._crew)
        # The main module is imported there only if the crew needs something of it, since a script would run again.
        main = spawn.get_preparation_data("") if b"__main__" in crew else {}
        main = {name: value for name, value in main.items() if name.startswith("init_main")}
        return _Process(pickle.dumps((main, crew)), environment, self._is_silent)

    def _receive(self, process: _Process) -> None:
        if process not in self._readers:
            process.receive(_WORKER_DIED, True)
            return
        asked = process.calls[0]
        if not process.receive(_READER_DIED, False):
            self._readers.remove(process)
            process.end()
        call = self._at_readers.pop(asked)
        call.is_done, call.result, call.error = True, asked.result, asked.error

    def _employ_readers(self) -> None:
        """Give parts to idle readers, and start readers while there are too few."""
        while self._unread:
            reader = next((one for one in self._readers if not one.calls), None)
            if reader is None and len(self._readers) < self._size.readers:
                self._readers.append(reader := self._start({}))
            if reader is None:
                return
            call, items = self._unread.popleft()
            self._at_readers[reader.ask("read", items)] = call


def visible_gpus(place: int, gpus: float) -> str:
    """Return the value of CUDA_VISIBLE_DEVICES for the worker at a place. gpus: for each worker; with a fraction, several share
    one."""
    # The inverse of a share such as 1/93 is a little below 93.
    each, sharing = max(1, int(gpus)), max(1, int(1 / gpus + 1e-9))
    first = place // sharing * each
    if known := os.environ.get(_VISIBLE):
        return ",".join(known.split(",")[first : first + each])
    return ",".join(map(str, range(first, first + each)))


# What runs in such a process


class _Doer:
    def __init__(self, crew: Crew) -> None:
        self._crew, self._worker = crew, cast(Any, None)

    def load(self) -> str:
        self._worker = self._crew.worker_class(*self._crew.arguments)
        return str(self._worker.load()) if hasattr(self._worker, "load") else ""

    def process(self, *parts: Any) -> Any:
        return self._worker.process(*parts)

    def read(self, items: tuple[Any, ...]) -> Any:
        assert self._crew.read is not None
        return self._crew.read(*self._crew.read_arguments, items)


def serve(handle: int) -> None:
    """Answer the calls that come through a pipe, until the process at its other end is gone."""
    connection, calls = Connection(handle), SimpleQueue[bytes]()
    main, packed = pickle.loads(connection.recv_bytes())
    threading.Thread(target=_listen, args=(connection, calls), daemon=True).start()
    doer: _Doer | None = None

    try:
        while True:
            call = calls.get()
            try:
                if doer is None:
                    spawn.prepare(main)  # the worker's class may be defined in the main module
                    doer = _Doer(pickle.loads(packed))
                    # As an exception, so that whatever is being written is cleaned up. Not while modules are imported, which can
                    # swallow it: until here SIGTERM ends the process at once.
                    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
                name, arguments = pickle.loads(call)
                answer: tuple[Any, Exception | None] = getattr(doer, name)(*arguments), None
            except Exception as error:  # raised again in the main process
                error.add_note(traceback.format_exc())
                answer = None, error
            _send(connection, answer)
    finally:
        os._exit(1)  # stopped, and what it was writing is cleaned up


def _send(connection: Connection, answer: tuple[Any, Exception | None]) -> None:
    try:
        connection.send(answer)
    except OSError:
        os._exit(1)  # nobody is there any more
    except Exception as error:  # it cannot be packed
        connection.send((None, RuntimeError(f"{type(error).__name__}: {error}; the answer was {answer!r:.300}")))


def _listen(connection: Connection, calls: SimpleQueue[bytes]) -> None:
    """Receive calls even while one is being answered, so that the sender need not wait."""
    try:
        while True:
            calls.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)
