"""NetfLips: dub people on video into another language, with lips that fit.

`netflips.dub("talk.mp4", "talk_ko.mp4", to="ko")`: each command is a function too, see `netflips.api`. `netflips.load()` reads the
models once, for many calls. Errors that you can put right are `NetflipsError`. `__init__.pyi` has the signatures.
"""

import avcore  # noqa: F401  first: it guards the start, and sets how torch's threads wait
from avcore.loading import names_from
from netflips.version import __version__ as __version__

_HOMES = {
    "Loaded": "netflips.loaded",
    "NetflipsError": "avcore.errors",
    "Units": "avcore.units",
    "load": "netflips.loaded",
}
__all__ = [
    "Loaded",
    "NetflipsError",
    "Units",
    "analyse",
    "avatar",
    "dub",
    "dub_each",
    "evaluate_demo",
    "extract",
    "get_models",
    "lip2speech",
    "lipsync",
    "list_models",
    "load",
    "portrait",
    "render",
    "say",
    "speak",
    "transcribe",
    "translate",
]
__getattr__ = names_from(__name__, dict.fromkeys(__all__, "netflips.api") | _HOMES)


def __dir__() -> list[str]:
    """Return the names for completion and `help`: what can be called, without modules."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
