"""What the text reader of units reads in the sound and in the lips of a clip, each alone, beside what should be said.

It is no judge from outside: it reads units of the encoder that a dub was made with (`python -m unit2text.evaluate` counts the
same).
"""

from dataclasses import replace

from avcore.units import Units
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, metric, rate, sums_of_rate
from netflips.evaluate.needs import EXTRACTOR, FACES, READER, REFERENCE_TEXT, package
from unit2text.text import character_errors, normalise_for_reading

_NEEDS = {REFERENCE_TEXT, READER, EXTRACTOR, package("jiwer")}


def _errors(case: Case, units: Units, name: str) -> Measured:
    wanted = normalise_for_reading(case.reference_text or "")
    read = case.model(READER).read(replace(units, language=case.language), case.language or None).text
    return rate(name, *character_errors(wanted, normalise_for_reading(read)), "the reference text is empty")


def _kind(name: str, what: str) -> FigureKind:
    title, source = f"{what} read by unit2text: character error rate", "jiwer, after unit2text.text"
    return FigureKind(name, title, "lower", source, "no outside judge", sums=sums_of_rate(name))


@metric(_kind("read_sound", "sound"), needs=_NEEDS, place=15, suits=())
def _sound(case: Case, outcome: Clip) -> Measured:
    return _errors(case, outcome.heard, "read_sound")


@metric(_kind("read_lips", "lips"), needs=_NEEDS | {FACES}, place=16, suits=(), of_pairs=False)
def _lips(case: Case, outcome: Clip) -> Measured:
    return _errors(case, outcome.seen, "read_lips")
