"""Texts, JSON and YAML of any content and of old programs' encodings; nothing of them steers a terminal."""

import argparse
import io
import json
import logging
import sys
import unicodedata
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore import texts
from avcore.command import LOG, run
from avcore.encodings import LOST, decode, undone
from avcore.errors import CheckpointError, InputError
from avcore.flags import CommonOptions, parser_for
from avcore.notes import PlainFormatter, json_text, print_text, ranges, require_utf8, several, shown
from avcore.texts import iter_lines, parse_json, parse_yaml, read_foreign_text, read_json, read_text, read_yaml
from tests.refusal import refused

DOUBLING = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
"""Twelve lines that stand for 9^11 values."""


def test_text_with_and_without_a_mark_and_with_any_line_end(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for content in (b"a\n\xea\xb0\x80\n", b"\xef\xbb\xbfa\r\n\xea\xb0\x80\r", b"a\r\xea\xb0\x80"):
        path.write_bytes(content)
        assert [(number, line.rstrip("\n")) for number, line in iter_lines(path, "the text")] == [(1, "a"), (2, "가")]
        assert read_text(path, "the text").split() == ["a", "가"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the text is empty"),
        (b"a\nb\xe9c\n", "line 2 of the text is no text; expected UTF-8; found byte 0xe9 at letter 2; save it as UTF-8"),
        ("ab".encode("utf-16"), "line 1 .*found UTF-16"),
        (b"a\n\n\0", "line 3 .*found a zero byte"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    refused(InputError, f"x.txt: {words}", read_text, path, "the text")


def test_lines_and_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    path.write_text("a\n" + "b" * 60)
    monkeypatch.setattr(texts, "MOST_LETTERS", 50)
    with pytest.raises(CheckpointError, match="line 2 of the text is too long; expected 50 letters at most"):
        list(iter_lines(path, "the text", CheckpointError))
    with pytest.raises(InputError, match="the text is too large; expected 20 bytes at most; found 62 bytes"):
        read_text(path, "the text", most_bytes=20)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "nested more than 64 deep"),
        ("[" * 70 + "]" * 70, "nested more than 64 deep"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested more than 64 deep"),
        ("[1e400]", "a number that is too large: 1e400"),
        ("[-1e400]", "a number that is too large"),
        ("9" * 5000, "a whole number beyond 64 bits: 9999"),
        (str(2**64), "a whole number beyond 64 bits"),
        (str(-(2**63) - 1), "a whole number beyond 64 bits"),
        ("NaN", "NaN, which is no number"),
        ("[-Infinity]", "-Infinity, which is no number"),
        ('{"a": ["\\ud800"]}', "a letter that is none"),
        ('{"a\\u0000": 1}', "a letter that is none"),
    ],
)
def test_json_that_no_file_of_ours_holds(text: str, words: str) -> None:
    message = refused(ValueError, words, parse_json, text)
    assert "\n" not in message
    assert len(message) < 200


def test_documents_name_their_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[")
    with pytest.raises(CheckpointError, match=r"x\.json: the settings is no JSON; found .*; mend it"):
        read_json(path, "the settings", CheckpointError, "mend it")
    refused(InputError, "the settings is not there", read_json, tmp_path / "y.json", "the settings", CheckpointError)
    path.write_text("a: [1")
    refused(InputError, r"x\.json: the config is no YAML; found line 1: ", read_yaml, path, "the config")


def test_yaml_of_plain_values() -> None:
    assert parse_yaml("a: &x [1, 2.5, null]\nb: *x\nc: {d: true}\n") == {"a": [1, 2.5, None], "b": [1, 2.5, None], "c": {"d": True}}
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:\t- b", "line 1: .*cannot start any token"),
        ("a: 1\nb: [", "line 2"),
        ("a: !!python/object/apply:os.system [x]", "line 1: could not determine a constructor"),
        ("[" * 5000, "nested more than 64 deep"),
        ("a: &a [*a]", "nested more than 64 deep"),
        ("a: 1\nb: " + "9" * 5000, "line 2: a whole number beyond 64 bits"),
        (DOUBLING, "more than 100,000 values"),
        ("a: 2012-99-99", "month must be in"),
    ],
)
def test_yaml_that_no_config_holds(text: str, words: str) -> None:
    assert "\n" not in refused(ValueError, words, parse_yaml, text)


def test_numbers_are_told_as_ranges_and_one_is_not_several() -> None:
    assert (ranges([]), ranges([7, 3, 1, 2, 10, 11, 2])) == ("", "1-3, 7, 10-11")
    assert [several(count, "clip") for count in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert [several(count, "entry", "entries") for count in (1, 3)] == ["1 entry", "3 entries"]


def test_what_is_not_drawn_is_escaped_and_letters_stay() -> None:
    assert shown("a\x1b[31m\nb\x00\udcff\u202e") == r"a\x1b[31m\nb\x00\udcff\u202e"
    assert (shown("안녕 क्‍ष é.mp4"), shown("a\nb\x07", "\n")) == ("안녕 क्‍ष é.mp4", "a\nb\\x07")


def test_an_error_is_one_line_whatever_the_file_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    parser = parser_for(CommonOptions, "thing")

    def work(_: argparse.Namespace) -> None:
        LOG.info("%s: %d units", "a\nb\x1b[2J", 3)
        raise InputError("no sound", path="x\n\x1b]0;title\x07.mp4", found="\u202enone")

    assert run(parser, work, []) == 2
    assert capsys.readouterr().err.splitlines() == [
        r"a\nb\x1b[2J: 3 units",
        r"thing: error: x\n\x1b]0;title\x07.mp4: no sound; found \u202enone",
    ]


@pytest.mark.parametrize(
    ("message", "values", "told"),
    [
        ("%s", ("one\ntwo\x1b",), "one\ntwo\\x1b"),
        ("%s: %.2f s, %.1f", ("a\x1b", Fraction(3, 10), np.float32(2)), "a\\x1b: 0.30 s, 2.0"),
    ],
)
def test_lines_handed_over_stay_lines_and_numbers_are_as_asked(message: str, values: Any, told: str) -> None:
    record = logging.LogRecord("netflips", logging.INFO, "", 0, message, values, None)
    assert PlainFormatter("%(message)s").format(record) == told


def test_results_are_escaped_and_closing_is_no_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    print_text("comment: \x1b[31m\tx\ny")
    assert capsys.readouterr().out == "comment: \\x1b[31m\tx\ny\n"
    monkeypatch.setattr(sys, "stdout", None)
    print_text("nobody hears this")


def test_json_keeps_letters_and_odd_names_and_nan_is_null() -> None:
    text = json_text({"input": "안녕\udcff.mp4"})
    assert "안녕" in text
    text.encode("utf-8")
    assert json.load(io.StringIO(text)) == {"input": "안녕\udcff.mp4"}
    refused(InputError, r"not UTF-8; found b\\udcff", require_utf8, ["a", "b\udcff"], "a video")
    content = {"score": float("nan"), "rows": [(1.5, float("inf")), {"low": -float("inf")}], "text": "NaN"}
    assert json.loads(json_text(content)) == {"score": None, "rows": [[1.5, None], {"low": None}], "text": "NaN"}


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
