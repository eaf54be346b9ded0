"""A script as a table: what a spreadsheet shows, and what comes back from one."""

import csv
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from avcore.contracts import Word
from avcore.errors import InputError
from avcore.notes import Note
from netflips import cli
from netflips.quality_estimation import QualityEstimate
from netflips.script.files import read_script, write_script
from netflips.script.spreadsheet import COLUMNS, table_of, with_table
from netflips.script.targets import KeptOriginal, Text, TranslatedFrom, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Slot, TimeFit, TimeSpan, Utterance
from tests.netflips.conftest import error_line

HEARD = Text("Hello.", "en", "recognizer", (Word("Hello.", 0.0, 0.4, 0.9),))
SCRIPT = Script(
    "en",
    "ko",
    utterances=(
        Utterance(
            1, TimeSpan(0.8, 1.3), "Ann", text=HEARD,
            target=WrittenText("안녕하세요?", "cascade", TranslatedFrom("Hello.", "안녕하세요?")),
            fit=TimeFit(TimeSpan(0.8, 1.3), 3, 0.6, 0.5, slot=Slot(0.5, 0.7), durations=(25,)),
            notes=(Note("sound_alone", {"reason": "other_lips", "share": 0.16, "usual": 0.74}),),
            quality=QualityEstimate("sure", 0.9),
        ),
        Utterance(2, TimeSpan(2.1, 62.62), "=Bob", text=Text('- "Yes", he said', "en"), target=WrittenText("네, 그래요")),
        Utterance(3, TimeSpan(63, 64), "Ann", target=TranslatedUnits(UnitList((1, 2)), reading=Text("잘 가요", "ko", "reader"))),
        Utterance(4, TimeSpan(65, 66), "Ann", target=KeptOriginal()),
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


def written(table: Path, rows: list[dict[str, str]], *columns: str, delimiter: str = ",", encoding: str = "utf-8-sig") -> Path:
    with table.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, columns or COLUMNS, delimiter=delimiter, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return table


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


def test_a_table_that_nobody_changed_changes_nothing(table: Path, path: Path, tmp_path: Path) -> None:
    assert cli.main(["script", "import", str(table), str(path), "-o", str(tmp_path / "new.json")]) == 0
    assert read_script(tmp_path / "new.json") == read_script(path)


TEXTS = st.text(st.sampled_from("'=-+@ \t\n\",;a가") | st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd"))


@given(TEXTS, TEXTS)
@example("'-hello", " '=1 ")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
def test_a_table_of_any_texts_changes_nothing(tmp_path: Path, source: str, target: str) -> None:
    texts = Text(normalize("NFC", source), "en"), WrittenText(normalize("NFC", target))
    script = Script("en", "ko", utterances=(Utterance(1, TimeSpan(0, 1), texts[0].text, text=texts[0], target=texts[1]),))
    (tmp_path / "any.csv").write_text(table_of(script), encoding="utf-8", newline="")
    assert with_table(script, tmp_path / "any.csv") == script


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "cp949"), ("\t", "utf-16")])
def test_what_was_corrected_in_a_spreadsheet_is_a_persons(table: Path, path: Path, delimiter: str, encoding: str) -> None:
    rows = rows_of(table)
    rows[0] |= {"source": "Hello there.", "speaker": "Eve"}
    rows[1] |= {"target": "아니요\n정말요"}
    rows[2] |= {"target": ""}
    rows[3] |= {"source": "Ha, no!"}
    changed = with_table(read_script(path), written(table, rows, delimiter=delimiter, encoding=encoding))
    first, second, third, fourth = changed.utterances
    assert (first.text, first.speaker, first.target) == (Text("Hello there.", "en"), "Eve", SCRIPT.utterances[0].target)
    assert second == replace(SCRIPT.utterances[1], target=WrittenText("아니요\n정말요"))
    assert third.target is None  # translated anew
    assert fourth == replace(SCRIPT.utterances[3], text=Text("Ha, no!", "en"), target=None)  # words in a kept laugh

    some = written(table, [{}, {"number": "4", "target": "끝"}], "target", "number")
    assert [one.target for one in with_table(SCRIPT, some).utterances[2:]] == [SCRIPT.utterances[2].target, WrittenText("끝")]


def test_what_is_no_table_of_the_script_says_so(
    table: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in ("9", "x", "-1", "0", "", "9" * 5000):
        with pytest.raises(InputError, match=r"talk.csv: line 2 names no utterance of the script; expected 1 to 4"):
            with_table(SCRIPT, written(table, [{"number": number, "target": "a"}]))
    ours = ",".join(COLUMNS)
    for content, wrong in {
        f"{ours}\n1,,,,,네, 그래요,sure,1.20,\n": r"line 2 has cells in the wrong columns; put a text with a comma",
        f"{ours}\n1,,,,,네, 그래요\n": r"line 2 has cells in the wrong columns; put a text with a comma",
        "number,target\n1,네\n2,\n1,네\n": "line 4 is about utterance 1, as line 2 is; expected one line",
    }.items():
        table.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=rf"talk.csv: {wrong}"):
            with_table(SCRIPT, table)
    for content in ("", "a,b\n1,2\n", 'number,target\n1,"' + "x" * 200_000 + '"\n'):
        table.write_text(content)
        assert cli.main(["script", "import", str(table), str(path), "-o", str(tmp_path / "new.json")]) == 2
        assert "talk.csv" in error_line(capsys)
    assert cli.main(["script", "export", str(path), "-o", str(tmp_path / "x.txt")]) == 2
    assert "talk.csv" in error_line(capsys)
    assert {one.name for one in tmp_path.iterdir()} == {"talk.csv", "talk.json"}
