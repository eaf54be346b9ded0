"""Quality estimation (confidence): how likely the words of a dub are right.

It is reported before anything is spoken. Words are estimated from the confidence of the models, calibrated on recordings (a
bundle's `Confidence`), and from visible faults: a translation that was cut, repeats a stretch, says another word, or is not in the
target language.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from av2unit.modality_selection import SelectedUnits
from avcore.checkpoints.bundle import bundle_of
from avcore.command import LOG
from avcore.contracts import Transcript
from avcore.domain import VIDEO_CAUSE, DomainScore, Stretch, outside_note
from avcore.errors import InputError, NotUnderstoodError
from avcore.files import write_text
from avcore.notes import Note, NoteKind
from avcore.units import Ids, Units, edit_distance
from avcore.words import ENGLISH, KOREAN, gettext_in, user_language
from netflips.bundles.confidence import Calibration, confidence_of, translation_readings
from netflips.recognizers.loops import is_loop, is_too_long, longest_run
from netflips.subtitles.sides import script_letters
from unit2text.text import normalise_for_reading

if TYPE_CHECKING:
    from netflips.models import Models

Words = Literal["sure", "unsure", "not_understood", "given", "unknown"]
Cause = Literal[
    "outside", "part", "cut", "loop", "other", "language", "untranslated", "echo", "subtitles", "unsayable", "unheard",
    "unjudged", "too_long", "changed",
]  # fmt: skip
DOUBTFUL = 0.6
"""Confidence below which a recognized word is doubtful: 27 of 414 words of a talk by Whisper base, of which 13 were wrong."""
SURE, LOST = 0.9, 0.15
"""Likelihood at or above which words are sure, and up to which they are not understood."""
_MOSTLY, _READER_ERRS = 0.5, 0.3
"""Share of a recording or an utterance up to which it is not understood; and share of letters that a unit-to-text model gets
wrong."""
_LEAST_LOOP, _LEAST_TWICE = 12, 16
"""Units of a loop: a stretch three times in a row with 12 units in all, or a stretch of 16 units twice. Korean reduplications, as
빨리빨리, are shorter; the 2,357 reference sentences of the demo have no such stretch."""
_FUNCTION_LETTERS = 3
"""Letters of English words that may be function words, at most."""

_TEXTS: Final[Mapping[str, str]] = {
    "sure": "understood: sure ({share}%)",
    "unsure": "understood: unsure ({share}%)",
    "not_understood": "not understood ({share}%): it most likely means nothing",
    "given": "the text was given",
    "unknown": "these models do not say what they know",
    "lost": "{lost} of {of} not understood",
    "outside": "these models know other sentences",
    "part": "a part of it is nothing that the models know",
    "cut": "its translation was cut at the limit of length",
    "loop": "a model repeats a stretch",
    "other": "the translation contains words that were not heard",
    "language": "it is in another language",
    "untranslated": "it was not translated",
    "echo": "its translation is not in the other language",
    "subtitles": "its subtitles say something else than was heard",
    "unsayable": "it has words or signs without a reading",
    "unheard": "the speech was hard to make out",
    "too_long": "its translation is too long for its time",
    "changed": "its translation changes what is said",
    "unjudged": "whether the translation is right is not judged",
}
"""Texts of the output by grade and cause."""


@dataclass(frozen=True)
class QualityEstimate:
    """The quality estimate of an utterance or a recording."""

    words: Words = "unknown"
    """the grade: whether the words were recognized and translated rightly; a dub stops by it"""
    share: float | None = None
    """how likely its words are right, 0 to 1; of a recording, the mean over its time; None = unknown"""
    causes: tuple[Cause, ...] = ()
    """why the grade is not higher, in the order of `Cause`"""
    lost: int = 0
    """number of utterances that are not understood"""
    of: int = 1
    """number of utterances"""
    unsure: int = 0
    """number of utterances whose words are unsure"""

    def as_json(self) -> dict[str, Any]:
        """Return numbers and codes, with the words as a sentence in English and in Korean."""
        text = {language: self.text(language) for language in (ENGLISH, KOREAN)}
        return asdict(self) | {"causes": list(self.causes), "text": text}

    def text(self, language: str = ENGLISH) -> str:
        """Return the estimate of the words as a sentence."""
        say, share = gettext_in(language), round(100 * min(self.share or 0.0, 0.99))
        parts = [say(_TEXTS[self.words]).format(share=share)]
        if 0 < self.lost < self.of:
            parts.append(say(_TEXTS["lost"]).format(lost=self.lost, of=self.of))
        return "; ".join([*parts, *(say(_TEXTS[cause]) for cause in self.causes)])


GIVEN: Final = QualityEstimate("given")
"""The estimate of a text that a person gave."""


def estimate(share: float, *causes: Cause) -> QualityEstimate:
    """Return the estimate of words that are right with likelihood `share`. With a cause against them they are never sure."""
    words: Words = "not_understood" if share <= LOST else "sure" if share >= SURE and not causes else "unsure"
    ordered = tuple(cause for cause in get_args(Cause) if cause in causes)
    return QualityEstimate(words, round(share, 4), ordered, int(words == "not_understood"), unsure=int(words == "unsure"))


def combine(*estimates: QualityEstimate) -> QualityEstimate:
    """Return the estimate of an utterance from several of it: the least share, with the causes of all."""
    shares = [measure.share for measure in estimates if measure.share is not None]
    if shares:
        return estimate(min(shares), *(cause for measure in estimates for cause in measure.causes))
    return GIVEN if GIVEN in estimates else QualityEstimate()


def estimate_text(text: str, spelled_out: Sequence[str]) -> QualityEstimate:
    """Estimate a text that is spoken as it was given. spelled_out: its words without a reading, spelled letter by letter."""
    if not spelled_out:
        return GIVEN
    read = 1 - min(sum(map(len, spelled_out)) / max(sum(map(str.isalnum, text)), 1), 1.0)
    return estimate(read if read > _MOSTLY else 0.0, "unsayable")


def estimate_transcript(transcript: Transcript, known: Calibration | None, source: str = "", target: str = "") -> QualityEstimate:
    """Estimate a transcript, recognized or read.

    known: calibration of its confidence, None = not measured. source: the language that was asked for, "" = any; target: the
    language of the dub.
    """
    if transcript.has_loop:  # whose tokens have a high confidence
        return estimate(0.0, "loop")
    if source and transcript.language not in ("", source):  # speech in the target language stays as it is
        return estimate(1.0) if transcript.language == target else estimate(0.0, "language")
    if not transcript.words or known is None:
        return QualityEstimate()
    share = known.share({"confidence": transcript.confidence})
    weakest = min((word.confidence for place, word in enumerate(transcript.words) if _has_meaning(word.text, place)), default=1.0)
    if weakest < DOUBTFUL:  # the mean hides one wrong name or number; about half of such words are wrong
        share = min(share, max(weakest, _MOSTLY))
    return estimate(share) if share >= SURE else estimate(share, "unheard")


def _has_meaning(word: str, place: int) -> bool:
    """Return whether a word is one that a sentence is about, as a name or a number; function words are short.

    place: of the word, from 0.
    """
    letters = "".join(filter(str.isalnum, word))
    is_name = place > 0 and letters[:1].isupper() and len(letters) > 1
    return len(letters) > _FUNCTION_LETTERS or is_name or any(sign.isdigit() or sign >= "\u1100" for sign in letters)


def estimate_recording(utterances: Iterable[tuple[QualityEstimate, float]]) -> QualityEstimate:
    """Estimate a whole recording from its utterances with their lengths in seconds: the mean over time of those that have a share.

    It is not understood if half of its time or more is not, and sure if nine tenths are and no utterance is lost.
    """
    rows = list(utterances)
    seconds_of: dict[Words, float] = {words: sum(s for measure, s in rows if measure.words == words) for words in get_args(Words)}
    lost, unsure = sum(measure.lost for measure, _ in rows), sum(measure.unsure for measure, _ in rows)
    known = [(measure.share, seconds) for measure, seconds in rows if measure.share is not None]
    judged_s = seconds_of["sure"] + seconds_of["unsure"] + seconds_of["not_understood"]

    words: Words = "given" if seconds_of["given"] else "unknown"
    if lost and seconds_of["not_understood"] >= _MOSTLY * judged_s:
        words = "not_understood"
    elif known:
        words = "sure" if not lost and seconds_of["sure"] >= SURE * judged_s else "unsure"
    causes = {cause for measure, _ in rows for cause in measure.causes} if words != "sure" else ()
    ordered = tuple(cause for cause in get_args(Cause) if cause in causes)
    share = round(sum(share * seconds for share, seconds in known) / judged_s, 4) if judged_s else None
    return QualityEstimate(words, share, ordered, lost, len(rows), unsure)


_PLAIN = ("without --strict it goes on all the same",)


def require_sure(understanding: QualityEstimate, path: str | Path | None = None, ways: Sequence[str] = _PLAIN) -> None:
    """Raise NotUnderstoodError if any utterance is not understood, or unsure (--strict).

    path: of the speech, for the message. ways: what the user can do.
    """
    counts = {"not understood": understanding.lost, "unsure": understanding.unsure}
    if found := [f"{count} of {understanding.of} {words}" for words, count in counts.items() if count]:
        raise NotUnderstoodError("not all of it is surely understood", path=path, found=", ".join(found), hint="\n".join(ways))


def report_quality(understanding: QualityEstimate, of: object, path: Path | None = None) -> None:
    """Log the estimate of a file or a text, and write it if a path is given."""
    if path is not None:
        write_text(path, json.dumps(understanding.as_json(), ensure_ascii=False, indent=1) + "\n")

    language = user_language()
    if understanding.words == "not_understood":
        LOG.warning("%s: %s: %s", of, gettext_in(language)("warning"), understanding.text(language))
    elif understanding.words != "given":
        LOG.info("%s: %s", of, understanding.text(language))


def repeats_a_stretch(ids: Ids) -> bool:
    """Return whether merged units, int64 [U], repeat a stretch in a row, as a search does that finds no end."""
    for period in range(1, len(ids) // 2 + 1):
        same = ids[period:] == ids[:-period]
        # A run of n equal places is a stretch of `period` units, (n + period) / period times in a row.
        run = longest_run(same)
        if (run >= 2 * period and run + period >= _LEAST_LOOP) or (run >= period >= _LEAST_TWICE):
            return True
    return False


# Texts of models


def translation_fault(text: str, source_text: str, target: str, seconds: float) -> Cause | None:
    """Return what is wrong with a translation by its letters, None if nothing is. seconds: length of the utterance."""
    text = unicodedata.normalize("NFC", text)
    if not text:
        return "untranslated"
    if is_loop(text) and not is_loop(source_text):
        return "loop"

    words = [word for word in text.split() if any(map(str.isalpha, word))]
    own = [word for word in words if re.search(f"[{script_letters(target)}]", word)]
    # Names and numbers may stay in Latin letters in any translation.
    names = [word for word in words if word not in own and any(sign.isupper() or sign.isdigit() for sign in word)]
    if words and (not own or len(words) - len(own) - len(names) > len(own)):
        return "echo"
    if words and normalise_for_reading(text) == normalise_for_reading(source_text):
        return "echo"
    return "too_long" if is_too_long(text, seconds) else None


# What is spoken


def spell(text: str, language: str) -> str:
    """Return a text as it is read aloud, if that is known: recognizers write numbers and foreign words in different ways."""
    from text2unit.script import script_of  # imported late: its tables are large, and every command imports this module

    if language == KOREAN:
        with suppress(InputError):
            return " ".join(script_of(text, language).sentences)
    return text


def count_errors(recognized: str, text: str) -> tuple[int, int]:
    """Return how many characters of a text are wrong in a transcript, and its number of characters, without blanks and marks."""
    found, wanted = (np.array([ord(sign) for sign in normalise_for_reading(side) if sign != " "]) for side in (recognized, text))
    # At most all of them: a transcript that is far too long would make a share below 0.
    return min(edit_distance(found, wanted), len(wanted)), len(wanted)


# Estimating an utterance

Decide = Callable[[QualityEstimate], None]
"""Called with the estimate before anything is spoken or drawn; raises NotUnderstoodError to stop there."""
ReadUnits = Callable[[Units], str | None]
"""Returns units as text; None for those that the unit-to-text model does not read."""
SAYS_OTHER = NoteKind(
    "says_other",
    lambda values, say: say(
        '{u}the translation says "{spoken}" where "{recognized}" was heard'
        if values["recognized"]
        else '{u}the translation says "{spoken}", which was not heard'
    ),
)
REPEATS = NoteKind(
    "translation_repeats",
    "{u}the translation repeats a stretch: the result most likely means nothing there",
)


def estimate_utterance(
    models: "Models",
    source: SelectedUnits,
    spoken: Units,
    score: float | None,
    weakest: Stretch | None = None,
    *,
    read: ReadUnits | None = None,
    is_cut: bool = False,
) -> tuple[QualityEstimate, tuple[Note, ...]]:
    """Estimate an utterance by the confidence of the encoder and of the translator; with notes for the user.

    score: mean log-probability of the translation, None = a text was given; weakest: the stretch where it is lowest. read: reads
    units as text, None = no model does. is_cut: the search reached its limit. With a bundle's models, both sides are read as text
    and compared.
    """
    if score is None:
        return GIVEN, ()  # no model decided the words

    extraction, path = source.extraction, models.paths.utut
    known = None if path is None else models.kept("confidence", lambda: confidence_of(bundle_of(path)))
    readings = [*extraction.readings(models.extractor.domain), *(models.translator.readings(score, weakest) if path else ())]
    causes, others = find_strange(readings, extraction.known), list[tuple[str, str]]()
    if known is not None and read is not None and len(spoken):
        question = read(extraction.units)
        answer = question and read(spoken if spoken.durations is not None else models.vocoder.predict_durations(spoken))
        others = known.words.other_words(question, answer) if question and answer else []

    if known is None:  # only what lies outside of their domains is known
        share = None if not causes else LOST if "outside" in causes else _MOSTLY
    else:
        nearest = None if extraction.nearest is None else extraction.nearest.score
        share = known.translation.share(translation_readings(score, nearest, others))
    notes = [outside_note(readings, VIDEO_CAUSE if source.may_be_misled else None)]
    if is_cut:
        share, causes = 0.0, [*causes, "cut"]
    if repeats_a_stretch(spoken.ids) and not repeats_a_stretch(extraction.units.ids):
        share, causes = 0.0, [*causes, "loop"]
        notes.append(REPEATS())
    if others:
        causes = [*causes, "other"]
        recognized, said = (", ".join(filter(None, words)) for words in zip(*others, strict=True))
        notes.append(SAYS_OTHER(recognized=recognized, spoken=said))
    return QualityEstimate() if share is None else estimate(share, *causes), tuple(filter(None, notes))


def find_strange(readings: Iterable[DomainScore], known: float | None) -> list[Cause]:
    """Return whether all or a part lies outside of the models' domains. known: share of the speech that is like what they know."""
    strange = [reading.of for reading in readings if reading.is_strange]
    is_all = "least" in strange or known is None or known <= _MOSTLY
    return [] if not strange else ["outside"] if is_all else ["part"]


def compare_given_text(read: str, text: str) -> QualityEstimate:
    """Estimate an utterance by comparing the user's text with the reading of its units, which are what is translated."""
    errors, length = count_errors(read, text)
    share = 1 - errors / max(length, 1)
    return QualityEstimate() if share >= 1 - _READER_ERRS else estimate(share if share > _MOSTLY else 0.0, "subtitles")
