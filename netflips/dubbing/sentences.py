"""Whole sentences for a translator: pieces of one are joined over the pauses between them, and its translation is shared out again.

English verbs come early and Korean ones last, so that half a sentence cannot be translated.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from netflips.script.types import Utterance

MOST_PIECES, _LONGEST_S = 6, 30.0
_STOPS = ".!?\u2026\u3002\uff01\uff1f"
_CLOSING = "\"'\u201d\u2019)]"
_NEVER_LAST = re.compile(
    r"\b(?:a|an|the|and|but|or|nor|so|because|if|when|while|although|though|unless|until|since|of|to|in|on|at|by|for|from|with|into"
    r"|about|than|that|which|who|whose|as|my|your|his|her|its|our|their|is|are|was|were|very)\.$",
    re.IGNORECASE,
)
"""English words that end no sentence, whatever stop a recognizer puts behind a piece."""
_BEFORE_MAIN = re.compile(
    r"(?:when|if|because|although|though|while|unless|until|once|whenever|for every)\b[^,?!]*\.$", re.IGNORECASE
)
"""A clause that stands before its main clause, which a recognizer that hears it alone ends with a stop."""
_CONTINUES = re.compile(r"(?:and|but|or|because|which|who|where|while|so that|that)\b", re.IGNORECASE)
"""How a piece begins that may continue the one before, whatever stop stands there."""
_SHORT_S, _LONG_S = 0.35, 2.5
"""Pauses (s): after a shorter one such a piece does continue, as after any if it begins small; after a longer one nothing does."""
_ENDINGS = (
    (r"[,;:\u2026\u2014-]$", 0.0),
    (r"(?:고|서|면|며|니까|지만|는데|은데|도록|려고|때|다가|거나)$", 0.05),
    (r"(?:을|를|에|에서|에게|까지|부터|으로|로|와|과)$", 0.08),
    (r"(?:은|는|이|가|도)$", 0.12),
)
"""How a word of Korean ends, and what it costs to pause behind it (share of the text): phrases first."""
_WITHIN_PHRASE = 0.3


class WholeSentence(NamedTuple):
    """Neighbouring utterances that say one sentence, or a single one."""

    pieces: tuple[Utterance, ...]

    @property
    def number(self) -> int:
        """Of its first utterance."""
        return self.pieces[0].number

    @property
    def text(self) -> str:
        """What all of it says."""
        return " ".join(one.text.text for one in self.pieces if one.text is not None)

    @property
    def seconds(self) -> float:
        """How long it is spoken, without the pauses between its pieces."""
        return sum(one.place.seconds for one in self.pieces)


def sentences_in(said: Sequence[Utterance]) -> list[WholeSentence]:
    """Return the sentences of utterances in order, all of which have a text: by stops and pauses, of one speaker. A recognizer that
    writes no stops at all says nothing of this."""
    groups = list[list[Utterance]]()
    has_stops = any(_ends(_text(one)) for one in said)
    for one in said:
        group = groups[-1] if groups else []
        if (
            has_stops
            and group
            and group[-1].number + 1 == one.number
            and group[-1].speaker == one.speaker
            and _goes_on(_text(group[-1]), _text(one), one.place.start_s - group[-1].place.end_s)
            and len(group) < MOST_PIECES
            and one.place.end_s - group[0].place.start_s <= _LONGEST_S
        ):
            group.append(one)
        else:
            groups.append([one])
    return [WholeSentence(tuple(group)) for group in groups]


def _text(one: Utterance) -> str:
    return "" if one.text is None else one.text.text.strip().rstrip(_CLOSING)


def _ends(text: str) -> bool:
    return bool(text) and text[-1] in _STOPS and not text.endswith(("...", "\u2026"))


def _goes_on(text: str, following: str, pause_s: float) -> bool:
    """Return whether a sentence goes on in what follows it, by its punctuation and the pause (s) between."""
    if pause_s > _LONG_S:
        return False
    hints = (_NEVER_LAST.search(text), _BEFORE_MAIN.match(text), following[:1].islower())
    return not _ends(text) or any(hints) or (pause_s <= _SHORT_S and bool(_CONTINUES.match(following)))


def shared_out(text: str, lengths: Sequence[float]) -> list[str] | None:
    """Divide a text at phrase boundaries into as many parts as there are lengths, each about as long as its share; None for one
    with too few words.

    Dynamic programming over the words behind which a part ends.
    """
    words, total = text.split(), sum(lengths)
    if len(words) < len(lengths):
        return None
    signs = [sum(map(str.isalnum, word)) for word in words]
    ends, said = [sum(signs[: place + 1]) / max(sum(signs), 1) for place in range(len(words))], 0.0
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for part, length in enumerate(lengths[:-1], 1):
        said += length / total
        following: dict[int, tuple[float, tuple[int, ...]]] = {}
        for place in range(part, len(words) - len(lengths) + part + 1):
            boundary = next((price for ending, price in _ENDINGS if re.search(ending, words[place - 1])), _WITHIN_PHRASE)
            price = abs(ends[place - 1] - said) + boundary
            cost, cuts = min((cost, cuts) for before, (cost, cuts) in best.items() if before < place)
            following[place] = cost + price, (*cuts, place)
        best = following
    cuts = (0, *min(best.values())[1], len(words))
    return [" ".join(words[begin:end]) for begin, end in pairwise(cuts)]
