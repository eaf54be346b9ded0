"""Whole sentences for a translator: utterances of one sentence are joined, and its translation is divided among them again.

Half a sentence cannot be translated: English verbs come early, Korean ones last.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from netflips.script.utterance import Utterance

MOST_PIECES, _LONGEST_S = 6, 30.0
_STOPS = ".!?\u2026\u3002\uff01\uff1f"
_CLOSING = "\"'\u201d\u2019)]"
_NEVER_LAST = re.compile(
    r"\b(?:a|an|the|and|but|or|nor|so|because|if|when|while|although|though|unless|until|since|of|to|in|on|at|by|for|from|with|into"
    r"|about|than|that|which|who|whose|as|my|your|his|her|its|our|their|is|are|was|were|very)\.$",
    re.IGNORECASE,
)
"""English words that end no sentence, even if a recognizer puts a stop behind them."""
_BEFORE_MAIN = re.compile(
    r"(?:when|if|because|although|though|while|unless|until|once|whenever|for every)\b[^,?!]*\.$", re.IGNORECASE
)
"""A clause before its main clause. A recognizer that has only the clause ends it with a stop."""
_CONTINUES = re.compile(r"(?:and|but|or|because|which|who|where|while|so that|that)\b", re.IGNORECASE)
"""First words of an utterance that may continue the sentence before, in spite of a stop."""
_SHORT_S, _LONG_S = 0.35, 2.5
"""Pauses in seconds. Up to the first, such words continue a sentence; a lower-case letter does so up to the second; beyond that, a
new sentence begins."""
_SCRAP = 2
"""Words that are too few to be translated alone."""
_ENDINGS = (
    (r"[,;:\u2026\u2014-]$", 0.0),
    (r"(?:고|서|면|며|니까|지만|는데|은데|도록|려고|때|다가|거나)$", 0.05),
    (r"(?:을|를|에|에서|에게|까지|부터|으로|로|와|과)$", 0.08),
    (r"(?:은|는|이|가|도)$", 0.12),
)
"""Endings of Korean words, and the cost of a pause behind them (as a share of the text): lowest at the end of a phrase."""
_WITHIN_PHRASE = 0.3
"""The cost behind any other word."""


class WholeSentence(NamedTuple):
    """Neighbouring utterances of one sentence, or a single utterance."""

    pieces: tuple[Utterance, ...]

    @property
    def number(self) -> int:
        """Number of its first utterance."""
        return self.pieces[0].number

    @property
    def text(self) -> str:
        """Its whole text."""
        return " ".join(piece.text.text for piece in self.pieces if piece.text is not None)

    @property
    def seconds(self) -> float:
        """How long it is, without the pauses between its utterances."""
        return sum(piece.place.seconds for piece in self.pieces)


def sentences_in(utterances: Sequence[Utterance]) -> list[WholeSentence]:
    """Return the sentences of utterances that are in order and have a text: by stops and pauses, each of one speaker.

    If no utterance ends with a stop, the recognizer writes none, and each is a sentence of its own.
    """
    groups = list[list[Utterance]]()
    has_stops = any(_ends(_text(utterance)) for utterance in utterances)

    for utterance in utterances:
        group = groups[-1] if groups else []
        if (
            has_stops
            and group
            and group[-1].number + 1 == utterance.number
            and group[-1].speaker == utterance.speaker
            and _goes_on(_text(group[-1]), _text(utterance), utterance.place.start_s - group[-1].place.end_s)
            and len(group) < MOST_PIECES
            and utterance.place.end_s - group[0].place.start_s <= _LONGEST_S
        ):
            group.append(utterance)
        else:
            groups.append([utterance])
    return [WholeSentence(tuple(group)) for group in groups]


def _text(utterance: Utterance) -> str:
    return "" if utterance.text is None else utterance.text.text.strip().rstrip(_CLOSING)


def _ends(text: str) -> bool:
    return bool(text) and text[-1] in _STOPS and not text.endswith(("...", "\u2026"))


def _goes_on(text: str, following: str, pause_s: float) -> bool:
    """Return whether a sentence goes on in the text that follows, by its punctuation and the pause in seconds."""
    if pause_s > _LONG_S:
        return False
    hints = (_NEVER_LAST.search(text), _BEFORE_MAIN.match(text), following[:1].islower())
    return not _ends(text) or any(hints) or (pause_s <= _SHORT_S and bool(_CONTINUES.match(following)))


def is_unfinished(text: str) -> bool:
    """Return whether an English text is surely half a sentence: it ends in a word that ends none, is a clause before its main
    clause, or a word or two without a stop."""
    text = text.strip().rstrip(_CLOSING)
    stopped = f"{text.rstrip(_STOPS + ',-')}."
    is_scrap = not _ends(text) and len(text.split()) <= _SCRAP
    return is_scrap or bool(_NEVER_LAST.search(stopped) or (not text.endswith(("?", "!")) and _BEFORE_MAIN.match(stopped)))


def shared_out(text: str, lengths: Sequence[float]) -> list[str] | None:
    """Divide a text at phrase boundaries into parts in proportion to `lengths`; None if it has too few words.

    Dynamic programming over the words behind which a part ends.
    """
    words, total = text.split(), sum(lengths)
    if len(words) < len(lengths):
        return None

    signs = [sum(map(str.isalnum, word)) for word in words]
    ends, wanted = [sum(signs[: place + 1]) / max(sum(signs), 1) for place in range(len(words))], 0.0

    # best: by the number of words so far, the lowest cost and where its parts end. A part ends near its share of the letters, which
    # stand for time, and at the end of a phrase rather than within one: listeners hear the pause there.
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for part, length in enumerate(lengths[:-1], 1):
        wanted += length / total
        following: dict[int, tuple[float, tuple[int, ...]]] = {}
        for place in range(part, len(words) - len(lengths) + part + 1):  # each part after this one needs a word, too
            boundary = next((price for ending, price in _ENDINGS if re.search(ending, words[place - 1])), _WITHIN_PHRASE)
            price = abs(ends[place - 1] - wanted) + boundary
            cost, cuts = min((cost, cuts) for before, (cost, cuts) in best.items() if before < place)
            following[place] = cost + price, (*cuts, place)
        best = following

    cuts = (0, *min(best.values())[1], len(words))
    return [" ".join(words[begin:end]) for begin, end in pairwise(cuts)]
