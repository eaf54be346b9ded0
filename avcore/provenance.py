"""Of this installation: what every video that is made here says in its `comment` tag, and how to install an extra."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version

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


def pip_line(extra: str) -> str:
    """Return the command that installs an extra. It names the packages of the extra: NetfLips itself is on no index."""
    try:
        asked = requires("netflips") or []
    except PackageNotFoundError:
        asked = []
    packages = [line.partition(";")[0].strip() for line in asked if line.replace("'", '"').endswith(f'extra == "{extra}"')]
    return " ".join(("pip install", *(f'"{one}"' for one in packages)))
