"""Many unit sequences in one run of the command."""

import json
from pathlib import Path

import pytest

from avdata.unit_store import read_units
from tests.unit2unit.tiny import write_tiny
from unit2unit.inference import UnitTranslator, main

_SENTENCES = {"a": "3 3 17 29 4 0", "deep/b": "5 6 5", "c": "1 2 28 9 9"}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Path]:
    """A translator, and the same sentences as a folder of files and as a table."""
    for name, units in _SENTENCES.items():
        path = tmp_path / "files" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(units)
    rows = [{"id": name, "units": [int(unit) for unit in units.split()], "language": "en"} for name, units in _SENTENCES.items()]
    (tmp_path / "en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"model": write_tiny(tmp_path / "tiny.safetensors", seed=5), "files": tmp_path / "files", "table": tmp_path / "en.jsonl"}


def _run(given: dict[str, Path], *more: object) -> int:
    common = ["--utut-path", given["model"], "--src-lang", "en", "--tgt-lang", "ko", "--cpu"]
    return main([str(one) for one in (*common, *more)])


def test_folders_tables_and_several_files_give_the_translations_of_single_files(given: dict[str, Path], tmp_path: Path) -> None:
    one_by_one = {}
    for name in _SENTENCES:
        out = tmp_path / "single.txt"
        assert _run(given, "--in-unit-path", given["files"] / f"{name}.txt", "--out-unit-path", out) == 0
        one_by_one[name] = out.read_text()
    for number, source in enumerate((given["files"], given["table"])):
        out = tmp_path / f"out{number}"
        assert _run(given, "--in-unit-path", source, "--out-dir", out) == 0
        assert {name: (out / f"{name}.txt").read_text() for name in _SENTENCES} == one_by_one
    table = tmp_path / "ko.jsonl"
    assert _run(given, "--in-unit-path", given["files"], "--out-unit-path", table) == 0
    found = read_units(table)
    assert {name: " ".join(map(str, units.ids)) for name, units in found.items()} == one_by_one
    assert {units.language for units in found.values()} == {"ko"}
    assert (
        _run(given, "--in-unit-path", *(given["files"] / f"{name}.txt" for name in ("a", "c")), "--out-dir", tmp_path / "two") == 0
    )
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["a.txt", "c.txt"]


def test_the_model_is_loaded_once_and_a_bad_one_does_not_stop_the_others(
    given: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    original = UnitTranslator.from_checkpoint
    monkeypatch.setattr(UnitTranslator, "from_checkpoint", lambda *options: loads.append(1) or original(*options))
    (given["files"] / "range.txt").write_text("1 2 30")
    (given["files"] / "words.txt").write_text("one two")
    (given["files"] / "empty.txt").write_text("")
    missing = tmp_path / "missing.txt"
    assert _run(given, "--in-unit-path", given["files"], missing, "--out-dir", tmp_path / "out") == 1
    assert loads == [1]
    told = capsys.readouterr().err
    for name in ("range", "words", "empty"):
        assert sum(str(given["files"] / f"{name}.txt") in line for line in told.splitlines()) == 1
        assert not (tmp_path / "out" / f"{name}.txt").exists()
    assert str(missing) in told
    assert "3 of 7 translated; 4 failed" in told
    assert all((tmp_path / "out" / f"{name}.txt").exists() for name in _SENTENCES)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"id": "x"}, "en.jsonl:4: a row of units needs id and units"),
        ({"id": "", "units": [1]}, "en.jsonl:4: a row of units has no name"),
        ({"id": "x", "units": [1], "language": "ko"}, "en.jsonl:4: these are units of another language; expected en; found ko"),
        ({"id": "x", "units": [1], "vocabulary": "sha256:0000"}, "en.jsonl:4: "),
        ({"id": "../x", "units": [1]}, "en.jsonl:4: no file can be called after this id"),
        ({"id": "/x", "units": [1]}, "en.jsonl:4: no file can be called after this id"),
        ({"id": "x" * 300, "units": [1]}, "en.jsonl:4: no file can be called after this id"),
    ],
)
def test_a_bad_row_is_named(
    given: dict[str, Path], tmp_path: Path, row: dict[str, object], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "vocabulary" in row:
        given["model"] = write_tiny(tmp_path / "other.safetensors", seed=5, vocabulary="sha256:1111")
    with given["table"].open("a") as file:
        file.write(json.dumps(row) + "\n")
    assert _run(given, "--in-unit-path", given["table"], "--out-dir", tmp_path / "out") == 1
    assert complaint in capsys.readouterr().err
    assert len(list((tmp_path / "out").rglob("*.txt"))) == 3
    assert not (tmp_path / "x.txt").exists()


def test_what_cannot_go_together_is_refused_before_any_work(given: dict[str, Path], tmp_path: Path) -> None:
    table, files, out = given["table"], given["files"], tmp_path / "out"
    before = table.read_text()
    assert _run(given, "--in-unit-path", table) == 2
    assert _run(given, "--in-unit-path", table, "--out-unit-path", tmp_path / "one.txt") == 2
    assert _run(given, "--in-unit-path", table, "--out-unit-path", tmp_path / "one.jsonl", "--out-dir", out) == 2
    assert _run(given, "--in-unit-path", table, "--out-unit-path", table) == 2
    assert _run(given, "--in-unit-path", files / "a.txt", files / "c.txt", "--out-dir", files) == 2
    assert _run(given, "--in-unit-path", table, files, "--out-dir", out) == 2, "ids are there twice"
    assert _run(given, "--in-unit-path", tmp_path / "none.jsonl", "--out-dir", out) == 2
    (tmp_path / "broken.jsonl").write_text('{"id": "a", "units": [1]}\n{broken\n')
    assert _run(given, "--in-unit-path", tmp_path / "broken.jsonl", "--out-dir", out) == 2
    assert table.read_text() == before
    assert (files / "a.txt").read_text() == _SENTENCES["a"]
    assert not out.exists()
