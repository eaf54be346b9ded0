"""How much is understood: how likely the words are right, and, apart from that, how well the voice is heard.

It is told before the work. Words are judged by what the models say of themselves, calibrated on recordings (a bundle's
`Confidence`), and by faults that are seen in them: a translation that was cut, repeats a stretch, says another word, or is in no
other language. A voice is judged by what recognizers of others hear of it.
"""

import json
import re
import unicodedata
import zlib
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
from avcore.domain import PICTURE_CAUSE, DomainScore, Stretch, outside_note
from avcore.errors import InputError, NotUnderstoodError
from avcore.files import write_text
from avcore.notes import Note, NoteKind
from avcore.programs import program_name
from avcore.units import Ids, Units, edit_distance
from avcore.words import ENGLISH, KOREAN, gettext_in, user_language
from netflips.bundles.confidence import Calibration, Confidence, confidence_of, translation_readings
from netflips.subtitles.sides import script_letters
from text2unit.script import script_of
from unit2text.stage import UNIT2TEXT, UNITS
from unit2text.text import normalise_for_reading

if TYPE_CHECKING:
    from netflips.models import Models

Words = Literal["sure", "unsure", "not_understood", "given", "unknown"]
Cause = Literal[
    "outside", "part", "cut", "loop", "other", "language", "untranslated", "echo", "told", "meaning", "unsayable", "unheard",
    "unjudged",
]  # fmt: skip
SURE, LOST = 0.9, 0.15
"""How likely words are right that are sure, or not understood."""
_MOSTLY, _READER_ERRS = 0.5, 0.3
"""Share of a recording or an utterance up to which it is not understood; and of letters that a unit-to-text model gets wrong."""
_LEAST_LOOP, _LEAST_TWICE = 12, 16
"""Units of a repeated stretch: three times the same and 12 in all, or a stretch of 16 said twice. Words that Korean doubles, as
빨리빨리, are shorter; the 2,357 reference sentences of the demo have no such stretch."""
_MOST_COMPRESSED, _MOST_LETTERS_A_SECOND = 2.4, 35.0
"""Bytes of a text by those of its compressed form, from which on Whisper's authors take it for a loop (Radford et al. 2023, section
4.5); and letters, Hangul by its strokes: people say 10 to 25 a second."""
_LEAST_TIMES, _LEAST_LETTERS = 4, 20
"""Of a stretch of a text that is repeated, in a row and in all."""

_TEXTS: Final[Mapping[str, str]] = {
    "sure": "understood: sure ({share}%)",
    "unsure": "understood: unsure ({share}%)",
    "not_understood": "not understood ({share}%): it most likely means nothing",
    "given": "the text was given",
    "unknown": "these models do not say what they know",
    "lost": "{lost} of {of} not understood",
    "voice": "listeners hear about {share}% of the voice",
    "outside": "these models know other sentences",
    "part": "a part of it is nothing that the models know",
    "cut": "its translation was cut at the limit of length",
    "loop": "a model repeats a stretch",
    "other": "its translation says another word than was heard",
    "language": "it is in another language",
    "untranslated": "it was not translated",
    "echo": "its translation is not in the other language",
    "told": "its subtitles say something else than was heard",
    "meaning": "translated back, it says something else",
    "unsayable": "it has words or signs without a reading",
    "unheard": "it was heard unsurely",
    "unjudged": "whether the translation is right is not judged",
}
"""Words of the output."""


