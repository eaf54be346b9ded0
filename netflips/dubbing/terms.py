"""Terms that a person decided, put into translations that the person has read and kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from avcore.notes import Note
from netflips.cascade.glossary import terms_in
from netflips.script.notes import TERM_PUT, TERMS_LACKING
from netflips.script.targets import Target, TranslatedFrom, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from text2unit.nouns import put, stands_in, times_in


def with_script_terms(
    script: Script, stands: frozenset[int], decided: Mapping[str, str]
) -> tuple[Script, list[tuple[Note, tuple[int, ...]]]]:
    """Put the terms that a person decided into the translations that stand, in place of a proposal or an earlier term.

    stands: numbers of the utterances whose translation stands. decided: terms as of `terms_of_script`. Returns the script, and
    notes of what was put where, and of sentences that lack a term, each with the numbers of its utterances (none: of all): a text
    that a person has read is never translated anew for a term.
    """
    utterances = {utterance.number: utterance for utterance in script.utterances}
    listed = {one.word.lower(): one for one in script.terms}
    changed, missing = dict[tuple[str, str], Counter[int]](), list[tuple[int, str]]()

    for sentence in _sentences(script, stands):
        texts, terms = [made.text for _, made in sentence], terms_in(sentence[0][1].of, decided)
        new = {word: wanted for word, wanted in terms.items() if not any(stands_in(text, wanted) for text in texts)}
        # One pass over all earlier forms: what was put in for one term is not looked at for another.
        forms = {wanted: wanted for wanted in terms.values()}
        for word, wanted in new.items():
            proposed = listed[word].proposed if word in listed else ""
            for form in _earlier_forms([made for _, made in sentence], word, proposed):
                forms.setdefault(form, wanted)
                if wanted.startswith(form):  # 인공 지능 is 인공지능 already, and not 인공지능 지능
                    forms.setdefault(f"{form} {wanted.removeprefix(form).strip()}", wanted)

        for number, made in sentence:
            for form, times in put(made.text, forms).places.items():
                changed.setdefault((form, forms[form]), Counter())[number] += times
            utterances[number] = _with_forms(utterances[number], forms, new)
        for wanted in new.values():
            if not any(stands_in(put(text, forms).text, wanted) for text in texts):
                missing.append((sentence[0][0], wanted))

    notes = [
        (TERM_PUT(earlier=listed[form].word if form in listed else form, term=wanted, times=numbers.total()), tuple(numbers))
        for (form, wanted), numbers in changed.items()
    ]
    if missing:
        numbers, rows = dict.fromkeys(number for number, _ in missing), (f"{term} ({number})" for number, term in missing)
        notes.append((TERMS_LACKING(terms=", ".join(rows), numbers=",".join(map(str, numbers))), ()))
    return replace(script, utterances=tuple(utterances.values())), notes


def _sentences(script: Script, stands: frozenset[int]) -> Sequence[list[tuple[int, TranslatedFrom]]]:
    """Return the sentences whose translation stands: the numbers of their utterances, each with its translation."""
    found = list[list[tuple[int, TranslatedFrom]]]()
    for utterance in script.utterances:
        if utterance.number not in stands or not isinstance(utterance.target, WrittenText) or utterance.target.translation is None:
            continue
        made = utterance.target.translation
        is_whole = utterance.text is None or utterance.text.text.split() == made.of.split()
        # Utterances next to each other that are translated from the same longer text are pieces of one sentence.
        number, last = found[-1][-1] if found else (0, None)
        if last is not None and not is_whole and number + 1 == utterance.number and last.of == made.of:
            found[-1].append((utterance.number, made))
        else:
            found.append([(utterance.number, made)])
    return found


def _earlier_forms(sentence: Sequence[TranslatedFrom], word: str, proposed: str) -> list[str]:
    """Return what may stand in the pieces of a sentence for a word of the original: an earlier term, the proposal, or the word."""
    forms = [*(made.glossary.get(word, "") for made in sentence), proposed, word]
    # A syllable that stands there more often than the name in the original is another word, too.
    most = times_in(sentence[0].of, word)
    return [form for form in forms if form and (len(form) > 1 or sum(times_in(made.text, form) for made in sentence) <= most)]


def _with_forms(utterance: Utterance, forms: Mapping[str, str], new: Mapping[str, str]) -> Utterance:
    """Return an utterance with terms in its target and its alternatives.

    forms: what is put in, by earlier forms. new: terms by the word of the original.
    """

    def changed(target: Target | None) -> Target | None:
        if not isinstance(target, WrittenText) or target.translation is None:
            return target
        text = put(target.text, forms).text
        if text == target.text:
            return target
        used = {word: wanted for word, wanted in new.items() if stands_in(text, wanted)}
        translation = target.translation._replace(text=text, glossary={**target.translation.glossary, **used})
        return replace(target, text=text, translation=translation, seconds=None)

    alternatives = (changed(target) for target in utterance.alternatives)
    return replace(
        utterance, target=changed(utterance.target), alternatives=tuple(target for target in alternatives if target is not None)
    )
