"""Back-translation by what made the translation, for a comparison with the source text (`netflips.dubbing.quality`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from avcore.errors import InputError
from avcore.notes import Notes
from avcore.progress import Progress
from netflips.cascade.adequacy import likeness
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.habits import cleaned
from netflips.cascade.program import ProgramTranslator, lone_request
from netflips.dubbing.sentences import WholeSentence
from netflips.dubbing.store import Store
from netflips.dubbing.translators import AnyTranslator, CachingTranslator
from netflips.quality_estimation import translation_fault
from netflips.script.notes import NOT_TRANSLATED_BACK
from netflips.script.targets import TranslatedFrom, WrittenText
from netflips.script.utterance import Utterance

_BACK = "back"
"""Step of the store."""


class _Piece(NamedTuple):
    """An utterance whose target was machine-translated and has no back-translation yet."""

    one: Utterance
    target: WrittenText
    translation: TranslatedFrom

    def with_back(self, back: str) -> Utterance:
        """Return the utterance with its back-translation."""
        return replace(self.one, target=replace(self.target, translation=self.translation._replace(back=back)))


def translated_back(
    sentences: Sequence[WholeSentence],
    languages: tuple[str, str],
    translator: AnyTranslator,
    store: Store,
    notes: Notes,
    progress: Progress,
) -> dict[int, Utterance]:
    """Return the utterances of machine-translated sentences, by number, with their back-translations.

    A note says if some have none. languages: of the source and of the target text.
    """
    opened = {one.number: (one, pieces) for one in sentences if (pieces := _open_pieces(one))}
    texts = {number: " ".join(piece.target.text for piece in pieces) for number, (_, pieces) in opened.items()}

    source, target = languages
    done, why = dict[int, Utterance](), f"no answer in language '{source}'"
    try:
        answers: Iterator[tuple[int, tuple[str, ...]]]
        if isinstance(translator, CachingTranslator):
            model = translator
            answers = ((number, (model.translate(text, target, source, _BACK),)) for number, text in texts.items())
        else:
            answers = _by_program(translator, texts, languages, store, progress)

        for number, found in answers:
            sentence, pieces = opened[number]
            backs = [cleaned(text, texts[number]) for text in found]
            backs = [text for text in backs if translation_fault(text, texts[number], source, sentence.seconds) is None]
            if backs:
                # Of several answers the nearest counts: another word for the same is no fault of the translation.
                back = max(backs, key=lambda text: likeness(sentence.text, text))
                done |= {piece.one.number: piece.with_back(back) for piece in pieces}
    except InputError as error:
        why = error.what

    if any(number not in done for number in opened):
        notes.add(NOT_TRANSLATED_BACK(error=why))
    return done


def _open_pieces(sentence: WholeSentence) -> list[_Piece]:
    """Return the pieces of a sentence; empty if one of them is a person's, or has its back-translation."""
    found = [
        _Piece(one, target, target.translation)
        for one in sentence.pieces
        if isinstance(target := one.target, WrittenText) and target.is_translated and target.translation is not None
    ]
    is_open = len(found) == len(sentence.pieces) and all(piece.translation.back is None for piece in found)
    return found if is_open else []


def _by_program(
    translator: ProgramTranslator | ChatTranslator, texts: Mapping[int, str], languages: tuple[str, str], store: Store,
    progress: Progress,
) -> Iterator[tuple[int, tuple[str, ...]]]:  # fmt: skip
    """Request each text without context, from which a translator could guess the source text. Raises InputError."""
    source, target = languages
    requests, done = [lone_request(number, text, target, source) for number, text in texts.items()], 0

    for start in range(0, len(requests), translator.together):
        group = {one["number"]: one for one in requests[start : start + translator.together]}
        made_of = {number: (translator.key, _BACK, target, one["text"]) for number, one in group.items()}
        kept = {number: store.find(tuple[str, ...], _BACK, key) for number, key in made_of.items()}
        new = [one for number, one in group.items() if kept[number] is None]
        made = translator.candidates(new) if new else {}
        for number, found in kept.items():
            yield number, store.keep(_BACK, made_of[number], tuple(made.get(number, ()))) if found is None else found
        done += len(group)
        progress("translate", done, len(requests))
