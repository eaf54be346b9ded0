"""The output folder: whatever moment a run is killed at, nothing is lost and nothing is done twice."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from avcore import journal
from avcore.data.manifest import Entry, Manifest
from avcore.errors import InputError, OutputError, UsageError
from avcore.notes import several
from netflips.bulk.records import MadeFile, Rejected
from netflips.bulk.settings import ShardLayout
from netflips.bulk.store import ResultStore, ShardWork, open_store
from tests.damage import DAMAGES, damaged
from tests.refusal import refused

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


def made(name: str) -> MadeFile:
    return MadeFile(name, {"id": name, "units": [1, 2]}, 1.0)


def left(work: list[ShardWork]) -> dict[int, list[str]]:
    return {shard.number: sorted(shard.pending) for shard in work}


def reasons(store: ResultStore) -> dict[str, str]:
    return {name: row["reason"] for name, row in store.failed.items()}


def ids(path: Path) -> list[str]:
    return [row["id"] for row in journal.read(path)]


def test_a_shard_appears_when_it_is_complete_in_the_order_of_the_plan(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        assert left(store.plan(inputs)) == {0: ["a", "b", "c"], 1: ["d", "e"]}
        store.add(0, [made("c"), made("a")])
        store.close(0)
        assert not (out / "shards").exists()
        store.reject(0, [Rejected("b", "no sound")])
        store.close(0)
    assert ids(out / "shards" / "00000.jsonl") == ["a", "c"]
    assert not (out / "work.jsonl").exists()
    with opened(out) as store:
        assert left(store.plan(inputs)) == {1: ["d", "e"]}
        assert reasons(store) == {"b": "no sound"}
        assert store.num_done == 2


@pytest.mark.parametrize("half", [b'{"id": "b", "uni', b'{"id": "b", "units": [1, 2]}', b"\x80\xff\n", b'"b"\n'])
def test_a_half_line_never_counts(inputs: Manifest, out: Path, half: bytes) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.add(0, [made("a")])
    with (out / "work.jsonl").open("ab") as file:
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
        work = (out / "work.jsonl").read_bytes()
        store.close(0)
    (out / "work.jsonl").write_bytes(work)
    with opened(out) as store:
        assert left(store.plan(inputs)) == {0: [], 1: ["d", "e"]}
        store.close(0)
    assert ids(out / "shards" / "00000.jsonl") == ["a", "b", "c"]
    assert [path.name for path in (out / "shards").iterdir()] == ["00000.jsonl"]


def test_failed_ones_are_tried_again_on_demand_and_take_their_place(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.add(0, [made("a"), made("c")])
        store.reject(0, [Rejected("b", "no sound")])
        store.close(0)
        store.reject(1, [Rejected("e", "no face")])
    (inputs.root / "b.wav").write_bytes(b"another recording")
    with opened(out) as store:
        assert left(store.plan(inputs, retry_failed=True)) == {0: ["b"], 1: ["d", "e"]}
        assert reasons(store) == {}
    with opened(out) as store:  # as if the run before had been killed at once
        assert left(store.plan(inputs)) == {0: ["b"], 1: ["d", "e"]}
        store.add(0, [made("b")])
        store.close(0)
        store.reject(1, [Rejected("e", "no face")])
        store.tidy()
    assert ids(out / "shards" / "00000.jsonl") == ["a", "b", "c"]
    assert [json.loads(line) for line in (out / "failed.jsonl").read_text().splitlines()] == [
        {"id": "e", "reason": "no face", "shard": 1}
    ]


def test_a_trial_writes_nothing(inputs: Manifest, out: Path) -> None:
    with opened(out) as store:
        store.plan(inputs)
        store.reject(0, [Rejected("b", "no sound")])
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    store = ResultStore(out, "jsonl", 3)
    assert left(store.plan(inputs, retry_failed=True, is_trial=True)) == {0: ["a", "b", "c"], 1: ["d", "e"]}
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_new_utterances_get_own_shards_and_missing_ones_keep_theirs(inputs: Manifest, out: Path) -> None:
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


def finished(inputs: Manifest, out: Path, layout: ShardLayout = "jsonl") -> dict[str, bytes]:
    """A finished run, `b` and `e` set aside; returns the content of its results."""
    with open_store(out, KEY, layout, 3) as store:
        finish(store, store.plan(inputs))
    return contents(out)


def finish(store: ResultStore, work: list[ShardWork]) -> int:
    """Do what is left to do; returns how much it was."""
    for shard in work:
        names = sorted(shard.pending)
        store.add(shard.number, [made(name) for name in names if name not in "be"])
        store.reject(shard.number, [Rejected(name, "no sound") for name in names if name in "be"])
        store.close(shard.number)
    store.tidy()
    return sum(len(shard.pending) for shard in work)


def contents(out: Path) -> dict[str, bytes]:
    paths = (path for path in out.rglob("*") if path.is_file() and path.name not in (".lock", "closed.jsonl"))
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def again(inputs: Manifest, out: Path, layout: ShardLayout = "jsonl") -> int:
    """Give the same command again; returns how many utterances were done."""
    with open_store(out, KEY, layout, 3) as store:
        return finish(store, store.plan(inputs))


@pytest.mark.parametrize("how", [*DAMAGES, "gone", "flip"])
def test_a_closed_shard_is_believed_only_as_it_was_closed(
    inputs: Manifest, out: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = finished(inputs, out)
    assert again(inputs, out) == 0
    (path,) = (out / "shards").glob("00000.*")
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content.replace(b"2", b"3") if how == "flip" else damaged(content, how))
    assert again(inputs, out) == 2
    assert str(path) in caplog.text
    assert contents(out) == before
    assert again(inputs, out) == 0


@pytest.mark.parametrize("how", [*DAMAGES, "gone", "first line"])
def test_what_stands_in_no_list_is_not_done(inputs: Manifest, out: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    before = finished(inputs, out)
    content = (path := out / "failed.jsonl").read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content.replace(b"{", b"x", 1) if how == "first line" else damaged(content, how))
    dry = ResultStore(out, "jsonl", 3).plan(inputs, is_trial=True)
    lost = 1 if how in ("cut", "hole", "first line") else 2
    assert sum(len(shard.pending) for shard in dry) == lost
    assert again(inputs, out) == lost
    assert f"{path}: {several(lost, 'utterance')} neither in a finished shard nor set aside" in caplog.text
    assert contents(out) == before


def test_a_shard_that_is_not_noted_is_made_again(inputs: Manifest, out: Path) -> None:
    before = finished(inputs, out)
    (out / "closed.jsonl").unlink()
    assert again(inputs, out) == len("acd")
    assert contents(out) == before


def test_files_beside_the_rows_are_missed(inputs: Manifest, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    def run() -> list[str]:
        with open_store(out, KEY, "files", 3) as store:
            work = store.plan(inputs)
            for shard in work:
                names = sorted(shard.pending)
                rows = [{"id": name, "features": f"features/{name}.npy", "lips": f"lips/{name}.lip.mp4"} for name in names]
                for row in rows:
                    for path in (out / "units" / f"{row['id']}.unit", out / row["features"], out / row["lips"]):
                        path.parent.mkdir(exist_ok=True)
                        path.write_text("1 2")
                store.add(shard.number, [MadeFile(row["id"], row, 1.0) for row in rows])
                store.close(shard.number)
            return sorted(name for shard in work for name in shard.pending)

    assert run() == list(NAMES)
    before = contents(out)
    assert run() == []
    (out / "units" / "a.unit").unlink()
    (out / "units" / "b.unit").write_text("1 3")
    (out / "features" / "c.npy").write_text("1")
    assert run() == ["a", "b", "c"]
    assert "files of 3 utterances of shard 0 are missing or damaged, as a" in caplog.text
    (out / "lips" / "d.lip.mp4").write_text("1 3")
    assert run() == ["d"]
    assert contents(out) == before


@pytest.mark.parametrize("name", ["plan.jsonl", "run.json"])
@pytest.mark.parametrize("how", [*DAMAGES, "gone"])
def test_without_plan_or_settings_nothing_is_done(inputs: Manifest, out: Path, name: str, how: str) -> None:
    before = finished(inputs, out)
    if how == "gone":
        (out / name).unlink()
    else:
        (out / name).write_bytes(damaged((out / name).read_bytes(), how))
    refused((InputError, OutputError), r"put back a copy|choose another --out-dir", again, inputs, out)
    (out / name).write_bytes(before[name])
    assert again(inputs, out) == 0


def test_links_in_an_output_folder_are_not_followed(inputs: Manifest, out: Path, tmp_path: Path) -> None:
    finished(inputs, out)
    precious, elsewhere = tmp_path / "precious", tmp_path / "elsewhere"
    precious.write_text("mine")
    elsewhere.mkdir()
    (elsewhere / ".mine.k3j2_9ab.txt").write_text("mine")
    (out / "lips").symlink_to(elsewhere)
    again(inputs, out)
    with opened(out, overwrite=True):
        assert not (out / "lips").exists()
    (out / ".lock").unlink()
    (out / ".lock").symlink_to(precious)
    refused(OutputError, "a link", again, inputs, out)
    assert (precious.read_text(), len(list(elsewhere.iterdir()))) == ("mine", 1)
