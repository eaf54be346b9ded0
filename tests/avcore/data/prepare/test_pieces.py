import errno
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avcore.data.prepare.running import CorpusItem, process_items
from avcore.data.prepare.workplace import ItemRecord, Journal, Workplace, without_failures
from avcore.errors import InputError, OutputError, UsageError
from avcore.progress import silent


@dataclass(frozen=True)
class Counting:
    """A worker whose pieces are words: how many follow-ups, or how to fail."""

    folder: Path

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        (self.folder / f"did-{piece.key.replace('/', '-')}-{os.getpid()}").touch()
        if isinstance(piece.work, int):
            return [CorpusItem(f"{piece.key}/{number}", "leaf") for number in range(piece.work)]
        if piece.work == "bad":
            raise InputError("it is bad", path=piece.key)
        if piece.work == "bug":
            raise ZeroDivisionError("by zero")
        if piece.work == "die":
            os._exit(9)
        if piece.work == "full":
            raise OutputError("the disk is full")
        if piece.work == "no room":
            raise OSError(errno.ENOSPC, "No space left on device")
        journal.add(ItemRecord(piece.key, "kept", parent=piece.parent, rows={"manifest": {"id": piece.key}}))
        return ()

    def finish(self, piece: CorpusItem) -> None:
        (self.folder / f"finished-{piece.key}").touch()


def _run(folder: Path, pieces: list[CorpusItem], workers: int = 1, known: Iterable[str] = ()) -> dict[str, ItemRecord]:
    process_items(pieces, Counting(folder), Journal(folder), known, workers, silent)
    return Journal(folder).records()


def _done(folder: Path) -> list[str]:
    return sorted(path.name.split("-")[1] for path in folder.glob("did-*"))


def test_follow_ups_come_before_new_tasks_and_finish_their_parent(tmp_path: Path) -> None:
    order: list[str] = []
    steps: list[tuple[int, int | None]] = []

    class Noting(Counting):
        def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
            order.append(piece.key)
            return super().do(piece, journal)

    def progress(stage: str, done: int, total: int | None) -> None:
        steps.append((done, total))

    process_items([CorpusItem("a", 2), CorpusItem("b", 1)], Noting(tmp_path), Journal(tmp_path), (), 1, progress)
    assert order == ["a", "a/0", "a/1", "b", "b/0"]
    assert steps[-1] == (5, 5)
    (tmp_path / "again").mkdir()
    records = _run(tmp_path / "again", [CorpusItem("a", 2), CorpusItem("b", "leaf")])
    assert {key: record.status for key, record in records.items()} == {"a/0": "kept", "a/1": "kept", "a": "done", "b": "kept"}
    assert (tmp_path / "again" / "finished-a").exists()
    assert not (tmp_path / "again" / "finished-b").exists()


def test_what_is_known_is_not_done_again(tmp_path: Path) -> None:
    records = _run(tmp_path, [CorpusItem("a", 2), CorpusItem("b", "leaf"), CorpusItem("c", 1)], known=["a/1", "b", "c/0"])
    assert sum(name.startswith("did-b") for name in os.listdir(tmp_path)) == 0
    assert set(records) == {"a/0", "a", "c"}
    assert (tmp_path / "finished-c").exists()  # all of its follow-ups were known


def test_failures_are_set_aside_by_name(tmp_path: Path) -> None:
    records = _run(tmp_path, [CorpusItem("a", "bad"), CorpusItem("b", "bug"), CorpusItem("c", "leaf")])
    assert records["a"].status == records["b"].status == "failed"
    assert "a: it is bad" in records["a"].detail
    assert "unexpected error: ZeroDivisionError: by zero" in records["b"].detail
    assert records["c"].status == "kept"


@pytest.mark.parametrize(("work", "words"), [("full", "disk is full"), ("no room", "No space left")])
def test_a_full_disk_ends_the_run(tmp_path: Path, work: str, words: str) -> None:
    with pytest.raises(OutputError, match=words):
        _run(tmp_path, [CorpusItem("a", work), CorpusItem("b", "leaf")])
    assert "b" not in Journal(tmp_path).records()


