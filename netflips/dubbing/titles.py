"""Titles of the video and of its chapters in the target language: from a person's script, or from the translator of the texts."""

from collections.abc import Iterable, Mapping
from typing import Any

from avcore.errors import InputError
from avcore.media import MediaInfo
from netflips.cascade.adequacy import ask_for_hangul_names, fault_in, names_spelled_out, why_again
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.glossary import terms_in
from netflips.cascade.habits import as_compared, cleaned
from netflips.cascade.program import ProgramTranslator, lone_request
from netflips.dubbing.job import LOG
from netflips.dubbing.sentence_translator import AGAIN
from netflips.dubbing.store import Store
from netflips.dubbing.translators import CachingTranslator, shown_by
from netflips.quality_estimation import translation_fault
from text2unit.script import as_pronounced

_STEP = "titles"
"""Step of the store."""
_CHARACTERS_A_SECOND = 14
"""Letters of English speech a second. Translations are judged by the time of the sentence, and a title needs one too."""
_LONGEST = 200
"""Letters of the longest title; a longer one is a description, and stays as it is."""


def translated_titles(titles: Iterable[str], given: Mapping[str, str], asked: "TitlesByModel | TitlesByProgram") -> dict[str, str]:
    """Return translated titles of a video and its chapters, by the original ones.

    given: those of a person's script, which stay. asked: translates the others. Titles without a usable translation are left out.
    """
    new, target = (one for one in titles if one not in given and len(one) <= _LONGEST), asked.languages[1]
    # A title that passes for a translation is in the target language already.
    todo = {
        title: number for number, title in enumerate(new, 1) if translation_fault(title, "", target, _seconds(title)) is not None
    }

    found = dict[str, str]()
    try:
        for title, number in todo.items():
            found[title] = asked.of(number, title)
        # A title turns doubtful when a later one gets the same translation: only now it is known which are asked for once more.
        for title in sorted(asked.doubtful, key=todo.__getitem__):
            found[title] = asked.of(todo[title], title)
    except InputError:  # the translator no longer answers: titles are not worth a failure
        LOG.debug("titles", exc_info=True)
    return {**given, **{title: text for title, text in found.items() if text and title not in asked.doubtful}}


def description_lines(info: MediaInfo) -> list[str]:
    """Return the lines of a video's own description."""
    tags = {name.lower(): value for name, value in info.tags}
    return [line for line in (tags.get("description") or tags.get("synopsis") or "").splitlines() if line.strip()]


def _seconds(title: str) -> float:
    return len(title) / _CHARACTERS_A_SECOND


class TitlesByModel:
    """Translates titles with the model of a folder."""

    doubtful: frozenset[str] = frozenset()

    def __init__(self, translator: CachingTranslator, languages: tuple[str, str]) -> None:
        """languages: of the titles, and of their translations."""
        self._translator, self.languages = translator, languages

    def of(self, _: int, title: str) -> str:
        """Return a translated title, "" if there is none."""
        source, target = self.languages
        made = self._translator.candidates(title, source, target, _STEP)
        text = made[0].text if made else ""
        return "" if translation_fault(text, title, target, _seconds(title)) else text


class TitlesByProgram:
    """Translates titles with a program or a language model; as with sentences, a faulty translation is asked for again."""

    def __init__(
        self, translator: ProgramTranslator | ChatTranslator, languages: tuple[str, str], store: Store, video: str,
        glossary: Mapping[str, str], readings: Mapping[str, str],
    ) -> None:  # fmt: skip
        """video: its name, for a language model. glossary, readings: translations of terms, and how words are read."""
        self._translator, self.languages, self._store, self._video = translator, languages, store, video
        self._glossary, self._readings = glossary, readings
        self._used: dict[str, str] = {}
        """titles by their translations, as compared"""
        self._shared: set[str] = set()
        self.doubtful: set[str] = set()
        """titles that had the same translation as another, so that it is unknown whose it is"""

    def of(self, number: int, title: str) -> str:
        """Return a translated title, "" if none may be shown. Raises InputError if the translator does not answer."""
        (source, target), shown = self.languages, shown_by(self._translator)
        terms = terms_in(title, self._glossary)
        request = lone_request(number, title, source, target, glossary=terms, title=self._video)
        if title in self.doubtful:
            request["again"] = {"reason": why_again("same", target)}

        latin = ""  # a translation whose only fault are names in Latin letters
        for _ in range(AGAIN + 1):
            texts, again = self._answer(number, request), {"reason": why_again(None, target)}
            for text in (cleaned(one, title) for one in texts):
                key = as_compared(text)
                fault = fault_in(text, title, target, self._used, shown) or translation_fault(text, title, target, _seconds(title))
                # One translation of two titles: which of them it is of, nobody knows, so the earlier one is asked for again, too.
                if fault == "same":
                    self._shared.add(key)
                    self.doubtful.add(self._used.pop(key))
                fault = "same" if key in self._shared else fault
                names = () if fault else names_spelled_out(as_pronounced(text, self._readings), target)
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
        made_of = (self._translator.key, request)
        made = self._store.find(tuple[str, ...], _STEP, made_of)
        if made is None:
            texts = self._translator.candidates([request])
            made = self._store.keep(_STEP, made_of, tuple(texts.get(number, ())))
        return made
