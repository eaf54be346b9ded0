"""Lip sync by units, which needs no weights but the unit encoder's.

It shows delay, lost lips and wrong clips; it is no outside judge, for the lips were drawn from units and the same encoder reads
them.
"""

from av2unit.agreement import rest_unit
from avcore.units import Ids
from avcore.units.unit_sync import unit_sync
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, Kind, Measured, Metric, Missing
from netflips.evaluate.needs import EXTRACTOR, FACES

UNIT_SYNC = ("unit_sync", "unit_sync_delay_ms", "unit_sync_at_zero")
_MS = 1000


def sync_by_units(heard: Ids, seen: Ids, silence: int | None) -> Measured:
    """How far lips and sound agree and at which delay of the sound (ms, negative = early); units int64 [steps] of 20 ms each.

    silence: the unit of silence, None = not known.
    """
    found = unit_sync(heard, seen, silence)
    if found is None:
        return dict.fromkeys(UNIT_SYNC, Missing("less than 0.2 s of it is said"))
    return {"unit_sync": found.confidence, "unit_sync_delay_ms": _MS * found.delay_s, "unit_sync_at_zero": found.at_zero}


def _measure(_: Case, outcome: Clip) -> Measured:
    heard = outcome.heard.frames()
    return sync_by_units(heard, outcome.seen.frames(), rest_unit(heard, outcome.speech))


_OWN_JUDGE = "no outside judge: one encoder reads sound and lips, and rendered lips were drawn for it"
METRICS = (
    Metric(
        _measure,
        frozenset({EXTRACTOR, FACES}),
        {
            "unit_sync": Kind("unit sync", "", "higher", "units of lips and of sound: best shift less median", _OWN_JUDGE),
            "unit_sync_delay_ms": Kind(
                "delay of the sound by units", "ms", "near", "the shift at which units agree most", _OWN_JUDGE
            ),
            "unit_sync_at_zero": Kind("units that agree", "", "higher", "share of steps without a shift", _OWN_JUDGE),
        },
        place=60,
        suits=(DUBS,),
        of_pairs=True,
    ),
)
