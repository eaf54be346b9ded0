"""Text to text in another language (machine translation) by NLLB or M2M-100, of a folder that a user has (CTranslate2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

from avcore.errors import InputError
from avcore.texts import read_json
from avcore.units.vocabulary import require_language
from netflips.recognizers.folders import (
    SEQUENCE_TO_SEQUENCE,
    engine_errors,
    engine_settings,
    extra_needed,
    require_engine_folder,
    require_numbers,
    require_rows,
    weights_of,
    words_in,
)
from netflips.recognizers.trial import try_apart
from netflips.text_road.languages import language_tokens
from netflips.text_road.pieces import Pieces, open_pieces, pieces_file
from netflips.text_road.sentences import sentences_of

_WHAT = "the text translator"
_HINT = "--text-translator takes a folder of NLLB or M2M-100"
_VOCABULARIES = ("shared_vocabulary", "target_vocabulary")
_NEEDED = ("|".join(f"{name}{ending}" for name in _VOCABULARIES for ending in (".json", ".txt")),)
_END, _SPACE = "</s>", "▁"
_LONGEST = 200
"""Pieces that are translated at once; the networks know about 500 places."""
_SEARCH = {"beam_size": 4, "max_decoding_length": 2 * _LONGEST, "max_input_length": 0, "disable_unk": True, "return_scores": True}


class TextTranslation(NamedTuple):
    """text: in NFC, "" = nothing came out. score: mean log-probability of its pieces."""

    text: str
    score: float


@dataclass(frozen=True, eq=False)
class TextTranslator:
    """A translator of text. name: of its folder. tokens: of its languages, by two letters. adds_end: it marks the end itself."""

    name: str
    tokens: dict[str, str]
    adds_end: bool
    _pieces: Pieces
    _engine: Any
    _folder: Path

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it translates from and to."""
        return tuple(sorted(self.tokens))

    def require_languages(self, *languages: str) -> None:
        """Raise LanguageError for one that it does not have."""
        for one in languages:
            require_language(one, self.languages, f"{_WHAT} {self.name}")

    def translate(self, text: str, source: str, target: str) -> TextTranslation:
        """Translate a text of any length, sentence by sentence. Raises LanguageError."""
        self.require_languages(source, target)
        begin, into = self.tokens[source], self.tokens[target]
        end = [] if self.adds_end else [_END]
        with engine_errors(self._folder, _WHAT, "failed while it translated"):
            parts = [[begin, *part, *end] for sentence in sentences_of(normalize("NFC", text)) for part in self._parts(sentence)]
        if not parts:
            return TextTranslation("", 0.0)
        with engine_errors(self._folder, _WHAT, "failed while it translated"):
            found = self._engine.translate_batch(parts, target_prefix=[[into]] * len(parts), **_SEARCH)
            texts = [self._text(one.hypotheses[0], into) for one in found]
            return TextTranslation(" ".join(filter(None, texts)), sum(one.scores[0] for one in found) / len(found))

    def _parts(self, sentence: str) -> Iterator[list[str]]:
        """The pieces of a sentence; one too long for the network is cut, before a word where there is one."""
        pieces = self._pieces.cut(sentence)
        while len(pieces) > _LONGEST:
            words = [place for place in range(1, _LONGEST) if pieces[place].startswith(_SPACE)]
            cut = words[-1] if words else _LONGEST
            yield pieces[:cut]
            pieces = pieces[cut:]
        if pieces:
            yield pieces

    def _text(self, pieces: Sequence[str], into: str) -> str:
        spoken = [piece for piece in pieces if piece not in (into, _END)]
        text = normalize("NFC", self._pieces.join(spoken))
        return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def open_text_translator(folder: Path, device: str = "auto", precision: str = "float32") -> TextTranslator:
    """Open a folder with NLLB or M2M-100 as CTranslate2's converters write it, with what cuts its text; nothing is downloaded.

    device: as in --device. precision: float32 takes the numbers as the folder holds them. Raises InputError for a folder that is
    no such translator, UsageError where the extra `asr` is not installed or the device is not here.
    """
    folder = Path(folder)
    require_translator_folder(folder)
    with extra_needed("ctranslate2"):
        import ctranslate2  # noqa: F401
    settings = engine_settings(device, precision)
    try_apart(_try, folder, _WHAT, settings)
    return _open(folder, settings)


def require_translator_folder(folder: Path) -> tuple[dict[str, str], Path]:
    """The tokens of a folder's languages, and the file that cuts text; raises InputError for one that holds no such translator."""
    folder = require_engine_folder(folder, SEQUENCE_TO_SEQUENCE, _WHAT, _NEEDED, _HINT)
    words = words_in(folder, *_VOCABULARIES)
    tokens = language_tokens(words)
    if len(tokens) < 2:
        raise InputError(
            f"{_WHAT} names no languages", path=folder, expected="tokens as kor_Hang (NLLB) or __ko__ (M2M-100)", hint=_HINT
        )
    require_rows(folder, weights_of(folder), "decoder/embeddings/weight", len(words))
    return tokens, pieces_file(folder, _WHAT)


def _open(folder: Path, settings: Mapping[str, Any]) -> TextTranslator:
    from ctranslate2 import Translator

    tokens, model = require_translator_folder(folder)
    pieces = open_pieces(model)
    with engine_errors(folder, _WHAT):
        engine = Translator(str(folder), **settings)
    return TextTranslator(folder.resolve().name, tokens, _adds_end(folder), pieces, engine, folder)


def _try(folder: Path, settings: Mapping[str, Any]) -> None:
    """Open a folder and translate with it, both ways between two of its languages."""
    require_numbers(folder)
    translator = _open(folder, settings)
    one, other = translator.languages[0], translator.languages[-1]
    translator.translate("a b c. 1 2 3", one, other)
    translator.translate("a b c. 1 2 3", other, one)


def _adds_end(folder: Path) -> bool:
    """Whether the engine itself marks the end of a source text, by the folder's configuration."""
    path = folder / "config.json"
    content = read_json(path, "the configuration") if path.is_file() else {}
    return isinstance(content, dict) and content.get("add_source_eos") is True


__all__ = ["TextTranslation", "TextTranslator", "open_text_translator", "require_translator_folder"]
