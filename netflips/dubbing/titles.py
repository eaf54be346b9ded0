"""Titles of the video and of its chapters in the target language: from a person's script, or from the translator of the texts."""

from collections.abc import Mapping
from typing import Any

from avcore.errors import InputError
from avcore.media.passthrough import titles_in
from netflips.cascade.adequacy import as_compared, ask_for_hangul_names, cleaned, fault_in, names_spelt_out, why_again
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.engines import Engines
from netflips.cascade.glossary import terms_in
from netflips.cascade.program import ProgramTranslator, lone_request
from netflips.cascade.translator import TextTranslation
from netflips.dubbing.candidates import AGAIN, shown_by
from netflips.dubbing.job import LOG, Job
from netflips.quality_estimation import translation_fault

_CHARACTERS_A_SECOND = 14
"""Letters of English speech a second. Translations are judged by the time of the sentence, and a title needs one too."""
_LONGEST = 200
"""Letters of the longest title; a longer one is a description, and stays as it is."""


def titles_given(job: Job) -> dict[str, str]:
    """Return the titles of a person's script, by those of the video."""
    return {} if job.options.script is None else dict(job.options.script.titles)


def translated_titles(
    job: Job, engines: Engines, translator: ProgramTranslator | ChatTranslator | None, glossary: Mapping[str, str]
) -> dict[str, str]:
    """Return translated titles of the video and its chapters, by the original ones; those of a person's script stay.

    translator: a program or a language model, None = the engines' model. Titles without a usable translation are left out.
    """
    given, target = titles_given(job), job.languages[1]
    asked = _ByModel(job, engines) if translator is None else _ByProgram(job, translator, glossary)
    titles = (one for one in titles_in(job.info.source, job.part.start, job.part.stop) if one not in given and len(one) <= _LONGEST)
    todo = {
        title: number for number, title in enumerate(titles, 1) if translation_fault(title, "", target, _seconds(title)) is not None
    }  # the others are in the target language already

    found = dict[str, str]()
    try:
        for title, number in todo.items():
            found[title] = asked.of(number, title)
        for title in sorted(asked.doubtful, key=todo.__getitem__):
            found[title] = asked.of(todo[title], title)
    except InputError:  # the translator no longer answers: titles are not worth a failure
        LOG.debug("titles", exc_info=True)
    return given | {title: text for title, text in found.items() if text and title not in asked.doubtful}


def _seconds(title: str) -> float:
    return len(title) / _CHARACTERS_A_SECOND


class _ByModel:
    """Translates titles with the model of a folder."""

    doubtful: frozenset[str] = frozenset()

    def __init__(self, job: Job, engines: Engines) -> None:
        self._job, self._engines = job, engines

    def of(self, _: int, title: str) -> str:
        """Return a translated title, "" if there is none."""
        job, translator, (source, target) = self._job, self._engines.translator, self._job.languages
        assert translator is not None  # else a program translates
        made_of = (title, source, target, self._engines.fingerprints["text translator"], job.models.arithmetic)
        kind = tuple[TextTranslation, ...]
        made = job.store.kept(kind, "titles", made_of, lambda: tuple(translator.candidates(title, source, target)))
        text = made[0].text if made else ""
        return "" if translation_fault(text, title, target, _seconds(title)) else text


class _ByProgram:
    """Translates titles with a program or a language model; as with sentences, a faulty translation is asked for again."""

    def __init__(self, job: Job, translator: ProgramTranslator | ChatTranslator, glossary: Mapping[str, str]) -> None:
        self._job, self._translator, self._glossary = job, translator, glossary
        self._used: dict[str, str] = {}
        """titles by their translations, as compared"""
        self._shared: set[str] = set()
        self.doubtful: set[str] = set()
        """titles that had the same translation as another, so that it is unknown whose it is"""

    def of(self, number: int, title: str) -> str:
        """Return a translated title, "" if none may be shown. Raises InputError if the translator does not answer."""
        job, (source, target) = self._job, self._job.languages
        shown = shown_by(self._translator)
        terms = terms_in(title, self._glossary)
        request = lone_request(number, title, source, target, glossary=terms, title=job.info.path.stem)
        if title in self.doubtful:
            request["again"] = {"reason": why_again("same", target)}

        latin = ""  # a translation whose only fault are names in Latin letters
        for _ in range(AGAIN + 1):
            texts, again = self._answer(number, request), {"reason": why_again(None, target)}
            for text in (cleaned(one, title) for one in texts):
                key = as_compared(text)
                fault = fault_in(text, title, target, self._used, shown) or translation_fault(text, title, target, _seconds(title))
                if fault == "same":
                    self._shared.add(key)
                    self.doubtful.add(self._used.pop(key))
                fault = "same" if key in self._shared else fault
                names = () if fault else names_spelt_out(job.with_readings(text), target)
                if not fault and not names:
                    self._used[key] = title
                    self.doubtful.discard(title)
                    return text
                again = {"reason": why_again(fault, target)} if fault else {"reason": ask_for_hangul_names(names), "text": text}
                latin = latin if fault else text
            request["again"] = again
        return "" if isinstance(self._translator, ChatTranslator) else latin

    def _answer(self, number: int, request: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the candidates for a title, from the work folder or the translator."""
        job, made_of = self._job, (self._translator.key, request)
        made = job.store.find(tuple[str, ...], "titles", made_of)
        if made is None:
            texts = self._translator.candidates([request])
            made = job.store.keep("titles", made_of, tuple(texts.get(number, ())))
        return made
