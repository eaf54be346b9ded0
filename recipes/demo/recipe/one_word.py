"""Sentences of the phrasebook's templates with one word that it does not know: the nearest there is to a known sentence."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from avcore.texts import parse_yaml
from recipes.demo.voices.phrasebook import phrasebook, slots_of

_SEED = 17
_TIMES = 2
"""How often each template with another word is filled."""


@cache
def one_word_sentences() -> tuple[str, ...]:
    """English sentences with one unknown word each, always the same ones in the same order; none is there twice."""
    rng = np.random.default_rng(_SEED)
    usual = [english for english, _ in phrasebook().templates]
    sentences = []
    for slot, words in unknown_words().items():
        where = [template for template in usual if slot in slots_of(template)]
        start = int(rng.integers(len(where)))
        sentences += [_filled(where[(start + number) % len(where)], rng, {slot: word}) for number, word in enumerate(words)]
    sentences += [_filled(template, rng, {}) for template in _content()["templates"] for _ in range(_TIMES)]
    return tuple(dict.fromkeys(sentences))


def unknown_words() -> Mapping[str, Sequence[str]]:
    """Return what the phrasebook does not have, by the slot that it stands in."""
    found: Mapping[str, Sequence[str]] = _content()["slots"]
    return found


def _filled(template: str, rng: np.random.Generator, given: Mapping[str, str]) -> str:
    """A template with what is given, and known words in its other slots."""
    known = phrasebook().slots
    drawn = {slot: known[slot][int(rng.integers(len(known[slot])))][0] for slot in slots_of(template)}
    return template.format_map({**drawn, **given})


@cache
def _content() -> Mapping[str, Any]:
    content = parse_yaml(files(__package__).joinpath("one_word.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return {str(name): value for name, value in content.items()}
