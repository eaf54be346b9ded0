"""Errors in Korean letters: consonants at the beginning of a word, and ㅓ recognized as ㅏ.

The transcript is aligned with the right text letter by letter (jamo), with the fewest letters changed, added and left out. A voice
with smeared bursts loses the consonants that begin words, because no vowel before them helps. Vowels that are close to each other
show how well its filters work.
"""

import unicodedata
from collections.abc import Sequence

import numpy as np

from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, rate
from unit2text.text import normalise_for_reading

_SILENT = "\u110b"
"""ㅇ at the beginning of a syllable, where it is silent."""
_INITIALS = "\u1100", "\u1112"
_AS_A = {"\u1165": "\u1161", "\u1167": "\u1163", "\u116f": "\u116a"}
"""ㅓ ㅕ ㅝ, and what they become when ㅓ is recognized as ㅏ."""
_NONE = ""
_ASR = "the recognizer's errors count as the voice's: read it beside its figure on true speech"


@metric(
    FigureKind(
        "onset_errors", "consonants that begin a word, misheard", "lower", "letters aligned, after unit2text.text", _ASR, of="rate"
    ),
    FigureKind("eo_as_a", "ㅓ heard as ㅏ", "lower", "letters aligned, after unit2text.text", _ASR, of="rate"),
    needs={"reference_text", "recognizer"},
    place=11,
)
def misheard_letters(case: Case, outcome: Clip) -> Measured:
    """Return the shares of word-initial consonants that are missing or another letter in the transcript, and of ㅓ that are ㅏ
    there."""
    if case.files.language != "ko":
        return dict.fromkeys(("onset_errors", "eo_as_a"), Missing("for Korean texts only"))

    words = [unicodedata.normalize("NFD", word) for word in normalise_for_reading(case.files.reference_text).split()]
    recognized = aligned_letters("".join(words), unicodedata.normalize("NFD", "".join(normalise_for_reading(outcome.text).split())))
    starts = np.cumsum([0, *map(len, words)])[:-1]

    onsets = [(word[0], recognized[at]) for word, at in zip(words, starts, strict=True) if is_initial(word[0])]
    vowels = [(one, found) for one, found in zip("".join(words), recognized, strict=True) if one in _AS_A]
    wrong, as_a = sum(one != found for one, found in onsets), sum(_AS_A[one] == found for one, found in vowels)
    return {
        **rate("onset_errors", wrong, len(onsets), "no word begins with a consonant"),
        **rate("eo_as_a", as_a, len(vowels), "the text has no ㅓ"),
    }


def is_initial(letter: str) -> bool:
    """Return whether a letter is a consonant that sounds at the beginning of a syllable."""
    return _INITIALS[0] <= letter <= _INITIALS[1] and letter != _SILENT


def aligned_letters(wanted: str, found: str) -> Sequence[str]:
    """Return the letter of a found text that is aligned with each letter of the wanted one, "" for none, with the fewest errors."""
    rows, columns = len(wanted), len(found)
    # Wagner and Fischer (1974): costs forward, then the way back along them.
    cost = np.zeros((rows + 1, columns + 1), np.int64)
    cost[:, 0], cost[0] = np.arange(rows + 1), np.arange(columns + 1)

    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            changed = cost[row - 1, column - 1] + (wanted[row - 1] != found[column - 1])
            cost[row, column] = min(changed, cost[row - 1, column] + 1, cost[row, column - 1] + 1)

    stands, row, column = [_NONE] * rows, rows, columns
    while row:
        if column and cost[row, column] == cost[row - 1, column - 1] + (wanted[row - 1] != found[column - 1]):
            row, column = row - 1, column - 1
            stands[row] = found[column]
        elif cost[row, column] == cost[row - 1, column] + 1:
            row -= 1
        else:
            column -= 1
    return stands