@dataclass(frozen=True)
class QualityEstimate:
    """How much is understood of an utterance or a recording."""

    words: Words = "unknown"
    """whether they were heard and translated rightly; the grade, by which --strict stops"""
    share: float | None = None
    """how likely its words are right, 0 to 1; of a recording, the mean over its time; None = not known"""
    voice: float | None = None
    """share of its characters that listeners hear, as far as it was measured; it changes no grade"""
    causes: tuple[Cause, ...] = ()
    """why it is not more, in their order above"""
    lost: int = 0
    """utterances that are not understood"""
    of: int = 1
    """of so many"""

    def as_json(self) -> dict[str, Any]:
        """Return numbers and codes, with the texts of the verdict and of the voice in English and in Korean."""
        told = {language: self.text(language) for language in (ENGLISH, KOREAN)}
        voice = {language: self.voice_text(language) for language in told}
        return asdict(self) | {"causes": list(self.causes), "text": told, "voice_text": voice}

    def text(self, language: str = ENGLISH) -> str:
        """Return the verdict on the words in a sentence."""
        say, share = gettext_in(language), round(100 * min(self.share or 0.0, 0.99))
        told = [say(_TEXTS[self.words]).format(share=share)]
        if 0 < self.lost < self.of:
            told.append(say(_TEXTS["lost"]).format(lost=self.lost, of=self.of))
        return "; ".join([*told, *(say(_TEXTS[cause]) for cause in self.causes)])

    def voice_text(self, language: str = ENGLISH) -> str:
        """Return how well the voice is heard in a sentence, "" where it was not measured."""
        return "" if self.voice is None else gettext_in(language)(_TEXTS["voice"]).format(share=round(100 * self.voice))


GIVEN: Final = QualityEstimate("given")
"""Of a text that a person gave."""


def likely(share: float, *causes: Cause) -> QualityEstimate:
    """Return the measure of words that are right with a likelihood, with what speaks against them: then they are never sure."""
    words: Words = "not_understood" if share <= LOST else "sure" if share >= SURE and not causes else "unsure"
    return QualityEstimate(words, round(share, 4), causes=causes, lost=int(words == "not_understood"))


def broken(cause: Cause) -> QualityEstimate:
    """Return the measure of an utterance of which nothing is said, or nothing that means it."""
    return likely(0.0, cause)


def of_text(text: str, spelt: Sequence[str], voice: float | None) -> QualityEstimate:
    """Measure a text that is spoken as it was given. spelt: its words without a reading, which are spelt letter by letter."""
    read = 1 - min(sum(map(len, spelt)) / max(sum(map(str.isalnum, text)), 1), 1.0)
    found = GIVEN if not spelt else likely(read, "unsayable") if read > _MOSTLY else broken("unsayable")
    return replace(found, voice=voice)


def of_hearing(heard: Transcript, known: Calibration | None, source: str = "", target: str = "") -> QualityEstimate:
    """Measure what was recognised or read. known: how often that is right, None = it was not measured.

    source: the language that was asked for, "" = any; target: what it is translated into. Tokens in a loop are sure of themselves.
    """
    if heard.has_loop:
        return broken("loop")
    if source and heard.language and heard.language != source:
        return likely(1.0) if heard.language == target else broken("language")  # as it stands
    if not heard.words or known is None:
        return QualityEstimate()
    share = known.share({"confidence": heard.confidence})
    return likely(share) if share >= SURE else likely(share, "unheard")


def recognition() -> Calibration | None:
    """Return how often a recognizer is right, as the models that come with NetfLips have it; None where none do."""
    known = confidence_of(find_bundle())
    return None if known is None else known.recognition


def strange_causes(readings: Iterable[DomainScore], known: float | None) -> tuple[Cause, ...]:
    """Return what lies outside of the domains of the models. known: share of the speech that is like what they know."""
    strange = [one.of for one in readings if one.is_strange]
    is_all = "least" in strange or known is None or known <= _MOSTLY
    return () if not strange else ("outside",) if is_all else ("part",)


def _by_bounds(strange: Sequence[Cause]) -> QualityEstimate:
    """Return the measure of models of which only the bounds of their domains are known: nothing is known of what lies within."""
    return likely(LOST if "outside" in strange else _MOSTLY, *strange) if strange else QualityEstimate()


def worst(*measures: QualityEstimate) -> QualityEstimate:
    """Return the worst of several measures of one utterance, with the causes of all and the least share and voice."""
    rank: Sequence[Words] = ("not_understood", "unsure", "sure", "given", "unknown")
    found = min(measures, key=lambda one: rank.index(one.words))
    shares, voices = ([value for one in measures if (value := getattr(one, name)) is not None] for name in ("share", "voice"))
    return replace(found, share=min(shares, default=None), voice=min(voices, default=None), causes=_causes_of(measures))


