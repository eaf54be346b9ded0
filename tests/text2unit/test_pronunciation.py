"""Korean as it is pronounced: words and sentences with their standard pronunciation, one table of them kept aside."""

from collections import defaultdict
from pathlib import Path

import pytest

from recipes.demo.voices.phrasebook import phrasebook
from text2unit.korean.pronunciation import ONSETS, letters_of_syllable, pronounce
from text2unit.normalise import is_syllable, normalise

_HERE = Path(__file__).parent
_LEAST = 0.95


def rows(name: str) -> list[list[str]]:
    lines = (_HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def said(text: str) -> str:
    return "".join(filter(is_syllable, pronounce(normalise(text))))


def allowed(written: str) -> set[str]:
    """Pronunciations that a row allows; ㅚ may be ㅞ (제4항)."""
    ways = {way.replace(" ", "") for way in written.split("/")}
    return ways | {way.replace("ㅚ", "ㅞ") for way in ways}


@pytest.mark.parametrize("name", ["korean_pronunciation.tsv", "pronunciation_held_out.tsv"])
def test_words_are_said_by_the_standard(name: str) -> None:
    table = rows(name)
    wrong = [f"{row[0]}: {said(row[0])}, not {row[1]} ({row[2]})" for row in table if said(row[0]) not in allowed(row[1])]
    assert len(wrong) <= (1 - _LEAST) * len(table), wrong


def test_no_kind_of_rule_is_lost() -> None:
    kinds = defaultdict[str, list[bool]](list)
    for row in rows("korean_pronunciation.tsv"):
        kinds[row[3]].append(said(row[0]) in allowed(row[1]))
    assert {kind for kind, right in kinds.items() if sum(right) < 0.8 * len(right)} == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("축하합니다, 합격입니다.", "추카함니다, 합껴김니다."),  # nothing crosses a pause
        ("국밥, 한 그릇?", "국빱, 한 그륻?"),
        ("갈 곳", "갈 꼳"),
        ("서울 곳곳", "서울 곧꼳"),
        ("길게 살게요", "길게 살께요"),
        ("신고를 하고 양말을 신고 가요.", "신고를 하고 양마를 신꼬 가요."),
        ("할밖에, 갈세라, 물밖에, 살지언정", "할빠께, 갈쎄라, 물바께, 살찌언정"),
        ("베갯잇, 뒷윷, 도리깻열, 불소, 창살", "베갠닏, 뒨뉻, 도리깬녈, 불쏘, 창쌀"),
        ("", ""),
    ],
)
def test_marks_and_words_around_are_heeded(text: str, expected: str) -> None:
    assert pronounce(text) == expected


def test_what_is_pronounced_can_be_said() -> None:
    """No coda is left that nobody can end a syllable with, and as many syllables come out as go in."""
    for pair in phrasebook().all_pairs()[::7]:
        text = normalise(pair.korean)
        spoken = pronounce(text)
        assert len(spoken) == len(text)
        for sign in filter(is_syllable, spoken):
            onset, _, coda = letters_of_syllable(sign)
            assert onset in ONSETS
            assert coda in ("", *"ㄱㄴㄷㄹㅁㅂㅇ")
