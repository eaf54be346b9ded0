"""Measures of an evaluation on Ray, on this machine or a cluster: a case at a time goes to a worker with models of its own."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Self

from avcore.pool import Finished, Lost, Pool, PoolSize, PoolTask, Worker
from netflips.bulk.session import full_paths, ray_session
from netflips.bulk.spread import Spread
from netflips.evaluate.judges import JudgePaths


class RayEvaluators(Pool[Any, int]):
    """Workers of an evaluation. Ray and they start with the block that they are used in: where nothing is left, nothing starts.

    Entering raises UsageError where Ray is not installed or there is no such cluster.
    """

    def __init__(self, worker_class: type[Worker], arguments: Sequence[Any], judges: JudgePaths, spread: Spread) -> None:
        """arguments: of the workers, in which paths become whole, as other machines have another working folder."""
        self._class, self._arguments = worker_class, tuple(full_paths(one) for one in arguments)
        self._judges, self._spread, self._stack = judges, spread, ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            resources = stack.enter_context(ray_session(self._spread.num_readers, self._spread.address))
            from netflips.bulk.pool import RayPool

            files = (file for path in self._judges.given for file in (path.iterdir() if path.is_dir() else [path]))
            weights = sum(file.stat().st_size for file in files if file.is_file())
            found = self._spread.pool_size(self._judges.device, weights, resources, has_readers=False)
            size = PoolSize(found.workers, 1, found.gpus, found.cpus, queue=1)
            self._pool = stack.enter_context(RayPool[Any, int](self._class, self._arguments, size))
            self._pool.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, tasks: Iterable[tuple[int, PoolTask[Any]]]) -> Iterator[Finished[Any, int] | Lost[Any, int]]:
        """Do tasks; see `Pool`."""
        return self._pool.run(tasks)
