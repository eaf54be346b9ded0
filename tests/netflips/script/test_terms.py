"""Names and terms: what is found in a talk and proposed, asked of who translates, listed, and refused."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from avcore.errors import InputError
from avcore.timeline import Interval
from netflips import cli
from netflips.dubbing.approved import approved_targets
from netflips.dubbing.terms import with_script_terms
from netflips.script.files import read_script, script_from, script_json, write_script
from netflips.script.targets import Text, TranslatedFrom, WrittenText
from netflips.script.terms import as_it_sounds, find_terms, terms_of_script
from netflips.script.types import Script, Term
from netflips.script.utterance import Utterance

pytest.importorskip("espeakng_loader")

TALK = {
    "Dr. Marchetti works on small batteries.": "마르케티 박사님은 작은 배터리를 연구해요.",
    "Why does a battery cost so much?": "배터리는 왜 그렇게 비쌀까요?",
    "In 1991 it was 7,500 dollars for a kilowatt hour.": "1991년에는 7500달러였어요.",
    "Marchetti says that 98 percent of a battery can be used again.": "마르케티는 배터리의 98 퍼센트를 다시 쓸 수 있다고 해요.",
    "I'm sure that NASA and Okafor on Mars know. It was 20 kW.": "NASA와 Okafor는 화성에서 알 거예요.",
    "We met Emily and Mars in New York on Monday.": "월요일에 뉴욕에서 에밀리와 화성을 만났어요.",
}


def _said(rows: dict[str, str], *terms: Term) -> Script:
    """A script of sentences and their approved translations."""
    said = tuple(
        Utterance(
            number,
            Interval(number, number + 1),
            text=Text(heard, "en", "recognizer"),
            target=WrittenText(text, "cascade", TranslatedFrom(heard, text), seconds=1.0),
        )
        for number, (heard, text) in enumerate(rows.items(), 1)
    )
    return Script("en", "ko", utterances=said, terms=terms)


def _script(*terms: Term, **more: str) -> Script:
    return _said(TALK | more, *terms)


def test_names_words_and_amounts_are_found_with_their_renderings() -> None:
    assert {one.word: one.proposed for one in find_terms(_script())} == {
        "Marchetti": "마르케티",
        "NASA": "나사",
        "Okafor": as_it_sounds("Okafor"),  # no translation has it in Hangul
        "Mars": "화성",
        "Emily": "에밀리",
        "New York": "뉴욕",
        "battery": "배터리",
    }


@pytest.mark.parametrize(
    ("word", "proposed", "rows"),
    [
        ("Sue", "수", {"Today Sue teaches.": "오늘 수가 수업을 합니다", "Then Sue shows it.": "그다음 수가 길을 보여 줍니다"}),
        ("Lee", "이", {"Later Lee tells it.": "나중에 이 씨가 이야기를 합니다", "And Lee agrees.": "그리고 이 씨가 맞다고 합니다"}),
        ("Lee", "리", {"We saw Lee.": "우리는 그를 봤어요", "They saw Lee.": "우리는 그를 또 봤어요"}),
        ("Plain", "플레인", {"So Plain it is.": "그 전차는 Plain이에요", "Oh, Plain.": "Plain 전차는 가요"}),
        ("Raymond", "레이먼드", {"So Dr. Raymond spoke.": "라만 박사가 말했어요", "But Raymond left.": "라만 박사가 갔어요"}),
    ],
)
def test_a_proposal_is_a_name_without_its_particle(word: str, proposed: str, rows: dict[str, str]) -> None:
    assert {one.word: one.proposed for one in find_terms(_said(rows))}[word] == proposed


def test_units_and_amounts_are_no_terms() -> None:
    said = "We ran 3.5 kilometers, 80% for $1.20 and 20 kW, kilometers and more kilometers; eight million tons, a million."
    assert find_terms(Script("en", "ko", utterances=(Utterance(1, text=Text(said, "en")),))) == ()


def test_words_of_every_day_and_of_a_sentence_s_beginning_are_none() -> None:
    script = Script(
        "en", "ko", utterances=(Utterance(1, text=Text("Today they think. " * 5 + "Yes, I did: Because. J. Smith.", "en")),)
    )
    assert [one.word for one in find_terms(script)] == ["Smith"]


def test_what_somebody_decided_stays_and_comes_back_from_a_file(tmp_path: Path) -> None:
    mine = Term("marchetti", "마르첼로"), Term("Bus", "", "전차")
    script = replace(_script(*mine), terms=find_terms(_script(*mine)))
    assert script.terms[:2] == mine
    assert "Marchetti" not in {one.word for one in script.terms}
    write_script(tmp_path / "x.json", script)
    assert read_script(tmp_path / "x.json").terms == script.terms
    assert '"spoken": ""' in json.dumps(script_json(script)["terms"])  # where to write it is seen
    assert terms_of_script(script, "ko") == {"marchetti": "마르첼로"}


@pytest.mark.parametrize(
    ("terms", "line"),
    [
        ([{"word": "Emily", "spoken": "☃"}], "for the term 'emily' cannot be read aloud"),
        ([{"word": " ", "spoken": "네"}], "a term has no word"),
        ([{"word": "Emily", "spoken": "네"}, {"word": "emily", "spoken": "예"}],
            "'emily' is said in two ways; expected 네; found 예"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_its_word(terms: list[dict[str, str]], line: str) -> None:
    script = script_from({"format": "netflips-script-3", "terms": terms})
    with pytest.raises(InputError) as error:
        terms_of_script(script, "ko", Path("x.json"))
    assert str(error.value).startswith("x.json: ")
    assert line in str(error.value)


ANSWERS = "{'Okafor': '오카포르.', 'NASA': 'NASA', '20 kW': 'twenty'}"


def test_the_command_lists_terms_and_asks_a_program_for_unknown_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    talk, new = tmp_path / "talk.json", tmp_path / "new.json"
    write_script(talk, _script(Term("Emily", "에밀리아")))
    answer = f"print(json.dumps({{'ok': True, 'text': {ANSWERS}[json.loads(line)['text']]}}), flush=True)"
    code = f"import json, sys\nfor line in sys.stdin: {answer}"
    asked = ["--translate-with", shlex.join([sys.executable, "-c", code]), "-o", str(new)]
    assert cli.main(["script", "terms", str(talk), *asked]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert {"1x Emily: 에밀리아", "2x Marchetti: (마르케티)", "1x Okafor: (오카포르)"} <= set(lines)
    assert {one.word: one.proposed for one in read_script(new).terms}["NASA"] == "나사"
    assert read_script(new).utterances == read_script(talk).utterances
    assert cli.main(["script", "terms", str(talk), "--translate-model", "x"]) == 2
    assert "--translate-model belongs to --translate-with" in capsys.readouterr().err


def _with(script: Script, **said: str) -> tuple[list[str], list[tuple[str, dict[str, object], tuple[int, ...]]]]:
    made, notes = with_script_terms(script, approved_targets(script), said)
    assert all(one.target.is_translated for one in made.utterances)  # type: ignore[union-attr]
    texts = [one.spoken.text for one in made.utterances if one.spoken]
    return texts, [(note.code, dict(note.values), numbers) for note, numbers in notes]


def test_a_decided_term_is_put_in_told_and_never_asked_for() -> None:
    script = replace(_script(), terms=find_terms(_script()))
    before = list(TALK.values())
    said, notes = _with(script, marchetti="마르첼")
    assert said == [
        "마르첼 박사님은 작은 배터리를 연구해요.",
        *before[1:3],
        "마르첼은 배터리의 98 퍼센트를 다시 쓸 수 있다고 해요.",
        *before[4:],
    ]
    assert notes == [("term_put", {"earlier": "마르케티", "term": "마르첼", "times": 2}, (1, 4))]
    said, notes = _with(script, okafor="오카포르")
    assert said[4] == "NASA와 오카포르는 화성에서 알 거예요."
    assert notes == [("term_put", {"earlier": "Okafor", "term": "오카포르", "times": 1}, (5,))]
    said, notes = _with(script, sure="확실히", mars="화성")
    assert said == before
    assert notes == [("terms_lacking", {"terms": "확실히 (5)", "numbers": "5"}, ())]


@pytest.mark.parametrize(
    ("term", "spoken", "rows"),
    [
        (Term("Lee", "", "이"), "리", {
            "Later Mr Lee tells the story of this city.": (
                "나중에 이 씨가 이 도시의 이야기를 합니다", "나중에 리 씨가 이 도시의 이야기를 합니다"),
            "And Mr Lee says that this is right.": ("그리고 이 씨가 이것이 맞다고 합니다", "그리고 리 씨가 이것이 맞다고 합니다"),
        }),
        (Term("Sue", "", "수"), "쑤엔", {
            "Sue can do it.": ("수가 할 수가 있어요", "쑤엔이 할 수가 있어요"),
            "We like Sue.": ("우리는 수를 무척 좋아합니다", "우리는 쑤엔을 무척 좋아합니다"),
        }),
        (Term("Mars", "", "화성"), "마스", {"A Martian comes from Mars.": ("화성인은 화성에서 와요", "화성인은 마스에서 와요")}),
        (Term("ocean", "", ""), "오션", {
            "The ocean link is at nightshift dot org slash ocean": (
                "Ocean 링크는 nightshift.org/ocean에 있어요", "오션 링크는 nightshift.org/ocean에 있어요")
        }),
        (Term("AI", "", "인공"), "인공지능", {"AI is AI, AI.": ("인공은 인공 지능, AI가요", "인공지능은 인공지능, 인공지능이요")}),
        (Term("Emily", "", "에밀리"), r"에\1 \g<0>", {"I see Emily": ("에밀리를 봐요", r"에\1 \g<0>을 봐요")}),
    ],
    ids=lambda one: one.word if isinstance(one, Term) else None,
)  # fmt: skip
def test_a_term_is_put_where_it_is_a_word_alone(term: Term, spoken: str, rows: dict[str, tuple[str, str]]) -> None:
    script = _said({heard: text for heard, (text, _) in rows.items()}, term)
    assert _with(script, **{term.word.lower(): spoken})[0] == [right for _, right in rows.values()]


def test_what_was_put_in_for_one_term_is_not_changed_for_another() -> None:
    script = _said({"Lee met Kim": "이 씨가 그를 만나요"}, Term("Lee", "", "이"), Term("Kim", "", "김"))
    said, notes = _with(script, lee="김", kim="킴")
    assert said == ["김 씨가 그를 만나요"]
    assert [(code, one.get("terms", one.get("term"))) for code, one, _ in notes] == [
        ("term_put", "김"),
        ("terms_lacking", "킴 (1)"),
    ]


def test_pieces_of_a_sentence_have_a_term_together() -> None:
    whole = "If you go, tell Okafor."
    parts = ("If you go,", "tell Okafor."), ("가시면,", "그에게 말씀하세요.")
    said = tuple(
        Utterance(number, text=Text(heard, "en", "recognizer"), target=WrittenText(text, "cascade", TranslatedFrom(whole, text)))
        for number, heard, text in zip((1, 2), *parts, strict=True)
    )
    script = Script("en", "ko", utterances=said)
    assert [(code, one["numbers"]) for code, one, _ in _with(script, okafor="오카포르")[1]] == [("terms_lacking", "1")]
    assert _with(script, okafor="그에게")[1] == []
