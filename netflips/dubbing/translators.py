"""What translates texts: the model of a folder, a program, or a language model."""

from netflips.cascade.chat import ChatTranslator
from netflips.cascade.habits import as_compared
from netflips.cascade.program import ProgramTranslator
from netflips.cascade.translator import TextTranslation, TextTranslator
from netflips.dubbing.store import Store


class CachingTranslator:
    """The text translator of a folder, whose translations are kept in a store: the same text is translated once."""

    together = 1

    def __init__(self, translator: TextTranslator, store: Store, made_of: tuple[str, ...]) -> None:
        """made_of: what its translations depend on beside the text and its languages."""
        self._translator, self._store, self._made_of = translator, store, made_of

    def candidates(self, text: str, source: str, target: str, step: str = "translated") -> tuple[TextTranslation, ...]:
        """Return the candidates for a text, the best first, made or found. step: where the store keeps them."""
        made_of = (text, source, target, *self._made_of)
        kind = tuple[TextTranslation, ...]
        return self._store.kept(kind, step, made_of, lambda: tuple(self._translator.candidates(text, source, target)))

    def translate(self, text: str, source: str, target: str, step: str) -> str:
        """Return the best translation of a text alone, made or found. step: as of `candidates`."""
        made_of = (text, source, target, *self._made_of)
        return self._store.kept(str, step, made_of, lambda: self._translator.translate(text, source, target).text)


AnyTranslator = CachingTranslator | ProgramTranslator | ChatTranslator
"""A folder's model, a program, or a language model."""


def shown_by(translator: AnyTranslator) -> dict[str, str]:
    """Return the source sentence of each example in a language model's prompt, by the example's letters."""
    shown = translator.examples if isinstance(translator, ChatTranslator) else {}
    return {as_compared(text): line for text, line in shown.items()}
