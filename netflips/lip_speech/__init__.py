"""Speech for silent lips (lip-to-speech): what a mouth in a video says, in the voice of its owner or of somebody else."""

from typing import TYPE_CHECKING

from avcore.loading import names_from

if TYPE_CHECKING:
    from netflips.lip_speech.speaking import speak_lips

__getattr__ = names_from(__name__, {"speak_lips": "netflips.lip_speech.speaking"})

__all__ = ["speak_lips"]
