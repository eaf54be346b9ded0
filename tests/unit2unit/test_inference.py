"""The command of stage 2, for one sequence of units and for many."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.data.unit_store import read_units
from avcore.notes import several
from avcore.units import Units, format_units
from tests.unit2unit.tiny import write_tiny
from unit2unit.inference import UnitTranslator, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    given = tmp_path / "en.txt"
    given.write_text("3 3 17 29 4 0\n")
    return {"in": given, "out": tmp_path / "new" / "ko.txt", "model": write_tiny(tmp_path / "tiny.safetensors", seed=5)}


def arguments(files: dict[str, Path], *more: str, source: str = "en", target: str = "ko") -> list[str]:
    paths = ["--in-unit-path", str(files["in"]), "--out-unit-path", str(files["out"]), "--utut-path", str(files["model"])]
    return [*paths, "--src-lang", source, "--tgt-lang", target, "--cpu", *more]


def test_published_run_through_the_command(parity_dir: Path, files: dict[str, Path]) -> None:
    run = json.loads((parity_dir / "manifest.json").read_text())["runs"]["pub_src1_en"]
    files["in"].write_text(format_units(np.load(parity_dir / "inputs.npz")["src_units1"]) + "\nthe second line is not read\n")
    files["model"] = parity_dir / "utut.pt"
    assert main(arguments(files, source="fr", target="eng")) == 0
    assert files["out"].read_text() == run["units"]


def test_beam_and_limit_replace_the_stored_settings(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "--beam", "2", "--max-target-units", "1")) == 0
    count = len(files["out"].read_text().split())
    assert count <= 1
    assert f"translation stopped at {several(count, 'unit')}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("1 2 x3 4", "token 2 is not a unit"),
        ("1 2.5", "token 1 is not a unit"),
        ("1 -7", "position 1 is out of range"),
        ("1 2 30", "position 2 is out of range; expected 0..29; found 30"),
        ("", "is empty"),
        ("\n \n", "found blank lines"),
        ("\x00\x7fELF\udcff", "line 1 of the unit file is no text"),
        (f"1 {'9' * 30}", "token 1 is not a unit"),
    ],
)
def test_bad_units_are_one_line(files: dict[str, Path], content: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    files["in"].write_bytes(content.encode(errors="surrogateescape"))
    assert main(arguments(files)) == 2
    shown = capsys.readouterr().err.strip()
    assert complaint in shown
    assert str(files["in"]) in shown
    assert "\n" not in shown
    assert not files["out"].exists()


def test_what_does_not_fit_is_exit_code_2(files: dict[str, Path], parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files["in"].read_text()
    for line, words in (
        (arguments(files, "--translator-unit-offset", "4"), "txt: unit at position 3 is out of range; expected 0..25; found 29"),
        (arguments(files, target="pl"), "tiny.safetensors has no language 'pl'; expected one of en, fr, ko"),
        (arguments({**files, "out": files["in"]}), "the output unit file would overwrite the unit file"),
        (arguments({**files, "model": parity_dir / "mavhubert.pt"}), "--utut-path"),
    ):
        assert main(line) == 2
        assert words in capsys.readouterr().err
    assert files["in"].read_text() == before
    assert not files["out"].exists()


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


def test_folders_tables_and_files_give_the_same_translations(given: dict[str, Path], tmp_path: Path) -> None:
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
    two = [given["files"] / f"{name}.txt" for name in ("a", "c")]
    assert _run(given, "--in-unit-path", *two, "--out-dir", tmp_path / "two") == 0
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["a.txt", "c.txt"]


def test_the_model_is_loaded_once_and_bad_files_stop_no_others(
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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of sequences that a translator was asked for, one at a time; a negative number first ends the run there."""
    calls, released = list[int](), UnitTranslator.translate_batch

    def translate(self: UnitTranslator, sequences: Sequence[Units], *more: Any) -> Any:
        if calls and calls[0] < 0:
            calls[0] += 1
            if not calls[0]:
                raise KeyboardInterrupt
        if sequences:
            calls.append(len(sequences))
        return released(self, sequences, *more)

    monkeypatch.setattr(UnitTranslator, "translate_batch", translate)
    monkeypatch.setattr("unit2unit.inference._AT_ONCE", 1)
    return calls


def test_a_run_that_was_broken_off_goes_on_by_row(given: dict[str, Path], tmp_path: Path, asked: list[int]) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "ko.jsonl"
    assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", whole) == 0
    number = len(asked)
    asked[:] = [-number]  # ends before the last
    assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", out) not in (0, 1, 2)
    assert not out.exists()
    with (tmp_path / "ko.jsonl.work.jsonl").open("a") as torn:
        torn.write('{"key": "a kill in the middle of a li')
    asked.clear()
    assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", out) == 0
    assert len(asked) == 1
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.work*"))


def test_parts_of_an_array_become_one_table(given: dict[str, Path], tmp_path: Path, asked: list[int]) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "ko.jsonl"
    assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", whole) == 0
    number = len(asked)
    asked.clear()
    for part in ("0/3", "2/3", "1/3"):
        assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", out, "--part", part) == 0
        assert not out.exists()
    assert len(asked) == number
    assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", out, "--beam", "2") == 0
    assert len(asked) == 2 * number, "another search's translations are not taken"
    assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", out) == 0
    assert out.read_bytes() == whole.read_bytes()


def test_processes_share_the_rows(given: dict[str, Path], tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "ko.jsonl"
    assert _run(given, "--in-unit-path", given["table"], "--out-unit-path", whole) == 0
    line = [sys.executable, "-m", "unit2unit.inference", str(given["table"]), "-o", str(out), "--utut-path", str(given["model"])]
    done = subprocess.run(
        [*line, "--from", "en", "--to", "ko", "--cpu", "--workers", "2"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == whole.read_bytes()
