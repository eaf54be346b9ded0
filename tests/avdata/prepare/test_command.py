"""`netflips prepare`: every corpus by its name, and one line for what there is not."""

from pathlib import Path

import pytest

from netflips import cli
from netflips.prepare import CORPORA
from tests.avdata.prepare.trees import write_zeroth


@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_has_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: netflips prepare {name}")
    assert "--out-dir" in said


def test_the_list_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in CORPORA)


@pytest.mark.parametrize(
    ("words", "said"), [(["lrs3"], "unknown value 'lrs3'"), (["zerot"], "did you mean zeroth?"), ([], "CORPUS")]
)
def test_an_unknown_corpus_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", *words])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("netflips prepare: error: ")
    assert said in line


def test_a_corpus_is_prepared(tmp_path: Path) -> None:
    root = write_zeroth(tmp_path / "zeroth", per_speaker=1)
    assert cli.main(["prepare", "zeroth", "--data-root", str(root), "--out-dir", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert (tmp_path / "out" / "manifest.jsonl").is_file()
