"""The phrasebook of the demo: English sentences and their Korean translations, made from templates with slots.

Sentences are held out by fillings: each filling of a slot is excluded from one in `_PERIOD` of the templates that take it, and is
trained on in the others. So a held-out sentence has a word in a place where the training never has it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np

from avcore.errors import InputError
from avcore.texts import read_table
from text2unit.normalise import normalise, with_particles

_SLOT = re.compile(r"\{(\w+)\}")
_PERIOD, _STRIDE = 5, 3
"""One in so many templates of a slot lacks a filling; distance between those of neighbouring fillings."""
_SEED = 49
FORMS = ("short", "long")
LEARNT, HELD_OUT = 28, 3
"""Most sentences of a template that are trained on, and that are held out: so that no template is more frequent than others."""
_NUMBERS = {
    "number": (1, 13), "minute": (2, 60), "few": (2, 11), "year": (1950, 2027), "month": (1, 13), "day": (1, 29),
    "three": (101, 990), "four": (1000, 10000),
}  # fmt: skip
"""Slots that are numbers: least, and upper bound (excluded)."""
_PRICES = 100, 990
_HUNDRED = 100
_TRIES = 20


@dataclass(frozen=True)
class SentencePair:
    """A sentence in both languages."""

    english: str
    korean: str
    template: int
    """number of its template"""
    fillings: tuple[tuple[str, int], ...]
    """slots, and the number of the filling of each"""
    forms: tuple[tuple[str, str], ...] = ()
    """names of its other forms in Korean by length (FORMS), and their texts"""


@dataclass(frozen=True)
class Phrasebook:
    """Templates and the fillings of their slots."""

    slots: Mapping[str, tuple[tuple[str, str], ...]]
    """English and Korean fillings by name of the slot"""
    templates: tuple[tuple[str, str], ...]
    """English and Korean sentences with slots"""
    forms: tuple[tuple[str, str], ...]
    """shorter and longer Korean of each template"""

    def pairs_of(self, template: int) -> Iterator[SentencePair]:
        """Yield all sentences of a template, in a fixed order."""
        english, korean = self.templates[template]
        names = slots_of(english)
        for choice in product(*(range(len(self.slots[name])) for name in names)):
            words = [self.slots[name][number] for name, number in zip(names, choice, strict=True)]
            filled = [dict(zip(names, (pair[side] for pair in words), strict=True)) for side in range(2)]
            text, *others = (with_particles(form.format_map(filled[1])) for form in (korean, *self.forms[template]))
            forms, fillings = tuple(zip(FORMS, others, strict=True)), tuple(zip(names, choice, strict=True))
            yield SentencePair(english.format_map(filled[0]), text, template, fillings, forms)

    def all_pairs(self) -> list[SentencePair]:
        """Return all sentences of all templates."""
        return [pair for template in range(len(self.templates)) for pair in self.pairs_of(template)]

    def is_held_out(self, pair: SentencePair) -> bool:
        """Return whether a filling of the sentence is held out from its template."""
        return any((pair.template, slot, number) in self._kept_out for slot, number in pair.fillings)

    def sentences(self, learnt: int = LEARNT) -> list[SentencePair]:
        """Return the sentences for training, references and evaluation: of each template up to `learnt` to train on and `HELD_OUT`
        held-out ones, with all fillings about equally often, in a fixed order."""
        chosen: list[SentencePair] = []
        for template in range(len(self.templates)):
            pairs = list(self.pairs_of(template))
            for most, is_out in ((learnt, False), (HELD_OUT, True)):
                chosen += _evenly([pair for pair in pairs if self.is_held_out(pair) == is_out], most, template)
        return chosen

    @cached_property
    def _kept_out(self) -> frozenset[tuple[int, str, int]]:
        """Combinations of template, slot and filling that are held out."""
        found = set[tuple[int, str, int]]()
        for place, (slot, fillings) in enumerate(sorted(self.slots.items())):
            takers = [number for number, (english, _) in enumerate(self.templates) if slot in slots_of(english)]
            found |= {
                (template, slot, filling)
                for rank, template in enumerate(takers)
                for filling in range(len(fillings))
                if (rank + _STRIDE * filling + place) % _PERIOD == 0
            }
        return frozenset(found)


def _evenly(pairs: Sequence[SentencePair], most: int, template: int) -> list[SentencePair]:
    """Choose up to `most` pairs of a template, each time one whose fillings are rarest so far."""
    order = np.random.default_rng([_SEED, template]).permutation(len(pairs))
    left = [pairs[int(number)] for number in order]
    taken = Counter[tuple[str, int]]()
    chosen: list[SentencePair] = []

    while left and len(chosen) < most:
        best = min(left, key=lambda pair: sum(taken[filling] for filling in pair.fillings))
        left.remove(best)
        taken.update(best.fillings)
        chosen.append(best)

    return sorted(chosen, key=lambda pair: pair.fillings)


@cache
def phrasebook() -> Phrasebook:
    """Read the phrasebook that comes with NetfLips. Raises InputError for a template whose slots do not match."""
    content = read_table(__package__, "phrasebook.yaml")
    assert isinstance(content, dict)
    slots = {name: tuple((one[0], one[1]) for one in map(_split, lines)) for name, lines in content["slots"].items()}
    rows = [_split(line) for line in content["templates"]]

    for row in rows:
        named = [sorted(_SLOT.findall(form)) for form in row]
        if len(row) != 2 + len(FORMS) or any(names != named[0] for names in named) or not set(named[0]) <= set(slots):
            raise InputError("a template's slots do not match", found=" | ".join(row))

    return Phrasebook(slots, tuple((row[0], row[1]) for row in rows), tuple((row[2], row[3]) for row in rows))


def slots_of(template: str) -> list[str]:
    """Return the names of a template's slots, in order, each once."""
    return list(dict.fromkeys(_SLOT.findall(template)))


