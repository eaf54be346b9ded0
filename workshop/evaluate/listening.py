"""What units an utterance has, by the modalities that are asked for: the one place that knows what a bundle does by default."""

from dataclasses import dataclass, replace

from av2unit import trust
from avcore.arrays import Pictures, Samples
from avcore.contracts import Extractor
from avcore.units import Units
from workshop.evaluate.modalities import AUDIO, AUTO, BOTH, VIDEO


@dataclass(frozen=True)
class TakenUnits:
    """units: English. confidence: of the encoder. modalities: what the units are taken from."""

    units: Units
    confidence: float
    modalities: str


def take_units(extractor: Extractor, speech: Samples, lips: Pictures | None, modalities: str) -> TakenUnits:
    """Take units from speech float32 [S] at 16 kHz, from lips uint8 [time, 96, 96], from both, or as a dub decides by default.

    lips: None = there are none, which `auto` takes as it is. Raises InputError where the modalities ask for what is not there.
    """
    found = (
        _by_default(extractor, speech, lips)
        if modalities == AUTO
        else _taken(extractor, speech if AUDIO in modalities else None, lips if VIDEO in modalities else None)
    )
    return replace(found, units=replace(found.units, language="en"))


def _by_default(extractor: Extractor, speech: Samples, lips: Pictures | None) -> TakenUnits:
    heard = trust.trusted_units(extractor, speech, lips, extractor.agreement)
    return TakenUnits(heard.extraction.units, heard.extraction.confidence, heard.modalities)


def _taken(extractor: Extractor, speech: Samples | None, lips: Pictures | None) -> TakenUnits:
    units, confidence = extractor.extract_scored(speech, lips)
    return TakenUnits(units, confidence, VIDEO if speech is None else AUDIO if lips is None else BOTH)
