"""Language names and vocabulary fingerprints."""

import pytest

from avcore.errors import LanguageError, VocabularyError
from avcore.units.vocabulary import (
    UTUT_LANGUAGES,
    fingerprint,
    language_tag,
    meant_language,
    normalise_language,
    require_language,
    require_same_vocabulary,
)


@pytest.mark.parametrize("name", ["ko", "KO", "kor", " [ko] "])
def test_language_names_mean_the_same(name: str) -> None:
    assert normalise_language(name) == "ko"
    assert language_tag(name) == "[ko]"


def test_there_are_nineteen_published_languages() -> None:
    assert len(set(UTUT_LANGUAGES)) == 19
    assert UTUT_LANGUAGES[:5] == ("en", "es", "fr", "it", "pt")


def test_a_missing_language_lists_those_there_are() -> None:
    assert require_language("spa", ["en", "es"], "the translator") == "es"
    with pytest.raises(LanguageError, match=r"en, es.*train it"):
        require_language("ko", ["en", "es"], "the translator", hint="train it")


def test_fingerprints_tell_contents_and_their_borders_apart() -> None:
    assert fingerprint(b"ab", b"c") == fingerprint(b"ab", b"c")
    assert fingerprint(b"ab", b"c") != fingerprint(b"a", b"bc")
    assert fingerprint(b"").startswith("sha256:")


def test_only_two_known_and_different_vocabularies_are_refused() -> None:
    require_same_vocabulary("", "b", "the model")
    require_same_vocabulary("a", "", "the model")
    require_same_vocabulary("a", "a", "the model")
    with pytest.raises(VocabularyError, match="expected b; found a"):
        require_same_vocabulary("a", "b", "the model")


@pytest.mark.parametrize(("written", "meant"), [("kr", "ko"), ("Korean", "ko"), ("ko-KR", "ko"), ("en_US", "en")])
def test_a_country_or_a_name_in_place_of_a_language_is_understood(written: str, meant: str) -> None:
    with pytest.raises(LanguageError, match=f"did you mean {meant}"):
        require_language(written, ("en", "ko"), "the translator")


def test_nothing_is_guessed_where_nothing_is_near() -> None:
    with pytest.raises(LanguageError, match="found xx; add it"):
        require_language("xx", ("en", "ko"), "the translator", "add it")
    assert meant_language("kr", ("en", "fr")) is None
