"""What a script says already: the texts that stand as somebody read them, and those that are to be translated once more."""

from netflips.dubbing.sentences import MOST_PIECES
from netflips.script.types import Script, Utterance, WrittenText


def approved_texts(script: Script) -> frozenset[int]:
    """Return the utterances, by number, whose translated text is still that of what they say was heard.

    Pieces of one sentence were translated together, so that each stands as long as none of them was corrected.
    """
    heard = ["" if one.text is None else one.text.text for one in script.utterances]
    found = set[int]()
    for place, one in enumerate(script.utterances):
        target = one.target
        if not isinstance(target, WrittenText) or not target.is_translated or not target.text.strip():
            continue
        if target.translation is None or one.text is None:
            found.add(one.number)
            continue
        of = target.translation.of.split()
        spans = [
            (first, last)
            for first in range(max(place - MOST_PIECES + 1, 0), place + 1)
            for last in range(place + 1, min(first + MOST_PIECES, len(heard)) + 1)
        ]
        if any(" ".join(heard[first:last]).split() == of for first, last in spans):
            found.add(one.number)
    return frozenset(found)


def texts_given(script: Script | None, is_anew: bool) -> frozenset[int]:
    """Return the utterances, by number, whose text stands in the script that a person gave: theirs, or one that they read. Nothing
    else may be said there. is_anew: what no person wrote is translated once more."""
    if script is None:
        return frozenset()
    written = ((one.number, one.target) for one in script.utterances)
    theirs = frozenset(
        number for number, text in written if isinstance(text, WrittenText) and text.text.strip() and not text.is_translated
    )
    return theirs if is_anew else theirs | approved_texts(script)


def asked_anew(script: Script, is_all: bool) -> frozenset[int]:
    """Return the utterances, by number, that are to be translated once more: those whose target was taken out of a draft. is_all:
    all that no person wrote."""
    return frozenset(one.number for one in script.utterances if _is_anew(one, is_all))


def _is_anew(one: Utterance, is_all: bool) -> bool:
    if one.target is None:
        return bool(one.takes) or (one.text is not None and one.text.by == "recogniser")
    return is_all and isinstance(one.target, WrittenText) and one.target.is_translated
