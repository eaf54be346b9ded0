"""Spelling, alignment, and what counts as an error."""

import unicodedata

import numpy as np
import pytest
import torch

from unit2text.search import align, best_path, log_likelihoods
from unit2text.text import (
    LETTERS,
    PIECES,
    TextVocabulary,
    character_errors,
    composed,
    letters_of_text,
    normalise_for_reading,
    word_errors,
)

MARKS = ("<s>", "<pad>", "</s>", "<unk>")
KOREAN = "우체국이 어디예요?"


def letters(*texts: str) -> TextVocabulary:
    return TextVocabulary((*MARKS, *sorted({letter for text in texts for letter in letters_of_text(text)})), LETTERS)


@pytest.mark.parametrize("text", [KOREAN, "Where is it, please?", "déjà vu", unicodedata.normalize("NFD", KOREAN)])
def test_letters_there_and_back(text: str) -> None:
    vocabulary = letters(text)
    assert vocabulary.decode(vocabulary.encode(text).tolist()) == unicodedata.normalize("NFC", text)


def test_korean_is_read_in_jamo_and_a_letter_that_was_never_seen_is_unknown() -> None:
    assert len(letters_of_text("국")) == 3
    assert composed("우채ᅦ국") == "우채국"
    assert composed("  a   b ") == "a b"
    assert letters("ab").encode("axb").tolist() == [4, 3, 5]


def test_words_and_the_positions_of_their_rows() -> None:
    vocabulary = letters("ab cd")
    rows = [*vocabulary.encode("ab cd").tolist(), 2]
    assert vocabulary.words(rows) == [("ab", [0, 1]), ("cd", [3, 4])]
    pieces = TextVocabulary((*MARKS, "▁", "▁ab", "c"), PIECES)
    assert pieces.words([5, 6, 4, 6, 2]) == [("abc", [0, 1]), ("c", [2, 3])]
    assert pieces.decode([5, 6, 4, 6, 2]) == "abc c"


def log_probs(path: list[int], rows: int = 6) -> torch.Tensor:
    scores = torch.full((len(path), rows), 0.01)
    scores[range(len(path)), path] = 1.0
    return (scores / scores.sum(1, keepdim=True)).log()


def test_the_best_path_and_when_its_rows_were_said() -> None:
    found = log_probs([0, 4, 4, 0, 0, 4, 5, 5, 0])
    assert best_path(found).tolist() == [4, 4, 5]
    spans = align(found, np.array([4, 4, 5]))
    assert [(one.first, one.last) for one in spans] == [(1, 3), (5, 6), (6, 8)]
    assert all(one.probability > 0.9 for one in spans)


def test_a_text_without_room_shares_the_time_and_a_mark_that_ctc_never_says_takes_none() -> None:
    spans = align(log_probs([4, 5]), np.array([4, 4, 5]))
    assert [one.first for one in spans] == sorted(one.first for one in spans)
    assert spans[-1].last == 2
    assert align(log_probs([4]), np.zeros(0, np.int64)) == []
    spans = align(log_probs([0, 4, 4, 0, 5]), np.array([0, 4, 0, 5]))
    assert [(one.first, one.last) for one in spans] == [(0, 0), (1, 3), (3, 3), (4, 5)]


def test_the_likelier_text_has_the_higher_log_likelihood() -> None:
    right, wrong, none = log_likelihoods(log_probs([0, 4, 0, 5]), [np.array(rows) for rows in ([4, 5], [5, 4], [4, 4, 4, 5])])
    assert right > wrong
    assert none == -np.inf


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello,  World!", "hello world"),
        ("don't — O\u2019Neill's 'quoted'", "don't o'neill's quoted"),
        (unicodedata.normalize("NFD", "안녕하세요, 여러분."), "안녕하세요 여러분"),
        ("ＡＢＣ １２", "abc 12"),  # noqa: RUF001
        ("Straße", "strasse"),
        ("...", ""),
    ],
)
def test_texts_are_made_comparable(text: str, wanted: str) -> None:
    assert normalise_for_reading(text) == wanted


def test_errors() -> None:
    assert word_errors("a b c", "a x c d") == (2, 3)
    assert word_errors("", "a b") == (2, 0)
    assert character_errors("우체국이 어디", "우채국이어디") == (1, 6)
    assert character_errors("", "x") == (1, 0)
