"""Speech as units and as text, and the targets of utterances: what is spoken in their place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple

from avcore.contracts import Transcript, Word
from avcore.domain import Stretch
from avcore.timeline import units_to_seconds
from avcore.units import Units
from netflips.quality_estimation import DOUBTFUL

_MARKED = re.compile(r"\w(?:.*\w)?")
"""Words without the punctuation around them."""
WrittenBy = Literal["person", "subtitles", "reader", "recognizer", "cascade"]
"""Who wrote a text. reader: a unit-to-text model; recognizer: a speech recognizer; cascade: a translator of text."""


@dataclass(frozen=True)
class UnitList:
    """Units as plain numbers."""

    ids: tuple[int, ...] = ()
    """int [U]"""
    durations: tuple[int, ...] | None = None
    """int [U], in steps; None: not predicted yet"""
    vocabulary: str = ""
    """fingerprint of the vocabulary that the ids belong to"""

    @classmethod
    def of(cls, units: Units) -> "UnitList":
        """Return units as plain numbers."""
        durations = None if units.durations is None else tuple(units.durations.tolist())
        return cls(tuple(units.ids.tolist()), durations, units.vocabulary)

    @property
    def seconds(self) -> float:
        """How long they last; 0 if the durations are unknown."""
        return float(units_to_seconds(sum(self.durations or ())))


@dataclass(frozen=True)
class Text:
    """Speech as text."""

    text: str
    language: str = ""
    by: WrittenBy = "person"
    words: tuple[Word, ...] = ()
    """its words with times from the utterance's beginning, where they are known"""
    has_loop: bool = False
    """whether a recognizer repeated a stretch again and again; the repetitions are left out"""

    @property
    def is_by_person(self) -> bool:
        """Whether a person wrote it, or changed what was read or recognized. A changed text differs from its words."""
        words = " ".join(word.text for word in self.words).split()
        return self.by in ("person", "subtitles") or self.text.split() != words

    @property
    def confidence(self) -> float | None:
        """Mean confidence of the words, 0 to 1; None if a person wrote it, or it has no words."""
        if self.by not in ("reader", "recognizer") or not self.words:
            return None
        return round(self.transcript.confidence, 4)

    @property
    def doubted(self) -> str:
        """The text with its doubtful words marked, as `lab (?admit) scientist`; none are where a person wrote it."""
        if self.is_by_person:
            return self.text
        runs = groupby(self.words, key=lambda word: word.confidence < DOUBTFUL)
        joined = ((is_doubtful, " ".join(word.text for word in run)) for is_doubtful, run in runs)
        return " ".join(_MARKED.sub(r"(?\g<0>)", text) if is_doubtful else text for is_doubtful, text in joined)

    @property
    def transcript(self) -> Transcript:
        """The same as a transcript."""
        return Transcript(self.text, self.language, self.words, self.has_loop)


@dataclass(frozen=True)
class TranslatedUnits:
    """A target: units from the unit translator."""

    kind: ClassVar = "translated"
    units: UnitList = UnitList()
    score: float | None = None
    """mean log-probability"""
    is_truncated: bool = False
    """whether the search ended it at its limit of length"""
    weakest: Stretch | None = None
    """stretch with the lowest score"""
    reading: Text | None = None
    """the units as text"""
    of: str = ""
    """the source text that was translated, "": it was not read. If the utterance's text differs, a person corrected that"""

    @property
    def seconds(self) -> float | None:
        """Its natural length; None if that was not predicted."""
        return None if self.units.durations is None else self.units.seconds


class TranslatedFrom(NamedTuple):
    """How the cascade translated a text."""

    of: str
    """the source text"""
    text: str = ""
    """its translation; if the target's text differs, a person changed that"""
    score: float | None = None
    """mean log-probability"""
    glossary: Mapping[str, str] = MappingProxyType({})
    """terms of the glossary that were used, by the word of the original"""


@dataclass(frozen=True)
class WrittenText:
    """A target: a text that is spoken."""

    kind: ClassVar = "written"
    text: str
    by: WrittenBy = "person"
    translation: TranslatedFrom | None = None
    """how the cascade translated it; None: it did not"""
    spoken_by: str = ""
    """a program or a file that speaks it, "": the text-to-unit model does"""
    seconds: float | None = None
    """its natural length, as predicted"""

    @property
    def is_translated(self) -> bool:
        """Whether the cascade translated it, and nobody has changed it."""
        return self.by == "cascade" and (self.translation is None or self.text == self.translation.text)


@dataclass(frozen=True)
class SpokenSound:
    """A target: speech from a file."""

    kind: ClassVar = "spoken"
    file: str
    """its path, beside the script"""
    digest: str = ""
    """digest of its content"""
    from_s: float = 0.0
    """where the speech begins in the file"""
    to_s: float | None = None
    """where it ends; None: at the file's end"""
    keep_sound: bool = False
    """whether its sound is used as it is, rather than spoken again in the speaker's voice"""
    reading: Text | None = None
    """the speech as text"""


@dataclass(frozen=True)
class GivenUnits:
    """A target: units from a file, or the source units themselves."""

    kind: ClassVar = "given"
    units: UnitList = UnitList()
    by: Literal["file", "source"] = "file"
    """where the units are from"""
    reading: Text | None = None
    """the units as text"""


@dataclass(frozen=True)
class KeptOriginal:
    """A target: the original stays, because a person asked for that."""

    kind: ClassVar = "kept"
    text: str = ""
    """what subtitles show for it in the target language, as of a quotation in a third one"""


Target = TranslatedUnits | WrittenText | SpokenSound | GivenUnits | KeptOriginal
TARGETS: tuple[type[Target], ...] = (TranslatedUnits, WrittenText, SpokenSound, GivenUnits, KeptOriginal)
