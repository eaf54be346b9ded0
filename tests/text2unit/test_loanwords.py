"""English words in Hangul, as they sound."""

import pytest

pytest.importorskip("espeakng_loader")

from avcore.speech.espeak import EspeakVoice, phonemize_ipa
from text2unit.korean.loanwords import in_hangul


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("Emily", "에밀리"), ("Daniel", "대니얼"), ("Michael", "마이클"), ("Apple", "애플"), ("Smith", "스미스"),
        ("Clinton", "클린턴"),
        ("California", "캘리포니아"), ("Washington", "워싱턴"), ("English", "잉글리시"), ("Fisher", "피셔"), ("cashew", "캐슈"),
        ("Park", "파크"), ("York", "요크"), ("Boston", "보스턴"), ("Queen", "퀸"), ("Hugh", "휴"), ("judge", "저지"),
        ("church", "처치"),
        ("cook", "쿡"), ("map", "맵"), ("Clark", "클라크"), ("strip", "스트립"), ("battery", "배터리"), ("swing", "스윙"),
        ("vision", "비전"),
    ],
)  # fmt: skip
def test_a_word_is_written_by_the_rules_for_loanwords(word: str, written: str) -> None:
    (clause,) = phonemize_ipa(word, EspeakVoice("en-us"))
    assert in_hangul(word, [phoneme for spelled_out in clause for phoneme in spelled_out]) == written


def test_a_sound_that_is_not_english_is_left_to_others() -> None:
    assert in_hangul("Bruch", [("b", "b"), ("R", "ʁ"), ("U", "ʊ"), ("x", "x")]) == ""
    assert in_hangul("", []) == ""
