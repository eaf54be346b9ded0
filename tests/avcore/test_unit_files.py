"""Units as text."""

from pathlib import Path

import pytest

from avcore.errors import InputError, UnitError
from avcore.units import read_unit_file, write_unit_file


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_unit_file(tmp_path / "x.txt", [7, -1, 7, 7, 999])
    assert (tmp_path / "x.txt").read_text() == "7 -1 7 7 999"
    assert read_unit_file(tmp_path / "x.txt").tolist() == [7, -1, 7, 7, 999]


@pytest.mark.parametrize("text", ["  7  8\t9 \n\n", "\ufeff7 8 9", "\n7 8 9"])
def test_blanks_around_do_not_matter(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    assert read_unit_file(tmp_path / "x.txt").tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"7 <unk> 8", "token 1 is not a unit"),
        (b"7 8.5", "token 1 is not a unit"),
        (b"\xff\xfe\x00", "line 1 .* is no text; expected UTF-8; found UTF-16"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises((UnitError, InputError), match=f"x.txt: .*{complaint}"):
        read_unit_file(tmp_path / "x.txt")


def test_only_the_first_line_is_read_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.txt").write_text("7 8\n9\n")
    assert read_unit_file(tmp_path / "x.txt").tolist() == [7, 8]
    assert "first of 2 lines" in caplog.text
