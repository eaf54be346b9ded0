"""The roads of a dub: over units, or over text. A road is chosen once, by `road_of`, and has all that differs between them."""

from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions
from netflips.dubbing.road import Road
from netflips.dubbing.roads.text import TextRoad
from netflips.dubbing.roads.units import UnitRoad


def road_of(options: DubOptions) -> Road[Job]:
    """Return the road that options ask for. Raises UsageError for models of the cascade that are missing."""
    asked = options.cascade_models
    return UnitRoad() if asked is None else TextRoad(asked)
