"""A script as a table: what a spreadsheet shows."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avcore.contracts import Word
from avcore.notes import Note
from avcore.timeline import Interval
from netflips import cli
from netflips.quality_estimation import QualityEstimate
from netflips.script.files import write_script
from netflips.script.spreadsheet import COLUMNS, table_of
from netflips.script.targets import KeptOriginal, Text, TranslatedFrom, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Slot, TimeFit, Utterance
from tests.netflips.conftest import error_line

HEARD = Text("Hello.", "en", "recognizer", (Word("Hello.", 0.0, 0.4, 0.9),))
SCRIPT = Script(
    "en",
    "ko",
    utterances=(
        Utterance(
            1, Interval(0.8, 1.3), "Ann", text=HEARD,
            target=WrittenText("안녕하세요?", "cascade", TranslatedFrom("Hello.", "안녕하세요?")),
            fit=TimeFit(Interval(0.8, 1.3), 3, 0.6, 0.5, slot=Slot(0.5, 0.7), durations=(25,)),
            notes=(Note("sound_alone", {"reason": "other_lips", "share": 0.16, "usual": 0.74}),),
            quality=QualityEstimate("sure", 0.9),
        ),
        Utterance(2, Interval(2.1, 62.62), "=Bob", text=Text('- "Yes", he said', "en"), target=WrittenText("네, 그래요")),
        Utterance(3, Interval(63, 64), "Ann", target=TranslatedUnits(UnitList((1, 2)), reading=Text("잘 가요", "ko", "reader"))),
        Utterance(4, Interval(65, 66), "Ann", target=KeptOriginal()),
    ),
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_script(tmp_path / "talk.json", SCRIPT)
    return tmp_path / "talk.json"


@pytest.fixture
def table(path: Path, tmp_path: Path) -> Path:
    assert cli.main(["script", "export", str(path), "-o", str(tmp_path / "talk.csv")]) == 0
    return tmp_path / "talk.csv"


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_spreadsheet_shows_each_utterance(table: Path) -> None:
    content = table.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfnumber,start_s,end_s,speaker,source,target,understood,speed,notes\r\n")
    first, second, third, fourth = rows_of(table)
    assert tuple(first) == COLUMNS
    assert list(first.values())[:8] == ["1", "0.800", "1.300", "Ann", "Hello.", "안녕하세요?", "sure", "1.20"]
    assert "lips" in first["notes"]
    assert [second[name] for name in ("end_s", "speaker", "source", "target")] == [
        "62.620",
        "'=Bob",
        '\'- "Yes", he said',
        "네, 그래요",
    ]
    assert [third["target"], fourth["target"], fourth["speed"]] == ["잘 가요", "", ""]


TEXTS = st.text(st.sampled_from("'=-+@ \t\n\",;a가") | st.characters(exclude_categories=["Cs", "Cc"]))


@given(TEXTS, TEXTS)
@settings(deadline=None, derandomize=True)
def test_no_text_moves_a_cell_or_is_computed(source: str, target: str) -> None:
    script = Script(
        "en", "ko", utterances=(Utterance(1, Interval(0, 1), "Ann", text=Text(source, "en"), target=WrittenText(target)),)
    )
    (row,) = csv.DictReader(io.StringIO(table_of(script).removeprefix("\ufeff"), newline=""))
    for name, text in (("source", source), ("target", target)):
        assert row[name].removeprefix("'") == text.strip().removeprefix("'")
        assert not row[name].startswith(("=", "+", "-", "@"))


def test_another_form_is_refused(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["script", "export", str(path), "-o", str(tmp_path / "x.txt")]) == 2
    assert "talk.csv" in error_line(capsys)
    assert [one.name for one in tmp_path.iterdir()] == ["talk.json"]
