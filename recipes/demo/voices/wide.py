"""Korean sentences of as many words as possible, for the shipped voice: those of packages (`sources`), and those of a grammar
(words_korean.yaml) with the words of a dictionary. What the exam says is kept out; the rest is ranked by what it adds.

    python -m recipes.demo.voices.wide PACKAGES --out texts.jsonl
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path

import numpy as np

from avcore.command import LOG
from avcore.errors import InputError
from avcore.files import Output
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.journal import write_rows
from avcore.texts import read_table
from netflips.cascade.kokoro import korean_signs
from recipes.demo.voices.cast import SHIPPED, cast, training_pairs
from recipes.demo.voices.phrasebook import free_sentences, held_out_free
from recipes.demo.voices.sources import SENTENCES, sentences_of, words_of
from text2unit.korean.phrasing import phrased
from text2unit.normalise import PAUSE, is_syllable, written_out
from text2unit.script import shorten

HELD_OUT = "news", "free", "unseen"
"""Sentences that no voice is trained on (`held_out_free`)."""
FEWEST, MOST = 5, 60
"""Syllables of a sentence."""
WORDS: Mapping[str, tuple[tuple[str, str], int, int]] = {
    "n": (("NNG", "*"), 2638, 4),
    "a": (("NNG", "행위"), 4576, 3),
    "s": (("XR", "*"), 4900, 3),
    "m": (("MAG", "*"), 4016, 4),
    "l": (("NNG", "장소"), 5200, 4),
    "g": (("NNP", "지명"), 5488, 4),
    "v": (("VV", "*"), 4455, 4),
}
"""Kinds of words of the grammar: part of speech and kind in the dictionary, the highest cost, the most syllables. Nouns, actions
and states (each with 하다), adverbs, places, names of places, verbs."""
NEW_PER_OLD = 3
"""Sentences to each one of the phrasebook and the free templates, which the voice is not to forget."""
_NUMBERS = {
    "number": (2, 400), "digit": (1, 10), "year": (1950, 2031), "month": (1, 13), "day": (1, 31), "hour": (1, 13),
    "minute": (1, 60),
}  # fmt: skip
"""Numbers of the grammar: the least, and the first that is too large."""
_SLOT = re.compile(r"\{(\w+)\}")
_HANGUL = re.compile("[가-힣]+")
_STEM = "\x01"
"""Behind a verb's stem; what follows it is an ending, or one of the letters ㅆ, ㄹ, ㄴ, 어."""
_ENDING = re.compile(f"(.){_STEM}([ㅆㄹㄴ어]?)")
_CODAS = {"ㅆ": 20, "ㄹ": 8, "ㄴ": 4}
_JOINED = {"ㅏ": 0, "ㅐ": 1, "ㅓ": 4, "ㅔ": 5, "ㅣ": 6, "ㅗ": 9, "ㅜ": 14}
"""Vowels of stems that end in one, and the vowel that each becomes with 아 or 어: ㅏ, ㅐ, ㅓ, ㅔ, ㅕ, ㅘ, ㅝ."""
_VOWELS, _NUM_CODAS, _FIRST = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ", 28, ord("가")
_PREFIX = 2
"""Syllables of a word that are compared: what follows is mostly a particle or an ending."""
_COMMON = 0.01
"""A word in more than this share of the sentences is no word of one of them."""
_WORTH = {"diphone": 1.0, "syllable": 1.0, "word": 0.5}


@dataclass(frozen=True)
class Sentence:
    """A sentence to speak."""

    text: str
    """normalised"""
    source: str
    """a package of `sources.SENTENCES`, `grammar`, or `book`: what the shipped voice has met"""


