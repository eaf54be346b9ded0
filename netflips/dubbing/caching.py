"""Models whose results are kept in the store of a dub: what they read or recognise once, they do not read again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avcore.arrays import Samples
from avcore.contracts import SpeechRecognizer, Transcript
from avcore.units import Units
from netflips.dubbing.store import Store

if TYPE_CHECKING:
    from unit2text.unit_reader import UnitReader


class CachingRecognizer:
    """A recognizer whose transcripts are kept in a store: the same sound is recognised once."""

    def __init__(self, recognizer: SpeechRecognizer, store: Store, made_of: tuple[str, ...]) -> None:
        """made_of: what its transcripts depend on beside the sound and its language."""
        self.name, self.recognizer, self.store, self.made_of = recognizer.name, recognizer, store, made_of

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it recognises."""
        return self.recognizer.languages

    def transcribe(self, speech: Samples, language: str | None = None) -> Transcript:
        """Return the transcript of speech, float32 [S], made or found."""
        made_of = (speech, language, *self.made_of)
        return self.store.kept(Transcript, "recognized", made_of, lambda: self.recognizer.transcribe(speech, language))

    def languages_in(self, speech: Samples) -> Mapping[str, float]:
        """Return the probability of each language in speech, float32 [S], made or found."""
        made_of = (speech, *self.made_of)
        return self.store.kept(dict[str, float], "languages", made_of, lambda: dict(self.recognizer.languages_in(speech)))


@dataclass(frozen=True)
class CachingReader:
    """A unit-to-text model whose readings are kept in a store."""

    reader: "UnitReader"
    store: Store
    arithmetic: str
    """as `Models.arithmetic`"""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it reads."""
        return self.reader.languages

    def read(self, units: Units) -> Transcript:
        """Return units with durations as text in their language, made or found."""
        made_of = (units.ids, units.durations, units.language, self.reader.fingerprint, self.arithmetic)
        return self.store.kept(Transcript, "readings", made_of, lambda: self.reader.read(units, units.language))
