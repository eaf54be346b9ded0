"""Korean text as it is said: the rules' cases, each as a reader of Korean would say it."""

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from avcore.errors import InputError
from tests.refusal import refused
from text2unit.korean.numerals import native, number_as_written, sino
from text2unit.normalise import MARKS, is_syllable, normalise, with_particles, written_out
from text2unit.script import script_of

READINGS = Path(__file__).with_name("readings")

SAID = dict(
    line.split("\t")
    for line in Path(__file__).with_name("written_and_said.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("# ")
)
"""Each text as a reader of Korean would say it, to the blank."""


@pytest.mark.parametrize(("text", "said"), [*SAID.items()])
def test_text_as_it_is_said(text: str, said: str) -> None:
    assert normalise(text) == said


def _rows(table: Path) -> Iterator[tuple[str, list[str]]]:
    for line in table.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            text, right = line.split("\t")[:2]
            yield text, right.split("/")


def _syllables(text: str) -> str:
    return "".join(filter(is_syllable, text))


@pytest.mark.parametrize("table", sorted(READINGS.glob("*.tsv")), ids=lambda table: table.stem)
def test_tables_of_readings(table: Path) -> None:
    """Through what `say` calls, which leaves out emoji too."""
    said = [(text, right, " ".join(script_of(text).sentences)) for text, right in _rows(table)]
    assert len(said) > 10
    assert [row for row in said if _syllables(row[2]) not in map(_syllables, row[1])] == []
    assert [row for row in said if normalise(row[2]) != row[2]] == []


def test_no_pause_precedes_a_particle_and_abbreviations_end_nothing() -> None:
    assert normalise("「나무」를 봤다. 삼성전자(005930)가 올랐다.") == "나무를 봤다. 삼성전자, 공공오구삼공이 올랐다."
    assert script_of("Dr. 김이 A vs. B를 봤다. Node.js는 좋다.").sentences == (
        "닥터 김이 에이 대 비를 봤다.",
        "노드 점 제이에스는 좋다.",
    )


def test_an_amount_of_any_length_is_read() -> None:
    assert normalise(f"${'9' * 5000} million").count("구") == 5000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("딸기(1kg)(은/는) 오천 원입니다.", "딸기(1kg)은 오천 원입니다."),
        ("입출력(I/O) 장치(을/를) 켜요.", "입출력(I/O) 장치를 켜요."),
        ("대규모 언어 모델(LLM)을(를) USB(으)로", "대규모 언어 모델(LLM)을 USB로"),
        ("챗GPT(이/가) 3 kg(과/와) 2m(을/를)", "챗GPT가 3 kg과 2m를"),
        ("서울(으로/로), 부산(으)로, 커피(이에요/예요)", "서울로, 부산으로, 커피예요"),
    ],
)
def test_particles_go_by_the_noun_as_it_is_said(text: str, wanted: str) -> None:
    assert with_particles(text) == wanted


def test_normal_text_stays_and_all_forms_of_hangul_are_the_same() -> None:
    for said in SAID.values():
        assert normalise(said) == said
    text = "버스 정류장이 어디에 있어요?"
    assert normalise(unicodedata.normalize("NFD", text)) == text
    assert normalise(unicodedata.normalize("NFD", text[:5]) + text[5:]) == text
    assert normalise("\ufeff버스\u200b 정류장이\u00a0어디에 있어요\uff1f") == text
    assert normalise("ﾡￂ") == "가"  # half widths


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("좋아요 ש", "U+05E9 HEBREW LETTER SHIN) at letter 5 of line 1"),
        ("첫 줄\n둘째 \u202e줄", "U+202E RIGHT-TO-LEFT OVERRIDE at letter 4 of line 2"),
        ("한국(韓國)의 鷗鱉鼈", "U+9C49 CJK UNIFIED IDEOGRAPH-9C49) at letter 10 of line 1, 鼈"),
        ("ᄯᅡ", "U+112F HANGUL CHOSEONG SIOS-TIKEUT) at letter 1 of line 1"),
        ("どこ", "HIRAGANA LETTER DO) at letter 1 of line 1"),
        ("가\ufffd나", "U+FFFD REPLACEMENT CHARACTER) at letter 2 of line 1"),
        ("좋다\n音樂과 樂", "U+6A02 CJK UNIFIED IDEOGRAPH-6A02) at letter 5 of line 2"),
        ("∀x", "U+2200 FOR ALL) at letter 1 of line 1"),
        ("\u1112\u1161\u11ab글 \x07", "U+0007 a sign without a name at letter 4 of line 1"),
    ],
)
def test_signs_without_a_reading_are_named_with_their_place(text: str, place: str) -> None:
    message = refused(InputError, "", normalise, text)
    assert place in message
    assert "\n" not in message


def test_many_signs_are_counted_and_unknown_latin_words_named() -> None:
    refused(InputError, "and 7 more", normalise, "가" + "ש" * 12)
    assert written_out("Zaphod와 KBS, wifi").spelled_out == ("Zaphod",)


def test_whatever_is_typed_becomes_hangul_or_one_error() -> None:
    rng = random.Random(0)
    pieces = [
        *"0123456789", *",.:;/-~%$+=()'\"·°", *" \n", *"가나다시분월일원개명번대제째층도", *"aBcXyZ", "km", "kg", "천", "만",
        "억", "오후", "조", "010-", "½", "ㅋ", "℃", "₩", "www.", "@",
        "권", "장", "부", "세", "(주)", "\u321c", "美", "中", "(大韓)", "女", "率", "\u2162", "XIV", "III", "/4분기", "6.25 ",
        "전쟁", "US$", "mmHg", "㎍/㎥", "㎧", "혈압 ", "120/80", "No.", "p.", "영하 ", "1+1", "24/7", "내선 ",
        *"<>≤≥≠≈↑↓▲⇒→\u2215x", "<=", "=>", "1e10", "樂", "音樂", "\u200e", "2x", "\ufffd",
    ]  # fmt: skip
    for _ in range(1000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 14)))
        try:
            said = normalise(text)
        except InputError:
            continue
        assert not set(said) - {" ", *MARKS} - {chr(number) for number in range(ord("가"), ord("힣") + 1)}, text
        assert normalise(said) == said, text


@pytest.mark.parametrize(
    "piece",
    ["1", "1,", "1-", "a.", "1.", " ", "1만", "=1", "가", "~1", "ㅋ", "1/", "1<", "x≤", "≥3", "↑", "1x", "2x ", "<a", "樂園"],
)
def test_long_lines_take_no_long_time(piece: str) -> None:
    """Ten thousand of anything: a rule that looks back again and again would take minutes."""
    assert normalise("가 " + piece * 10_000).startswith("가")


def test_numerals_of_every_size() -> None:
    assert [sino(number) for number in (0, 1, 10, 11, 100, 1000, 1111)] == ["영", "일", "십", "십일", "백", "천", "천백십일"]
    assert (sino(12_3456_7890), sino(10**16)) == ("십이억 삼천사백오십육만 칠천팔백구십", "일경")
    said = [native(number) for number in (1, 11, 20, 22, 99, 100, 101)]
    assert said == ["한", "열한", "스무", "스물두", "아흔아홉", "백", "백한"]
    assert number_as_written("1,000.50") == "천 점 오영"
    refused(ValueError, "no number", sino, 10**20)
