"""What stands in the place of the unit encoder and the unit translator in the cascade, which has neither."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from avcore.answers import Extraction, Translation
from avcore.contracts import Extractor, Translator
from avcore.errors import UsageError
from avcore.progress import Progress, silent
from avcore.units import Units
from avcore.units.domain import Domain, DomainScore, Stretch


class NoExtractor:
    """Takes no units from anything."""

    vocabulary = fingerprint = decoding = ""
    domain: Domain | None = None
    agreement: Any = None

    def extract(
        self, speech: NDArray[np.float32] | None = None, lips: NDArray[np.uint8] | None = None, progress: Progress = silent
    ) -> Units:
        """Raises UsageError."""
        _refuse("unit encoder")

    def extract_scored(
        self, speech: NDArray[np.float32] | None = None, lips: NDArray[np.uint8] | None = None, progress: Progress = silent
    ) -> Extraction:
        """Raises UsageError."""
        _refuse("unit encoder")

    def put_away(self) -> None:
        """Nothing is there to be put away."""


class NoTranslator:
    """Translates no units."""

    trained_on = fingerprint = ""
    domain: Domain | None = None
    default_search: Any = None
    languages: tuple[str, ...] = ()

    def translate(
        self, units: Units, source: str = "en", target: str = "ko", search: Any = None, progress: Progress = silent
    ) -> Translation:
        """Raises UsageError."""
        _refuse("unit translator")

    def translate_batch(
        self, sequences: Sequence[Units], source: str = "en", target: str = "ko", search: Any = None, progress: Progress = silent
    ) -> list[Translation]:
        """Raises UsageError."""
        _refuse("unit translator")

    def readings(self, score: float, weakest: Stretch | None) -> list[DomainScore]:
        """None: there is no score."""
        return []

    def put_away(self) -> None:
        """Nothing is there to be put away."""


_CONTRACT: tuple[type[Extractor], type[Translator]] = NoExtractor, NoTranslator
"""Checked by mypy: the classes keep the protocols."""


def _refuse(what: str) -> NoReturn:
    raise UsageError(f"these models have no {what}", found="models of the cascade", hint="load those of the unit pipeline")
