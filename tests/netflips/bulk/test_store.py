"""The output folder: whatever moment a run is killed at, nothing is lost and nothing is done twice."""

import os
import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from avcore import journal
from avcore.data.manifest import Entry, Manifest
from avcore.errors import InputError, OutputError, UsageError
from netflips.bulk.records import MadeFile, Rejected
from netflips.bulk.settings import ExtractSettings, ShardLayout
from netflips.bulk.store import ResultStore, open_store
from tests.damage import DAMAGES, damaged
from tests.refusal import refused

KEY = {"encoder": "sha256:1", "modalities": "audio"}
NAMES = ("a", "b", "c", "d", "e")
BOTH = {0: ["a", "b", "c"], 1: ["d", "e"]}


@pytest.fixture
def inputs(tmp_path: Path) -> Manifest:
    for name in NAMES:
        (tmp_path / f"{name}.wav").write_bytes(b"sound " + name.encode())
    return Manifest(tmp_path, tuple(Entry(name, audio=f"{name}.wav") for name in NAMES))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def settings_for(out: Path, layout: ShardLayout = "jsonl") -> ExtractSettings:
    return ExtractSettings(out, layout=layout, shard_size=3)


def opened(
    inputs: Manifest, out: Path, overwrite: bool = False, retry_failed: bool = False, **changes: str
) -> AbstractContextManager[ResultStore]:
    return open_store(settings_for(out), KEY | changes, inputs, overwrite, retry_failed)


def made(*names: str) -> list[MadeFile]:
    return [MadeFile(name, {"id": name, "units": [1, 2]}, 1.0) for name in names]


def left(store: ResultStore) -> dict[int, list[str]]:
    return {shard.number: sorted(shard.pending) for shard in store.shards if shard.num_pending}


def reasons(store: ResultStore) -> dict[str, str]:
    return {name: row["reason"] for name, row in store.failed.items()}


def ids(out: Path, number: int = 0) -> list[str]:
    return [row["id"] for row in journal.read(out / "shards" / f"{number:05d}.jsonl")]


def test_a_whole_shard_appears_in_the_order_of_the_input(inputs: Manifest, out: Path) -> None:
    with opened(inputs, out) as store:
        assert left(store) == BOTH
        store.add(made("c", "a"))
        assert not (out / "shards").exists()
        store.reject([Rejected("b", "no sound")])
        store.close(0)
    assert ids(out) == ["a", "c"]
    assert not (out / "work.jsonl").exists()
    with opened(inputs, out) as store:
        assert (left(store), reasons(store), store.num_done) == ({1: ["d", "e"]}, {"b": "no sound"}, 2)


@pytest.mark.parametrize("half", [b'{"id": "b", "uni', b'{"id": "b", "units": [1, 2]}', b"\x80\xff\n", b'"b"\n'])
def test_a_half_line_never_counts(inputs: Manifest, out: Path, half: bytes) -> None:
    with opened(inputs, out) as store:
        store.add(made("a"))
    with (out / "work.jsonl").open("ab") as file:
        file.write(half)
    with opened(inputs, out) as store:
        assert left(store)[0] == ["b", "c"]
        store.add(made("b", "c"))
        store.close(0)
    assert ids(out) == ["a", "b", "c"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_the_writing_of_a_shard(inputs: Manifest, out: Path, when: str) -> None:
    with opened(inputs, out) as store:
        store.add(made("a", "b", "c"))
        work = (out / "work.jsonl").read_bytes()
        if when == "after":
            store.close(0)
    (out / "work.jsonl").write_bytes(work)
    with opened(inputs, out) as store:
        assert left(store) == {1: ["d", "e"]}
    assert ids(out) == ["a", "b", "c"]
    assert not (out / "work.jsonl").exists()


def test_failed_ones_are_tried_again_and_take_their_place(inputs: Manifest, out: Path) -> None:
    with opened(inputs, out) as store:
        store.add(made("a", "c"))
        store.reject([Rejected("b", "no sound")])
        store.close(0)
        store.reject([Rejected("e", "no face")])
    (inputs.root / "b.wav").write_bytes(b"another recording")
    with opened(inputs, out, retry_failed=True) as store:
        assert (left(store), reasons(store)) == ({0: ["b"], 1: ["d", "e"]}, {})
    with opened(inputs, out) as store:  # as if the run before had been killed at once
        assert left(store) == {0: ["b"], 1: ["d", "e"]}
        store.add(made("b"))
        store.close(0)
        store.reject([Rejected("e", "no face"), Rejected("d", "no sound")])
        store.tidy()
    assert ids(out) == ["a", "b", "c"]
    assert [row["id"] for row in journal.read(out / "failed.jsonl")] == ["d", "e"]


def test_a_trial_writes_nothing(inputs: Manifest, out: Path) -> None:
    with opened(inputs, out) as store:
        store.add(made("a", "c"))
        store.reject([Rejected("b", "no sound")])
    before = contents(out)
    assert left(ResultStore(settings_for(out), inputs, retry_failed=True, is_trial=True)) == {0: ["b"], 1: ["d", "e"]}
    assert contents(out) == before


def test_inputs_may_come_and_go(inputs: Manifest, out: Path) -> None:
    with opened(replace(inputs, entries=inputs.entries[1:2]), out) as store:
        store.add(made("b"))
        store.close(0)
    with opened(replace(inputs, entries=inputs.entries[3:]), out) as store:
        store.add(made("d"))
    with opened(inputs, out) as store:
        assert left(store) == {0: ["a", "c"], 1: ["e"]}
        store.add(made("a", "c", "e"))
        store.close(0)
        store.close(1)
    assert (ids(out), ids(out, 1)) == (["a", "b", "c"], ["d", "e"])


def test_results_of_other_files_are_not_taken_for_these(inputs: Manifest, out: Path) -> None:
    with opened(inputs, out) as store:
        store.add(made("a"))
    (inputs.root / "c.wav").write_bytes(b"c is not done, so it may change")
    os.remove(inputs.root / "a.wav")  # gone is not changed
    with opened(inputs, out) as store:
        assert left(store)[0] == ["b", "c"]
    (inputs.root / "a.wav").write_bytes(b"quite another one")
    with pytest.raises(InputError, match=r"'a' is done, but from another file.*--overwrite"), opened(inputs, out):
        pass


def test_other_settings_are_refused_and_overwritten_on_demand(inputs: Manifest, out: Path) -> None:
    with opened(inputs, out) as store:
        store.add(made("a"))
    (out / "notes.txt").write_text("mine")
    with (
        pytest.raises(UsageError, match=r"expected encoder=sha256:1; found encoder=sha256:2; .*--overwrite"),
        opened(inputs, out, encoder="sha256:2"),
    ):
        pass
    with opened(inputs, out, overwrite=True, encoder="sha256:2") as store:
        assert left(store) == BOTH
    assert (out / "notes.txt").read_text() == "mine"


def test_a_folder_of_other_things_and_a_busy_one_are_refused(inputs: Manifest, out: Path) -> None:
    (out / "lips").mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="holds other things"), opened(inputs, out, overwrite):
            pass
    (out / "lips").rmdir()
    with opened(inputs, out), pytest.raises(OutputError, match="another run"), opened(inputs, out):
        pass
    (out / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"not the run.json"), opened(inputs, out, overwrite=True):
        pass


