"""Whether there is a face at all, by the detector of the dub. What it is not: whose face it is."""

from avcore.errors import NoFaceError
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import DUBS, Kind, Measured, Metric
from netflips.evaluate.needs import FACES

_FACE = ("face_found", "face_share")
_BY, _IS_NOT = "the detector of the dub", "not whose face it is"


def _measure(_: Case, outcome: Clip) -> Measured:
    """A dub without a face counts, with zero."""
    try:
        boxes = outcome.faces()
    except NoFaceError:
        return dict.fromkeys(_FACE, 0.0)
    return {_FACE[0]: 1.0, _FACE[1]: sum(box is not None for box in boxes) / max(len(boxes), 1)}


METRICS = (
    Metric(
        _measure,
        frozenset({FACES}),
        {
            _FACE[0]: Kind("clips with a face", "", "higher", _BY, _IS_NOT, is_share=True),
            _FACE[1]: Kind("pictures with a face", "", "higher", _BY, _IS_NOT),
        },
        place=80,
        suits=(DUBS,),
    ),
)
