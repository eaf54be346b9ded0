"""Units that are a synthesiser's phones: from timed phonemes to a label every 20 ms."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError
from avcore.files import atomic_output
from avcore.speech.espeak import Phoneme
from avcore.texts import read_json
from avcore.timeline import seconds_to_units, units_to_seconds
from avcore.units import Units, fingerprint, fingerprint_symbols
from netflips.cascade.kokoro import PHONES

SILENCE = "_:"


@dataclass(frozen=True)
class Phones:
    """The phones that are units."""

    names: tuple[str, ...]
    """unit n is names[n]"""
    alike: Mapping[str, str]
    """phonemes that count as another one"""
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """by language: phonemes that are separate units there, as `V` of Korean, which differs from the `V` of English"""

    @classmethod
    def found_in(cls, phonemes: Iterable[str], alike: Mapping[str, str]) -> "Phones":
        """Return all phones among phonemes, those of Korean, and silence, in alphabetical order."""
        found = {alike.get(name, name) for name in (*phonemes, *PHONES)}
        return cls(tuple(sorted(found | {SILENCE})), dict(alike))

    @classmethod
    def of_material(cls, phonemes: Iterable[str], settings: Mapping[str, Any]) -> "Phones":
        """Return the phones that a cast names, so that all parts of its material have the same; else those found in speech."""
        own = {language: tuple(names) for language, names in settings["own_phones"].items()}
        found = settings["phones"] or cls.found_in(phonemes, settings["alike"]).names
        more = [_own_name(language, name) for language, names in own.items() for name in names]
        return cls((*found, *more), dict(settings["alike"]), own)

    @classmethod
    def read(cls, path: str | Path) -> "Phones":
        """Read a list that `write` wrote. Raises InputError for any other file."""
        content = read_json(path, "the list of phones")
        try:
            return cls(tuple(content["names"]), dict(content["alike"]), content.get("own", {}))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("this is no list of phones", path=path, found=error) from error

    def write(self, path: str | Path) -> None:
        """Write the list as JSON."""
        with atomic_output(path) as temporary:
            content = {"names": self.names, "alike": dict(self.alike)} | ({"own": dict(self.own)} if self.own else {})
            temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @property
    def vocabulary(self) -> str:
        """The fingerprint of units of these phones."""
        return fingerprint(b"phones", fingerprint_symbols(self.names))

    @property
    def silence(self) -> int:
        """The unit of silence."""
        return self.names.index(SILENCE)

    def units(self, phonemes: Sequence[Phoneme], num_steps: int, language: str) -> Units:
        """Label each step of 20 ms by the phoneme in its middle; silence where there is none."""
        numbers = {name: number for number, name in enumerate(self.names)}
        labels = np.full(num_steps, self.silence)

        for name, start, end in phonemes:
            first, stop = (max(seconds_to_units(time - float(units_to_seconds(1)) / 2 + 1e-9), 0) for time in (start, end))
            # Phonemes that are too rare to be learnt count as those that they sound like.
            other = self.alike.get(name, name)
            labels[first:stop] = numbers[_own_name(language, other) if other in self.own.get(language, ()) else other]

        return Units.from_frames(labels, language, self.vocabulary)

    def spoken(self, units: Units) -> Units:
        """Return units without silence at the ends."""
        heard = np.flatnonzero(units.ids != self.silence)
        kept = slice(heard[0], heard[-1] + 1) if len(heard) else slice(0)
        durations = None if units.durations is None else units.durations[kept]
        return Units(units.ids[kept], durations, units.language, units.vocabulary)

    def phonemes(self, units: Units) -> list[Phoneme]:
        """Turn units with durations back into timed phonemes, for the movement of a mouth."""
        if units.durations is None:
            raise InputError("units without durations cannot be timed")

        edges: NDArray[np.int64] = np.concatenate([[0], np.cumsum(units.durations)])
        times = [float(units_to_seconds(int(edge))) for edge in edges]
        plain = {_own_name(language, name): name for language, names in self.own.items() for name in names}
        names = [plain.get(self.names[int(unit)], self.names[int(unit)]) for unit in units.ids]
        return [(name, times[n], times[n + 1]) for n, name in enumerate(names)]


def _own_name(language: str, phone: str) -> str:
    return f"{language}_{phone}"
