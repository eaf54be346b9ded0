"""Measures of an evaluation on Ray, on this machine or a cluster: a case at a time goes to a worker with models of its own."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from avcore.runs.work import Finished, Lost, Pool, PoolSize, PoolTask
from netflips.bulk.session import ray_session, with_full_paths
from netflips.bulk.spread import Spread
from netflips.evaluate.measuring import MeasureJob, Measurer, Work


class RayMeasurers(Pool[MeasureJob, int]):
    """Workers that measure. Ray and they start with the block that they are used in: where nothing is left to do, nothing starts.

    Entering raises UsageError where Ray is not installed or there is no such cluster.
    """

    def __init__(self, work: Work, spread: Spread) -> None:
        self._work = replace(
            work,
            cases=tuple(with_full_paths(case) for case in work.cases),
            judges=with_full_paths(work.judges),
            stand_ins={name: path.absolute() for name, path in work.stand_ins.items()},
        )
        self._spread, self._stack = spread, ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            resources = stack.enter_context(ray_session(self._spread.num_readers, self._spread.address))
            from netflips.bulk.pool import RayPool

            files = (file for path in self._work.judges.given for file in (path.iterdir() if path.is_dir() else [path]))
            weights = sum(file.stat().st_size for file in files if file.is_file())
            found = self._spread.pool_size(self._work.judges.device, weights, resources, has_readers=False)
            size = PoolSize(found.workers, 1, found.gpus, found.cpus, queue=1)
            self._pool = stack.enter_context(RayPool[MeasureJob, int](Measurer, (self._work,), size))
            self._pool.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, tasks: Iterable[tuple[int, PoolTask[MeasureJob]]]) -> Iterator[Finished[MeasureJob, int] | Lost[MeasureJob, int]]:
        """Measure; see `Pool`."""
        return self._pool.run(tasks)
