"""Readings that a user gives: which words they are taken for, and files that cannot be."""

from pathlib import Path

import pytest

from avcore.errors import InputError
from text2unit.inference import given_script
from text2unit.script import as_pronounced, read_readings

READINGS = {"netflips": "넷플립스", "aws": "아마존", "새봄로": "새봄노", "new york": "뉴욕", "york": "요크"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NetfLips는 좋습니다.", "넷플립스는 좋습니다."),
        ("AWS를 aws가", "아마존을 아마존이"),
        ("MyAWS와 AWSome", "MyAWS와 AWSome"),
        ("새봄로에서 (새봄로)", "새봄노에서 (새봄노)"),
        ("헌새봄로", "헌새봄로"),
        ("New York과 York", "뉴욕과 요크"),
        ("아무것도 없습니다", "아무것도 없습니다"),
        ("aws.com/york에서", "아마존 닷컴 슬래시 요크에서"),
    ],
)
def test_words_are_said_as_the_user_says(text: str, said: str) -> None:
    assert as_pronounced(text, READINGS) == said


def test_a_text_is_said_with_the_readings_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("# names\nNetfLips, 넷플립스\nQumo\t쿠모\n", encoding="utf-8-sig")
    script = given_script("NetfLips와 Qumo입니다.", None, "ko", read_readings(path, "ko"))
    assert (script.sentences, script.spelled_out) == (("넷플립스와 쿠모입니다.",), ())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NetfLips 넷플립스\n", "line 1"),
        ("a, b, c\n", "line 1"),
        ("a, 에이\nA, 아\n", "otherwise"),
        ("\n", "is empty"),
        ("a, ...\n", "'a' cannot"),
    ],
)
def test_a_file_of_readings_that_cannot_be_is_one_line(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=why):
        read_readings(path, "ko")
