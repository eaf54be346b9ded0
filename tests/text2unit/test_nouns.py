"""Names of one syllable, and of several: where they stand in Korean sentences, and what stands in their place."""

import re
from pathlib import Path

import pytest

from text2unit.nouns import put, stands_in

TABLE = Path(__file__).with_name("names_of_one_syllable.tsv")


def _counts(which: str) -> tuple[int, int, int, int, int]:
    """Return how many names there are and are found, and how many other words that begin alike there are and are left; and of how
    many sentences all that is changed is right, if a syllable that stands there too often is left."""
    names, found, others, left, harmless = 0, 0, 0, 0, 0
    rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    for name, sentence in (row[1:] for row in rows if row[0] == which):
        plain = sentence.replace("[", "").replace("]", "")
        meant = {one.start() - 2 * number for number, one in enumerate(re.finditer(r"\[", sentence))}
        # The sign has no reading, so that particles stay as they are, and with them all places.
        taken = {one.start() for one in re.finditer("\u2605", put(plain, {name: "\u2605"}).text)}
        begins = {one.start() for one in re.finditer(f"(?<![가-힣]){name}", plain)}
        names, found = names + len(meant), found + len(taken & meant)
        others, left = others + len(begins - meant), left + len(begins - meant - taken)
        harmless += len(taken) > len(meant) or taken <= meant
    return names, found, others, left, harmless


def test_names_of_one_syllable_are_found_and_other_words_left() -> None:
    assert (_counts("made"), _counts("held_out")) == ((82, 82, 82, 80, 90), (88, 85, 71, 51, 90))


@pytest.mark.parametrize(
    ("text", "words", "right"),
    [
        ("나라의 나는 나비", {"나": "저"}, "나라의 저는 나비"),
        ("수도권의 수도는 수도였다", {"수도": "서울"}, "수도권의 서울은 서울이었다"),
        ("화성인이 화성에서 온 화성인데요", {"화성": "마스"}, "화성인이 마스에서 온 마스인데요"),
        ("서울고의 서울이고 에밀리고", {"서울": "부산", "에밀리": "댄"}, "서울고의 부산이고 댄이고"),
        ("마르케티 박사님은 마르케티예요, 마르케티씨는", {"마르케티": "마르첼"}, "마르첼 박사님은 마르첼이에요, 마르첼씨는"),
        ("민준이는 민준이한테 민준으로", {"민준": "민아"}, "민아는 민아한테 민아로"),
        ("민아는 민아예요 민아로", {"민아": "민준"}, "민준은 민준이에요 민준으로"),
        ("에이아이가 인공지능을", {"에이아이": "인공지능", "인공": "인공지능"}, "인공지능이 인공지능을"),
        ("nightshift.org/ocean의 Ocean과 oceanic", {"ocean": "오션"}, "nightshift.org/ocean의 오션과 oceanic"),
        ("AI를 봐요", {"ai": r"\1"}, r"\1을 봐요"),
        ("이야기", {"이": "리"}, "이야기"),
    ],
)
def test_a_word_is_replaced_with_the_particle_that_fits(text: str, words: dict[str, str], right: str) -> None:
    assert put(text, words).text == right


def test_places_are_counted_where_something_changes() -> None:
    assert put("수가 와서 수는 수다를 떨어요. 벤도 와요.", {"수": "쑤", "벤": "벤"}).places == {"수": 2}


@pytest.mark.parametrize(
    ("text", "word", "is_there"),
    [
        ("그리고 이 씨가 왔어요", "리", False),
        ("오늘 갔습니다", "오", False),
        ("그럴 리가 없다", "리", False),
        ("리가 왔다", "리", True),
        ("오 씨가 갔습니다", "오", True),
        ("브룩스의", "브룩스", True),
        ("챗GPT가", "GPT", True),
        ("GPTs", "gpt", False),
        ("a@gpt.com", "gpt", False),
    ],
)
def test_whether_a_word_is_there(text: str, word: str, is_there: bool) -> None:
    assert stands_in(text, word) == is_there