def _split(line: str) -> list[str]:
    return [part.strip() for part in line.split(" | ")]


def free_sentences(count: int, seed: int, names: Sequence[str] = ("free_korean",)) -> list[str]:
    """Draw `count` different sentences, normalised (`normalise`); a shorter list is the beginning of a longer one.

    names: of the files that they are drawn from. Raises InputError where the templates do not give as many.
    """
    content, rng = _content(*names), np.random.default_rng([seed, 21])
    found = dict.fromkeys(map(normalise, content["sentences"]))
    for number in range(count * _TRIES):
        if len(found) >= count:
            return list(found)[:count]
        template = content["templates"][number % len(content["templates"])]
        found[normalise(_SLOT.sub(lambda slot: _filling(content["slots"], slot[1], rng), template))] = None
    raise InputError("there are fewer free sentences", expected=count, found=len(found))


_HELD_OUT = {"free": "free_held_out.txt", "news": "news_held_out.txt", "unseen": "unseen_korean.txt"}


def held_out_free(kind: str = "free") -> list[str]:
    """Return sentences that are never trained on: free ones, of the news, or those that findings are measured on."""
    return files(__package__).joinpath(_HELD_OUT[kind]).read_text(encoding="utf-8").splitlines()


def _filling(slots: Mapping[str, Sequence[str]], slot: str, rng: np.random.Generator) -> str:
    if slot == "price":
        return str(int(rng.integers(*_PRICES)) * _HUNDRED)
    if slot in _NUMBERS:
        return str(int(rng.integers(*_NUMBERS[slot])))
    words = slots[slot]
    return str(words[int(rng.integers(len(words)))]).replace("_", " ")


@cache
def _content(*names: str) -> Any:
    """Return slots, templates and sentences of some files together."""
    read: list[Any] = [read_table(__package__, f"{name}.yaml") for name in names]
    slots = {name: words.split() for one in read for name, words in one["slots"].items()}
    return {"slots": slots, **{part: [line for one in read for line in one[part]] for part in ("templates", "sentences")}}
