"""Texts of old programs: in which encoding they are, what was undone, and what is refused with its place."""

import unicodedata
from pathlib import Path

import pytest

from avcore.encodings import LOST, decode, undone
from avcore.errors import InputError
from avcore.texts import read_foreign_text

KOREAN = "안녕하세요. 오늘은 배터리에 대해 이야기하겠습니다.\n저쪽에 있어요. 회의는 세 시에 시작합니다.\n"


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        (KOREAN, "utf-8", ""), (KOREAN, "cp949", "CP949"), (KOREAN, "johab", "JOHAB"), (KOREAN, "utf-16-le", "UTF-16-LE"),
        ("안녕\n둘", "cp949", "CP949"), ("한글 똠방각하 펲시콜라", "cp949", "CP949"),
        ("\u201cI don\u2019t\u201d ♪", "cp949", "CP949"),
        ("Où étais-tu\xa0? «\xa0À Paris\xa0», dit-il\u2026", "cp1252", "CP1252"), ("ÉTÉ À LA MER", "cp1252", "CP1252"),
        ("El niño está aquí. ¿Qué?", "latin-1", "CP1252"), ("Größe, Übung", "cp1252", "CP1252"),
    ],
)  # fmt: skip
def test_what_programs_wrote_is_read(text: str, encoding: str, named: str) -> None:
    assert decode(text.encode(encoding)) == (text, named)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Это русский текст.", "cp1251"), ("これは日本語のテキストです。", "shift_jis"), ("这是中文文本汉字很多", "gbk"),
        ("這是中文", "big5"), ("Zażółć gęślą jaźń", "cp1250"),
    ],
)  # fmt: skip
def test_bytes_that_do_not_look_like_text_are_none(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) is None


@pytest.mark.parametrize(("encoding", "named"), [("cp949", "CP949"), ("johab", "JOHAB"), ("utf-8", "UTF-8")])
def test_any_lost_byte_leaves_korean_korean(encoding: str, named: str) -> None:
    content = KOREAN.encode(encoding)
    found = [decode(content[:place] + content[place + 1 :]) for place in range(len(content))]
    assert {one.encoding for one in found if one is not None and LOST in one.text} == {named}
    assert None not in found
    assert sum(LOST in one.text for one in found if one is not None) > 15


@pytest.mark.parametrize("wrongly", ["latin-1", "cp1252"])
def test_text_that_was_read_wrongly_and_saved_so_is_undone(wrongly: str) -> None:
    for text in ("naïve café", KOREAN):
        twice = "".join(
            chr(byte) if wrongly == "latin-1" else bytes((byte,)).decode("cp1252", "ignore") or chr(byte) for byte in text.encode()
        )
        assert decode(twice.encode()) == (text, "UTF-8 (twice)")
        assert undone(text) is None
    assert undone("¾È³çÇÏ¼¼¿ä. ÀúÂÊ¿¡ ÀÖ¾î¿ä.") == ("안녕하세요. 저쪽에 있어요.", "CP949 (twice)")


@pytest.mark.parametrize(("encoding", "named"), [("cp949", "CP949"), ("utf-8", "UTF-8")])
def test_damaged_lines_are_named(tmp_path: Path, encoding: str, named: str) -> None:
    path, (first, second, _) = tmp_path / "a.srt", KOREAN.split("\n")
    damaged = second.encode(encoding)[1:]
    path.write_bytes(b"\n".join([first.encode(encoding), damaged, *[damaged] * 3]))
    line = damaged.decode(encoding, "replace")
    with pytest.raises(InputError) as caught:
        read_foreign_text(path, "the file")
    assert f"a.srt: the file has damaged letters; expected {named}; found line 2: {line}, line 3: " in str(caught.value)
    assert " and 1 more; write these lines anew" in str(caught.value)


def test_hangul_is_composed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(unicodedata.normalize("NFD", KOREAN), encoding="utf-8")
    assert read_foreign_text(path, "the file") == (KOREAN, "")
