"""The Python examples of README.md and docs/python.md run as they stand, in their order, on the demo bundle."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netflips
from avcore.errors import NetflipsError, UsageError
from avcore.media import probe
from netflips.dubbing.options import DubCommand
from netflips.lipsync.options import LipsyncOptions
from unit2unit.inference import TranslateOptions

ROOT = Path(__file__).resolve().parents[2]


def _examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "number"), [("README.md", 1), ("docs/python.md", 9)])
def test_the_examples_of_a_page_run(
    page: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo").symlink_to(ROOT / "demo")
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


def test_a_function_of_each_command_has_its_options_as_keywords() -> None:
    code = "import sys, netflips.transcribe; assert not {'torch', 'av', 'netflips.api'} & set(sys.modules); "
    code += "print(callable(netflips.dub) and callable(netflips.transcribe))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "True\n"
    for name, options in (("dub", DubCommand), ("lipsync", LipsyncOptions), ("translate", TranslateOptions)):
        found = inspect.signature(getattr(netflips, name)).parameters
        assert list(found) == list(inspect.signature(options).parameters)
    with pytest.raises(UsageError, match="one file"):
        netflips.dub(("a.mp4", "b.mp4"), quiet=True)
    with pytest.raises(NetflipsError, match="the video is not there"):
        netflips.lipsync("none.mp4", "x.mp4", speech=ROOT / "demo/clip.mp4")
