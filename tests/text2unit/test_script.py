"""A text as sentences, what is left out of it, and Korean as it is pronounced, by the standard."""

from collections import defaultdict
from pathlib import Path

import pytest

from avcore.errors import InputError, LanguageError
from avcore.notes import sentence
from recipes.demo.voices.phrasebook import phrasebook
from tests.refusal import refused
from text2unit.cleaning import Cleaned, clean_text, left_out_note
from text2unit.korean.pronunciation import ONSETS, letters_of_syllable, pronounce
from text2unit.model import SYMBOLS, letters_of
from text2unit.normalise import is_syllable, normalise
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


def test_ten_thousand_syllables_are_said_in_pieces_not_without_blanks() -> None:
    script = script_of("가나다라 " * 2500)
    assert len(script.sentences) >= 50
    assert all(sum("가" <= sign <= "힣" for sign in one) <= MOST_SYLLABLES for one in script.sentences)
    assert sum(one.count("가") for one in script.sentences) == 2500
    refused(InputError, r"too long to be said; expected 200 syllables at most; found 10000", script_of, "가" * 10_000)


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "...", "?!", "?!\n-", "()", "\u200b", "~"])
def test_a_text_without_words_is_refused(text: str) -> None:
    for read in (normalise, script_of):
        refused(InputError, "nothing to say", read, text)


def test_the_file_and_the_place_of_a_sign_are_named() -> None:
    with pytest.raises(InputError, match=r"^song\.txt: .*U\+05E9 HEBREW LETTER SHIN\) at letter 5 of line 2"):
        script_of("가사\n♪ 노래ש", path="song.txt")


@pytest.mark.parametrize(("language", "hint"), [("fr", ""), ("kr", "did you mean ko?")])
def test_another_language_is_refused(language: str, hint: str) -> None:
    assert hint in refused(LanguageError, "cannot be read aloud", script_of, "hello", language)


def test_a_text_in_a_wrong_encoding_is_refused_with_what_it_says() -> None:
    wrong = "안녕하세요.".encode().decode("latin-1")
    refused(InputError, r"saved in a wrong encoding; found ì.*; it says: 안녕하세요", script_of, wrong)


def test_letters_are_jamo_in_their_order() -> None:
    assert [SYMBOLS[number - 1] for number in letters_of("각 나.")] == ["\u1100", "\u1161", "\u11a8", " ", "\u1102", "\u1161", "."]
    assert len(set(SYMBOLS)) == len(SYMBOLS) == 71
    refused(ValueError, "no letter", letters_of, "abc")


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


@pytest.mark.parametrize(
    ("text", "said", "left_out"),
    [
        (
            "**네!** 공항은 *저기*에 있어요.\n\n- 1번 출구로 가세요\n- `지하철`을 타세요",
            "네! 공항은 저기에 있어요.\n\n1번 출구로 가세요\n지하철을 타세요",
            "- (2), ** (2), * (2), ` (2)",
        ),
        ("길 건너편에 있어요 😊", "길 건너편에 있어요", "😊"),
        ("1️⃣ 첫째 👨‍👩‍👧 🇰🇷 ★ ♪ 노래", "1 첫째 노래", "1️⃣, 👨‍👩‍👧, 🇰🇷, ★, ♪"),
        ("# 제목\n본문 #1 #여행", "제목\n본문 #1 #여행", "#"),
        ("```python\nprint(1)\n```\n끝", "\n\n\n끝", "a block of code"),
        ("```\n안 닫힘", "\n안 닫힘", "```"),
        ("[여기](https://a.b/c_(d))를 보세요[1].", "여기를 보세요.", "(https://a.b/c_(d)), [1]"),
        ("| 가 | 나 |\n|---|:-:|\n| 다 | 라 |", "| 가 | 나 |\n\n| 다 | 라 |", "|---|:-:|"),
        ("> 인용\n***\n끝", "인용\n\n끝", "***, >"),
        ("__강조__ _기울임_은 ~~취소~~ ***다***", "강조 기울임은 취소 다", "__ (2), _ (2), ~~ (2), *** (2)"),
        ("**굵게 안 닫힘", "굵게 안 닫힘", "**"),
        ("<b>굵게</b><br>다음 A&amp;B", "굵게\n다음 A&B", "<b>, </b>, <br>"),
        ("*기침* 네 *한숨을 쉬며* *정말*", "네 정말", "*기침*, *한숨을 쉬며*, * (2)"),
        ("[음악] (웃음) 네 (큰 박수)", "네", "[음악], (웃음), (큰 박수)"),
        ("그+ 그게 그니까+ 그니까 어+ 어디* 가", "그 그게 그니까 그니까 어 어디 가", "*"),
    ],
)
def test_what_nobody_says_is_left_out_and_told(text: str, said: str, left_out: str) -> None:
    cleaned = clean_text(text)
    assert cleaned.text == said
    assert sentence(left_out_note(cleaned.left_out)) == f"left out of what is said: {left_out}"


@pytest.mark.parametrize(
    "text",
    [
        "3*4는 12, 3 * 4, 2**3, a*b*c, 2*3*4=24", "1 > 0, 5 < 6, 3 x 4", "#1 #여행 No.1", "-5도, 5-3, 3 - 2",
        "디즈니+ 1+1 A+ 학점",
        "한국은행(총재 이창용) [속보] 지진 (참고)", "베토벤(음악가)은", "snake_case a_b", "3㎥ 20℃ ① ㈜ → ■ · ~ ^^ ㅋㅋ",
        "x≥3 20%↑ A⇒B ∀x 가\ufffd", "$5 5%",
        "배열 a[1]", "“네” 'x'", "> 5보다 크다", "+ 3",
    ],
)  # fmt: skip
def test_what_may_be_meant_stays(text: str) -> None:
    assert clean_text(text) == Cleaned(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 네\n-아니요", "네\n아니요"),
        ("[문 닫히는 소리]\n안녕", "\n안녕"),
        ("[음악]-f 안녕", "f 안녕"),
        ("(전화벨이 울림)", ""),
        ("(저 사람 누구지?)\n(가야 해요)", "(저 사람 누구지?)\n(가야 해요)"),
        ("♪ 사랑해 ♪", "사랑해"),
        (r"{\an8}안녕", "안녕"),
        ("\u202b[1]\u202c", "[1]"),
    ],
)
def test_subtitles_have_marks_of_their_own(text: str, said: str) -> None:
    assert clean_text(text, is_subtitle=True).text == said


def test_sentences_are_said_without_marks_and_say_so() -> None:
    script = script_of("**네!** #1 여행 😊\n- 끝")
    assert (script.sentences, script.left_out) == (("네.", "샵 일 여행", "끝"), ("-", "**", "**", "😊"))


@pytest.mark.parametrize(
    "junk", ["**a ", "*a ", "`a ", "_a ", "[a](", "![", "(", "<b ", "- ", "|--", "가+ ", "~~a ", "😊", "```\n"]
)
def test_marks_that_are_never_closed_are_read_in_one_go(junk: str) -> None:
    cleaned = clean_text(junk * 20_000, is_subtitle=True)  # minutes where the time grows with the square
    assert len(cleaned.text) <= len(junk) * 20_000
