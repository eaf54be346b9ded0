"""The output folder: whatever moment a run is killed at, nothing is lost and nothing is done twice."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from avcore.errors import InputError, OutputError, UsageError
from avcore.manifest import Entry, Manifest
from avcore.runs import journal
from netflips.batch.records import Made, Rejected
from netflips.batch.store import ResultStore, ShardWork, open_store

KEY = {"encoder": "sha256:1", "modalities": "audio"}
NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def inputs(tmp_path: Path) -> Manifest:
    for name in NAMES:
        (tmp_path / f"{name}.wav").write_bytes(b"sound " + name.encode())
    return Manifest(tmp_path, tuple(Entry(name, audio=f"{name}.wav") for name in NAMES))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@contextmanager
def opened(out: Path, overwrite: bool = False, **changes: str) -> Iterator[ResultStore]:
    with open_store(out, KEY | changes, "jsonl", 3, overwrite) as store:
        yield store


def made(name: str) -> Made:
    return Made(name, {"id": name, "units": [1, 2]}, 1.0)


def left(work: list[ShardWork]) -> dict[int, list[str]]:
    return {shard.number: sorted(shard.pending) for shard in work}


def ids(path: Path) -> list[str]:
    return [row["id"] for row in journal.read(path)]


def test_a_shard_appears_when_it_is_complete_in_the_order_of_the_plan(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        assert left(store.plan(inputs)) == {0: ["a", "b", "c"], 1: ["d", "e"]}
        store.add(0, [made("c"), made("a")])
        store.close(0)
        assert not (out / "shards").exists()
        store.set_aside(0, [Rejected("b", "no sound")])
        store.close(0)
    assert ids(out / "shards" / "00000.jsonl") == ["a", "c"]
    assert list((out / "work").iterdir()) == []
    with opened(out) as store:
        assert left(store.plan(inputs)) == {1: ["d", "e"]}
        assert store.failures == {"b": "no sound"}
        assert store.num_done(NAMES) == 2


@pytest.mark.parametrize("half", [b'{"id": "b", "uni', b'{"id": "b", "units": [1, 2]}', b"\x80\xff\n", b'"b"\n'])
def test_a_half_line_never_counts(inputs: Manifest, out: Path, half: bytes) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.add(0, [made("a")])
    with (out / "work" / "00000.jsonl").open("ab") as file:
        file.write(half)
    with opened(out) as store:
        assert left(store.plan(inputs))[0] == ["b", "c"]
        store.add(0, [made("b"), made("c")])
        store.close(0)
    assert ids(out / "shards" / "00000.jsonl") == ["a", "b", "c"]


def test_killed_between_writing_a_shard_and_clearing_its_work(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.add(0, [made("a"), made("b"), made("c")])
        work = (out / "work" / "00000.jsonl").read_bytes()
        store.close(0)
    (out / "work" / "00000.jsonl").write_bytes(work)
    (out / "shards" / ".00000.k3j2.jsonl").write_bytes(b"half a shar")
    with opened(out) as store:
        assert left(store.plan(inputs)) == {0: [], 1: ["d", "e"]}
        store.close(0)
    assert ids(out / "shards" / "00000.jsonl") == ["a", "b", "c"]
    assert [path.name for path in (out / "shards").iterdir()] == ["00000.jsonl"]


def test_failed_ones_are_tried_again_on_demand_and_take_their_place(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.add(0, [made("a"), made("c")])
        store.set_aside(0, [Rejected("b", "no sound")])
        store.close(0)
        store.set_aside(1, [Rejected("e", "no face")])
    (inputs.root / "b.wav").write_bytes(b"another recording")
    with opened(out) as store:
        assert left(store.plan(inputs, retry_failed=True)) == {0: ["b"], 1: ["d", "e"]}
        assert store.failures == {}
    with opened(out) as store:  # as if the run before had been killed at once
        assert left(store.plan(inputs)) == {0: ["b"], 1: ["d", "e"]}
        store.add(0, [made("b")])
        store.close(0)
        store.set_aside(1, [Rejected("e", "no face")])
        store.tidy()
    assert ids(out / "shards" / "00000.jsonl") == ["a", "b", "c"]
    assert [json.loads(line) for line in (out / "failed.jsonl").read_text().splitlines()] == [
        {"id": "e", "reason": "no face", "shard": 1}
    ]


def test_a_trial_writes_nothing(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.set_aside(0, [Rejected("b", "no sound")])
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    store = ResultStore(out, "jsonl", 3)
    assert left(store.plan(inputs, retry_failed=True, is_trial=True)) == {0: ["a", "b", "c"], 1: ["d", "e"]}
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_new_utterances_get_shards_of_their_own_and_missing_ones_keep_theirs_open(inputs: Manifest, out: Path) -> None:
    first = replace(inputs, entries=inputs.entries[:2])
    with opened(out) as store:
        assert left(store.plan(first)) == {0: ["a", "b"]}
        store.add(0, [made("a")])
    with opened(out) as store:
        assert left(store.plan(replace(inputs, entries=inputs.entries[2:]))) == {0: [], 1: ["c", "d", "e"]}
        store.close(0)
        assert not (out / "shards").exists()
    with opened(out) as store:
        assert left(store.plan(inputs)) == {0: ["b"], 1: ["c", "d", "e"]}


def test_results_of_other_files_are_not_taken_for_these(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.add(0, [made("a")])
    (inputs.root / "c.wav").write_bytes(b"c is not done, so it may change")
    with opened(out) as store:
        store.plan(inputs)
    os.remove(inputs.root / "a.wav")
    with opened(out) as store:  # gone is not changed
        store.plan(inputs)
    (inputs.root / "a.wav").write_bytes(b"quite another one")
    with opened(out) as store, pytest.raises(InputError, match=r"'a' is done, but from another file.*--overwrite"):
        store.plan(inputs)


def test_other_settings_are_refused_and_overwritten_on_demand(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.add(0, [made("a")])
    (out / "notes.txt").write_text("mine")
    with (
        pytest.raises(UsageError, match=r"encoder sha256:1; found encoder sha256:2; .*--overwrite"),
        opened(out, encoder="sha256:2"),
    ):
        pass
    with opened(out, overwrite=True, encoder="sha256:2") as store:
        assert left(store.plan(inputs)) == {0: ["a", "b", "c"], 1: ["d", "e"]}
    assert (out / "notes.txt").read_text() == "mine"


def test_a_folder_of_other_things_and_a_busy_one_are_refused(inputs: Manifest, out: Path) -> None:
    (out / "lips").mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="holds other things"), opened(out, overwrite):
            pass
    (out / "lips").rmdir()
    with opened(out), pytest.raises(OutputError, match="another run"), opened(out):
        pass
    (out / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"not the run.json"), opened(out, overwrite=True):
        pass
