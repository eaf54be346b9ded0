"""Machine translation of text, by a CTranslate2 model in a folder of the user's.

NLLB and M2M-100 have many languages, each with a token; OPUS-MT (Marian) and quickmt have one source and one target language.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from unicodedata import normalize

from avcore.errors import InputError, LanguageError
from avcore.texts import read_json
from avcore.units import normalise_language, require_language
from netflips.recognizers.folders import (
    SEQUENCE_TO_SEQUENCE,
    engine_errors,
    engine_settings,
    extra_needed,
    require_engine_folder,
    require_numbers,
    require_rows,
    try_apart,
    weights_of,
    words_in,
)

# Text as the pieces of words that a translator knows, and back: by SentencePiece, or by the tokenizers library

_SENTENCEPIECE, _TOKENIZER = "*.model", "tokenizer.json"
_OF_PAIRS = (("src.spm.model", "tgt.spm.model"), ("source.spm", "target.spm"))
"""Tokenizers of source and target in the folder of a translator between two languages: quickmt's, and OPUS-MT's (Marian)."""
_CUTS_TEXT = "the file that cuts its text into pieces"


class Tokenizer(Protocol):
    """Cuts text into pieces, and joins pieces to text."""

    def cut(self, text: str) -> list[str]:
        """Return the pieces of a sentence, without marks."""

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text that pieces spell."""


class SentencePieceTokenizer:
    """A SentencePiece model."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def cut(self, text: str) -> list[str]:
        """Return the pieces of a sentence, without marks."""
        return list(self._processor.encode(text, out_type=str))

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text that pieces spell."""
        return str(self._processor.decode(list(pieces)))


