"""NetfLips: dub people on video into another language, in their own voice, with lips that fit.

`netflips.dub("talk.mp4", "talk_ko.mp4", to="ko")`: what a command can do, Python can, see `netflips.api`.
"""

from typing import TYPE_CHECKING

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait
from avcore.loading import names_from
from netflips.version import __version__ as __version__

if TYPE_CHECKING:
    from netflips.api import (
        analyse,
        avatar,
        dub,
        extract,
        lip2speech,
        lipsync,
        portrait,
        render,
        say,
        transcribe,
        translate,
    )

__all__ = [
    "analyse",
    "avatar",
    "dub",
    "extract",
    "lip2speech",
    "lipsync",
    "portrait",
    "render",
    "say",
    "transcribe",
    "translate",
]
__getattr__ = names_from(__name__, dict.fromkeys(__all__, "netflips.api"))
