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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from av2unit.modality_selection import SelectedUnits
from avcore.checkpoints.bundle import bundle_of, find_bundle
from avcore.command import LOG
from avcore.contracts import Transcript
from avcore.domain import VIDEO_CAUSE, DomainScore, Stretch, outside_note
from avcore.errors import InputError, NotUnderstoodError
from avcore.files import write_text
from avcore.notes import Note, NoteKind
from avcore.units import Ids, Units, edit_distance
from avcore.words import ENGLISH, KOREAN, gettext_in, user_language
from netflips.bundles.confidence import Calibration, Confidence, confidence_of, translation_readings
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
    "other": "its translation says another word than was heard",
    "language": "it is in another language",
    "untranslated": "it was not translated",
    "echo": "its translation is not in the other language",
    "subtitles": "its subtitles say something else than was heard",
    "unsayable": "it has words or signs without a reading",
    "unheard": "it was heard unsurely",
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


def likely(share: float, *causes: Cause) -> QualityEstimate:
    """Return the estimate of words that are right with likelihood `share`. With a cause against them they are never sure."""
    words: Words = "not_understood" if share <= LOST else "sure" if share >= SURE and not causes else "unsure"
    return QualityEstimate(
        words, round(share, 4), causes=causes, lost=int(words == "not_understood"), unsure=int(words == "unsure")
    )


def broken(cause: Cause) -> QualityEstimate:
    """Return the estimate of an utterance whose words are lost."""
    return likely(0.0, cause)


def of_text(text: str, spelled_out: Sequence[str]) -> QualityEstimate:
    """Estimate a text that is spoken as it was given. spelled_out: its words without a reading, spelled letter by letter."""
    read = 1 - min(sum(map(len, spelled_out)) / max(sum(map(str.isalnum, text)), 1), 1.0)
    return GIVEN if not spelled_out else likely(read, "unsayable") if read > _MOSTLY else broken("unsayable")


def of_hearing(transcript: Transcript, known: Calibration | None, source: str = "", target: str = "") -> QualityEstimate:
    """Estimate a transcript, recognized or read.

    known: calibration of its confidence, None = not measured. source: the language that was asked for, "" = any; target: the
    language of the dub.
    """
    if transcript.has_loop:  # whose tokens have a high confidence
        return broken("loop")
    if source and transcript.language and transcript.language != source:
        return likely(1.0) if transcript.language == target else broken("language")  # speech in the target language stays as it is
    if not transcript.words or known is None:
        return QualityEstimate()
    share = known.share({"confidence": transcript.confidence})
    weakest = min((word.confidence for place, word in enumerate(transcript.words) if _has_meaning(word.text, place)), default=1.0)
    if weakest < DOUBTFUL:  # the mean hides one wrong name or number; about half of such words are wrong
        share = min(share, max(weakest, _MOSTLY))
    return likely(share) if share >= SURE else likely(share, "unheard")


def _has_meaning(word: str, place: int) -> bool:
    """Return whether a word is one that a sentence is about, as a name or a number; function words are short.

    place: of the word, from 0.
    """
    letters = "".join(filter(str.isalnum, word))
    is_name = place > 0 and letters[:1].isupper() and len(letters) > 1
    return (
        any(map(str.isdigit, letters)) or is_name or len(letters) > _FUNCTION_LETTERS or any(sign >= "\u1100" for sign in letters)
    )


def recognition() -> Calibration | None:
    """Return the calibration of a speech recognizer in the bundle that comes with NetfLips; None if there is none."""
    known = confidence_of(find_bundle())
    return None if known is None else known.recognition


def strange_causes(readings: Iterable[DomainScore], known: float | None) -> tuple[Cause, ...]:
    """Return whether all or a part lies outside of the models' domains. known: share of the speech that is like what they know."""
    strange = [one.of for one in readings if one.is_strange]
    is_all = "least" in strange or known is None or known <= _MOSTLY
    return () if not strange else ("outside",) if is_all else ("part",)


def _by_bounds(strange: Sequence[Cause]) -> QualityEstimate:
    """Return the estimate for models without a calibration: only what lies outside of their domains is known."""
    return likely(LOST if "outside" in strange else _MOSTLY, *strange) if strange else QualityEstimate()


def worst(*measures: QualityEstimate) -> QualityEstimate:
    """Return the worst of several estimates of one utterance, with the causes of all and the least share."""
    rank: Sequence[Words] = ("not_understood", "unsure", "sure", "given", "unknown")
    found = min(measures, key=lambda one: rank.index(one.words))
    shares = [one.share for one in measures if one.share is not None]
    return replace(found, share=min(shares, default=None), causes=_causes_of(measures))


