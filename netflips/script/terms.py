"""Names and terms of a recording with proposals for their Korean. A person decides once, and the term is the same everywhere.

Terms are capitalised words within sentences, words that are repeated, and words in Latin letters in a translation; amounts and
units are read rightly anyway. The proposal is what the translations have for a term, or else how it sounds.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property
from itertools import combinations, pairwise
from pathlib import Path
from unicodedata import normalize

from avcore.errors import InputError, UsageError
from avcore.speech.espeak import EspeakVoice, phonemize_ipa
from avcore.texts import read_table
from avcore.words import ENGLISH, KOREAN
from netflips.cascade.adequacy import names_spelled_out
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.habits import cleaned
from netflips.cascade.program import ProgramTranslator, lone_request
from netflips.quality_estimation import translation_fault
from netflips.script.types import Script, Term
from text2unit.korean.loanwords import in_hangul
from text2unit.korean.tables import tables
from text2unit.normalise import written_out
from text2unit.nouns import stands_in
from text2unit.script import script_of
from text2unit.stage import LANGUAGES

_TOKEN = re.compile(r"[A-Za-z\u00c0-\u024f](?:[A-Za-z0-9\u00c0-\u024f]|[-'\u2019](?=[A-Za-z\u00c0-\u024f]))*")
_OWNED = re.compile(r"['\u2019]s$")
_OPENS = re.compile(r"[.!?:\u2026\"\u201c]")
"""A mark between two words behind which a sentence may begin."""
_LEAST_LETTERS, _LEAST_TIMES, _MOST_WORDS = 5, 3, 12
"""The fewest letters and occurrences of a repeated word; and how many such words are listed, the most frequent first."""
_SURNAMES = {"lee": "이", "park": "박", "choi": "최", "jung": "정", "jeong": "정", "yoon": "윤", "kang": "강", "cho": "조"}
"""Korean names that sound otherwise in English."""
_ALIKE = 0.6
"""Share of common letters (jamo) at or above which two Hangul words may be spellings of the same word."""
_TOGETHER = 0.7
"""Dice coefficient of the sentences with a term and those whose translations have a word, at or above which the word
translates it."""
_LONGEST = 60
"""Most letters of a translator's answer for a term; a longer answer is a sentence."""
_HANGUL = re.compile(r"[가-힣]+")


@cache
def _words(name: str) -> frozenset[str]:
    """Return a list of terms.yaml."""
    return frozenset(read_table(__package__, "terms.yaml")[name].split())


def find_terms(script: Script, translator: ProgramTranslator | ChatTranslator | None = None) -> tuple[Term, ...]:
    """Return the terms of a script and those that are found in it, with proposals.

    A term that nobody decided and no translation has is sent to the translator, or without one written as it sounds. Raises
    InputError if the translator does not answer.
    """
    talk = _Talk.of(script)
    listed = {term.word.casefold(): term for term in script.terms}
    for word in (*talk.names(), *talk.repeated(), *talk.latin()):
        listed.setdefault(word.casefold(), Term(word, ""))
    open_terms = [one.word for one in listed.values() if not one.spoken and (translator is not None or not one.proposed)]

    proposed = {word: talk.translated(word) for word in open_terms}
    if translator is not None:
        proposed |= _asked(translator, [word for word, text in proposed.items() if not text], talk)
    return tuple(
        one if one.spoken else one._replace(proposed=proposed.get(one.word) or one.proposed or talk.as_it_sounds(one.word))
        for one in listed.values()
    )


def term_lines(script: Script) -> list[str]:
    """Return a line for each term: in how many utterances it is, and its translation, in brackets if it is only proposed."""
    talk = _Talk.of(script)
    texts = [term.spoken or (f"({term.proposed})" if term.proposed else "?") for term in script.terms]
    return [f"{len(talk.rows_with(one.word)):4}x {one.word}: {text}" for one, text in zip(script.terms, texts, strict=True)]


def _asked(translator: ProgramTranslator | ChatTranslator, words: Sequence[str], talk: "_Talk") -> dict[str, str]:
    """Return translations of terms without a context; "" for those that are not written in the language's letters."""
    requests = [lone_request(number, word, talk.source, talk.target) for number, word in enumerate(words, 1)]
    found = dict[str, str]()
    for start in range(0, len(requests), translator.together):
        for number, texts in translator.candidates(requests[start : start + translator.together]).items():
            answers = [cleaned(text, words[number - 1]).rstrip(".!? ") for text in texts]
            short = (text for text in answers if len(text) <= _LONGEST)
            found[words[number - 1]] = next((one for one in short if not translation_fault(one, "", talk.target, len(one))), "")
    return found


