"""NetfLips: dub people on video into another language, in their own voice, with lips that fit.

`netflips.dub("talk.mp4", "talk_ko.mp4", to="ko")`: what a command can do, Python can, see `netflips.api`.
"""

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait
from avcore.loading import functions_from

__version__ = "0.1.0"
functions_from(
    __name__,
    "netflips.api",
    ["analyse", "avatar", "dub", "extract", "lip2speech", "lipsync", "portrait", "render", "say", "transcribe", "translate"],
)
