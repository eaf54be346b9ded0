"""What a translation lost, and what goes wrong in all of a translator's answers: asked again, told in one line, or left alone."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from avcore.notes import Notes, sentence
from avcore.timeline import Interval
from netflips.cascade.adequacy import is_half
from netflips.cascade.negation import is_negation_turned
from netflips.dubbing.losses import losses_in
from netflips.dubbing.part import part_of
from netflips.dubbing.sentence_translator import SentenceTranslator
from netflips.dubbing.sentences import sentences_in
from netflips.dubbing.store import Store
from netflips.script.targets import Text, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance

TALK = {
    "We began in 1991.": "우리는 1991년에 시작했어요.",
    "It cost 7,500 dollars.": "7500달러가 들었어요.",
    "There were 12 of us in a shed.": "창고에 열두 명이 있었어요.",
    "Nobody believed in it.": "아무도 믿지 않았어요.",
    "Then 40 percent of it burned.": "그러다 40퍼센트가 불탔어요.",
    "We slept for 9 hours.": "우리는 아홉 시간을 잤어요.",
    "By 2004 it flew.": "2004년에는 날았어요.",
    "Thank you for that.": "그 일에 감사드려요.",
}
LINES = list(TALK)
Answer = Callable[[int, str, bool], list[str]]
"""Makes the answers for a line of the talk. int: its place; bool: whether it is asked for once more."""
_TAIL = " 지금부터 시작하겠습니다."

HABITS: dict[str, Answer] = {
    "shifted": lambda place, good, again: [TALK[LINES[min(place + 1, len(LINES) - 1)]]],
    "shifted back": lambda place, good, again: [TALK[LINES[max(place - 1, 0)]]],
    "merged": lambda place, good, again: [" ".join(TALK[line] for line in LINES[place : place + 2])],
    "one tail": lambda place, good, again: [good + (_TAIL if place % 2 else "")],
    "empty": lambda place, good, again: [],
    "numbers": lambda place, good, again: [f"3,217명의 말로는 {good}"],
    "negated": lambda place, good, again: [good.replace("시작했어요", "시작하지 않았어요").replace("믿지 않았어요", "믿었어요")],
    "too long": lambda place, good, again: [
        f"{good} " + "그것은 참으로 놀라운 일이었고 우리는 모두 깊이 감동했습니다. " * (place == 0)
    ],
}


class _Program:
    """Answers by a habit, once or always."""

    together = 1

    def __init__(self, habit: str, is_stubborn: bool) -> None:
        self.habit, self.is_stubborn, self.asked = HABITS[habit], is_stubborn, list[dict[str, Any]]()
        self.key = ("program", habit)

    def candidates(self, requests: Sequence[dict[str, Any]]) -> dict[int, list[str]]:
        (request,) = requests
        self.asked.append(request)
        good = TALK[request["text"]]
        is_bad = self.is_stubborn or "again" not in request
        found = self.habit(LINES.index(request["text"]), good, not is_bad) if is_bad else [good]
        return {request["number"]: found} if found else {}


@pytest.fixture
def translate(tmp_path: Path) -> Any:
    said = [Utterance(k, Interval(3 * k, 3 * k + 2), "Ann", text=Text(line, "en")) for k, line in enumerate(LINES, 1)]
    texts: Any = SimpleNamespace(seconds_of=lambda text: 2.0 if len(text) < 40 else 0.2 * len(text), syllable_s=0.1, readings={})

    def run(habit: str, is_stubborn: bool, **more: Any) -> tuple[dict[int, str], Notes, _Program]:
        script, notes, program = Script("en", "ko", utterances=tuple(said)), Notes(), _Program(habit, is_stubborn)
        asked: Any = program
        made = SentenceTranslator(script, part_of(script, Fraction(30)), asked, texts, Store(tmp_path), notes, **more)
        done = made.of(sentences_in(said))
        return {number: one.target.text for number, one in done.items() if isinstance(one.target, WrittenText)}, notes, program

    return run


@pytest.mark.parametrize("habit", HABITS)
def test_what_is_wrong_once_is_asked_again_and_right(translate: Any, habit: str) -> None:
    said, notes, program = translate(habit, False)
    assert list(said.values()) == list(TALK.values())
    assert (notes.of, notes.of_all) == ({}, [])
    assert len(program.asked) <= 2 * len(TALK)


@pytest.mark.parametrize(
    ("habit", "of_all", "of_one"),
    [
        ("shifted", [], {"answers_shifted", "left_alone"}),
        ("shifted back", [], {"answers_shifted", "left_alone"}),
        ("merged", [], {"answers_overlap"}),
        ("one tail", [], {"tail_shared"}),
        ("numbers", ["many_amounts_differ"], {"amounts_differ"}),
        ("negated", [], {"negation_turned"}),
        ("empty", [], {"left_alone"}),
    ],
)
def test_what_stays_wrong_is_told(translate: Any, habit: str, of_all: list[str], of_one: set[str]) -> None:
    said, notes, _ = translate(habit, True)
    assert [note.code for note in notes.of_all] == of_all
    assert {note.code for rows in notes.of.values() for note in rows} == of_one
    if habit == "empty":
        assert (said, len(notes.of)) == ({}, len(TALK))


def test_faulty_sentences_stay_in_the_original_where_wanted(translate: Any) -> None:
    said, notes, _ = translate("numbers", True, leave_faulty=True)
    assert said == {}
    assert sentence(notes.of[1][0], who="1") == "1 is left alone: the translation says 3,217, which the original does not"
    said, notes, _ = translate("shifted", True, leave_faulty=True)
    assert set(notes.of) >= {1, 2, 3, 5, 6}
    assert not set(said) & {1, 2, 3, 5, 6}
    assert set(translate("negated", True, leave_faulty=True)[0]) == {2, 3, 5, 6, 7, 8}


def test_what_is_too_long_is_no_loop(translate: Any) -> None:
    said, notes, program = translate("too long", True)
    assert 1 not in said
    told = sentence(notes.of[1][0], who="1")
    assert told.startswith("1 is left alone: its translation takes")
    assert "where there are 2.0 s: 우리는 1991년에 시작했어요. 그것은" in told
    again = [one["again"] for one in program.asked if "again" in one]
    assert again[0]["reason"].endswith("say it shorter")
    assert again[0]["text"].startswith("우리는 1991년에")


def _rows(name: str) -> list[tuple[bool, str, str]]:
    rows = files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()
    return [(verdict == "right", source, text) for verdict, source, text in (row.split("\t") for row in rows)]


def test_a_turned_negation_is_found_and_its_likes_left_alone() -> None:
    rows = _rows("negations.tsv")
    wrong = [(source, text) for is_right, source, text in rows if is_right == is_negation_turned(source, text, ("en", "ko"))]
    assert len(rows) >= 80
    assert len(wrong) <= 0.02 * len(rows)


@pytest.mark.parametrize(
    ("source", "text", "is_lost"),
    [
        ("That was true in 2010, but it is not today.", "2010년에는 맞았지만…", True),
        ("That was true in 2010, but it is not today.", "2010년에는 맞았지만 지금은 아니에요.", False),
        ("But then...", "그렇지만…", False),
        ("We measured the water every day for a whole year and wrote it all down in a big book.", "물을 쟀어요.", True),
        ("I would like water and cold noodles, please.", "물과 냉면요.", False),
    ],
)
def test_half_a_sentence(source: str, text: str, is_lost: bool) -> None:
    assert is_half(source, text) is is_lost


def test_a_name_of_the_talk_in_place_of_another() -> None:
    talk: Mapping[str, str] = {"Daniel": "대니얼", "Raman": "라만"}
    found = losses_in("Daniel began it.", "라만이 시작했어요.", ("en", "ko"), {"daniel": "대니얼"}, talk)
    assert [loss.note.code for loss in found] == ["names_exchanged"]
    assert found[0].note.values == {"names": "Daniel", "others": "라만"}
    assert losses_in("Daniel began it.", "대니얼이 시작했어요.", ("en", "ko"), {"daniel": "대니얼"}, talk) == ()
