"""What is known of how well an utterance is understood, from the models of a dub."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from av2unit.trust import TrustedUnits
from avcore.checkpoints.bundle import bundle_of
from avcore.contracts import Transcript
from avcore.domain import PICTURE_CAUSE, Stretch, outside_note
from avcore.errors import InputError
from avcore.notes import Note, NoteKind
from avcore.programs import program_name
from avcore.understanding import (
    Evidence,
    Understanding,
    of_hearing,
    of_recording,
    of_speaker,
    of_text,
    of_utterance,
    repeats_a_stretch,
    worst,
)
from avcore.units import Units, edit_distance
from netflips.bundles.references import KnownPhrases, read_references
from netflips.dub.utterances import TimedUtterance
from netflips.models import Models
from unit2text.stage import TEXT_READER, UNITS
from unit2text.text import normalise_for_reading

Decide = Callable[[Understanding], None]
"""Told how much is understood before anything is spoken or drawn; raises NotUnderstoodError to stop there."""
SAYS_OTHER = NoteKind(
    "says_other",
    '{u}the translation says "{said}" where "{heard}" was heard',
    '{u}"{heard}"라고 들었는데 번역은 "{said}"라고 합니다',
)
SPEAKER_MISHEARD = NoteKind(
    "speaker_misheard",
    "{speaker} speaks the translation, and {recognizer} hears {wrong:.0%} of its characters wrong: it will hardly be understood",
    "{speaker}의 발음을 {recognizer}(으)로 들으면 글자의 {wrong:.0%}가 틀립니다. 알아듣기 어려울 것입니다.",
    "; make voices installs Kokoro-82M, which is understood better, and --speak-with names any other program",
)
REPEATS = NoteKind(
    "translation_repeats",
    "{u}the translation repeats a stretch: the result most likely means nothing there",
    "{u}번역이 같은 부분을 되풀이합니다. 그곳의 결과는 거의 뜻이 통하지 않습니다",
)


@dataclass(frozen=True)
class UtteranceJudgement:
    """confidence: mean log-probability of the units, None = none were taken. is_outside: None = the models name no domain.
    notice: what to tell a user of that, None = nothing; others: what else to tell. understanding: what all of it comes to.
    """

    confidence: float | None
    is_outside: bool | None
    notice: Note | None
    others: tuple[Note, ...] = ()
    understanding: Understanding = field(default_factory=Understanding)


@dataclass(frozen=True)
class SpeakerMeasure:
    """How a text-to-speech program is heard. wrong: characters that a recogniser hears wrongly, 0 to 1."""

    speaker: str
    recognizer: str
    wrong: float

    @property
    def understanding(self) -> Understanding:
        """What that says of whatever it speaks."""
        return of_speaker(self.wrong)

    @property
    def note(self) -> Note | None:
        """What to tell a user of it; None where it is understood."""
        if not self.understanding.causes:
            return None
        return SPEAKER_MISHEARD(speaker=self.speaker, recognizer=self.recognizer, wrong=self.wrong)


_ESPEAK = SpeakerMeasure("espeak-ng", "Whisper base", 0.84)
_KOREAN_SPEAKERS = {
    "avdata.prepare.say": _ESPEAK,
    "espeak-ng": _ESPEAK,
    "espeak": _ESPEAK,
    "netflips.cascade.kokoro": SpeakerMeasure("Kokoro-82M", "Whisper base", 0.13),
}
"""Programs whose Korean was measured (recipes/demo/NOTES.md), as `avcore.programs.program_name` calls them."""


def known_speaker(command: Sequence[str], target: str) -> SpeakerMeasure | None:
    """Return what is known of a program that speaks; None = nothing, or no program does."""
    return _KOREAN_SPEAKERS.get(program_name(command)) if command and target == "ko" else None


def measure_speaker(name: str, recognizer: str, pairs: Iterable[tuple[str, str]]) -> SpeakerMeasure | None:
    """Measure a program by a recogniser. pairs: what it had to say, and what was heard. None for nothing."""
    errors, length = 0, 0
    for text, heard in pairs:
        wanted, found = (np.array([ord(sign) for sign in normalise_for_reading(one) if sign != " "]) for one in (text, heard))
        errors += min(edit_distance(found, wanted), len(wanted))
        length += len(wanted)
    return SpeakerMeasure(name, recognizer, errors / length) if length else None


class Scored(Protocol):
    """What a translation says of itself."""

    @property
    def units(self) -> Units:
        """The translation."""

    @property
    def score(self) -> float | None:
        """Mean log-probability of a token; None = nothing was translated, a text was given."""

    @property
    def weakest(self) -> Stretch | None:
        """Where the tokens are least probable."""


def judge_utterance(models: Models, heard: TrustedUnits, translated: Scored, is_cut: bool = False) -> UtteranceJudgement:
    """Judge an utterance by how sure the encoder is of its units and the translator of what they mean.

    is_cut: the translation ended at the limit of the search. With a bundle's models both sides are read back and compared.
    """
    if translated.score is None:
        return UtteranceJudgement(heard.extraction.confidence, None, None)  # nothing was guessed that is said
    readings = [
        *heard.extraction.readings(models.extractor.domain),
        *models.translator.readings(translated.score, translated.weakest),
    ]
    repeats = repeats_a_stretch(translated.units.ids) and not repeats_a_stretch(heard.extraction.units.ids)
    outside = outside_note(readings, PICTURE_CAUSE if heard.may_be_misled else None)
    says_other = _says_other(models, heard, translated)
    names_domain = any(one.domain is not None for one in readings)
    return UtteranceJudgement(
        heard.extraction.confidence,
        outside is not None if names_domain else None,
        outside,
        (*([REPEATS()] if repeats else []), *([says_other] if says_other else [])),
        of_utterance(Evidence(readings, heard.extraction.known, is_cut, repeats, says_other is not None)),
    )


def _says_other(models: Models, heard: TrustedUnits, translated: Scored) -> Note | None:
    """Return what a translation says in place of what was heard; None where it says that, or a bundle has nothing to read it by."""
    bundle = None if models.paths.utut is None else bundle_of(models.paths.utut)
    units = heard.extraction.units
    if bundle is None or not bundle.references.is_file() or models.paths.other(TEXT_READER) is None or not len(translated.units):
        return None
    reader = models.other(TEXT_READER)
    if reader.takes != UNITS or units.durations is None or units.language not in reader.languages:
        return None
    book = models.kept("phrasebook", lambda: KnownPhrases(read_references(bundle.references)))
    words = book.other_words(reader.read(units, units.language).text, translated.units)
    return SAYS_OTHER(heard=", ".join(one for one, _ in words), said=", ".join(other for _, other in words)) if words else None


def judge_text(
    speller: Any, text: str, language: str, heard: Transcript | None = None, speaker: SpeakerMeasure | None = None
) -> UtteranceJudgement:
    """Judge an utterance that is spoken from a text: by the words that the speller learnt, and how sure a recogniser is of its own.

    speller: None = it is not spoken by one. heard: what the text was translated from, None = a user wrote it. speaker: the program
    that speaks it, None = nothing is known of it.
    """
    share, note = None, None
    if speller is not None:
        with suppress(InputError):  # what cannot be said is told where it is spoken
            share, note = speller.knows(text, language)
    hearing = of_hearing(heard.confidence if heard is not None and heard.words else None)
    spoken = Understanding() if speaker is None else speaker.understanding
    return UtteranceJudgement(None, None, None, () if note is None else (note,), worst(hearing, of_text(share), spoken))


def whole_of(judged: Mapping[int, UtteranceJudgement], utterances: Sequence[TimedUtterance]) -> Understanding:
    """Measure a recording by its utterances. judged: by number, those of which anything is known."""
    return of_recording((judged[one.number].understanding, one.seconds) for one in utterances if one.number in judged)


def go_on(understanding: Understanding) -> None:
    """Go on whatever the measure is."""


def outside_notes(judged: Mapping[int, UtteranceJudgement]) -> dict[int, Note]:
    """Return the notes of the utterances of a recording that are outside, by number; each says among how many."""
    strange = {number: one.notice for number, one in judged.items() if one.notice is not None}
    return {number: Note(note.code, {**note.values, "among": len(judged)}) for number, note in strange.items()}
