"""Text translators of a folder: languages, sentences, long texts, and one line for a folder that is none."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from avcore.errors import InputError, LanguageError, UsageError
from netflips.cascade.translator import language_tokens, open_text_translator, sentences_of

pytest.importorskip("ctranslate2", reason="needs the extra asr")
pytest.importorskip("sentencepiece", reason="needs the extra asr")

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel

from tests.netflips.cascade.tiny import write_pair, write_translator

WORDS = {"the": "그", "bus": "버스", "stops.": "서요.", "here.": "여기요.", "we": "우리", "go": "가요"}


@pytest.fixture(scope="module")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_translator(tmp_path_factory.mktemp("translator") / "nllb", WORDS)


def test_a_text_is_translated_sentence_by_sentence(nllb: Path) -> None:
    translator = open_text_translator(nllb, "cpu")
    assert (translator.name, translator.languages) == ("nllb", ("en", "fr", "ko"))
    found = translator.translate("the bus stops. we go", "en", "ko")
    assert found.text == "그 버스 서요. 우리 가요"
    assert -0.1 < found.score <= 0
    assert translator.translate(" \n ", "en", "ko") == ("", 0.0)
    with pytest.raises(LanguageError, match="nllb has no language 'ja'"):
        translator.translate("we go", "en", "ja")


@pytest.mark.parametrize("adds_end", [False, True])
def test_m2m_100_has_tokens_of_its_own_for_languages(tmp_path: Path, adds_end: bool) -> None:
    translator = open_text_translator(write_translator(tmp_path / "m2m", WORDS, is_nllb=False, adds_end=adds_end), "cpu")
    assert translator.languages == ("en", "fr", "ko")
    assert translator.translate("the bus stops.", "en", "ko").text == "그 버스 서요."


@pytest.mark.parametrize("names", [("src.spm.model", "tgt.spm.model"), ("source.spm", "target.spm")])
def test_a_translator_between_two_languages(tmp_path: Path, names: tuple[str, str]) -> None:
    """Its folder's name says which (quickmt, OPUS-MT); the other way round is refused."""
    folder = write_pair(tmp_path / "quickmt-eng-ko", WORDS)
    for old, new in zip(("src.spm.model", "tgt.spm.model"), names, strict=True):
        (folder / old).rename(folder / new)
    translator = open_text_translator(folder, "cpu")
    assert translator.translate("the bus stops. we go", "en", "ko").text == "그 버스 서요. 우리 가요"
    with pytest.raises(LanguageError, match="has one direction; expected en into ko"):
        translator.translate("we go", "ko", "en")
    with pytest.raises(InputError, match="does not say its languages; expected a name such as quickmt-en-ko"):
        open_text_translator(folder.rename(tmp_path / "mine"), "cpu")


def test_a_tokenizer_json_may_stand_for_a_sentencepiece_model(nllb: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for path in nllb.iterdir():
        if path.suffix != ".model":
            (folder / path.name).write_bytes(path.read_bytes())
    rows = json.loads((nllb / "shared_vocabulary.json").read_text())
    tokenizer = Tokenizer(WordLevel({token: row for row, token in enumerate(rows)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.save(str(folder / "tokenizer.json"))
    assert open_text_translator(folder, "cpu").translate("the bus stops. we go", "en", "ko").text == "그 버스 서요. 우리 가요"


def test_a_sentence_too_long_for_the_network_is_cut_between_words(nllb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netflips.cascade.translator._LONGEST", 50)
    translator = open_text_translator(nllb, "cpu")
    said = "the bus we go " * 30
    assert translator.translate(said, "en", "ko").text.split() == [WORDS[word] for word in said.split()]


def test_sentences_end_where_they_do_in_both_families() -> None:
    sentences = ["How are you?", "I am Dr. Smith, e.g. a man.", "It is 3.50 dollars. ok?"]
    assert sentences_of("{} {}\n{}".format(*sentences)) == sentences
    assert sentences_of('"Stop!" he said. 좋아요. 元気\uff1fはい') == ['"Stop!"', "he said.", "좋아요.", "元気\uff1f", "はい"]
    assert sentences_of("  \n ") == []
    known = {"en": "eng_Latn", "ko": "kor_Hang", "ar": "arb_Arab", "zh": "zho_Hans"}
    assert language_tokens([*known.values(), "arb_Latn", "zho_Hant", "ace_Latn", "▁the"]) == known
    assert language_tokens(["__en__", "__ko__", "__ceb__", "</s>"]) == {"en": "__en__", "ko": "__ko__"}


def test_a_folder_that_is_no_translator_is_told_in_one_line(nllb: Path, tmp_path: Path) -> None:
    def changed(name: str, **files: bytes | None) -> Path:
        place = tmp_path / name
        place.mkdir()
        for path in nllb.iterdir():
            content = files.get(path.name.partition(".")[0], b"")
            if content is not None:
                (place / path.name).write_bytes(content or path.read_bytes())
        return place

    tokens = json.loads((nllb / "shared_vocabulary.json").read_text())
    plain = json.dumps(["<s>", "</s>", "▁a"]).encode()
    whisper = (nllb / "model.bin").read_bytes().replace(b"\x10\0TransformerSpec\0", b"\x0c\0WhisperSpec\0", 1)
    cases = {
        tmp_path / "nowhere": "is not there.*nothing is downloaded",
        changed("weights", model=None): "with model.bin of a text translator",
        changed("ears", model=whisper): "expected a text translator; found a Whisper",
        changed("words", shared_vocabulary=None): "is not complete",
        changed("marian", shared_vocabulary=plain): "names no languages",
        changed("pieces", sentencepiece=None): "lacks the file that cuts its text.*copy sentencepiece.bpe.model",
        changed("odd", sentencepiece=b"\xff\xff\xff"): "the file that cuts its text into pieces cannot be read",
        changed("short", shared_vocabulary=json.dumps(tokens[4:]).encode()): "the vocabulary is not the model's",
        changed("cut", model=(nllb / "model.bin").read_bytes()[:4000]): "the text translator cannot be read",
    }
    for path, told in cases.items():
        with pytest.raises(InputError, match=told) as error:
            open_text_translator(path, "cpu")
        assert "\n" not in str(error.value), path


def test_what_the_engine_says_while_it_translates_is_one_line(nllb: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("vector::_M_range_check\nmore")

    translator = replace(open_text_translator(nllb, "cpu"), _engine=SimpleNamespace(translate_batch=fail))
    with pytest.raises(InputError, match="the text translator failed while it translated; found vector::_M_range_check; get"):
        translator.translate("the bus", "en", "ko")


def test_without_the_extra_one_line_says_what_to_install(nllb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(UsageError, match=r'pip install .*"ctranslate2'):
        open_text_translator(nllb, "cpu")
