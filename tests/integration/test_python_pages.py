"""The Python examples of README.md and docs/python.md run as they stand, in their order, on the demo bundle."""

import re
from pathlib import Path

import pytest

from avcore.errors import NetflipsError
from avcore.media import probe

ROOT = Path(__file__).resolve().parents[2]


def _examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "number"), [("README.md", 1), ("docs/python.md", 7)])
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


def test_the_page_names_the_error_that_the_doors_raise() -> None:
    assert NetflipsError.__module__ == "avcore.errors"
    assert "docs/python.md" in (ROOT / "README.md").read_text(encoding="utf-8")
