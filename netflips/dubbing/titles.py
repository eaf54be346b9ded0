"""Titles of the video and of its chapters, in the other language: as a person has them, or by what translates the texts."""

from collections.abc import Callable, Mapping

from avcore.errors import InputError
from avcore.media.carried import titles_in
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.engines import Engines
from netflips.cascade.glossary import terms_in
from netflips.cascade.program import ProgramTranslator
from netflips.cascade.translator import TextTranslation
from netflips.dubbing.job import LOG, Job
from netflips.understanding import translation_fault

_CHARACTERS_A_SECOND = 14
"""Of English speech: programs are told how long a sentence takes, and a title is one."""
_LONGEST = 200
"""What is longer is a description, and stays."""


def titles_given(job: Job) -> dict[str, str]:
    """Return the titles that a person's script has, by those of the video."""
    return {} if job.options.script is None else dict(job.options.script.titles)


def translated_titles(
    job: Job, engines: Engines, translator: ProgramTranslator | ChatTranslator | None, glossary: Mapping[str, str]
) -> dict[str, str]:
    """Return titles of the video and its chapters in the other language, by what they were; those of a person's script stay.

    translator: a program or a language model, None = the engines' model. What it has no translation for stays as it is.
    """
    found, target = titles_given(job), job.languages[1]
    asked = _by_model(job, engines) if translator is None else _by_program(job, translator, glossary)
    titles = titles_in(job.info.source, job.part.start, job.part.stop)
    for number, title in enumerate((one for one in titles if one not in found and len(one) <= _LONGEST), 1):
        if translation_fault(title, "", target, len(title) / _CHARACTERS_A_SECOND) is None:
            continue  # it is in that language
        try:
            text = asked(number, title)
        except InputError:
            LOG.debug("title %d", number, exc_info=True)
            break  # whatever translates is gone
        if text and translation_fault(text, title, target, len(title) / _CHARACTERS_A_SECOND) is None:
            found[title] = text
    return found


def _by_model(job: Job, engines: Engines) -> Callable[[int, str], str]:
    translator, (source, target) = engines.translator, job.languages
    assert translator is not None  # else a program translates
    arithmetic = job.models.arithmetic

    def ask(_: int, title: str) -> str:
        made_of = (title, source, target, engines.fingerprints["text translator"], arithmetic)
        kind = tuple[TextTranslation, ...]
        made = job.store.kept(kind, "titles", made_of, lambda: tuple(translator.wordings(title, source, target)))
        return made[0].text if made else ""

    return ask


def _by_program(job: Job, translator: ProgramTranslator | ChatTranslator, glossary: Mapping[str, str]) -> Callable[[int, str], str]:
    source, target = job.languages

    def ask(number: int, title: str) -> str:
        request = {
            "number": number, "pieces": [number], "text": title, "source": source, "target": target, "speaker": "", "to": "",
            "level": "", "seconds": round(max(len(title) / _CHARACTERS_A_SECOND, 1.0), 2), "glossary": terms_in(title, glossary),
            "title": job.info.path.stem, "context": [],
        }  # fmt: skip
        made_of = translator.key, request
        made = job.store.find(tuple[str, ...], "titles", made_of)
        if made is None:
            texts = translator.wordings([request])
            made = job.store.keep("titles", made_of, tuple(texts.get(number, ())))
        return made[0] if made else ""

    return ask
