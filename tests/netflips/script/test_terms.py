"""Names and terms: what is found in a talk and proposed, asked of who translates, listed, and refused."""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from avcore.errors import InputError
from netflips import cli
from netflips.dubbing.approved import approved_targets
from netflips.dubbing.terms import with_script_terms
from netflips.script.files import read_script, script_from, script_json, write_script
from netflips.script.targets import Text, TranslatedFrom, WrittenText
from netflips.script.terms import as_it_sounds, find_terms, terms_of_script
from netflips.script.types import Script, Term
from netflips.script.utterance import TimeSpan, Utterance

pytest.importorskip("espeakng_loader")

TALK = {
    "Dr. Marchetti works on small batteries.": "마르케티 박사님은 작은 배터리를 연구해요.",
    "Why does a battery cost so much?": "배터리는 왜 그렇게 비쌀까요?",
    "In 1991 it was 7,500 dollars for a kilowatt hour.": "1991년에는 7500달러였어요.",
    "Marchetti says that 98 percent of a battery can be used again.": "마르케티는 배터리의 98 퍼센트를 다시 쓸 수 있다고 해요.",
    "I'm sure that NASA and Okafor on Mars know. It was 20 kW.": "NASA와 Okafor는 화성에서 알 거예요.",
    "We met Emily and Mars in New York on Monday.": "월요일에 뉴욕에서 에밀리와 화성을 만났어요.",
}


def _script(*terms: Term, **more: str) -> Script:
    rows = enumerate((TALK | more).items(), 1)
    said = tuple(
        Utterance(
            number,
            TimeSpan(number, number + 1),
            text=Text(heard, "en", "recognizer"),
            target=WrittenText(text, "cascade", TranslatedFrom(heard, text), seconds=1.0),
        )
        for number, (heard, text) in rows
    )
    return Script("en", "ko", utterances=said, terms=terms)


def test_names_words_and_amounts_are_found_with_what_the_translations_have_for_them() -> None:
    assert {one.word: one.proposed for one in find_terms(_script())} == {
        "Marchetti": "마르케티",
        "NASA": "나사",
        "Okafor": as_it_sounds("Okafor"),  # no translation has it in Hangul
        "Mars": "화성",
        "Emily": "에밀리",
        "New York": "뉴욕",
        "battery": "배터리",
        "7,500 dollars": "7500달러",
        "98 percent": "98 퍼센트",
        "20 kW": "20킬로와트",
    }


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


def test_the_command_lists_them_and_asks_a_program_for_those_that_nobody_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk, new = tmp_path / "talk.json", tmp_path / "new.json"
    write_script(talk, _script(Term("Emily", "에밀리아")))
    answer = f"print(json.dumps({{'ok': True, 'text': {ANSWERS}[json.loads(line)['text']]}}), flush=True)"
    code = f"import json, sys\nfor line in sys.stdin: {answer}"
    asked = ["--translate-with", shlex.join([sys.executable, "-c", code]), "-o", str(new)]
    assert cli.main(["script", "terms", str(talk), *asked]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert {"1x Emily: 에밀리아", "2x Marchetti: (마르케티)", "1x Okafor: (오카포르)", "1x 20 kW: (20킬로와트)"} <= set(lines)
    assert {one.word: one.proposed for one in read_script(new).terms}["NASA"] == "나사"
    assert read_script(new).utterances == read_script(talk).utterances
    assert cli.main(["script", "terms", str(talk), "--translate-model", "x"]) == 2
    assert "--translate-model belongs to --translate-with" in capsys.readouterr().err


def _with(script: Script, can_ask: bool, **said: str) -> tuple[list[str], frozenset[int]]:
    made, stands = with_script_terms(script, approved_targets(script), said, can_ask=can_ask)
    assert all(one.target.is_translated for one in made.utterances)  # type: ignore[union-attr]
    return [one.spoken.text for one in made.utterances if one.spoken], stands


@pytest.mark.parametrize("can_ask", [True, False])
def test_a_corrected_term_goes_into_what_was_approved_and_asks_only_where_it_must(can_ask: bool) -> None:
    script = replace(_script(), terms=find_terms(_script()))
    before = list(TALK.values())
    said, stands = _with(script, can_ask, marchetti="마르첼")
    assert said == [
        "마르첼 박사님은 작은 배터리를 연구해요.",
        *before[1:3],
        "마르첼은 배터리의 98 퍼센트를 다시 쓸 수 있다고 해요.",
        *before[4:],
    ]
    assert len(stands) == len(TALK)
    said, stands = _with(script, can_ask, okafor="오카포르")
    assert said[4] == "NASA와 오카포르는 화성에서 알 거예요."
    assert len(stands) == len(TALK)
    said, stands = _with(script, can_ask, sure="확실히", mars="화성")
    assert said == before
    assert set(range(1, 7)) - stands == ({5} if can_ask else set())


def test_a_sentence_in_pieces_is_asked_for_as_a_whole() -> None:
    whole = "If you go, tell Okafor."
    parts = ("If you go,", "tell Okafor."), ("가시면,", "그에게 말씀하세요.")
    said = tuple(
        Utterance(number, text=Text(heard, "en", "recognizer"), target=WrittenText(text, "cascade", TranslatedFrom(whole, text)))
        for number, heard, text in zip((1, 2), *parts, strict=True)
    )
    assert _with(Script("en", "ko", utterances=said), True, okafor="오카포르")[1] == frozenset()
    assert _with(Script("en", "ko", utterances=said), True, okafor="그에게")[1] == frozenset({1, 2})
