"""Back-translation by what made the translation, for a comparison with the source text (`netflips.dubbing.quality`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from avcore.errors import InputError
from netflips.cascade.adequacy import cleaned, likeness
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.engines import Engines
from netflips.cascade.program import ProgramTranslator, lone_request
from netflips.dubbing.job import Job
from netflips.dubbing.sentences import WholeSentence
from netflips.quality_estimation import translation_fault
from netflips.script.notes import NOT_TRANSLATED_BACK
from netflips.script.types import Script, Utterance, WrittenText


def translated_back(
    script: Script,
    job: Job,
    engines: Engines,
    translator: ProgramTranslator | ChatTranslator | None,
    sentences: Sequence[WholeSentence],
) -> dict[int, Utterance]:
    """Return the utterances of machine-translated sentences, by number, with their back-translations.

    A note says if some have none. translator: a program or a language model, None = the engines' model.
    """
    todo = {one.number: one for one in sentences if all(map(_is_open, one.pieces))}
    texts = {number: " ".join(_target_text(piece) for piece in one.pieces) for number, one in todo.items()}
    done, why = dict[int, Utterance](), f"no answer in language '{script.source}'"
    try:
        answers = _by_model(job, engines, texts) if translator is None else _by_program(job, translator, texts)
        for number, found in answers:
            sentence, seconds = todo[number], todo[number].seconds
            backs = [cleaned(text, texts[number]) for text in found]
            backs = [text for text in backs if translation_fault(text, texts[number], script.source, seconds) is None]
            if backs:
                # Of several answers the nearest counts: another word for the same is no fault of the translation.
                back = max(backs, key=lambda text: likeness(sentence.text, text))
                done |= {one.number: _with_back(one, back) for one in sentence.pieces}
    except InputError as error:
        why = error.what
    if any(number not in done for number in todo):
        job.notes.add(NOT_TRANSLATED_BACK(error=why))
    return done


def _is_open(one: Utterance) -> bool:
    """Return whether the target was machine-translated and has no back-translation yet."""
    target = one.target
    is_translated = isinstance(target, WrittenText) and target.is_translated and target.translation is not None
    return is_translated and _back_of(one) is None


def _back_of(one: Utterance) -> str | None:
    assert isinstance(one.target, WrittenText)
    assert one.target.translation is not None
    return one.target.translation.back


def _target_text(one: Utterance) -> str:
    assert isinstance(one.target, WrittenText)
    return one.target.text


def _with_back(one: Utterance, back: str) -> Utterance:
    assert isinstance(one.target, WrittenText)
    assert one.target.translation is not None
    return replace(one, target=replace(one.target, translation=one.target.translation._replace(back=back)))


def _by_model(job: Job, engines: Engines, texts: Mapping[int, str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    translator, (source, target) = engines.translator, job.languages
    assert translator is not None  # else a program translates
    for number, text in texts.items():
        made_of = (text, target, source, engines.fingerprints["text translator"], job.models.arithmetic)
        found = job.store.find(str, "back", made_of)
        if found is None:
            found = job.store.keep("back", made_of, translator.translate(text, target, source).text)
        yield number, (found,)


def _by_program(
    job: Job, translator: ProgramTranslator | ChatTranslator, texts: Mapping[int, str]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Request each text without context, from which a translator could guess the source text. Raises InputError."""
    source, target = job.languages
    requests, done = [lone_request(number, text, target, source) for number, text in texts.items()], 0
    for start in range(0, len(requests), translator.together):
        group = {one["number"]: one for one in requests[start : start + translator.together]}
        made_of = {number: (translator.key, "back", one["text"]) for number, one in group.items()}
        kept = {number: job.store.find(tuple[str, ...], "back", key) for number, key in made_of.items()}
        new = [one for number, one in group.items() if kept[number] is None]
        made = translator.candidates(new) if new else {}
        for number, found in kept.items():
            yield number, job.store.keep("back", made_of[number], tuple(made.get(number, ()))) if found is None else found
        done += len(group)
        job.progress("translate", done, len(requests))
