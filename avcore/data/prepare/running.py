"""What all preparations share: the options of their commands, and the run from the pieces of a corpus to its manifest.

A corpus is one class: its fields are the options of its command, and it says which pieces of work its files are, and how one is
done. Pieces are done in parallel, by copies of the corpus in other processes. A piece may have follow-ups; one that fails is
recorded by name.
"""

import errno
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from avcore.bounds import Count, Number
from avcore.command import LOG
from avcore.compute.threads import num_cores
from avcore.data.manifest import write_manifest
from avcore.data.prepare.sources import Listing, list_files
from avcore.data.prepare.workplace import ALONE, FAILED, REJECTED, ItemRecord, Journal, PrepareResult, Workplace, is_prepared
from avcore.data.splits import merge
from avcore.errors import EXIT_DONE, EXIT_FAILED, InputError, NetflipsError, OutputError, UsageError
from avcore.files import keep_folder_apart, why_missing
from avcore.flags import QuietOptions, flag
from avcore.journal import Rows, iter_rows
from avcore.notes import several, shown
from avcore.parts import Part, folder_of, parts_in, require_parts
from avcore.pool import Lost, PoolTask, ProcessPool
from avcore.progress import Progress, bars

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_WRITTEN = ("audio", "lips", "samples", "video")
"""Folders that recordings, videos and samples are written to."""


@dataclass(frozen=True)
class CorpusItem:
    """A piece of work."""

    key: str
    """its unique name in the journal"""
    work: Any
    """the task, which is sent to another process"""
    parent: str = ""
    """key of the piece that it is a follow-up of; set by the runner"""
    item: str = ""
    """the item that it is a part of, which --limit counts; "" = itself"""


