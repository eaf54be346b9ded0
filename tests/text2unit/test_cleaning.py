"""What is left out of a text that is to be said, and what stays."""

import pytest

from avcore.notes import sentence
from text2unit.cleaning import Cleaned, clean_text, left_out_note
from text2unit.script import script_of


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
        "한국은행(총재 이창용) [속보] 지진 (참고)", "베토벤(음악가)은", "snake_case a_b", "3㎥ 20℃ ① ㈜ → ■ · ~ ^^ ㅋㅋ", "$5 5%",
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
    assert script.sentences == ("네.", "샵 일 여행", "끝")
    assert script.left_out == ("-", "**", "**", "😊")


@pytest.mark.parametrize(
    "junk", ["**a ", "*a ", "`a ", "_a ", "[a](", "![", "(", "<b ", "- ", "|--", "가+ ", "~~a ", "😊", "```\n"]
)
def test_marks_that_are_never_closed_are_read_in_one_go(junk: str) -> None:
    cleaned = clean_text(junk * 20_000, is_subtitle=True)  # minutes where the time grows with the square
    assert len(cleaned.text) <= len(junk) * 20_000
