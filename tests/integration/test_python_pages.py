"""The Python examples of README.md and docs/python.md run as they stand, in their order, on the demo bundle."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netflips
from avcore.errors import NetflipsError, UsageError
from avcore.media import probe

ROOT = Path(__file__).resolve().parents[2]


def _examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "number"), [("README.md", 1), ("docs/python.md", 8)])
def test_the_examples_of_a_page_run(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    examples = _examples(page)
    assert len(examples) == number
    names: dict[str, object] = {}
    for place, code in enumerate(examples, 1):
        exec(compile(code, f"{page}, example {place}", "exec"), names)
    assert "synthetic: NetfLips" in probe("clip_ko.mp4").comment
    if page != "README.md":
        assert (tmp_path / "clip_ko.wav").stat().st_size > 10_000
        shown = capsys.readouterr().out.splitlines()
        assert shown[-2:] == ["(10, 96, 96, 3)", "Units(ids), with ids such as [71, 12, 12] a list"]


def test_the_page_names_the_error_that_the_functions_raise() -> None:
    assert NetflipsError.__module__ == "avcore.errors"
    assert "docs/python.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_importing_netflips_loads_no_library() -> None:
    code = "import sys, netflips; assert not {'torch', 'av', 'netflips.api', 'netflips.commands.options'} & set(sys.modules); "
    code += "print(callable(netflips.dub) and callable(netflips.transcribe))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "True\n"


def test_files_are_checked_before_anything_is_loaded() -> None:
    with pytest.raises(NetflipsError, match="the video is not there"):
        netflips.lipsync("none.mp4", ROOT / "docs/clip/clip.mp4", "x.mp4")
    with os.scandir(ROOT / "docs" / "clip") as entries, pytest.raises(NetflipsError, match="the speech is not there"):
        netflips.lipsync(next(one for one in entries if one.name == "clip.mp4"), "none.wav", "x.mp4")
    with pytest.raises(UsageError, match="say what the portrait says"):
        netflips.portrait(ROOT / "docs/clip/portrait.jpg", "x.mp4")


PAGES = ("README.md", "docs/ko/README.md", "docs/python.md")


def _write_examples(page: str, folder: Path) -> Path:
    """Write a page's examples as an editor sees them; what is wrong on purpose, under Errors, is not in it."""
    examples = [code for code in _examples(page) if "try:" not in code]
    assert examples
    path = folder / "page.py"
    path.write_text("\n".join(examples), encoding="utf-8")
    return path


@pytest.mark.parametrize("page", PAGES)
def test_mypy_accepts_the_examples(page: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mypy", "--follow-imports=silent", str(_write_examples(page, tmp_path))]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout


def test_pyright_accepts_the_examples(tmp_path: Path) -> None:
    pytest.importorskip("basedpyright", reason="`make env` installs it")
    for number, page in enumerate(PAGES):
        (tmp_path / str(number)).mkdir()
        _write_examples(page, tmp_path / str(number))
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    words = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    found = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout
    assert "0 errors" in found.stdout


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("netflips.", set(netflips.__all__)),
        ("netflips.load().", {"units", "translate", "voice", "speak", "say", "transcribe", "dub", "dub_all"}),
        ("netflips.dub('a.mp4', 'b.mp4').", {"target_text", "output_s", "warnings"}),
    ],
)
def test_an_editor_completes_names(code: str, wanted: set[str]) -> None:
    jedi = pytest.importorskip("jedi")
    editor = jedi.Script(f"import netflips\n{code}", path=ROOT / "page.py", project=jedi.Project(ROOT, environment_path=sys.prefix))
    assert wanted <= {one.name for one in editor.complete()}
    call = jedi.Script("import netflips\nnetflips.dub(", path=ROOT / "page.py").get_signatures()
    assert [one.name for one in call[0].params if one.name != "*"] == ["video", "out", "options", "to", "progress"]
    call = jedi.Script("import netflips\nnetflips.DubOptions(", path=ROOT / "page.py").get_signatures()
    assert {"to", "cascade", "subtitles"} <= {one.name for one in call[0].params}


def test_completion_and_help_know_the_functions() -> None:
    assert set(netflips.__all__) <= set(dir(netflips))
