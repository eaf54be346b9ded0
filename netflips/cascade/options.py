"""The models of the cascade over text."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CascadeModels:
    """The folders of the cascade: of a Whisper and of a text translator, as CTranslate2 writes them.

    program: a command or an address that translates; then there is no folder. chat_model: of a server of language models.
    speech_level: that it writes in, "" = as usual. glossary: words of the user's.
    """

    recognizer: Path
    translator: Path | None
    program: str = ""
    glossary: Path | None = None
    chat_model: str | None = None
    speech_level: str = ""

    @property
    def files(self) -> dict[str, list[Path]]:
        """What is read, in words and by path."""
        named = {"the recognizer": self.recognizer, "the text translator": self.translator, "the glossary": self.glossary}
        return {what: sorted(path.iterdir()) if path.is_dir() else [path] for what, path in named.items() if path is not None}
