"""The translator's dictionary."""

import numpy as np
import pytest

from unit2unit.vocabulary import TranslatorVocabulary

PUBLISHED = "en,es,fr,it,pt,el,ru,cs,da,de,fi,hr,hu,lt,nl,pl,ro,sk,sl"


def test_korean_rows() -> None:
    vocabulary = TranslatorVocabulary.from_rows(1025, [*PUBLISHED.split(","), "ko"])
    assert vocabulary.num_units == 1000
    assert (vocabulary.tag("en"), vocabulary.tag("ko"), vocabulary.mask) == (1004, 1023, 1024)
    assert len(vocabulary.languages) == 20


def test_languages_as_list_string_and_long_names() -> None:
    wanted = ("en", "ko")
    assert TranslatorVocabulary.from_rows(107, "en,ko").languages == wanted
    assert TranslatorVocabulary.from_rows(107, ["eng", "[KOR]"]).languages == wanted
    assert TranslatorVocabulary.from_rows(107, "en, ko,").num_units == 100


def test_source_tokens() -> None:
    vocabulary = TranslatorVocabulary(10, ("en", "ko"))
    assert vocabulary.source_tokens(np.array([0, 9, 3]), "ko").tolist() == [0, 4, 13, 7, 2, 15]
    assert vocabulary.source_tokens(np.zeros(0, dtype=np.int64), "en").tolist() == [0, 2, 14]


def test_only_units_are_left_of_tokens() -> None:
    vocabulary = TranslatorVocabulary(10, ("en", "ko"))
    every_row = range(vocabulary.num_rows)
    assert vocabulary.units(every_row).tolist() == list(range(10))
    assert vocabulary.units([0, 2, 3, 14, 15, 16]).tolist() == []


@pytest.mark.parametrize(("target", "rows"), [("ko", {14, 15, 17}), ("en", {15, 16, 17})])
def test_suppressed_are_other_tags_and_mask(target: str, rows: set[int]) -> None:
    assert set(TranslatorVocabulary(10, ("en", "fr", "ko")).suppressed(target)) == rows