def of_recording(utterances: Iterable[tuple[QualityEstimate, float]]) -> QualityEstimate:
    """Measure a whole recording from its utterances, each with its length (s): by time, those without a share left out.

    It is not understood where half of it or more is not, and sure where nine tenths are and none is not understood.
    """
    rows = list(utterances)
    known = [(one, seconds) for one, seconds in rows if one.share is not None]
    lost = sum(one.words == "not_understood" for one, _ in known)
    parts: dict[Words, float] = {words: sum(seconds for one, seconds in rows if one.words == words) for words in get_args(Words)}
    judged = parts["sure"] + parts["unsure"] + parts["not_understood"]
    words: Words = "given" if parts["given"] else "unknown"
    if lost and parts["not_understood"] >= _MOSTLY * judged:
        words = "not_understood"
    elif known:
        words = "sure" if not lost and parts["sure"] >= SURE * judged else "unsure"
    causes = _causes_of([one for one, _ in rows]) if words != "sure" else ()
    return QualityEstimate(words, _mean(known, "share"), _mean(rows, "voice"), causes, lost, len(rows))


def _causes_of(measures: Iterable[QualityEstimate]) -> tuple[Cause, ...]:
    found = {cause for one in measures for cause in one.causes}
    return tuple(cause for cause in get_args(Cause) if cause in found)


def _mean(rows: Iterable[tuple[QualityEstimate, float]], name: str) -> float | None:
    """Return the mean of a figure over the time (s) of those that have it, None where none has."""
    known = [(value, seconds) for one, seconds in rows if (value := getattr(one, name)) is not None]
    length = sum(seconds for _, seconds in known)
    return round(sum(value * seconds for value, seconds in known) / length, 4) if length > 0 else None


def stop_where_lost(understanding: QualityEstimate) -> None:
    """Raise NotUnderstoodError where any of it is not understood, as --strict asks for."""
    if understanding.lost:
        found = f"{understanding.lost} of {understanding.of} not understood"
        raise NotUnderstoodError("too little of it is understood", found=found, hint="without --strict it goes on all the same")


def report_quality(understanding: QualityEstimate, of: object, is_strict: bool, path: Path | None = None) -> bool:
    """Print the measure of a file or a text, and write it where a path is given; returns whether it is not understood.

    Raises NotUnderstoodError where anything is not and `is_strict`.
    """
    if path is not None:
        write_text(path, json.dumps(understanding.as_json(), ensure_ascii=False, indent=1) + "\n")
    is_lost, language = understanding.words == "not_understood", user_language()
    if is_lost:
        LOG.warning("%s: %s: %s", of, gettext_in(language)("warning"), understanding.text(language))
    elif understanding.words != "given":
        LOG.info("%s: %s", of, understanding.text(language))
    if voice := understanding.voice_text(language):
        LOG.info("%s: %s", of, voice)
    if is_strict:
        stop_where_lost(understanding)
    return is_lost


