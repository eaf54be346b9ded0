"""Terms that a person decided, put into translations that the person has read and kept."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from netflips.cascade.glossary import terms_in, with_terms
from netflips.script.targets import Target, TranslatedFrom, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from text2unit.script import with_fitting_particles


def with_script_terms(
    script: Script, stands: frozenset[int], decided: Mapping[str, str], *, can_ask: bool
) -> tuple[Script, frozenset[int]]:
    """Put the terms that a person decided into the translations that stand, in place of a proposal or an earlier term.

    stands: numbers of the utterances whose translation stands. decided: terms as of `terms_of_script`. can_ask: whether sentences
    can be translated once more; a sentence that has neither the proposal nor the earlier term then stands no longer. Returns the
    script and the numbers that still stand.
    """
    found = {one.number: one for one in script.utterances}
    before = {one.word.lower(): one.proposed for one in script.terms}
    lost = set[int]()

    for group in _sentences(script, stands):
        for word, wanted in terms_in(group[0][1].of, decided).items():
            if any(wanted in _translated_text(found[number]) for number, _ in group):
                continue
            for number, made in group:
                found[number] = _with_term(found[number], word, wanted, [made.glossary.get(word, ""), before.get(word, "")])
            # Neither the proposal nor the earlier term was in it: only another translation can have the term.
            if can_ask and not any(wanted in _translated_text(found[number]) for number, _ in group):
                lost |= {number for number, _ in group}
    return replace(script, utterances=tuple(found.values())), stands - lost


def _sentences(script: Script, stands: frozenset[int]) -> list[list[tuple[int, TranslatedFrom]]]:
    """Return the sentences whose translation stands: the numbers of their utterances, each with its translation."""
    found = list[list[tuple[int, TranslatedFrom]]]()
    for one in script.utterances:
        if one.number not in stands or not isinstance(one.target, WrittenText) or one.target.translation is None:
            continue
        made = one.target.translation
        is_whole = one.text is None or one.text.text.split() == made.of.split()
        # Utterances next to each other that are translated from the same longer text are pieces of one sentence.
        number, last = found[-1][-1] if found else (0, None)
        if last is not None and not is_whole and number + 1 == one.number and last.of == made.of:
            found[-1].append((one.number, made))
        else:
            found.append([(one.number, made)])
    return found


def _translated_text(one: Utterance) -> str:
    """Return the machine translation of an utterance, "" = there is none."""
    return "" if not isinstance(one.target, WrittenText) or one.target.translation is None else one.target.translation.text


def _with_term(one: Utterance, word: str, wanted: str, before: Sequence[str]) -> Utterance:
    """Return an utterance with a term as a person wants it, in its target and its alternatives."""

    def changed(target: Target | None) -> Target | None:
        if not isinstance(target, WrittenText) or target.translation is None:
            return target
        text = target.text
        for earlier in filter(None, before):  # a particle may follow the term, but no syllable may stand before it
            text = re.sub(rf"(?<![가-힣]){re.escape(earlier)}", wanted, text)
        text = with_terms(target.translation.of, text, {word: wanted}, None).text
        if text == target.text:
            return target
        text = with_fitting_particles(text, wanted)
        translation = target.translation._replace(text=text, glossary={**target.translation.glossary, word: wanted})
        return replace(target, text=text, translation=translation, seconds=None)

    alternatives = (changed(target) for target in one.alternatives)
    return replace(one, target=changed(one.target), alternatives=tuple(target for target in alternatives if target is not None))
