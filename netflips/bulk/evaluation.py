"""Measures of an evaluation on Ray, on this machine or a cluster: a case at a time goes to a worker with models of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from avcore.runs.work import Pool, PoolSize
from netflips.bulk.session import ray_session, with_full_paths
from netflips.bulk.spread import Spread
from netflips.evaluate.measuring import Job, Measurer, Work


@contextmanager
def measurers(work: Work, spread: Spread) -> Iterator[Pool[Job, int]]:
    """Workers that measure. Raises UsageError where Ray is not installed or there is no such cluster."""
    full = replace(
        work,
        cases=tuple(with_full_paths(case) for case in work.cases),
        judges=with_full_paths(work.judges),
        stand_ins={name: path.absolute() for name, path in work.stand_ins.items()},
    )
    with ray_session(spread.num_readers, spread.address) as resources:
        from netflips.bulk.pool import RayPool

        weights = sum(path.stat().st_size for path in full.judges.given if path.is_file())
        found = spread.pool_size(full.judges.device, weights, resources)
        pool = RayPool[Job, int](Measurer, (full,), PoolSize(found.workers, 1, found.gpus, found.cpus, queue=1))
        pool.start()
        yield pool
