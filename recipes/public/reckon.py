"""Reckon how long a training of the translator takes, by the updates that a run has made: `python -m recipes.public.reckon RUN`."""

import json
import re
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.notes import print_text
from avcore.texts import read_text

_WARM_UP = 1
"""Updates at the beginning that do not count: memory is taken, kernels are chosen."""


@dataclass(frozen=True, kw_only=True)
class ReckonOptions(QuietOptions):
    """Say how many tokens a second a run of the translator trained on, and how many hours others would take at that rate."""

    run: Path = positional("RUN", file=Input("the run", may_be_folder=True))
    """folder of a run with fairseq.common.log_interval=1"""
    updates: int = flag(default=200_000)
    """of the training to reckon (default: 200,000)"""
    tokens: int = flag(default=65_536)
    """of an update of it (default: 65,536)"""


def tokens_a_second(log: Path) -> tuple[float, int]:
    """Return the median rate over the updates in a run's log, and their number. Raises InputError for a log without any."""
    rates = list[float]()
    for found in re.finditer(r"\| train_inner \| (\{.*\})", read_text(log, "the run's log")):
        rates.append(float(json.loads(found[1])["wps"]))
    if len(rates) <= _WARM_UP:
        raise InputError("the log has too few updates", path=log, expected=f"more than {_WARM_UP}", found=len(rates))
    return statistics.median(rates[_WARM_UP:]), len(rates) - _WARM_UP


def _work(options: ReckonOptions) -> None:
    rate, count = tokens_a_second(options.run / "train.log")
    hours = options.updates * options.tokens / rate / 3600
    print_text(f"{rate:,.1f} tokens a second (median of {count} updates)")
    print_text(f"{options.updates:,} updates of {options.tokens:,} tokens: {hours:,.0f} hours of this machine")


_COMMAND = Command(ReckonOptions, "recipes.public.reckon", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