class ItemWorker(Protocol):
    """Processes pieces; is sent to other processes."""

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Process a piece: make its files and record the result, or return follow-ups."""

    def finish(self, piece: CorpusItem) -> None:
        """Clean up after a piece whose follow-ups are all done."""


def process_items(
    pieces: Iterable[CorpusItem], worker: ItemWorker, journal: Journal, known: Iterable[str], num_workers: int, progress: Progress
) -> None:
    """Process all pieces except those that are known.

    known: keys of pieces that are done. Follow-ups are processed first, so that few pieces are half done at a time. A piece that
    raises or kills its process is recorded as failed. Raises OutputError if results cannot be written.
    """
    plan = _Plan(pieces, worker, journal, set(known), progress)
    with ProcessPool[CorpusItem, CorpusItem](_Doer, (worker, journal), num_workers) as pool:
        for outcome in pool.run(plan):
            piece = outcome.label
            if isinstance(outcome, Lost):
                LOG.warning("%s: %s", piece.key, outcome.reason)
                journal.add(_failure(piece, "died", outcome.reason))
            plan.done(piece, [] if isinstance(outcome, Lost) else outcome.result)


class _Doer:
    """Processes pieces in a process of the pool."""

    def __init__(self, worker: ItemWorker, journal: Journal) -> None:
        self._worker, self._journal = worker, journal

    def process(self, pieces: tuple[CorpusItem]) -> list[CorpusItem]:
        """Process one piece; returns its follow-ups."""
        # Errors of a piece are recorded, unless results cannot be written at all.
        piece = pieces[0]
        try:
            return list(self._worker.do(piece, self._journal))
        except OutputError:
            raise
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise OutputError("the results cannot be written", path=piece.key, found=error.strerror) from error
            self._journal.add(_failure(piece, "unexpected", str(error)))
        except NetflipsError as error:
            self._journal.add(_failure(piece, type(error).__name__, str(error)))
        except Exception as error:  # one broken file must not end a run of many hours
            LOG.debug("%s", piece.key, exc_info=True)
            self._journal.add(_failure(piece, "unexpected", f"unexpected error: {type(error).__name__}: {error}"))

        return []


class _Plan:
    """Chooses the next piece, and knows which pieces wait for their follow-ups."""

    def __init__(
        self, pieces: Iterable[CorpusItem], worker: ItemWorker, journal: Journal, known: set[str], progress: Progress
    ) -> None:
        self._pieces, self._worker, self._journal, self._known, self._progress = iter(pieces), worker, journal, known, progress
        self._ready: deque[CorpusItem] = deque()
        self._parent: dict[str, CorpusItem] = {}
        self._open: dict[str, int] = {}
        self._num_done = self._num_known = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[CorpusItem, PoolTask[CorpusItem]]:
        """Return the next unknown piece. After it ends the iteration, further pieces may come once one is done."""
        if self._ready:
            piece = self._ready.popleft()
        else:
            # Where none is left, its StopIteration ends this iteration.
            piece = next(one for one in self._pieces if self._is_new(one))
            self._num_known += 1
        return piece, PoolTask.of(piece)

    def done(self, piece: CorpusItem, follow_ups: list[CorpusItem]) -> None:
        """Note that a piece is done except for its follow-ups."""
        new = [replace(one, parent=piece.key) for one in follow_ups if self._is_new(one)]
        self._ready.extend(new)
        self._num_known += len(new)
        self._num_done += 1
        self._parent.update({one.key: piece for one in new})
        self._progress("preparing", self._num_done, self._num_known)

        if new:
            self._open[piece.key] = len(new)
        elif follow_ups:
            # All of its follow-ups were done in an earlier run.
            self._close(piece)

        parent = self._parent.pop(piece.key, None)
        if parent is not None:
            self._open[parent.key] -= 1
            if not self._open[parent.key]:
                del self._open[parent.key]
                self._close(parent)

    def _close(self, piece: CorpusItem) -> None:
        self._worker.finish(piece)
        self._journal.add(ItemRecord(piece.key, "done"))

    def _is_new(self, piece: CorpusItem) -> bool:
        is_new = piece.key not in self._known
        self._known.add(piece.key)
        return is_new


def _failure(piece: CorpusItem, reason: str, detail: str) -> ItemRecord:
    return ItemRecord(piece.key, "failed", parent=piece.parent, reason=reason, detail=shown(detail))


@dataclass(frozen=True, kw_only=True)
class Preparation(QuietOptions, ABC):
    """What becomes manifests, and the options that all commands for it share."""

    out_dir: Path = flag(metavar="DIR", group="running")
    """folder for the manifest and its files"""
    workers: Count = flag(factory=num_cores)
    """processes (default: one for each core)"""
    limit: Number = flag(default=0)
    """only the first N of the corpus, to try it out"""
    part: Part | None = flag(default=None, type=Part.of, metavar="K/N")
    """only this part of the corpus, as 3/16 in a task of an array; it goes into a folder of its own in DIR"""
    retry_failed: bool = flag(default=False)
    """try again what failed in an earlier run"""
    problems: dict[str, str] = field(default_factory=dict, init=False)
    """reasons by name for what cannot become a piece; complete when `items` is exhausted"""

    corpus: ClassVar[str]
    """name of the corpus in a folder's settings"""
    lasting: ClassVar[tuple[str, ...]] = ()
    """options that must not change from one run to the next"""

    @property
    @abstractmethod
    def root(self) -> Path:
        """What is read: a folder or a file."""

    @property
    def more_roots(self) -> tuple[Path, ...]:
        """Further folders that are read."""
        return ()

    @property
    def paired(self) -> tuple[str, ...]:
        """Manifests that get equal ids."""
        return ()

    @property
    def settings(self) -> Mapping[str, Any]:
        """What must not change from one run to the next; a value None = not stated this time."""
        return {"corpus": self.corpus, **{name: getattr(self, name) for name in self.lasting}}

    @property
    def temporary(self) -> Path:
        """Folder for files that are not kept."""
        return Workplace(self.out_dir).temporary

    @abstractmethod
    def items(self) -> Iterator[CorpusItem]:
        """Return all pieces. Raises InputError for another layout."""

    @abstractmethod
    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Process a piece: make its files and record the result, or return follow-ups."""

    def finish(self, piece: CorpusItem) -> None:  # most leave nothing
        """Clean up after a piece whose follow-ups are all done."""

    def report(self, place: Workplace, outcome: PrepareResult) -> None:  # most have no more
        """Log or draw more about the result."""

    def prepare(self) -> int:
        """Prepare the corpus, or resume; returns the exit code: 1 if something failed or nothing was kept.

        Raises InputError if the corpus is missing, UsageError if an earlier run had other settings, OutputError if the folder
        cannot be written or holds an input.
        """
        roots = (self.root, *self.more_roots)
        for root in roots:
            if root.resolve() in (self.out_dir.resolve(), *self.out_dir.resolve().parents):
                raise UsageError("the output folder lies inside the corpus", path=self.out_dir, hint="choose another --out-dir")
        keep_folder_apart(self.out_dir, (), _WRITTEN, roots, "choose another --out-dir")
        if not self.root.exists():
            raise InputError("the corpus is not there", path=self.root, hint=why_missing(self.root) or "check the path")

        if self.part is not None:
            return replace(self, out_dir=folder_of(self.part, self.out_dir), part=None)._prepare(self.part)
        return self._join(parts) if (parts := parts_in(self.out_dir)) else self._prepare(None)

    def _join(self, parts: Sequence[Path]) -> int:
        """Write the manifests of all parts as those of the folder; returns the exit code: 1 if something failed in one."""
        require_parts(self.out_dir, [number for number, part in enumerate(parts) if not is_prepared(part)])
        lists = (FAILED, REJECTED, ALONE)
        for name in sorted({file.name for part in parts for file in part.glob("*.jsonl")}.difference(lists)):
            there = [part / name for part in parts if (part / name).is_file()]
            count = write_manifest(self.out_dir / name, merge(there, self.out_dir))
            LOG.info("%s: %s of %s", self.out_dir / name, several(count, "entry", "entries"), several(len(parts), "part"))
        for name in lists:
            rows = [row for part in parts if (part / name).is_file() for _, row in iter_rows(part / name)]
            Rows[str](self.out_dir / name, "id").replace(rows)
        return EXIT_FAILED if (self.out_dir / FAILED).is_file() else EXIT_DONE

    def _prepare(self, part: Part | None) -> int:
        place = Workplace(self.out_dir)
        with place.open(self.settings, self.retry_failed) as known, bars(self.quiet) as progress:
            if known:
                LOG.info("%s: %d were done before", self.out_dir, len(known))
            every = self.items() if part is None else (one for one in self.items() if part.has(one.item or one.key))
            pieces = _first(every, self.limit) if self.limit else every
            # What `items` notes down stays here: other processes get a copy without it.
            process_items(pieces, replace(self), place.journal, known, self.workers, progress)
            outcome = place.write_results(self.problems, self.paired)
            self.report(place, outcome)

        for line in outcome.lines():
            LOG.info("%s/%s", self.out_dir, line)
        is_empty = not outcome.entries and part is None
        if is_empty:
            LOG.error("%s: nothing was kept", self.out_dir)
        return EXIT_FAILED if outcome.num_failed or is_empty else EXIT_DONE


@dataclass(frozen=True, kw_only=True)
class SourceCorpus(Preparation):
    """A corpus as it was delivered, or unpacked."""

    data_root: Path = flag(metavar="DIR")
    """the corpus: folders, archives, or both"""

    @property
    def root(self) -> Path:
        """Its folder, or an archive."""
        return self.data_root

    def listing(self) -> Listing:
        """List its files. Archives that cannot be read become problems."""
        listing = list_files(self.root)
        self.problems.update(listing.problems)
        return listing

    def other_layout(self, name: str, expected: str, found: object = None, hint: str | None = None) -> InputError:
        """Return the error for a folder that does not hold the corpus of this name."""
        return InputError(f"this is not the layout of {name}", path=self.root, expected=expected, found=found, hint=hint)


def _first(pieces: Iterable[CorpusItem], count: int) -> Iterator[CorpusItem]:
    """Yield the pieces of the first `count` items."""
    items = set[str]()
    for piece in pieces:
        items.add(piece.item or piece.key)
        if len(items) > count:
            return
        yield piece
