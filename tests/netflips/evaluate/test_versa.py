"""The bridge to VERSA: lists that it reads, and rows of its answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from avcore.media import read_speech, write_speech
from avcore.progress import silent
from netflips.evaluate.cases import DUBBED, CaseFiles
from netflips.evaluate.suite import RESULT, rows_of_versa, write_for_versa
from tests.netflips.evaluate.made import SPEECH


@pytest.fixture
def cases(tmp_path: Path) -> list[CaseFiles]:
    files = [tmp_path / f"{name}.wav" for name in ("a", "b", "source")]
    for number, path in enumerate(files):
        write_speech(path, SPEECH * np.float32(0.5 + 0.1 * number))
    return [CaseFiles("talk 1", files[0], source=files[2], reference_text="물 주세요"), CaseFiles("b", files[1])]


def test_clips_are_listed_as_versa_reads_them(cases: list[CaseFiles], tmp_path: Path) -> None:
    write_for_versa(cases, tmp_path / "v", silent)
    lists = {name: (tmp_path / "v" / name).read_text().splitlines() for name in ("pred.scp", "gt.scp", "text")}
    assert [line.split()[0] for line in lists["pred.scp"]] == ["talk_1", "b"]
    assert lists["text"] == ["talk_1 물 주세요"]
    (key, path) = lists["gt.scp"][0].split()
    assert key == "talk_1"
    assert read_speech(Path(path)) == pytest.approx(SPEECH * 0.7, abs=1e-3)


def test_its_answers_are_rows_with_intervals(cases: list[CaseFiles], tmp_path: Path) -> None:
    assert rows_of_versa(cases, tmp_path) == []
    lines = [{"key": "talk_1", "utmos": 3.0, "text": "x", "pesq": float("nan")}, {"key": "b", "utmos": 4.0}]
    (tmp_path / RESULT).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (row,) = rows_of_versa(cases, tmp_path)
    figure = row.figure_of(DUBBED)
    assert figure is not None
    assert (row.name, row.title, figure.value, figure.low, figure.high) == ("versa_utmos", "VERSA: utmos", 3.5, 3.0, 4.0)


def test_a_line_of_another_set_is_named(cases: list[CaseFiles], tmp_path: Path) -> None:
    (tmp_path / RESULT).write_text('{"key": "nobody", "utmos": 1}\n')
    with pytest.raises(InputError, match=r"line 1 is of no clip.*nobody"):
        rows_of_versa(cases, tmp_path)
