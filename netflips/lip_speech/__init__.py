"""Speech for silent lips (lip-to-speech): what a mouth in a video says, in the voice of its owner or of somebody else."""

from avcore.loading import names_from

__getattr__ = names_from(__name__, {"speak_lips": "netflips.lip_speech.speaking"})
