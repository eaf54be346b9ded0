"""The command of stage 2."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avcore.plain_text import several
from avcore.units import Units, format_units
from tests.unit2unit.tiny import write_tiny
from unit2unit.inference import UnitTranslator, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    given = tmp_path / "en.txt"
    given.write_text("3 3 17 29 4 0\nthe second line is not read\n")
    return {"in": given, "out": tmp_path / "new" / "ko.txt", "model": write_tiny(tmp_path / "tiny.safetensors", seed=5)}


def arguments(files: dict[str, Path], *more: str, source: str = "en", target: str = "ko") -> list[str]:
    paths = ["--in-unit-path", str(files["in"]), "--out-unit-path", str(files["out"]), "--utut-path", str(files["model"])]
    return [*paths, "--src-lang", source, "--tgt-lang", target, "--cpu", *more]


def test_writes_one_line_without_a_newline(files: dict[str, Path]) -> None:
    assert main(arguments(files)) == 0
    wanted = UnitTranslator.from_checkpoint(files["model"]).translate(Units(np.array([3, 17, 29, 4, 0])))
    assert files["out"].read_text() == format_units(wanted.units.ids)


def test_published_run_through_the_command(parity_dir: Path, files: dict[str, Path]) -> None:
    import json

    run = json.loads((parity_dir / "manifest.json").read_text())["runs"]["pub_src1_en"]
    files["in"].write_text(format_units(np.load(parity_dir / "inputs.npz")["src_units1"]))
    files["model"] = parity_dir / "utut.pt"
    assert main(arguments(files, source="fr", target="eng")) == 0
    assert files["out"].read_text() == run["units"]


def test_beam_and_limit_replace_the_stored_settings(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "--beam", "2", "--max-target-units", "1")) == 0
    count = len(files["out"].read_text().split())
    assert count <= 1
    assert f"translation stopped at {several(count, 'unit')}" in capsys.readouterr().err


def test_offset_flag(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, "--translator-unit-offset", "4")) == 2
    assert "txt: unit at position 3 is out of range; expected 0..25; found 29" in capsys.readouterr().err


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
def test_bad_units_are_one_line_and_exit_code_2(
    files: dict[str, Path], content: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files["in"].write_bytes(content.encode(errors="surrogateescape"))
    assert main(arguments(files)) == 2
    shown = capsys.readouterr().err.strip()
    assert complaint in shown
    assert str(files["in"]) in shown
    assert "\n" not in shown
    assert not files["out"].exists()


def test_a_missing_language_is_exit_code_2(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(files, target="pl")) == 2
    assert "tiny.safetensors has no language 'pl'; expected one of en, fr, ko" in capsys.readouterr().err
    assert not files["out"].exists()


def test_output_equal_to_an_input(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = files["in"].read_text()
    assert main(arguments({**files, "out": files["in"]})) == 2
    assert "the output unit file would overwrite the unit file" in capsys.readouterr().err
    assert files["in"].read_text() == before


def test_another_stage_s_checkpoint(files: dict[str, Path], parity_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments({**files, "model": parity_dir / "mavhubert.pt"})) == 2
    assert "--utut-path" in capsys.readouterr().err


def test_runs_as_a_script_from_any_folder(files: dict[str, Path], tmp_path: Path) -> None:
    script = str(ROOT / "unit2unit" / "inference.py")
    done = subprocess.run([sys.executable, script, *arguments(files)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert files["out"].exists()
