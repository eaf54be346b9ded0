"""The models of the cascade over text."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CascadeModels:
    """The models that a cascade is asked to use."""

    recognizer: Path
    """folder of a Whisper, as CTranslate2 writes it"""
    translator: Path | None
    """folder of a text translator, as CTranslate2 writes it; None = `program` translates"""
    program: str = ""
    """command or address that translates, "" = none"""
    glossary: Path | None = None
    """the user's translations of words"""
    chat_model: str | None = None
    """of a server of language models, None = the only one that it has"""
    speech_level: str = ""
    """level of speech that the language model writes in, "" = the usual one"""

    @property
    def files(self) -> dict[str, list[Path]]:
        """The files that are read, by what they are."""
        named = {"the recognizer": self.recognizer, "the text translator": self.translator, "the glossary": self.glossary}
        return {what: sorted(path.iterdir()) if path.is_dir() else [path] for what, path in named.items() if path is not None}
