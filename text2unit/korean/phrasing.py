"""Pauses in Korean sentences: people read long clauses in phrases, and rest a little between them.

An accentual phrase ends with a particle or a connective ending, an intonation phrase holds some ten to fifteen syllables (Jun, "The
Phonetics and Phonology of Korean Prosody", 1993). A pause is written as a comma, which a text-to-unit model knows from speech.
"""

import re
from itertools import pairwise

from text2unit.normalise import MARKS, PAUSE, is_syllable

MOST = 17
"""Syllables of a phrase that is said in one breath."""
_FEWEST = 6, 7
"""Of a phrase before a pause, and of the rest: a verb is not parted from its object."""
_CLAUSE = re.compile(
    r"(?:.{2}고|(?:아|어|해|여|려|러|워|와|가|라|져|겨|켜|셔|쳐)서|.{2}며|(?:.{2}|되|하|보|가|오|있|없)면|면서|지만|는데|은데|니까|으니|려고|도록|다가"
    r"|거나|든지|자마자|때문에|때|뒤에|후에|전에|동안|위해|대해|따라)$"
)
_TOPIC = re.compile(r".{3}은$")
_PLURAL = re.compile(r".들(?:은|이)$")
_FIRST_TOPIC = re.compile(r".{3}는$")
"""Of the first word alone: further on it is mostly a verb that belongs to the noun behind it."""
_PLACE = re.compile(r".(?:까지|부터|에서|에게|한테|께서|으로)$")
_STRENGTHS = ((_CLAUSE, 1.0), (_TOPIC, 0.6), (_PLURAL, 0.5), (_PLACE, 0.4))
_OFF_THE_MIDDLE = 1.5
"""What it costs to part a clause at its end instead of in its middle."""


def phrased(sentence: str) -> str:
    """Return a sentence, as `normalise` writes it, with a comma wherever a clause is too long for one breath.

    Words stay as they are. Sentences without a particle or an ending to part them at stay whole.
    """
    words = sentence.split()
    start = 0
    while start < len(words):
        stop = next((at + 1 for at in range(start, len(words)) if words[at][-1] in MARKS), len(words))
        for at in _breaths([_syllables(word) for word in words[start:stop]], words[start:stop]):
            words[start + at] += PAUSE
        start = stop
    return " ".join(words)


def rested(sentence: str, count: int) -> str:
    """Return a sentence, as `normalise` writes it, with up to `count` more commas, each where its longest clause is best parted.

    For speech that has time to spare: it rests at its phrases, as a person does, instead of being drawn out.
    """
    words = sentence.split()
    for _ in range(count):
        starts = [0, *(at + 1 for at, word in enumerate(words) if word[-1] in MARKS)]
        found = list[tuple[int, int]]()
        for start, stop in pairwise([*starts, len(words)]):
            sizes = [_syllables(word) for word in words[start:stop]]
            is_first = start == 0 or words[start - 1][-1] != PAUSE
            if (at := _best_border(sizes, words[start:stop], is_first)) is not None:
                found.append((sum(sizes), start + at))
        if not found:
            break
        words[max(found)[1]] += PAUSE
    return " ".join(words)


def _breaths(sizes: list[int], words: list[str], is_first: bool = True) -> list[int]:
    """Numbers of the words of a clause behind which there is a pause. is_first: it is not the rest of one."""
    found = _best_border(sizes, words, is_first) if sum(sizes) > MOST else None
    if found is None:
        return []
    left = _breaths(sizes[: found + 1], words[: found + 1], is_first)
    right = _breaths(sizes[found + 1 :], words[found + 1 :], False)
    return [*left, found, *(found + 1 + at for at in right)]


def _best_border(sizes: list[int], words: list[str], is_first: bool) -> int | None:
    """The number of the word behind which a clause is best parted; None where it has no border. is_first: as of `_breaths`."""
    total, best, found = sum(sizes), 0.0, None
    for at in range(len(words) - 1):
        before = sum(sizes[: at + 1])
        if before < _FEWEST[0] or total - before < _FEWEST[1]:
            continue
        strength = next((value for ending, value in _STRENGTHS if ending.search(words[at])), 0.0)
        if at == 0 and is_first and _FIRST_TOPIC.search(words[0]):
            strength = 0.6
        value = strength - _OFF_THE_MIDDLE * (before / total - 0.5) ** 2
        if strength and value > best:
            best, found = value, at
    return found


def _syllables(word: str) -> int:
    return sum(map(is_syllable, word))
