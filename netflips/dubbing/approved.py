"""Which translations of a given script are used again as they are, and which utterances are to be translated once more."""

from netflips.dubbing.sentences import MOST_PIECES
from netflips.script.targets import TranslatedUnits, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance


def approved_targets(script: Script) -> frozenset[int]:
    """Return the numbers of the utterances whose translation, as text or units, is still that of their source text.

    Pieces of one sentence were translated together as text: each translation is used as long as no piece was corrected.
    """
    texts = ["" if utterance.text is None else utterance.text.text for utterance in script.utterances]
    found = set[int]()
    for place, utterance in enumerate(script.utterances):
        target = utterance.target
        if isinstance(target, TranslatedUnits):
            if _units_stand(utterance, target):
                found.add(utterance.number)
            continue
        if not isinstance(target, WrittenText) or not target.is_translated or not target.text.strip():
            continue
        if target.translation is None or utterance.text is None:  # nothing says that its source text was corrected
            found.add(utterance.number)
            continue

        # A translation keeps the text that it was made of: that of some run of pieces around this one, if none was corrected.
        of = target.translation.of.split()
        spans = [
            (first, last)
            for first in range(max(place - MOST_PIECES + 1, 0), place + 1)
            for last in range(place + 1, min(first + MOST_PIECES, len(texts)) + 1)
        ]
        if any(" ".join(texts[first:last]).split() == of for first, last in spans):
            found.add(utterance.number)
    return frozenset(found)


def _units_stand(utterance: Utterance, target: TranslatedUnits) -> bool:
    """Return whether target units are still valid: neither the source text nor the text read off them was corrected."""
    is_corrected = target.reading is not None and target.reading.is_by_person
    return (
        bool(target.units.ids) and not is_corrected and (utterance.text is None or utterance.text.text.split() == target.of.split())
    )


def asked_anew(script: Script, anew: frozenset[int]) -> frozenset[int]:
    """Return the numbers of the utterances that are to be translated once more: those whose target was deleted from a draft, and
    those of `anew` whose target no person wrote."""
    return frozenset(utterance.number for utterance in script.utterances if _is_anew(utterance, utterance.number in anew))


def _is_anew(utterance: Utterance, is_asked: bool) -> bool:
    if utterance.target is None:
        return bool(utterance.alternatives) or (utterance.text is not None and utterance.text.by == "recognizer")
    return is_asked and isinstance(utterance.target, WrittenText) and utterance.target.is_translated
