"""Lip sync by units, which needs no weights but the unit encoder's.

It shows delay, lost lips and wrong clips; it is no outside judge, for the lips were drawn from units and the same encoder reads
them.
"""

from av2unit.trust import rest_unit
from avcore.units import Ids, unit_sync
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, FigureKind, Measured, Missing, metric
from netflips.evaluate.needs import EXTRACTOR, FACES

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
