"""What the unit encoder that made a dub says of it: units beside the reference's, what is read in them, and lip sync by units.

It needs no weights but its own and shows delay, lost lips and wrong clips, but is no judge from outside: it read the source for the
dub, and lips were drawn from units. Two units may sound nearly alike, and a translation in other words has bad figures.
"""

from dataclasses import replace

from av2unit.trust import rest_unit
from avcore.units import Ids, Units, edit_distance, unit_sync
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, SPEECH, FigureKind, Measured, Missing, metric, rate, side, sums_of_rate
from netflips.evaluate.needs import EXTRACTOR, FACES, READER, REFERENCE, REFERENCE_TEXT, package
from unit2text.text import character_errors, normalise_for_reading

NAME = "unit_error_rate"


def unit_errors_of(found: Ids, reference: Ids) -> Measured:
    """`unit_error_rate` with its sums, of int64 [U] units, whose repeats are merged."""
    given, wanted = Units(found).merged().ids, Units(reference).merged().ids
    return rate(NAME, edit_distance(given, wanted), len(wanted), "the reference has no units")


_KIND = FigureKind(
    NAME, "unit error rate", "lower", "edits over units of the reference", "not errors heard", sums=sums_of_rate(NAME)
)


@metric(_KIND, needs={REFERENCE, EXTRACTOR}, place=14, suits=(SPEECH,))
def _units(case: Case, outcome: Clip) -> Measured:
    return unit_errors_of(outcome.heard.ids, side(case.reference, "reference").heard.ids)


_TO_READ = {REFERENCE_TEXT, READER, EXTRACTOR, package("jiwer")}


def _read(case: Case, units: Units, name: str) -> Measured:
    """Return the character error rate of what `unit2text` reads (`python -m unit2text.evaluate` counts the same)."""
    wanted = normalise_for_reading(case.reference_text or "")
    read = case.model(READER).read(replace(units, language=case.language), case.language or None).text
    return rate(name, *character_errors(wanted, normalise_for_reading(read)), "the reference text is empty")


def _reading(name: str, what: str) -> FigureKind:
    title, source = f"{what} read by unit2text: character error rate", "jiwer, after unit2text.text"
    return FigureKind(name, title, "lower", source, "no outside judge", sums=sums_of_rate(name))


@metric(_reading("read_sound", "sound"), needs=_TO_READ, place=15, suits=())
def _sound(case: Case, outcome: Clip) -> Measured:
    return _read(case, outcome.heard, "read_sound")


@metric(_reading("read_lips", "lips"), needs=_TO_READ | {FACES}, place=16, suits=(), of_pairs=False)
def _lips(case: Case, outcome: Clip) -> Measured:
    return _read(case, outcome.seen, "read_lips")


_OWN_JUDGE = "no outside judge: one encoder reads sound and lips, and rendered lips were drawn for it"


def sync_by_units(heard: Ids, seen: Ids, silence: int | None) -> Measured:
    """Return how far lips and sound agree and at which delay of the sound (ms, negative = early); units int64 [steps] of 20 ms.

    silence: the unit of silence, None = not known.
    """
    found = unit_sync(heard, seen, silence)
    if found is None:
        return dict.fromkeys(sync.figures, Missing("less than 0.2 s of it is said"))
    return {"unit_sync": found.confidence, "unit_sync_delay_ms": 1000 * found.delay_s, "unit_sync_at_zero": found.at_zero}


@metric(
    FigureKind("unit_sync", "unit sync", "higher", "units of lips and of sound: best shift less median", _OWN_JUDGE),
    FigureKind(
        "unit_sync_delay_ms", "delay of the sound by units", "near", "the shift at which units agree most", _OWN_JUDGE, "ms"
    ),
    FigureKind("unit_sync_at_zero", "units that agree", "higher", "share of steps without a shift", _OWN_JUDGE),
    needs={EXTRACTOR, FACES},
    place=60,
    suits=(DUBS,),
    of_pairs=True,
)
def sync(_: Case, outcome: Clip) -> Measured:
    """Lips and sound of a clip, each alone."""
    heard = outcome.heard.frames()
    return sync_by_units(heard, outcome.seen.frames(), rest_unit(heard, outcome.speech))
