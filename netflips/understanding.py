"""How much is understood: one measure for an utterance and for a whole recording, in words and in per cent.

It is told before the work: from what the models know of themselves (scores under the bounds of their domain, a translation that
was cut, repeats a stretch, or says another filling than was heard), from what was recognised and translated, and from errors that
were measured on what is spoken.
"""

import re
import unicodedata
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import exp
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from av2unit.trust import TrustedUnits
from avcore.checkpoints.bundle import bundle_of
from avcore.command import LOG
from avcore.contracts import Transcript
from avcore.domain import PICTURE_CAUSE, DomainScore, Stretch, outside_note
from avcore.errors import InputError, NotUnderstoodError
from avcore.notes import Note, NoteKind
from avcore.programs import program_name
from avcore.units import Ids, Units, edit_distance
from avcore.words import ENGLISH, KOREAN, say_in, user_language
from netflips.bundles.references import KnownPhrases, read_references
from netflips.subtitles.sides import script_letters
from text2unit.normalise import is_syllable
from text2unit.script import script_of
from unit2text.stage import TEXT_READER, UNITS
from unit2text.text import normalise_for_reading

if TYPE_CHECKING:
    from netflips.models import Models

Grade = Literal["good", "doubtful", "bad", "unknown"]
Cause = Literal[
    "outside", "part", "cut", "loop", "other", "language", "untranslated", "echo", "told", "words", "unsure", "speaker", "hurried"
]
GRADES: Final = get_args(Grade)
_BAD_CAUSES: Final[frozenset[Cause]] = frozenset({"outside", "cut", "loop", "language", "untranslated", "echo"})
_BAD_SHARE, _GOOD_SHARE = 0.5, 0.9
"""Of a recording: it is bad where no more than half is understood, and good from nine tenths on."""
_HEARD_BADLY, _HEARD_SURELY = exp(-1.0), 0.6
_SPOKEN_WELL, _SPOKEN_PASSABLY, _HARDLY = 0.85, 0.7, 0.4
"""Characters of what is spoken that a recogniser hears rightly: from the first on it is good, up to _BAD_SHARE bad; below the
second who speaks is named as the cause. An utterance that is not heard yet is bad up to the third: many are heard better."""
_LEAST_LOOP, _LEAST_TWICE = 12, 16
"""Units of a repeated stretch: three times the same and 12 in all, or a stretch of 16 said twice. Words that Korean doubles, as
빨리빨리, are shorter; the 2,357 reference sentences of the demo have no such stretch."""
_MOST_COMPRESSED, _MOST_LETTERS_A_SECOND = 2.4, 35.0
"""Bytes of a text by those of its compressed form, from which on Whisper's authors take it for a loop (Radford et al. 2023, section
4.5); and letters, Hangul by its strokes: people say 10 to 25 a second."""
_LEAST_TIMES, _LEAST_LETTERS = 4, 20
"""Of a stretch of a text that is repeated, in a row and in all."""

_WORDS: Final[Mapping[str, str]] = {
    "all": "all of it",
    "share": "about {share} %",
    "no share": "not known",
    "good": "good",
    "doubtful": "doubtful: some of it will not be understood",
    "bad": "bad: the result most likely means nothing",
    "unknown": "these models do not say what they know",
    "outside": "it is hardly anything that the models know",
    "part": "a part of it is nothing that the models know",
    "cut": "its translation was cut at the limit of length",
    "loop": "a model repeats a stretch",
    "other": "its translation says another word than was heard",
    "language": "it is in another language",
    "untranslated": "it was not translated",
    "echo": "its translation is not in the other language",
    "told": "its subtitles say something else than was heard",
    "words": "it has words or signs without a reading",
    "unsure": "it was heard unsurely",
    "speaker": "what is spoken is hard to understand",
    "hurried": "it is spoken too fast, or its end finds no room",
}
"""Words of the output."""


