"""Notes: sentences of codes and values in two languages, alike ones in one line, heard by whoever runs a command."""

import ast
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from avcore.compute.threads import ahead
from avcore.notes import GroupedNote, Note, NoteKind, Notes, grouped, noted_by, report_note, sentence
from avcore.words import KOREAN

ROOT = Path(__file__).parents[2]
PACKAGES = ("avcore", "av2unit", "unit2unit", "unit2av", "unit2text", "text2unit", "netflips")
_REASON = NoteKind("test_reason", "no time")
_STOPPED = NoteKind("test_stopped", "{u}stopped at {units:#unit}: {reason:@}", "; use --more")
_LEFT = NoteKind("test_left", "{who} is left ({share:.0%})", alike=("why",), rank=9)
_KOREAN = {
    "no time": "시간이 없어요",
    "{u}stopped at {units:#unit}: {reason:@}": "{u}유닛 {units}개에서 멈춤: {reason:@}",
    "; use --more": " (--more)",
    "{who} is left ({share:.0%})": "{who}는 그대로({share:.0%})",
}


def _translated(language: str, text: str) -> str:
    return _KOREAN.get(text, text) if language == KOREAN else text


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avcore.notes.gettext_in", lambda language: partial(_translated, language))


def _stopped(units: int) -> Note:
    return _STOPPED(units=units, reason=_REASON.code)


@pytest.mark.parametrize(
    ("told", "english", "korean"),
    [
        (_stopped(1), "stopped at 1 unit: no time; use --more", "유닛 1개에서 멈춤: 시간이 없어요 (--more)"),
        (
            GroupedNote(_stopped(2), (3,)),
            "utterance 3: stopped at 2 units: no time; use --more",
            "3번 발화: 유닛 2개에서 멈춤: 시간이 없어요 (--more)",
        ),
        (GroupedNote(_LEFT(share=0.25), (1, 4, 5, 6)), "utterances 1, 4-6 is left (25%)", "1, 4~6번 발화는 그대로(25%)"),
        (
            GroupedNote(_LEFT(share=0.5, among=3), (4, 6), True),
            "utterances 4, 6 (2 of 3; the figures are those of 4) is left (50%)",
            "4, 6번 발화(3개 가운데 2개)는 그대로(50%)",
        ),
        (GroupedNote(Note("of_tomorrow", {"n": 3}), (2,)), "utterance 2: of_tomorrow (n = 3)", "2번 발화: of_tomorrow (n = 3)"),
        (_STOPPED(units="{0.x}"), "test_stopped (units = {0.x})", "test_stopped (units = {0.x})"),  # values that do not fit
    ],
)
def test_a_sentence_is_made_of_the_code_and_its_values(told: GroupedNote | Note, english: str, korean: str) -> None:
    assert (sentence(told), sentence(told, KOREAN)) == (english, korean)


def test_hints_can_be_left_out_and_utterances_marked() -> None:
    assert sentence(GroupedNote(_stopped(2), (3, 4)), who="#", hint=False) == "#: stopped at 2 units: no time"


def test_alike_notes_are_one_line_and_all_stay_with_their_utterance(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[GroupedNote] = []
    notes, left = Notes("a.mp4"), {2: _LEFT(share=0.5, why="x"), 4: _LEFT(share=0.1, why="x"), 5: _LEFT(share=0.1, why="y")}
    with noted_by(heard.append), caplog.at_level(logging.WARNING):
        notes.add_each(left)
        notes.add(_stopped(5), 2)
        notes.add(_REASON())
        for _ in range(2):
            report_note(_REASON(), "b.mp4", is_once=True)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == ["a.mp4: warning: utterances 2, 4 is left (50%)", "a.mp4: warning: utterance 5 is left (10%)"]
    assert lines[3:] == ["a.mp4: warning: no time", "b.mp4: warning: no time"]
    assert [one.numbers for one in heard] == [(2, 4), (5,), (2,), (), ()]
    assert notes.of[2] == [left[2], _stopped(5)]
    in_order = grouped((number, note) for number in sorted(notes.of) for note in notes.of[number])
    assert [one.note.code for one in in_order] == ["test_stopped", "test_left", "test_left"]
    assert grouped(left.items())[0].differ


def test_threads_tell_the_block_that_they_work_for() -> None:
    def reporting(name: str) -> Iterator[str]:
        report_note(_REASON(), name, is_once=True)
        yield name

    blocks: list[list[GroupedNote]] = [[], []]
    for heard in blocks:
        with noted_by(heard.append):
            assert [*ahead(reporting("a.mp4"), 1), *ahead(reporting("a.mp4"), 1)] == ["a.mp4", "a.mp4"]
    assert list(map(len, blocks)) == [1, 1]  # once in each


def _declared() -> dict[str, str]:
    """Where each kind of note is declared, by its code. A code declared twice fails."""
    found: dict[str, str] = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NoteKind":
                code = ast.literal_eval(node.args[0])
                assert code not in found, f"{code}: {found[code]} and {path}"
                found[code] = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return found


def test_every_kind_is_declared_once() -> None:
    assert len(_declared()) > 50
