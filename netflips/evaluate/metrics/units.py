"""Units of a clip, by the unit encoder that made a dub: compared with those of the reference, and as text.

Two units may sound nearly alike, and a translation in other words scores low.
"""

from dataclasses import replace

from avcore.units import Ids, Units, edit_distance
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import SPEECH, FigureKind, Measured, metric, rate
from unit2text.text import character_errors, normalise_for_reading

NAME = "unit_error_rate"


def unit_errors_of(found: Ids, reference: Ids) -> Measured:
    """Return `unit_error_rate` with its sums, for units int64 [U]. Repeats are merged."""
    given, wanted = Units(found).merged().ids, Units(reference).merged().ids
    return rate(NAME, edit_distance(given, wanted), len(wanted), "the reference has no units")


@metric(
    FigureKind(NAME, "unit error rate", "lower", "edits over units of the reference", "not errors heard", of="rate"),
    needs={"reference", "extractor"},
    place=14,
    suits=(SPEECH,),
)
def _units(case: Case, outcome: Clip) -> Measured:
    return unit_errors_of(outcome.audio_units.ids, case.reference.audio_units.ids)


_TO_READ = {"reference_text", "reader", "extractor", "package:jiwer"}


def _read(case: Case, units: Units, name: str) -> Measured:
    """Return the character error rate of the text that `unit2text` makes of units (`python -m unit2text.evaluate` counts the same
    way)."""
    wanted, language = normalise_for_reading(case.files.reference_text), case.files.language
    read = case.model("reader").read(replace(units, language=language), language or None).text
    return rate(name, *character_errors(wanted, normalise_for_reading(read)), "the reference text is empty")


def _reading(name: str, what: str) -> FigureKind:
    title, source = f"{what} read by unit2text: character error rate", "jiwer, after unit2text.text"
    return FigureKind(name, title, "lower", source, "no outside judge", of="rate")


@metric(_reading("read_sound", "sound"), needs=_TO_READ, place=15, suits=())
def _sound(case: Case, outcome: Clip) -> Measured:
    return _read(case, outcome.audio_units, "read_sound")


@metric(_reading("read_lips", "lips"), needs=_TO_READ | {"faces"}, place=16, suits=(), of_pairs=False)
def _lips(case: Case, outcome: Clip) -> Measured:
    return _read(case, outcome.seen, "read_lips")
