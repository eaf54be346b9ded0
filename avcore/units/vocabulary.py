"""Language names and tags, the fingerprint that ties units to the quantizer that made them, and the marks of a dictionary."""

import hashlib
from collections.abc import Iterable, Sequence

from avcore.errors import LanguageError, VocabularyError

UTUT_LANGUAGES = ("en", "es", "fr", "it", "pt", "el", "ru", "cs", "da", "de", "fi", "hr", "hu", "lt", "nl", "pl", "ro", "sk", "sl")
"""The published translator's languages, in the order of their embedding rows."""

_ISO_639_3 = {
    "eng": "en", "spa": "es", "fra": "fr", "ita": "it", "por": "pt", "ell": "el", "rus": "ru", "ces": "cs", "dan": "da",
    "deu": "de", "fin": "fi", "hrv": "hr", "hun": "hu", "lit": "lt", "nld": "nl", "pol": "pl", "ron": "ro", "slk": "sk",
    "slv": "sl", "kor": "ko",
}  # fmt: skip

_MISTAKEN = {
    "kr": "ko", "kp": "ko", "korean": "ko", "hangul": "ko", "uk": "en", "us": "en", "gb": "en", "english": "en", "sp": "es",
    "spanish": "es", "french": "fr", "italian": "it", "br": "pt", "portuguese": "pt", "gr": "el", "greek": "el", "russian": "ru",
    "cz": "cs", "czech": "cs", "dk": "da", "danish": "da", "german": "de", "finnish": "fi", "croatian": "hr", "hungarian": "hu",
    "lithuanian": "lt", "dutch": "nl", "polish": "pl", "romanian": "ro", "slovak": "sk", "si": "sl", "slovenian": "sl",
}  # fmt: skip
"""What is written for a language by mistake: its country, or its name."""
BEGIN, PAD, END, UNKNOWN = range(4)
"""Rows of `<s>`, `<pad>`, `</s>` and `<unk>`."""
NUM_MARKS = 4


def normalise_language(name: str) -> str:
    """Return the two-letter name used everywhere inside: `kor`, `KO` and `[ko]` are `ko`."""
    bare = name.strip().strip("[]").lower()
    return _ISO_639_3.get(bare, bare)


def three_letters(name: str) -> str:
    """Return the name of a language in ISO 639-3, as video files write it: `kor` for `ko`; one that is not known stays as it is."""
    wanted = normalise_language(name)
    return next((three for three, two in _ISO_639_3.items() if two == wanted), wanted)


def meant_language(name: str, available: Iterable[str]) -> str | None:
    """Return `did you mean ko?` for a language that is not among `available`; None where nothing is near."""
    bare = normalise_language(name)
    guesses = [_MISTAKEN.get(bare, ""), *(normalise_language(part) for part in bare.replace("_", "-").split("-"))]
    near = next((guess for guess in guesses if guess in set(available) - {bare}), None)
    return None if near is None else f"did you mean {near}?"


def language_tag(language: str) -> str:
    """Return the dictionary symbol of a language, as `[ko]`."""
    return f"[{normalise_language(language)}]"


def require_language(language: str, available: Sequence[str], owner: str, hint: str | None = None) -> str:
    """Return the normalised language; raises LanguageError listing `available` when `owner` lacks it."""
    wanted = normalise_language(language)
    if wanted not in available:
        raise LanguageError(
            f"{owner} has no language '{wanted}'",
            expected=f"one of {', '.join(available)}",
            found=wanted,
            hint=meant_language(language, available) or hint,
        )
    return wanted


def fingerprint(*parts: bytes) -> str:
    """Return a short, stable name for a content: `sha256:` and 16 hex digits over the parts in order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return f"sha256:{digest.hexdigest()[:16]}"


def fingerprint_symbols(symbols: Iterable[str]) -> bytes:
    """Return a dictionary's symbols as bytes, for `fingerprint`."""
    return "\n".join(symbols).encode()


def require_same_vocabulary(units: str, model: str, owner: str) -> None:
    """Raises VocabularyError when both fingerprints are known and differ ("" = unknown, accepted)."""
    if units and model and units != model:
        raise VocabularyError(
            f"{owner} was trained on units of another quantizer",
            expected=model,
            found=units,
            hint="extract the units again with the matching encoder",
        )
