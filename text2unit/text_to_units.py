"""Text-to-unit (text to units): a model with its weights, ready to run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avcore.checkpoints.checkpoint import load_strict, read_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.inference import resolve_device, resolve_precision, skeleton
from avcore.contracts import TextToUnitModel
from avcore.errors import CheckpointError, UnitError
from avcore.timeline import seconds_to_units
from avcore.units import Ids, Units, require_language
from text2unit.korean.pronunciation import pronounce
from text2unit.model import Network, letters_of, network_of, read_text_to_unit_config
from text2unit.script import ends_softly, script_of
from text2unit.stage import TEXT2UNIT

PAUSE_S, SHORT_PAUSE_S = 0.4, 0.25
"""Seconds of silence between two sentences, and between two parts of one sentence."""


@dataclass(frozen=True)
class SentenceUnits:
    """A sentence and its units."""

    text: str
    """the sentence as it is spoken, numbers as words"""
    units: Units
    """its units, merged"""
    score: float
    """mean log-probability of the units"""

    @property
    def pause_s(self) -> float:
        """Seconds of silence before the next sentence."""
        return SHORT_PAUSE_S if ends_softly(self.text) else PAUSE_S


class TextToUnits:
    """A text-to-unit model, ready to run, for the languages that it was trained on."""

    def __init__(self, network: Network, checkpoint: Checkpoint) -> None:
        """network: in evaluation mode, on its device; `from_checkpoint` is the usual way."""
        self._network = network
        self._device = next(network.parameters()).device
        self.path, self.fingerprint = checkpoint.path, checkpoint.fingerprint
        self.vocabulary = str(checkpoint.config.get("vocabulary") or "")

        stated: Any = checkpoint.config.get("languages")
        if not isinstance(stated, list) or not stated or not all(isinstance(one, str) for one in stated):
            raise CheckpointError(
                "the text-to-unit model's languages cannot be read", path=checkpoint.path, expected='as ["ko"]', found=stated
            )

        self.languages = tuple(stated)
        unit = checkpoint.config.get("silence")
        if unit is not None and (not isinstance(unit, int) or isinstance(unit, bool) or not 0 <= unit < network.config.num_units):
            raise CheckpointError(
                '"silence" is no unit of the text-to-unit model',
                path=checkpoint.path,
                expected=f"0..{network.config.num_units - 1}",
                found=unit,
            )
        self.silence = unit

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu", precision: str = "float32") -> "TextToUnits":
        """Load what `python -m text2unit.train export` wrote. Raises CheckpointError, InputError or UsageError."""
        place = resolve_device(device)
        dtype = resolve_precision(precision, place)
        checkpoint = read_checkpoint(path, TEXT2UNIT)
        config = read_text_to_unit_config(checkpoint.config, checkpoint.path)
        with skeleton():
            network = network_of(config)
        load_strict(network, checkpoint.tensors, checkpoint)
        return cls(network.to(place, dtype).eval().requires_grad_(False), checkpoint)

    @property
    def num_units(self) -> int:
        """Number of unit names."""
        return self._network.config.num_units

    def units_of(self, text: str, language: str = "ko") -> Units:
        """Return the units of a text of any length. Its sentences are joined by silence if the model has a unit for it.

        Durations are None if the network gives none: the voice predicts them. Raises LanguageError for a language that the
        model was not trained on, InputError for text that cannot be read aloud (see `text2unit.normalise`), and UnitError if the
        result has no units.
        """
        self.require_language(language)
        parts = list(self.predict(script_of(text, language).sentences, language))
        return join(parts, self.silence)

    def predict(self, sentences: tuple[str, ...], language: str = "ko") -> Iterator[SentenceUnits]:
        """Yield the units of sentences that `script_of` cut, one after another. Raises LanguageError and UnitError."""
        wanted = self.require_language(language)
        return (self._sentence_units(sentence, wanted) for sentence in sentences)

    def require_language(self, language: str) -> str:
        """Return the two-letter name of a language of the model; raises LanguageError listing its languages."""
        return require_language(language, self.languages, f"the text-to-unit model {self.path.name}")

    def _sentence_units(self, sentence: str, language: str) -> SentenceUnits:
        pronounced = pronounce(sentence) if self._network.config.pronounced else sentence
        letters = torch.from_numpy(letters_of(pronounced, self._network.config.alphabet)).to(self._device)
        found = self._network.say(letters)
        if not len(found.ids):
            raise UnitError(
                "no units came out of this text", found=repr(sentence[:40]), hint="was the text-to-unit model trained to its end?"
            )

        durations = None if found.durations is None else found.durations.cpu().numpy()
        units = Units(found.ids.cpu().numpy(), durations, language, self.vocabulary, is_merged=True)
        return SentenceUnits(sentence, units, found.score)


_CONTRACT: type[TextToUnitModel] = TextToUnits
"""Checked by mypy: the class keeps the protocol."""


def join(parts: list[SentenceUnits], silence: int | None) -> Units:
    """Join the units of several sentences. silence: the unit between them, None = nothing. Raises ValueError for no parts."""
    if not parts:
        raise ValueError("there are no sentences to join")

    ids: list[Ids] = []
    durations: list[Ids] = []
    for number, part in enumerate(parts):
        if number and silence is not None:
            ids.append(np.array([silence], dtype=np.int64))
            durations.append(np.array([max(1, seconds_to_units(parts[number - 1].pause_s))], dtype=np.int64))
        ids.append(part.units.ids)
        if part.units.durations is not None:
            durations.append(part.units.durations)

    first = parts[0].units
    timed = None if first.durations is None else np.concatenate(durations)
    # Where two sentences meet, both may have the same unit.
    return Units(np.concatenate(ids), timed, first.language, first.vocabulary, is_merged=len(parts) == 1).merged()
