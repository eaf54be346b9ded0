"""Nothing that a file says steers the terminal that shows it."""

import argparse
import io
import json
import logging
import sys
from fractions import Fraction

import numpy as np
import pytest

from avcore.command import LOG, add_common_options, run
from avcore.errors import InputError
from avcore.plain_text import PlainFormatter, json_text, print_text, ranges, require_utf8, several, shown
from avcore.usage import Parser


def test_numbers_are_told_as_ranges() -> None:
    assert ranges([]) == ""
    assert ranges([7, 3, 1, 2, 10, 11, 2]) == "1-3, 7, 10-11"


def test_what_is_not_drawn_is_escaped_and_letters_stay() -> None:
    assert shown("a\x1b[31m\nb\x00\udcff\u202e") == r"a\x1b[31m\nb\x00\udcff\u202e"
    assert shown("안녕 क्‍ष é.mp4") == "안녕 क्‍ष é.mp4"
    assert shown("a\nb\x07", "\n") == "a\nb\\x07"


def test_an_error_is_one_line_whatever_the_file_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="thing")
    add_common_options(parser)

    def work(_: argparse.Namespace) -> None:
        LOG.info("%s: %d units", "a\nb\x1b[2J", 3)
        raise InputError("no sound", path="x\n\x1b]0;title\x07.mp4", found="\u202enone")

    assert run(parser, work, []) == 2
    assert capsys.readouterr().err.splitlines() == [
        r"a\nb\x1b[2J: 3 units",
        r"thing: error: x\n\x1b]0;title\x07.mp4: no sound; found \u202enone",
    ]


def test_lines_that_are_handed_over_stay_lines() -> None:
    record = logging.LogRecord("netflips", logging.INFO, "", 0, "%s", ("one\ntwo\x1b",), None)
    assert PlainFormatter("%(message)s").format(record) == "one\ntwo\\x1b"


def test_results_are_escaped_and_a_closed_stdout_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_text("comment: \x1b[31m\tx\ny")
    assert capsys.readouterr().out == "comment: \\x1b[31m\tx\ny\n"
    monkeypatch.setattr(sys, "stdout", None)
    print_text("nobody hears this")


def test_json_keeps_letters_and_names_that_are_not_utf8() -> None:
    text = json_text({"input": "안녕\udcff.mp4"})
    assert "안녕" in text
    text.encode("utf-8")
    assert json.load(io.StringIO(text)) == {"input": "안녕\udcff.mp4"}
    with pytest.raises(InputError, match=r"not UTF-8; found b\\udcff"):
        require_utf8(["a", "b\udcff"], "a video")


def test_a_number_that_is_none_is_null_in_json() -> None:
    content = {"score": float("nan"), "rows": [(1.5, float("inf")), {"low": -float("inf")}], "text": "NaN"}
    assert json.loads(json_text(content)) == {"score": None, "rows": [[1.5, None], {"low": None}], "text": "NaN"}


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (0, ("clip",), "0 clips"),
        (1, ("clip",), "1 clip"),
        (2, ("clip",), "2 clips"),
        (1, ("entry", "entries"), "1 entry"),
        (3, ("entry", "entries"), "3 entries"),
    ],
)
def test_one_is_not_several(count: int, words: tuple[str, ...], expected: str) -> None:
    assert several(count, *words) == expected


def test_a_number_of_any_kind_is_written_as_its_message_says() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s: %.2f s, %.1f", ("a\x1b", Fraction(3, 10), np.float32(2)), None)
    assert PlainFormatter("%(message)s").format(record) == "a\\x1b: 0.30 s, 2.0"
