"""Whether an utterance is what the models were made for, as far as they say what that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from av2unit.trust import TrustedUnits
from avcore.notes import Note
from avcore.units.domain import PICTURE_CAUSE, Stretch, outside_note
from netflips.models import Models


@dataclass(frozen=True)
class UtteranceJudgement:
    """confidence: mean log-probability of the units, None = none were taken. is_outside: None = the models name no domain.
    notice: what to tell a user, None = nothing.
    """

    confidence: float | None
    is_outside: bool | None
    notice: Note | None


class Scored(Protocol):
    """What a translation says of itself."""

    @property
    def score(self) -> float | None:
        """Mean log-probability of a token; None = nothing was translated, a text was given."""

    @property
    def weakest(self) -> Stretch | None:
        """Where the tokens are least probable."""


def judge_utterance(models: Models, heard: TrustedUnits, translated: Scored) -> UtteranceJudgement:
    """Judge an utterance by how sure the encoder is of its units and the translator of what they mean."""
    if translated.score is None:
        return UtteranceJudgement(heard.extraction.confidence, None, None)  # nothing was guessed that is said
    readings = [
        *heard.extraction.readings(models.extractor.domain),
        *models.translator.readings(translated.score, translated.weakest),
    ]
    notice = outside_note(readings, PICTURE_CAUSE if heard.may_be_misled else None)
    names_domain = any(one.domain is not None for one in readings)
    return UtteranceJudgement(heard.extraction.confidence, notice is not None if names_domain else None, notice)


def outside_notes(judged: Mapping[int, UtteranceJudgement]) -> dict[int, Note]:
    """The notes of the utterances of a recording that are outside, by number; each says among how many."""
    strange = {number: one.notice for number, one in judged.items() if one.notice is not None}
    return {number: Note(note.code, {**note.values, "among": len(judged)}) for number, note in strange.items()}
