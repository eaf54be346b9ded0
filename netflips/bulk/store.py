"""The output folder of a bulk run. A run may be killed at any moment, and continues where it was.

    run.json              what the results were made with
    plan.jsonl            which utterance goes into which shard
    work.jsonl            finished rows of shards that are not complete yet
    shards/00012.jsonl    a complete shard, in the order of the plan
    closed.jsonl          digest of each complete shard, see `run_folder`
    failed.jsonl          utterances that were set aside, with the reason

The file of a shard is used while it is unchanged. Utterances that are neither in it nor in `work.jsonl` nor set aside are left to
do, and reopen the shard.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.data.manifest import Manifest
from avcore.errors import InputError
from avcore.journal import Rows, folder_lock
from avcore.notes import several
from netflips.bulk.records import MadeFile, Rejected, Source
from netflips.bulk.run_folder import WAY_OUT, Shard, ShardFiles, digest, packed_shards, prepare_folder, read_plan, write_plan
from netflips.bulk.settings import ShardLayout

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
        store = ResultStore(out_dir, layout, shard_size)
        store.repair()
        yield store


class ResultStore:
    """What is planned, done and set aside in an output folder. `open_store` makes one that may be written to."""

    def __init__(self, out_dir: Path, layout: ShardLayout, shard_size: int) -> None:
        self._plan_path, self._shard_size = out_dir / "plan.jsonl", shard_size
        self.files = ShardFiles(out_dir, layout)
        self.failed = Rows[str](out_dir / "failed.jsonl", "id", "reason")
        """utterances that were set aside"""
        self._work = Rows[str](out_dir / "work.jsonl", "id", is_sealed=True)

        self._shards: Sequence[Shard] = ()
        self._done: dict[int, set[str]] = {}
        self._whole: set[int] = set()
        self._num_unlisted = 0
        self.num_done = 0
        """Number of utterances of the input that were finished when it was planned."""

    def repair(self) -> None:
        """Repair the lists at the beginning of a run that writes."""
        for rows in (self.failed, self._work, self.files.closed):
            rows.repair()

    def plan(self, manifest: Manifest, retry_failed: bool = False, is_trial: bool = False) -> list[ShardWork]:
        """Return the pending work, shard by shard. New utterances are added to the plan.

        retry_failed: utterances that were set aside are pending, too. is_trial: nothing is written. Raises InputError when finished
        results were made from other files.
        """
        places = {entry.id: place for place, entry in enumerate(manifest.entries)}
        before = packed_shards(self._read_plan())
        # Before the plan is renewed: that refuses finished utterances whose files have changed.
        self._done = {shard.number: self._done_in(shard, is_trial) for shard in before}
        if self._num_unlisted:
            what = "%s: %s neither in a finished shard nor set aside, made again"
            LOG.warning(what, self.failed.path, several(self._num_unlisted, "utterance"))

        of_shards = list[NDArray[np.int32]]()
        self._shards = packed_shards(self._renewed(before, manifest, places, of_shards))
        if not is_trial:
            write_plan(self._plan_path, self._shards)

        again = self.failed.keys() & places.keys() if retry_failed else set()
        if again and not is_trial:
            self.failed.forget(again)
        self.num_done, failed = 0, self.failed.keys() - again
        works = (self._left(shard, its, manifest, failed) for shard, its in zip(self._shards, of_shards, strict=True))
        return [work for work in works if work is not None]

    def add(self, shard: int, made: Sequence[MadeFile]) -> None:
        """Store finished utterances of a shard."""
        self._work.add(one.row for one in made)
        self._done[shard].update(one.id for one in made)

    def reject(self, shard: int, rejected: Iterable[Rejected]) -> None:
        """Record utterances that cannot be used."""
        self.failed.add({"id": one.id, "reason": one.reason, "shard": shard} for one in rejected)

    def close(self, shard: int) -> None:
        """Write a shard to its place. It stays open while any of its utterances is neither done nor set aside."""
        ids, done = self._shards[shard].ids, self._done[shard]
        if all(name in done or name in self.failed for name in ids):
            # In a reopened shard, new rows join those that are still good.
            rows = {row["id"]: row for row in self.files.read(shard)}
            rows |= {name: self._work[name] for name in ids if name in self._work}
            self.files.close(self._shards[shard], [rows[name] for name in ids if name in done])
            # Only now: a run that is killed before this has the rows twice, and never loses them.
            self._work.forget(frozenset(ids))

    def tidy(self) -> None:
        """Sort the list of what was set aside in the order of the plan."""
        shards = self._shards if self.failed else ()
        known = ((name, shard.number) for shard in shards for name in shard.ids if name in self.failed)
        self.failed.replace([{"id": name, "reason": self.failed[name]["reason"], "shard": number} for name, number in known])

    def _read_plan(self) -> Iterable[Shard]:
        """Return the plan. Raises InputError when it is damaged, or when there are results without one."""
        if self._plan_path.exists() and self._plan_path.stat().st_size:
            return read_plan(self._plan_path)
        if self._work or any(self.files.folder.glob("[0-9]*")):
            raise InputError("the plan of these results is missing or empty", path=self._plan_path, hint=WAY_OUT)
        return []

    def _done_in(self, shard: Shard, is_trial: bool) -> set[str]:
        """Return the utterances of a shard whose rows can be used. A damaged shard is deleted."""
        at_work = {name for name in shard.ids if name in self._work}
        state, ids = self.files.look(shard, bool(at_work))

        if state == "whole":
            self._whole.add(shard.number)
            # In a shard at work, missing rows are what the earlier run was about to make.
            if not at_work:
                self._num_unlisted += sum(name not in ids and name not in self.failed for name in shard.ids)
        elif state == "damaged" and not is_trial:
            # Its rows would come back when the shard is closed.
            self.files.path(shard.number).unlink()
        return at_work | ids

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

    def _left(self, shard: Shard, places: NDArray[np.int32], manifest: Manifest, failed: Set[str]) -> ShardWork | None:
        """Return the pending work of a shard; None for a complete one. failed: utterances that stay set aside."""
        number, done = shard.number, self._done[shard.number]
        is_there = places != _NOWHERE
        planned = [name for name, is_here in zip(shard.ids, is_there.tolist(), strict=True) if is_here]
        self.num_done += sum(name in done for name in planned)

        is_over = number in self._whole and all(name in done or name in failed for name in shard.ids)
        if is_over and not any(name in self._work for name in shard.ids):
            return None
        is_left = (name not in done and name not in failed for name in planned)
        return ShardWork(number, manifest, places[is_there], np.fromiter(is_left, bool, len(planned)))


def _source(manifest: Manifest, place: int) -> Source:
    return Source(manifest.entries[place], manifest.root)
