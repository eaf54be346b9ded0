"""The output folder of a bulk run, such that a run can be killed at any moment and continues where it was.

    run.json              what the results were made with
    plan.jsonl            which utterance goes into which shard
    work/00012.jsonl      finished rows of a shard that is not complete yet
    shards/00012.jsonl    a complete shard, in the order of the plan
    closed.jsonl          length and digest of each complete shard, see `run_folder`
    failed.jsonl          utterances that were set aside, with the reason

A shard is closed when it has a file and no work file. Its file is used while it is unchanged. Utterances that are neither in it nor
in its work file nor set aside are left to do, and reopen the shard.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore import journal
from avcore.errors import InputError, OutputError
from avcore.journal import folder_lock, write_rows
from avcore.notes import several
from avdata.manifest import Manifest
from netflips.bulk.records import MadeFile, Rejected, Source
from netflips.bulk.run_folder import (
    CLOSED,
    CLOSED_KEYS,
    WAY_OUT,
    ClosedShards,
    Shard,
    ShardFiles,
    digest,
    packed_shards,
    prepare_folder,
    read_plan,
    write_plan,
)
from netflips.bulk.settings import ShardLayout

_FAILED, _WORK = "failed.jsonl", "work"
_FAILED_KEYS = ("id", "reason")

LOG = logging.getLogger("netflips")


_NOWHERE = -1


@dataclass(frozen=True, eq=False)
class ShardWork:
    """The pending work of a shard. Utterances are looked up when they are needed, so that not all are in memory at a time."""

    number: int
    manifest: Manifest
    places: NDArray[np.int32]
    """int32, places in the manifest of its utterances that the input has"""
    is_left: NDArray[np.bool_]
    """bool, which of them were left when this was planned"""

    @property
    def num_pending(self) -> int:
        """Number of utterances that are left."""
        return int(self.is_left.sum())

    @property
    def planned(self) -> tuple[Source, ...]:
        """The utterances of the shard that the input has, in order."""
        return tuple(_source(self.manifest, at) for at in self.places.tolist())

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the utterances that are left."""
        return frozenset(one.id for one, is_left in zip(self.planned, self.is_left, strict=True) if is_left)


@contextmanager
def open_store(
    out_dir: Path, key: Mapping[str, Any], layout: ShardLayout, shard_size: int, overwrite: bool = False
) -> Iterator["ResultStore"]:
    """Open an output folder for this run alone.

    key: what the results are made with. overwrite: delete earlier results first. Raises UsageError when there are results made with
    another key, OutputError when another run is at work or other files have the names of ours.
    """
    with folder_lock(out_dir):
        prepare_folder(out_dir, key, overwrite)
        journal.repair(out_dir / _FAILED, *_FAILED_KEYS)
        journal.repair(out_dir / CLOSED, *CLOSED_KEYS)
        for path in sorted((out_dir / _WORK).glob("*.jsonl")):
            journal.repair(path, "id")
        yield ResultStore(out_dir, layout, shard_size)


