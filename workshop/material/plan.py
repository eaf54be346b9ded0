"""What is said by whom: a list of takes that follows from the seed alone."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from workshop.voices.cast import LANGUAGES, Cast, Voice
from workshop.voices.phrasebook import Pair

REFERENCE = "ref"
NATURAL = "natural"
_LEAD_STEPS = (1, 12)
"""Silence before and after, in steps of 20 ms, for ends that have any."""
_ABRUPT = 0.5
"""Share of ends without silence: as dubs begin and end, and recordings that were cut where the speech is."""
_SNR_DB = (0.0, 15.0)


@dataclass(frozen=True)
class Take:
    """A sentence said once.

    id: unique. sentence: number of the pair. silence: steps of 20 ms before and after. snr_db: of the noise in it, None = clean.
    seed: of all that is left to chance in its making.
    """

    id: str
    sentence: int
    language: str
    text: str
    voice: Voice
    speaker: str
    silence: tuple[int, int]
    snr_db: float | None
    seed: int

    @property
    def is_reference(self) -> bool:
        """Whether its own phoneme timing labels the others."""
        return self.speaker == f"{REFERENCE}_{self.language}"

    @property
    def audio(self) -> str:
        """Its file, relative to the material's folder."""
        return f"speech/{self.language}/{self.sentence // 100:02d}/{self.id}.wav"

    def describe(self) -> dict[str, object]:
        """Voice and noise, for the manifest."""
        return {"voice": asdict(self.voice), "sentence": f"{self.language}{self.sentence}", "snr_db": self.snr_db}


def takes_of(pairs: Sequence[Pair], numbers: Sequence[int], cast: Cast, seed: int) -> list[Take]:
    """All takes of sentences; `numbers` are their numbers, which ids and chance depend on."""
    return [take for pair, number in zip(pairs, numbers, strict=True) for take in _takes(pair, number, cast, seed)]


def _takes(pair: Pair, number: int, cast: Cast, seed: int) -> Iterator[Take]:
    rng = np.random.default_rng([seed, number])
    for language in LANGUAGES:
        text = pair.english if language == "en" else pair.korean
        voices: list[tuple[str, Voice]] = [(f"{REFERENCE}_{language}", cast.reference(language))]
        for _ in range(cast.settings["per_sentence"][f"espeak_{language}"]):
            drawn = cast.espeak_voice(language, rng)
            voices.append((drawn.name, drawn))
        if language == "en":
            voices += [(name, cast.flite_voice(name, rng)) for name in cast.settings["flite"]["names"]]
            voices += [(NATURAL, voice) for voice in cast.natural_voices(cast.settings["per_sentence"]["natural_en"], rng)]
        for place, (speaker, voice) in enumerate(voices):
            yield _take(f"s{number:04d}_{language}_{place}", number, language, text, voice, speaker, None, rng)
        num_noisy = cast.settings["per_sentence"]["noisy_en"] if language == "en" else 0
        for place in range(num_noisy):
            speaker, voice = voices[int(rng.integers(1, len(voices)))]
            snr_db = float(rng.uniform(*_SNR_DB))
            yield _take(f"s{number:04d}_{language}_n{place}", number, language, text, voice, speaker, snr_db, rng)


def _take(
    name: str, number: int, language: str, text: str, voice: Voice, speaker: str, snr_db: float | None, rng: np.random.Generator
) -> Take:
    lead, tail = (int(steps) for steps in rng.integers(*_LEAD_STEPS, size=2, endpoint=True) * (rng.random(2) >= _ABRUPT))
    return Take(name, number, language, text, voice, speaker, (lead, tail), snr_db, int(rng.integers(1 << 31)))