class HuggingFaceTokenizer:
    """A `tokenizer.json` of the tokenizers library."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def cut(self, text: str) -> list[str]:
        """Return the pieces of a sentence, without marks."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).tokens)

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text that pieces spell."""
        # The engine may write pieces that the tokenizer does not have.
        rows = [self._tokenizer.token_to_id(piece) for piece in pieces]
        return str(self._tokenizer.decode([row for row in rows if row is not None]))


def pair_files(folder: Path) -> tuple[Path, Path] | None:
    """Return the SentencePiece models of the source and target of a translator between two languages; None if there are none."""
    pairs = ((folder / source, folder / target) for source, target in _OF_PAIRS)
    return next((pair for pair in pairs if all(path.is_file() for path in pair)), None)


def tokenizer_file(folder: Path, what: str) -> Path:
    """Return the tokenizer's file in a folder: its SentencePiece model, else `tokenizer.json`. Raises InputError if there is
    neither."""
    found = sorted(folder.glob(_SENTENCEPIECE))
    if len(found) == 1:
        return found[0]
    if (folder / _TOKENIZER).is_file():
        return folder / _TOKENIZER
    raise InputError(
        f"{what} lacks {_CUTS_TEXT}",
        path=folder,
        expected=f"one SentencePiece model ({_SENTENCEPIECE}), or {_TOKENIZER}",
        found=", ".join(path.name for path in found) or "neither",
        hint="copy sentencepiece.bpe.model of the folder that it was converted from",
    )


def open_tokenizer(path: Path) -> Tokenizer:
    """Open the file that `tokenizer_file` returns. Raises InputError if it cannot be read, UsageError without the extra `asr`."""
    if path.name == _TOKENIZER:
        with extra_needed("tokenizers"):
            from tokenizers import Tokenizer
        with engine_errors(path, _CUTS_TEXT):
            return HuggingFaceTokenizer(Tokenizer.from_file(str(path)))
    with extra_needed("sentencepiece"):
        from sentencepiece import SentencePieceProcessor
    with engine_errors(path, _CUTS_TEXT):
        return SentencePieceTokenizer(SentencePieceProcessor(model_file=str(path)))


# The model

_WHAT = "the text translator"
_HINT = "--text-translator takes a folder of NLLB, M2M-100, OPUS-MT or quickmt"
_PAIR = re.compile(r"(?<![a-z])([a-z]{2,3})[-_]([a-z]{2,3})(?![a-z])")
_VOCABULARIES = ("shared_vocabulary", "target_vocabulary")
_NEEDED = ("|".join(f"{name}{ending}" for name in _VOCABULARIES for ending in (".json", ".txt")),)
_END, _SPACE = "</s>", "▁"
_LONGEST = 200
"""Most pieces that are translated at once; the networks have about 500 positions."""
# max_input_length 0: else the engine cuts a long input off without a word; `_parts` divides it before.
_SEARCH: dict[str, Any] = {
    "beam_size": 4, "max_decoding_length": 2 * _LONGEST, "max_input_length": 0, "disable_unk": True, "return_scores": True,
}  # fmt: skip


_CANDIDATES = 8
"""Hypotheses of the beam from which candidates of several lengths are made."""


class TextTranslation(NamedTuple):
    """A candidate for the translation of a text."""

    text: str
    """in NFC; "" = there is nothing to translate, or nothing came out"""
    score: float
    """mean log-probability of its pieces"""


@dataclass(frozen=True, eq=False)
class TextTranslator:
    """An opened translator of text."""

    name: str
    """of its folder"""
    tokens: dict[str, str]
    """tokens of its languages, by two-letter name; "" = it has none, and translates from the first language into the second"""
    adds_end: bool
    """whether the engine itself marks the end of a text"""
    _tokenizer: Tokenizer
    _target_tokenizer: Tokenizer
    _engine: Any
    _folder: Path

    @property
    def languages(self) -> tuple[str, ...]:
        """Its languages, by two-letter name."""
        return tuple(sorted(self.tokens))

    def require_languages(self, *languages: str) -> None:
        """Raise LanguageError for a language that it does not have."""
        for language in languages:
            require_language(language, self.languages, f"{_WHAT} {self.name}")

    def translate(self, text: str, source: str, target: str) -> TextTranslation:
        """Translate a text of any length, sentence by sentence. Raises what `candidates` raises."""
        return self.candidates(text, source, target, 1)[0]

    def candidates(self, text: str, source: str, target: str, most: int = _CANDIDATES) -> list[TextTranslation]:
        """Return several translations of a text, the most probable first.

        Each takes the same rank of the beam for all sentences; two more take the shortest and the longest hypothesis of each. most:
        hypotheses of each sentence. Raises LanguageError if it cannot translate between the languages.
        """
        self.require_languages(source, target)
        if not self.tokens[source] and [source, target] != list(self.tokens):
            known = " into ".join(self.tokens)
            raise LanguageError(f"{_WHAT} {self.name} has one direction", expected=known, found=f"{source} into {target}")

        begin, into = ([token] if token else [] for token in (self.tokens[source], self.tokens[target]))
        end = [] if self.adds_end else [_END]
        with engine_errors(self._folder, _WHAT, "failed while it translated"):
            parts = [[*begin, *part, *end] for sentence in sentences_of(normalize("NFC", text)) for part in self._parts(sentence)]
        if not parts:
            return [TextTranslation("", 0.0)]

        #  {"beam_size"|CTranslate2 returns no more hypotheses than its beam holds.
        search = _SEARCH | {"beam_size": max(most, _SEARCH["beam_size"]), "num_hypotheses": most}
        with engine_errors(self._folder, _WHAT, "failed while it translated"):
            found = self._engine.translate_batch(parts, target_prefix=[into] * len(parts) if into else None, **search)
            several = [
                [TextTranslation(self._text(pieces, into), score) for pieces, score in zip(one.hypotheses, one.scores, strict=True)]
                for one in found
            ]
        return _joined(several)

    def _parts(self, sentence: str) -> Iterator[list[str]]:
        """Yield the pieces of a sentence; one that is too long for the network is cut into parts, before a word if possible."""
        pieces = self._tokenizer.cut(sentence)
        while len(pieces) > _LONGEST:
            words = [place for place in range(1, _LONGEST) if pieces[place].startswith(_SPACE)]
            cut = words[-1] if words else _LONGEST
            yield pieces[:cut]
            pieces = pieces[cut:]
        if pieces:
            yield pieces

    def _text(self, pieces: Sequence[str], into: Sequence[str]) -> str:
        spoken = [piece for piece in pieces if piece not in (*into, _END)]
        text = normalize("NFC", self._target_tokenizer.join(spoken))
        return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _joined(several: Sequence[Sequence[TextTranslation]]) -> list[TextTranslation]:
    """Return the candidates of a text, joined from those of its sentences: the most probable first, each once."""
    ranks = [[one[min(rank, len(one) - 1)] for one in several] for rank in range(max(map(len, several)))]
    ends = [[choose(one, key=lambda other: len(other.text)) for one in several] for choose in (min, max)]
    mean = {" ".join(filter(None, (one.text for one in row))): sum(one.score for one in row) / len(row) for row in [*ends, *ranks]}
    return [TextTranslation(text, score) for text, score in sorted(mean.items(), key=lambda one: -one[1])]


def open_text_translator(folder: Path, device: str = "auto", precision: str = "float32") -> TextTranslator:
    """Open a folder with a translator as CTranslate2's converters write it, and its tokenizer. Nothing is downloaded.

    device: as in --device. precision: float32 takes weights as the folder holds them. Raises InputError for a folder that is no
    such translator, UsageError if the extra `asr` is not installed or the device is not here.
    """
    folder = Path(folder)
    require_translator_folder(folder)
    with extra_needed("ctranslate2"):
        import ctranslate2  # noqa: F401
    settings = engine_settings(device, precision)
    try_apart(_try, folder, _WHAT, settings)
    return _open(folder, settings)


def require_translator_folder(folder: Path) -> tuple[dict[str, str], tuple[Path, Path]]:
    """Return the tokens of a folder's languages, and the tokenizers of its source and target. Raises InputError if it holds no
    translator. One between two languages has no tokens; its languages are read from the folder's name.
    """
    folder = require_engine_folder(folder, SEQUENCE_TO_SEQUENCE, _WHAT, _NEEDED, _HINT)
    words = words_in(folder, *_VOCABULARIES)
    tokens, pair = language_tokens(words), pair_files(folder)

    if len(tokens) < 2 and pair is not None:
        found = _PAIR.findall(folder.resolve().name.lower())
        tokens = dict.fromkeys(map(normalise_language, found[-1]), "") if found else {}
        if len(tokens) != 2:
            hint = "give the folder a name that ends in the languages"
            raise InputError(f"{_WHAT} does not say its languages", path=folder, expected="a name such as quickmt-en-ko", hint=hint)
    elif len(tokens) < 2:
        raise InputError(
            f"{_WHAT} names no languages", path=folder, expected="tokens as kor_Hang (NLLB) or __ko__ (M2M-100)", hint=_HINT
        )
    else:
        pair = (tokenizer_file(folder, _WHAT),) * 2

    require_rows(folder, weights_of(folder), "decoder/embeddings/weight", len(words))
    return tokens, pair


def _open(folder: Path, settings: Mapping[str, Any]) -> TextTranslator:
    from ctranslate2 import Translator

    tokens, (cuts, joins) = require_translator_folder(folder)
    pieces = open_tokenizer(cuts)
    target_pieces = pieces if joins == cuts else open_tokenizer(joins)

    with engine_errors(folder, _WHAT):
        engine = Translator(str(folder), **settings)

    path = folder / "config.json"
    content = read_json(path, "the configuration") if path.is_file() else {}
    adds_end = isinstance(content, dict) and content.get("add_source_eos") is True  # a second mark must not be added here
    return TextTranslator(folder.resolve().name, tokens, adds_end, pieces, target_pieces, engine, folder)


def _try(folder: Path, settings: Mapping[str, Any]) -> None:
    """Open a folder and translate with it, in both directions between two of its languages, or in the only one that it has."""
    require_numbers(folder)
    translator = _open(folder, settings)
    one, *_, other = translator.tokens
    translator.translate("a b c. 1 2 3", one, other)
    if translator.tokens[one]:
        translator.translate("a b c. 1 2 3", other, one)


_NLLB = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
_M2M = re.compile(r"__([a-z]{2})__")
_LATIN, _CYRILLIC, _ARABIC, _DEVANAGARI = "Latn", "Cyrl", "Arab", "Deva"
_FLORES = {
    _LATIN: "af:afr az:azj bs:bos ca:cat cs:ces cy:cym da:dan de:deu en:eng eo:epo es:spa et:est eu:eus fi:fin fr:fra ga:gle gl:glg"
    " ha:hau hr:hrv ht:hat hu:hun id:ind ig:ibo is:isl it:ita jv:jav lb:ltz lg:lug ln:lin lt:lit lv:lvs mg:plt ms:zsm mt:mlt "
    "nl:nld nn:nno no:nob pl:pol pt:por rn:run ro:ron rw:kin sk:slk sl:slv sm:smo sn:sna so:som sq:als su:sun sv:swe sw:swh tk:tuk "
    "tl:tgl tn:tsn tr:tur uz:uzn vi:vie xh:xho yo:yor zu:zul",
    _CYRILLIC: "be:bel bg:bul kk:kaz ky:kir mk:mkd mn:khk ru:rus sr:srp tg:tgk tt:tat uk:ukr",
    _ARABIC: "ar:arb fa:pes ps:pbt sd:snd ug:uig ur:urd",
    _DEVANAGARI: "hi:hin mr:mar ne:npi sa:san",
    "Beng": "as:asm bn:ben",
    "Ethi": "am:amh",
    "Hang": "ko:kor",
    "Hans": "zh:zho",
    "Hebr": "he:heb yi:ydd",
    "Jpan": "ja:jpn",
    "Armn": "hy:hye",
    "Geor": "ka:kat",
    "Grek": "el:ell",
    "Gujr": "gu:guj",
    "Guru": "pa:pan",
    "Khmr": "km:khm",
    "Knda": "kn:kan",
    "Laoo": "lo:lao",
    "Mlym": "ml:mal",
    "Mymr": "my:mya",
    "Orya": "or:ory",
    "Sinh": "si:sin",
    "Taml": "ta:tam",
    "Telu": "te:tel",
    "Thai": "th:tha",
    "Tibt": "bo:bod",
}
"""NLLB's name (from FLORES-200) for each two-letter name, by script; of several scripts or varieties the usual one."""
_NLLB_NAMES = {
    f"{flores}_{script}": short for script, row in _FLORES.items() for short, flores in (pair.split(":") for pair in row.split())
}


