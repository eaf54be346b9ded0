"""The options that all bulk commands share."""

from dataclasses import dataclass

from avcore.bounds import Number
from avcore.flags import flag


@dataclass(frozen=True, kw_only=True)
class SpreadFlags:
    """How work is spread over processes (`netflips.bulk.spread`)."""

    workers: Number = flag(group="many files", default=0)
    """model workers (default: one per GPU; without a GPU, one per core as far as memory allows)"""
    gpus_per_worker: float = flag(default=1.0)
    """0.5 = two share one (default: 1)"""
    address: str | None = flag(default=None, metavar="HOST:PORT")
    """Ray cluster to work on, host:port or auto (default: here)"""
    retry_failed: bool = flag(default=False)
    """try failed files of an earlier run again"""
