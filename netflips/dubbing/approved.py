"""What a script says already: texts and units that stand as somebody read them, and those that are to be translated once more."""

from dataclasses import replace

from netflips.dubbing.sentences import MOST_PIECES
from netflips.script.types import Script, Target, TranslatedUnits, Utterance, WrittenText


def approved_targets(script: Script) -> frozenset[int]:
    """Return the utterances, by number, whose translation, as text or units, is still that of what they say was heard.

    Pieces of one sentence were translated together as text, so that each stands as long as none of them was corrected.
    """
    heard = ["" if one.text is None else one.text.text for one in script.utterances]
    found = set[int]()
    for place, one in enumerate(script.utterances):
        target = one.target
        if isinstance(target, TranslatedUnits):
            if _units_stand(one, target):
                found.add(one.number)
            continue
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


def _units_stand(one: Utterance, target: TranslatedUnits) -> bool:
    """Return whether units are still what an utterance says: neither what was heard nor what is read of them was corrected."""
    is_corrected = target.reading is not None and target.reading.is_by_person
    return bool(target.units.ids) and not is_corrected and (one.text is None or one.text.text.split() == target.of.split())


def with_sources(script: Script) -> Script:
    """Fill in what was heard, as text, in translations by units and their other wordings: who corrects it asks for another."""

    def of(target: Target, heard: str) -> Target:
        return replace(target, of=heard) if isinstance(target, TranslatedUnits) else target

    utterances = list[Utterance]()
    for one in script.utterances:
        heard = "" if one.text is None else one.text.text
        target = None if one.target is None else of(one.target, heard)
        utterances.append(replace(one, target=target, alternatives=tuple(of(take, heard) for take in one.alternatives)))
    return replace(script, utterances=tuple(utterances))


def targets_given(script: Script | None, is_anew: bool) -> frozenset[int]:
    """Return the utterances, by number, of which the script that a person gave has what is said: theirs, or what they read. Nothing
    else may be said there. is_anew: what no person wrote is translated once more."""
    if script is None:
        return frozenset()
    written = ((one.number, one.target) for one in script.utterances)
    theirs = frozenset(
        number for number, text in written if isinstance(text, WrittenText) and text.text.strip() and not text.is_translated
    )
    return theirs if is_anew else theirs | approved_targets(script)


def asked_anew(script: Script, is_all: bool) -> frozenset[int]:
    """Return the utterances, by number, that are to be translated once more: those whose target was taken out of a draft. is_all:
    all that no person wrote."""
    return frozenset(one.number for one in script.utterances if _is_anew(one, is_all))


def _is_anew(one: Utterance, is_all: bool) -> bool:
    if one.target is None:
        return bool(one.alternatives) or (one.text is not None and one.text.by == "recognizer")
    return is_all and isinstance(one.target, WrittenText) and one.target.is_translated
