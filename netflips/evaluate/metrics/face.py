"""Whether there is a face at all, by the detector of the dub. What it is not: whose face it is."""

from avcore.errors import NoFaceError
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, FigureKind, Measured, metric
from netflips.evaluate.needs import FACES

_BY, _IS_NOT = "the detector of the dub", "not whose face it is"


@metric(
    FigureKind("face_found", "clips with a face", "higher", _BY, _IS_NOT, is_share=True),
    FigureKind("face_share", "pictures with a face", "higher", _BY, _IS_NOT),
    needs={FACES},
    place=80,
    suits=(DUBS,),
)
def face(_: Case, outcome: Clip) -> Measured:
    """Return the share of pictures with a face; a dub without any counts, with zero."""
    try:
        boxes = outcome.faces()
    except NoFaceError:
        return dict.fromkeys(face.figures, 0.0)
    return {"face_found": 1.0, "face_share": sum(box is not None for box in boxes) / max(len(boxes), 1)}
