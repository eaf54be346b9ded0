"""Text as the pieces of words that a translator knows, and back: by SentencePiece, or by the tokenizers library."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from avcore.errors import InputError
from netflips.recognizers.folders import engine_errors, extra_needed

_SENTENCEPIECE, _TOKENIZER = "*.model", "tokenizer.json"
_OF_PAIRS = (("src.spm.model", "tgt.spm.model"), ("source.spm", "target.spm"))
"""Names in folders of a translator between two languages: of quickmt, and of OPUS-MT (Marian)."""
_WHAT = "the file that cuts its text into pieces"


class Pieces(Protocol):
    """Cuts text, and puts it together again."""

    def cut(self, text: str) -> list[str]:
        """Return the pieces of a sentence, without marks."""

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text that pieces spell."""


class SentencePieces:
    """A SentencePiece model."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def cut(self, text: str) -> list[str]:
        """Return the pieces of a sentence, without marks."""
        return list(self._processor.encode(text, out_type=str))

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text that pieces spell."""
        return str(self._processor.decode(list(pieces)))


class TokenizerPieces:
    """A `tokenizer.json` of the tokenizers library."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def cut(self, text: str) -> list[str]:
        """Return the pieces of a sentence, without marks."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).tokens)

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text that pieces spell."""
        rows = [self._tokenizer.token_to_id(piece) for piece in pieces]
        return str(self._tokenizer.decode([row for row in rows if row is not None]))


def pair_files(folder: Path) -> tuple[Path, Path] | None:
    """Return the SentencePiece models of both sides of a translator between two languages; None where there are none."""
    pairs = ((folder / source, folder / target) for source, target in _OF_PAIRS)
    return next((pair for pair in pairs if all(path.is_file() for path in pair)), None)


def pieces_file(folder: Path, what: str) -> Path:
    """Return which file of a folder cuts text: its SentencePiece model, else `tokenizer.json`. Raises InputError where there is
    none."""
    found = sorted(folder.glob(_SENTENCEPIECE))
    if len(found) == 1:
        return found[0]
    if (folder / _TOKENIZER).is_file():
        return folder / _TOKENIZER
    raise InputError(
        f"{what} lacks {_WHAT}",
        path=folder,
        expected=f"one SentencePiece model ({_SENTENCEPIECE}), or {_TOKENIZER}",
        found=", ".join(one.name for one in found) or "neither",
        hint="copy sentencepiece.bpe.model of the folder that it was converted from",
    )


def open_pieces(path: Path) -> Pieces:
    """Open what `pieces_file` found. Raises InputError for one that cannot be read, UsageError without the extra `asr`."""
    if path.name == _TOKENIZER:
        with extra_needed("tokenizers"):
            from tokenizers import Tokenizer
        with engine_errors(path, _WHAT):
            return TokenizerPieces(Tokenizer.from_file(str(path)))
    with extra_needed("sentencepiece"):
        from sentencepiece import SentencePieceProcessor
    with engine_errors(path, _WHAT):
        return SentencePieces(SentencePieceProcessor(model_file=str(path)))