def test_several_processes_and_one_that_dies(tmp_path: Path) -> None:
    leaves = [CorpusItem(f"leaf{number}", "leaf") for number in range(6)]
    pieces = [CorpusItem("a", 3), CorpusItem("dead", "die"), *leaves, CorpusItem("bad", "bad")]
    records = _run(tmp_path, pieces, workers=2)
    assert records["dead"].status == "failed"
    assert "died" in records["dead"].detail
    assert records["bad"].status == "failed"
    kept = {key for key, record in records.items() if record.status == "kept"}
    assert kept == {"a/0", "a/1", "a/2", *(f"leaf{number}" for number in range(6))}
    assert records["a"].status == "done"


def test_a_torn_line_does_not_count(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(ItemRecord("가", "kept", rows={"manifest": {"id": "가"}}))
    journal.add(ItemRecord("b", "rejected", reason="blur", figures={"sharpness": 1.0}))
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    Journal(tmp_path).add(ItemRecord("c", "done"))  # as if another process of the run had been killed in the middle of a line
    assert list(journal.records()) == ["가", "c"]
    assert journal.recover() == {"가": ItemRecord("가", "kept", rows={"manifest": {"id": "가"}})}
    assert journal.recover().keys() == journal.records().keys() == {"가"}


@pytest.mark.parametrize("bad", [b"{bad", b"{}", b'{"key": "a/0"}', b""])
def test_what_a_damaged_line_told_of_is_done_again(tmp_path: Path, bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
    whole = _run(tmp_path, [CorpusItem("a", 3), CorpusItem("b", "leaf")])
    journal, path = Journal(tmp_path), tmp_path / "journal.jsonl"
    assert journal.recover() == whole
    lines = path.read_bytes().splitlines(keepends=True)
    assert b'"a/0"' in lines[0]
    path.write_bytes(b"".join([bad + b"\n", *lines[1:]]))
    records = journal.recover()
    assert f"{path}: warning: line 1 is damaged" in caplog.text
    assert set(records) == {"a/1", "a/2", "b"}  # that all of a is done is not believed either
    for did in tmp_path.glob("did-*"):
        did.unlink()
    assert _run(tmp_path, [CorpusItem("a", 3), CorpusItem("b", "leaf")], known=records) == whole
    assert _done(tmp_path) == ["a", "a"]  # a itself and a/0


def test_failures_and_what_they_follow_are_done_again() -> None:
    records = {
        "a": ItemRecord("a", "done"),
        "a/1": ItemRecord("a/1", "kept", "a"),
        "a/2": ItemRecord("a/2", "failed", "a"),
        "b": ItemRecord("b", "done"),
        "b/1": ItemRecord("b/1", "kept", "b"),
        "c": ItemRecord("c", "failed"),
    }
    assert set(without_failures(records)) == {"a/1", "b", "b/1"}


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ({"framing": "full", "min_seconds": 9}, ""),
        ({"framing": "full"}, ""),
        ({"framing": "full", "cut": None}, ""),
        ({"framing": None, "min_seconds": 9}, ""),
        ({"framing": "face", "min_seconds": 9}, "expected framing=face; found framing=full"),
        ({"clips": {"framing": "face"}, "cut": "none"}, "expected clips={'framing': 'face'}, cut=none; found no clips, no cut"),
    ],
)
def test_a_folder_goes_on_with_its_settings_alone(tmp_path: Path, before: dict[str, Any], told: str) -> None:
    wanted = {"framing": "full", "min_seconds": 9}
    path = tmp_path / "out" / ".work" / "settings.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(before))
    place = Workplace(tmp_path / "out")
    if not told:
        with place.open(wanted):
            assert json.loads(path.read_text()) == before | wanted
    else:
        with pytest.raises(UsageError) as refused, place.open(wanted):
            pass
        words = f"out: this folder was begun with other settings; {told}; choose another --out-dir"
        assert words in str(refused.value)
        assert json.loads(path.read_text()) == before
