"""Names of a text in its translation: in Latin letters, or in Hangul that sounds like them."""

import pytest

from netflips.cascade.names import lost_names, names_in

PAIRS = {
    "Marchetti": "마르케티", "Daniel": "다니엘", "Emily": "에밀리", "Perseverance": "퍼서비어런스", "Smith": "스미스",
    "Johan": "요한", "Thomas": "토머스", "William": "윌리엄", "Peter": "피터", "Christina": "크리스티나", "Tesla": "테슬라",
    "California": "캘리포니아", "George": "조지", "Michael": "마이클", "Texas": "텍사스", "Charles": "찰스",
    "Washington": "워싱턴", "Catherine": "캐서린", "Jupiter": "주피터", "Kowalski": "코발스키", "Zürich": "취리히",
    "Hubble": "허블", "Brian": "브라이언", "Bush": "부시", "Kennedy": "케네디", "NASA": "나사", "IBM": "아이비엠",
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_a_name_is_found_in_hangul_and_in_its_own_letters(name: str) -> None:
    source = f"We saw {name} again."
    assert names_in(source)[-1] == name
    for there in (PAIRS[name], name):
        assert lost_names(source, f"어제 {there}를 또 봤어요.") == ()
        assert lost_names(source, f"어제는 {there} 씨도 봤어요.") == ()
    assert lost_names(source, "어제 그 사람을 또 봤어요.") == (name,)
    assert lost_names(source, "어제는 다시 보고 싶었던 사람을 우리가 모두 만났어요.") == (name,)


def test_words_at_the_beginning_are_names_if_they_sound_like_none() -> None:
    assert names_in('This is it. There we go! When? "So we did." Marchetti said so.') == ["Marchetti"]
    assert names_in("Zu\u0308rich is so big. This is it.") == ["Z\u00fcrich"]  # letters and marks apart, which are longer
    assert lost_names("This is it.", "다시 해요.") == ()
    assert lost_names("We met in China.", "우리는 중국에서 만났어요.") == ("China",)  # as in any other translation


SHORT = {"Leo": "레오", "Amy": "에이미", "Joe": "조", "Ian": "이안", "Eva": "에바", "Lee": "이", "Anna": "애나"}


@pytest.mark.parametrize("name", SHORT)
def test_a_short_name_is_guarded_by_what_is_said_for_it(name: str) -> None:
    for source in (f"{name} said so.", f"We saw {name} again."):
        assert names_in(source, SHORT)[-1] == name
        for there in (SHORT[name], name):
            assert lost_names(source, f"어제 {there} 씨가 그랬어요.", SHORT) == ()
            assert lost_names(source, f"{there}가 그랬어요.", SHORT) == ()
        assert lost_names(source, "어제 그 사람이 다시 그랬어요.", SHORT) == (name,)


def test_a_translated_or_long_name_is_what_is_said_for_it() -> None:
    known = {"China": "중국", "Leo Marchetti": "레오 마르케티", "United States": "미국", "battery": "배터리"}
    assert lost_names("We met in China.", "우리는 중국에서 만났어요.", known) == ()
    assert lost_names("Leo Marchetti spoke.", "마르케티가 말했어요.", known) == ("Leo",)
    assert lost_names("The battery of Leo Marchetti.", "레오 마르케티의 물건입니다.", known) == ()