def contents(out: Path) -> dict[str, bytes]:
    paths = (path for path in out.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def run(inputs: Manifest, out: Path, layout: ShardLayout = "jsonl") -> str:
    """Do what is left to do, `b` and `e` set aside; returns the ids that it was."""
    with open_store(settings_for(out, layout), KEY, inputs) as store:
        for shard in store.shards:
            names = sorted(shard.pending)
            rows = [{"id": name, "features": f"features/{name}.npy", "lips": f"lips/{name}.lip.mp4"} for name in names]
            for row in rows:
                for path in (f"units/{row['id']}.unit", row["features"], row["lips"]):
                    (out / path).parent.mkdir(exist_ok=True)
                    (out / path).write_text("1 2")
            if done := [MadeFile(row["id"], row, 1.0) for row in rows if row["id"] not in "be"]:
                store.add(done)
            store.reject(Rejected(name, "no sound") for name in names if name in "be")
            if names:
                store.close(shard.number)
        store.tidy()
        return "".join(name for shard in store.shards for name in sorted(shard.pending))


@pytest.mark.parametrize(
    ("name", "how", "again"),
    [("shards/00000.jsonl", how, "c" if how in ("cut", "hole") else "ac") for how in (*DAMAGES, "gone")]
    + [("failed.jsonl", how, "e" if how in ("cut", "hole") else "be") for how in (*DAMAGES, "gone")],
)
def test_what_is_damaged_is_done_again(inputs: Manifest, out: Path, name: str, how: str, again: str) -> None:
    assert run(inputs, out) == "abcde"
    before = contents(out)
    (out / name).unlink()
    if how != "gone":
        (out / name).write_bytes(damaged(before[name], how))
    assert run(inputs, out) == again
    assert contents(out) == before
    assert run(inputs, out) == ""


def test_files_beside_the_rows_are_missed(inputs: Manifest, out: Path) -> None:
    run(inputs, out, "files")
    before = contents(out)
    (out / "units" / "a.unit").unlink()
    (out / "features" / "c.npy").write_text("")
    (out / "lips" / "d.lip.mp4").unlink()
    assert run(inputs, out, "files") == "acd"
    assert contents(out) == before


def test_a_row_whose_files_cannot_be_made_again_goes(inputs: Manifest, out: Path) -> None:
    run(inputs, out)
    (out / "lips" / "a.lip.mp4").unlink()
    with opened(inputs, out) as store:
        store.reject([Rejected("a", "no face")])
        store.close(0)
    assert ids(out) == ["c"]


@pytest.mark.parametrize("how", [*DAMAGES, "gone"])
def test_without_its_settings_nothing_is_done(inputs: Manifest, out: Path, how: str) -> None:
    run(inputs, out)
    content = (path := out / "run.json").read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes(damaged(content, how))
    refused((InputError, OutputError), r"put back a copy|choose another --out-dir", run, inputs, out)
    path.write_bytes(content)
    assert run(inputs, out) == ""


def test_links_in_an_output_folder_are_not_followed(inputs: Manifest, out: Path, tmp_path: Path) -> None:
    run(inputs, out)
    shutil.rmtree(out / "lips")
    precious, elsewhere = tmp_path / "precious", tmp_path / "elsewhere"
    precious.write_text("mine")
    elsewhere.mkdir()
    (elsewhere / ".mine.k3j2_9ab.txt").write_text("mine")
    (out / "lips").symlink_to(elsewhere)
    run(inputs, out)
    with opened(inputs, out, overwrite=True):
        assert not (out / "lips").exists()
    (out / ".lock").unlink()
    (out / ".lock").symlink_to(precious)
    refused(OutputError, "a link", run, inputs, out)
    assert (precious.read_text(), (elsewhere / ".mine.k3j2_9ab.txt").exists()) == ("mine", True)
