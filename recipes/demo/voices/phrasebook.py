"""The phrasebook of the demo: English sentences and their Korean translations, made from templates with slots.

What is held out is held out by fillings: each filling of a slot is kept out of one in `_PERIOD` of the templates that take it, in
whatever sentence, and is learnt in the others. So a sentence that is held out has a word where training never met it.
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
from avcore.texts import parse_yaml
from text2unit.normalise import normalise, with_particles

_SLOT = re.compile(r"\{(\w+)\}")
_PERIOD, _STRIDE = 5, 3
"""One in so many templates of a slot lacks a filling; how far apart those of neighbouring fillings are."""
_SEED = 49
FORMS = ("short", "long")
LEARNT, HELD_OUT = 28, 3
"""Sentences of a template that are learnt and kept out, at most: so that no template is heard more than others."""
_NUMBERS = {
    "number": (1, 13), "minute": (2, 60), "few": (2, 11), "year": (1950, 2027), "month": (1, 13), "day": (1, 29),
    "three": (101, 990), "four": (1000, 10000),
}  # fmt: skip
"""Slots that are numbers: from, and below."""
_PRICES = 100, 990
_HUNDRED = 100
_TRIES = 20


@dataclass(frozen=True)
class SentencePair:
    """A sentence in both languages. template: its number. fillings: the number of each slot's pair, by slot. forms: other Korean of
    it, by how long it takes (FORMS)."""

    english: str
    korean: str
    template: int
    fillings: tuple[tuple[str, int], ...]
    forms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Phrasebook:
    """slots: English and Korean fillings by name. templates: English and Korean sentences with slots. forms: the Korean of each
    template said shorter and longer."""

    slots: Mapping[str, tuple[tuple[str, str], ...]]
    templates: tuple[tuple[str, str], ...]
    forms: tuple[tuple[str, str], ...]

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
        """Return whether a filling of the sentence is kept out of its template."""
        return any((pair.template, slot, number) in self._kept_out for slot, number in pair.fillings)

    def sentences(self, learnt: int = LEARNT) -> list[SentencePair]:
        """Return what training, references and evaluations are made of: `learnt` sentences of each template and `HELD_OUT` that are
        held out, with every filling about as often as others, in a fixed order."""
        chosen: list[SentencePair] = []
        for template in range(len(self.templates)):
            pairs = list(self.pairs_of(template))
            for most, is_out in ((learnt, False), (HELD_OUT, True)):
                chosen += _evenly([pair for pair in pairs if self.is_held_out(pair) == is_out], most, template)
        return chosen

    @cached_property
    def _kept_out(self) -> frozenset[tuple[int, str, int]]:
        """Template, slot and filling of each that are not learnt together."""
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
    """At most so many pairs of a template, each time one whose fillings were taken least so far."""
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
    content = parse_yaml(files(__package__).joinpath("phrasebook.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    slots = {name: tuple((one[0], one[1]) for one in map(_split, lines)) for name, lines in content["slots"].items()}
    rows = [_split(line) for line in content["templates"]]
    for row in rows:
        named = [sorted(_SLOT.findall(form)) for form in row]
        if len(row) != 2 + len(FORMS) or any(names != named[0] for names in named) or not set(named[0]) <= set(slots):
            raise InputError("a template's slots do not match", found=" | ".join(row))
    return Phrasebook(slots, tuple((row[0], row[1]) for row in rows), tuple((row[2], row[3]) for row in rows))


def slots_of(template: str) -> list[str]:
    """Return names of a template's slots, in order, each once."""
    return list(dict.fromkeys(_SLOT.findall(template)))


def _split(line: str) -> list[str]:
    return [part.strip() for part in line.split(" | ")]


def free_sentences(count: int, seed: int, names: Sequence[str] = ("free_korean",)) -> list[str]:
    """Draw so many different sentences, as `normalise` writes them; the first few hundred of a longer list are a shorter one.

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


def held_out_free() -> list[str]:
    """Sentences that training never hears."""
    return files(__package__).joinpath("free_held_out.txt").read_text(encoding="utf-8").splitlines()


def _filling(slots: Mapping[str, Sequence[str]], slot: str, rng: np.random.Generator) -> str:
    if slot == "price":
        return str(int(rng.integers(*_PRICES)) * _HUNDRED)
    if slot in _NUMBERS:
        return str(int(rng.integers(*_NUMBERS[slot])))
    words = slots[slot]
    return str(words[int(rng.integers(len(words)))]).replace("_", " ")


@cache
def _content(*names: str) -> Any:
    """Slots, templates and sentences of some files together."""
    read: list[Any] = [parse_yaml(files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")) for name in names]
    slots = {name: words.split() for one in read for name, words in one["slots"].items()}
    return {"slots": slots, **{part: [line for one in read for line in one[part]] for part in ("templates", "sentences")}}
