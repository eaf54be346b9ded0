"""NetfLips: dub people on video into another language, with lips that fit.

`netflips.dub("talk.mp4", "talk_ko.mp4")` and its like are in `netflips.api`. `netflips.load()` reads the models once, for many
calls. Errors that you can put right are `NetflipsError`. What is named here is loaded when it is used.
"""

import avcore  # noqa: F401  first: it guards the start, and sets how torch's threads wait
from avcore.loading import names_from
from netflips.version import __version__ as __version__

_HOMES = {
    "netflips.api": ("dub", "info", "lip2speech", "lipsync", "portrait", "read_script", "say", "transcribe", "write_script"),
    "netflips.commands.options": ("LipSpeechOptions", "LipsyncOptions", "PortraitOptions", "SayOptions", "TranscribeOptions"),
    "netflips.dubbing.options": ("DubOptions",),
    "netflips.live.options": ("LiveOptions",),
    "netflips.loaded": ("Loaded", "load"),
    "avcore.errors": ("NetflipsError",),
    "avcore.units": ("Units",),
}
__all__ = sorted(name for names in _HOMES.values() for name in names)
__getattr__ = names_from(__name__, {name: home for home, names in _HOMES.items() for name in names})


def __dir__() -> list[str]:
    """Return the names for completion and `help`: what can be called, without modules."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
