"""How long a dub is beside its source: the ratio, and speech length compliance (SLC; Lakew et al. 2022), of whole files.

What it is not: whether words fall where the lips move, which sync measures tell.
"""

from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import Kind, Measured, Metric, Missing, side
from netflips.evaluate.needs import SOURCE

COMPLIANT = {"slc_20": 0.2, "slc_40": 0.4}
"""Share of the source's length by which a dub may be longer or shorter."""
_NAME, _IS_NOT = "duration_ratio", "not whether words fall where lips move"


def duration_ratio(made_s: float, source_s: float) -> Measured:
    """`duration_ratio`, and for each of COMPLIANT 1 where it is kept, else 0: the mean over a set is the share. In seconds."""
    if source_s <= 0:
        return dict.fromkeys((_NAME, *COMPLIANT), Missing("the source has no length"))
    ratio = made_s / source_s
    return {_NAME: ratio} | {name: float(abs(ratio - 1) <= most) for name, most in COMPLIANT.items()}


def _measure(case: Case, outcome: Clip) -> Measured:
    return duration_ratio(outcome.seconds, side(case.source, "source").seconds)


METRICS = (
    Metric(
        _measure,
        frozenset({SOURCE}),
        {
            _NAME: Kind("length over the source's", "", "near", "seconds of sound", _IS_NOT),
            "slc_20": Kind("lengths within 20 % (SLC 0.2)", "", "higher", "Lakew et al. 2022", _IS_NOT, is_share=True),
            "slc_40": Kind("lengths within 40 % (SLC 0.4)", "", "higher", "Lakew et al. 2022", _IS_NOT, is_share=True),
        },
        place=50,
    ),
)