def wide_sentences(folder: Path, count: int, seed: int) -> list[Sentence]:
    """Return about `count` sentences, most valuable first. folder: of the packages. Raises InputError where one is missing."""
    found = [Sentence(text, name) for name in SENTENCES for text in sentences_of(name, folder)]
    grammar = Grammar(words_of(folder), seed)
    found += [Sentence(grammar.sentence(), "grammar") for _ in range(2 * count)]
    new = list(_readable(found))

    own = cast(SHIPPED).settings["korean"]
    book = [pair.korean for pair in training_pairs()] + free_sentences(own["free"], seed, own["texts"])
    old = list(_readable(Sentence(text, "book") for text in book))
    new, old = kept_apart(new, old)
    LOG.info("%d new sentences and %d old ones can be read and are not the exam's", len(new), len(old))

    num_new = count * NEW_PER_OLD // (NEW_PER_OLD + 1)
    ranked, known = ranked_by_worth(new, num_new), ranked_by_worth(old, count - num_new)
    mixed = list[Sentence]()
    for start in range(0, len(ranked), NEW_PER_OLD):
        mixed += ranked[start : start + NEW_PER_OLD]
        mixed += known[start // NEW_PER_OLD : start // NEW_PER_OLD + 1]
    return mixed


def _readable(sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    """Yield sentences as they are spoken, each once, of `FEWEST` to `MOST` syllables; longer ones in parts. None is spelled out."""
    seen = set[str]()
    for sentence in sentences:
        try:
            written = written_out(sentence.text)
            parts = _parts(written.text)
        except InputError:
            continue
        for part in () if written.spelled_out else parts:
            if FEWEST <= _size(part) <= MOST and part not in seen:
                seen.add(part)
                yield Sentence(part, sentence.source)


def _parts(text: str) -> list[str]:
    """Cut a sentence that is too long where a reader rests, into parts as long as may be. Raises InputError for a word too long."""
    if _size(text) <= MOST:
        return [text]
    parts = [""]
    for piece in shorten(phrased(text), most=MOST):
        if _size(parts[-1]) + _size(piece) > MOST:
            parts.append("")
        parts[-1] = f"{parts[-1]} {piece}".strip()
    return [part.rstrip(PAUSE) for part in parts]


def kept_apart(new: Sequence[Sentence], old: Sequence[Sentence]) -> tuple[list[Sentence], list[Sentence]]:
    """Leave out what shares words with the exam: two with one of its sentences, or, of new sentences, one with its news that no old
    sentence has. Words that are in many sentences do not count."""
    counts = Counter(word for sentence in (*new, *old) for word in words_in(sentence.text))
    common = {word for word, count in counts.items() if count > _COMMON * (len(new) + len(old))}
    exam_texts = [text for name in HELD_OUT for text in held_out_free(name)]
    exam = [words_in(text) - common for text in exam_texts]
    having: dict[str, set[int]] = {}
    for number, words in enumerate(exam):
        for word in words:
            having.setdefault(word, set()).add(number)

    met = {word for sentence in old for word in words_in(sentence.text)}
    own = {word for text in held_out_free("news") for word in words_in(text)} - common - met
    texts = set(exam_texts)

    def is_apart(sentence: Sentence) -> bool:
        shared = Counter(number for word in words_in(sentence.text) for number in having.get(word, ()))
        return sentence.text not in texts and max(shared.values(), default=0) < 2

    return [sentence for sentence in new if is_apart(sentence) and not own & words_in(sentence.text)], [
        sentence for sentence in old if is_apart(sentence)
    ]


@cache
def words_in(text: str) -> frozenset[str]:
    """Return the beginnings of a text's words of two syllables or more."""
    return frozenset(word[:_PREFIX] for word in _HANGUL.findall(text) if len(word) >= _PREFIX)


def ranked_by_worth(sentences: Sequence[Sentence], count: int) -> list[Sentence]:
    """Return up to `count` sentences, each time the one that adds most for its length: sounds in a row, syllables, and words, each
    worth less the more often it was there."""
    features = [_features(sentence.text) for sentence in sentences]
    sizes = [_size(sentence.text) + 8 for sentence in sentences]
    met = Counter[tuple[str, str]]()

    def worth(number: int) -> float:
        return sum(_WORTH[what[0]] / (1 + met[what]) for what in features[number]) / sizes[number]

    heap = [(-worth(number), number) for number in range(len(sentences))]
    heapify(heap)
    chosen = list[Sentence]()
    while heap and len(chosen) < count:
        _, number = heappop(heap)
        now = -worth(number)  # it can only have fallen
        if heap and now > heap[0][0]:
            heappush(heap, (now, number))
            continue
        chosen.append(sentences[number])
        met.update(features[number])
    return chosen


def _features(text: str) -> list[tuple[str, str]]:
    phones = [phone for sign, phone in korean_signs(text, "_") if sign != " "]
    diphones = {("diphone", f"{first}{second}") for first, second in pairwise(["_", *phones, "_"])}
    syllables = {("syllable", sign) for sign in text if is_syllable(sign)}
    # Sorted: a sum in another order may rank equal sentences otherwise.
    return sorted(diphones | syllables | {("word", word) for word in words_in(text)})


def _size(text: str) -> int:
    return sum(map(is_syllable, text))


class Grammar:
    """The grammar of words_korean.yaml with words of a dictionary, each of which is used as often as any other of its kind."""

    def __init__(self, words: Mapping[tuple[str, str], Mapping[str, int]], seed: int) -> None:
        """words: see `words_of`."""
        content = read_table(__package__, "words_korean.yaml")
        assert isinstance(content, dict)
        self._rules = {str(name): str(lines).split("\n")[:-1] for name, lines in content.items()}
        self._rng = np.random.default_rng([seed, 29])
        self._words = {name: sorted(_chosen(words[of], cost, size)) for name, (of, cost, size) in WORDS.items()}
        self._words["v"] = [word for word in self._words["v"] if _vowel(word[-1]) in _JOINED]
        self._next: dict[str, Iterator[str]] = {}

    def sentence(self) -> str:
        """Draw a sentence, not normalised."""
        return _ENDING.sub(_conjugated, self._form("sentence"))

    def _form(self, name: str) -> str:
        if name in self._words:
            return self._word(name) + (_STEM if name == "v" else "")
        if name in _NUMBERS:
            return str(int(self._rng.integers(*_NUMBERS[name])))
        forms = self._rules[name]
        return _SLOT.sub(lambda slot: self._form(slot[1]), forms[int(self._rng.integers(len(forms)))])

    def _word(self, name: str) -> str:
        word = next(self._next.get(name, iter(())), None)
        if word is not None:
            return word
        words = self._words[name]
        self._next[name] = iter([words[int(number)] for number in self._rng.permutation(len(words))])
        return next(self._next[name])


def _chosen(words: Mapping[str, int], cost: int, size: int) -> Iterator[str]:
    return (word for word, own in words.items() if own <= cost and _PREFIX <= len(word) <= size and _HANGUL.fullmatch(word))


def _vowel(syllable: str) -> str:
    """Return the vowel of an open syllable; "" for a closed one, 하 and 르, whose verbs are irregular."""
    place = ord(syllable) - _FIRST
    return "" if place % _NUM_CODAS or syllable in "하르" else _VOWELS[place // _NUM_CODAS % len(_VOWELS)]


def _conjugated(found: re.Match[str]) -> str:
    """Join the last syllable of a stem with the letter that follows it."""
    syllable, letter = found.groups()
    if not letter:
        return str(syllable)
    if letter in "ㅆ어":
        vowel = _vowel(syllable)
        syllable = chr(ord(syllable) + (_JOINED[vowel] - _VOWELS.index(vowel)) * _NUM_CODAS)
    return chr(ord(syllable) + _CODAS.get(letter, 0))


@dataclass(frozen=True, kw_only=True)
class WideOptions(QuietOptions):
    """Gather Korean sentences of many words, most valuable first."""

    packages: Path = positional("PACKAGES")
    """folder of the packages, as recipes/demo/NOTES.md fetches them"""
    out: Path = flag(file=Output("the sentences"), metavar="FILE")
    """JSON lines: each sentence and its source"""
    count: int = flag(default=20_000)
    """number of sentences (default: 20,000)"""
    seed: int = flag(default=0)
    """of the grammar (default: 0)"""


def _work(options: WideOptions) -> None:
    sentences = wide_sentences(options.packages, options.count, options.seed)
    write_rows(options.out, (vars(sentence) for sentence in sentences))
    kinds = ", ".join(f"{count} {name}" for name, count in Counter(sentence.source for sentence in sentences).most_common())
    LOG.info("%s: %d sentences (%s)", options.out, len(sentences), kinds)


_COMMAND = Command(WideOptions, "recipes.demo.voices.wide", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