class ResultStore:
    """What is planned, done and set aside in an output folder. `open_store` makes one that may be written to."""

    def __init__(self, out_dir: Path, layout: ShardLayout, shard_size: int) -> None:
        self._plan_path, self._failed_path = out_dir / "plan.jsonl", out_dir / _FAILED
        self._work_dir, self._shard_size = out_dir / _WORK, shard_size
        self.files = ShardFiles(out_dir, layout)
        self._closed = ClosedShards(out_dir, self.files)
        self._shards: Sequence[Shard] = ()
        self._done: dict[int, set[str]] = {}
        self._reopened: set[int] = set()
        self._num_unlisted = 0
        self.num_done = 0
        """Number of utterances of the input that were finished when it was planned."""
        self.failures: dict[str, str] = {row["id"]: row["reason"] for row in journal.read(self._failed_path, *_FAILED_KEYS)}

    def plan(self, manifest: Manifest, retry_failed: bool = False, is_trial: bool = False) -> list[ShardWork]:
        """Return the pending work, shard by shard. New utterances are added to the plan.

        retry_failed: utterances that were set aside are pending, too. is_trial: nothing is written. Raises InputError when finished
        results were made from other files.
        """
        places = {entry.id: place for place, entry in enumerate(manifest.entries)}
        before = packed_shards(self._read_plan())
        self._done = {shard.number: self._done_in(shard, is_trial) for shard in before}
        if self._num_unlisted:
            what = "%s: %s neither in a finished shard nor set aside, made again"
            LOG.warning(what, self._failed_path, several(self._num_unlisted, "utterance"))

        of_shards = list[NDArray[np.int32]]()
        self._shards = packed_shards(self._renewed(before, manifest, places, of_shards))
        if not is_trial:
            write_plan(self._plan_path, self._shards)

        if retry_failed:
            self._clear_failures(self.failures.keys() & places.keys(), is_trial)
        self.num_done = 0
        works = (self._work(shard, its, manifest) for shard, its in zip(self._shards, of_shards, strict=True))
        return [work for work in works if work is not None]

    def add(self, shard: int, made: Iterable[MadeFile]) -> None:
        """Store finished utterances of a shard."""
        made = list(made)
        journal.append(self._work_path(shard), [one.row for one in made], is_sealed=True)
        self._done[shard].update(one.id for one in made)

    def reject(self, shard: int, rejected: Iterable[Rejected]) -> None:
        """Record utterances that cannot be used."""
        rejected = list(rejected)
        journal.append(self._failed_path, [{"id": one.id, "reason": one.reason, "shard": shard} for one in rejected])
        self.failures.update({one.id: one.reason for one in rejected})

    def close(self, shard: int) -> None:
        """Write a shard to its place. It stays open while any of its utterances is neither done nor set aside.

        Raises OutputError when stored rows are missing.
        """
        ids, done = self._shards[shard].ids, self._done[shard]
        if any(name not in done and name not in self.failures for name in ids):
            return
        rows = {row["id"]: row for row in (*self.files.read(shard), *journal.read(self._work_path(shard), "id"))}
        lost = [name for name in ids if name in done and name not in rows]
        if lost:
            what = f"{several(len(lost), 'finished utterance is', 'finished utterances are')} not in it any more, as {lost[0]!r}"
            raise OutputError(what, path=self._work_path(shard), hint="run the same command again")
        self._closed.write(self._shards[shard], [rows[name] for name in ids if name in done])
        self._work_path(shard).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Sort the list of what was set aside in the order of the plan."""
        if not self.failures:
            self._failed_path.unlink(missing_ok=True)
            return
        known = ((name, shard.number) for shard in self._shards for name in shard.ids if name in self.failures)
        write_rows(self._failed_path, ({"id": name, "reason": self.failures[name], "shard": number} for name, number in known))

    def _read_plan(self) -> Iterable[Shard]:
        """Return the plan. Raises InputError when it is damaged, or when there are results without one."""
        has_results = any(self.files.folder.glob("[0-9]*")) or any(self._work_dir.glob("[0-9]*"))
        if self._plan_path.exists() and self._plan_path.stat().st_size:
            return read_plan(self._plan_path)
        if has_results:
            raise InputError("the plan of these results is missing or empty", path=self._plan_path, hint=WAY_OUT)
        return []

    def _done_in(self, shard: Shard, is_trial: bool) -> set[str]:
        """Return the utterances of a shard whose rows can be used. The shard is reopened where others must be made again."""
        number, work = shard.number, self._work_path(shard.number)
        is_open = work.exists()
        state, ids = self._closed.look(shard, is_open)
        lost = {name for name in shard.ids if name not in ids and name not in self.failures}
        if state == "whole" and not is_open:
            self._num_unlisted += len(lost)
        if state == "damaged" or (state == "whole" and lost):
            self._reopened.add(number)
            if not is_trial:
                journal.append(work, ())
        if state == "damaged" and not is_trial:
            self.files.path(number).unlink()
        return {*ids} | {row["id"] for row in journal.read(work, "id")}

    def _renewed(
        self, before: Iterable[Shard], manifest: Manifest, places: Mapping[str, int], of_shards: list[NDArray[np.int32]]
    ) -> Iterator[Shard]:
        """Yield the shards as they are planned now; new utterances are in further shards at the end.

        of_shards: is filled with the places of each shard's utterances. Raises InputError when a finished utterance would be made
        from something else now. For unfinished ones, the plan records what they are made from now.
        """
        is_new, number = np.ones(len(manifest.entries), bool), 0
        for shard in before:
            its = np.fromiter((places.get(name, _NOWHERE) for name in shard.ids), np.int32, len(shard.ids))
            is_new[its[its != _NOWHERE]] = False
            of_shards.append(its)
            number += 1
            yield self._renew(shard, ["" if at == _NOWHERE else digest(_source(manifest, at)) for at in its.tolist()])
        new = np.flatnonzero(is_new).astype(np.int32)
        for its in (new[start : start + self._shard_size] for start in range(0, len(new), self._shard_size)):
            sources = [_source(manifest, at) for at in its.tolist()]
            of_shards.append(its)
            self._done[number] = set()
            yield Shard(number, tuple(one.id for one in sources), tuple(map(digest, sources)))
            number += 1

    def _renew(self, shard: Shard, now: Sequence[str]) -> Shard:
        for name, before, after in zip(shard.ids, shard.digests, now, strict=True):
            if before and after and before != after and name in self._done[shard.number]:
                raise InputError(
                    f"the utterance {name!r} is done, but from another file or with another speaker or language",
                    path=self._plan_path.parent,
                    hint="give each corpus an --out-dir of its own, or begin anew with --overwrite",
                )
        return replace(shard, digests=tuple(after or before for before, after in zip(shard.digests, now, strict=True)))

    def _clear_failures(self, again: Set[str], is_trial: bool) -> None:
        """Reopen the shards of failed utterances, then take these off the list. In this order, none is ever lost."""
        opened = {shard.number for shard in self._shards if not again.isdisjoint(shard.ids)}
        self._reopened |= opened
        for number in () if is_trial else opened:
            journal.append(self._work_path(number), [])
        kept = [row for row in journal.read(self._failed_path, *_FAILED_KEYS) if row["id"] not in again]
        if not is_trial:
            write_rows(self._failed_path, kept)
        self.failures = {row["id"]: row["reason"] for row in kept}

    def _work(self, shard: Shard, places: NDArray[np.int32], manifest: Manifest) -> ShardWork | None:
        number, done = shard.number, self._done[shard.number]
        is_there = places != _NOWHERE
        planned = [name for name, is_here in zip(shard.ids, is_there.tolist(), strict=True) if is_here]
        self.num_done += sum(name in done for name in planned)
        is_closed = self.files.path(number).exists() and not self._work_path(number).exists()
        if is_closed and number not in self._reopened:
            return None
        is_left = (name not in done and name not in self.failures for name in planned)
        return ShardWork(number, manifest, places[is_there], np.fromiter(is_left, bool, len(planned)))

    def _work_path(self, shard: int) -> Path:
        return self._work_dir / f"{shard:05d}.jsonl"


def _source(manifest: Manifest, place: int) -> Source:
    return Source(manifest.entries[place], manifest.root)