def repeats_a_stretch(ids: Ids) -> bool:
    """Return whether merged units, int64 [U], say a stretch several times in a row, as a search does that does not find its end."""
    for period in range(1, len(ids) // 2 + 1):
        same = ids[period:] == ids[:-period]
        # A run of n equal places is a stretch of `period` units that is said (n + period) / period times.
        run = _longest_run(same)
        if (run >= 2 * period and run + period >= _LEAST_LOOP) or (run >= period >= _LEAST_TWICE):
            return True
    return False


# Texts of models


def is_loop(text: str, seconds: float | None = None) -> bool:
    """Return whether a model wrote a text that nobody says: it compresses too well, repeats a stretch, or is too long for its time.

    seconds: of the speech, None = not known.
    """
    written = text.encode()
    if len(written) > _MOST_COMPRESSED * len(zlib.compress(written)):
        return True
    letters = np.array([ord(sign) for sign in text.casefold() if sign.isalnum()], np.int64)
    strokes = sum(sign.isalpha() for sign in unicodedata.normalize("NFD", text))
    if seconds is not None and strokes > _MOST_LETTERS_A_SECOND * max(seconds, 1.0):
        return True
    for period in range(1, len(letters) // _LEAST_TIMES + 1):
        run = _longest_run(letters[period:] == letters[:-period]) + period
        if run >= max(_LEAST_TIMES * period, _LEAST_LETTERS, len(letters) // 2):
            return True
    return False


def translation_fault(text: str, source_text: str, target: str, seconds: float) -> Cause | None:
    """Return what is wrong with a translation by its letters; None = nothing is. seconds: of the utterance."""
    text = unicodedata.normalize("NFC", text)
    if not text:
        return "untranslated"
    if is_loop(text, seconds) and not is_loop(source_text):
        return "loop"
    words = [word for word in text.split() if any(map(str.isalpha, word))]
    own = [word for word in words if re.search(f"[{script_letters(target)}]", word)]
    names = [word for word in words if word not in own and any(sign.isupper() or sign.isdigit() for sign in word)]
    if words and (not own or len(words) - len(own) - len(names) > len(own)):
        return "echo"
    return "echo" if words and normalise_for_reading(text) == normalise_for_reading(source_text) else None


# What is spoken


@dataclass(frozen=True)
class SpeakerMeasure:
    """How what speaks is heard in a dub."""

    speaker: str
    recognizer: str
    wrong: float
    """share of the characters that the recognizer hears wrongly"""

    @property
    def note(self) -> Note | None:
        """What to tell a user of a program; None where it is understood."""
        return SPEAKER_MISHEARD(**vars(self)) if self.wrong >= 1 - _MOSTLY else None


_JUDGE = "Whisper base"
KOKORO, ESPEAK = SpeakerMeasure("Kokoro-82M", _JUDGE, 0.52), SpeakerMeasure("espeak-ng", _JUDGE, 0.79)
_OWN = {KOKORO: 0.13, ESPEAK: 0.84}
"""As `--keep-sound` leaves them."""
_SQUEEZED = (0.5, 0.65, 0.8), (0.51, 0.86, 1.0)
"""What is left of what is heard where speech is that share of its natural length. All measured on sentences that nothing was
trained on (docs/cascade.md)."""
_PROGRAMS = {"avdata.prepare.say": ESPEAK, "espeak-ng": ESPEAK, "espeak": ESPEAK, "netflips.cascade.kokoro": KOKORO}
"""Programs whose Korean was measured, as `avcore.programs.program_name` calls them."""


def known_speaker(command: Sequence[str], target: str, keeps_sound: bool = False) -> SpeakerMeasure | None:
    """Return what is known of a program that speaks; None = nothing, or no program does."""
    found = _PROGRAMS.get(program_name(command)) if command and target == "ko" else None
    return replace(found, wrong=_OWN[found]) if found is not None and keeps_sound else found


def measure_speaker(name: str, recognizer: str, heard: Iterable[tuple[str, str, float]]) -> SpeakerMeasure | None:
    """Measure a program by a recognizer. heard: texts, what was heard, and at which share of its natural length it was said.

    What squeezing cost is not counted: it is another in each utterance. None for nothing.
    """
    rows = [(*errors_in(found, text), factor) for text, found, factor in heard]
    length = sum(wanted for _, wanted, _ in rows)
    right = sum(min((wanted - errors) / squeezed(factor), wanted) for errors, wanted, factor in rows)
    return SpeakerMeasure(name, recognizer, 1 - right / length) if length else None


def squeezed(factor: float) -> float:
    """Return what is left of what is heard of speech at a share of its natural length; below the least it is cut as well."""
    return float(np.interp(factor, *_SQUEEZED)) * min(factor / _SQUEEZED[0][0], 1.0)


def as_read(text: str, language: str) -> str:
    """Return a text as it is read aloud, where that is known: recognizers write numbers and foreign words as they like."""
    if language == KOREAN:
        with suppress(InputError):
            return " ".join(script_of(text, language).sentences)
    return text


def errors_in(heard: str, text: str) -> tuple[int, int]:
    """Return how many characters of a text were heard wrongly, and how many there are; blanks and marks are not compared."""
    found, wanted = (np.array([ord(sign) for sign in normalise_for_reading(one) if sign != " "]) for one in (heard, text))
    return min(edit_distance(found, wanted), len(wanted)), len(wanted)


def _longest_run(same: "np.ndarray[Any, np.dtype[np.bool_]]") -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


# Judging an utterance

Decide = Callable[[QualityEstimate], None]
"""Told how much is understood before anything is spoken or drawn; raises NotUnderstoodError to stop there."""
SAYS_OTHER = NoteKind(
    "says_other",
    lambda values, say: say(
        '{u}the translation says "{said}" where "{heard}" was heard'
        if values["heard"]
        else '{u}the translation says "{said}", which was not heard'
    ),
)
SPEAKER_MISHEARD = NoteKind(
    "speaker_misheard",
    "{speaker} speaks the translation, and {recognizer} hears {wrong:.0%} of its characters wrong: it will hardly be understood",
    "; a text-to-unit model, or another program of --speak-with, may be understood better",
)
REPEATS = NoteKind(
    "translation_repeats",
    "{u}the translation repeats a stretch: the result most likely means nothing there",
)


def estimate_utterance(
    models: "Models",
    heard: SelectedUnits,
    said: Units,
    score: float | None,
    weakest: Stretch | None = None,
    *,
    is_cut: bool = False,
) -> tuple[QualityEstimate, tuple[Note, ...]]:
    """Judge an utterance by how sure the encoder is of its units and the translator of what they mean; with notes for the user.

    score: mean log-probability of the translation, None = nothing was translated, a text was given; weakest: where it is lowest.
    is_cut: it ended at the limit of the search. With a bundle's models both sides are read back and compared.
    """
    if score is None:
        return GIVEN, ()  # nothing was guessed that is said
    known, extraction = _known(models), heard.extraction
    readings = [*extraction.readings(models.extractor.domain), *models.translator.readings(score, weakest)]
    strange = strange_causes(readings, extraction.known)
    others = [] if known is None else _other_words(models, known, heard, said)
    if known is None:
        found = _by_bounds(strange)
    else:
        nearest = None if extraction.nearest is None else extraction.nearest.score
        share = known.translation.share(translation_readings(score, nearest, others))
        found = replace(likely(share, *strange, *(("other",) if others else ())), voice=known.voice)
    faults: dict[Cause, bool] = {"cut": is_cut, "loop": repeats_a_stretch(said.ids) and not repeats_a_stretch(extraction.units.ids)}
    notes = [outside_note(readings, PICTURE_CAUSE if heard.may_be_misled else None), REPEATS() if faults["loop"] else None]
    if others:
        notes.append(SAYS_OTHER(heard=", ".join(one for one, _ in others if one), said=", ".join(other for _, other in others)))
    return worst(found, *(broken(cause) for cause, is_there in faults.items() if is_there)), tuple(filter(None, notes))


def compare_given_text(models: "Models", heard: SelectedUnits, text: str) -> QualityEstimate:
    """Measure what a user says is said against what is read of the units, which are what is translated."""
    read = _reading(models, heard.extraction.units)
    if read is None:
        return QualityEstimate()
    errors, length = errors_in(read, text)
    share = 1 - errors / max(length, 1)
    if share <= _MOSTLY:
        return broken("told")
    return likely(share, "told") if share < 1 - _READER_ERRS else QualityEstimate()


def _known(models: "Models") -> Confidence | None:
    """Return what is known of a bundle's translator; None where it is of none."""
    path = models.paths.utut
    return None if path is None else models.kept("confidence", lambda: confidence_of(bundle_of(path)))


def _reading(models: "Models", units: Units) -> str | None:
    """Return what is read of units; None where nothing reads them."""
    if models.paths.other(UNIT2TEXT) is None:
        return None
    reader = models.other(UNIT2TEXT)
    if reader.takes != UNITS or units.durations is None or units.language not in reader.languages:
        return None
    text: str = reader.read(units, units.language).text
    return text


def _other_words(models: "Models", known: Confidence, heard: SelectedUnits, said: Units) -> list[tuple[str, str]]:
    """Return words that a translation says in place of those that were heard; none where nothing reads it."""
    if not len(said):
        return []
    read = _reading(models, heard.extraction.units)
    answer = read and _reading(models, said if said.durations is not None else models.vocoder.predict_durations(said))
    return known.words.other_words(read, answer) if read and answer else []
