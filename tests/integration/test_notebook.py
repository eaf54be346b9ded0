"""The notebook's code cells, run in their order in a copy of what it needs."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from avcore.media import probe
from netflips.cli import main as netflips
from netflips.published.catalogue import catalogue
from tests.integration.pages import check_help, keep_model
from tests.netflips.cascade.tiny import write_translator
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.recognizers.tiny import write_whisper

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "netflips.ipynb"


def _cells() -> list[str]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert all(not cell.get("outputs") for cell in content["cells"])
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def _shell(line: str, names: dict[str, Any]) -> None:
    """Run a line that begins with `!` as a notebook does, with the notebook's variables."""
    command = re.sub(r"\{([\w.]+)\}", lambda found: str(eval(found[1], names)), line.removeprefix("!"))
    _, *words = shlex.split(command)
    if words[:4] == ["-m", "netflips.cli", "models", "get"]:
        check_help(["netflips", *words[2:]])
        _keep_models(words[4])
        return
    if words[:2] == ["-m", "netflips.cli"]:  # without a new process, which would load all libraries again
        assert netflips(words[2:]) == 0, line
        return
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"


def _keep_models(name: str) -> None:
    """Have small models in place of those of a set, which are fetched from far away."""
    for one in catalogue().named([name]):
        folder = Path("fetched") / one.name
        if one.flag == "--recognizer":
            write_whisper(folder, "where is the bus stop")
        else:
            words = {"where": "어디", "is": "에", "the": "그", "bus": "버스", "stop": "서요"}
            write_translator(folder, words, is_nllb=False)
        keep_model(one.name, one.flag, folder)


def test_the_cells_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "docs" / "clip", tmp_path / "docs" / "clip")
    text_to_unit = write_random_text_to_unit(tmp_path / "text_to_unit.safetensors")
    shown: list[str] = []
    display = ModuleType("IPython.display")
    display.Video = lambda path, embed: shown.append(path)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETFLIPS_MODELS", str(tmp_path / "models"))
    shutil.move("docs/clip/clip.mp4", "docs/clip/my clip.mp4")
    shutil.copy("docs/clip/my clip.mp4", "docs/clip/clip.mp4")
    names: dict[str, Any] = {"NETFLIPS": "python -m netflips.cli"}
    place, install, *cells = _cells()
    assert "sys.executable" in place
    assert '!git clone --depth 1 "{REPOSITORY}" netflips' in place
    assert all(line.startswith("%pip install") and " --no-deps " in line for line in install.splitlines())
    for cell in cells:
        if cell.startswith("!"):
            for line in cell.splitlines():
                _shell(line, names)
        else:  # the bundle has no text-to-unit model of its own for certain
            cell = cell.replace('SPELLER = ""', f"SPELLER = {str(text_to_unit)!r}").replace(
                "docs/clip/clip.mp4", "docs/clip/my clip.mp4"
            )
            exec(compile(cell, "cell", "exec"), names)
    assert shown == ["outputs/demo_ko.mp4", "outputs/own_over_text.mp4", "outputs/own_corrected.mp4"]
    assert all(probe(tmp_path / path).has_video for path in shown)
    before, after = (tmp_path / "outputs" / name for name in ("own_ko.mp4", "own_corrected.mp4"))
    assert before.read_bytes() != after.read_bytes()
    report = (tmp_path / "outputs" / "own_over_text.html").read_text(encoding="utf-8")
    assert "where is the bus stop" in report
    assert "어디" in report