def terms_of_script(script: Script, language: str, path: Path | None = None) -> dict[str, str]:
    """Return the terms that a person decided: translations in a language by their words in lower case, like a glossary.

    Raises InputError for a term without a word, one with two translations, and one that cannot be read aloud.
    """
    found = dict[str, str]()
    for term in script.terms:
        word, spoken = (" ".join(text.split()) for text in (term.word.lower(), term.spoken))
        if not spoken:
            continue
        if not word:
            raise InputError("a term has no word", path=path, expected='"word": "Emily", "spoken": "에밀리"', found=spoken[:60])
        if found.setdefault(word, spoken) != spoken:
            raise InputError(f"the term {word!r} is said in two ways", path=path, expected=found[word][:60], found=spoken[:60])
        try:
            if language in LANGUAGES:
                script_of(spoken, language)
        except InputError as error:
            what = f"what is said for the term {word!r} cannot be read aloud: {error.what}"
            raise InputError(what, path=path, expected=error.expected, found=spoken[:60], hint=error.hint) from error
    return found


def proposed_readings(script: Script) -> dict[str, str]:
    """Return what is proposed for terms that nobody decided and a Korean voice would spell letter by letter, by words in lower
    case."""
    if script.target != KOREAN:
        return {}
    open_terms = (term for term in script.terms if not term.spoken and _HANGUL.search(term.proposed))
    return {term.word.lower(): term.proposed for term in open_terms if names_spelled_out(term.word, KOREAN)}


def as_it_sounds(word: str, source: str = ENGLISH) -> str:
    """Return a word or a name in Hangul as it sounds; "" if that is unknown, or espeak-ng is not installed."""
    try:
        known = written_out(word)
        if not known.spelled_out:
            return known.text.strip(",.? ")
        voice = EspeakVoice("en-us" if source == ENGLISH else source)
        parts = [
            in_hangul(one, [phoneme for clause in phonemize_ipa(one, voice) for spelled_out in clause for phoneme in spelled_out])
            for one in re.split(r"[\s-]+", word)
        ]
    except (InputError, UsageError):
        return ""
    return " ".join(parts) if all(parts) else ""