@dataclass(frozen=True)
class Understanding:
    """How much is understood. share: of the speech, 0 to 1, None = not known. causes: why it is not more, in their order above."""

    grade: Grade = "unknown"
    share: float | None = None
    causes: tuple[Cause, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return numbers and codes, with the words in English and in Korean."""
        return asdict(self) | {"causes": list(self.causes), "words": {ENGLISH: self.words(), KOREAN: self.words(KOREAN)}}

    def words(self, language: str = ENGLISH) -> str:
        """Return the measure in a sentence, in English or in Korean."""
        say = say_in(language)
        told = say(_WORDS[self.grade])
        if self.grade != "unknown":
            told = say("understood: {share} ({grade})").format(share=self.share_words(language), grade=told)
        return told + "".join(f"; {say(_WORDS[cause])}" for cause in self.causes)

    def share_words(self, language: str = ENGLISH) -> str:
        """Return the share in per cent; all of it only where it is."""
        say = say_in(language)
        if self.share is None or self.share >= 1:
            return say(_WORDS["no share" if self.share is None else "all"])
        return say(_WORDS["share"]).format(share=min(round(100 * self.share), 99))


def of_utterance(
    readings: Sequence[DomainScore],
    known: float | None = None,
    *,
    is_cut: bool = False,
    repeats: bool = False,
    says_other: bool = False,
) -> Understanding:
    """Measure one utterance: bad where half of it or more is strange or its translation is broken, doubtful where less is.

    readings: scores of the models with their domains. known: share of it that is like what the models know, None = not said.
    is_cut: its translation ended at the limit. repeats: it repeats a stretch, and the original does not. says_other: it says
    another filling than was heard.
    """
    strange = [one for one in readings if one.is_strange]
    names_domain = any(one.domain is not None for one in readings)
    share: float | None = None
    if names_domain:
        share = 1.0 if known is None else known
        for one in strange:  # a mean under its bound lowers it by as much as it is less probable
            bound = None if one.domain is None or one.of != "least" else one.domain.bound(one.of)
            if bound is not None:
                share = min(share, exp(min(one.score - bound, 0.0)) if one.score == one.score else 0.0)
    found: dict[Cause, bool] = {
        "outside": bool(strange) and share is not None and share <= _BAD_SHARE,
        "part": bool(strange) and share is not None and share > _BAD_SHARE,
        "cut": is_cut,
        "loop": repeats,
        "other": says_other,
    }
    causes = tuple(cause for cause, is_there in found.items() if is_there)
    grade: Grade = "bad" if _BAD_CAUSES & set(causes) else "doubtful" if causes else "good" if names_domain else "unknown"
    return Understanding(grade, share, causes)


def of_hearing(heard: Transcript, source: str = "", target: str = "") -> Understanding:
    """Measure what a recogniser wrote. source: the language that was asked for, "" = any; target: what it is translated into.

    Whisper takes what has a mean log-probability under -1 for heard wrongly (Radford et al. 2023, section 4.5): bad from there on.
    Tokens in a loop are sure of themselves.
    """
    sure = heard.confidence
    if heard.has_loop:
        return Understanding("bad", sure / 2, ("loop",))
    if source and heard.language and heard.language != source:
        is_done = heard.language == target  # as it stands
        return Understanding("good", 1.0) if is_done else Understanding("bad", 0.0, ("language",))
    if not heard.words:
        return Understanding()
    grade: Grade = "bad" if sure < _HEARD_BADLY else "doubtful" if sure < _HEARD_SURELY else "good"
    return Understanding(grade, sure, () if grade == "good" else ("unsure",))


def broken(cause: Cause) -> Understanding:
    """Return the measure of an utterance of which nothing is said, or nothing that means it."""
    return Understanding("bad", 0.0, (cause,))


def worst(*measures: Understanding) -> Understanding:
    """Return the worst of several measures of one utterance, with the causes of all and the least share."""
    causes = tuple(cause for cause in get_args(Cause) if any(cause in one.causes for one in measures))
    rank = ("bad", "doubtful", "good", "unknown")
    found = min(measures, key=lambda one: rank.index(one.grade))
    return replace(found, share=min((one.share for one in measures if one.share is not None), default=None), causes=causes)


def of_recording(utterances: Iterable[tuple[Understanding, float]]) -> Understanding:
    """Measure a whole recording from its utterances, each with its length (s): by time, those without a share left out.

    It is bad where half of it or more is, or where any translation was cut; doubtful where less than nine tenths are good.
    """
    rows = list(utterances)
    causes = tuple(cause for cause in get_args(Cause) if any(cause in one.causes for one, _ in rows))
    known = [(one.share, seconds) for one, seconds in rows if one.share is not None]
    length = sum(seconds for _, seconds in known)
    share = sum(part * seconds for part, seconds in known) / length if length > 0 else None
    seconds_of = {name: sum(seconds for one, seconds in rows if one.grade == name) for name in GRADES}
    whole, bad = sum(seconds_of.values()), seconds_of["bad"]
    grade: Grade = "unknown" if share is None else "good"
    if "cut" in causes or (bad and bad >= (1 - _BAD_SHARE) * whole) or (share is not None and share <= _BAD_SHARE):
        grade = "bad"
    elif (
        bad
        or seconds_of["good"] < _GOOD_SHARE * (whole - seconds_of["unknown"])
        or {"other", "speaker"} & set(causes)
        or (causes and len(rows) == 1)
    ):
        grade = "doubtful"
    return Understanding(grade, share, causes)


def stop_where_bad(understanding: Understanding) -> None:
    """Raise NotUnderstoodError where the measure is bad, as --strict asks for."""
    if understanding.grade == "bad":
        hint = "nothing was made of it; without --strict it goes on all the same"
        raise NotUnderstoodError("too little of it is understood", found=understanding.share_words(), hint=hint)


def tell_verdict(understanding: Understanding, of: object, is_strict: bool) -> bool:
    """Print the measure of a file or a text; returns whether it is bad. Raises NotUnderstoodError where it is and `is_strict`."""
    is_bad, language = understanding.grade == "bad", user_language()
    if is_bad:
        LOG.warning("%s: %s: %s", of, say_in(language)("warning"), understanding.words(language))
    else:
        LOG.info("%s: %s", of, understanding.words(language))
    if is_strict:
        stop_where_bad(understanding)
    return is_bad


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
    """How what speaks is heard in a dub. wrong: characters that a recogniser hears wrongly, 0 to 1, by the LENGTHS of texts, or one
    for all. second: natural length of a character (s). is_program: of the user's. signs: characters heard wrongly of texts of Latin
    letters and signs alone, None = as of others.
    """

    speaker: str
    recognizer: str
    wrong: tuple[float, ...]
    second: float
    is_program: bool = True
    signs: float | None = None

    def understanding(
        self, text: str, unread: Sequence[str] = (), room_s: float | None = None, natural_s: float | None = None
    ) -> Understanding:
        """Measure a text that it says. unread: its words without a reading, which are spelt letter by letter.

        room_s: the time that it has, None = all that it needs. natural_s: how long it takes, None = as long as so many characters
        usually do.
        """
        length = sum(map(str.isalnum, text))
        read = 1 - min(sum(map(len, unread)) / max(length, 1), 1.0)
        wrong = self.wrong[min(bisect_left(LENGTHS, length), len(self.wrong) - 1)] if self.wrong else 0.0
        heard = 1 - (self.signs if self.signs is not None and is_signs(text) else wrong)
        natural_s = length * self.second if natural_s is None else natural_s
        left = 1.0 if room_s is None or natural_s <= 0 else squeezed(room_s / natural_s)
        found: dict[Cause, bool] = {"words": read < 1, "speaker": heard < _SPOKEN_PASSABLY, "hurried": left < 1}
        share, causes = heard * left * read, tuple(cause for cause, is_there in found.items() if is_there)
        grade = "doubtful" if causes and share >= _SPOKEN_WELL else expected(share)
        if read == 1 and length <= LENGTHS[0] and not is_signs(text):
            grade = max(grade, "doubtful", key=("bad", "doubtful", "good").index)  # it is heard whole or not at all
        if self.wrong:
            return Understanding(grade, share, causes)
        return Understanding(grade, None, causes) if causes else Understanding()

    @property
    def note(self) -> Note | None:
        """What to tell a user of a program; None where it is understood."""
        mean = sum(self.wrong) / len(self.wrong)
        if not self.is_program or mean < 1 - _BAD_SHARE:
            return None
        return SPEAKER_MISHEARD(speaker=self.speaker, recognizer=self.recognizer, wrong=mean)


LENGTHS = (8, 16, 24)
"""Characters of a text up to which an entry of `SpeakerMeasure.wrong` holds; the last holds for longer ones."""
SCORES = (-0.05, -0.035)
"""Scores of a translation of units up to which an entry of its table holds; the last holds for surer ones."""
_JUDGE = "Whisper base"
_BUNDLE = SpeakerMeasure("the bundle", _JUDGE, (0.29, 0.19, 0.21, 0.23), 0.18, is_program=False, signs=0.34)
_SPELLERS = {"sha256:9dbcf2f813c29d35": _BUNDLE}
_TRANSLATORS = {"sha256:e6fbdeac5e64329d": (0.25, 0.22, 0.28)}
"""By fingerprint: the bundle's. The second: characters that are heard wrongly, by the SCORES, where the models know all of it."""
KOKORO = SpeakerMeasure("Kokoro-82M", _JUDGE, (0.59, 0.47, 0.48, 0.56), 0.24, signs=0.95)
ESPEAK = SpeakerMeasure("espeak-ng", _JUDGE, (0.84, 0.8, 0.74, 0.8), 0.2, signs=0.97)
_OWN = {KOKORO: (0.13,), ESPEAK: (0.84,)}
"""As `--keep-sound` leaves them."""
_SQUEEZED = (0.5, 0.65, 0.8), (0.51, 0.86, 1.0)
"""What is left of what is understood where speech is that share of its natural length. All of this by
`python -m recipes.demo.evaluate.spoken` on sentences that nothing was trained on (docs/cascade.md)."""
_PROGRAMS = {"avdata.prepare.say": ESPEAK, "espeak-ng": ESPEAK, "espeak": ESPEAK, "netflips.cascade.kokoro": KOKORO}
"""Programs whose Korean was measured, as `avcore.programs.program_name` calls them."""


def known_speaker(command: Sequence[str], target: str, keeps_sound: bool = False) -> SpeakerMeasure | None:
    """Return what is known of a program that speaks; None = nothing, or no program does."""
    found = _PROGRAMS.get(program_name(command)) if command and target == "ko" else None
    return replace(found, wrong=_OWN[found], signs=None) if found is not None and keeps_sound else found


def speller_measure(speller: Any) -> SpeakerMeasure:
    """Return how the texts of a text-to-unit model are heard; nothing is known of one that was not measured."""
    return _SPELLERS.get(speller.fingerprint, SpeakerMeasure("", "", (), 0.0, is_program=False))


def of_translated(wrong: Sequence[float], score: float) -> Understanding:
    """Measure units as they are heard. wrong: characters that are heard wrongly, by the SCORES of translations, () = not known."""
    if not wrong:
        return Understanding()
    share = 1 - wrong[bisect_left(SCORES, score)]
    return Understanding(expected(share), share, ("speaker",) if share < _SPOKEN_PASSABLY else ())


def translator_measure(translator: Any) -> tuple[float, ...]:
    """Return how the units of a translator are heard, for `of_translated`; nothing is known of one that was not measured."""
    return _TRANSLATORS.get(translator.fingerprint, ())


def measure_speaker(name: str, recognizer: str, heard: Iterable[tuple[str, str, float, float]]) -> SpeakerMeasure | None:
    """Measure a program by a recogniser. heard: texts, what was heard, and how long the speech is and was by itself (s).

    What squeezing cost is not counted: it is another in each utterance. None for nothing.
    """
    rows = [(*errors_in(found, text), seconds / natural_s, natural_s) for text, found, seconds, natural_s in heard]
    length = sum(row[1] for row in rows)
    if not length:
        return None
    right = sum(min((wanted - errors) / squeezed(factor), wanted) for errors, wanted, factor, _ in rows)
    return SpeakerMeasure(name, recognizer, (1 - right / length,), sum(row[3] for row in rows) / length)


def squeezed(factor: float) -> float:
    """Return what is left of what is understood of speech at a share of its natural length; below the least it is cut as well."""
    return float(np.interp(factor, *_SQUEEZED)) * min(factor / _SQUEEZED[0][0], 1.0)


def grade_of(share: float) -> Grade:
    """Return the grade of speech of which a share is understood."""
    return "bad" if share <= _BAD_SHARE else "doubtful" if share < _SPOKEN_WELL else "good"


def expected(share: float) -> Grade:
    """Return the grade of an utterance of which a share is likely to be understood."""
    return "doubtful" if _HARDLY < share <= _BAD_SHARE else grade_of(share)


def is_signs(text: str) -> bool:
    """Return whether a text has no Hangul: Latin letters, digits and signs alone."""
    return not any(map(is_syllable, text))


def as_read(text: str, language: str) -> str:
    """Return a text as it is read aloud, where that is known: recognisers write numbers and foreign words as they like."""
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

Decide = Callable[[Understanding], None]
"""Told how much is understood before anything is spoken or drawn; raises NotUnderstoodError to stop there."""
SAYS_OTHER = NoteKind(
    "says_other",
    '{u}the translation says "{said}" where "{heard}" was heard',
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


def judge_utterance(
    models: "Models", heard: TrustedUnits, said: Units, score: float | None, weakest: Stretch | None = None, *, is_cut: bool = False
) -> tuple[Understanding, tuple[Note, ...]]:
    """Judge an utterance by how sure the encoder is of its units and the translator of what they mean; with notes for the user.

    score: mean log-probability of the translation, None = nothing was translated, a text was given; weakest: where it is lowest.
    is_cut: it ended at the limit of the search. With a bundle's models both sides are read back and compared.
    """
    if score is None:
        return Understanding(), ()  # nothing was guessed that is said
    readings = [*heard.extraction.readings(models.extractor.domain), *models.translator.readings(score, weakest)]
    repeats = repeats_a_stretch(said.ids) and not repeats_a_stretch(heard.extraction.units.ids)
    other = _says_other(models, heard, said)
    found = of_utterance(readings, heard.extraction.known, is_cut=is_cut, repeats=repeats, says_other=other is not None)
    outside = outside_note(readings, PICTURE_CAUSE if heard.may_be_misled else None)
    return found, tuple(note for note in (outside, REPEATS() if repeats else None, other) if note is not None)


def told_otherwise(models: "Models", heard: TrustedUnits, text: str) -> Understanding:
    """Measure what a user says is said against what is read of the units, which are what is translated."""
    read = _reading(models, heard)
    if read is None:
        return Understanding()
    errors, length = errors_in(read, text)
    share = 1 - errors / max(length, 1)
    return Understanding(grade_of(share), share, ("told",)) if share < _SPOKEN_PASSABLY else Understanding()  # a reader errs


def _reading(models: "Models", heard: TrustedUnits) -> str | None:
    """Return what is read of the units of the source; None where nothing reads them."""
    if models.paths.other(TEXT_READER) is None:
        return None
    reader, units = models.other(TEXT_READER), heard.extraction.units
    if reader.takes != UNITS or units.durations is None or units.language not in reader.languages:
        return None
    text: str = reader.read(units, units.language).text
    return text


def _says_other(models: "Models", heard: TrustedUnits, said: Units) -> Note | None:
    """Return what a translation says in place of what was heard; None where it says that, or a bundle has nothing to read it by."""
    bundle = None if models.paths.utut is None else bundle_of(models.paths.utut)
    if bundle is None or not bundle.references.is_file() or not len(said):
        return None
    read = _reading(models, heard)
    if read is None:
        return None
    book = models.kept("phrasebook", lambda: KnownPhrases(read_references(bundle.references)))
    words = book.other_words(read, said)
    return SAYS_OTHER(heard=", ".join(one for one, _ in words), said=", ".join(other for _, other in words)) if words else None
