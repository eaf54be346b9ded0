"""The options of all bulk commands."""

import argparse

from netflips.bulk.spread import Spread

_DEFAULTS = Spread()


def add_spread_options(group: argparse._ArgumentGroup) -> None:
    """Add --workers, --gpus-per-worker and --address."""
    group.add_argument(
        "--workers",
        type=int,
        default=_DEFAULTS.workers,
        metavar="N",
        help="model workers (default: all GPUs; without one, a core each as far as memory goes)",
    )
    group.add_argument(
        "--gpus-per-worker", type=float, default=_DEFAULTS.gpus_per_worker, metavar="X", help="0.5 = two share one (default: 1)"
    )
    group.add_argument("--address", default=_DEFAULTS.address, help="Ray cluster to work on, host:port or auto (default: here)")
    group.add_argument("--retry-failed", action="store_true", help="try again what an earlier run set aside")


def spread_of(options: argparse.Namespace, readers: int = 0) -> Spread:
    """How the work is spread, by the options."""
    return Spread(options.workers, readers, options.gpus_per_worker, options.address)
