"""A text as sentences: where it is cut, and what is refused in one line."""

import pytest

from avcore.errors import InputError, LanguageError
from text2unit.model import SYMBOLS, letters_of
from text2unit.script import MOST_SYLLABLES, ends_softly, script_of, shorten


def test_text_is_cut_at_the_ends_of_sentences_and_lines() -> None:
    script = script_of("3시에 만나요. 어디에서요?\n\n역 앞에서\n…\n네! 3.5km예요.")
    assert script.sentences == ("세 시에 만나요.", "어디에서요?", "역 앞에서", "네.", "삼 점 오 킬로미터예요.")
    assert script_of("갑니다.\n美·中\n½\nⅢ\n…").sentences == ("갑니다.", "미, 중", "이분의 일", "삼")


def test_a_long_sentence_is_cut_at_commas_and_then_between_words() -> None:
    sentence = "가나 다라, " + "마바 " * 10 + "사."
    pieces = list(shorten(sentence, most=8))
    assert pieces == ["가나 다라,", "마바 마바 마바 마바", "마바 마바 마바 마바", "마바 마바 사."]
    assert " ".join(pieces).split() == sentence.split()
    assert [ends_softly(piece) for piece in pieces] == [True, True, True, False]


def test_ten_thousand_syllables_are_said_in_pieces_and_refused_without_a_blank() -> None:
    script = script_of("가나다라 " * 2500)
    assert len(script.sentences) >= 50
    assert all(sum("가" <= sign <= "힣" for sign in one) <= MOST_SYLLABLES for one in script.sentences)
    assert sum(one.count("가") for one in script.sentences) == 2500
    with pytest.raises(InputError, match=r"too long to be said; expected 200 syllables at most; found 10000"):
        script_of("가" * 10_000)


@pytest.mark.parametrize("text", ["", "\n\n", "...", "?!\n-"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        script_of(text)


def test_the_file_and_the_place_of_a_sign_are_named() -> None:
    with pytest.raises(InputError, match=r"^song\.txt: .*U\+05E9 HEBREW LETTER SHIN\) at letter 5 of line 2"):
        script_of("가사\n♪ 노래ש", path="song.txt")


@pytest.mark.parametrize(("language", "hint"), [("fr", ""), ("kr", "did you mean ko?")])
def test_another_language_is_refused(language: str, hint: str) -> None:
    with pytest.raises(LanguageError, match="cannot be read aloud") as caught:
        script_of("hello", language)
    assert hint in str(caught.value)


def test_letters_are_jamo_in_their_order() -> None:
    assert [SYMBOLS[number - 1] for number in letters_of("각 나.")] == ["\u1100", "\u1161", "\u11a8", " ", "\u1102", "\u1161", "."]
    assert len(set(SYMBOLS)) == len(SYMBOLS) == 71
    with pytest.raises(ValueError, match="no letter"):
        letters_of("abc")
