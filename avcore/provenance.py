"""What every video that is made here says of itself in its `comment` tag."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

SYNTHETIC = "synthetic: NetfLips"
"""What every such comment begins with."""


def synthetic_comment(target: str, fingerprints: Iterable[str], source: str = "") -> str:
    """Return what a dubbed video says of itself: `synthetic: NetfLips <version>, <source>-><target>, models <fingerprints>`.

    source, target: two letters; source "" = not known (units were given).
    """
    try:
        number = version("netflips")
    except PackageNotFoundError:
        number = "(not installed)"
    return f"{SYNTHETIC} {number}, {source}->{target}, models {' '.join(name for name in fingerprints if name)}"
