"""The phrasebook: every sentence is whole, Korean particles fit, and the choice is fixed by its seed."""

import re
from collections import Counter

import numpy as np
import pytest

from avcore.errors import InputError
from netflips.cascade.speakers import syllables_in
from recipes.demo.voices.phrasebook import phrasebook, with_particles


def test_particles_follow_the_syllable_before() -> None:
    said = "은행이|학교가|서울로|공항으로|학교로|원이에요|커피와 물을|초록색으로도"
    text = (
        "은행(이/가)|학교(이/가)|서울(으로/로)|공항(으로/로)|학교(으로/로)|원(이에요/예요)|커피(과/와) 물(을/를)|초록색(으로/로)도"
    )
    assert "|".join(map(with_particles, text.split("|"))) == said
    with pytest.raises(InputError, match="nothing to say"):
        with_particles("…(이/가)")


def test_all_sentences_are_whole_and_different() -> None:
    pairs = phrasebook().all_pairs()
    assert len(pairs) >= 2000
    assert len({pair.english for pair in pairs}) == len(pairs) == len({pair.korean for pair in pairs})
    for pair in pairs:
        assert re.fullmatch(r"[A-Z][A-Za-z ,.'?]*[.?]", pair.english), pair.english
        assert re.fullmatch(r"[가-힣][가-힣 ,.?]*[.?]", pair.korean), pair.korean
        assert pair.korean.rstrip(".?").endswith(("요", "다")), pair.korean


def test_every_sentence_is_said_shorter_and_longer() -> None:
    """By a tenth at least, counted in syllables over a template's sentences; the words of its slots are in all forms."""
    book = phrasebook()
    for template in range(len(book.templates)):
        pairs = list(book.pairs_of(template))
        forms = ((dict(pair.forms)["short"], pair.korean, dict(pair.forms)["long"]) for pair in pairs)
        short, usual, long = np.array([[syllables_in(text) for text in texts] for texts in forms]).mean(axis=0)
        assert short < 0.9 * usual, (book.forms[template], short / usual)
        assert long > 1.1 * usual, (book.forms[template], long / usual)
        for pair in pairs:
            for _, text in pair.forms:
                assert re.fullmatch(r"[가-힣][가-힣 ,.?]*[.?]", text), text
                assert text.rstrip(".?").endswith(("요", "다")), text


def test_every_filling_is_learnt_in_templates_and_kept_out_of_one() -> None:
    book = phrasebook()
    sentences = book.sentences()
    parts = ([pair for pair in sentences if book.is_held_out(pair) == is_out] for is_out in (False, True))
    learnt, kept_out = ({(pair.template, *filling) for pair in part for filling in pair.fillings} for part in parts)
    places = Counter(tuple(filling) for _, *filling in learnt)
    assert all(places[slot, number] >= 4 for slot, pairs in book.slots.items() for number in range(len(pairs)))
    assert {pair.template for pair in sentences if book.is_held_out(pair)} == set(range(len(book.templates)))
    for pair in sentences:
        if book.is_held_out(pair):
            assert any((pair.template, *filling) not in learnt for filling in pair.fillings), pair
    assert len(kept_out) > 300
    assert max(Counter(pair.template for pair in sentences).values()) <= 51
