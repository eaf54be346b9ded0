"""How long a dub is beside its source: the ratio, and speech length compliance (SLC; Lakew et al. 2022), of whole files.

What it is not: whether words fall where the lips move, which sync measures tell.
"""

from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, side
from netflips.evaluate.needs import SOURCE

_COMPLIANT = {"slc_20": 0.2, "slc_40": 0.4}
"""Share of the source's length by which a dub may be longer or shorter."""
_IS_NOT = "not whether words fall where lips move"


@metric(
    FigureKind("duration_ratio", "length over the source's", "near", "seconds of sound", _IS_NOT),
    FigureKind("slc_20", "lengths within 20 % (SLC 0.2)", "higher", "Lakew et al. 2022", _IS_NOT, is_share=True),
    FigureKind("slc_40", "lengths within 40 % (SLC 0.4)", "higher", "Lakew et al. 2022", _IS_NOT, is_share=True),
    needs={SOURCE},
    place=50,
)
def durations(case: Case, outcome: Clip) -> Measured:
    """Return the ratio, and for each SLC 1 where it is kept, else 0: the mean over a set is the share."""
    source_s = side(case.source, "source").seconds
    if source_s <= 0:
        return dict.fromkeys(durations.figures, Missing("the source has no length"))
    ratio = outcome.seconds / source_s
    return {"duration_ratio": ratio} | {name: float(abs(ratio - 1) <= most) for name, most in _COMPLIANT.items()}