def of_recording(utterances: Iterable[tuple[QualityEstimate, float]]) -> QualityEstimate:
    """Estimate a whole recording from its utterances with their lengths in seconds: the mean over time of those that have a share.

    It is not understood if half of its time or more is not, and sure if nine tenths are and no utterance is lost.
    """
    rows = list(utterances)
    known = [(one, seconds) for one, seconds in rows if one.share is not None]
    lost, unsure = (sum(one.words == words for one, _ in known) for words in ("not_understood", "unsure"))
    parts: dict[Words, float] = {words: sum(seconds for one, seconds in rows if one.words == words) for words in get_args(Words)}
    graded_s = parts["sure"] + parts["unsure"] + parts["not_understood"]

    words: Words = "given" if parts["given"] else "unknown"
    if lost and parts["not_understood"] >= _MOSTLY * graded_s:
        words = "not_understood"
    elif known:
        words = "sure" if not lost and parts["sure"] >= SURE * graded_s else "unsure"
    causes = _causes_of([one for one, _ in rows]) if words != "sure" else ()
    return QualityEstimate(words, _mean_share(known), causes, lost, len(rows), unsure)


def _causes_of(measures: Iterable[QualityEstimate]) -> tuple[Cause, ...]:
    found = {cause for one in measures for cause in one.causes}
    return tuple(cause for cause in get_args(Cause) if cause in found)


def _mean_share(rows: Iterable[tuple[QualityEstimate, float]]) -> float | None:
    """Return the mean share over the time of the estimates that have one, None if none has."""
    known = [(one.share, seconds) for one, seconds in rows if one.share is not None]
    length = sum(seconds for _, seconds in known)
    return round(sum(share * seconds for share, seconds in known) / length, 4) if length > 0 else None


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


def as_read(text: str, language: str) -> str:
    """Return a text as it is read aloud, if that is known: recognizers write numbers and foreign words in different ways."""
    from text2unit.script import script_of  # imported late: its tables are large, and every command imports this module

    if language == KOREAN:
        with suppress(InputError):
            return " ".join(script_of(text, language).sentences)
    return text


def errors_in(recognized: str, text: str) -> tuple[int, int]:
    """Return how many characters of a text are wrong in a transcript, and its number of characters, without blanks and marks."""
    found, wanted = (np.array([ord(sign) for sign in normalise_for_reading(one) if sign != " "]) for one in (recognized, text))
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

    known, extraction = _known(models), source.extraction
    readings = [
        *extraction.readings(models.extractor.domain),
        *(models.translator.readings(score, weakest) if models.paths.utut else ()),
    ]
    strange = strange_causes(readings, extraction.known)
    others = [] if known is None or read is None else _other_words(models, known, read, source, spoken)
    if known is None:
        found = _by_bounds(strange)
    else:
        nearest = None if extraction.nearest is None else extraction.nearest.score
        share = known.translation.share(translation_readings(score, nearest, others))
        found = likely(share, *strange, *(("other",) if others else ()))

    faults: dict[Cause, bool] = {
        "cut": is_cut,
        "loop": repeats_a_stretch(spoken.ids) and not repeats_a_stretch(extraction.units.ids),
    }
    notes = [outside_note(readings, VIDEO_CAUSE if source.may_be_misled else None), REPEATS() if faults["loop"] else None]
    if others:
        notes.append(
            SAYS_OTHER(recognized=", ".join(one for one, _ in others if one), spoken=", ".join(other for _, other in others))
        )
    return worst(found, *(broken(cause) for cause, is_there in faults.items() if is_there)), tuple(filter(None, notes))


def compare_given_text(read: str, text: str) -> QualityEstimate:
    """Estimate an utterance by comparing the user's text with the reading of its units, which are what is translated."""
    errors, length = errors_in(read, text)
    share = 1 - errors / max(length, 1)
    if share <= _MOSTLY:
        return broken("subtitles")
    return likely(share, "subtitles") if share < 1 - _READER_ERRS else QualityEstimate()


def _known(models: "Models") -> Confidence | None:
    """Return the confidence data of the bundle that the translator is from; None if it is from none."""
    path = models.paths.utut
    return None if path is None else models.kept("confidence", lambda: confidence_of(bundle_of(path)))


def _other_words(
    models: "Models", known: Confidence, read: ReadUnits, source: SelectedUnits, spoken: Units
) -> list[tuple[str, str]]:
    """Return pairs of a word of the source and the other word in the translation; none if no model reads the units."""
    if not len(spoken):
        return []
    question = read(source.extraction.units)
    answer = question and read(spoken if spoken.durations is not None else models.vocoder.predict_durations(spoken))
    return known.words.other_words(question, answer) if question and answer else []
