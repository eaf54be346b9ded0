"""Join a Ray cluster that is already running, and leave it as it was. This is the only module that imports Ray.

What readers read goes straight to the workers, without passing through this process.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from avcore.command import stopped_by_sigterm
from avcore.errors import UsageError
from avcore.pool import Processes, WorkersFailError
from avcore.processes import ONE_THREAD, Crew, DiedError, PoolSize

os.environ.update(
    {
        **ONE_THREAD,
        "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # deaths of workers are reported by NetfLips
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's next default, which avoids a warning
    }
)  # Ray reads it once, when it is imported
try:
    import ray
    from ray.exceptions import (
        ActorUnavailableError,
        NodeDiedError,
        ObjectLostError,
        RayActorError,
        RayError,
        RayTaskError,
        WorkerCrashedError,
    )
except ImportError as error:
    raise UsageError("--address needs Ray", found=error, hint="pip install 'ray>=2.50' (`make env` has it)") from error

LOG = logging.getLogger("netflips")
_PATIENCE_S, _LONGEST_WAIT_S = 60.0, 900.0
"""Seconds that new workers look for a place until it is reported, and until a run without any other workers ends."""
_LOOK_EVERY_S, _KNOCK_S = 5.0, 10.0
_NODE_LOST = ("node has died", "node was terminated")
"""Parts of Ray's message for an actor whose machine was lost."""
_READERS_FAULT = (WorkerCrashedError, NodeDiedError, RayTaskError, ObjectLostError)
"""Errors of a worker's call that come from its input, and leave the worker alive."""


@contextmanager
def joined(address: str) -> Iterator[tuple[dict[str, float], Callable[[Crew, PoolSize], Processes]]]:
    """Join the cluster at `address` (host:port or `auto`) for a block; within another session, use that session.

    Yields the resources (`CPU`, `GPU` and more), and a function that makes processes there. Raises UsageError for a cluster that
    cannot be reached.
    """
    if ray.is_initialized():
        yield ray.cluster_resources(), RayProcesses
        return

    require_listening(address)
    settings = {"logging_level": "error", "log_to_driver": False, "configure_logging": False}
    try:
        ray.init(address=address, runtime_env={"env_vars": ONE_THREAD}, **settings)
    except Exception as error:  # Ray raises bare ones
        what = "the Ray cluster cannot be joined"
        raise UsageError(what, expected="--address host:port or auto", found=str(error).splitlines()[0]) from error

    try:
        with stopped_by_sigterm():  # Ray's own handler would abort the process
            yield ray.cluster_resources(), RayProcesses
    finally:
        ray.shutdown()


def require_listening(address: str) -> None:
    """Raise UsageError when nothing listens at host:port. Ray itself would keep trying for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return  # `auto`: Ray knows where
    try:
        socket.create_connection((host, int(port)), _KNOCK_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError("there is no Ray cluster", expected="--address host:port or auto", found=f"{address}: {error}") from error


class RayProcesses(Processes):
    """Workers as actors and readers as tasks, spread over the machines of a cluster. A call is a reference to an object in Ray."""

    def __init__(self, crew: Crew, size: PoolSize) -> None:
        # Ray neither restarts nor repeats anything: the pool counts the deaths, and decides what is tried again.
        options = {"num_cpus": size.cpus, "num_gpus": size.gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._new_actor: Callable[[], Any] = lambda: ray.remote(crew.worker_class).options(**options).remote(*crew.arguments)
        self._read: Callable[[tuple[Any, ...]], Any] = ray.put
        if crew.read is not None:
            read = ray.remote(crew.read).options(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")
            self._read = lambda items: read.remote(*crew.read_arguments, items)
        self._workers: list[Any] = []
        self._loading, self._at_work = set[Any](), set[Any]()
        self._has_warned = False

    def new_worker(self, place: int) -> Any:
        """Start an actor on any machine with free resources."""
        self._workers.append(self._new_actor())
        return self._workers[-1]

    def load(self, worker: Any) -> Any:
        """Start the loading of models by a worker."""
        self._loading.add(call := worker.load.remote())
        return call

    def read(self, items: tuple[Any, ...]) -> Any:
        """Start the reading of a part."""
        return self._read(items)

    def process(self, worker: Any, parts: Sequence[Any]) -> Any:
        """Start a task on a worker."""
        self._at_work.add(call := worker.process.remote(*parts))
        return call

    def wait(self, calls: Sequence[Any]) -> Sequence[Any]:
        """Wait until a call has ended. Raises WorkersFailError when no worker is left, and there is no place for another."""
        begin = time.monotonic()
        # fetch_local: a result stays where it was made until it is asked for; what readers read never comes to this machine.
        while not (ready := ray.wait(list(calls), num_returns=1, timeout=_LOOK_EVERY_S, fetch_local=False)[0]):
            waited_s, num_loading = time.monotonic() - begin, len(self._loading.intersection(calls))
            if num_loading and not self._has_warned and waited_s > _PATIENCE_S:
                self._has_warned = True
                LOG.warning("%d of %d workers wait for a place: is the cluster smaller now?", num_loading, len(self._workers))

            if num_loading and self._at_work.isdisjoint(calls) and waited_s > _LONGEST_WAIT_S:
                what = f"no worker has found a place for {_LONGEST_WAIT_S / 60:.0f} min"
                raise WorkersFailError(what, hint="the same command goes on when the cluster has its machines again")
        return list(ready)

    def result(self, call: Any) -> Any:
        """Return the result of a call. Raises DiedError when its process is lost, else the error that it raised."""
        # Not by ray.get alone, which would wait for ever for a worker that finds no place.
        self.wait([call])
        self._loading.discard(call)
        self._at_work.discard(call)

        try:
            return ray.get(call)
        except RayError as error:
            # Ray wraps what a task raised; the pool expects the error itself.
            cause = getattr(error, "cause", None) or error
            if not isinstance(cause, RayError):
                raise cause from error
            is_away = _is_node_lost(cause) or isinstance(cause, ActorUnavailableError)
            raise DiedError(_reason(cause), was_worker=not isinstance(error, _READERS_FAULT), is_blamed=not is_away) from error

    def end(self, worker: Any) -> None:
        """End the process of a worker."""
        self._workers.remove(worker)
        ray.kill(worker)

    def close(self) -> None:
        """End all workers; readers end with the session."""
        for worker in self._workers:
            ray.kill(worker)


def _is_node_lost(error: RayError) -> bool:
    """Return whether a machine of the cluster was lost, with whatever ran there."""
    # Ray has one error for a lost actor and a lost machine; only its text tells them apart.
    return isinstance(error, NodeDiedError) or (isinstance(error, RayActorError) and any(text in str(error) for text in _NODE_LOST))


def _reason(error: RayError) -> str:
    """Return one line on why a call failed."""
    if isinstance(error, WorkerCrashedError):
        return "the process that read it died"
    if _is_node_lost(error):
        return "its machine went away"
    if isinstance(error, ActorUnavailableError):  # the worker may be lost, or its whole machine
        return "it could not be reached any more"
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
