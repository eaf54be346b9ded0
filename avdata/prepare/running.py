"""What all preparations share: options for where and how, and the run from pieces to manifest."""

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from avcore.command import LOG
from avcore.errors import EXIT_DONE, EXIT_FAILED, InputError, UsageError
from avcore.outputs import keep_folder_apart
from avcore.progress import bars
from avdata.prepare.pieces import Piece, PieceWorker, run_pieces
from avdata.prepare.workplace import Outcome, Workplace

_WRITTEN = ("audio", "lips", "samples", "video")
"""Folders that recordings and pictures are written to."""


class Corpus(Protocol):
    """A corpus that can be prepared.

    root: where it lies. problems: what cannot even be begun, by name; complete when the pieces are listed.
    """

    root: Path
    problems: dict[str, str]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What must not change when the work goes on."""

    def pieces(self) -> Iterator[Piece]:
        """All there is to do."""

    def worker(self, place: Workplace) -> PieceWorker:
        """Who does it."""

    def report(self, place: Workplace, outcome: Outcome) -> None:
        """Say or draw more about the result."""


@dataclass(frozen=True)
class OutputOptions:
    """out: folder. workers: processes. retry_failed: try again what failed. limit: only so many source items, 0 = all."""

    out: Path
    workers: int = 1
    retry_failed: bool = False
    limit: int = 0
    quiet: bool = False


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add where to, how many processes, and what to do with failures."""
    group = parser.add_argument_group("running")
    group.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="folder for the manifest and its files")
    group.add_argument("--workers", type=int, default=_num_cores(), metavar="N", help="processes (default: one for each core)")
    group.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N of the corpus, to try it out")
    group.add_argument("--retry-failed", action="store_true", help="try again what failed in an earlier run")
    group.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    group.add_argument("--verbose", action="store_true", help="print details, and tracebacks of unexpected errors")


def output_options(options: argparse.Namespace) -> OutputOptions:
    """The options of `add_output_options`. Raises UsageError for numbers that make no sense."""
    if options.workers < 1 or options.limit < 0:
        raise UsageError("--workers must be 1 or more and --limit 0 or more", found=f"{options.workers} and {options.limit}")
    return OutputOptions(options.out_dir, options.workers, options.retry_failed, options.limit, options.quiet)


def prepare(corpus: Corpus, options: OutputOptions, *more_roots: Path) -> int:
    """Prepare a corpus, or go on with it; returns the exit code: 1 when something failed or nothing was kept.

    more_roots: where else something is read. Raises InputError when the corpus is not there, UsageError when an earlier run had
    other settings, OutputError when the folder cannot be written or holds what is read.
    """
    for root in (corpus.root, *more_roots):
        if root.resolve() in (options.out.resolve(), *options.out.resolve().parents):
            raise UsageError("the output folder lies inside the corpus", path=options.out, hint="choose another --out-dir")
    keep_folder_apart(options.out, (), _WRITTEN, (corpus.root, *more_roots), "choose another --out-dir")
    if not corpus.root.exists():
        raise InputError("the corpus is not there", path=corpus.root, hint="check the path")
    place = Workplace(options.out)
    with place.open(corpus.settings, options.retry_failed) as known, bars(options.quiet) as progress:
        if known:
            LOG.info("%s: %d were done before", options.out, len(known))
        pieces = islice(corpus.pieces(), options.limit or None)
        run_pieces(pieces, corpus.worker(place), place.journal, known, options.workers, progress)
        outcome = place.write_results(corpus.problems)
        corpus.report(place, outcome)
    for line in outcome.lines():
        LOG.info("%s/%s", options.out, line)
    if not outcome.entries:
        LOG.error("%s: nothing was kept", options.out)
    return EXIT_FAILED if outcome.num_failed or not outcome.entries else EXIT_DONE


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
