"""Finished work: found by what it was made from, whole or not at all."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest

from avcore.errors import OutputError
from avcore.files import _HOST, atomic_output
from avcore.journal import file_digest, key_of
from netflips.dubbing import store
from netflips.dubbing.store import Store, require_work_folder
from tests import forked
from tests.damage import damaged
from tests.refusal import refused


@dataclass
class Kept:
    a: np.ndarray
    name: str
    none: np.ndarray
    pair: tuple[str, str | None]


def _keep(store: Store, step: str, key: str) -> None:
    with store.new_file(step, key, ".npz") as path, atomic_output(path) as temporary:
        temporary.write_bytes(b"x" * 50)


LEFT = f".x.netflips-{_HOST}-k3j2_9ab.mp4"
"""How a killed run leaves a file."""


def test_work_is_made_once_and_found_again(tmp_path: Path) -> None:
    folder, calls = Store(tmp_path / "work"), []

    def make() -> Kept:
        calls.append(1)
        return Kept(np.arange(3), "x", np.zeros((0, 96, 96), np.uint8), ("y", None))

    for _ in range(2):
        found = folder.kept(Kept, "units", ("key",), make)
        assert (found.a.tolist(), found.name, found.none.shape) == ([0, 1, 2], "x", (0, 96, 96))
    assert len(calls) == folder.made["units"] == 1
    assert folder.found["units"] == 0  # its own work is nothing that was there before
    again = Store(tmp_path / "work")
    for _ in range(2):
        again.kept(Kept, "units", ("key",), make)
    assert (len(calls), again.made["units"], again.found["units"]) == (1, 0, 1)


def _find_at_once(folder: Path) -> int:
    """Find values of types that no thread has met before, from several threads that come to it at once."""
    sys.setswitchinterval(1e-6)
    load, work, right, begin = np.load, Store(folder), list[bool](), Barrier(4)

    @contextmanager
    def load_together(path: Path, **how: bool) -> Iterator[dict[str, np.ndarray]]:
        with load(path, **how) as stored:
            found = dict(stored)
        begin.wait(60)
        yield found

    np.load = load_together
    for _ in range(100):
        inner = make_dataclass("Inner", [(f"a{place}", int | None, None) for place in range(20)])
        kind = make_dataclass("Outer", [(f"a{place}", tuple[inner, ...], ()) for place in range(8)])  # type: ignore[valid-type]
        work.keep("units", ("key",), kind((inner(1),)))

        def find(kind: type = kind) -> None:
            found = work.find(kind, "units", ("key",))
            right.append(found is not None and found.a0[0].a0 == 1)

        threads = [Thread(target=find) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    return 400 - sum(right)


def test_threads_that_find_the_same_work_at_once_end_no_process(tmp_path: Path) -> None:
    forked.run(_find_at_once, tmp_path / "work", told=tmp_path / "told")


def test_work_is_found_in_the_folder_that_it_was_moved_to_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "scratch")
    store.use(tmp_path / "work")
    store.keep("units", ("key",), np.arange(3))
    assert Store(tmp_path / "work").find(np.ndarray, "units", ("key",)) is not None
    assert not (tmp_path / "scratch").exists()


def test_names_differ_by_everything_and_by_nothing_else(tmp_path: Path) -> None:
    parts = [(1,), (2,), ("1",), (None,), (np.arange(3),), (np.arange(3.0),), (np.arange(4),), ({"a": 1},), ([1], [2]), ([1, 2],)]
    assert len({key_of(*one) for one in parts}) == len(parts)
    assert key_of({"b": 1, "a": np.arange(3)[::-1]}) == key_of({"a": np.array([2, 1, 0]), "b": 1})
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    (tmp_path / "c").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b") != file_digest(tmp_path / "c")


def test_only_earlier_versions_of_an_output_are_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "netflips")

    def run(output: str | None, *keys: str) -> None:
        folder = Store(tmp_path)
        for key in keys:
            _keep(folder, "frames", key)
        if output is not None:
            folder.record_output(output)
        assert folder.num_bytes() > 0

    run("a.mp4", "a1", "a2", "shared")
    run("b.mp4", "b1", "shared")
    run(None, "stopped")
    assert not caplog.text
    run("a.mp4", "a2", "a3")
    assert f"{tmp_path}: 1 kept piece of earlier versions of a.mp4 deleted" in caplog.text
    kept = {path.stem for path in (tmp_path / "frames").iterdir()}
    assert kept == {"a2", "a3", "b1", "shared", "stopped"}


def test_half_written_work_of_killed_runs_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for name in (LEFT, ".mine"):
        (tmp_path / "frames" / name).write_bytes(b"x")
    Store(tmp_path).record_output("x.mp4")
    assert [path.name for path in (tmp_path / "frames").iterdir()] == [".mine"]
    (tmp_path / "file").write_text("x")
    refused(OutputError, "--work-dir", require_work_folder, tmp_path / "file")


@pytest.mark.parametrize("suffix", [".npz", ".f32"])
@pytest.mark.parametrize("damage", ["cut", "zero", "empty", "hole", "longer"])
def test_each_damage_to_each_file_is_noticed(tmp_path: Path, suffix: str, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    def keep(folder: Store) -> None:
        if suffix == ".npz":
            folder.keep("sound", ("key",), np.arange(5_000))
            return
        with folder.new_file("sound", "key", suffix) as path, atomic_output(path) as temporary:
            temporary.write_bytes(np.arange(5_000).tobytes())

    def is_there(folder: Store) -> bool:
        if suffix == ".npz":
            return folder.find(np.ndarray, "sound", ("key",)) is not None
        return folder.find_file("sound", "key", suffix) is not None

    keep(Store(tmp_path))
    path = tmp_path / "sound" / f"{key_of('key') if suffix == '.npz' else 'key'}{suffix}"
    whole = path.read_bytes()
    assert is_there(Store(tmp_path))
    path.write_bytes(damaged(whole, damage))
    folder = Store(tmp_path)
    assert not is_there(folder)
    assert "is made anew" in caplog.text
    keep(folder)
    assert path.read_bytes() == whole
    assert is_there(folder)
    assert is_there(Store(tmp_path))


def test_work_without_a_digest_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Store(tmp_path).keep("faces", ("key",), np.arange(5_000))
    (tmp_path / "kept.jsonl").unlink()
    assert Store(tmp_path).find(np.ndarray, "faces", ("key",)) is None
    assert "damaged; it is made anew" in caplog.text


def test_a_note_deletes_nothing_but_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    victim, work = tmp_path / "victim", tmp_path / "work"
    victim.write_text("x")
    note = work / "runs" / f"{key_of(Path('o.mp4').resolve())}.json"
    for stage in ("lips", "speech"):
        _keep(Store(work), stage, "old")
    note.parent.mkdir()
    names = ["../victim", str(victim), "frames/../../victim", "kept.jsonl", "lips/old.npz", "runs/x.json", 7, "lips/\0"]
    note.write_text(json.dumps(names))
    Store(work).record_output("o.mp4")
    assert victim.exists()
    assert "not ours to delete" in caplog.text
    assert sorted(str(path.relative_to(work)) for path in work.rglob("*.npz")) == ["speech/old.npz"]


def test_links_in_a_work_folder_are_not_followed(tmp_path: Path) -> None:
    elsewhere, work = tmp_path / "elsewhere", tmp_path / "work"
    (elsewhere / "frames").mkdir(parents=True)
    (elsewhere / "frames" / LEFT).write_text("mine")
    (elsewhere / "precious").write_text("mine")
    work.mkdir()
    (work / "frames").symlink_to(elsewhere / "frames")
    Store(work).record_output("o.mp4")
    refused(OutputError, r"a link; delete it", require_work_folder, work)
    refused(OutputError, r"a link; delete it", Store(work).find_file, "frames", "key", ".mp4")
    (work / "units").mkdir()
    piece = work / "units" / f"{key_of('key')}.npz"
    piece.symlink_to(elsewhere / "precious")
    Store(work).keep("units", ("key",), np.zeros(5))
    assert not piece.is_symlink()
    (work / "kept.jsonl").unlink()
    (work / "kept.jsonl").symlink_to(elsewhere / "precious")
    refused(OutputError, r"kept\.jsonl", Store(work).keep, "units", ("key",), np.zeros(5))
    assert (elsewhere / "precious").read_text() == "mine"
    assert len(list((elsewhere / "frames").iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b'["frames/a', b"null", b"[" * 100_000, b"\xff"])
def test_a_damaged_note_ends_no_run(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    def run(output: str, *keys: str) -> None:
        folder = Store(tmp_path)
        for key in keys:
            _keep(folder, "frames", key)
        folder.record_output(output)

    run("a.mp4", "a1")
    run("b.mp4", "b1")
    (tmp_path / "runs" / f"{key_of(Path('a.mp4').resolve())}.json").write_bytes(damage)
    run("b.mp4", "b2")  # what a.mp4 needs is not known, so nothing goes
    assert "this note of an earlier run is damaged" in caplog.text
    run("a.mp4", "a2")
    run("b.mp4", "b3")
    assert {path.stem for path in (tmp_path / "frames").iterdir()} == {"a1", "a2", "b1", "b3"}


HOLDS = "import sys, time; from netflips.dubbing.store import Store; from pathlib import Path\n"
HOLDS += "store = Store(sys.argv[1]); store.hold(Path('o.mp4')); print('held', flush=True); time.sleep(600)"


def test_two_runs_do_not_make_one_output_and_a_killed_one_holds_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_PATIENCE_S", 0.2)
    words = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=tmp_path) as other, closing(Store(tmp_path)) as own:
        assert other.stdout.readline() == b"held\n"
        refused(OutputError, r"o\.mp4: another run is making it; wait for it, or stop it", own.hold, tmp_path / "o.mp4")
        own.hold(tmp_path / "p.mp4")  # another one may be made in the same folder
        other.kill()
        other.wait()
    with closing(Store(tmp_path)) as again:
        again.hold(tmp_path / "o.mp4")
        again.hold(tmp_path / "o.mp4")  # its own