def language_tokens(vocabulary: Iterable[str]) -> dict[str, str]:
    """Return the tokens of a translator's languages by two-letter name: `{"ko": "kor_Hang"}` for NLLB, `{"ko": "__ko__"}` for
    M2M-100.

    Empty for other translators. NLLB's languages without a two-letter name are left out.
    """
    found: dict[str, str] = {}
    for token in vocabulary:
        if known := _M2M.fullmatch(token):
            found.setdefault(known[1], token)
        elif _NLLB.fullmatch(token) and token in _NLLB_NAMES:
            found.setdefault(_NLLB_NAMES[token], token)
    return found


_WIDE = "\u3002\uff01\uff1f"
"""The full stop, exclamation and question mark of Chinese and Japanese, which no blank follows."""
_SENTENCE_END = re.compile(rf"(?<=[.!?\u2026{_WIDE}])[\"'\u201d\u2019\xbb)\]]*\s+|(?<=[{_WIDE}])")
_SHORT = frozenset(("mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e", "jr", "sr", "u.s", "u.k", "a.m", "p.m"))
"""Abbreviations, after whose full stop a sentence goes on."""


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text in order, without blanks around them; a line's end ends one. Only blanks are lost."""
    found = list[str]()
    for line in text.splitlines():
        begin = 0
        for end in _SENTENCE_END.finditer(line):
            piece, rest = line[begin : end.end()].strip(), line[end.end() :].lstrip()
            if piece and rest and not _goes_on(piece, rest):
                found.append(piece)
                begin = end.end()
        if last := line[begin:].strip():
            found.append(last)
    return found


def _goes_on(piece: str, rest: str) -> bool:
    if not piece.endswith("."):
        return False
    word = piece.split()[-1][:-1].lower()
    return word in _SHORT or (len(word) == 1 and word.isalpha()) or rest[0].islower()