@dataclass(frozen=True)
class _Talk:
    """The texts of a script."""

    source: str
    """source language"""
    target: str
    """target language"""
    rows: Sequence[tuple[str, str]]
    """source text and target text of each utterance, "" = none yet"""

    @classmethod
    def of(cls, script: Script) -> "_Talk":
        with_text = [utterance for utterance in script.utterances if utterance.text is not None or utterance.spoken is not None]
        rows = [
            ("" if utterance.text is None else utterance.text.text, "" if utterance.spoken is None else utterance.spoken.text)
            for utterance in with_text
        ]
        return cls(script.source or ENGLISH, script.target or KOREAN, rows)

    # What is found

    def names(self) -> list[str]:
        """Return names in their order: acronyms, and words with a capital within a sentence. At the beginning of a sentence, a
        word with a capital counts only if it is a name elsewhere."""
        if self.source == "de":  # German nouns all have a capital
            return []
        rows = [list(_tokens(source)) for source, _ in self.rows]
        known = {word for row in rows for word, _, is_first in row if not is_first and _is_capital(word)}

        found = list[str]()
        for (source, _), row in zip(self.rows, rows, strict=True):
            parts = list[tuple[int, int]]()
            for word, begin, is_first in row:
                is_unit = _is_unit(word, source[:begin])
                # A name even at the beginning of a sentence, as NASA and iPhone.
                is_name = _is_capital(word[0].upper() + word[1:]) and any(map(str.isupper, word[1:]))
                if is_unit or not (is_name or word in known or (not is_first and _is_capital(word))):
                    continue
                if parts and source[parts[-1][1] : begin] == " ":  # words of one name, as New York
                    parts[-1] = parts[-1][0], begin + len(word)
                else:
                    parts.append((begin, begin + len(word)))
            found += [source[begin:end] for begin, end in parts]
        return list(dict.fromkeys(found))

    def repeated(self) -> list[str]:
        """Return words that are repeated and are not everyday words, the most frequent first."""
        tokens = [word for source, _ in self.rows for word, _, _ in _tokens(source)]
        counted = Counter(word.lower() for word in tokens if word.islower() or word[1:].islower())
        names = {part.lower() for name in self.names() for part in name.split()}

        for word in list(counted):
            # Plurals count with their singulars, so that each term is listed once.
            for plural, one in (("ies", "y"), ("s", "")):
                if word.endswith(plural) and (single := word.removesuffix(plural) + one) in counted:
                    counted[single] += counted.pop(word)
                    break

        often = [
            word
            for word, times in counted.most_common()
            if times >= _LEAST_TIMES
            and len(word) >= _LEAST_LETTERS
            and not {word, word.removesuffix("s")} & (_words("common") | _words("units") | names)
        ]
        return often[:_MOST_WORDS]

    def latin(self) -> list[str]:
        """Return words of translations that a voice would spell letter by letter."""
        return list(dict.fromkeys(word for _, target in self.rows if target for word in names_spelled_out(target, self.target)))

    # What is proposed

    def translated(self, word: str) -> str:
        """Return what the translations have for a term, "" if nothing is found."""
        if self.target != KOREAN:
            return ""
        sound = as_it_sounds(word, self.source)
        return self._short(word, sound) if len(sound) == 1 else self._alike(word, sound) or self._together(word)

    def as_it_sounds(self, word: str) -> str:
        """Return a term in Hangul as it sounds; "" if that is unknown."""
        return as_it_sounds(word, self.source) if self.target == KOREAN else ""

    def rows_with(self, word: str) -> set[int]:
        """Return the rows with a term in the source text, or left in Latin letters in the target text."""
        return {place for place, row in enumerate(self.rows) if any(map(self._pattern(word).search, row))}

    @staticmethod
    def _pattern(word: str) -> re.Pattern[str]:
        return re.compile(rf"(?<![A-Za-z0-9]){re.escape(word)}(?:['\u2019]?s)?(?![A-Za-z0-9])", re.IGNORECASE)

    @cached_property
    def _stems(self) -> list[set[str]]:
        """The words of each row's target text, with and without particles."""
        return [{stem for word in _HANGUL.findall(target) for stem in _stems_of(word)} for _, target in self.rows]

    def _short(self, word: str, sound: str) -> str:
        """Return the name of one syllable that the translations have for a term; "" if there is none. sound: of the term."""
        texts = [self.rows[place][1] for place in self.rows_with(word)]
        names = (_SURNAMES.get(word.lower(), ""), sound)
        return next((name for name in names if name and any(stands_in(text, name) for text in texts)), "")

    def _alike(self, word: str, sound: str) -> str:
        """Return the words of a translation that sound most like a term; "" if none sound alike."""
        if not sound:
            return ""
        # syllables are decomposed into jamo: transcriptions of one name often differ in a single vowel
        many, letters = len(sound.split()), normalize("NFD", sound.replace(" ", ""))

        found = dict[str, float]()
        for place in sorted(self.rows_with(word)):
            words = _HANGUL.findall(self.rows[place][1])
            for first, stop in combinations(range(len(words) + 1), 2):
                *before, last = words[first:stop]
                for stem in _stems_of(last) if stop - first <= many else ():
                    written = " ".join([*before, stem])
                    if len(written) == 1 and not stands_in(self.rows[place][1], written):
                        continue
                    other = normalize("NFD", written.replace(" ", ""))
                    found[written] = SequenceMatcher(None, letters, other, autojunk=False).ratio()

        best = max(found, key=lambda one: found[one], default="")
        return best if found.get(best, 0.0) >= _ALIKE else ""

    def _is_bare(self, stem: str) -> bool:
        """Return whether a word has no particle and is no title: what ends like a particle has another one behind it somewhere."""
        ends_in_one = any(stem.endswith(particle) and stem != particle for particle in _particles())
        return stem not in tables().titles and (not ends_in_one or stem in self._before_particles)

    @cached_property
    def _before_particles(self) -> set[str]:
        return {stem for _, target in self.rows for word in _HANGUL.findall(target) for stem in _stems_of(word) if stem != word}

    def _together(self, word: str) -> str:
        """Return the word that is in the translations of sentences with a term, and not in others; "" if there is none."""
        # Where a translation has the term itself, in Latin letters, no other word of it is the term's.
        here = {place for place in self.rows_with(word) if not self._pattern(word).search(self.rows[place][1])}
        if len(here) < 2:
            return ""
        counted = Counter(stem for place in here for stem in self._stems[place] if len(stem) > 1 and self._is_bare(stem))
        every = Counter(stem for stems in self._stems for stem in stems)
        share = {stem: 2 * times / (len(here) + every[stem]) for stem, times in counted.items() if times > 1}
        best = max(share, key=lambda one: (share[one], -len(one), one), default="")
        return best if share.get(best, 0.0) >= _TOGETHER else ""


def _tokens(text: str) -> Iterator[tuple[str, int, bool]]:
    """Yield the words of a text without a final 's, with their offsets, and whether a sentence may begin with the word."""
    found = [*_TOKEN.finditer(text)]
    for before, one in pairwise([None, *found]):
        assert one is not None  # None stands first alone
        is_first = before is None
        if before is not None:
            gap = text[before.end() : one.start()]
            is_short = before[0].lower() in tables().abbreviations or (len(before[0]) == 1 and before[0] != "I")
            # A stop that belongs to Dr. or an initial ends no sentence.
            is_first = bool(_OPENS.search(gap.removeprefix(".") if is_short else gap))
        if one[0].lower() not in tables().abbreviations:
            yield _OWNED.sub("", one[0]), one.start(), is_first


def _is_unit(word: str, before: str) -> bool:
    """Return whether a word is the unit of a number before it: 20 kW."""
    return word in tables().measures and bool(re.search(r"\d\s?$", before))


def _is_capital(word: str) -> bool:
    return word[0].isupper() and word.lower() not in _words("no_names") and "'" not in word and "\u2019" not in word


def _stems_of(word: str) -> Iterable[str]:
    """Yield a word, and its stems of two syllables or more without particles."""
    yield word
    for particle in _particles():
        if word.endswith(particle) and len(word) - len(particle) >= 2:
            yield from _stems_of(word[: -len(particle)])


@cache
def _particles() -> tuple[str, ...]:
    return tuple(sorted({*tables().particles, "이라는", "라는", "님"}, key=len, reverse=True))
