"""How long a dub is beside its source: the ratio, and whether it lies within 0.9 to 1.1 (isochrony).

What it is not: whether words fall where the lips move, which sync measures tell.
"""

from netflips.evaluate.metrics.figures import Measured, Missing

FIGURES = ("duration_ratio", "duration_near")
NEAR = 0.9, 1.1


def duration_ratio(made_s: float, source_s: float) -> Measured:
    """`duration_ratio`, and `duration_near`: 1 where it lies within 0.9 to 1.1, else 0; its mean over a set is the share.

    Lengths in seconds, of what is said or of whole files, alike on both sides.
    """
    if source_s <= 0:
        return dict.fromkeys(FIGURES, Missing("the source has no length"))
    ratio = made_s / source_s
    return {"duration_ratio": ratio, "duration_near": float(NEAR[0] <= ratio <= NEAR[1])}
