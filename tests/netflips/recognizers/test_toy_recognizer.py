"""A recognizer of another kind is a row of `KINDS`: commands find it by the files of its folder."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avcore.contracts import SpeechRecognizer, Transcript, Word
from avcore.errors import InputError
from avcore.files import require_file
from avcore.media import write_speech
from netflips.cli import main
from netflips.recognizers import opening
from tests.avcore.made_speech import talk


class Toy:
    """Recognizes one word, which is in its file, in all speech."""

    name, languages = "toy", ("en",)

    def __init__(self, folder: Path) -> None:
        self.word = (folder / "toy.txt").read_text(encoding="utf-8")

    def transcribe(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        return Transcript(self.word, "en", (Word(self.word, 0.0, len(speech) / 16000, 1.0),))

    def languages_in(self, speech: NDArray[np.float32]) -> Mapping[str, float]:
        return {}


def _require(folder: Path) -> Path:
    return require_file(folder / "toy.txt", "the toy").parent


def _open(folder: Path, device: str, precision: str) -> SpeechRecognizer:
    return Toy(folder)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kind = opening.RecognizerKind("Toy", lambda folder: (folder / "toy.txt").exists(), _require, _open)
    monkeypatch.setattr(opening, "KINDS", (kind, *opening.KINDS))
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "toy.txt").write_text("bus", encoding="utf-8")
    return folder


def test_a_recognizer_of_another_kind_transcribes(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound, out = tmp_path / "talk.wav", tmp_path / "talk.json"
    write_speech(sound, talk([0.5, 2.0, 1.5, 2.5, 0.5]))
    assert main(["transcribe", str(sound), "--out", str(out), "--recognizer", str(toy), "--quiet", "--cpu"]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))["utterances"]
    assert {word["text"] for one in found for word in one["words"]} == {"bus"}

    assert main(["info", str(toy)]) == 0
    assert "kind: speech recognizer (Toy)" in capsys.readouterr().out


def test_a_folder_of_no_kind_is_refused_as_no_whisper(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the recognizer"):
        opening.require_recognizer_folder(tmp_path / "empty")
